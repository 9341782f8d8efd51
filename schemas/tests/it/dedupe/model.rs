//! Against a model that keeps everything: any history, with parts, repeats, corrections and a restart in the middle.

use std::collections::{BTreeMap, BTreeSet};

use plume_schemas::dedupe::{Dedupe, Horizons, Outcome, Packet, Seen};
use plume_schemas::ids::{FactorCode, Mn};
use plume_schemas::reading::{Flag, Reading, ReportKind};
use plume_schemas::report::Report;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{reading, report};

const SHARP: Horizons = Horizons {
    realtime_ms: 10 * MINUTE_MS,
    day_ms: HOUR_MS,
    other_ms: HOUR_MS,
    sharp_reports: 10_000,
};

#[derive(Default)]
struct Slot {
    packets: BTreeSet<String>,
    values: BTreeMap<(FactorCode, usize), (f64, Flag)>,
    revision: u32,
}

#[derive(Default)]
struct Model {
    newest: BTreeMap<Mn, Time>,
    slots: BTreeMap<(Mn, ReportKind, Time), Slot>,
}

impl Model {
    fn see(&mut self, report: &Report) -> Outcome {
        let (mn, at) = (report.origin.mn, report.times.measured_at);
        let newest = self.newest.entry(mn).or_insert(Time(i64::MIN));
        *newest = (*newest).max(at.min(report.times.received_at));
        let horizon = match report.kind {
            ReportKind::RealTime => SHARP.realtime_ms,
            _ => SHARP.other_ms,
        };
        if newest.since(at) > horizon {
            return outcome(Packet::Forgotten, vec![Seen::New; report.readings.len()]);
        }
        let slot = self.slots.entry((mn, report.kind, at)).or_default();
        if !slot.packets.insert(report.evidence.packet.to_string()) {
            return outcome(Packet::Repeat, vec![Seen::Identical; report.readings.len()]);
        }
        let mut readings = Vec::new();
        let mut values = slot.values.clone();
        for (place, reading) in report.readings.iter().enumerate() {
            let earlier = &report.readings[..place];
            let nth = earlier.iter().filter(|other| other.factor == reading.factor).count();
            let now = (reading.value.to_f64().unwrap(), reading.flag);
            readings.push(match values.insert((reading.factor, nth), now) {
                None => Seen::New,
                Some(before) if before == now => Seen::Identical,
                Some(_) => Seen::Revised(slot.revision + 1),
            });
        }
        slot.values = values;
        slot.revision += u32::from(readings.iter().any(|seen| matches!(seen, Seen::Revised(_))));
        outcome(Packet::New, readings)
    }
}

fn outcome(packet: Packet, readings: Vec<Seen>) -> Outcome {
    Outcome { packet, readings }
}

fn any_reading() -> impl Strategy<Value = Reading> {
    let factor = select(vec!["a21026", "a21002", "a34013", "a19001"]);
    let value = select(vec!["1", "1.0", "2", "3.5"]);
    let flag = prop_oneof![9 => Just(Flag::Normal), 1 => Just(Flag::Fault)];
    (factor, value, flag).prop_map(|(factor, value, flag)| Reading {
        flag,
        ..reading(factor, value)
    })
}

prop_compose! {
    /// A report of one of two devices. Times mostly go on by minutes, sometimes back, rarely ahead of the clock;
    /// packet numbers are few, so that equal bytes come up, and then the readings are equal too.
    fn any_report()(
        device in 0..2_usize,
        kind in select(vec![ReportKind::RealTime, ReportKind::Minute]),
        minute in prop_oneof![8 => 0..6_i64, 2 => 0..90_i64],
        ahead in prop_oneof![30 => Just(0_i64), 1 => Just(500)],
        packet in 0..24_u64,
        readings in vec(any_reading(), 0..4),
    ) -> (usize, Report) {
        let mut one = report(kind, (minute + ahead) * MINUTE_MS, packet, &readings);
        one.times.received_at = one.times.received_at.plus(-ahead * MINUTE_MS);
        one.origin.mn = Mn::new(["one", "two"][device]).unwrap();
        (device, one)
    }
}

