//! The digests: of yesterday every morning, of last week on Mondays. What they list follows the routes: the daily one
//! of an enterprise everything abnormal but what its routes put off to the week, the others what the routes put into
//! them.

use std::collections::BTreeSet;

use plume_schemas::ids::ContentId;
use plume_schemas::registry::{Enterprise, RegistryIndex};
use plume_schemas::time::{Span, Time};

use super::Desk;
use super::daily::batch_of;
use crate::accounts::{Role, Scope, Viewer};
use crate::book::Purpose;
use crate::case::TraceKind;
use crate::digest::{self, Abnormal, Coverage, Listed};
use crate::notify::bulletin::{Bulletin, to_bureau, to_contractor, to_enterprise};
use crate::notify::{Audience, Channel, Maker, Notice};
use crate::rates::{RateRow, Share};
use crate::route::Way;
use crate::store::{CaseFilter, CaseRow, Order, Page, ProblemFilter, StoreError, outbox, reminders};
use crate::words::{Message, factor_name};

/// Cases read for one digest; what is beyond is on the desk.
const MAX_CASES: u32 = 500;

impl Desk {
    /// Makes the digests that are due at `now`, each once. Gives the number of notices.
    pub(super) async fn digests(&self, now: Time) -> Result<usize, StoreError> {
        let mut made = 0;
        if let Some(day) = digest::day_due(now) {
            let batch = batch_of(b"digest", day.start);
            if !self.0.store.has_batch(batch).await? {
                let notices = self.made(batch, now, Way::Daily, day).await?;
                made += self.keep(batch, "digest", day, notices, now).await?;
            }
        }
        if let Some(week) = digest::week_due(now) {
            let batch = batch_of(b"weekly", week.start);
            if !self.0.store.has_batch(batch).await? {
                let notices = self.made(batch, now, Way::Weekly, week).await?;
                made += self.keep(batch, "weekly", week, notices, now).await?;
            }
        }
        Ok(made)
    }

    async fn keep(
        &self,
        batch: ContentId,
        kind: &'static str,
        span: Span,
        notices: Vec<Notice>,
        now: Time,
    ) -> Result<usize, StoreError> {
        let mut tx = self.0.store.begin().await?;
        reminders::add_batch(&mut tx, batch, kind, &span.start.date(), now).await?;
        outbox::add(&mut tx, &notices).await?;
        tx.commit().await?;
        Ok(notices.len())
    }

    async fn made(&self, batch: ContentId, now: Time, way: Way, span: Span) -> Result<Vec<Notice>, StoreError> {
        // A digest is a mail; without one there is nothing to make.
        if !self.carries(Channel::Mail) {
            return Ok(Vec::new());
        }
        let (tables, registry, roster) = (self.tables(), self.registry(), self.roster());
        let maker = self.maker(&tables, &registry, &roster);
        let paper = Paper {
            maker: &maker,
            batch,
            span,
            way,
            now,
        };
        let mut notices = Vec::new();
        let rates = match way {
            Way::Daily => self.rates(span, None).await.ok().flatten(),
            _ => None,
        };
        for enterprise in &registry.registry().enterprises {
            notices.extend(self.to_site(&paper, enterprise, rates.as_deref()).await?);
        }
        let districts: BTreeSet<&str> = registry
            .registry()
            .enterprises
            .iter()
            .map(|enterprise| enterprise.district.as_str())
            .collect();
        for district in districts {
            notices.extend(self.to_desk(&paper, Audience::Branch, district).await?);
        }
        notices.extend(self.to_desk(&paper, Audience::City, "").await?);
        Ok(notices)
    }

    /// What an enterprise and its contractor are sent.
    async fn to_site(
        &self,
        paper: &Paper<'_>,
        enterprise: &Enterprise,
        rates: Option<&[RateRow]>,
    ) -> Result<Vec<Notice>, StoreError> {
        let scope = Scope::Enterprise(enterprise.id);
        let all = self.cases_of(Role::Enterprise, scope, paper.span).await?;
        let mut notices = Vec::new();
        let contractors = paper.listed(&all, Audience::Contractor);
        if !contractors.is_empty() {
            let message = paper.list(self, &enterprise.name, &contractors);
            notices.extend(to_contractor(paper.maker, enterprise, &paper.bulletin(message)));
        }
        let own = paper.listed(&all, Audience::Enterprise);
        if paper.way == Way::Weekly {
            if !own.is_empty() {
                let message = paper.list(self, &enterprise.name, &own);
                notices.push(to_enterprise(paper.maker, enterprise, &paper.bulletin(message)));
            }
            return Ok(notices);
        }
        let registry = self.registry();
        let coverage = self.coverage(enterprise, &registry, paper.span);
        let rate = rates.and_then(|rates| share_of(enterprise, &registry, rates));
        if own.is_empty() && coverage.is_empty() && rate.is_none() {
            // Nothing is known of that day, so nothing is said of it.
            return Ok(notices);
        }
        let abnormal = Abnormal {
            name: &enterprise.name,
            day: paper.span,
            causes: self.causes(&own).await?,
            cases: own,
            coverage: &coverage,
            rate,
        };
        let message = digest::of_enterprise(&abnormal, self.catalogue(), paper.maker.lang);
        notices.push(to_enterprise(paper.maker, enterprise, &paper.bulletin(message)));
        Ok(notices)
    }

