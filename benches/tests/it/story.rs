//! The demo's story, judged: who is warned when, what comes of it.

use plume_schemas::event::{Edge, Event};
use plume_schemas::judgement::{FactKey, FactValue, Judgement};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};
use plume_simulator::story::{self, Part, SEED};

use crate::line::Line;

/// The critical hour.
fn hour_start() -> Time {
    story::start().plus(10 * MINUTE_MS)
}

/// The story from beginning to end. 甲 acts as long after its warning as the story says, if it acts at all.
fn play(acts: bool) -> Vec<Event> {
    judged(acts).events
}

/// The same, with everything that was judged.
fn judged(acts: bool) -> Line {
    let start = story::start();
    let mut line = Line::new(story::devices(start, SEED), story::registry(), start);
    let mut acted = false;
    while line.now < start.plus(story::LENGTH_MIN * MINUTE_MS) {
        line.advance();
        let warned = edges(&line.events, Part::Jia, RuleCode::NearHour)
            .first()
            .map(|event| event.at);
        if acts && !acted && warned.is_some_and(|at| line.now.since(at) >= story::REACTION_MS) {
            acted = true;
            line.steer(Part::Jia.mn(), story::remedy());
        }
    }
    assert_eq!(line.quarantined, 0);
    line
}

/// What a rule said of a part.
fn edges(events: &[Event], part: Part, rule: RuleCode) -> Vec<&Event> {
    let of_part = events.iter().filter(|event| event.judgement.outlet == part.outlet());
    of_part.filter(|event| event.judgement.rule == rule).collect()
}

fn mean_of(judgement: &Judgement) -> f64 {
    let mean = judgement.evidence.iter().find(|fact| fact.key == FactKey::Mean);
    match mean.map(|fact| &fact.value) {
        Some(FactValue::Decimal(mean)) => mean.to_f64(),
        other => panic!("no mean: {other:?}"),
    }
}

/// Minutes of the critical hour at which the part was warned first.
fn warned_at_min(events: &[Event], part: Part) -> i64 {
    let warnings = edges(events, part, RuleCode::NearHour);
    assert_eq!(warnings[0].edge, Edge::Opened);
    warnings[0].at.since(hour_start()) / MINUTE_MS
}

#[test]
fn jia_is_warned_acts_and_complies() {
    let events = play(true);
    let minute = warned_at_min(&events, Part::Jia);
    assert!((22..30).contains(&minute), "warned at minute {minute}");
    assert!(
        edges(&events, Part::Jia, RuleCode::ExceedHour).is_empty(),
        "the hour complies"
    );
}

#[test]
fn jia_exceeds_when_nobody_acts() {
    let exceeded = edges(&play(false), Part::Jia, RuleCode::ExceedHour)
        .first()
        .map(|event| mean_of(&event.judgement));
    assert!(exceeded.is_some_and(|mean| mean > 36.5), "{exceeded:?}");
}

#[test]
fn yi_is_warned_and_exceeds() {
    let events = play(true);
    let minute = warned_at_min(&events, Part::Yi);
    assert!((20..35).contains(&minute), "warned at minute {minute}");
    let exceeded = edges(&events, Part::Yi, RuleCode::ExceedHour);
    assert_eq!(exceeded.len(), 1);
    assert!(
        (36.9..37.3).contains(&mean_of(&exceeded[0].judgement)),
        "{}",
        mean_of(&exceeded[0].judgement)
    );
    let after = exceeded[0].at.since(hour_start().plus(HOUR_MS));
    assert!(
        (0..5 * MINUTE_MS).contains(&after),
        "said at once, by the device's own hour"
    );
}

#[test]
fn bing_has_a_stuck_analyser_and_nobody_else_has() {
    let events = play(true);
    let stuck = edges(&events, Part::Bing, RuleCode::Const);
    assert_eq!(stuck.len(), 1, "{events:?}");
    let after_min = stuck[0].at.since(story::start()) / MINUTE_MS;
    assert!((60..63).contains(&after_min), "said after {after_min} minutes");
    for part in [Part::Jia, Part::Yi] {
        assert!(edges(&events, part, RuleCode::Const).is_empty());
    }
    assert!(edges(&events, Part::Bing, RuleCode::NearHour).is_empty());
}

#[test]
fn nothing_else_is_said() {
    let expected = [RuleCode::NearHour, RuleCode::ExceedHour, RuleCode::Const];
    let events = play(true);
    let other = events.iter().find(|event| !expected.contains(&event.judgement.rule));
    assert!(other.is_none(), "{other:?}");
}