fn history() -> impl Strategy<Value = Vec<Report>> {
    vec(any_report(), 1..120).prop_map(|reports| {
        let mut sent: BTreeMap<_, Vec<Reading>> = BTreeMap::new();
        let equal_bytes_equal_content = |(device, mut report): (usize, Report)| {
            let key = (device, report.kind, report.times.measured_at, report.evidence.packet);
            let readings = sent.entry(key).or_insert_with(|| report.readings.clone());
            report.readings.clone_from(readings);
            report
        };
        reports.into_iter().map(equal_bytes_equal_content).collect()
    })
}

proptest! {
    /// Packets alone, with a restart in the middle, are told apart as they are with their readings.
    #[test]
    fn packets_alone_are_known_as_well(reports in history(), restart in 0..120_usize) {
        let (mut whole, mut alone) = (Dedupe::new(SHARP), Dedupe::new(SHARP));
        for (place, report) in reports.iter().enumerate() {
            if place == restart {
                alone = Dedupe::restore(SHARP, &alone.checkpoint()).unwrap();
            }
            prop_assert_eq!(alone.see_packet(report), whole.see(report).packet);
        }
    }
}

proptest! {
    #[test]
    fn says_what_the_model_says(reports in history()) {
        let (mut dedupe, mut model) = (Dedupe::new(SHARP), Model::default());
        for report in &reports {
            prop_assert_eq!(dedupe.see(report), model.see(report));
        }
    }

    /// Older reports are compared as a whole: that may call an unchanged reading of a changed report revised, and
    /// nothing else.
    #[test]
    fn what_changed_is_never_called_identical(reports in history(), sharp_reports in 0..4_usize) {
        let horizons = Horizons { sharp_reports, ..SHARP };
        let (mut dedupe, mut model) = (Dedupe::new(horizons), Model::default());
        for report in &reports {
            let (found, expected) = (dedupe.see(report), model.see(report));
            prop_assert_eq!(found.packet, expected.packet);
            for (&found, &expected) in found.readings.iter().zip(&expected.readings) {
                let same_sort = std::mem::discriminant(&found) == std::mem::discriminant(&expected);
                prop_assert!(same_sort || (matches!(found, Seen::Revised(_)) && expected == Seen::Identical),
                    "{found:?} where the model says {expected:?}");
            }
        }
    }

    /// One memory stops and starts again anywhere; the other runs on. Neither answers nor bytes differ.
    #[test]
    fn a_restart_changes_nothing(reports in history(), sharp_reports in 0..6_usize, at: prop::sample::Index) {
        let horizons = Horizons { sharp_reports, ..SHARP };
        let (mut one, mut other) = (Dedupe::new(horizons), Dedupe::new(horizons));
        let restart = at.index(reports.len());
        for (place, report) in reports.iter().enumerate() {
            if place == restart {
                other = Dedupe::restore(horizons, &other.checkpoint()).unwrap();
            }
            prop_assert_eq!(one.see(report), other.see(report));
        }
        prop_assert_eq!(one.checkpoint(), other.checkpoint());
    }

    /// Stored bytes that were damaged give an error or a memory that works; never a panic.
    #[test]
    fn damaged_bytes_are_answered(
        reports in history(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut: prop::sample::Index,
    ) {
        let mut dedupe = Dedupe::new(SHARP);
        for report in &reports {
            dedupe.see(report);
        }
        let mut bytes = dedupe.checkpoint();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(2 * bytes.len()));
        if let Ok(mut restored) = Dedupe::restore(SHARP, &bytes) {
            for report in &reports {
                restored.see(report);
            }
            prop_assert!(Dedupe::restore(SHARP, &restored.checkpoint()).is_ok());
        }
    }
}
