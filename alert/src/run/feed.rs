//! Events in: the case, its trace, its notices, its problem, the event's id and the offset are one transaction.

use std::sync::atomic::Ordering;

use plume_schemas::entry::LogPosition;
use plume_schemas::event::Event;
use plume_schemas::ids::{ContentId, EnterpriseId};
use plume_schemas::registry::{Enterprise, RegistryIndex};
use plume_schemas::time::{SECOND_MS, Time};

use super::{Desk, EventOutcome};
use crate::book::{self, Applied, Around, Effect, Patience, Said};
use crate::case::{Case, Certainty, Family, State, Tags, TraceKind};
use crate::duty::Roster;
use crate::notify::{Maker, News, make};
use crate::problem::{ANSWER_WORKING_DAYS, Problem, ProblemState, Source};
use crate::store::db::Tx;
use crate::store::{StoreError, log, outbox, problems, write};
use crate::tables::Tables;

/// Cases settled in one pass: a pass stays short, the rest comes in the next.
const MAX_SETTLED: i64 = 200;
impl Desk {
    /// Applies the event at `at` of the events topic. On an error nothing has happened, and the event is to be given
    /// again.
    pub async fn apply(&self, at: LogPosition, event: &Event) -> Result<EventOutcome, StoreError> {
        self.log_says(event.at);
        let mut tx = self.0.store.begin().await?;
        if log::next_offset(&mut tx, at.partition).await? > at.offset {
            self.0.signals.event_repeated(event.id);
            return Ok(EventOutcome::Repeated);
        }
        log::advance(&mut tx, at.partition, at.offset + 1).await?;
        self.apply_new(tx, event).await
    }

    /// Applies an event that is on no line of the log: what this desk found itself in what the judges said. Its id says
    /// whether it is known. On an error nothing has happened, and the event is to be given again.
    pub async fn apply_found(&self, event: &Event) -> Result<EventOutcome, StoreError> {
        let tx = self.0.store.begin().await?;
        self.apply_new(tx, event).await
    }

    async fn apply_new(&self, mut tx: Tx<'_>, event: &Event) -> Result<EventOutcome, StoreError> {
        if !log::mark_applied(&mut tx, event).await? {
            tx.commit().await?;
            self.0.signals.event_repeated(event.id);
            return Ok(EventOutcome::Repeated);
        }
        let Some((case, seq)) = self.apply_in(&mut tx, event).await? else {
            tx.commit().await?;
            self.0.signals.event_ignored(event.id, event.edge);
            return Ok(EventOutcome::Ignored);
        };
        tx.commit().await?;
        self.0.signals.event_applied(event.edge, case);
        self.changed(seq);
        Ok(EventOutcome::Applied(case))
    }

    /// Passes over a record of the events topic that cannot be read.
    pub async fn skip(&self, at: LogPosition) -> Result<(), StoreError> {
        let mut tx = self.0.store.begin().await?;
        if log::next_offset(&mut tx, at.partition).await? <= at.offset {
            log::advance(&mut tx, at.partition, at.offset + 1).await?;
            tx.commit().await?;
            self.0.signals.event_unreadable(at.partition, at.offset);
        }
        Ok(())
    }

    async fn apply_in(&self, tx: &mut Tx<'_>, event: &Event) -> Result<Option<(ContentId, i64)>, StoreError> {
        let registry = self.registry();
        let tags = tags_of(event, &registry);
        let known = write::case_for(tx, event).await?;
        let Some(mut applied) = book::apply(known, event, &tags, self.patience()) else {
            return Ok(None);
        };
        let problem = self.rectify(tx, &mut applied.case, event.at).await?;
        let (_, seq) = write::save(tx, &applied).await?;
        if let Some(problem) = &problem {
            problems::save(tx, problem).await?;
        }
        let last = self.follow(tx, &applied, Said::by(event), event.id).await?;
        Ok(Some((applied.case.id, last.unwrap_or(seq))))
    }

    /// What an event or an act means beyond its case, in the same transaction: people told, warnings of the window
    /// decided. Gives the number of the last change to another case.
    pub(super) async fn follow(
        &self,
        tx: &mut Tx<'_>,
        applied: &Applied,
        said: Said<'_>,
        cause: ContentId,
    ) -> Result<Option<i64>, StoreError> {
        let mut last = None;
        for effect in &applied.effects {
            match effect {
                Effect::Tell(purpose) => {
                    let news = News {
                        case: &applied.case,
                        purpose: *purpose,
                        cause,
                        note: "",
                        now: said.at,
                    };
                    self.tell(tx, news).await?;
                }
                Effect::Judged(word) => {
                    for warning in write::warnings_of(tx, said.judgement, word.warned_by, word.window).await? {
                        if let Some(decided) = book::window_ended(warning, *word, said) {
                            last = Some(write::save(tx, &decided).await?.1);
                        }
                    }
                }
            }
        }
        Ok(last)
    }

