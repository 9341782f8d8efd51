//! 行政处罚信息公示: the table of penalties that are made public, as the city's desk keeps it. Only the enterprise itself
//! and its officers ever see a row of it. Pure.

use plume_schemas::ids::EnterpriseId;
use plume_schemas::time::Time;

use crate::calendar::date;
use crate::rows::{self, Layout, Row, RowError, Said, is_formula};

/// Most penalties of one table: five for each enterprise of a large city.
const MAX_PENALTIES: usize = 5_000;
/// Longest 处罚决定书文号, characters.
const MAX_DOCUMENT_CHARS: usize = 64;

static LAYOUT: Layout = Layout {
    name: Said::new("处罚公示", "publicity"),
    columns: &[
        "enterprise",
        "document",
        "published",
        "minimum_until",
        "maximum_until",
        "ended",
    ],
    max_rows: MAX_PENALTIES,
    example: "91330100MA27X0AB1C,杭环罚〔2026〕1号,2026-08-01,2026-11-01,2027-08-01,",
};
const ENTERPRISE: Said = Said::new("已登记企业的统一社会信用代码", "enterprise of the registry");
const DOCUMENT: Said = Said::new(
    "处罚决定书文号，不超过 64 字，每家企业只列一次",
    "document number of at most 64 characters that stands once for its enterprise",
);
const PUBLISHED: Said = Said::new("公示日期，如 2026-08-01", "date such as 2026-08-01");
const MINIMUM: Said = Said::new("最短公示期满日，须晚于公示日期", "date after the publication");
const MAXIMUM: Said = Said::new(
    "最长公示期满日，不早于最短公示期满日",
    "date not before the shortest period ends",
);
const ENDED: Said = Said::new(
    "停止公示日期，不早于公示日期；仍在公示则留空",
    "date not before the publication, or nothing while it is public",
);

/// A penalty that is made public. Seen by its enterprise and its officers only, and never called more than it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publicity {
    /// Whose.
    pub enterprise: EnterpriseId,
    /// In which district.
    pub district: String,
    /// 处罚决定书文号.
    pub document: String,
    /// When it was published.
    pub published_at: Time,
    /// Day on which the shortest period is over.
    pub minimum_until: Time,
    /// Day on which the longest period is over.
    pub maximum_until: Time,
    /// Taken down.
    pub ended_at: Option<Time>,
}

/// Penalties from CSV with columns `enterprise,document,published,minimum_until,maximum_until,ended`; all or none.
/// `district_of` knows the enterprises of the registry.
pub fn from_csv(text: &str, district_of: impl Fn(EnterpriseId) -> Option<String>) -> Result<Vec<Publicity>, RowError> {
    let mut known = std::collections::HashSet::new();
    rows::read(&LAYOUT, text, |row| {
        let penalty = penalty(row, &district_of)?;
        if !known.insert((penalty.enterprise, penalty.document.clone())) {
            return Err(row.bad(1, DOCUMENT));
        }
        Ok(penalty)
    })
}

fn penalty(row: Row<'_>, district_of: impl Fn(EnterpriseId) -> Option<String>) -> Result<Publicity, RowError> {
    let enterprise = EnterpriseId::new(row.cell(0)).map_err(|_| row.bad(0, ENTERPRISE))?;
    let district = district_of(enterprise).ok_or_else(|| row.bad(0, ENTERPRISE))?;
    let document = row.cell(1).to_owned();
    if document.is_empty() || document.chars().count() > MAX_DOCUMENT_CHARS || is_formula(&document) {
        return Err(row.bad(1, DOCUMENT));
    }
    let day = |at: usize, expected, fits: &dyn Fn(Time) -> bool| {
        let found = date(row.cell(at)).filter(|&day| fits(day));
        found.ok_or_else(|| row.bad(at, expected))
    };
    let published_at = day(2, PUBLISHED, &|_| true)?;
    let minimum_until = day(3, MINIMUM, &|day| day > published_at)?;
    let maximum_until = day(4, MAXIMUM, &|day| day >= minimum_until)?;
    let ended_at = match row.cell(5) {
        "" => None,
        _ => Some(day(5, ENDED, &|day| day >= published_at)?),
    };
    Ok(Publicity {
        enterprise,
        district,
        document,
        published_at,
        minimum_until,
        maximum_until,
        ended_at,
    })
}

/// The same table as text.
pub fn to_csv(penalties: &[Publicity]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(LAYOUT.columns)?;
    for penalty in penalties {
        writer.write_record([
            penalty.enterprise.as_str(),
            &penalty.document,
            &penalty.published_at.date(),
            &penalty.minimum_until.date(),
            &penalty.maximum_until.date(),
            &penalty.ended_at.map_or_else(String::new, Time::date),
        ])?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "91330100MA27X0AB1C";

    fn table(rows: &str) -> Result<Vec<Publicity>, RowError> {
        let district = |id: EnterpriseId| (id.as_str() == OWN).then(|| "东区".to_owned());
        from_csv(&format!("{}\n{rows}", LAYOUT.columns.join(",")), district)
    }

    #[test]
    fn what_is_written_reads_again() {
        let rows = format!(
            "{OWN},杭环罚〔2026〕1号,2026-08-01,2026-11-01,2027-08-01,\n\
             {OWN},\"a, b\",2026-01-02,2026-04-02,2026-04-02,2026-05-01\n"
        );
        let penalties = table(&rows).unwrap();
        assert_eq!(penalties[0].district, "东区");
        assert_eq!(penalties[1].ended_at.map(Time::date).as_deref(), Some("2026-05-01"));
        let text = to_csv(&penalties).unwrap();
        assert_eq!(from_csv(&text, |_| Some("东区".to_owned())).unwrap(), penalties);
    }

    #[test]
    fn bad_rows_are_refused_by_line_in_both_languages() {
        let good = [OWN, "文1", "2026-08-01", "2026-11-01", "2027-08-01", ""];
        for (at, text, expected) in [
            (0, "91330100MA27X0XY9Z", ENTERPRISE),
            (0, "", ENTERPRISE),
            (1, "", DOCUMENT),
            (1, "=cmd()", DOCUMENT),
            (2, "2026-13-01", PUBLISHED),
            (2, "2026/08/01", PUBLISHED),
            (3, "2026-08-01", MINIMUM),
            (4, "2026-10-31", MAXIMUM),
            (5, "2026-07-31", ENDED),
        ] {
            let mut row = good;
            row[at] = text;
            let error = table(&format!("{}\n", row.join(","))).unwrap_err();
            assert!(
                error.to_string().contains("line 2") && error.to_string().contains(expected.en),
                "{error}"
            );
            assert!(
                error.zh().contains("第 2 行") && error.zh().contains(expected.zh),
                "{}",
                error.zh()
            );
        }
        let twice = format!("{}\n", good.join(",")).repeat(2);
        assert!(table(&twice).unwrap_err().to_string().contains("line 3"));
    }
}
