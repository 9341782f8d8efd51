//! Which edges follow from judging windows again.

use std::collections::BTreeMap;

use plume_schemas::entry::LogPosition;
use plume_schemas::event::Edge;
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::judgement::{Judgement, NotJudged, Pane, Verdict};
use plume_schemas::recompute::RecomputeCause;
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{HOUR_MS, Span, Time};

use super::words::{Series, Window, Word, Words, furnace_turn, is_news, window_of};
use crate::finals::midnight;

const MARKED: Verdict = Verdict::NotJudged(NotJudged::Marked);
const OVER: Verdict = Verdict::Breach(Severity::Exceeded);
const DAY: i64 = 20_000;

fn outlet() -> OutletId {
    OutletId::new("E:DA001").unwrap()
}

fn hour(number: i64) -> Time {
    midnight(DAY).plus(number * HOUR_MS)
}

fn series(rule: RuleCode) -> Series {
    (rule, Some(FactorCode::new("a21026").unwrap()))
}

fn found(rule: RuleCode, verdicts: &[(i64, Verdict)]) -> BTreeMap<Window, Judgement> {
    let (_, factor) = series(rule);
    let judgement = |&(number, verdict): &(i64, Verdict)| Judgement {
        rule,
        outlet: outlet(),
        factor,
        window: Span {
            start: hour(number),
            end: hour(number + 1),
        },
        pane: Pane::OnTime,
        verdict,
        previous: None,
        cause: LogPosition::default(),
        ordinal: 0,
        judged_at: hour(number + 1),
        late: false,
        evidence: Vec::new(),
    };
    let all = verdicts.iter().map(judgement);
    all.map(|judgement| (window_of(&judgement), judgement)).collect()
}

/// Said of hours of one day, with their cases: first and last hour.
fn said(rule: RuleCode, verdicts: &[(i64, Verdict)], cases: &[(i64, Option<i64>)]) -> Words {
    let mut words = Words::default();
    let (_, factor) = series(rule);
    for &(number, verdict) in verdicts {
        words
            .said
            .insert((rule, factor, hour(number)), Word { verdict, mean: None });
    }
    for &(first, end) in cases {
        words.happen(series(rule), Edge::Opened, (hour(first), hour(first)));
        if let Some(end) = end {
            words.happen(series(rule), Edge::Cleared, (hour(first), hour(end)));
        }
    }
    words
}

fn turns(words: &mut Words, found: &BTreeMap<Window, Judgement>, why: RecomputeCause) -> Vec<(i64, Edge, i64)> {
    let number = |at: Time| at.since(midnight(DAY)) / HOUR_MS;
    let revisions = words.revise(outlet(), found, (DAY, DAY, why), Time(i64::MAX));
    let turns = revisions.iter().flat_map(|revision| {
        let of = number(revision.judgement.window.start);
        revision
            .turns
            .iter()
            .map(move |turn| (of, turn.edge, number(turn.first_window)))
    });
    turns.collect()
}

#[test]
fn a_case_goes_with_its_last_breach_and_not_before() {
    let rule = RuleCode::ExceedHour;
    let hours = [(3, OVER), (4, OVER), (5, OVER), (6, Verdict::Fine)];
    let mut words = said(rule, &hours, &[(3, Some(6))]);
    let some = found(rule, &[(3, MARKED), (4, MARKED)]);
    assert!(
        turns(&mut words, &some, RecomputeCause::Mark).is_empty(),
        "the fifth hour still exceeds"
    );
    let rest = found(rule, &[(5, MARKED)]);
    assert_eq!(
        turns(&mut words, &rest, RecomputeCause::Mark),
        [(5, Edge::Retracted, 3)]
    );
    assert!(turns(&mut words, &rest, RecomputeCause::Mark).is_empty(), "said once");
    // An hour that exceeds after all is a case of its own.
    let back = found(rule, &[(4, OVER)]);
    let expected = [(4, Edge::Opened, 4), (4, Edge::Cleared, 4)];
    assert_eq!(turns(&mut words, &back, RecomputeCause::Mark), expected);
    let gone = found(rule, &[(4, Verdict::Fine)]);
    assert_eq!(
        turns(&mut words, &gone, RecomputeCause::LateData),
        [(4, Edge::Retracted, 4)]
    );
}

