//! The bus without IO: retries, back-off, presence, and never an old value for a new one.

use plume_ingest::config::PollConfig;
use plume_ingest::modbus::bus::Output;
use plume_ingest::modbus::minute::Minute;
use plume_ingest::modbus::read::{Miss, Table};
use plume_schemas::time::MINUTE_MS;

use super::script::{Script, poll_config, site, units};
use crate::bench::MN_2017;

const START: &str = "20260117140000";
const OTHER: &str = "DE0000000000000000000001";
const MAP: &str = r#"
model = "two blocks"

[[register]]
name = "so2"
table = "input"
address = 0
type = "uint16"
factor = "a21026"
unit = "mg/m3"
state = "dry_standard"

[[register]]
name = "dust"
table = "input"
address = 100
type = "uint16"
factor = "a34013"
unit = "mg/m3"
state = "dry_standard"
"#;

fn script(mns: &[&str]) -> Script {
    script_with(mns, poll_config())
}

fn script_with(mns: &[&str], config: PollConfig) -> Script {
    let mut script = Script::new(&site(&units(mns), MAP), config, START);
    for unit in script.units.values_mut() {
        unit.put(Table::Input, 0, &[20]);
        unit.put(Table::Input, 100, &[3]);
    }
    script
}

fn minutes(script: &Script, wanted: usize) -> Vec<&Minute> {
    let of = script.outputs.iter().filter_map(|(_, output)| match output {
        Output::Minute(turn, minute) if *turn == wanted => Some(minute.as_ref()),
        _ => None,
    });
    of.collect()
}

