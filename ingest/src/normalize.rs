//! From a packet to reports: what kind it is, when it was measured, which outlets it is about (D7).

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::{ContentId, FactorCode, Inline, Mn, OutletId};
use plume_schemas::reading::{Reading, ReportKind, Value};
use plume_schemas::registry::{RegistryIndex, Source};
use plume_schemas::report::{Complaint, ComplaintCode, Evidence, Origin, QuarantineReason, Report, Times};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};

use crate::config::IngestConfig;
use crate::hj212::complaints::{Complaints, inline};
use crate::hj212::fields::Fields;
use crate::hj212::packet::Packet;
use crate::quarantine::Arrival;

/// 系统编码 of electricity and of working conditions: about every outlet of the device (2025).
const SHARED_SYSTEMS: [&[u8]; 2] = [b"44", b"45"];

/// A packet, read, with the bytes it came in.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// The header.
    pub packet: &'a Packet<'a>,
    /// The readings.
    pub fields: &'a Fields,
    /// What was wrong so far.
    pub complaints: &'a Complaints,
    /// The device.
    pub mn: Mn,
    /// The frame in clear.
    pub raw: &'a [u8],
    /// Hash of the data segment in clear.
    pub id: ContentId,
    /// Which key opened it.
    pub key_id: Option<Inline<15>>,
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq)]
pub enum Normalized {
    /// One report for each outlet concerned; the first carries the raw bytes.
    Reports(Vec<Report>),
    /// It cannot be judged; the reason, and the details for a person.
    Quarantine(QuarantineReason, String),
}

/// What a command number means for the judge, in all three editions.
pub fn kind_of(cn: u16) -> ReportKind {
    match cn {
        2011 => ReportKind::RealTime,
        2051 => ReportKind::Minute,
        2111 => ReportKind::FiveMinute,
        2061 => ReportKind::Hour,
        2031 => ReportKind::Day,
        2021 => ReportKind::Status,
        2041 => ReportKind::RunTime,
        2081 => ReportKind::Restart,
        3019 => ReportKind::Serial,
        3020 => ReportKind::Info,
        2062 => ReportKind::Calibration,
        2013 => ReportKind::RawCycle,
        2052 => ReportKind::Noise,
        2071 | 2072 => ReportKind::DeviceAlarm,
        9015 | 9021 => ReportKind::Heartbeat,
        _ => ReportKind::Other,
    }
}

/// Kinds that say nothing without a time of measuring and a value.
fn is_data(kind: ReportKind) -> bool {
    !matches!(
        kind,
        ReportKind::Serial | ReportKind::Info | ReportKind::Heartbeat | ReportKind::Other
    )
}

/// Kinds whose readings are about factors; the others are about the site and go to every outlet of the device.
fn is_about_factors(kind: ReportKind) -> bool {
    is_data(kind) && !matches!(kind, ReportKind::Status | ReportKind::RunTime | ReportKind::Restart)
}

/// Reports of a packet, or why it has none. An MN the registry does not know makes a report for `unregistered:<MN>`;
/// whether that is wanted is decided before.
pub fn normalize(read: Read<'_>, arrival: &Arrival, registry: &RegistryIndex, config: &IngestConfig) -> Normalized {
    let cn = read.packet.cn.unwrap_or(0);
    let kind = kind_of(cn);
    let mut complaints: Vec<Complaint> = read.complaints.list().to_vec();
    let measured_at = match measured_at(&read, kind, arrival, config, &mut complaints) {
        Ok(at) => start_of_period(at, kind, read.mn, registry),
        Err((reason, detail)) => return Normalized::Quarantine(reason, detail),
    };
    if is_data(kind) && read.fields.readings.is_empty() {
        let what = format!("CN {cn} with DataTime and no value");
        return Normalized::Quarantine(QuarantineReason::NoReadings, what);
    }
    let shares = match shares(&read, kind, measured_at, registry, &mut complaints) {
        Ok(shares) => shares,
        Err(detail) => return Normalized::Quarantine(QuarantineReason::NoOutlet, detail),
    };
    let count = u16::try_from(shares.len()).unwrap_or(u16::MAX);
    let reports = shares.into_iter().zip(0_u16..).map(|(share, number)| {
        let about = |c: &Complaint| match c.factor {
            None => number == 0,
            Some(factor) => number == 0 || share.readings.iter().any(|r| r.factor == factor),
        };
        Report {
            outlet: share.outlet,
            kind,
            times: Times {
                measured_at,
                sent_at: read.packet.sent_at,
                received_at: arrival.received_at,
            },
            origin: Origin {
                mn: read.mn,
                st: st(read.packet),
                dialect: read.packet.dialect,
                ingest: arrival.ingest,
                peer: arrival.peer,
                registry_revision: if share.registered {
                    registry.registry().revision
                } else {
                    0
                },
            },
            backfill: read.packet.backfill,
            complaints: complaints.iter().filter(|c| about(c)).cloned().collect(),
            readings: share.readings,
            evidence: evidence(&read, (number, count)),
        }
    });
    Normalized::Reports(reports.collect())
}

