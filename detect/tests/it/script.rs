//! Case scripts: one line per record or run of records, sorted by when they are received.
//!
//! ```text
//! registry 13:00 registry.toml            the registry of the case folder, recorded then
//! ticks 13:00 16:00 30                    a Tick every 30 s
//! minutes 14:00 15:00 a21026=30/32 a19001=6    a minute packet for every interval of that time
//! minute 14:10 a21026=30!C @14:15         one packet, received at 14:15
//! hour 14:00 a21026=31/33 ; rtd 14:00:30 a21026=30 ; day 20T00:00 a21026=31/33
//! hours 14:00 18:00 a21026=/36    fives 14:00 15:00 a01901=900
//! rtds 14:00 15:00 30 a21026=30/32        a sample every 30 s
//! mark 16:00 calibration 14:00 15:00 a21026 ; unmark 16:10 calibration 14:00 15:00 a21026
//! presence 14:00 M1 spooling ; step 14:00 i1 14:02
//! gas 08:00 a21026=1.2:0                  the device's own check: it showed 1.2 on gas of 0
//! check 08:00 a21026=1.2:0 after=0.1 adjusted point=zero @09:00    the same, written down by a person
//! ```
//! Times are `[DDT]HH:MM[:SS]` of November 2026. A value is `avg`, `avg/zs` or `/zs`; it may be a ramp `30>40`, carry
//! a wiggle `30~0.5` (a fixed pattern of that size) and a flag `!C`. Options: `mn=M2`, `outlet=E2:DA001`, `ingest=i2`,
//! `every=10` (minutes of a packet), `lag=2` (seconds to arrival), `backfill`, `sentinel`, `@TIME` (received then),
//! `qn=N` (its QN; the same content under the same QN is the same packet again), `sent=-600` (seconds from its arrival
//! to its QN's time). `a21026.cou=12` is an emitted amount.

use std::path::Path;

use plume_schemas::check::{Check, CheckPoint, CheckSource};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{ClockStep, Entry, EntryBody, LogPosition, Mark, MarkKind, Presence, PresenceState, Tick};
use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::Registry;
use plume_schemas::report::{Complaint, ComplaintCode, Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::{Civil, MINUTE_MS, SECOND_MS, Time};

pub(crate) const OUTLET: &str = "E1:DA001";

/// The entries of a script, in the order received.
pub(crate) fn read(folder: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(folder.join("script.txt")).unwrap();
    let mut records: Vec<(Time, EntryBody)> = Vec::new();
    for line in text
        .lines()
        .map(|line| line.split('#').next().unwrap().trim())
        .filter(|line| !line.is_empty())
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        add(&mut records, folder, &words);
    }
    records.sort_by_key(|(at, _)| *at);
    entries(records.into_iter().map(|(_, body)| body))
}

/// Numbers bodies as a log would.
pub(crate) fn entries(bodies: impl IntoIterator<Item = EntryBody>) -> Vec<Entry> {
    let numbered = (0_u64..).zip(bodies);
    numbered
        .map(|(offset, body)| Entry {
            at: LogPosition { partition: 0, offset },
            body,
        })
        .collect()
}

pub(crate) fn time(text: &str) -> Time {
    let (day, clock) = text.split_once('T').unwrap_or(("21", text));
    let parts: Vec<u8> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    Time::from_civil(Civil {
        year: 2026,
        month: 11,
        day: day.parse().unwrap(),
        hour: parts[0],
        minute: parts[1],
        second: parts.get(2).copied().unwrap_or(0),
        millisecond: 0,
    })
    .unwrap_or_else(|| panic!("`{text}` is no time"))
}

pub(crate) fn registry(folder: &Path, name: &str) -> Registry {
    let own = folder.join(name);
    let path = if own.exists() {
        own
    } else {
        folder.parent().unwrap().join(name)
    };
    toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

struct Options<'a> {
    values: Vec<(&'a str, &'a str)>,
    mn: Mn,
    outlet: OutletId,
    ingest: IngestId,
    every: i64,
    lag_ms: i64,
    backfill: bool,
    sentinel: bool,
    at: Option<Time>,
    qn: Option<&'a str>,
    sent_ms: Option<i64>,
}

