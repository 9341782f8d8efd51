//! One stream: what a device reported of one kind, by time of measuring.

use std::collections::VecDeque;
use std::ops::Range;

use super::hash;
use super::shape::{Key, ShapeId, Shapes};
use super::{MAX_PACKETS_PER_TIME, MAX_REPORTS_PER_STREAM, Outcome, Packet, Seen};
use crate::ids::Inline;
use crate::reading::{Reading, ReportKind};
use crate::report::Report;
use crate::time::Time;

/// The fingerprints of one report.
#[derive(Clone, Debug, Default)]
pub(super) struct Prints {
    /// Of the packet.
    packet: u64,
    /// Of each reading's key and content.
    readings: Vec<u64>,
    /// Sum of `readings`, so that the order does not matter.
    digest: u64,
    /// Of the list of keys.
    pub(super) shape: u64,
    names: Vec<u64>,
    nth: Vec<u16>,
}

impl Prints {
    /// Those of a report without readings.
    fn of_nothing() -> Self {
        Self {
            shape: hash::Print::new().get(),
            ..Self::default()
        }
    }

    /// Takes those of `report`.
    pub(super) fn take(&mut self, report: &Report) {
        self.packet = hash::of_packet(&report.evidence);
        self.readings.clear();
        self.names.clear();
        self.nth.clear();
        self.digest = 0;
        let mut shape = hash::Print::new();
        for reading in &report.readings {
            let name = hash::name(reading.factor, reading.statistic, reading.basis);
            let earlier = self.names.iter().filter(|&&other| other == name).count();
            let nth = u16::try_from(earlier).unwrap_or(u16::MAX);
            let print = hash::of_content(name.wrapping_add(u64::from(nth)), reading);
            self.names.push(name);
            self.nth.push(nth);
            self.readings.push(print);
            self.digest = self.digest.wrapping_add(print);
            shape = shape.word(name);
        }
        self.shape = shape.get();
    }

    /// The keys of the report these prints were taken of.
    pub(super) fn keys<'a>(&'a self, readings: &'a [Reading]) -> impl Iterator<Item = Key> + 'a {
        readings
            .iter()
            .zip(&self.nth)
            .map(|(reading, &nth)| Key::of(reading, nth))
    }

    /// The part of a print that is kept for a sharp report.
    #[expect(clippy::cast_possible_truncation, reason = "half of it is kept")]
    fn sharp(&self) -> Box<[u32]> {
        self.readings.iter().map(|&print| print as u32).collect()
    }
}

/// What stays of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) at: Time,
    pub(super) packet: u64,
    pub(super) digest: u64,
    pub(super) shape: ShapeId,
    /// Changes of this time up to and with this report.
    pub(super) revision: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) st: Inline<3>,
    pub(super) kind: ReportKind,
    /// Times up to here were dropped for want of room, not of age.
    pub(super) dropped: Option<Time>,
    /// By time, and for one time by arrival.
    pub(super) records: VecDeque<Record>,
    /// Of the last ones in `records`: 32 bits of each reading.
    pub(super) sharp: VecDeque<Box<[u32]>>,
}

impl Stream {
    pub(super) fn new(st: Inline<3>, kind: ReportKind) -> Self {
        Self {
            st,
            kind,
            dropped: None,
            records: VecDeque::new(),
            sharp: VecDeque::new(),
        }
    }

    /// Something of what its next report will need.
    pub(super) fn touch(&self) -> u64 {
        let ends = [self.records.front(), self.records.back()];
        ends.into_iter()
            .flatten()
            .fold(0, |touched, record| touched ^ record.packet)
    }

    pub(super) fn is_of(&self, report: &Report) -> bool {
        self.kind == report.kind && self.st == report.origin.st
    }

    /// True where reports of that time may have been dropped for want of room.
    pub(super) fn has_dropped(&self, at: Time) -> bool {
        self.dropped.is_some_and(|dropped| at <= dropped)
    }

    pub(super) fn reports(&self) -> usize {
        self.records.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let sharp: usize = self.sharp.iter().map(|prints| size_of_val(&**prints)).sum();
        size_of::<Self>()
            + self.records.capacity() * size_of::<Record>()
            + self.sharp.capacity() * size_of::<Box<[u32]>>()
            + sharp
    }

    /// Forgets what was measured before `oldest`.
    pub(super) fn forget_before(&mut self, oldest: Time, shapes: &mut Shapes) {
        while self.records.front().is_some_and(|record| record.at < oldest) {
            self.remove(0, shapes);
        }
    }

    pub(super) fn clear(&mut self, shapes: &mut Shapes) {
        while !self.records.is_empty() {
            self.remove(0, shapes);
        }
    }

    /// Says what a report brings, and remembers it.
    pub(super) fn see(
        &mut self,
        at: Time,
        prints: &Prints,
        report: &Report,
        shapes: &mut Shapes,
        sharp_reports: usize,
    ) -> Outcome {
        let run = self.run(at);
        if self.has(&run, prints.packet) {
            return Outcome {
                packet: Packet::Repeat,
                readings: vec![Seen::Identical; report.readings.len()],
            };
        }
        let last = run.end.checked_sub(1).filter(|last| run.contains(last));
        let revision = last
            .and_then(|last| self.records.get(last))
            .map_or(0, |record| record.revision);
        let readings = self.compare(run.clone(), prints, &report.readings, shapes, revision + 1);
        let revised = readings.iter().any(|seen| matches!(seen, Seen::Revised(_)));
        let record = Record {
            at,
            packet: prints.packet,
            digest: prints.digest,
            shape: shapes.take(prints, &report.readings),
            revision: revision + u32::from(revised),
        };
        self.insert(run.end, record, sharp_reports, || prints.sharp());
        self.make_room(&run, shapes);
        Outcome {
            packet: Packet::New,
            readings,
        }
    }

