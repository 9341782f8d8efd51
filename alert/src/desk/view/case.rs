//! A case as its page, its summary and its row show it.

use plume_schemas::ids::{EnterpriseId, OutletId};
use plume_schemas::judgement::{FactKey, Judgement, Verdict};
use plume_schemas::time::Time;

use super::badge::{Badge, Tag, tags};
use super::figures::{Figure, HourBar, began, figures, hour_bar, runs};
use super::number::{compared, fact, lasting_text, percent, stamp, when, window};
use super::steps::{Step, hidden_from_site, steps};
use crate::accounts::Action;
use crate::case::{ActKind, Family, Outcome, State, TraceKind};
use crate::desk::auth::Visitor;
use crate::desk::names::{Names, OutletName};
use crate::desk::text::{Speaks, Texts, put};
use crate::store::{CaseRow, TraceRow};
use crate::words::Lang;

/// A line of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceView {
    /// When.
    pub(crate) when: String,
    /// What happened.
    pub(crate) what: &'static str,
    /// Who, with their role; empty for the judge and the clock.
    pub(crate) who: String,
    /// Their words, or the reason.
    pub(crate) text: String,
}

/// A link with a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Where to.
    pub(crate) href: String,
    /// The word.
    pub(crate) word: String,
}

/// What this visitor may do to the case now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one truth for each button of a page")]
pub(crate) struct May {
    /// 签收.
    pub(crate) acknowledge: bool,
    /// 备注.
    pub(crate) comment: bool,
    /// 电话记录.
    pub(crate) phone: bool,
    /// 办结.
    pub(crate) close: bool,
    /// 判为误报.
    pub(crate) close_false: bool,
    /// 确认撤回, 不予撤回.
    pub(crate) decide_retraction: bool,
    /// 原因与措施, 报告设备异常.
    pub(crate) answer: bool,
    /// 联系片区负责人.
    pub(crate) contact: bool,
    /// 暂停提醒.
    pub(crate) silence: bool,
}

impl May {
    /// By role and by where the case stands. The store decides again when it is done.
    pub(crate) fn of(visitor: &Visitor, case: &CaseRow) -> Self {
        let may = |kind| visitor.viewer.may(Action::Act(kind));
        let live = case.state.is_live();
        Self {
            acknowledge: live && case.acknowledged.is_none() && may(ActKind::Acknowledge),
            comment: may(ActKind::Comment),
            phone: may(ActKind::Phone),
            close: case.state == State::Resolved && may(ActKind::Close),
            close_false: live && case.state != State::Retracting && may(ActKind::CloseFalse),
            decide_retraction: case.state == State::Retracting && may(ActKind::ConfirmRetraction),
            answer: case.state != State::Retracted && may(ActKind::Answer),
            contact: may(ActKind::ContactOfficer),
            silence: live && crate::mute::silence::may_silence(visitor.viewer.role),
        }
    }
}

/// A case, ready to be shown.
#[derive(Clone, Debug)]
pub(crate) struct CaseView {
    /// Its id.
    pub(crate) id: String,
    /// Its page: that of the desk, or that of the phone for the site.
    pub(crate) href: String,
    /// How grave.
    pub(crate) badge: Badge,
    /// What is special about it.
    pub(crate) tags: Vec<Tag>,
    /// Rule and factor.
    pub(crate) title: String,
    /// The big numbers.
    pub(crate) figures: Vec<Figure>,
    /// The running hour.
    pub(crate) hour: Option<HourBar>,
    /// The sentence.
    pub(crate) say: String,
    /// Code of the enterprise.
    pub(crate) enterprise_id: EnterpriseId,
    /// Id of the outlet.
    pub(crate) outlet_id: OutletId,
    /// Name of the enterprise.
    pub(crate) enterprise: String,
    /// The outlet.
    pub(crate) outlet: OutletName,
    /// The factor as judged, or empty.
    pub(crate) factor: String,
    /// Enterprise › outlet › factor.
    pub(crate) place: String,
    /// Since when, and how long.
    pub(crate) since: String,
    /// How sure, a line each.
    pub(crate) sure: Vec<String>,
    /// What to do next, and by when.
    pub(crate) next: String,
    /// When it was judged.
    pub(crate) judged: String,
    /// The judgement.
    pub(crate) steps: Vec<Step>,
    /// What may be done.
    pub(crate) may: May,
    /// What happened, newest first.
    pub(crate) trace: Vec<TraceView>,
}

