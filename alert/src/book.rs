//! The book: what an event makes of a case. Pure: no store, no clock, no words.
//!
//! A breach the judge names by one id is a member of a case; breaches of the same (outlet, factor, family of trouble)
//! that overlap join one case. A warning that an hour may exceed gets its outcome from what that hour turned out to
//! be.

mod outcome;
mod retraction;

use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::ContentId;
use plume_schemas::judgement::{Judgement, NotJudged, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{DAY_MS, Span, Time};

use crate::case::{Case, Certainty, Family, Member, MemberState, Outcome, State, Tags, TraceKind, TraceLine};
use crate::named::named;
use outcome::outcome_of;
pub(crate) use retraction::{confirm, reject};

pub use outcome::{Around, Ended, WindowWord, settle, window_ended};

/// How long the book waits by the clock where no event decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// After the end of a window that was warned of, before its outcome is decided without a word from the judge.
    pub outcome_ms: i64,
    /// After a breach ended, before its case is closed by itself.
    pub close_ms: i64,
}

named! {
    /// Why a case is told of.
    Purpose {
        /// It began.
        First = "first", "首次", "first";
        /// It became graver.
        Worsened = "worsened", "加重", "worsened";
        /// It began again.
        Reopened = "reopened", "再次发生", "reopened";
        /// 初判 became 已确认.
        Confirmed = "confirmed", "确认", "confirmed";
        /// It is over.
        Cleared = "cleared", "恢复", "cleared";
        /// It never was.
        Retracted = "retracted", "撤回", "retracted";
        /// The time to answer is over.
        Overdue = "overdue", "逾期", "overdue";
        /// The bureau sent the answer back.
        Returned = "returned", "退回补充", "returned";
        /// A date comes near (温馨提示).
        Reminder = "reminder", "温馨提示", "reminder";
        /// What happened yesterday.
        Digest = "digest", "日报", "daily digest";
        /// Not acknowledged in time: said again to the next in the chain.
        Escalated = "escalated", "升级", "escalated";
        /// Still going on, and still nobody has signed for it.
        Repeated = "repeated", "再次提醒", "repeated";
        /// An account is ready: set a password.
        Invitation = "invitation", "账号邀请", "invitation";
    }
}

/// What an event or an act means for things outside its case.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// People are to be told, as the routes say.
    Tell(Purpose),
    /// The judge has said what a window was: warnings of that window get their outcome.
    Judged(WindowWord),
}

/// What was said of a window, and how it came to be said.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// When.
    pub at: Time,
    /// The judgement it rests on.
    pub judgement: &'a Judgement,
    /// The event it came by; none where a person decided.
    pub event: Option<ContentId>,
}

impl<'a> Said<'a> {
    /// By the judge.
    pub fn by(event: &'a Event) -> Self {
        Self {
            at: event.at,
            judgement: &event.judgement,
            event: Some(event.id),
        }
    }
}

/// A case after an event or an act, and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The case as it is now; its version is the store's to count.
    pub case: Case,
    /// What to add to its trace.
    pub trace: Vec<TraceLine>,
    /// What else follows.
    pub effects: Vec<Effect>,
}

/// True where a breach by `rule` belongs to an open case that `open` speaks for: the same rule, or two faults of one
/// instrument. Warnings belong together only within one window, since each window has an outcome of its own.
///
/// A breach of a window that ended days before the case began is one of its own: it was found out afterwards.
pub fn joins(open: &Case, rule: RuleCode, window: Span) -> bool {
    if open.state != State::Open || open.opened_at.since(window.end) > APART_MS {
        return false;
    }
    match Family::of(rule) {
        Family::Near => open.rule() == rule && open.judgement.window == window,
        Family::Quality => open.family == Family::Quality,
        _ => open.rule() == rule,
    }
}

/// Beyond this a breach and a case that began after it have nothing to do with each other.
const APART_MS: i64 = 2 * DAY_MS;

