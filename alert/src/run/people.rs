//! What people do: acts on cases, steps of problems, silences, the duty calendar.

use plume_schemas::ids::{ContentId, EnterpriseId, OutletId};
use plume_schemas::judgement::{self, Judgement};
use plume_schemas::time::Time;

use super::Desk;
use super::feed::problem_of;
use crate::accounts::{Action, DEMO_SESSION_MS, Role, Scope, Session, TOKEN_BYTES, Token, Viewer};
use crate::act::{ActError, Given};
use crate::book::{Applied, Purpose, Said};
use crate::case::{Act, ActKind, By, Case, State, TraceKind, TraceLine};
use crate::duty::Roster;
use crate::fault::FaultReport;
use crate::links::{self, LinkError, Links};
use crate::mute::silence::{Silence, SilenceError};
use crate::notify::News;
use crate::problem::{self, ANSWER_WORKING_DAYS, Problem, ProblemError, ProblemState, Source, Step, Verdict};
use crate::store::db::Tx;
use crate::store::outbox::Linked;
use crate::store::{CaseRow, StoreError, faults, outbox, problems, write};

/// A problem that a person found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How.
    pub source: Source,
    /// Whose.
    pub enterprise: EnterpriseId,
    /// At which outlet, if at one.
    pub outlet: Option<OutletId>,
    /// What.
    pub title: String,
}

impl Desk {
    /// Does what a person asks to a case they may see, if nobody changed it since `expected_version`.
    pub async fn act(
        &self,
        viewer: &Viewer,
        case: ContentId,
        act: &Act,
        expected_version: i64,
    ) -> Result<CaseRow, ActError> {
        let done = self.try_act(viewer, case, act, expected_version).await;
        match &done {
            Ok(row) => {
                self.0.signals.acted(act.kind, case);
                self.changed(row.changed_seq);
            }
            Err(error) => self.0.signals.act_refused(act.kind, error),
        }
        done
    }

    async fn try_act(
        &self,
        viewer: &Viewer,
        id: ContentId,
        act: &Act,
        expected_version: i64,
    ) -> Result<CaseRow, ActError> {
        // Whether there is such a case is asked first: who may not see it learns nothing.
        if self.0.store.case(viewer, id).await?.is_none() {
            return Err(ActError::NoSuchCase);
        }
        let decides = matches!(act.kind, ActKind::ConfirmRetraction | ActKind::RejectRetraction);
        if !viewer.may(Action::Act(act.kind)) {
            return Err(ActError::NotAllowed {
                role: viewer.role,
                act: act.kind,
            });
        }
        let stands = match act.kind {
            ActKind::RejectRetraction => self.last_breach(viewer, id).await?,
            _ => None,
        };
        let mut tx = self.0.store.begin().await?;
        let case: Case = write::load(&mut tx, id).await?.ok_or(ActError::NoSuchCase)?;
        if case.version != expected_version {
            return Err(ActError::Changed {
                expected: expected_version,
                found: case.version,
            });
        }
        let receipt = match act.kind {
            ActKind::ReportFault => Some(tx.take("receipt", 1).await?),
            _ => None,
        };
        let given = Given {
            receipt,
            stands,
            undo_ms: self.lived_ms(crate::act::UNDO_MS),
        };
        let corrected = case.judgement.clone();
        let mut applied: Applied = crate::act::act(case, viewer, act, given)?;
        let problem = if decides {
            self.rectify(&mut tx, &mut applied.case, act.at).await?
        } else {
            None
        };
        let (version, _) = write::save(&mut tx, &applied).await?;
        if let Some(problem) = &problem {
            problems::save(&mut tx, problem).await?;
        }
        let said = Said {
            at: act.at,
            judgement: &corrected,
            event: None,
        };
        let cause = ContentId::of(&[b"act", id.as_bytes(), &version.to_le_bytes()]);
        self.follow(&mut tx, &applied, said, cause).await?;
        if let Some(number) = receipt {
            let report = fault_report(number, &applied.case, viewer, act);
            faults::add(&mut tx, &report, &applied.case.tags).await?;
        }
        match act.kind {
            ActKind::Acknowledge => outbox::acknowledged(&mut tx, id, &viewer.name, act.at).await?,
            ActKind::Answer => self.answer_problem(&mut tx, viewer, id, act).await?,
            _ => {}
        }
        tx.commit().await?;
        self.0.store.case(viewer, id).await?.ok_or(ActError::NoSuchCase)
    }

    /// The last judgement of a case's trace that found a breach.
    async fn last_breach(&self, viewer: &Viewer, id: ContentId) -> Result<Option<Judgement>, StoreError> {
        let trace = self.0.store.trace(viewer, id).await?;
        let mut judgements = trace.into_iter().rev().filter_map(|row| row.judgement);
        Ok(judgements.find(|judgement| matches!(judgement.verdict, judgement::Verdict::Breach(_))))
    }