fn options<'a>(words: &[&'a str]) -> Options<'a> {
    let mut options = Options {
        values: Vec::new(),
        mn: Mn::new("M1").unwrap(),
        outlet: OutletId::new(OUTLET).unwrap(),
        ingest: IngestId::new("i1").unwrap(),
        every: 1,
        lag_ms: 2 * SECOND_MS,
        backfill: false,
        sentinel: false,
        at: None,
        qn: None,
        sent_ms: None,
    };
    for word in words {
        match word.split_once('=') {
            Some(("mn", mn)) => options.mn = Mn::new(mn).unwrap(),
            Some(("outlet", id)) => options.outlet = OutletId::new(id).unwrap(),
            Some(("ingest", id)) => options.ingest = IngestId::new(id).unwrap(),
            Some(("qn", qn)) => options.qn = Some(qn),
            Some(("sent", seconds)) => options.sent_ms = Some(seconds.parse::<i64>().unwrap() * SECOND_MS),
            Some(("every", minutes)) => options.every = minutes.parse().unwrap(),
            Some(("lag", seconds)) => options.lag_ms = seconds.parse::<i64>().unwrap() * SECOND_MS,
            Some((factor, value)) => options.values.push((factor, value)),
            None if *word == "backfill" => options.backfill = true,
            None if *word == "sentinel" => options.sentinel = true,
            None => options.at = Some(time(word.strip_prefix('@').unwrap_or_else(|| panic!("`{word}`?")))),
        }
    }
    options
}

fn add(records: &mut Vec<(Time, EntryBody)>, folder: &Path, words: &[&str]) {
    match *words {
        ["minutes" | "fives" | "rtds" | "hours", ..] => run(records, words),
        ["minute" | "rtd" | "hour" | "day" | "heartbeat", ..] => records.push(single(words)),
        _ => records.extend(other(folder, words)),
    }
}

/// The moments of a run: number, moment, how many there are.
fn steps(from: &str, to: &str, step_ms: i64) -> impl Iterator<Item = (i64, Time, i64)> {
    let (from, to) = (time(from), time(to));
    let n = to.since(from) / step_ms;
    (0..n).map(move |i| (i, from.plus(i * step_ms), n))
}

fn run(records: &mut Vec<(Time, EntryBody)>, words: &[&str]) {
    match *words {
        [verb @ ("minutes" | "fives" | "hours"), from, to, ref rest @ ..] => {
            let options = options(rest);
            let (kind, covers) = match verb {
                "minutes" => (ReportKind::Minute, options.every),
                "fives" => (ReportKind::FiveMinute, 5),
                _ => (ReportKind::Hour, 60),
            };
            for (i, at, n) in steps(from, to, covers * MINUTE_MS) {
                records.push(report(kind, at, at.plus(covers * MINUTE_MS), &options, i, n));
            }
        }
        ["rtds", from, to, every, ref rest @ ..] => {
            let options = options(rest);
            for (i, at, n) in steps(from, to, every.parse::<i64>().unwrap() * SECOND_MS) {
                records.push(report(ReportKind::RealTime, at, at, &options, i, n));
            }
        }
        _ => panic!("cannot read `{}`", words.join(" ")),
    }
}

fn single(words: &[&str]) -> (Time, EntryBody) {
    let at = time(words[1]);
    let options = options(&words[2..]);
    let (kind, end) = match words[0] {
        "minute" => (ReportKind::Minute, at.plus(options.every * MINUTE_MS)),
        "hour" => (ReportKind::Hour, at.plus(60 * MINUTE_MS)),
        "day" => (ReportKind::Day, at.plus(24 * 60 * MINUTE_MS)),
        "rtd" => (ReportKind::RealTime, at),
        _ => (ReportKind::Heartbeat, at),
    };
    report(kind, at, end, &options, 0, 1)
}