/// The readings that one outlet had of a packet, by the registry that it was taken by: of what [`normalize`] made, all
/// that is not in the report's other fields. `None` where that registry leads it to another outlet.
pub(crate) fn readings_of(
    read: Read<'_>,
    measured_at: Time,
    outlet: OutletId,
    registry: &RegistryIndex,
) -> Option<Vec<Reading>> {
    let kind = kind_of(read.packet.cn.unwrap_or(0));
    let shares = shares(&read, kind, measured_at, registry, &mut Vec::new()).ok()?;
    let mine = shares.into_iter().find(|share| share.outlet == outlet);
    mine.map(|share| share.readings)
}

/// The packet behind share `share`; only the first carries its bytes.
fn evidence(read: &Read<'_>, share: (u16, u16)) -> Evidence {
    let part = read.packet.pno.zip(read.packet.pnum).unwrap_or((0, 0));
    let qn = read
        .packet
        .qn
        .and_then(|qn| std::str::from_utf8(qn).ok())
        .unwrap_or_default();
    Evidence {
        packet: read.id,
        raw: if share.0 == 0 { read.raw.to_vec() } else { Vec::new() },
        share,
        cn: read.packet.cn.unwrap_or(0),
        qn: inline(qn),
        part,
        key_id: read.key_id,
    }
}

fn st(packet: &Packet<'_>) -> Inline<3> {
    inline(
        packet
            .st
            .and_then(|st| std::str::from_utf8(st).ok())
            .unwrap_or_default(),
    )
}

type Refusal = (QuarantineReason, String);

/// DataTime, checked against our clock; the time of arrival for kinds that need none.
fn measured_at(
    read: &Read<'_>,
    kind: ReportKind,
    arrival: &Arrival,
    config: &IngestConfig,
    complaints: &mut Vec<Complaint>,
) -> Result<Time, Refusal> {
    let now = arrival.received_at;
    let Some(at) = read.fields.measured_at else {
        if !is_data(kind) {
            return Ok(now);
        }
        let detail = match read.fields.data_time_text {
            Some(text) => format!("DataTime={text} is no time"),
            None if read.fields.is_query => "asks for data (BeginTime, EndTime) and brings none".to_owned(),
            None => format!("CN {} without DataTime", read.packet.cn.unwrap_or(0)),
        };
        return Err((QuarantineReason::NoDataTime, detail));
    };
    if at.since(now) > config.future_limit_ms {
        let detail = format!("DataTime {at} is {} s ahead of our clock {now}", at.since(now) / 1000);
        return Err((QuarantineReason::FutureDataTime, detail));
    }
    if Time::first_of_month(config.oldest_data_year, 1).is_some_and(|oldest| at < oldest) {
        let detail = format!("DataTime {at} lies before {}", config.oldest_data_year);
        return Err((QuarantineReason::AncientDataTime, detail));
    }
    if now.since(at) > config.far_data_time_h * HOUR_MS {
        complaints.push(complaint(ComplaintCode::FarDataTime, &at.stamp14()));
    }
    Ok(at)
}

/// The start of the period that a device names by its end (`data_time_is_end` in the registry).
fn start_of_period(at: Time, kind: ReportKind, mn: Mn, registry: &RegistryIndex) -> Time {
    let period_ms = |source: &Source| match kind {
        ReportKind::Minute => i64::from(source.minute_interval_min.unwrap_or(1)) * MINUTE_MS,
        ReportKind::FiveMinute => 5 * MINUTE_MS,
        ReportKind::Hour => HOUR_MS,
        ReportKind::Day | ReportKind::RunTime => DAY_MS,
        _ => 0,
    };
    // The row in force while the period lasted: its end may be the first moment of the next one.
    let mut rows = registry.sources(mn).filter(|row| row.validity().covers(at.plus(-1)));
    let row = rows.find(|row| row.data_time_is_end);
    row.map_or(at, |row| at.plus(-period_ms(row)))
}

fn complaint(code: ComplaintCode, text: &str) -> Complaint {
    Complaint {
        code,
        factor: None,
        text: inline(text),
    }
}

/// One outlet's part of a packet.
struct Share {
    outlet: OutletId,
    registered: bool,
    readings: Vec<Reading>,
}

