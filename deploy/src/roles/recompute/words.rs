//! What was said of an outlet's windows, what judging again says of them, and the revisions and edges that follow.
//! Pure, but for reading the archive.
//!
//! Edges are those the judge itself would let happen where it remembered (`detect/src/rules/exceed.rs`): a breach that
//! is found out afterwards is a case of its own, over at once, unless one that is known goes over it; a case is
//! retracted with the last breach of it.

use std::collections::{BTreeMap, HashMap};

use plume_archive::{Field, QuerySpec, Reader, Table};
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::judgement::{Fact, FactKey, FactValue, Judgement, NotJudged, Verdict};
use plume_schemas::recompute::{RecomputeCause, Revision, Turn};
use plume_schemas::rule::{Order, RuleCode, Severity};
use plume_schemas::time::Time;

use crate::commands::view::hinted;
use crate::finals::midnight;

/// How long before the first day a case may have begun and still be known: an exceedance that nobody ended for two
/// months is no case any more.
const CASE_DAYS: i64 = 62;

/// Whether a rule's windows are judged again. FREQ says how things stand now, which the judge itself looks at.
pub(super) fn is_rejudged(rule: RuleCode) -> bool {
    rule.order() == Order::Window && rule != RuleCode::Freq
}

pub(super) type Series = (RuleCode, Option<FactorCode>);
pub(super) type Window = (RuleCode, Option<FactorCode>, Time);

/// The last word on a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Word {
    pub(super) verdict: Verdict,
    pub(super) mean: Option<f64>,
}

impl Word {
    fn of(judgement: &Judgement) -> Self {
        Self {
            verdict: judgement.verdict,
            mean: judgement.number(FactKey::Mean),
        }
    }

    fn is_breach(self) -> bool {
        matches!(self.verdict, Verdict::Breach(_))
    }

    pub(super) fn severity(self) -> u8 {
        match self.verdict {
            Verdict::Breach(severity) => severity.number(),
            Verdict::Fine | Verdict::NotJudged(_) => 0,
        }
    }
}

/// A case that happened and was not taken back, by the start of its first window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    /// Window in which it was over; none while it goes on.
    end: Option<Time>,
}

/// What was said of one outlet.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) said: BTreeMap<Window, Word>,
    cases: BTreeMap<Series, BTreeMap<Time, Known>>,
}

impl Words {
    /// Reads what was said of an outlet's windows since `first`, and of the cases they may belong to.
    pub(super) fn read(reader: &Reader, outlet: OutletId, first: i64) -> anyhow::Result<Self> {
        let from = Some(midnight(first - CASE_DAYS));
        let spec = |table, columns: &[&str]| QuerySpec {
            outlet: Some(outlet),
            from,
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            ..QuerySpec::all(table)
        };
        let mut words = Self::default();
        for row in rows(reader, &spec(Table::Judgements, &JUDGEMENTS))? {
            if let Some((window, word)) = judgement_of(&row) {
                words.said.insert(window, word);
            }
        }
        // A case is named by its first window, which is that of the edge it opens with.
        let mut firsts: HashMap<String, Time> = HashMap::new();
        for row in rows(reader, &spec(Table::Events, &EVENTS))? {
            let Some((series, edge, at, case)) = edge_of(&row) else {
                continue;
            };
            if edge == Edge::Opened && Event::case_id(outlet, series.1, series.0, at).to_string() == case {
                firsts.insert(case.clone(), at);
            }
            if let Some(&first) = firsts.get(&case) {
                words.happen(series, edge, (first, at));
            }
        }
        Ok(words)
    }

    /// Takes note of an edge of the case that began at `first`; `at` is the window it came by.
    pub(super) fn happen(&mut self, series: Series, edge: Edge, (first, at): (Time, Time)) {
        let cases = self.cases.entry(series).or_default();
        match edge {
            Edge::Opened => drop(cases.insert(first, Known { end: None })),
            Edge::Cleared => drop(cases.entry(first).and_modify(|known| known.end = Some(at))),
            Edge::Retracted => drop(cases.remove(&first)),
            Edge::Worsened | Edge::Confirmed => {}
        }
    }

    fn case_at(cases: &BTreeMap<Time, Known>, at: Time) -> Option<Time> {
        let before = cases.range(..=at).rev();
        let mut going_over = before.filter(|(_, known)| known.end.is_none_or(|end| at <= end));
        going_over.next().map(|(first, _)| *first)
    }

