//! A judge that begins at the warm-up says the same of window rules as one that saw everything.

use plume_detect::synthetic::Stream;
use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{Entry, EntryBody};
use plume_schemas::reading::{ReportKind, Value};
use plume_schemas::registry::LimitWindow;
use plume_schemas::rule::{Order, RuleCode};
use plume_schemas::time::{DAY_MS, MINUTE_MS, Time};

use crate::cases::settings;

const DAYS: i64 = 36;

/// FREQ remembers longest, by a setting: so many days are judged in seconds.
fn short() -> Settings {
    let mut settings = settings();
    settings.shift.enabled = false;
    settings.calgap.days = 1;
    settings
}

/// An outlet with limits of hours and days; every ninth day it exceeds all day.
fn entries() -> Vec<Entry> {
    let start = Time::parse_stamp(b"20260301").unwrap();
    let mut stream = Stream::new(1, 1, start, 3);
    let mut first = stream.first();
    if let EntryBody::Registry(registry) = &mut first.body {
        let limits = &mut registry.outlets[0].factors[0].limits;
        let mut of_day = limits[0].clone();
        of_day.window = LimitWindow::Day;
        limits.push(of_day);
    }
    let (mut all, mut minute) = (vec![first], Vec::new());
    for _ in 0..DAYS * DAY_MS / MINUTE_MS {
        stream.next_minute(&mut minute);
        for mut entry in minute.drain(..) {
            if let EntryBody::Report(report) = &mut entry.body
                && report.kind == ReportKind::Hour
                && report.times.measured_at.beijing_day() % 9 == 0
            {
                for reading in &mut report.readings {
                    reading.value = Value::Decimal(Decimal { mantissa: 60, scale: 0 });
                }
            }
            all.push(entry);
        }
    }
    all
}

/// What window rules say of windows that begin at `from` or later, by a judge that reads from `begin` on.
fn said(entries: &[Entry], begin: Time, from: Time) -> Vec<String> {
    let mut engine = Engine::new(short(), Partition { index: 0, count: 1 });
    let mut out = Out::default();
    let wanted = |entry: &&Entry| matches!(entry.body, EntryBody::Registry(_)) || entry.body.received_at() >= begin;
    for entry in entries.iter().filter(wanted) {
        engine.step(entry, &mut out);
    }
    let of_windows = |rule: RuleCode, start: Time| rule.order() == Order::Window && start >= from;
    let judgements = out
        .judgements
        .iter()
        .filter(|said| of_windows(said.rule, said.window.start));
    let events = out
        .events
        .iter()
        .filter(|event| of_windows(event.judgement.rule, event.judgement.window.start));
    let judgements = judgements.map(|said| format!("{said:?}"));
    judgements.chain(events.map(|event| format!("{event:?}"))).collect()
}

#[test]
fn window_rules_forget_what_lies_before_the_warm_up() {
    let entries = entries();
    let from = entries[0].body.received_at().plus((DAYS - 2) * DAY_MS);
    let warm_up = short().warm_up(from);
    assert_eq!(warm_up.rule, RuleCode::Freq);
    let whole = said(&entries, Time(0), from);
    assert!(whole.len() > 40, "{}", whole.len());
    assert_eq!(said(&entries, warm_up.begin, from), whole);
    // The comparison can fail: an hour is no memory.
    assert_ne!(said(&entries, from.plus(-60 * MINUTE_MS), from), whole);
}

#[test]
fn no_rule_remembers_longer_than_the_warm_up() {
    let settings = settings();
    let from = Time::parse_stamp(b"20260601").unwrap();
    let warm_up = settings.warm_up(from);
    for &rule in RuleCode::ALL {
        assert!(from.since(warm_up.begin) >= settings.memory_ms(rule), "{rule}");
    }
    assert_eq!(warm_up.rule, RuleCode::Shift);
    // The budget of exempt hours is the year's.
    assert_eq!(warm_up.marks_from, Time::parse_stamp(b"20260101").unwrap());
    let mut longer = settings;
    longer.calgap.days = 90;
    assert_eq!(longer.warm_up(from).rule, RuleCode::CalGap);
}