fn other(folder: &Path, words: &[&str]) -> Vec<(Time, EntryBody)> {
    match *words {
        ["registry", at, name] => {
            let mut registry = registry(folder, name);
            registry.recorded_at = time(at);
            vec![(time(at), EntryBody::Registry(Box::new(registry)))]
        }
        ["ticks", from, to, every, ref rest @ ..] => {
            let ingest = options(rest).ingest;
            let ticks = steps(from, to, every.parse::<i64>().unwrap() * SECOND_MS);
            ticks
                .map(|(_, at, _)| {
                    (
                        at,
                        EntryBody::Tick(Tick {
                            ingest,
                            received_at: at,
                        }),
                    )
                })
                .collect()
        }
        [verb @ ("mark" | "unmark"), at, kind, from, to, ref factor @ ..] => {
            let mark = mark(verb == "unmark", at, kind, from, to, factor.first().copied());
            vec![(time(at), EntryBody::Mark(mark))]
        }
        ["presence", at, mn, state] => {
            let presence = Presence {
                mn: Mn::new(mn).unwrap(),
                outlet: OutletId::new(OUTLET).unwrap(),
                ingest: IngestId::new("i1").unwrap(),
                state: PresenceState::from_code(state).unwrap(),
                epoch: 1,
                peer: Inline::default(),
                received_at: time(at),
            };
            vec![(time(at), EntryBody::Presence(presence))]
        }
        ["step", at, ingest, to] => {
            let step = ClockStep {
                ingest: IngestId::new(ingest).unwrap(),
                from: time(at),
                to: time(to),
            };
            vec![(time(at), EntryBody::ClockStep(step))]
        }
        ["gas", at, ref rest @ ..] => vec![gas(time(at), rest)],
        ["check", at, pair, ref rest @ ..] => {
            let check = check(time(at), pair, rest);
            vec![(check.received_at, EntryBody::Check(Box::new(check)))]
        }
        _ => panic!("cannot read `{}`", words.join(" ")),
    }
}

/// `a21026=1.2:0`: factor, what was shown, what the gas holds.
fn shown(pair: &str) -> (FactorCode, &str, &str) {
    let (factor, numbers) = pair.split_once('=').unwrap();
    let (shown, gas) = numbers.split_once(':').unwrap_or_else(|| panic!("`{numbers}`?"));
    (FactorCode::new(factor).unwrap(), shown, gas)
}

fn gas(at: Time, pairs: &[&str]) -> (Time, EntryBody) {
    let reading = |factor, statistic, text: &str| Reading {
        factor,
        statistic,
        basis: Basis::Standard,
        value: Value::Decimal(Decimal::parse(text.as_bytes()).unwrap()),
        flag: Flag::Missing,
        maker_flag: Inline::default(),
    };
    let readings = pairs.iter().flat_map(|pair| {
        let (factor, shown, gas) = shown(pair);
        [
            reading(factor, Statistic::CheckReading, shown),
            reading(factor, Statistic::CheckStandard, gas),
        ]
    });
    let received_at = at.plus(2 * SECOND_MS);
    let (mn, ingest) = (Mn::new("M1").unwrap(), IngestId::new("i1").unwrap());
    let report = make(ReportKind::Calibration, at, received_at, mn, ingest, readings.collect());
    (received_at, EntryBody::Report(Box::new(report)))
}

fn check(at: Time, pair: &str, words: &[&str]) -> Check {
    let (factor, before, gas) = shown(pair);
    let mut check = Check {
        outlet: OutletId::new(OUTLET).unwrap(),
        factor,
        point: None,
        at,
        gas: gas.parse().unwrap(),
        before: before.parse().unwrap(),
        after: None,
        adjusted: false,
        source: CheckSource::Form,
        by: "tester".to_owned(),
        note: String::new(),
        received_at: at,
    };
    for word in words {
        match word.split_once('=') {
            Some(("after", after)) => check.after = Some(after.parse().unwrap()),
            Some(("point", point)) => check.point = CheckPoint::from_code(point),
            None if *word == "adjusted" => check.adjusted = true,
            _ => check.received_at = time(word.strip_prefix('@').unwrap_or_else(|| panic!("`{word}`?"))),
        }
    }
    check
}

fn mark(withdrawn: bool, at: &str, kind: &str, from: &str, to: &str, factor: Option<&str>) -> Mark {
    Mark {
        id: ContentId::of(&[
            kind.as_bytes(),
            from.as_bytes(),
            to.as_bytes(),
            factor.unwrap_or("").as_bytes(),
        ]),
        outlet: OutletId::new(OUTLET).unwrap(),
        factor: factor.map(|factor| FactorCode::new(factor).unwrap()),
        span: plume_schemas::time::Span {
            start: time(from),
            end: time(to),
        },
        kind: MarkKind::from_code(kind).unwrap_or_else(|| panic!("no mark `{kind}`")),
        withdrawn,
        by: "tester".to_owned(),
        note: String::new(),
        received_at: time(at),
    }
}

