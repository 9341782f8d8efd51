//! Marks, data and limits of days that the judge no longer remembers: their hours are judged again, once, and an exact
//! replay of the log says all of it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use plume_alert::Desk;
use plume_alert::accounts::{Role, Scope, Viewer};
use plume_alert::case::State;
use plume_alert::store::{CaseFilter, Order, Page};
use plume_schemas::entry::{EntryBody, LogPosition};
use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, FactValue, Judgement, NotJudged, Pane, Verdict};
use plume_schemas::recompute::RecomputeCause;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{Clock, MINUTE_MS, Span, Time};
use plume_schemas::wire;

use super::work::{Said, Turned};
use super::world::{Fate, World, hour, mark, outlet, within};
use crate::config::Config;

/// Hours that pass before somebody thinks of the first day; the judge then remembers the last 45 of them.
const HOURS: i64 = 62;

fn early() -> Span {
    Span {
        start: hour(8),
        end: hour(11),
    }
}

/// Three hours of the first day exceed.
async fn exceeded() -> World {
    let mut world = World::new().await;
    world
        .hours(HOURS, |at| if within(at, 8..11) { Fate::Over } else { Fate::Usual })
        .await;
    assert!(world.turn().await.is_empty(), "what came in time asks for nothing");
    world
}

/// The last word on each hour.
fn last_words(judgements: &[Judgement]) -> BTreeMap<Time, &Judgement> {
    let hours = judgements.iter().filter(|said| said.rule == RuleCode::ExceedHour);
    hours.map(|said| (said.window.start, said)).collect()
}

fn windows(said: &[Said]) -> Vec<(Time, Verdict)> {
    let revisions = said.iter().flat_map(|said| &said.revisions);
    revisions
        .map(|revision| (revision.judgement.window.start, revision.judgement.verdict))
        .collect()
}

const MARKED: Verdict = Verdict::NotJudged(NotJudged::Marked);

#[tokio::test]
async fn a_mark_of_last_week_revises_the_hours_and_retracts_the_event_once() {
    let mut world = exceeded().await;
    let events = world.events().await;
    let exceeds = events.iter().find(|event| event.judgement.rule == RuleCode::ExceedHour);
    let opened = exceeds.cloned().unwrap();
    assert_eq!(opened.judgement.window.start, hour(8));
    let before = (world.judgements().await.len(), events.len());
    let now = hour(HOURS).plus(MINUTE_MS);
    world.take(vec![mark(early(), false, now)]).await;
    assert_eq!(
        world.judgements().await.len(),
        before.0,
        "the judge itself no longer remembers those hours"
    );

    let said = world.turn().await;
    let expected: Vec<_> = (8..11).map(|number| (hour(number), MARKED)).collect();
    assert_eq!(windows(&said), expected);
    assert!(
        said.iter()
            .all(|said| said.why == RecomputeCause::Mark && said.outlet == outlet())
    );
    let judgements = world.judgements().await;
    for judgement in &judgements[before.0..before.0 + 3] {
        assert!(judgement.late && judgement.pane == Pane::Late, "{judgement:?}");
        assert!(matches!(judgement.previous, Some(Verdict::Breach(_))), "{judgement:?}");
        let Some(FactValue::Text(why)) = judgement.fact(FactKey::RecomputedFor) else {
            panic!("the cause stands in the evidence: {judgement:?}");
        };
        assert_eq!(why.as_str(), "mark");
        // The revision is the place of the record of it (D1).
        let bytes = &world.reports().await[usize::try_from(judgement.cause.offset).unwrap()];
        assert!(matches!(wire::decode_entry(bytes).unwrap(), EntryBody::Recomputed(_)));
    }
    let events = world.events().await;
    let retracted: Vec<_> = events[before.1..]
        .iter()
        .filter(|event| event.edge == Edge::Retracted)
        .collect();
    assert_eq!(retracted.len(), 1, "{retracted:?}");
    assert_eq!(retracted[0].case, opened.case);

    // Nothing is done twice: not in a later turn, and not where somebody asks.
    let end = world.reports().await.len();
    assert!(world.turn().await.is_empty());
    let Turned::Done(asked) = world.work.asked(0, outlet(), early(), false).await.unwrap() else {
        panic!("judge and archive are at the log's end");
    };
    assert!(asked.is_empty(), "{asked:?}");
    assert_eq!(world.reports().await.len(), end);
    world.assert_replays().await;

    // The mark is taken back: the hours exceed after all.
    world.take(vec![mark(early(), true, now.plus(MINUTE_MS))]).await;
    let said = world.turn().await;
    assert_eq!(said.len(), 1);
    assert!(
        windows(&said)
            .iter()
            .all(|(_, verdict)| matches!(verdict, Verdict::Breach(_))),
        "{said:?}"
    );
    world.assert_replays().await;
}

