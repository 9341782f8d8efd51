//! The pairing of fingerprints: what the case folders of TWIN lead to, with a judge for each outlet, however the
//! judges' lines are mixed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plume_detect::twin::{MAX_OPEN, Pairing};
use plume_detect::{Engine, Out, Partition};
use plume_schemas::entry::{Entry, EntryBody, LogPosition};
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::{Inline, OutletId};
use plume_schemas::judgement::{FactKey, FactValue, Judgement};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::HOUR_MS;
use proptest::prelude::*;

use crate::cases::settings;
use crate::{print, script};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

fn outlet_of(body: &EntryBody) -> Option<OutletId> {
    match body {
        EntryBody::Report(report) => Some(report.outlet),
        EntryBody::Presence(presence) => Some(presence.outlet),
        EntryBody::Mark(mark) => Some(mark.outlet),
        EntryBody::Check(check) => Some(check.outlet),
        EntryBody::Recomputed(recomputed) => Some(recomputed.outlet),
        EntryBody::Registry(_) | EntryBody::Tick(_) | EntryBody::ClockStep(_) => None,
    }
}

/// The fingerprints of a folder, each outlet's by a judge of its own; `change` may change what is recorded.
fn lines(name: &str, change: impl Fn(&mut EntryBody)) -> Vec<Vec<Judgement>> {
    let entries = script::read(&folder(name));
    let mut outlets: Vec<OutletId> = entries.iter().filter_map(|entry| outlet_of(&entry.body)).collect();
    outlets.sort();
    outlets.dedup();
    let judge = |(partition, outlet): (u32, OutletId)| {
        let mut engine = Engine::new(settings(), Partition { index: 0, count: 1 });
        let mut said = Out::default();
        for entry in &entries {
            let mut body = entry.body.clone();
            change(&mut body);
            if outlet_of(&body).is_none_or(|of| of == outlet) {
                let at = LogPosition { partition, ..entry.at };
                engine.step(&Entry { at, body }, &mut said);
            }
        }
        said.judgements
            .retain(|judgement| judgement.rule == RuleCode::Twin && judgement.outlet == outlet);
        said.judgements
    };
    (0..).zip(outlets).map(judge).collect()
}

fn pairing() -> Pairing {
    Pairing::new(settings().twin)
}

fn pair<'a>(judgements: impl IntoIterator<Item = &'a Judgement>) -> Vec<Event> {
    let (mut pairing, mut events) = (pairing(), Vec::new());
    judgements
        .into_iter()
        .for_each(|judgement| pairing.take(judgement, &mut events));
    events
}

#[test]
fn copies_are_paired_and_a_neighbour_is_not() {
    let said: Vec<Judgement> = lines("lead_twin", |_| {}).concat();
    let events = pair(&said);
    let shown: Vec<String> = events
        .iter()
        .flat_map(|event| [print::judgement(&event.judgement), print::event(event)])
        .collect();
    insta::assert_snapshot!("twin", shown.join("\n"));
    // The neighbour goes with the first as closely as an instrument can, and is in no pair.
    let of_neighbour = said
        .iter()
        .filter(|judgement| judgement.outlet.as_str() == "E3:DA001")
        .count();
    assert_eq!((of_neighbour, events.len()), (1, 1));
}

/// A judge for all says what a judge for each says: the case folder's own snapshot has the fingerprints.
#[test]
fn partitions_do_not_matter() {
    let apart: Vec<Judgement> = lines("lead_twin", |_| {}).concat();
    let mut engine = Engine::new(settings(), Partition { index: 0, count: 1 });
    let mut said = Out::default();
    for entry in script::read(&folder("lead_twin")) {
        engine.step(&entry, &mut said);
    }
    let text = |judgement: &Judgement| (judgement.outlet, judgement.evidence.clone());
    let mut together: Vec<_> = said
        .judgements
        .iter()
        .filter(|j| j.rule == RuleCode::Twin)
        .map(text)
        .collect();
    together.sort_by_key(|(outlet, _)| *outlet);
    assert_eq!(together, apart.iter().map(text).collect::<Vec<_>>());
}

#[test]
fn what_is_honestly_equal_is_not_paired() {
    let said: Vec<Judgement> = lines("lead_twin_not", |_| {}).concat();
    let with_print: Vec<&str> = said.iter().map(|judgement| judgement.outlet.as_str()).collect();
    assert!(
        with_print.contains(&"E1:DA002"),
        "what shares a chimney is compared: {with_print:?}"
    );
    assert_eq!(pair(&said), []);
}

/// The same without the registry's word for the chimney must be found: else the folder above shows nothing.
#[test]
fn an_unregistered_chimney_is_found() {
    let forget = |body: &mut EntryBody| {
        if let EntryBody::Registry(registry) = body {
            registry
                .outlets
                .iter_mut()
                .for_each(|outlet| outlet.shared_stack.clear());
        }
    };
    let events = pair(&lines("lead_twin_not", forget).concat());
    let found: Vec<(&str, Edge)> = events
        .iter()
        .map(|event| (event.judgement.outlet.as_str(), event.edge))
        .collect();
    assert_eq!(found, [("E1:DA002", Edge::Opened)]);
}