    /// What is to be said of windows within the days, given what judging again found of them. Windows from `kept` on
    /// are the judge's own. From then on it counts as said.
    pub(super) fn revise(
        &mut self,
        outlet: OutletId,
        found: &BTreeMap<Window, Judgement>,
        (first, last, why): (i64, i64, RecomputeCause),
        kept: Time,
    ) -> Vec<Revision> {
        let end = midnight(last + 1).min(kept);
        let within = |window: &&Window| (midnight(first)..end).contains(&window.2);
        let mut windows: Vec<Window> = found.keys().filter(within).copied().collect();
        // A furnace's day of which nothing is said any more has nothing below its temperature.
        let furnace = |(window, word): &(&Window, &Word)| window.0 == RuleCode::Furnace && word.is_breach();
        let silent = self
            .said
            .iter()
            .filter(furnace)
            .map(|(window, _)| window)
            .filter(within);
        windows.extend(
            silent
                .filter(|window| !found.contains_key(*window))
                .copied()
                .collect::<Vec<_>>(),
        );
        windows.sort_by_key(|window| (window.2, window.0, window.1));
        let mut revisions: Vec<(Revision, Option<Word>)> = Vec::new();
        for window in windows {
            let now = found
                .get(&window)
                .cloned()
                .unwrap_or_else(|| nothing_low(outlet, window));
            let before = self.said.get(&window).copied();
            let word = Word::of(&now);
            if !is_news(before, word, why) {
                continue;
            }
            self.said.insert(window, word);
            let revision = Revision {
                judgement: revised(now, before),
                turns: Vec::new(),
            };
            revisions.push((revision, before));
        }
        self.turn(&mut revisions);
        revisions.into_iter().map(|(revision, _)| revision).collect()
    }

    /// Adds the edges that follow. What is already revised counts as said.
    fn turn(&mut self, revisions: &mut [(Revision, Option<Word>)]) {
        for (revision, before) in revisions.iter_mut() {
            let (rule, factor, at) = window_of(&revision.judgement);
            let (was, is) = (
                before.is_some_and(Word::is_breach),
                Word::of(&revision.judgement).is_breach(),
            );
            if rule == RuleCode::Furnace {
                let (was, is) = (
                    before.map_or(0, Word::severity),
                    Word::of(&revision.judgement).severity(),
                );
                revision
                    .turns
                    .extend(furnace_turn(was, is).map(|edge| Turn { edge, first_window: at }));
            } else if is && !was {
                let cases = self.cases.entry((rule, factor)).or_default();
                if Self::case_at(cases, at).is_none() {
                    cases.insert(at, Known { end: Some(at) });
                    let turn = |edge| Turn { edge, first_window: at };
                    revision.turns.extend([turn(Edge::Opened), turn(Edge::Cleared)]);
                }
            }
        }
        // The last breach of a case that is gone takes it along.
        for (revision, before) in revisions.iter_mut().rev() {
            let (rule, factor, at) = window_of(&revision.judgement);
            let lost = before.is_some_and(Word::is_breach) && !Word::of(&revision.judgement).is_breach();
            if !lost || rule == RuleCode::Furnace {
                continue;
            }
            let Some(cases) = self.cases.get_mut(&(rule, factor)) else {
                continue;
            };
            let Some(first) = Self::case_at(cases, at) else {
                continue;
            };
            let breaches = self.said.range((rule, factor, first)..=(rule, factor, Time(i64::MAX)));
            let mut of_case =
                breaches.filter(|((.., start), word)| word.is_breach() && Self::case_at(cases, *start) == Some(first));
            if of_case.next().is_none() {
                cases.remove(&first);
                revision.turns.push(Turn {
                    edge: Edge::Retracted,
                    first_window: first,
                });
            }
        }
    }
}

/// By which a window is found.
pub(super) fn window_of(judgement: &Judgement) -> Window {
    (judgement.rule, judgement.factor, judgement.window.start)
}

