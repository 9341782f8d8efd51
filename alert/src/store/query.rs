//! What can be asked of the store. Every question takes the viewer: the scope and the stream are part of the
//! statement, so that a page cannot forget them, and a lead is absent from rows and counts alike for those it is not
//! meant for.

use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, OutletId};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{Span, Time};

use super::clause::Where;
use super::db::args;
use super::views::{CASE_COLUMNS, CaseRow, NoticeRow, TraceRow, case_row, notice_row, trace_row};
use super::{Store, StoreError};
use crate::accounts::{Action, Viewer};
use crate::case::{Family, Outcome, State};
use crate::route::Listing;

/// Most rows of one page: more is not read by a person, and an export pages on.
pub const MAX_PAGE_ROWS: u32 = 500;
/// Most changes given at once; the rest comes with the next question.
const MAX_CHANGES: i64 = 1_000;

/// Which cases. Empty parts do not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaseFilter {
    /// In one of these states.
    pub states: Vec<State>,
    /// Of one of these families.
    pub families: Vec<Family>,
    /// By this rule.
    pub rule: Option<RuleCode>,
    /// At least this grave.
    pub severity_min: Option<Severity>,
    /// In this district.
    pub district: Option<String>,
    /// Of this industry.
    pub industry: Option<String>,
    /// Of this enterprise.
    pub enterprise: Option<EnterpriseId>,
    /// Of this outlet.
    pub outlet: Option<OutletId>,
    /// Of this factor.
    pub factor: Option<FactorCode>,
    /// Given to this person.
    pub assigned_to: Option<String>,
    /// `true`: only 签收; `false`: only not yet.
    pub acknowledged: Option<bool>,
    /// Outcome decided as this.
    pub outcome: Option<Outcome>,
    /// Past its due time at this moment.
    pub overdue_at: Option<Time>,
    /// Opened at or after.
    pub opened_from: Option<Time>,
    /// Opened before.
    pub opened_to: Option<Time>,
    /// Going on at some moment of this span.
    pub live_within: Option<Span>,
    /// On this list (see [`Routes::listing`](crate::route::Routes::listing)).
    pub listing: Option<Listing>,
    /// Changed after this change number.
    pub changed_after: Option<i64>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The gravest first, then the one that changed last.
    #[default]
    Gravest,
    /// The one that changed last.
    Latest,
    /// Together by enterprise, outlet and factor, gravest first within.
    ByOutlet,
}

/// Which rows of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// In which order.
    pub order: Order,
    /// How many to pass over.
    pub offset: u64,
    /// How many to give, at most [`MAX_PAGE_ROWS`].
    pub limit: u32,
}

/// One page of cases.
#[derive(Clone, Debug, PartialEq)]
pub struct CasePage {
    /// The rows.
    pub rows: Vec<CaseRow>,
    /// How many there are in all.
    pub total: u64,
    /// The last change number when they were read: ask for changes after it.
    pub seq: i64,
}

/// What the top of a page counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open cases by severity, gravest first; every severity is there.
    pub open: Vec<(Severity, u64)>,
    /// Open and not yet 签收.
    pub unacknowledged: u64,
    /// Resolved, waiting for outcome or person.
    pub resolved: u64,
    /// Corrected, waiting for an officer to confirm that the breach never was.
    pub retracting: u64,
    /// Live and past the due time.
    pub overdue: u64,
    /// Outcomes of all time, in the enum's order; every outcome is there.
    pub outcomes: Vec<(Outcome, u64)>,
    /// Number of the last change.
    pub seq: i64,
}

/// One case changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Number of its last change.
    pub seq: i64,
    /// As it is now.
    pub case: CaseRow,
}