/// Applies an event to its case: the one that knows its breach, or an open one it [`joins`], or none yet.
///
/// `None` means the event changes nothing: the end of a breach the book never heard of, or one older than what it
/// knows.
pub fn apply(case: Option<Case>, event: &Event, tags: &Tags, patience: Patience) -> Option<Applied> {
    let Some(case) = case else {
        return begins(event.edge).then(|| open(event, tags, patience));
    };
    let cause = (event.judgement.cause, event.judgement.ordinal);
    match case.members.iter().position(|member| member.id == event.case) {
        None => begins(event.edge).then(|| join(case, event, patience)),
        Some(at) if case.members.get(at).is_some_and(|member| cause < member.cause) => None,
        Some(at) => Some(step(case, at, event, patience)),
    }
}

/// Only these edges may make a breach known.
fn begins(edge: Edge) -> bool {
    matches!(edge, Edge::Opened | Edge::Worsened | Edge::Confirmed)
}

fn severity_of(event: &Event) -> Severity {
    match event.judgement.verdict {
        Verdict::Breach(severity) => severity,
        Verdict::Fine | Verdict::NotJudged(_) => Severity::Notice,
    }
}

fn member_of(event: &Event) -> Member {
    Member {
        id: event.case,
        rule: event.judgement.rule,
        state: MemberState::Open,
        severity: severity_of(event),
        preliminary: event.preliminary,
        opened_at: event.at,
        window: event.judgement.window,
        cause: (event.judgement.cause, event.judgement.ordinal),
    }
}

fn line(event: &Event, kind: TraceKind) -> TraceLine {
    TraceLine {
        at: event.at,
        kind,
        actor: String::new(),
        role: None,
        text: String::new(),
        judgement: Some(event.judgement.clone()),
        event: Some(event.id),
    }
}

fn open(event: &Event, tags: &Tags, patience: Patience) -> Applied {
    let rule = event.judgement.rule;
    let mut case = Case {
        id: event.case,
        version: 0,
        outlet: event.judgement.outlet,
        factor: event.judgement.factor,
        family: Family::of(rule),
        stream: rule.stream(),
        tags: tags.clone(),
        severity: severity_of(event),
        state: State::Open,
        certainty: Certainty::Plain,
        outcome: None,
        late: event.judgement.late,
        opened_at: event.at,
        updated_at: event.at,
        resolved_at: None,
        closed_at: None,
        settle_at: None,
        due_at: None,
        acknowledged: None,
        answered: None,
        assigned_to: None,
        members: vec![member_of(event)],
        judgement: event.judgement.clone(),
    };
    refresh(&mut case, event.at);
    wait_for_outcome(&mut case, patience);
    done(case, event, TraceKind::Opened, Some(Purpose::First))
}

fn join(mut case: Case, event: &Event, patience: Patience) -> Applied {
    let before = case.severity;
    case.members.push(member_of(event));
    case.judgement = event.judgement.clone();
    case.late &= event.judgement.late;
    refresh(&mut case, event.at);
    wait_for_outcome(&mut case, patience);
    let told = (case.severity > before).then_some(Purpose::Worsened);
    done(case, event, TraceKind::Joined, told)
}