/// What a view is made with.
#[derive(Debug)]
pub(crate) struct Making<'a> {
    /// Who looks.
    pub(crate) visitor: &'a Visitor,
    /// What things are called.
    pub(crate) names: &'a Names<'a>,
    /// The desk's clock.
    pub(crate) now: Time,
}

impl Making<'_> {
    fn lang(&self) -> Lang {
        self.visitor.lang
    }

    fn t(&self) -> &'static Texts {
        self.visitor.lang.texts()
    }

    /// Where a case's page is for this visitor.
    pub(crate) fn href(&self, case: &CaseRow) -> String {
        let at = if self.visitor.is_site() { "/m" } else { "" };
        format!("{at}/alerts/{}", case.id)
    }

    /// `SO₂（折算） 小时均值可能超标`.
    pub(crate) fn title(&self, case: &CaseRow) -> String {
        let rule = self.lang().pick(case.rule.zh(), case.rule.en());
        match case.factor {
            Some(factor) => format!("{} {rule}", self.names.factor(factor)),
            None => rule.to_owned(),
        }
    }

    /// The unit of the case's factor.
    pub(crate) fn unit(&self, case: &CaseRow) -> String {
        case.factor
            .map_or_else(String::new, |factor| self.names.unit(case.outlet, factor))
    }

    /// The whole case with its trace and its sentence.
    pub(crate) fn case(&self, case: &CaseRow, trace: &[TraceRow], say: String) -> CaseView {
        let (lang, t) = (self.lang(), self.t());
        let unit = self.unit(case);
        let outlet = self.names.outlet(case.outlet);
        let enterprise = self.names.enterprise(case.tags.enterprise);
        let factor = case
            .factor
            .map_or_else(String::new, |factor| self.names.factor_judged(case.outlet, factor));
        let place: Vec<String> = [enterprise.clone(), outlet.full(), factor.clone()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        CaseView {
            id: case.id.to_string(),
            href: self.href(case),
            badge: Badge::of(case, lang),
            tags: tags(case, self.now, lang),
            title: self.title(case),
            figures: figures(case, &unit, self.now, t),
            hour: hour_bar(case, self.now, t),
            say,
            enterprise_id: case.tags.enterprise,
            outlet_id: case.outlet,
            enterprise,
            outlet,
            factor,
            place: place.join(" › "),
            since: self.since(case),
            sure: self.sure(case, &unit),
            next: self.next(case),
            judged: put(t.judged_at, &[&stamp(case.judgement.judged_at)]),
            steps: steps(&case.judgement, &unit, self.visitor.is_site(), lang),
            may: May::of(self.visitor, case),
            trace: trace.iter().rev().map(|row| self.trace_line(row)).collect(),
        }
    }

    fn since(&self, case: &CaseRow) -> String {
        let t = self.t();
        let began = began(case);
        let from = when(began, self.now);
        match case.resolved_at.or(case.closed_at) {
            Some(end) => put(t.from_to, &[&from, &when(end, self.now)]),
            None => put(t.since_for, &[&from, &lasting_text(self.now.since(began), t)]),
        }
    }

    fn sure(&self, case: &CaseRow, unit: &str) -> Vec<String> {
        let (t, judgement) = (self.t(), &case.judgement);
        let mut lines = Vec::new();
        if let Some(probability) = judgement.number(FactKey::Probability) {
            lines.push(put(t.probability, &[&percent(probability)]));
        }
        let (mean, half) = (
            judgement.number(FactKey::Projected),
            judgement.number(FactKey::ProjectedBand),
        );
        if let (Some(mean), Some(half)) = (mean, half) {
            let digits = super::number::digits(judgement);
            let edge = |value: f64| super::number::fixed(value, digits);
            lines.push(put(t.band, &[&edge((mean - half).max(0.0)), &edge(mean + half), &unit]));
        }
        let valid = fact(judgement, FactKey::ValidMinutes)
            .filter(|_| !(self.visitor.is_site() && hidden_from_site(FactKey::ValidMinutes)));
        if let Some(valid) = valid {
            lines.push(put(t.valid_minutes, &[&valid]));
        }
        let window = window(case.window, self.now);
        lines.push(put(t.judged_window, &[&window, &when(judgement.judged_at, self.now)]));
        lines
    }

    fn next(&self, case: &CaseRow) -> String {
        let t = self.t();
        match case.state {
            State::Retracted | State::Closed => return t.next_nothing.to_owned(),
            State::Resolved if case.family != Family::Exceed => return t.next_resolved.to_owned(),
            State::Retracting if self.visitor.is_site() => return t.next_retracting_site.to_owned(),
            State::Retracting => return t.next_retracting.to_owned(),
            State::Open | State::Resolved => {}
        }
        let action = match case.family {
            Family::Near if runs(case, self.now) => t.next_near,
            Family::Near => t.next_near_over,
            Family::Exceed => t.next_exceed,
            Family::Frequency => t.next_frequency,
            Family::Quality => t.next_quality,
            Family::Offline => t.next_offline,
            Family::CommonCause => t.next_common,
            Family::Conformance => t.next_conformance,
            Family::Drift => t.next_drift,
            Family::Lead => t.next_lead,
            Family::Budget => t.next_budget,
        };
        let by = match case.due_at {
            Some(due) => Some(due),
            None if runs(case, self.now) => Some(case.window.end),
            None => None,
        };
        by.map_or_else(
            || action.to_owned(),
            |by| format!("{action}{}", put(t.by_when, &[&when(by, self.now)])),
        )
    }

    fn trace_line(&self, row: &TraceRow) -> TraceView {
        let lang = self.lang();
        let role = row.role.map(|role| lang.pick(role.zh(), role.en()));
        TraceView {
            when: when(row.at, self.now),
            what: lang.pick(row.kind.zh(), row.kind.en()),
            who: match role {
                Some(role) if role != row.actor => put(lang.texts().chart_of, &[&row.actor, &role]),
                _ => row.actor.clone(),
            },
            text: match &row.judgement {
                _ if row.kind == TraceKind::OutcomeSet => match Outcome::from_code(&row.text) {
                    Some(outcome) => lang.pick(outcome.zh(), outcome.en()).to_owned(),
                    None => row.text.clone(),
                },
                Some(judgement) if row.text.is_empty() => self.brief(judgement),
                _ => row.text.clone(),
            },
        }
    }

    /// The one number a judgement turns on, for a line of the trace.
    fn brief(&self, judgement: &Judgement) -> String {
        let lang = self.lang();
        let unit = judgement
            .factor
            .map_or_else(String::new, |factor| self.names.unit(judgement.outlet, factor));
        let key = [FactKey::Mean, FactKey::Projected, FactKey::Value]
            .into_iter()
            .find(|&key| judgement.fact(key).is_some());
        let number = key.and_then(|key| {
            let value = if key == FactKey::Value {
                fact(judgement, key)
            } else {
                compared(judgement, key)
            };
            Some(format!("{} {} {unit}", lang.pick(key.zh(), key.en()), value?))
        });
        let grave = match judgement.verdict {
            Verdict::Breach(severity) => lang.pick(severity.zh(), severity.en()),
            Verdict::NotJudged(reason) => lang.pick(reason.zh(), reason.en()),
            Verdict::Fine => "",
        };
        let parts = [grave.to_owned(), number.unwrap_or_default().trim_end().to_owned()];
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" · ")
    }
}