#[tokio::test]
async fn packets_that_come_sixty_hours_late_give_the_lost_hours() {
    let mut world = World::new().await;
    world
        .hours(66, |at| if within(at, 2..6) { Fate::Lost } else { Fate::Usual })
        .await;
    let judgements = world.judgements().await;
    for number in 2..6 {
        let said = last_words(&judgements)[&hour(number)];
        assert_eq!(said.verdict, Verdict::NotJudged(NotJudged::NoData));
    }
    world.find_lost(hour(66).plus(MINUTE_MS)).await;
    let said = world.turn().await;
    let expected: Vec<_> = (2..6).map(|number| (hour(number), Verdict::Fine)).collect();
    assert_eq!(windows(&said), expected);
    assert!(said.iter().all(|said| said.why == RecomputeCause::LateData));
    let judgements = world.judgements().await;
    let words = last_words(&judgements);
    for number in 2..6 {
        let said = words[&hour(number)];
        assert!(said.fact(FactKey::Mean).is_some() && said.late, "{said:?}");
    }
    assert!(world.turn().await.is_empty());
    world.assert_replays().await;
}

/// The judge revises what it remembers when the registry comes, recomputation the rest; no hour is said twice.
#[tokio::test]
async fn a_limit_of_last_week_is_judged_by_the_judge_and_from_the_archive_and_never_twice() {
    let mut world = exceeded().await;
    let now = hour(HOURS).plus(MINUTE_MS);
    let stricter = world.stricter_since(hour(6), 5, now);
    world.take(vec![stricter]).await;
    let by_the_judge = world.judgements().await.len();
    let said = world.turn().await;
    assert!(said.iter().all(|said| said.why == RecomputeCause::Registry));
    let judgements = world.judgements().await;
    assert!(
        judgements.len() > by_the_judge && windows(&said).len() > 4,
        "{}",
        windows(&said).len()
    );
    let words = last_words(&judgements);
    for number in 0..HOURS {
        let exceeds = number >= 6;
        let said = words[&hour(number)];
        assert_eq!(
            matches!(said.verdict, Verdict::Breach(_)),
            exceeds,
            "hour {number}: {said:?}"
        );
    }
    let mut late: BTreeMap<Time, usize> = BTreeMap::new();
    let revised = judgements
        .iter()
        .filter(|said| said.rule == RuleCode::ExceedHour && said.pane == Pane::Late);
    revised.for_each(|said| *late.entry(said.window.start).or_default() += 1);
    assert!(late.values().all(|&count| count == 1), "{late:?}");
    assert!(world.turn().await.is_empty());
    world.assert_replays().await;
}

#[tokio::test]
async fn a_trial_says_what_would_be_said_and_writes_nothing() {
    let mut world = exceeded().await;
    world
        .take(vec![mark(early(), false, hour(HOURS).plus(MINUTE_MS))])
        .await;
    let (end, position) = (world.reports().await.len(), world.position().await);
    let Turned::Done(said) = world.work.asked(0, outlet(), early(), true).await.unwrap() else {
        panic!("judge and archive are at the log's end");
    };
    assert_eq!(windows(&said).len(), 3);
    let text = crate::commands::recompute::text(&said, true);
    assert!(
        text.contains("EXCEED_HOUR 2026-01-12 08:00：超标 → 未判定（已标记）"),
        "{text}"
    );
    assert!(text.contains("retracted") && text.contains("nothing written"), "{text}");
    assert_eq!((world.reports().await.len(), world.position().await), (end, position));
    assert_eq!(windows(&world.turn().await).len(), 3, "the turn finds the same");
}

#[tokio::test]
async fn the_desks_case_shows_the_retraction() {
    let mut world = exceeded().await;
    let now = hour(HOURS).plus(MINUTE_MS);
    world.take(vec![mark(early(), false, now)]).await;
    assert_eq!(world.turn().await.len(), 1);
    let config = Config::defaults().unwrap();
    let store = format!("sqlite:{}", world.dir.path().join("desk.db").display());
    let metrics = prometheus::Registry::new();
    let desk = Desk::open(&store, &config.alert, Clock::new(move || now), &metrics, None)
        .await
        .unwrap();
    desk.set_registry(Arc::new(RegistryIndex::new(world.stream.registry())));
    for (offset, event) in (0..).zip(world.events().await) {
        desk.apply(LogPosition { partition: 0, offset }, &event).await.unwrap();
    }
    let viewer = Viewer {
        name: "钱值班".to_owned(),
        role: Role::CityDuty,
        scope: Scope::All,
    };
    let page = Page {
        order: Order::Latest,
        offset: 0,
        limit: 50,
    };
    let cases = desk
        .store()
        .cases(&viewer, &CaseFilter::default(), page)
        .await
        .unwrap()
        .rows;
    let case = cases.iter().find(|case| case.rule == RuleCode::ExceedHour).unwrap();
    assert_eq!(case.state, State::Retracted);
}