    /// Says whether a packet is a repeat, and remembers that it came, not what was in it.
    pub(super) fn see_packet(&mut self, at: Time, packet: u64, shapes: &mut Shapes) -> Packet {
        let run = self.run(at);
        if self.has(&run, packet) {
            return Packet::Repeat;
        }
        let record = Record {
            at,
            packet,
            digest: 0,
            shape: shapes.take(&Prints::of_nothing(), &[]),
            revision: 0,
        };
        self.insert(run.end, record, 0, Box::default);
        self.make_room(&run, shapes);
        Packet::New
    }

    fn has(&self, run: &Range<usize>, packet: u64) -> bool {
        self.records.range(run.clone()).any(|record| record.packet == packet)
    }

    /// Lets the oldest go where there are too many of one time, or at all. `run` is the time's, as it was before the
    /// last came.
    fn make_room(&mut self, run: &Range<usize>, shapes: &mut Shapes) {
        if run.len() >= MAX_PACKETS_PER_TIME {
            self.remove(run.start, shapes);
        }
        while self.records.len() > MAX_REPORTS_PER_STREAM {
            self.dropped = self.dropped.max(self.records.front().map(|record| record.at));
            self.remove(0, shapes);
        }
    }

    /// The places of the records of that time, or the empty place where they would stand.
    fn run(&self, at: Time) -> Range<usize> {
        // Nearly every report is newer than all before it.
        if self.records.back().is_none_or(|record| record.at < at) {
            return self.records.len()..self.records.len();
        }
        let start = self.records.partition_point(|record| record.at < at);
        let same = self.records.range(start..).take_while(|record| record.at == at).count();
        start..start + same
    }

    /// Each reading against the latest record of its time that has its key.
    fn compare(
        &self,
        run: Range<usize>,
        prints: &Prints,
        readings: &[Reading],
        shapes: &Shapes,
        next: u32,
    ) -> Vec<Seen> {
        let mut outcome = vec![Seen::New; readings.len()];
        if run.is_empty() {
            return outcome;
        }
        let mut open: Vec<(usize, Key)> = prints.keys(readings).enumerate().collect();
        for place in run.rev() {
            if open.is_empty() {
                break;
            }
            let Some(known) = self.known(place, prints, readings, shapes) else {
                continue;
            };
            open.retain(|&(index, key)| {
                let Some(identical) = known.identical(index, key, prints) else {
                    return true;
                };
                if let Some(seen) = outcome.get_mut(index) {
                    *seen = if identical {
                        Seen::Identical
                    } else {
                        Seen::Revised(next)
                    };
                }
                false
            });
        }
        outcome
    }

    /// What a record can say of a report's readings.
    fn known<'a>(
        &'a self,
        place: usize,
        prints: &Prints,
        readings: &[Reading],
        shapes: &'a Shapes,
    ) -> Option<Known<'a>> {
        let record = self.records.get(place)?;
        let shape = shapes.get(record.shape)?;
        let first_sharp = self.records.len() - self.sharp.len();
        let sharp = place.checked_sub(first_sharp).and_then(|place| self.sharp.get(place));
        let whole = || {
            // The report holds all keys of the record, and they sum up to the record's digest.
            let mut found = 0;
            let held = prints.keys(readings).zip(&prints.readings);
            let sum = held.fold(0_u64, |sum, (key, &print)| match shape.place(key) {
                Some(_) => {
                    found += 1;
                    sum.wrapping_add(print)
                }
                None => sum,
            });
            found == shape.keys.len() && sum == record.digest
        };
        Some(Known {
            shape,
            by: match sharp {
                Some(sharp) => By::Reading(sharp),
                None => By::Whole { identical: whole() },
            },
        })
    }

    fn insert(&mut self, place: usize, record: Record, sharp_reports: usize, sharp: impl FnOnce() -> Box<[u32]>) {
        if self.records.len() == self.records.capacity() {
            // Small steps: doubling would leave half of the room unused.
            self.records.reserve_exact(self.records.len() / 16 + 4);
        }
        let first_sharp = self.records.len() - self.sharp.len();
        self.records.insert(place, record);
        if let Some(place) = place.checked_sub(first_sharp) {
            self.sharp.insert(place, sharp());
        }
        while self.sharp.len() > sharp_reports {
            self.sharp.pop_front();
        }
    }

    fn remove(&mut self, place: usize, shapes: &mut Shapes) {
        let first_sharp = self.records.len() - self.sharp.len();
        let Some(record) = self.records.remove(place) else {
            return;
        };
        shapes.release(record.shape);
        if let Some(place) = place.checked_sub(first_sharp) {
            self.sharp.remove(place);
        }
    }
}

/// What a record knows.
struct Known<'a> {
    shape: &'a super::shape::Shape,
    by: By<'a>,
}

enum By<'a> {
    /// Of each of its readings.
    Reading(&'a [u32]),
    /// Of all of them together.
    Whole { identical: bool },
}

impl Known<'_> {
    /// Whether the reading says what the record said; `None` where the record does not have it.
    fn identical(&self, index: usize, key: Key, prints: &Prints) -> Option<bool> {
        let place = match self.shape.keys.get(index) {
            // Most often both have the same shape.
            Some(&same) if same == key => index,
            _ => self.shape.place(key)?,
        };
        match self.by {
            #[expect(clippy::cast_possible_truncation, reason = "half of it was kept")]
            By::Reading(sharp) => {
                Some(sharp.get(place) == prints.readings.get(index).map(|&print| print as u32).as_ref())
            }
            By::Whole { identical } => Some(identical),
        }
    }
}