/// Which outlets get which readings.
fn shares(
    read: &Read<'_>,
    kind: ReportKind,
    measured_at: Time,
    registry: &RegistryIndex,
    complaints: &mut Vec<Complaint>,
) -> Result<Vec<Share>, String> {
    if !registry.knows(read.mn) {
        complaints.push(complaint(ComplaintCode::OddHeader, &format!("MN={}", read.mn)));
        let outlet = unregistered_outlet(read.mn).ok_or("the MN makes no outlet id")?;
        let readings = read
            .fields
            .readings
            .iter()
            .map(|r| in_present_unit(*r, read.fields, || None))
            .collect();
        return Ok(vec![Share {
            outlet,
            registered: false,
            readings,
        }]);
    }
    let sources = sources(read, measured_at, registry, complaints)?;
    let shared = !is_about_factors(kind) || read.packet.st.is_some_and(|st| SHARED_SYSTEMS.contains(&st));
    let takes =
        |source: &Source, factor: FactorCode| shared || source.factors.is_empty() || source.factors.contains(&factor);
    let mut outlets: Vec<OutletId> = Vec::new();
    for source in &sources {
        if !outlets.contains(&source.outlet) {
            outlets.push(source.outlet);
        }
    }
    for factor in read.fields.readings.iter().map(|r| r.factor) {
        let known = complaints
            .iter()
            .any(|c| c.code == ComplaintCode::UnknownFactor && c.factor == Some(factor));
        if !known && !sources.iter().any(|source| takes(source, factor)) {
            let mut unrouted = complaint(ComplaintCode::UnknownFactor, "no outlet takes it");
            unrouted.factor = Some(factor);
            complaints.push(unrouted);
        }
    }
    let share = |outlet: OutletId| {
        let mine = sources.iter().filter(move |source| source.outlet == outlet);
        let readings = read
            .fields
            .readings
            .iter()
            .filter(|r| mine.clone().any(|source| takes(source, r.factor)));
        let unit = |factor| registry.factor(outlet, factor).and_then(|setup| setup.unit.as_deref());
        // Room for all at once: most devices have one outlet, and a list that grows costs more than its readings.
        let mut taken = Vec::with_capacity(read.fields.readings.len());
        taken.extend(readings.map(|r| in_present_unit(*r, read.fields, || unit(r.factor))));
        Share {
            outlet,
            registered: true,
            readings: taken,
        }
    };
    let all: Vec<Share> = outlets.into_iter().map(share).collect();
    if is_data(kind) && all.iter().any(|share| !share.readings.is_empty()) {
        return Ok(all.into_iter().filter(|share| !share.readings.is_empty()).collect());
    }
    if is_data(kind) {
        return Err(format!(
            "none of its factors belongs to an outlet of {} at {measured_at}",
            read.mn
        ));
    }
    Ok(all)
}

/// Rows of the registry that lead from this device to outlets. Stack gas is sent with the ST of water in the field, so
/// a device with one ST in the registry is believed whatever it sends; with several the ST must fit.
fn sources<'r>(
    read: &Read<'_>,
    measured_at: Time,
    registry: &'r RegistryIndex,
    complaints: &mut Vec<Complaint>,
) -> Result<Vec<&'r Source>, String> {
    let st = st(read.packet);
    // Answers and notices carry ST 91 or whatever their maker thought right; they are about the device.
    let any_system = !is_about_factors(kind_of(read.packet.cn.unwrap_or(0))) || st.as_str() == "91";
    let wanted = if any_system { "" } else { st.as_str() };
    let fitting: Vec<&Source> = registry
        .routes(read.mn, wanted, measured_at)
        .map(|route| route.source)
        .collect();
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    let in_force: Vec<&Source> = registry
        .sources(read.mn)
        .filter(|source| source.validity().covers(measured_at))
        .collect();
    if in_force.is_empty() {
        return Err(format!("no row of {} is in force at {measured_at}", read.mn));
    }
    let first = in_force.first().and_then(|source| source.st.as_deref());
    if in_force.iter().any(|source| source.st.as_deref() != first) {
        return Err(format!("{} has rows for several systems, none for ST {st}", read.mn));
    }
    complaints.push(complaint(
        ComplaintCode::OtherSt,
        &format!("ST={st}, registered {}", first.unwrap_or("-")),
    ));
    Ok(in_force)
}

/// The outlet that stands in for a device that is not registered.
fn unregistered_outlet(mn: Mn) -> Option<OutletId> {
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    OutletId::new(&format!(
        "unregistered:{}",
        mn.as_str().chars().map(allowed).collect::<String>()
    ))
    .ok()
}

/// Pressures of 2005 are in MPa by its annex and in kPa since. A value under a code of 2005 is brought to kPa digit by
/// digit, unless the registry names the unit it comes in.
fn in_present_unit<'r>(
    mut reading: Reading,
    fields: &Fields,
    registered_unit: impl FnOnce() -> Option<&'r str>,
) -> Reading {
    let old = fields.in_mpa.contains(&reading.factor) && registered_unit().is_none();
    if let (true, Value::Decimal(value)) = (old, reading.value) {
        reading.value = Value::Decimal(times_thousand(value));
    }
    reading
}

/// The exact product; the value itself where it would not fit.
fn times_thousand(value: Decimal) -> Decimal {
    if let Some(scale) = value.scale.checked_sub(3) {
        return Decimal {
            mantissa: value.mantissa,
            scale,
        };
    }
    let factor = 10_i64.pow(u32::from(3 - value.scale));
    value
        .mantissa
        .checked_mul(factor)
        .map_or(value, |mantissa| Decimal { mantissa, scale: 0 })
}