    /// The answer to a case that became a problem is a round of its rectification.
    async fn answer_problem(
        &self,
        tx: &mut Tx<'_>,
        viewer: &Viewer,
        case: ContentId,
        act: &Act,
    ) -> Result<(), StoreError> {
        let Some(mut problem) = problems::load(tx, problem_of(case)).await? else {
            return Ok(());
        };
        if matches!(problem.state, ProblemState::Open | ProblemState::Returned) {
            problem::submit(
                &mut problem,
                &viewer.name,
                &act.text,
                &act.measures,
                act.at,
                self.tables().deadlines(),
            );
            problems::save(tx, &problem).await?;
        }
        Ok(())
    }

    /// Takes a step on a problem a person may see, if nobody changed it since `expected_version`. The case it came
    /// from notes it.
    pub async fn problem_step(
        &self,
        viewer: &Viewer,
        id: ContentId,
        step: &Step,
        expected_version: i64,
        now: Time,
    ) -> Result<Problem, ProblemError> {
        if self.0.store.problem(viewer, id).await?.is_none() {
            return Err(ProblemError::NoSuchProblem);
        }
        let mut tx = self.0.store.begin().await?;
        let known = problems::load(&mut tx, id).await?.ok_or(ProblemError::NoSuchProblem)?;
        if known.version != expected_version {
            return Err(ProblemError::Changed {
                expected: expected_version,
                found: known.version,
            });
        }
        let problem = problem::step(known, viewer, step, now, self.tables().deadlines())?;
        problems::save(&mut tx, &problem).await?;
        let changed = match problem.case {
            Some(case) => self.note_step(&mut tx, viewer, case, step, &problem, now).await?,
            None => None,
        };
        tx.commit().await?;
        if let Some(seq) = changed {
            self.changed(seq);
        }
        self.0
            .store
            .problem(viewer, id)
            .await?
            .ok_or(ProblemError::NoSuchProblem)
    }

    /// The case's trace and deadline follow its problem; the enterprise hears of an answer sent back.
    async fn note_step(
        &self,
        tx: &mut Tx<'_>,
        viewer: &Viewer,
        case: ContentId,
        step: &Step,
        problem: &Problem,
        now: Time,
    ) -> Result<Option<i64>, StoreError> {
        let Some(mut case) = write::load(tx, case).await? else {
            return Ok(None);
        };
        let (kind, text) = match step {
            Step::Submit { cause, measures } => {
                (TraceKind::Submitted, format!("{}\n{}", cause.trim(), measures.trim()))
            }
            Step::Review { verdict, guidance } if guidance.trim().is_empty() => {
                (TraceKind::Reviewed, verdict.zh().to_owned())
            }
            Step::Review { verdict, guidance } => {
                (TraceKind::Reviewed, format!("{}：{}", verdict.zh(), guidance.trim()))
            }
            Step::Withdraw { reason } => (TraceKind::Commented, reason.trim().to_owned()),
        };
        let waits = matches!(problem.state, ProblemState::Open | ProblemState::Returned);
        case.due_at = waits.then_some(problem.due_at);
        case.settle_at = case.due_at;
        case.updated_at = case.updated_at.max(now);
        let mut applied = Applied {
            case,
            trace: Vec::new(),
            effects: Vec::new(),
        };
        let line = |kind, text| TraceLine {
            at: now,
            kind,
            actor: viewer.name.clone(),
            role: Some(viewer.role),
            text,
            judgement: None,
            event: None,
        };
        applied.trace.push(line(kind, text));
        if problem.state == ProblemState::Passed && applied.case.state == State::Resolved {
            applied.case.state = State::Closed;
            applied.case.closed_at = Some(now);
            applied.trace.push(line(TraceKind::Closed, String::new()));
        }
        let (version, seq) = write::save(tx, &applied).await?;
        if let Step::Review {
            verdict: Verdict::Return,
            guidance,
        } = step
        {
            let news = News {
                case: &applied.case,
                purpose: Purpose::Returned,
                cause: ContentId::of(&[b"returned", applied.case.id.as_bytes(), &version.to_le_bytes()]),
                note: guidance.trim(),
                now,
            };
            self.tell(tx, news).await?;
        }
        Ok(Some(seq))
    }

    /// Opens a problem that a person found: an inspection or a directive by an officer, a self-check by the enterprise.
    pub async fn open_problem(&self, viewer: &Viewer, finding: &Finding, now: Time) -> Result<Problem, ProblemError> {
        let allowed = match finding.source {
            Source::SelfCheck => viewer.role == Role::Enterprise,
            Source::Inspection | Source::Directive => matches!(viewer.role, Role::CityDuty | Role::Branch),
            Source::Alert => false,
        };
        if !allowed {
            return Err(ProblemError::NotAllowed { role: viewer.role });
        }
        let title = finding.title.trim();
        if title.is_empty() {
            return Err(ProblemError::Empty { field: "title" });
        }
        if title.chars().count() > crate::case::MAX_ACT_TEXT_CHARS {
            return Err(ProblemError::TooLong { field: "title" });
        }
        let district = self
            .registry()
            .enterprise(finding.enterprise)
            .map(|enterprise| enterprise.district.clone());
        let problem = Problem {
            id: ContentId::of(&[
                b"found",
                finding.source.code().as_bytes(),
                finding.enterprise.as_str().as_bytes(),
                title.as_bytes(),
                viewer.name.as_bytes(),
                &now.0.to_le_bytes(),
            ]),
            version: 0,
            source: finding.source,
            case: None,
            enterprise: finding.enterprise,
            district: district.ok_or(ProblemError::NoSuchProblem)?,
            outlet: finding.outlet,
            rule: None,
            title: title.to_owned(),
            found_at: now,
            found_by: viewer.name.clone(),
            due_at: self.tables().calendar.deadline(now, ANSWER_WORKING_DAYS),
            reviewer: None,
            state: ProblemState::Open,
            rounds: Vec::new(),
            closed_at: None,
        };
        // A problem outside one's scope cannot be opened, no more than seen.
        if !in_scope(viewer, &problem) {
            return Err(ProblemError::NoSuchProblem);
        }
        let mut tx = self.0.store.begin().await?;
        problems::save(&mut tx, &problem).await?;
        tx.commit().await?;
        self.0
            .store
            .problem(viewer, problem.id)
            .await?
            .ok_or(ProblemError::NoSuchProblem)
    }