fn report(kind: ReportKind, at: Time, end: Time, options: &Options<'_>, i: i64, n: i64) -> (Time, EntryBody) {
    let received_at = options.at.unwrap_or(end.plus(options.lag_ms));
    let readings = options
        .values
        .iter()
        .flat_map(|(factor, value)| readings(kind, factor, value, i, n))
        .collect();
    let complaints = options.sentinel.then(|| Complaint {
        code: ComplaintCode::Sentinel,
        factor: None,
        text: Inline::default(),
    });
    let mut report = make(kind, at, received_at, options.mn, options.ingest, readings);
    report.outlet = options.outlet;
    report.backfill = options.backfill;
    report.times.sent_at = options.sent_ms.map(|after| received_at.plus(after));
    report.complaints = complaints.into_iter().collect();
    if let Some(qn) = options.qn {
        report.evidence.qn = Inline::new(qn).unwrap();
        report.evidence.packet = packet_id(&report, qn);
    }
    (received_at, EntryBody::Report(Box::new(report)))
}

/// Stands for the hash of the bytes: the same content under the same QN is the same packet.
fn packet_id(report: &Report, qn: &str) -> ContentId {
    let content = format!("{:?} {:?} {:?}", report.kind, report.times.measured_at, report.readings);
    ContentId::of(&[qn.as_bytes(), content.as_bytes()])
}

/// A report of the outlet under test.
pub(crate) fn make(
    kind: ReportKind,
    at: Time,
    received_at: Time,
    mn: Mn,
    ingest: IngestId,
    readings: Vec<Reading>,
) -> Report {
    let mut report = Report {
        outlet: OutletId::new(OUTLET).unwrap(),
        kind,
        times: Times {
            measured_at: at,
            sent_at: None,
            received_at,
        },
        origin: Origin {
            mn,
            st: Inline::new("31").unwrap(),
            dialect: Dialect::Hj2017,
            ingest,
            peer: Inline::default(),
            registry_revision: 1,
        },
        backfill: false,
        readings,
        complaints: Vec::new(),
        evidence: Evidence {
            packet: ContentId::default(),
            raw: Vec::new(),
            share: (0, 1),
            cn: 0,
            qn: Inline::new(&received_at.stamp17()).unwrap(),
            part: (0, 0),
            key_id: None,
        },
    };
    report.evidence.packet = packet_id(&report, &received_at.stamp17());
    report
}

fn readings(kind: ReportKind, factor: &str, text: &str, i: i64, n: i64) -> Vec<Reading> {
    let (text, flag) = match text.split_once('!') {
        Some((text, flag)) => (text, Flag::from_code(flag).unwrap()),
        None => (text, Flag::Normal),
    };
    let (standard, zs) = text.split_once('/').map_or((text, ""), |(standard, zs)| (standard, zs));
    let (factor, is_total) = factor.strip_suffix(".cou").map_or((factor, false), |code| (code, true));
    let statistic = if is_total {
        Statistic::Total
    } else if kind == ReportKind::RealTime {
        Statistic::Sample
    } else {
        Statistic::Mean
    };
    let reading = |basis, text: &str| {
        (!text.is_empty()).then(|| Reading {
            factor: FactorCode::new(factor).unwrap(),
            statistic,
            basis,
            value: Value::Decimal(number(text, i, n)),
            flag,
            maker_flag: Inline::default(),
        })
    };
    [reading(Basis::Standard, standard), reading(Basis::Corrected, zs)]
        .into_iter()
        .flatten()
        .collect()
}

/// `30`, `30>40` (a ramp over the run), `30~0.5` (a wiggle of that size).
fn number(text: &str, i: i64, n: i64) -> Decimal {
    let (base, wiggle) = text.split_once('~').unwrap_or((text, "0"));
    if base == text && !text.contains('>') {
        return Decimal::parse(text.as_bytes()).unwrap_or_else(|| panic!("`{text}` is no number"));
    }
    let (from, to) = base.split_once('>').unwrap_or((base, base));
    let (from, to): (f64, f64) = (from.parse().unwrap(), to.parse().unwrap());
    let pattern = ((i * 7 % 11) - 5) as f64 / 5.0 * wiggle.parse::<f64>().unwrap();
    Decimal::from_f64(from + (to - from) * i as f64 / n as f64 + pattern, 2).unwrap()
}
