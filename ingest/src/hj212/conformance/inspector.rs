//! Packets in, a report out.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use plume_schemas::factors::Catalogue;
use plume_schemas::ids::ContentId;
use plume_schemas::reading::ReportKind;
use plume_schemas::report::{ComplaintCode, Dialect, QuarantineReason};
use plume_schemas::time::{MINUTE_MS, Span, Time};

use super::articles::{Own, of_complaint, of_reason};
use super::numbers::Numbers;
use super::report::{Conformance, Encryption, FlowUnit, Interval, Verdict};
use super::sent::Met;
use super::timing::{Series, Skews};
use super::traits::{Traits, header};
use super::{Heard, Setup};
use crate::hj212::complaints::Complaints;
use crate::hj212::ending::{CheckKind, Frame};
use crate::hj212::explain::{Level, outside};
use crate::hj212::fields::{FieldReader, Fields};
use crate::hj212::frame::{Framer, Item, MAX_DECLARED_BYTES};
use crate::hj212::intake::{complain_of_frame, encrypted_by_rule};
use crate::hj212::packet::Packet;
use crate::normalize::kind_of;

/// Fewer packets say nothing of a device.
const LEAST_PACKETS: u64 = 10;
/// Packets remembered to know one that is sent again.
const REMEMBERED: usize = 512;
/// A clock ahead by more is wrong, seconds (as rule `CLOCK_SKEW`).
const AHEAD_S: f64 = 60.0;
/// A clock behind by more is wrong, seconds: a packet may have been under way.
const BEHIND_S: f64 = 300.0;
/// Share of missing data up to which nothing is said.
const MISSED_SHARE: f64 = 0.0;
/// Corrected values or hours that may be off before it is said: a change of range within the minute.
const OFF_SHARE: f64 = 0.05;
/// Series of data that are looked at.
const SERIES: [ReportKind; 4] = [
    ReportKind::RealTime,
    ReportKind::Minute,
    ReportKind::Hour,
    ReportKind::Day,
];

/// Looks at the packets of one device.
#[derive(Debug)]
pub struct Inspector {
    setup: Setup,
    catalogue: Arc<Catalogue>,
    reader: FieldReader,
    from: Option<Time>,
    last: Option<Time>,
    mn: Option<String>,
    packets: u64,
    set_aside: u64,
    repeats: u64,
    met: Met,
    traits: Traits,
    skews: Skews,
    series: BTreeMap<ReportKind, Series>,
    numbers: Numbers,
    due: u64,
    encrypted: u64,
    known: HashSet<ContentId>,
    order: VecDeque<ContentId>,
}