    /// A confirmed exceedance has to be put right by a date; one that never was has not. Gives the problem to write
    /// after the case it refers to.
    pub(super) async fn rectify(
        &self,
        tx: &mut Tx<'_>,
        case: &mut Case,
        at: Time,
    ) -> Result<Option<Problem>, StoreError> {
        if case.family != Family::Exceed {
            return Ok(None);
        }
        let known = problems::load(tx, problem_of(case.id)).await?;
        match (case.state, known) {
            (State::Retracted, known) => {
                case.due_at = None;
                case.settle_at = None;
                let undone = known.filter(|problem| problem.state != ProblemState::Passed);
                Ok(undone.map(|problem| Problem {
                    state: ProblemState::Withdrawn,
                    closed_at: Some(at),
                    ..problem
                }))
            }
            (_, None) if case.certainty == Certainty::Confirmed && !case.late => {
                let due_at = self.tables().calendar.deadline(at, ANSWER_WORKING_DAYS);
                case.due_at = Some(due_at);
                case.settle_at = Some(due_at);
                Ok(Some(found(case, at, due_at)))
            }
            _ => Ok(None),
        }
    }

    /// Makes the notices of a piece of news and puts them into the outbox.
    pub(super) async fn tell(&self, tx: &mut Tx<'_>, news: News<'_>) -> Result<(), StoreError> {
        let told = outbox::told(tx, news.case.id).await?;
        let (tables, roster, registry) = (self.tables(), self.roster(), self.registry());
        let maker = self.maker(&tables, &registry, &roster);
        let news = News {
            // By the desk's own clock: the log's may be ahead of it, and a warning must not wait for that.
            now: self.now(),
            ..news
        };
        outbox::add(tx, &make(&maker, &news, &told)).await
    }

    /// What notices are made with.
    pub(super) fn maker<'a>(
        &'a self,
        tables: &'a Tables,
        registry: &'a RegistryIndex,
        roster: &'a Roster,
    ) -> Maker<'a> {
        Maker {
            routes: &tables.routes,
            words: &tables.words,
            catalogue: &self.0.catalogue,
            registry,
            config: &self.0.config.notify,
            lang: self.0.config.language,
            roster,
            links: self.0.links.get(),
            carried: &self.0.carried,
        }
    }

    /// Decides by the clock of the log what no event decided: outcomes of warned hours, overdue answers, closing of
    /// cases long over. Gives how many cases changed.
    pub async fn settle(&self) -> Result<usize, StoreError> {
        let now = Time(self.0.log_time.load(Ordering::Relaxed));
        let mut tx = self.0.store.begin().await?;
        let cases = write::to_settle(&mut tx, now, MAX_SETTLED).await?;
        if cases.is_empty() {
            return Ok(0);
        }
        let (mut count, mut last) = (0, 0);
        for case in cases {
            let problem = problems::load(&mut tx, problem_of(case.id)).await?;
            let around = Around {
                exceeding: write::still_exceeding(&mut tx, &case).await?,
                unanswered: problem.is_some_and(|problem| problem.is_overdue(now)),
            };
            let Some(settled) = book::settle(case, now, around) else {
                continue;
            };
            (_, last) = write::save(&mut tx, &settled).await?;
            count += 1;
            for effect in &settled.effects {
                if let Effect::Tell(purpose) = effect {
                    let cause = ContentId::of(&[b"settled", settled.case.id.as_bytes(), &now.0.to_le_bytes()]);
                    let news = News {
                        case: &settled.case,
                        purpose: *purpose,
                        cause,
                        note: &overdue_since(&settled),
                        now,
                    };
                    self.tell(&mut tx, news).await?;
                }
            }
        }
        tx.commit().await?;
        self.changed(last);
        Ok(count)
    }

    fn patience(&self) -> Patience {
        Patience {
            outcome_ms: i64::from(self.0.config.book.outcome_wait_s) * SECOND_MS,
            close_ms: i64::from(self.0.config.book.close_resolved_after_s) * SECOND_MS,
        }
    }
}

/// The problem that a confirmed exceedance is.
fn found(case: &Case, at: Time, due_at: Time) -> Problem {
    Problem {
        id: problem_of(case.id),
        version: 0,
        source: Source::Alert,
        case: Some(case.id),
        enterprise: case.tags.enterprise,
        district: case.tags.district.clone(),
        outlet: Some(case.outlet),
        rule: Some(case.rule()),
        title: case.rule().zh().to_owned(),
        found_at: at,
        found_by: String::new(),
        due_at,
        reviewer: None,
        state: ProblemState::Open,
        rounds: Vec::new(),
        closed_at: None,
    }
}

/// The date by which an answer was due, from the line that says it is overdue.
fn overdue_since(settled: &Applied) -> String {
    let line = settled.trace.iter().find(|line| line.kind == TraceKind::Overdue);
    line.map_or_else(String::new, |line| line.text.clone())
}

/// The problem that a case became: one at most.
pub(super) fn problem_of(case: ContentId) -> ContentId {
    ContentId::of(&[b"problem", case.as_bytes()])
}

/// Whose a case is: by the registry, else by the enterprise in the outlet's id.
fn tags_of(event: &Event, registry: &RegistryIndex) -> Tags {
    let outlet = registry.outlet(event.judgement.outlet);
    let by_id = event.judgement.outlet.as_str().split(':').next().unwrap_or_default();
    let enterprise = outlet
        .map(|outlet| outlet.enterprise)
        .or_else(|| EnterpriseId::new(by_id).ok())
        .unwrap_or_default();
    let known = registry.enterprise(enterprise);
    let text = |field: fn(&Enterprise) -> &String| known.map_or_else(String::new, |e| field(e).clone());
    Tags {
        enterprise,
        district: text(|e| &e.district),
        industry: text(|e| &e.industry),
        officer: text(|e| &e.officer),
        trial: outlet.is_some_and(|outlet| outlet.trial_until.is_some_and(|until| event.at < until)),
    }
}