impl Where {
    fn filter(&mut self, filter: &CaseFilter) {
        if !filter.states.is_empty() {
            self.and_any("state", filter.states.iter().map(|state| state.code().into()));
        }
        if !filter.families.is_empty() {
            self.and_any("family", filter.families.iter().map(|family| family.code().into()));
        }
        self.and_some("rule =", filter.rule.map(RuleCode::code));
        self.and_some("severity >=", filter.severity_min.map(|s| i64::from(s.number())));
        self.and_some("district =", filter.district.as_ref());
        self.and_some("industry =", filter.industry.as_ref());
        self.and_some("enterprise =", filter.enterprise);
        self.and_some("outlet =", filter.outlet);
        self.and_some("factor =", filter.factor);
        self.and_some("assigned_to =", filter.assigned_to.as_ref());
        self.and_some("outcome =", filter.outcome.map(Outcome::code));
        self.and_some("opened_at >=", filter.opened_from);
        self.and_some("opened_at <", filter.opened_to);
        self.and_some("changed_seq >", filter.changed_after);
        if let Some(listing) = &filter.listing {
            self.listed(listing);
        }
        if let Some(span) = filter.live_within {
            self.and("opened_at <", span.end);
            self.and("COALESCE(resolved_at, 9223372036854775807) >=", span.start);
        }
        match filter.acknowledged {
            Some(true) => self.fixed("acknowledged_at IS NOT NULL"),
            Some(false) => self.fixed("acknowledged_at IS NULL"),
            None => {}
        }
        if let Some(now) = filter.overdue_at {
            self.and("state IN ('open', 'resolved', 'retracting') AND due_at <", now);
        }
    }
}

impl Order {
    const fn sql(self) -> &'static str {
        match self {
            Self::Gravest => " ORDER BY severity DESC, updated_at DESC, id",
            Self::Latest => " ORDER BY updated_at DESC, id",
            Self::ByOutlet => " ORDER BY enterprise, outlet, factor, severity DESC, updated_at DESC, id",
        }
    }
}

impl Store {
    /// One page of the cases a viewer may see.
    pub async fn cases(&self, viewer: &Viewer, filter: &CaseFilter, page: Page) -> Result<CasePage, StoreError> {
        let seq = self.last_change().await?;
        let mut wanted = Where::cases_of(viewer);
        wanted.filter(filter);
        let count = self
            .db
            .one(wanted.sql("SELECT COUNT(*) AS n FROM cases", ""), wanted.values.clone())
            .await?;
        let total = count.map_or(Ok(0), |row| row.int("n"))?;
        let limit = page.limit.min(MAX_PAGE_ROWS);
        let offset = i64::try_from(page.offset).unwrap_or(i64::MAX);
        let tail = format!("{} LIMIT {limit} OFFSET {offset}", page.order.sql());
        let rows = self
            .db
            .rows(
                wanted.sql(&format!("SELECT {CASE_COLUMNS} FROM cases"), &tail),
                wanted.values,
            )
            .await?;
        Ok(CasePage {
            rows: rows.iter().map(case_row).collect::<Result<_, _>>()?,
            total: u64::try_from(total).unwrap_or(0),
            seq,
        })
    }

    /// One case, or `None` where there is none the viewer may see.
    pub async fn case(&self, viewer: &Viewer, case: ContentId) -> Result<Option<CaseRow>, StoreError> {
        let mut wanted = Where::cases_of(viewer);
        wanted.and("id =", case);
        let row = self
            .db
            .one(
                wanted.sql(&format!("SELECT {CASE_COLUMNS} FROM cases"), ""),
                wanted.values,
            )
            .await?;
        row.as_ref().map(case_row).transpose()
    }

    /// The trace of a case, oldest first; empty where the viewer may not see it.
    pub async fn trace(&self, viewer: &Viewer, case: ContentId) -> Result<Vec<TraceRow>, StoreError> {
        if self.case(viewer, case).await?.is_none() {
            return Ok(Vec::new());
        }
        let rows = self
            .db
            .rows(
                "SELECT seq, at, kind, actor, role, text, detail FROM trace WHERE case_id = $1 ORDER BY seq",
                args![case],
            )
            .await?;
        rows.iter().map(trace_row).collect()
    }

