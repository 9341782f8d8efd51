//! The log may hold repeats; readings and events happen once (D5). This is the one place that tells them apart, used
//! alike by the judge and by the archive: pure, bounded, and stored with their offset as bytes.
//!
//! Devices send again what was not answered in time (same bytes), send again after a break (other QN, same values),
//! correct themselves (same time, other values), and split one message into parts that carry different factors for
//! the same time. So there are two levels, both within one *stream* (device, outlet, ST, kind) and one `measured_at`:
//!
//! - **packet**: CN, QN, PNO, the hash of the bytes, and which share of it this report is. The same again is a
//!   [`Packet::Repeat`] and changes nothing, even where a correction came in between.
//! - **reading**: (factor, statistic, basis), and which one of several with the same name in one report. The same
//!   value and flag again is [`Seen::Identical`], another one is [`Seen::Revised`], one that was not there is
//!   [`Seen::New`]: parts add up.
//!
//! What is remembered is a pure function of the reports seen, in order. Of each report 32 bytes stay: its time, a
//! fingerprint of the packet, a digest of its readings, and the number of its *shape* (the list of its reading keys,
//! kept once for all reports that share it). Of the newest [`Horizons::sharp_reports`] of a stream a 32-bit
//! fingerprint of each reading stays as well. For older ones a report is compared as a whole: where anything in it
//! changed, readings that did not may be called revised too. Nothing that changed is ever called identical, but for a
//! collision of hashes (1 in 2^32 for one reading, 1 in 2^64 for a whole).

mod hash;
mod regroup;
mod shape;
mod state;
mod stream;

pub use state::DedupeError;

use self::shape::Shapes;
use self::stream::{Prints, Stream};
use crate::ids::{IdMap, Mn, OutletId};
use crate::reading::ReportKind;
use crate::report::Report;
use crate::time::{DAY_MS, HOUR_MS, Time};

/// A device silent for longer than this (by our clock) is forgotten whole. Longer than any horizon, and a logger that
/// was away for repair comes back sooner or comes back as another one.
pub const SILENT_MS: i64 = 60 * DAY_MS;
/// The most reports remembered of one stream, the oldest going first. Two hours of samples each second are 7 200, two
/// days of minutes in three parts 8 640; a device that invents times must not fill the memory.
pub const MAX_REPORTS_PER_STREAM: usize = 16_384;
/// The most packets remembered for one time of one stream, the oldest going first. A message has at most 9 parts in
/// 2025; the rest is room for a device that sends one hour again and again under new numbers.
pub const MAX_PACKETS_PER_TIME: usize = 64;

/// How far back repeats are known, by `measured_at` behind the newest of the device at that outlet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizons {
    /// Real-time samples, milliseconds.
    pub realtime_ms: i64,
    /// Values of a day (means, running hours), milliseconds. Their `measured_at` is the START of the day.
    pub day_ms: i64,
    /// Everything else, milliseconds.
    pub other_ms: i64,
    /// So many of the newest reports of a stream are remembered reading by reading.
    pub sharp_reports: usize,
}

impl Horizons {
    /// Two hours of real-time data, because devices repeat it within minutes and it is most of what comes; five weeks
    /// of days, because a month of them is asked for again (2031) and takes a kilobyte; 48 hours of the rest, because
    /// the judge keeps its windows open so long (D10); the newest 64 reports reading by reading, because parts and
    /// corrections follow within the hour, and 64 hour reports are more than 48 hours.
    pub const USUAL: Self = Self {
        realtime_ms: 2 * HOUR_MS,
        day_ms: 35 * DAY_MS,
        other_ms: 48 * HOUR_MS,
        sharp_reports: 64,
    };

    fn of(self, kind: ReportKind) -> i64 {
        match kind {
            ReportKind::RealTime => self.realtime_ms,
            ReportKind::Day | ReportKind::RunTime => self.day_ms,
            _ => self.other_ms,
        }
    }
}

/// What is known of a report's packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Not seen before.
    New,
    /// Seen before, byte by byte, for this outlet.
    Repeat,
    /// Measured before the horizon: whether it was seen is no longer known. All readings are called new; what to do
    /// with them is the caller's choice (recompute and the archive compare with what is stored).
    Forgotten,
}

/// What is known of one reading of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The first value of this factor, statistic and basis for this time.
    New,
    /// The value and flag that already stand.
    Identical,
    /// Another value or flag than the one that stands. The number counts the changes of this time, from 1; of two
    /// values of one reading the one with the higher number stands.
    Revised(u32),
}

/// What a report brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Of the packet.
    pub packet: Packet,
    /// Of each reading, in the report's order.
    pub readings: Vec<Seen>,
}

impl Outcome {
    /// True where nothing in the report is new: a repeat, or values that already stand.
    pub fn is_no_op(&self) -> bool {
        match self.packet {
            Packet::Repeat => true,
            // A report without readings (restart, heartbeat) says something by having come.
            Packet::New | Packet::Forgotten => {
                !self.readings.is_empty() && self.readings.iter().all(|&seen| seen == Seen::Identical)
            }
        }
    }

    /// The places of the readings that are new or revised.
    pub fn fresh(&self) -> impl Iterator<Item = usize> {
        let seen = self.readings.iter().enumerate();
        seen.filter_map(|(place, &seen)| (seen != Seen::Identical).then_some(place))
    }

    /// The highest revision in it; 0 where nothing was revised.
    pub fn revision(&self) -> u32 {
        let number = |seen: &Seen| match *seen {
            Seen::Revised(number) => number,
            Seen::New | Seen::Identical => 0,
        };
        self.readings.iter().map(number).max().unwrap_or(0)
    }
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Reports.
    pub reports: usize,
    /// Bytes they take, spare room and shapes included.
    pub bytes: usize,
}