    /// What the officers on duty are sent: each day how it went, each week what their routes put off.
    async fn to_desk(&self, paper: &Paper<'_>, audience: Audience, district: &str) -> Result<Vec<Notice>, StoreError> {
        let (role, scope, name) = match audience {
            Audience::Branch => (Role::Branch, Scope::District(district.to_owned()), district),
            _ => (Role::CityDuty, Scope::All, paper.maker.lang.pick("全市", "city")),
        };
        let cases = self.cases_of(role, scope.clone(), paper.span).await?;
        let message = if paper.way == Way::Weekly {
            let listed = paper.listed(&cases, audience);
            if listed.is_empty() {
                return Ok(Vec::new());
            }
            paper.list(self, name, &listed)
        } else {
            let problems = self
                .0
                .store
                .rectification(&system(role, scope), &ProblemFilter::default(), paper.now)
                .await?;
            digest::of_bureau(name, paper.span, &cases, problems, paper.maker.lang)
        };
        Ok(to_bureau(paper.maker, audience, district, &paper.bulletin(message)))
    }

    /// Cases that went on at some moment of the span, as that role sees them: leads are not among them.
    async fn cases_of(&self, role: Role, scope: Scope, span: Span) -> Result<Vec<CaseRow>, StoreError> {
        let filter = CaseFilter {
            live_within: Some(span),
            ..CaseFilter::default()
        };
        let page = Page {
            order: Order::Gravest,
            offset: 0,
            limit: MAX_CASES,
        };
        let mut cases = self.0.store.cases(&system(role, scope), &filter, page).await?.rows;
        cases.retain(|case| !case.tags.trial);
        Ok(cases)
    }

    /// What the enterprise itself gave as the cause, case by case; empty where it has not answered.
    async fn causes(&self, cases: &[&CaseRow]) -> Result<Vec<String>, StoreError> {
        let mut causes = Vec::new();
        for case in cases.iter().take(digest::MAX_LISTED) {
            let mut cause = String::new();
            if case.answered.is_some() {
                let scope = Scope::Enterprise(case.tags.enterprise);
                let trace = self.0.store.trace(&system(Role::Enterprise, scope), case.id).await?;
                let answer = trace.iter().rev().find(|line| line.kind == TraceKind::Answered);
                cause = answer
                    .and_then(|line| line.text.lines().next())
                    .map_or_else(String::new, str::to_owned);
            }
            causes.push(cause);
        }
        Ok(causes)
    }

    /// Valid minutes of the day by factor with a limit, where the memory reaches back far enough to say.
    fn coverage(&self, enterprise: &Enterprise, registry: &RegistryIndex, day: Span) -> Vec<Coverage> {
        let series = self.series_store();
        let outlets = registry
            .registry()
            .outlets
            .iter()
            .filter(|outlet| outlet.enterprise == enterprise.id);
        let mut found = Vec::new();
        for outlet in outlets {
            for setup in outlet.factors.iter().filter(|setup| !setup.limits.is_empty()) {
                if let Some(valid_minutes) = series.valid_minutes(outlet.id, setup.code, day) {
                    let factor = factor_name(setup.code, &self.0.catalogue, self.0.config.language);
                    found.push(Coverage {
                        what: format!("{} {factor}", outlet.number),
                        valid_minutes,
                    });
                }
            }
        }
        found
    }
}

/// One round of digests.
struct Paper<'a> {
    maker: &'a Maker<'a>,
    batch: ContentId,
    span: Span,
    way: Way,
    now: Time,
}

impl Paper<'_> {
    fn bulletin(&self, message: Message) -> Bulletin {
        Bulletin {
            purpose: Purpose::Digest,
            cause: self.batch,
            batch: Some(self.batch),
            channel: Channel::Mail,
            message,
            now: self.now,
        }
    }

    /// The cases that belong into this digest of an audience.
    fn listed<'c>(&self, cases: &'c [CaseRow], audience: Audience) -> Vec<&'c CaseRow> {
        let daily_of_enterprise = self.way == Way::Daily && audience == Audience::Enterprise;
        let belongs = |case: &&CaseRow| {
            let ways = self.maker.routes.ways(case, audience, self.maker.config);
            if daily_of_enterprise {
                ways.is_empty() || ways.iter().any(|way| !matches!(way, Way::Weekly | Way::None))
            } else {
                ways.contains(&self.way)
            }
        };
        cases.iter().filter(belongs).collect()
    }

    fn list(&self, desk: &Desk, name: &str, cases: &[&CaseRow]) -> Message {
        let listed = Listed {
            name,
            span: self.span,
            cases,
        };
        digest::list(&listed, desk.catalogue(), self.maker.lang)
    }
}

/// The rate of all outlets of an enterprise together.
fn share_of(enterprise: &Enterprise, registry: &RegistryIndex, rates: &[RateRow]) -> Option<Share> {
    let own = |row: &&RateRow| {
        registry
            .outlet(row.outlet)
            .is_some_and(|outlet| outlet.enterprise == enterprise.id)
    };
    let all = rates
        .iter()
        .filter(own)
        .fold(Share::default(), |sum, row| sum.and(row.completed));
    (all.due > 0).then_some(all)
}

/// plume itself, reading as a role would.
fn system(role: Role, scope: Scope) -> Viewer {
    Viewer {
        name: "plume".into(),
        role,
        scope,
    }
}
