//! What a recomputation found is said of windows before the judge's memory, and let pass within it.

use plume_detect::synthetic::Stream;
use plume_detect::{Engine, Out, Partition, Settings, remembered_from};
use plume_schemas::entry::{Entry, EntryBody, LogPosition};
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::judgement::{FactKey, Judgement, Pane, Verdict};
use plume_schemas::recompute::{RecomputeCause, Recomputed, Revision, Turn};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{HOUR_MS, Span, Time};

const HOURS: i64 = 80;

fn settings() -> Settings {
    toml::from_str(include_str!("../settings.toml")).unwrap()
}

fn start() -> Time {
    Time::parse_stamp(b"20260112000000").unwrap()
}

fn hour(number: i64) -> Time {
    start().plus(number * HOUR_MS)
}

fn exceeding(number: i64) -> Revision {
    let judgement = Judgement {
        rule: RuleCode::ExceedHour,
        outlet: OutletId::new("S00000:DA001").unwrap(),
        factor: Some(FactorCode::new("a21026").unwrap()),
        window: Span {
            start: hour(number),
            end: hour(number + 1),
        },
        pane: Pane::OnTime,
        verdict: Verdict::Breach(Severity::Exceeded),
        previous: Some(Verdict::Fine),
        cause: LogPosition::default(),
        ordinal: 7,
        judged_at: Time(0),
        late: false,
        evidence: Vec::new(),
    };
    let turn = |edge| Turn {
        edge,
        first_window: hour(number),
    };
    Revision {
        judgement,
        turns: vec![turn(Edge::Opened), turn(Edge::Cleared)],
    }
}

/// A judge that has seen some days, and the place of the next record.
fn judge() -> (Engine, u64) {
    let mut engine = Engine::new(settings(), Partition { index: 0, count: 1 });
    let mut stream = Stream::new(1, 1, start(), 4);
    let (mut out, mut entries) = (Out::default(), vec![stream.first()]);
    (0..HOURS * 60).for_each(|_| stream.next_minute(&mut entries));
    engine.steps(&entries, &mut out);
    assert!(
        out.events
            .iter()
            .all(|event| event.judgement.rule != RuleCode::ExceedHour)
    );
    let next = entries.len() as u64;
    (engine, next)
}

fn say(engine: &mut Engine, offset: u64, revisions: Vec<Revision>) -> Out {
    let body = EntryBody::Recomputed(Box::new(Recomputed {
        outlet: OutletId::new("S00000:DA001").unwrap(),
        why: RecomputeCause::LateData,
        received_at: hour(HOURS),
        revisions,
    }));
    let at = LogPosition { partition: 0, offset };
    let mut out = Out::default();
    engine.step(&Entry { at, body }, &mut out);
    out
}

#[test]
fn windows_before_the_border_are_said_and_those_behind_it_are_the_judges_own() {
    let (mut engine, next) = judge();
    let border = (remembered_from(engine.now().unwrap()).since(start())) / HOUR_MS;
    // Of the 80 hours that are over the last 45 are revised by the judge itself.
    assert_eq!(border, HOURS - 45);
    let out = say(
        &mut engine,
        next,
        vec![
            exceeding(5),
            exceeding(border - 1),
            exceeding(border),
            exceeding(HOURS - 2),
        ],
    );
    let hours: Vec<&Judgement> = out
        .judgements
        .iter()
        .filter(|said| said.rule == RuleCode::ExceedHour)
        .collect();
    let starts: Vec<Time> = hours.iter().map(|said| said.window.start).collect();
    assert_eq!(starts, [hour(5), hour(border - 1)]);
    assert!(hours[0].late && hours[0].pane == Pane::Late && hours[0].fact(FactKey::RecomputedFor).is_some());
    let position = LogPosition {
        partition: 0,
        offset: next,
    };
    assert_eq!((hours[0].cause, hours[0].ordinal), (position, 0));
    let events: Vec<&Event> = out
        .events
        .iter()
        .filter(|event| event.judgement.rule == RuleCode::ExceedHour)
        .collect();
    let edges: Vec<(Edge, bool)> = events.iter().map(|event| (event.edge, event.preliminary)).collect();
    assert_eq!(edges, [(Edge::Opened, false), (Edge::Cleared, false)].repeat(2));
    let case = Event::case_id(hours[0].outlet, hours[0].factor, RuleCode::ExceedHour, hour(5));
    assert!(events[..2].iter().all(|event| event.case == case));
}

/// Ten exceeding hours of the week pile up, and that is told of as something of long ago.
#[test]
fn hours_found_afterwards_count_in_what_piles_up() {
    let (mut engine, next) = judge();
    let (some, more) = (0..9, 9..12);
    let out = say(&mut engine, next, some.map(exceeding).collect());
    assert!(out.judgements.iter().all(|said| said.rule == RuleCode::ExceedHour));
    let out = say(&mut engine, next + 1, more.map(exceeding).collect());
    let piled: Vec<&Event> = out
        .events
        .iter()
        .filter(|event| event.judgement.rule == RuleCode::Freq)
        .collect();
    assert_eq!(piled.len(), 1, "{piled:?}");
    assert!(piled[0].edge == Edge::Opened && piled[0].judgement.late);
    let saved = engine.checkpoint();
    assert_eq!(Engine::restore(&saved, &settings()).unwrap().checkpoint(), saved);
}