#[test]
fn a_breach_within_a_case_that_is_known_is_no_case_of_its_own() {
    let rule = RuleCode::ExceedHour;
    let hours = [(3, OVER), (4, Verdict::NotJudged(NotJudged::NoData)), (5, OVER)];
    let late = found(rule, &[(4, OVER)]);
    for end in [None, Some(6)] {
        let mut words = said(rule, &hours, &[(3, end)]);
        assert!(turns(&mut words, &late, RecomputeCause::LateData).is_empty());
    }
    let mut words = said(rule, &hours, &[(3, Some(3)), (5, Some(5))]);
    assert_eq!(turns(&mut words, &late, RecomputeCause::LateData).len(), 2);
}

#[test]
fn a_furnaces_day_of_which_nothing_is_said_any_more_is_taken_back() {
    let rule = RuleCode::Furnace;
    let mut words = said(rule, &[(0, OVER)], &[(0, None)]);
    let found = BTreeMap::new();
    assert_eq!(
        turns(&mut words, &found, RecomputeCause::Mark),
        [(0, Edge::Retracted, 0)]
    );
    assert!(turns(&mut words, &found, RecomputeCause::Mark).is_empty());
    let attention = Verdict::Breach(Severity::Attention);
    for (was, is, edge) in [
        (Verdict::Fine, attention, Some(Edge::Opened)),
        (attention, OVER, Some(Edge::Worsened)),
        (OVER, attention, Some(Edge::Retracted)),
        (attention, Verdict::Breach(Severity::Notice), None),
    ] {
        let severity = |verdict| Word { verdict, mean: None }.severity();
        assert_eq!(furnace_turn(severity(was), severity(is)), edge);
    }
}

#[test]
fn why_a_window_was_not_judged_is_said_otherwise_only_where_it_was_decided() {
    use NotJudged::{NoCorrection, NoData, PlatformSide, TooFewValid};
    let word = |verdict| Word { verdict, mean: None };
    let not = |reason| word(Verdict::NotJudged(reason));
    let news = |before: Option<Word>, now, why| is_news(before, now, why);
    let (mark, late) = (RecomputeCause::Mark, RecomputeCause::LateData);
    assert!(!news(Some(not(PlatformSide)), not(TooFewValid), mark));
    assert!(
        !news(Some(not(NoCorrection)), word(OVER), late),
        "the device's own word"
    );
    assert!(news(Some(not(NoData)), word(MARKED), mark));
    assert!(news(Some(word(MARKED)), not(NoData), mark), "the mark was taken back");
    assert!(news(Some(not(PlatformSide)), word(Verdict::Fine), late));
    // What was never said: plume did not run then.
    assert!(news(None, word(Verdict::Fine), late) && !news(None, word(Verdict::Fine), mark));
    assert!(!news(None, not(NoData), late));
    let mean = |mean| Word {
        verdict: Verdict::Fine,
        mean: Some(mean),
    };
    assert!(news(Some(mean(1.0)), mean(1.5), late) && !news(Some(mean(1.5)), mean(1.5), late));
}

#[test]
fn windows_the_judge_remembers_are_left_to_it() {
    let rule = RuleCode::ExceedHour;
    let mut words = said(rule, &[(3, OVER), (4, OVER)], &[(3, Some(4))]);
    let both = found(rule, &[(3, MARKED), (4, MARKED)]);
    let revisions = words.revise(outlet(), &both, (DAY, DAY, RecomputeCause::Mark), hour(4));
    assert_eq!(revisions.len(), 1);
    assert_eq!(revisions[0].judgement.window.start, hour(3));
    assert_eq!(revisions[0].judgement.previous, Some(OVER));
}