    /// Makes one-time links work, if the configuration names the desk's address. The secret under which they are made
    /// is kept
    /// in the store; `chance` becomes it if there is none yet.
    pub async fn set_up_links(&self, chance: [u8; 32]) -> Result<(), StoreError> {
        let base_url = &self.0.config.notify.link_base_url;
        if base_url.is_empty() {
            return Ok(());
        }
        let secret = self.0.store.secret("links", chance).await?;
        self.0.links.get_or_init(|| Links::new(base_url, secret));
        Ok(())
    }

    /// What a one-time link is about, without using it: mail scanners open every link they see. The notice is noted
    /// as opened.
    pub async fn peek_link(&self, text: &str, now: Time) -> Result<CaseRow, LinkError> {
        let (linked, viewer) = self.linked(text, now).await?;
        self.0.store.record_opened(linked.notice, now).await?;
        self.0.store.case(&viewer, linked.case).await?.ok_or(LinkError::Unknown)
    }

    /// Uses a one-time link: acknowledges its case in the name of whom the notice went to.
    pub async fn follow_link(&self, text: &str, now: Time) -> Result<CaseRow, LinkError> {
        let (linked, viewer) = self.linked(text, now).await?;
        let case = self
            .0
            .store
            .case(&viewer, linked.case)
            .await?
            .ok_or(LinkError::Unknown)?;
        let act = Act {
            kind: ActKind::Acknowledge,
            text: String::new(),
            measures: String::new(),
            at: now,
        };
        let row = self.act(&viewer, linked.case, &act, case.version).await?;
        Ok(row)
    }

    async fn linked(&self, text: &str, now: Time) -> Result<(Linked, Viewer), LinkError> {
        let notice = self
            .0
            .links
            .get()
            .and_then(|links| links.read(text))
            .ok_or(LinkError::Unknown)?;
        let linked = self.0.store.linked(notice).await?.ok_or(LinkError::Unknown)?;
        if linked.is_used {
            return Err(LinkError::Used);
        }
        if !links::lives(linked.created_at, now) {
            return Err(LinkError::Expired);
        }
        let viewer = Viewer {
            name: linked.receiver.clone(),
            role: Role::Enterprise,
            scope: Scope::Enterprise(linked.enterprise),
        };
        Ok((linked, viewer))
    }

    /// Silences notices; the sender asks before each message.
    pub async fn silence(&self, silence: &Silence) -> Result<(), SilenceError> {
        self.0.store.add_silence(silence).await?;
        Ok(())
    }

    /// Takes a duty calendar over.
    pub async fn import_roster(&self, roster: &Roster) -> Result<(), StoreError> {
        self.0.store.import_roster(roster).await?;
        self.reload_roster().await
    }

    /// A session of the demo for this viewer; its token is made from `chance`.
    pub async fn create_demo_session(&self, viewer: &Viewer, chance: [u8; TOKEN_BYTES]) -> Result<Token, StoreError> {
        let token = Token::new(chance);
        let session = Session {
            viewer: viewer.clone(),
            demo: true,
            expires_at: self.now().plus(self.lived_ms(DEMO_SESSION_MS)),
        };
        self.0.store.create_session(&session, &token, self.now()).await?;
        Ok(token)
    }
}

/// The report that the act makes, under its number.
fn fault_report(number: i64, case: &Case, viewer: &Viewer, act: &Act) -> FaultReport {
    FaultReport {
        number,
        label: crate::act::receipt_number(number, act.at),
        case: case.id,
        enterprise: case.tags.enterprise,
        outlet: case.outlet,
        factor: case.factor,
        text: act.text.trim().to_owned(),
        reported: By {
            name: viewer.name.clone(),
            at: act.at,
        },
        repaired: None,
    }
}

fn in_scope(viewer: &Viewer, problem: &Problem) -> bool {
    match &viewer.scope {
        Scope::All => true,
        Scope::District(district) => *district == problem.district,
        Scope::Enterprise(enterprise) => *enterprise == problem.enterprise,
        Scope::Outlets(outlets) => problem.outlet.is_some_and(|outlet| outlets.contains(&outlet)),
    }
}
