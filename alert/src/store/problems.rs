//! Problems and their rounds.

use plume_schemas::ids::{ContentId, EnterpriseId, OutletId};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::Time;
use sqlx::AssertSqlSafe;

use super::clause::Where;
use super::db::{Row, Tx, args};
use super::{Store, StoreError, id};
use crate::accounts::Viewer;
use crate::problem::{Problem, ProblemState, Rectification, Review, Round, Source, Verdict};

const COLUMNS: &str = "id, version, source, case_id, enterprise, district, outlet, rule, title, found_at, \
     found_by, due_at, reviewer, state, closed_at";
/// Most problems of one answer; a page shows fewer.
const MAX_ROWS: u32 = 500;

/// Which problems. Empty parts do not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProblemFilter {
    /// In one of these states.
    pub states: Vec<ProblemState>,
    /// Found in this way.
    pub source: Option<Source>,
    /// Of this enterprise.
    pub enterprise: Option<EnterpriseId>,
    /// In this district.
    pub district: Option<String>,
    /// Found at or after.
    pub found_from: Option<Time>,
    /// Found before.
    pub found_to: Option<Time>,
}

impl Store {
    /// Problems a viewer may see, the one due first on top; `offset` and `limit` page through them.
    pub async fn problems(
        &self,
        viewer: &Viewer,
        filter: &ProblemFilter,
        offset: u32,
        limit: u32,
    ) -> Result<Vec<Problem>, StoreError> {
        let wanted = restricted(viewer, filter);
        let tail = format!(" ORDER BY due_at, id LIMIT {} OFFSET {offset}", limit.min(MAX_ROWS));
        let rows = self
            .db
            .rows(
                wanted.sql(&format!("SELECT {COLUMNS} FROM problems"), &tail),
                wanted.values,
            )
            .await?;
        let mut problems = Vec::new();
        for row in &rows {
            let mut problem = head(row)?;
            let rounds = self.db.rows(ROUNDS, args![problem.id]).await?;
            problem.rounds = rounds.iter().map(round).collect::<Result<_, _>>()?;
            problems.push(problem);
        }
        Ok(problems)
    }