/// An event of a breach that the case knows.
fn step(mut case: Case, at: usize, event: &Event, patience: Patience) -> Applied {
    let before = case.clone();
    case.judgement = event.judgement.clone();
    let (mut was, mut graver) = (MemberState::Open, false);
    if let Some(member) = case.members.get_mut(at) {
        was = member.state;
        member.window = event.judgement.window;
        member.cause = (event.judgement.cause, event.judgement.ordinal);
        member.state = match event.edge {
            Edge::Opened | Edge::Worsened => MemberState::Open,
            Edge::Cleared => MemberState::Cleared,
            Edge::Retracted => MemberState::Retracted,
            Edge::Confirmed => was,
        };
        if let Verdict::Breach(severity) = event.judgement.verdict {
            graver = severity > member.severity;
            member.severity = if was == MemberState::Open {
                member.severity.max(severity)
            } else {
                severity
            };
        }
        member.preliminary = event.preliminary && event.edge != Edge::Confirmed;
    }
    match event.edge {
        Edge::Opened | Edge::Worsened if was != MemberState::Open => reopen(case, event, patience),
        Edge::Opened | Edge::Worsened => {
            refresh(&mut case, event.at);
            wait_for_outcome(&mut case, patience);
            let worse = graver || event.edge == Edge::Worsened;
            let kind = if worse { TraceKind::Worsened } else { TraceKind::Updated };
            let is_now = worse && !event.judgement.late;
            done(case, event, kind, is_now.then_some(Purpose::Worsened))
        }
        Edge::Confirmed => {
            refresh(&mut case, event.at);
            let news = case.certainty != before.certainty;
            done(case, event, TraceKind::Confirmed, news.then_some(Purpose::Confirmed))
        }
        Edge::Cleared | Edge::Retracted => end(case, &before, event, patience),
    }
}

fn reopen(mut case: Case, event: &Event, patience: Patience) -> Applied {
    case.resolved_at = None;
    case.closed_at = None;
    case.outcome = None;
    // Whoever signed for it signed for something that was over.
    case.acknowledged = None;
    case.state = State::Open;
    case.certainty = Certainty::Plain;
    case.settle_at = None;
    // That a breach of last month is one after all is no news of now.
    case.late = event.judgement.late;
    refresh(&mut case, event.at);
    wait_for_outcome(&mut case, patience);
    done(case, event, TraceKind::Reopened, Some(Purpose::Reopened))
}

/// One breach of the case is over, or never was.
fn end(mut case: Case, before: &Case, event: &Event, patience: Patience) -> Applied {
    let verdict = event.judgement.verdict;
    let marked = verdict == Verdict::NotJudged(NotJudged::Marked);
    refresh(&mut case, event.at);
    if case.state == State::Retracted && before.state != State::Retracted && retraction::waits(&case, verdict) {
        case.state = State::Retracting;
    }
    let kind = match event.edge {
        Edge::Retracted if marked && case.family == Family::Exceed => TraceKind::NotJudged,
        Edge::Retracted if case.state == State::Retracting => TraceKind::Retracting,
        Edge::Retracted => TraceKind::Retracted,
        _ => TraceKind::Resolved,
    };
    if kind == TraceKind::NotJudged && case.state == State::Retracted {
        // The breach was real by the numbers; the enterprise's mark takes it out of judgement.
        case.certainty = Certainty::NotJudged;
    }
    let mut applied = done(case, event, kind, None);
    let over = applied.case.state != before.state;
    match applied.case.state {
        State::Retracted if over => {
            applied.case.settle_at = None;
            set_outcome(&mut applied, retraction::outcome(verdict), Said::by(event));
            applied.effects.insert(0, Effect::Tell(Purpose::Retracted));
        }
        State::Resolved if over => {
            let mut good_news = true;
            if applied.case.family == Family::Near && event.judgement.pane != Pane::Early {
                let ended = Ended::said_by(&event.judgement);
                let outcome = outcome_of(&applied.case, ended);
                set_outcome(&mut applied, Some(outcome), Said::by(event));
                close(&mut applied, event.at);
                // That the hour exceeded is told by its own case; that it cannot be judged is no all-clear.
                good_news = ended == Ended::Complied;
            } else {
                wait_for_outcome(&mut applied.case, patience);
                wait_for_close(&mut applied.case, event.at, patience);
            }
            if good_news {
                applied.effects.insert(0, Effect::Tell(Purpose::Cleared));
            }
        }
        _ => {}
    }
    applied
}

fn clock_line(at: Time, kind: TraceKind, text: &str) -> TraceLine {
    TraceLine {
        at,
        kind,
        actor: String::new(),
        role: None,
        text: text.to_owned(),
        judgement: None,
        event: None,
    }
}