/// Fingerprints of later windows, of the same values or of others.
fn later(judgement: &Judgement, windows: i64, own: bool) -> Judgement {
    let mut later = judgement.clone();
    let by_ms = windows * 6 * HOUR_MS;
    later.window.start = later.window.start.plus(by_ms);
    later.window.end = later.window.end.plus(by_ms);
    later.judged_at = later.judged_at.plus(by_ms);
    later.cause.offset += windows.unsigned_abs() * 1_000;
    if own {
        // Each outlet's own values, as far as letters go: turned by as many places as the outlet's name says.
        let turn = later.outlet.as_str().bytes().map(usize::from).sum::<usize>() % 50 + 5;
        for fact in &mut later.evidence {
            if let (FactKey::Print, FactValue::Text(text)) = (fact.key, fact.value) {
                let mut letters = text.as_str().to_owned().into_bytes();
                letters.rotate_left(turn);
                fact.value = FactValue::Text(Inline::new(&String::from_utf8(letters).unwrap()).unwrap());
            }
        }
    }
    later
}

/// Two days: a pair that is equal for three windows, then on its own for long, and a neighbour.
fn two_days() -> Vec<Vec<Judgement>> {
    let lines = lines("lead_twin", |_| {});
    let days = |line: &Vec<Judgement>| (0..9).map(|n| later(&line[0], n, n >= 3)).collect();
    lines.iter().map(days).collect()
}

#[test]
fn a_pair_is_one_case_until_both_have_been_on_their_own() {
    let lines = two_days();
    let (mut pairing, mut events) = (pairing(), Vec::new());
    let mut seen = Vec::new();
    for window in 0..9 {
        for line in &lines {
            pairing.take(&line[window], &mut events);
            seen.extend(events.drain(..).map(|event| (window, event.edge, event.case)));
        }
    }
    // Equal until window 2: 24 hours after its start is window 6.
    let edges: Vec<(usize, Edge)> = seen.iter().map(|(window, edge, _)| (*window, *edge)).collect();
    assert_eq!(edges, [(0, Edge::Opened), (6, Edge::Cleared)]);
    assert_eq!(seen[0].2, seen[1].2, "it is one case");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// However the lines of the judges are mixed (a judge may be a window behind), the same is said.
    #[test]
    fn the_mix_of_lines_does_not_matter(picks in prop::collection::vec(0_usize..3, 0..60)) {
        let lines = two_days();
        let expected = by_id(pair((0..9).flat_map(|window| lines.iter().map(move |line| &line[window]))));
        let mut next = [0_usize; 3];
        let (mut pairing, mut events) = (pairing(), Vec::new());
        for pick in picks.into_iter().chain((0..27).map(|n| n % 3)).chain((0..27).map(|n| n / 9)) {
            let behind = next.iter().min().copied().unwrap_or(0);
            if next[pick] < 9 && next[pick] <= behind + 1 {
                pairing.take(&lines[pick][next[pick]], &mut events);
                next[pick] += 1;
            }
        }
        while let Some(pick) = (0..3).filter(|&line| next[line] < 9).min_by_key(|&line| next[line]) {
            pairing.take(&lines[pick][next[pick]], &mut events);
            next[pick] += 1;
        }
        prop_assert_eq!(by_id(events), expected);
        prop_assert_eq!(pairing.left().too_old, 0);
    }
}

fn by_id(events: Vec<Event>) -> BTreeMap<String, Event> {
    events.into_iter().map(|event| (event.id.to_string(), event)).collect()
}

#[test]
fn a_repeat_says_nothing_new_and_what_is_too_old_is_counted() {
    let lines = two_days();
    let (mut pairing, mut events) = (pairing(), Vec::new());
    for line in [&lines[0], &lines[0], &lines[1], &lines[1]] {
        pairing.take(&line[0], &mut events);
    }
    assert_eq!(events.len(), 1);
    pairing.take(&lines[0][2], &mut events);
    pairing.take(&lines[1][0], &mut events);
    assert_eq!(pairing.left().too_old, 1);
}

/// A data source that gives everybody the same values does not fill the desk.
#[test]
fn no_more_pairs_are_open_than_the_limit_says() {
    let line = &lines("lead_twin", |_| {})[0];
    let (mut pairing, mut events) = (pairing(), Vec::new());
    for n in 0..60 {
        let mut same = line[0].clone();
        same.outlet = OutletId::new(&format!("X{n}:DA001")).unwrap();
        for fact in &mut same.evidence {
            if fact.key == FactKey::Name {
                fact.value = FactValue::Text(Inline::new(&format!("M{n}/31")).unwrap());
            }
        }
        pairing.take(&same, &mut events);
    }
    assert_eq!(events.len(), MAX_OPEN);
    assert_eq!(pairing.left().too_many, 60 * 59 / 2 - MAX_OPEN as u64);
}