fn events(script: &Script) -> Vec<String> {
    let told = script.outputs.iter().filter_map(|(at, output)| match output {
        Output::Came(turn) => Some(format!("{} came {turn}", at.hour_minute())),
        Output::Gone(turn, why) => Some(format!("{} gone {turn} {why}", at.hour_minute())),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_minute_has_fifteen_samples_of_every_register() {
    let mut script = script(&[MN_2017]);
    script.run(script.now.plus(3 * MINUTE_MS + 3_900));
    let minutes = minutes(&script, 0);
    assert_eq!(minutes.len(), 3);
    for minute in minutes {
        assert_eq!((minute.samples.len(), minute.misses()), (15, vec![]));
        let gaps = minute.samples.windows(2).map(|pair| pair[1].at.since(pair[0].at));
        assert!(
            gaps.into_iter().all(|gap| gap <= 5_000),
            "samples are at most 5 s apart"
        );
    }
    assert_eq!(script.connects.len(), 1, "one connection is kept");
    assert_eq!(events(&script), ["14:00 came 0"]);
}

#[test]
fn a_timeout_drops_the_connection_and_is_tried_again_at_once() {
    let mut script = script(&[MN_2017]);
    script.run(script.now.plus(20_000));
    let (connects, asked) = (script.connects.len(), script.asked.len());
    script.unit(1).miss = Some(Miss::Timeout);
    // From one sample's moment until before the next.
    script.run(script.now.plus(7_000));
    let tries = &script.asked[asked..];
    assert_eq!(tries.len(), 2, "asked once more: {tries:?}");
    assert_eq!(
        (tries[0].2, tries[0].3),
        (tries[1].2, Err(Miss::Timeout)),
        "the same request"
    );
    assert!(script.connects.len() > connects, "on a new connection");
    assert!(script.connects[connects] >= tries[0].0.plus(1_000));
}

#[test]
fn an_exception_keeps_the_connection_and_misses_only_its_block() {
    let mut script = script(&[MN_2017]);
    script.unit(1).words.remove(&(Table::Input, 100));
    script.run(script.now.plus(MINUTE_MS + 3_900));
    let minute = minutes(&script, 0)[0];
    assert_eq!(script.connects.len(), 1);
    assert_eq!(minute.mean(0).values.map(|values| values.0), Some(20.0));
    assert_eq!(minute.mean(1).values, None);
    assert_eq!(minute.misses(), [(Miss::Exception(2), 15)]);
    assert_eq!(events(&script), ["14:00 came 0"], "a unit that says no is there");
}

#[test]
fn a_busy_device_is_asked_again_but_not_for_ever() {
    let mut script = script(&[MN_2017]);
    script.unit(1).miss = Some(Miss::Exception(6));
    script.run(script.now.plus(4_000));
    // Two requests, each with one more try.
    assert_eq!(script.asked.len(), 4);
    assert_eq!(script.connects.len(), 1);
}

#[test]
fn connecting_is_tried_ever_more_rarely_up_to_a_limit() {
    let mut script = script(&[MN_2017]);
    script.reachable = false;
    script.run(script.now.plus(20 * MINUTE_MS));
    let pauses: Vec<i64> = script.connects.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    assert!(pauses.iter().all(|pause| *pause >= 700), "{pauses:?}");
    assert!(
        pauses.iter().all(|pause| *pause <= 60_000 * 5 / 4 + 4_001),
        "{pauses:?}"
    );
    assert!(*pauses.last().unwrap() >= 45_000, "{pauses:?}");
    assert!(script.connects.len() < 35, "{}", script.connects.len());
    assert!(
        minutes(&script, 0).is_empty(),
        "nothing was heard, so nothing is reported"
    );
    // It comes back by itself, and says how long it was away.
    script.reachable = true;
    script.run(script.now.plus(3 * MINUTE_MS));
    let first = minutes(&script, 0)[0];
    let (silent, why) = first.silent_before.unwrap();
    assert!(
        (19..=22).contains(&silent) && why == Miss::NoLink,
        "{silent} minutes {why}"
    );
}

#[test]
fn a_bus_that_is_cut_takes_all_its_units_and_brings_them_back_at_once() {
    let mut script = script(&[MN_2017, OTHER]);
    script.run(script.now.plus(2 * MINUTE_MS));
    script.reachable = false;
    script.run(script.now.plus(5 * MINUTE_MS));
    let told = events(&script);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[2..].iter().all(|one| one.contains("gone")), "{told:?}");
    script.reachable = true;
    // The longest pause between tries, and one sample.
    script.run(script.now.plus(60_000 * 5 / 4 + 8_000));
    assert_eq!(events(&script).len(), 6, "{:?}", events(&script));
}

#[test]
fn a_bus_that_accepts_and_hangs_up_is_not_hammered() {
    let mut script = script(&[MN_2017]);
    script.unit(1).miss = Some(Miss::Broken);
    script.run(script.now.plus(10 * MINUTE_MS));
    assert!(
        script.connects.len() < 60,
        "{} connects in ten minutes",
        script.connects.len()
    );
    assert!(minutes(&script, 0).is_empty());
}

#[test]
fn a_dead_unit_costs_its_neighbour_little() {
    let mut script = script(&[MN_2017, OTHER]);
    script.unit(1).miss = Some(Miss::Timeout);
    script.run(script.now.plus(30 * MINUTE_MS + 3_900));
    let minutes = minutes(&script, 1);
    assert_eq!(minutes.len(), 30);
    for minute in &minutes {
        assert_eq!(
            minute.mean(0).flag,
            plume_schemas::reading::Flag::Normal,
            "{:?}",
            minute.misses()
        );
        assert_eq!(minute.mean(0).values, Some((20.0, 20.0, 20.0)));
    }
    // At rest it is asked about once a minute.
    let dead = script.asked.iter().filter(|(_, unit, ..)| *unit == 1).count();
    assert!(dead < 90, "{dead} requests to a dead unit in half an hour");
    assert_eq!(events(&script), ["14:00 came 1"]);
}

#[test]
fn a_unit_that_stops_answering_goes_and_comes_back() {
    let mut script = script(&[MN_2017]);
    script.run(script.now.plus(2 * MINUTE_MS));
    script.unit(1).miss = Some(Miss::Timeout);
    script.run(script.now.plus(3 * MINUTE_MS));
    script.unit(1).miss = None;
    script.run(script.now.plus(3 * MINUTE_MS));
    let told = events(&script);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[1].ends_with("gone 0 timeout") && told[2].ends_with("came 0"),
        "{told:?}"
    );
    // Not one sample of the silence has a value.
    let at = |stamp: &str| crate::bench::time(stamp);
    let silent = at("20260117140205")..at("20260117140500");
    let told_of_silence = minutes(&script, 0)
        .iter()
        .flat_map(|minute| &minute.samples)
        .filter(|sample| silent.contains(&sample.at) && sample.points.is_ok())
        .count();
    assert_eq!(told_of_silence, 0, "an old value was told as new");
    script.stop();
    assert!(
        events(&script).last().unwrap().contains("gone 0"),
        "a stop says goodbye"
    );
}

#[test]
fn a_gateway_that_speaks_for_a_dead_unit_keeps_its_connection() {
    let mut script = script(&[MN_2017, OTHER]);
    script.unit(2).miss = Some(Miss::Exception(0x0B));
    script.run(script.now.plus(5 * MINUTE_MS + 3_900));
    assert_eq!(script.connects.len(), 1);
    assert_eq!(minutes(&script, 0).len(), 5);
    assert!(minutes(&script, 1).is_empty());
}

#[test]
fn the_first_minute_is_told_only_if_it_is_nearly_whole() {
    for (start, first) in [
        ("20260117140002", "20260117140000"),
        ("20260117140040", "20260117140100"),
    ] {
        let mut script = Script::new(&site(&units(&[MN_2017]), MAP), poll_config(), start);
        script.unit(1).put(Table::Input, 0, &[20]);
        script.unit(1).put(Table::Input, 100, &[3]);
        script.run(script.now.plus(3 * MINUTE_MS));
        assert_eq!(minutes(&script, 0)[0].start.stamp14(), first);
    }
}

#[test]
fn samples_that_were_slept_through_are_missing_and_not_made_up_for() {
    let mut script = script(&[MN_2017]);
    script.run(script.now.plus(MINUTE_MS + 20_000));
    let asked = script.asked.len();
    // The machine sleeps for ten minutes.
    script.now = script.now.plus(10 * MINUTE_MS);
    script.run(script.now.plus(2 * MINUTE_MS));
    let burst = script.asked[asked..]
        .windows(3)
        .any(|three| three[2].0.since(three[0].0) < 1_000);
    assert!(!burst, "a burst after a sleep");
    let minutes = minutes(&script, 0);
    let cut = minutes[1];
    assert!(
        cut.misses()
            .iter()
            .any(|(why, count)| *why == Miss::Late && *count >= 8),
        "{:?}",
        cut.misses()
    );
    assert_eq!(minutes.iter().filter(|minute| minute.samples.is_empty()).count(), 0);
}

#[test]
fn buses_do_not_all_ask_at_the_same_moment() {
    let mut phases: Vec<i64> = (0..50)
        .map(|number| {
            let text = units(&[MN_2017]).replace("\"b\"", &format!("\"bus {number}\""));
            let mut script = Script::new(&site(&text, MAP), poll_config(), START);
            script.run(script.now.plus(4_000));
            script.asked[0].0.since(crate::bench::time(START))
        })
        .collect();
    phases.sort_unstable();
    phases.dedup();
    assert!(phases.len() > 40, "{phases:?}");
}