    /// The notices of a case, oldest first; empty where the viewer may not see them.
    pub async fn notices(&self, viewer: &Viewer, case: ContentId) -> Result<Vec<NoticeRow>, StoreError> {
        if !viewer.may(Action::ViewNotices) || self.case(viewer, case).await?.is_none() {
            return Ok(Vec::new());
        }
        let rows = self
            .db
            .rows(
                "SELECT id, audience, receiver, channel, address, purpose, state, reason, subject, created_at, \
                 attempts, sent_at, delivered_at, opened_at, acknowledged_at, error FROM notices WHERE case_id = \
                 $1 ORDER BY created_at, id",
                args![case],
            )
            .await?;
        rows.iter().map(notice_row).collect()
    }

    /// What the top of the page counts, for this viewer at `now`.
    pub async fn counts(&self, viewer: &Viewer, now: Time) -> Result<Counts, StoreError> {
        let mut counts = Counts {
            seq: self.last_change().await?,
            open: Severity::ALL.iter().rev().map(|&severity| (severity, 0)).collect(),
            outcomes: Outcome::ALL.iter().map(|&outcome| (outcome, 0)).collect(),
            ..Counts::default()
        };
        let mut live = Where::cases_of(viewer);
        live.fixed("state IN ('open', 'resolved', 'retracting')");
        let head = format!(
            "SELECT state, severity, CAST(CASE WHEN acknowledged_at IS NULL THEN 0 ELSE 1 END AS BIGINT) AS signed, \
             CAST(CASE WHEN due_at < {} THEN 1 ELSE 0 END AS BIGINT) AS late, COUNT(*) AS n FROM cases",
            now.0
        );
        let rows = self
            .db
            .rows(live.sql(&head, " GROUP BY 1, 2, 3, 4"), live.values)
            .await?;
        for row in &rows {
            let n = u64::try_from(row.int("n")?).unwrap_or(0);
            let state = row.parsed("state", State::from_code)?;
            if row.truth("late")? {
                counts.overdue += n;
            }
            match state {
                State::Resolved => {
                    counts.resolved += n;
                    continue;
                }
                State::Retracting => {
                    counts.retracting += n;
                    continue;
                }
                _ => {}
            }
            if !row.truth("signed")? {
                counts.unacknowledged += n;
            }
            let severity = row.int("severity")?;
            for (of, count) in &mut counts.open {
                if i64::from(of.number()) == severity {
                    *count += n;
                }
            }
        }
        let mut decided = Where::cases_of(viewer);
        decided.fixed("outcome IS NOT NULL");
        let head = "SELECT outcome, COUNT(*) AS n FROM cases";
        let rows = self
            .db
            .rows(decided.sql(head, " GROUP BY outcome"), decided.values)
            .await?;
        for row in &rows {
            let outcome = row.parsed("outcome", Outcome::from_code)?;
            let n = u64::try_from(row.int("n")?).unwrap_or(0);
            for (of, count) in &mut counts.outcomes {
                if *of == outcome {
                    *count = n;
                }
            }
        }
        Ok(counts)
    }

    /// Cases that changed after change number `seq` and that the viewer may see, in order of their last change.
    pub async fn changes_since(&self, viewer: &Viewer, seq: i64) -> Result<Vec<Change>, StoreError> {
        let mut wanted = Where::cases_of(viewer);
        wanted.and("changed_seq >", seq);
        let tail = format!(" ORDER BY changed_seq LIMIT {MAX_CHANGES}");
        let rows = self
            .db
            .rows(
                wanted.sql(&format!("SELECT {CASE_COLUMNS} FROM cases"), &tail),
                wanted.values,
            )
            .await?;
        rows.iter()
            .map(|row| {
                case_row(row).map(|case| Change {
                    seq: case.changed_seq,
                    case,
                })
            })
            .collect()
    }

    /// Number of the last change; 0 before the first.
    pub async fn last_change(&self) -> Result<i64, StoreError> {
        let row = self
            .db
            .one("SELECT value FROM counters WHERE name = 'trace'", Vec::new())
            .await?;
        row.map_or(Ok(0), |row| row.int("value"))
    }
}
