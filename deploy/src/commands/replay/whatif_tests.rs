//! The recorded log under another limit and other rules.

use plume_bus::{Bus, Topic};
use plume_detect::{Engine, Out, Partition};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{Entry, EntryBody, LogPosition};
use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, Verdict};
use plume_schemas::registry::Registry;
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{Span, Time};

use super::difference::Scope;
use super::source::Store;
use super::table::Answer;
use super::tests::{append, entries, settings};
use super::two::Question;
use super::whatif::ask;
use crate::roles::at;

fn time(stamp: &str) -> Time {
    Time::parse_stamp(stamp.as_bytes()).unwrap()
}

fn recorded(bodies: &[EntryBody]) -> Registry {
    let registry = bodies.iter().find_map(|body| match body {
        EntryBody::Registry(registry) => Some((**registry).clone()),
        _ => None,
    });
    registry.unwrap()
}

/// The recorded registry with every limit of an outlet at `limit`.
fn with_limit(bodies: &[EntryBody], outlet: usize, limit: i64) -> Registry {
    let mut registry = recorded(bodies);
    for factor in &mut registry.outlets[outlet].factors {
        for of in &mut factor.limits {
            of.value = Decimal {
                mantissa: limit,
                scale: 0,
            };
        }
    }
    registry
}

fn question(registry: Option<Registry>) -> Question {
    Question {
        scope: Scope {
            span: Span {
                start: time("20260118"),
                end: time("20260119"),
            },
            outlets: [].into(),
            windows_alone: false,
        },
        rules: [settings(), settings()],
        registry,
    }
}

async fn answer(bodies: &[EntryBody], question: &Question) -> Answer {
    let bus = Bus::memory(1);
    append(&bus, bodies).await;
    assert!(bus.range(at(Topic::Reports, 0)).await.unwrap().end > 0);
    ask(&Store::Log(bus), question, false).await.unwrap()
}

/// Last word about each hour of the first outlet on the day that is asked about: its mean, and whether it exceeds.
fn judged(bodies: &[EntryBody]) -> Vec<(Option<f64>, bool)> {
    let mut engine = Engine::new(settings(), Partition { index: 0, count: 1 });
    let mut out = Out::default();
    for (offset, body) in (0..).zip(bodies) {
        let at = LogPosition { partition: 0, offset };
        let body = body.clone();
        engine.step(&Entry { at, body }, &mut out);
    }
    let day = question(None).scope.span;
    let mut last = std::collections::BTreeMap::new();
    for said in out.judgements.iter().filter(|said| {
        said.rule == RuleCode::ExceedHour && said.outlet.as_str() == "S00000:DA001" && day.contains(said.window.start)
    }) {
        let exceeds = matches!(said.verdict, Verdict::Breach(_));
        last.insert((said.factor, said.window.start), (said.number(FactKey::Mean), exceeds));
    }
    last.into_values().collect()
}

#[tokio::test]
async fn the_same_registry_and_rules_make_no_difference() {
    let bodies = entries();
    let answer = answer(&bodies, &question(Some(recorded(&bodies)))).await;
    assert!(answer.found.is_empty(), "{}", answer.text(50));
    assert_eq!(answer.found.windows, 3 * 2 * 24, "three outlets, two factors, a day");
    assert_eq!(answer.begins, None);
}

#[tokio::test]
async fn a_lower_limit_is_counted_as_the_hours_above_it() {
    let bodies = entries();
    let lower = answer(&bodies, &question(Some(with_limit(&bodies, 0, 20)))).await;
    let hours = judged(&bodies);
    let above = hours
        .iter()
        .filter(|(mean, _)| mean.is_some_and(|mean| mean > 20.0))
        .count() as u64;
    let before = hours.iter().filter(|(_, exceeds)| *exceeds).count() as u64;
    assert!(above > before && hours.len() == 2 * 24, "{hours:?}");
    let rows = lower
        .found
        .rows
        .iter()
        .filter(|((outlet, ..), _)| outlet.as_str() == "S00000:DA001");
    let [then, now] = rows.fold([0, 0], |[then, now], (_, row)| {
        [then + row.exceeded[0], now + row.exceeded[1]]
    });
    assert_eq!((then, now), (before, above));
    assert_eq!(lower.found.changed.len() as u64, above - before);
    assert!(
        lower
            .found
            .changed
            .iter()
            .all(|one| one.window.outlet.as_str() == "S00000:DA001")
    );
    assert!(!lower.found.added.is_empty(), "hours above a limit are cases");
    let text = lower.text(3);
    for part in ["如果当时不同", "预热自", "超标 exceeded", "S00000:DA001", "--lines N"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let mut sheet = Vec::new();
    lower.write_csv(&mut sheet).unwrap();
    let sheet = String::from_utf8(sheet).unwrap();
    assert!(sheet.starts_with("\u{feff}排污单位 enterprise,"), "{sheet}");
    assert_eq!(sheet.lines().count(), 1 + 3 * 2, "{sheet}");
    let json: serde_json::Value = serde_json::from_str(&lower.json().unwrap()).unwrap();
    assert_eq!(json["verdicts"].as_array().unwrap().len() as u64, above - before);
    assert_eq!(json["warm_up"]["rule"], "SHIFT");
}

#[tokio::test]
async fn only_the_outlets_and_days_that_are_asked_about_are_compared() {
    let bodies = entries();
    let mut question = question(Some(with_limit(&bodies, 0, 20)));
    question.scope.outlets = [recorded(&bodies).outlets[1].id].into();
    let answer = answer(&bodies, &question).await;
    assert!(answer.found.is_empty(), "{}", answer.text(50));
    assert_eq!(answer.found.windows, 2 * 24);
}

#[tokio::test]
async fn a_limit_that_is_never_reached_removes_the_events() {
    let bodies = entries();
    let answer = answer(&bodies, &question(Some(with_limit(&bodies, 1, 5_000)))).await;
    let exceed = |one: &&super::difference::Happened| one.rule == RuleCode::ExceedHour;
    assert!(
        answer.found.removed.iter().any(|one| exceed(&one)),
        "{}",
        answer.text(50)
    );
    assert!(
        !answer.found.added.iter().any(|one| exceed(&one)),
        "{}",
        answer.text(50)
    );
    let sides = answer.found.rows.values().fold([0, 0], |sums, row| {
        [sums[0] + row.exceeded[0], sums[1] + row.exceeded[1]]
    });
    assert!(sides[0] > 0 && sides[1] == 0, "{sides:?}");
}

/// A case that needs more good hours to end ends later: the same event, moved.
#[tokio::test]
async fn other_rules_move_events() {
    let bodies = entries();
    let mut question = question(None);
    (
        question.rules[1].exceed.clear_ratio,
        question.rules[1].exceed.clear_hours,
    ) = (0.0, 3);
    let answer = answer(&bodies, &question).await;
    assert_eq!(
        answer.found.changed,
        [],
        "what an hour was does not depend on when a case ends"
    );
    let later = |(then, now): &(super::difference::Happened, super::difference::Happened)| {
        then.edge == Edge::Cleared && then.case == now.case && now.at > then.at
    };
    assert!(answer.found.moved.iter().any(later), "{}", answer.text(50));
}