    /// One problem, or `None` where there is none the viewer may see.
    pub async fn problem(&self, viewer: &Viewer, problem: ContentId) -> Result<Option<Problem>, StoreError> {
        let mut wanted = Where::rows_of(viewer);
        wanted.and("id =", problem);
        let row = self
            .db
            .one(
                wanted.sql(&format!("SELECT {COLUMNS} FROM problems"), ""),
                wanted.values,
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let mut problem = head(&row)?;
        let rounds = self.db.rows(ROUNDS, args![problem.id]).await?;
        problem.rounds = rounds.iter().map(round).collect::<Result<_, _>>()?;
        Ok(Some(problem))
    }

    /// Problems as of `now`, within a viewer's scope and a filter.
    pub async fn rectification(
        &self,
        viewer: &Viewer,
        filter: &ProblemFilter,
        now: Time,
    ) -> Result<Rectification, StoreError> {
        let count = async |add: fn(&mut Where, Time)| -> Result<u64, StoreError> {
            let mut wanted = restricted(viewer, filter);
            wanted.fixed("state <> 'withdrawn'");
            add(&mut wanted, now);
            let row = self
                .db
                .one(wanted.sql("SELECT COUNT(*) AS n FROM problems", ""), wanted.values)
                .await?;
            Ok(u64::try_from(row.map_or(Ok(0), |row| row.int("n"))?).unwrap_or(0))
        };
        Ok(Rectification {
            found: count(|_, _| {}).await?,
            passed: count(|wanted, _| wanted.fixed("state = 'passed'")).await?,
            overdue: count(|wanted, now| wanted.and("state IN ('open', 'returned') AND due_at <=", now)).await?,
            review_overdue: count(|wanted, now| {
                wanted.and(
                    "state IN ('submitted', 'on_site') AND (SELECT MAX(r.review_due_at) FROM problem_rounds r \
                     WHERE r.problem_id = problems.id AND r.round = (SELECT MAX(l.round) FROM problem_rounds l \
                     WHERE l.problem_id = problems.id)) <=",
                    now,
                );
            })
            .await?,
        })
    }
}

fn restricted(viewer: &Viewer, filter: &ProblemFilter) -> Where {
    let mut wanted = Where::rows_of(viewer);
    if !filter.states.is_empty() {
        wanted.and_any("state", filter.states.iter().map(|state| state.code().into()));
    }
    wanted.and_some("source =", filter.source.map(Source::code));
    wanted.and_some("enterprise =", filter.enterprise);
    wanted.and_some("district =", filter.district.as_ref());
    wanted.and_some("found_at >=", filter.found_from);
    wanted.and_some("found_at <", filter.found_to);
    wanted
}

/// A problem by id, to change it.
pub(crate) async fn load(tx: &mut Tx<'_>, problem: ContentId) -> Result<Option<Problem>, StoreError> {
    let row = tx
        .one(
            AssertSqlSafe(format!("SELECT {COLUMNS} FROM problems WHERE id = $1")),
            args![problem],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut problem = head(&row)?;
    let rounds = tx.rows(ROUNDS, args![problem.id]).await?;
    problem.rounds = rounds.iter().map(round).collect::<Result<_, _>>()?;
    Ok(Some(problem))
}

/// Writes a problem with its rounds; its version counts up.
pub(crate) async fn save(tx: &mut Tx<'_>, problem: &Problem) -> Result<(), StoreError> {
    tx.exec(
        "INSERT INTO problems (id, version, source, case_id, enterprise, district, outlet, rule, title, found_at, \
         found_by, due_at, reviewer, state, closed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
         $13, $14, $15) ON CONFLICT (id) DO UPDATE SET version = $2, due_at = $12, reviewer = $13, state = $14, \
         closed_at = $15",
        args![
            problem.id,
            problem.version + 1,
            problem.source.code(),
            problem.case,
            problem.enterprise,
            &problem.district,
            problem.outlet.map(|outlet| outlet.as_str().to_owned()),
            problem.rule.map(RuleCode::code),
            &problem.title,
            problem.found_at,
            &problem.found_by,
            problem.due_at,
            problem.reviewer.clone(),
            problem.state.code(),
            problem.closed_at,
        ],
    )
    .await?;
    for (number, round) in (1_i64..).zip(&problem.rounds) {
        let review = round.review.as_ref();
        tx.exec(
            "INSERT INTO problem_rounds (problem_id, round, submitted_at, submitted_by, cause, measures, \
             review_due_at, reviewed_at, reviewed_by, result, guidance) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
             $10, $11) ON CONFLICT (problem_id, round) DO UPDATE SET review_due_at = $7, reviewed_at = $8, \
             reviewed_by = $9, result = $10, guidance = $11",
            args![
                problem.id,
                number,
                round.submitted_at,
                &round.submitted_by,
                &round.cause,
                &round.measures,
                round.review_due_at,
                review.map(|review| review.at),
                review.map(|review| review.by.clone()),
                review.map(|review| review.verdict.code()),
                review.map(|review| review.guidance.clone()),
            ],
        )
        .await?;
    }
    Ok(())
}

const ROUNDS: &str = "SELECT submitted_at, submitted_by, cause, measures, review_due_at, reviewed_at, reviewed_by, \
     result, guidance FROM problem_rounds WHERE problem_id = $1 ORDER BY round";

fn head(row: &Row) -> Result<Problem, StoreError> {
    Ok(Problem {
        id: row.parsed("id", id)?,
        version: row.int("version")?,
        source: row.parsed("source", Source::from_code)?,
        case: row.opt_parsed("case_id", id)?,
        enterprise: row.parsed("enterprise", |text| EnterpriseId::new(text).ok())?,
        district: row.text("district")?,
        outlet: row.opt_parsed("outlet", |text| OutletId::new(text).ok())?,
        rule: row.opt_parsed("rule", RuleCode::from_code)?,
        title: row.text("title")?,
        found_at: row.time("found_at")?,
        found_by: row.text("found_by")?,
        due_at: row.time("due_at")?,
        reviewer: row.opt_text("reviewer")?,
        state: row.parsed("state", ProblemState::from_code)?,
        rounds: Vec::new(),
        closed_at: row.opt_time("closed_at")?,
    })
}

fn round(row: &Row) -> Result<Round, StoreError> {
    let review = match row.opt_time("reviewed_at")? {
        None => None,
        Some(at) => Some(Review {
            at,
            by: row.opt_text("reviewed_by")?.unwrap_or_default(),
            verdict: row.parsed("result", Verdict::from_code)?,
            guidance: row.opt_text("guidance")?.unwrap_or_default(),
        }),
    };
    Ok(Round {
        submitted_at: row.time("submitted_at")?,
        submitted_by: row.text("submitted_by")?,
        cause: row.text("cause")?,
        measures: row.text("measures")?,
        review_due_at: row.time("review_due_at")?,
        review,
    })
}