/// The memory of what was seen. One for a partition or one for each outlet give the same answers.
#[derive(Clone, Debug)]
pub struct Dedupe {
    horizons: Horizons,
    /// The Beijing day of the last sweep for silent devices.
    swept_day: i64,
    devices: IdMap<(Mn, OutletId), Device>,
    shapes: Shapes,
    /// Kept between calls for its room only.
    scratch: Prints,
}

/// One device at one outlet.
#[derive(Clone, Debug)]
struct Device {
    /// The newest `measured_at` that was not ahead of our clock: what horizons are counted from.
    newest: Time,
    /// Our clock when it last said something.
    received_at: Time,
    streams: Vec<Stream>,
}

impl Dedupe {
    /// An empty memory.
    pub fn new(horizons: Horizons) -> Self {
        Self {
            horizons,
            swept_day: i64::MIN,
            devices: IdMap::default(),
            shapes: Shapes::default(),
            scratch: Prints::default(),
        }
    }

    /// Says what a report brings, and remembers it. To be called with every report of the log, in order.
    pub fn see(&mut self, report: &Report) -> Outcome {
        let sharp_reports = self.horizons.sharp_reports;
        let Some((stream, shapes, scratch)) = self.stream(report) else {
            return Outcome {
                packet: Packet::Forgotten,
                readings: vec![Seen::New; report.readings.len()],
            };
        };
        scratch.take(report);
        stream.see(report.times.measured_at, scratch, report, shapes, sharp_reports)
    }

    /// Says whether a packet is a repeat, and remembers it without its readings: a later [`Dedupe::see`] of the same
    /// time knows none of them. For who finds out alone what a value changes; it allocates nothing but room to
    /// remember.
    pub fn see_packet(&mut self, report: &Report) -> Packet {
        let Some((stream, shapes, _)) = self.stream(report) else {
            return Packet::Forgotten;
        };
        stream.see_packet(report.times.measured_at, hash::of_packet(&report.evidence), shapes)
    }

    /// Reads a little of what [`Dedupe::see_packet`] of a report that is still to come will need, so that its memory is
    /// there by then: first of its device, then of its stream, then of what is remembered. The numbers mean nothing.
    pub fn touch_device(&self, report: &Report) -> u64 {
        let device = self.devices.get(&(report.origin.mn, report.outlet));
        device.map_or(0, |device| device.streams.len() as u64)
    }

    /// The second step of [`Dedupe::touch_device`].
    pub fn touch_stream(&self, report: &Report) -> u64 {
        self.touch(report, |stream| stream.reports() as u64)
    }

    /// The third step of [`Dedupe::touch_device`].
    pub fn touch_packets(&self, report: &Report) -> u64 {
        self.touch(report, Stream::touch)
    }

    fn touch(&self, report: &Report, of: impl Fn(&Stream) -> u64) -> u64 {
        let device = self.devices.get(&(report.origin.mn, report.outlet));
        let streams = device.map_or(&[][..], |device| &device.streams);
        streams.iter().fold(0, |touched, stream| touched ^ of(stream))
    }

    /// The stream of a report with everything too old forgotten; `None` where the report itself is.
    fn stream(&mut self, report: &Report) -> Option<(&mut Stream, &mut Shapes, &mut Prints)> {
        self.sweep(report.times.received_at);
        let measured_at = report.times.measured_at;
        // A time ahead of our clock is the device's mistake and must not push everything else beyond the horizon.
        let newest = measured_at.min(report.times.received_at);
        let device = self
            .devices
            .entry((report.origin.mn, report.outlet))
            .or_insert_with(|| Device {
                newest,
                received_at: report.times.received_at,
                streams: Vec::new(),
            });
        device.newest = device.newest.max(newest);
        device.received_at = device.received_at.max(report.times.received_at);
        let oldest = device.newest.plus(-self.horizons.of(report.kind));
        let stream = stream_of(&mut device.streams, report);
        stream.forget_before(oldest, &mut self.shapes);
        let known = measured_at >= oldest && !stream.has_dropped(measured_at);
        known.then_some((stream, &mut self.shapes, &mut self.scratch))
    }

    /// How much is remembered.
    pub fn remembered(&self) -> Remembered {
        let mut sum = Remembered {
            reports: 0,
            bytes: self.shapes.bytes(),
        };
        for device in self.devices.values() {
            sum.bytes += size_of::<((Mn, OutletId), Device)>();
            for stream in &device.streams {
                sum.reports += stream.reports();
                sum.bytes += stream.bytes();
            }
        }
        sum
    }

    /// Once a day by our clock: forgets devices that have been silent for [`SILENT_MS`].
    fn sweep(&mut self, now: Time) {
        if now.beijing_day() <= self.swept_day {
            return;
        }
        self.swept_day = now.beijing_day();
        let shapes = &mut self.shapes;
        self.devices.retain(|_, device| {
            let keep = now.since(device.received_at) <= SILENT_MS;
            if !keep {
                device.streams.iter_mut().for_each(|stream| stream.clear(shapes));
            }
            keep
        });
    }
}

/// The stream of a report; a device has few.
fn stream_of<'a>(streams: &'a mut Vec<Stream>, report: &Report) -> &'a mut Stream {
    let found = streams.iter().position(|stream| stream.is_of(report));
    let place = found.unwrap_or_else(|| {
        streams.push(Stream::new(report.origin.st, report.kind));
        streams.len() - 1
    });
    &mut streams[place]
}