/// Whether something else is to be said. What was never said is said where data came; why a window was not judged is
/// said otherwise only where a person or the plant decided it: plume's own silence and the device's word that a value
/// cannot be corrected are not in `readings`.
pub(super) fn is_news(before: Option<Word>, now: Word, why: RecomputeCause) -> bool {
    let is_decided = |reason| {
        matches!(
            reason,
            NotJudged::Marked | NotJudged::Stopped | NotJudged::StopWork | NotJudged::NoLimit | NotJudged::WaterOff
        )
    };
    match (before.map(|word| word.verdict), now.verdict) {
        (None, Verdict::NotJudged(_)) => false,
        (None, _) => matches!(why, RecomputeCause::LateData | RecomputeCause::Asked) || now.severity() > 0,
        (Some(Verdict::NotJudged(before)), Verdict::NotJudged(now)) => {
            before != now && (is_decided(before) || is_decided(now))
        }
        (Some(Verdict::NotJudged(NotJudged::NoCorrection)), _) => false,
        (Some(_), _) => before != Some(now),
    }
}

/// The judgement as it is to be said: beside what was said before.
fn revised(mut judgement: Judgement, before: Option<Word>) -> Judgement {
    judgement.evidence.retain(|fact| fact.key != FactKey::Previous);
    let mean = judgement.number(FactKey::Mean);
    if let Some(previous) = before.and_then(|word| word.mean)
        && mean != Some(previous)
    {
        judgement.evidence.push(Fact {
            key: FactKey::Previous,
            value: FactValue::Float(previous),
        });
    }
    judgement.previous = before.map(|word| word.verdict);
    judgement
}

/// Of a furnace's day: nothing was too cold.
fn nothing_low(outlet: OutletId, (rule, factor, start): Window) -> Judgement {
    use plume_schemas::entry::LogPosition;
    use plume_schemas::judgement::Pane;
    use plume_schemas::time::{DAY_MS, Span};
    let count = Fact {
        key: FactKey::Count,
        value: FactValue::Int(0),
    };
    Judgement {
        rule,
        outlet,
        factor,
        window: Span {
            start,
            end: start.plus(DAY_MS),
        },
        pane: Pane::Late,
        verdict: Verdict::Fine,
        previous: None,
        cause: LogPosition::default(),
        ordinal: 0,
        judged_at: start,
        late: true,
        evidence: vec![count],
    }
}

/// As the judge itself: a level that rises worsens, a violation that is none any more never was.
pub(super) fn furnace_turn(was: u8, is: u8) -> Option<Edge> {
    match (was, is) {
        (was, is) if was == is => None,
        (0, _) => Some(Edge::Opened),
        (was, is) if is > was => Some(Edge::Worsened),
        (4, _) | (_, 0) => Some(Edge::Retracted),
        _ => None,
    }
}

const JUDGEMENTS: [&str; 8] = [
    "rule",
    "factor",
    "window_start",
    "verdict",
    "severity",
    "reason",
    "mean",
    "log_offset",
];
const EVENTS: [&str; 6] = ["rule", "factor", "window_start", "edge", "case_id", "log_offset"];

/// The rows in the order in which they were said.
fn rows(reader: &Reader, spec: &QuerySpec) -> anyhow::Result<Vec<Vec<Field>>> {
    let rows: Result<Vec<_>, _> = reader.query(spec).map_err(hinted)?.collect();
    let mut rows = rows.map_err(hinted)?;
    let offset = |row: &Vec<Field>| match row.last() {
        Some(Field::Int(offset)) => *offset,
        _ => 0,
    };
    rows.sort_by_key(offset);
    Ok(rows)
}

fn series_of(rule: &Field, factor: &Field) -> Option<Series> {
    let rule = RuleCode::from_code(&rule.to_string()).filter(|&rule| is_rejudged(rule))?;
    Some((rule, FactorCode::new(&factor.to_string()).ok()))
}

fn judgement_of(row: &[Field]) -> Option<(Window, Word)> {
    let [rule, factor, Field::Time(start), verdict, severity, reason, mean, _] = row else {
        return None;
    };
    let (rule, factor) = series_of(rule, factor)?;
    let verdict = match verdict.to_string().as_str() {
        "fine" => Verdict::Fine,
        "breach" => Verdict::Breach(Severity::from_code(&severity.to_string())?),
        "not_judged" => Verdict::NotJudged(NotJudged::from_code(&reason.to_string())?),
        _ => return None,
    };
    let mean = match mean {
        Field::Number(mean) => Some(*mean),
        _ => None,
    };
    Some(((rule, factor, *start), Word { verdict, mean }))
}

fn edge_of(row: &[Field]) -> Option<(Series, Edge, Time, String)> {
    let [rule, factor, Field::Time(start), edge, case, _] = row else {
        return None;
    };
    let edge = Edge::from_code(&edge.to_string())?;
    Some((series_of(rule, factor)?, edge, *start, case.to_string()))
}