impl Inspector {
    /// An inspector that has seen nothing.
    pub fn new(setup: Setup, catalogue: Arc<Catalogue>) -> Self {
        Self {
            mn: setup.mn.map(|mn| mn.as_str().to_owned()),
            setup,
            reader: FieldReader::new(Arc::clone(&catalogue)),
            catalogue,
            from: None,
            last: None,
            packets: 0,
            set_aside: 0,
            repeats: 0,
            met: Met::default(),
            traits: Traits::default(),
            skews: Skews::default(),
            series: BTreeMap::new(),
            numbers: Numbers::default(),
            due: 0,
            encrypted: 0,
            known: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Takes what came: usually one packet.
    pub fn hear(&mut self, heard: Heard<'_>) {
        self.from.get_or_insert(heard.received_at);
        self.last = self.last.max(Some(heard.received_at));
        let mut framer = Framer::new(MAX_DECLARED_BYTES);
        framer.push(heard.raw);
        framer.quiet();
        framer.finish();
        let mut frames = 0_u32;
        while let Some(item) = framer.next_item() {
            match item {
                Item::Frame(frame) => {
                    frames += 1;
                    self.frame(&frame, &heard);
                }
                Item::Garbage { bytes, reason, .. } if heard.set_aside.is_none() => {
                    self.met.add(&of_reason(reason), "", bytes);
                }
                Item::Garbage { .. } => {}
            }
        }
        if let Some(reason) = heard.set_aside {
            self.set_aside += 1;
            self.packets += u64::from(frames == 0);
            // A wrong checksum was said with the numbers.
            if frames == 0 || reason != QuarantineReason::BadCrc {
                self.met.add(&of_reason(reason), "", heard.raw);
            }
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, heard: &Heard<'_>) {
        self.packets += 1;
        if frame.check.kind == CheckKind::Wrong && heard.set_aside == Some(QuarantineReason::NoKey) {
            return;
        }
        if frame.check.kind == CheckKind::Wrong || heard.set_aside == Some(QuarantineReason::BadCrc) {
            let how = match frame.check.kind {
                CheckKind::Modbus => " (Modbus)",
                CheckKind::SwappedModbus => " (Modbus ⇄)",
                CheckKind::Standard | CheckKind::Wrong => "",
            };
            let text = format!("{:04X}{how} ≠ {:04X}", frame.check.given, frame.check.right);
            self.met.add(&of_reason(QuarantineReason::BadCrc), &text, frame.raw);
            return;
        }
        let mut complaints = Complaints::default();
        complain_of_frame(frame, frame.segment.len(), &mut complaints);
        let packet = Packet::parse(frame.segment, &mut complaints);
        if self.mn.is_none() {
            self.mn = packet.mn.map(|mn| String::from_utf8_lossy(mn).into_owned());
        }
        let before = self.repeats;
        self.remember(ContentId::of(&[frame.segment]), frame.raw);
        if self.repeats > before || packet.is_reply() {
            return;
        }
        let fields = self.reader.read(&packet, &mut complaints).clone();
        for complaint in complaints.list() {
            let text = complaint.text.as_str();
            let about = complaint.factor.map(|factor| factor.as_str().to_owned());
            let about = about.filter(|factor| !text.starts_with(factor)).unwrap_or_default();
            let detail = format!("{about} {text}");
            self.met.add(&of_complaint(complaint.code), detail.trim(), frame.raw);
        }
        self.look_at(&packet, &fields, (frame, heard));
        let usable = matches!(
            heard.set_aside,
            None | Some(QuarantineReason::UnknownMn | QuarantineReason::NoOutlet)
        );
        if usable {
            self.take(&packet, &fields, heard);
        }
    }

    fn remember(&mut self, id: ContentId, raw: &[u8]) {
        if !self.known.insert(id) {
            self.repeats += 1;
            self.met.add(&Own::Repeats.article(), "", raw);
            return;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// What can be said of the packet alone.
    fn look_at(&mut self, packet: &Packet<'_>, fields: &Fields, (frame, heard): (&Frame<'_>, &Heard<'_>)) {
        let foreign = self.traits.saw(packet, fields, heard.encrypted, &self.catalogue);
        for (own, detail) in foreign.into_iter().chain(header(packet, frame.segment)) {
            self.met.add(&own.article(), &detail, frame.raw);
        }
        if encrypted_by_rule(packet) {
            self.due += 1;
            self.encrypted += u64::from(heard.encrypted);
            if !heard.encrypted && self.setup.expect_encryption {
                let text = format!("CN={}", packet.cn.unwrap_or(0));
                self.met
                    .add(&of_complaint(ComplaintCode::NotEncrypted), &text, frame.raw);
            }
        }
        let st = packet.st.and_then(|st| std::str::from_utf8(st).ok());
        if let Some((registered, sent)) = self.setup.st.as_deref().zip(st)
            && registered != sent
            && sent != "91"
        {
            let text = format!("ST={sent} ≠ {registered}");
            self.met.add(&of_complaint(ComplaintCode::OtherSt), &text, frame.raw);
        }
        for found in outside(&fields.readings) {
            let own = if found.factor == "a00000" {
                Own::FlowPerHour
            } else {
                Own::Implausible
            };
            let detail = format!("{} = {} ({}…{})", found.factor, found.value, found.least, found.most);
            self.met.add(&own.article(), &detail, frame.raw);
        }
    }

    /// Times and values.
    fn take(&mut self, packet: &Packet<'_>, fields: &Fields, heard: &Heard<'_>) {
        if let Some(sent_at) = packet.sent_at {
            self.skews.saw(sent_at, heard.received_at);
        }
        let kind = kind_of(packet.cn.unwrap_or(0));
        let Some(at) = fields.measured_at else { return };
        if SERIES.contains(&kind) {
            let series = self.series.entry(kind).or_default();
            series.saw(at, heard.received_at, packet.backfill);
        }
        self.numbers.saw(kind, at, &fields.readings);
    }

    /// What is to be said now.
    pub fn report(&self, until: Time) -> Conformance {
        let heard = Span {
            start: self.from.unwrap_or(until),
            end: until,
        };
        let intervals: Vec<Interval> = SERIES
            .iter()
            .filter_map(|kind| {
                let told = match kind {
                    ReportKind::RealTime => self.setup.realtime_interval_s.map(i64::from),
                    ReportKind::Minute => self.setup.minute_interval_min.map(|minutes| i64::from(minutes) * 60),
                    _ => None,
                };
                self.series.get(kind)?.interval(*kind, told, heard)
            })
            .collect();
        let minute = intervals.iter().find(|one| one.kind == ReportKind::Minute.code());
        let minute_ms = minute.map(|minute| minute.interval_s * 1_000);
        let mut report = Conformance {
            mn: self.mn.clone(),
            standard: Dialect::Hj2025.code(),
            from: self.from,
            until: self.from.map(|_| until),
            verdict: Verdict::TooFew,
            packets: self.packets,
            set_aside: self.set_aside,
            repeats: self.repeats,
            spoken: self.traits.spoken(),
            departures: Vec::new(),
            clock: self.skews.clock(),
            intervals,
            factors: self.numbers.factors(&self.catalogue, &self.setup.reference_o2_pct),
            corrected: self.numbers.corrected(&self.setup.reference_o2_pct),
            hours: self.numbers.hours(minute_ms.unwrap_or(MINUTE_MS)),
            flow_unit: self.numbers.flow_unit(minute_ms),
            encryption: Encryption {
                expected: self.setup.expect_encryption,
                due: self.due,
                encrypted: self.encrypted,
            },
            stability: self.numbers.stability(),
        };
        let mut met = self.met.copied();
        self.conclude(&report, &mut met);
        report.departures = met.sorted();
        report.verdict = verdict(&report);
        report
    }

    /// Departures that only all packets together show.
    fn conclude(&self, report: &Conformance, met: &mut Met) {
        if self.traits.claimed().is_some_and(|claimed| claimed < Dialect::Hj2025) {
            let old = report.spoken.claimed.iter().filter(|(code, _)| code != report.standard);
            let count = old.map(|(_, count)| *count).sum();
            met.add_many(&Own::OldEdition.article(), count, &report.spoken.spoken, b"");
        }
        let late_clock = report.clock.map_or(0.0, |clock| clock.median_s);
        if let Some(clock) = report.clock {
            let detail = format!(
                "{:+.1} s ({:+.1} … {:+.1})",
                clock.median_s, clock.least_s, clock.most_s
            );
            if clock.median_s > AHEAD_S {
                met.add_many(&Own::ClockAhead.article(), clock.packets, &detail, b"");
            } else if clock.median_s < -BEHIND_S {
                met.add_many(&Own::ClockBehind.article(), clock.packets, &detail, b"");
            }
        }
        for one in &report.intervals {
            let detail = format!("{} {}/{}", one.kind, one.came, one.due);
            if share(one.missed(), one.due) > MISSED_SHARE {
                met.add_many(&Own::Missed.article(), one.missed(), &detail, b"");
            }
            let unmarked = one.late - one.marked;
            let marks = self.traits.claimed() == Some(Dialect::Hj2025);
            if marks && unmarked > 0 {
                met.add_many(&Own::LateWithoutRf.article(), unmarked, one.kind, b"");
            }
        }
        self.period_ends(report, late_clock, met);
        for factor in &report.factors {
            for (name, count) in &factor.missing {
                // A missing flag is complained of packet by packet.
                if *name != "Flag" {
                    let detail = format!("{}-{name} ({})", factor.code, factor.kind);
                    met.add_many(&Own::FieldMissing.article(), *count, &detail, b"");
                }
            }
        }
        for (own, all) in [
            (Own::CorrectedWrong, &report.corrected),
            (Own::HourWrong, &report.hours),
        ] {
            for one in all.iter().filter(|one| share(one.off, one.checked) > OFF_SHARE) {
                met.add_many(&own.article(), one.off, &format!("{} {}", one.code, one.worst), b"");
            }
        }
        if report.flow_unit == Some(FlowUnit::PerHour) {
            met.add_many(&Own::FlowPerHour.article(), 1, "a00000-Cou / a00000-Avg", b"");
        }
    }

    /// DataTime at the end of the period, where that is not how the device is registered.
    fn period_ends(&self, report: &Conformance, clock_s: f64, met: &mut Met) {
        for one in &report.intervals {
            let kind = SERIES.iter().find(|kind| kind.code() == one.kind);
            let series = kind.and_then(|kind| self.series.get(kind));
            let (Some(series), false) = (series, one.kind == ReportKind::RealTime.code()) else {
                continue;
            };
            // A clock that is ahead by half a period looks the same, and is said as that.
            let half = seconds(one.interval_s) / 2.0;
            let early = series.before_their_end(one.interval_s * 1_000);
            if clock_s < half.min(AHEAD_S) && early * 2 > series.len() && !self.setup.data_time_is_end {
                met.add_many(&Own::PeriodEnd.article(), early, one.kind, b"");
            }
        }
    }
}

fn verdict(report: &Conformance) -> Verdict {
    let has = |level| report.departures.iter().any(|one| one.level == level);
    if has(Level::Error) {
        Verdict::Fails
    } else if report.packets < LEAST_PACKETS {
        Verdict::TooFew
    } else if has(Level::Warning) {
        Verdict::Departs
    } else {
        Verdict::Conforms
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of packets, far below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[expect(clippy::cast_precision_loss, reason = "intervals of at most a day")]
fn seconds(interval_s: i64) -> f64 {
    interval_s as f64
}
