//! Reports of instruments out of order, and the samples taken meanwhile.

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::time::Time;

use super::clause::Where;
use super::db::{Row, Tx, args};
use super::{Store, StoreError, id};
use crate::accounts::Viewer;
use crate::case::{By, Tags};
use crate::fault::{FaultReport, MAX_SAMPLES, Sample};

const COLUMNS: &str = "SELECT number, label, case_id, enterprise, outlet, factor, text, by_name, at, repaired_at, \
     repaired_by FROM fault_reports";
/// Reports shown at once.
const MAX_ROWS: u32 = 200;

/// Keeps a report.
pub(crate) async fn add(tx: &mut Tx<'_>, report: &FaultReport, tags: &Tags) -> Result<(), StoreError> {
    tx.exec(
        "INSERT INTO fault_reports (number, label, case_id, enterprise, district, outlet, factor, text, by_name, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        args![
            report.number,
            &report.label,
            report.case,
            report.enterprise,
            &tags.district,
            report.outlet,
            report.factor.map_or(String::new(), |factor| factor.to_string()),
            &report.text,
            &report.reported.name,
            report.reported.at,
        ],
    )
    .await?;
    Ok(())
}

impl Store {
    /// Reports a viewer may see, newest first; of one case, or of all.
    pub async fn fault_reports(
        &self,
        viewer: &Viewer,
        case: Option<ContentId>,
    ) -> Result<Vec<FaultReport>, StoreError> {
        let mut wanted = Where::rows_of(viewer);
        wanted.and_some("case_id =", case);
        let tail = format!(" ORDER BY number DESC LIMIT {MAX_ROWS}");
        let rows = self.db.rows(wanted.sql(COLUMNS, &tail), wanted.values).await?;
        rows.iter().map(report).collect()
    }

    /// One report, if it is the viewer's to see.
    pub async fn fault_report(&self, viewer: &Viewer, number: i64) -> Result<Option<FaultReport>, StoreError> {
        let mut wanted = Where::rows_of(viewer);
        wanted.and("number =", number);
        let row = self.db.one(wanted.sql(COLUMNS, ""), wanted.values).await?;
        row.as_ref().map(report).transpose()
    }

    /// The samples of a report, newest first.
    pub async fn samples(&self, number: i64) -> Result<Vec<Sample>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT factor, taken_at, value, by_name, entered_at FROM manual_samples WHERE report = $1 \
                 ORDER BY taken_at DESC, factor",
                args![number],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Sample {
                    factor: row.parsed("factor", |text| FactorCode::new(text).ok())?,
                    taken_at: row.time("taken_at")?,
                    value: row.parsed("value", |text| Decimal::parse(text.as_bytes()))?,
                    entered: By {
                        name: row.text("by_name")?,
                        at: row.time("entered_at")?,
                    },
                })
            })
            .collect()
    }

    /// Keeps a sample; one of the same factor and moment is corrected by it. False where the report holds no more.
    pub(crate) async fn add_sample(&self, number: i64, sample: &Sample) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let held = tx
            .rows(
                "SELECT COUNT(*) AS n FROM manual_samples WHERE report = $1",
                args![number],
            )
            .await?;
        let held = held.first().map_or(Ok(0), |row| row.int("n"))?;
        if usize::try_from(held).unwrap_or(usize::MAX) >= MAX_SAMPLES {
            return Ok(false);
        }
        tx.exec(
            "INSERT INTO manual_samples (report, factor, taken_at, value, by_name, entered_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (report, factor, taken_at) \
             DO UPDATE SET value = $4, by_name = $5, entered_at = $6",
            args![
                number,
                sample.factor,
                sample.taken_at,
                sample.value.to_string(),
                &sample.entered.name,
                sample.entered.at,
            ],
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Writes down that the instrument works again. False where somebody has said so before.
    pub(crate) async fn record_repair(&self, number: i64, by: &str, at: Time) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        let done = tx
            .exec(
                "UPDATE fault_reports SET repaired_at = $2, repaired_by = $3 WHERE number = $1 AND repaired_at IS NULL",
                args![number, at, by],
            )
            .await?;
        tx.commit().await?;
        Ok(done > 0)
    }
}

fn report(row: &Row) -> Result<FaultReport, StoreError> {
    let repaired = match row.opt_time("repaired_at")? {
        None => None,
        Some(at) => Some(By {
            name: row.opt_text("repaired_by")?.unwrap_or_default(),
            at,
        }),
    };
    Ok(FaultReport {
        number: row.int("number")?,
        label: row.text("label")?,
        case: row.parsed("case_id", id)?,
        enterprise: row.parsed("enterprise", |text| EnterpriseId::new(text).ok())?,
        outlet: row.parsed("outlet", |text| OutletId::new(text).ok())?,
        factor: match row.text("factor")?.as_str() {
            "" => None,
            _ => Some(row.parsed("factor", |text| FactorCode::new(text).ok())?),
        },
        text: row.text("text")?,
        reported: By {
            name: row.text("by_name")?,
            at: row.time("at")?,
        },
        repaired,
    })
}