fn set_outcome(applied: &mut Applied, outcome: Option<Outcome>, said: Said<'_>) {
    if applied.case.outcome == outcome {
        return;
    }
    applied.case.outcome = outcome;
    let mut line = clock_line(said.at, TraceKind::OutcomeSet, outcome.map_or("", Outcome::code));
    line.judgement = Some(said.judgement.clone());
    line.event = said.event;
    applied.trace.push(line);
}

fn close(applied: &mut Applied, at: Time) {
    if applied.case.state == State::Resolved {
        applied.case.state = State::Closed;
        applied.case.closed_at = Some(at);
        applied.case.settle_at = None;
        applied.trace.push(clock_line(at, TraceKind::Closed, ""));
    }
}

/// A warning's outcome is decided by the clock some time after its window, if no event does it before.
fn wait_for_outcome(case: &mut Case, patience: Patience) {
    if case.family == Family::Near && case.outcome.is_none() {
        case.settle_at = Some(case.judgement.window.end.plus(patience.outcome_ms));
    }
}

/// Cases that ask nothing more of anybody close by themselves; exceedances and leads wait for a person.
fn wait_for_close(case: &mut Case, at: Time, patience: Patience) {
    if !matches!(case.family, Family::Near | Family::Exceed | Family::Lead) {
        case.settle_at = Some(at.plus(patience.close_ms));
    }
}

/// State, severity and certainty follow from the breaches.
fn refresh(case: &mut Case, at: Time) {
    case.updated_at = case.updated_at.max(at);
    let open = case.members.iter().any(|member| member.state == MemberState::Open);
    let real = case.members.iter().any(|member| member.state != MemberState::Retracted);
    let counted = |member: &&Member| match (open, real) {
        (true, _) => member.state == MemberState::Open,
        (false, true) => member.state != MemberState::Retracted,
        (false, false) => true,
    };
    if let Some(worst) = case.members.iter().filter(counted).map(|member| member.severity).max() {
        case.severity = worst;
    }
    if case.family == Family::Exceed && case.certainty != Certainty::NotJudged {
        let still_open_to_marks = case
            .members
            .iter()
            .any(|member| member.preliminary && member.state != MemberState::Retracted);
        case.certainty = match (still_open_to_marks, real) {
            (true, _) => Certainty::Preliminary,
            (false, true) => Certainty::Confirmed,
            (false, false) => case.certainty,
        };
    }
    if open {
        if case.state == State::Resolved {
            case.state = State::Open;
            case.resolved_at = None;
        }
    } else if case.state == State::Open {
        case.state = if real { State::Resolved } else { State::Retracted };
        case.resolved_at = Some(at);
    } else if !real && case.state != State::Retracting {
        case.state = State::Retracted;
    }
}

/// Wraps up an event: one line of trace, the telling, and what it says of its window.
fn done(case: Case, event: &Event, kind: TraceKind, purpose: Option<Purpose>) -> Applied {
    let mut effects: Vec<Effect> = purpose.map(Effect::Tell).into_iter().collect();
    // What a correction made of the window is not its last word while an officer looks at it.
    if let Some(warned_by) = warned_by(event.judgement.rule).filter(|_| case.state != State::Retracting) {
        effects.push(Effect::Judged(WindowWord {
            warned_by,
            window: event.judgement.window,
            ended: Ended::of(event.judgement.verdict),
        }));
    }
    Applied {
        trace: vec![line(event, kind)],
        case,
        effects,
    }
}

/// The rule whose warnings wait for the word of `rule`.
const fn warned_by(rule: RuleCode) -> Option<RuleCode> {
    match rule {
        RuleCode::ExceedHour => Some(RuleCode::NearHour),
        RuleCode::ExceedDay => Some(RuleCode::NearDay),
        _ => None,
    }
}
