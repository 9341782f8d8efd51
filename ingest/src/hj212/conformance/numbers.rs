//! What the values say: sub-fields, corrected values recomputed, hours against their minutes, the unit of flow, checks
//! with zero and span gas.

use std::collections::BTreeMap;

use plume_schemas::factors::Catalogue;
use plume_schemas::formulas::corrected;
use plume_schemas::ids::FactorCode;
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Time};

use super::Both;
use super::report::{Checked, FactorSeen, FlowUnit, Stability, clock_text};

/// Factors kept in each kind of data: a packet has at most some sixty.
const MAX_FACTORS: usize = 256;
/// Values kept of one factor to be recomputed, the first.
const MAX_VALUES: usize = 5_000;
/// Hours kept of one factor: a month.
const MAX_HOURS: usize = 31 * 24;
/// Difference that counts, share: twice what two roundings of usual values make; that of the rules ZSDEV and HOURMIN.
const OFF_SHARE: f64 = 0.02;
/// With more oxygen the corrected value is not compared: the difference to 21 is then the analyser's error.
const MOST_OXYGEN_PCT: f64 = 19.0;
/// How far volume and flow times seconds may be apart, share.
const VOLUME_SHARE: f64 = 0.2;
const OXYGEN: &str = "a19001";
const FLOW: &str = "a00000";

/// A number with how finely it was written.
#[derive(Clone, Copy, Debug)]
struct Written {
    value: f64,
    last_place: f64,
}

/// Concentration, its corrected value and the oxygen of one packet.
#[derive(Clone, Copy, Debug)]
struct Triple {
    at: Time,
    plain: Written,
    corrected: Written,
    oxygen: Written,
}

/// Minutes of one hour.
#[derive(Clone, Copy, Debug, Default)]
struct Minutes {
    came: u64,
    sum: f64,
    normal: u32,
}

#[derive(Debug, Default)]
struct Seen {
    packets: u64,
    not_normal: u64,
    least: Option<f64>,
    most: Option<f64>,
    fields: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
struct Checks {
    count: u64,
    first: Option<f64>,
    last: f64,
    worst: f64,
}

/// All values of one device.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    seen: BTreeMap<(ReportKind, FactorCode), Seen>,
    triples: BTreeMap<FactorCode, Vec<Triple>>,
    minutes: BTreeMap<FactorCode, BTreeMap<Time, Minutes>>,
    hours: BTreeMap<FactorCode, BTreeMap<Time, Written>>,
    /// Volume by flow, seconds, of minutes and hours.
    volumes: BTreeMap<ReportKind, Vec<f64>>,
    checks: BTreeMap<FactorCode, Checks>,
}

impl Numbers {
    /// The values of one packet, in the order of factors.
    pub(super) fn saw(&mut self, kind: ReportKind, at: Time, readings: &[Reading]) {
        let mut factors: Vec<FactorCode> = readings.iter().map(|reading| reading.factor).collect();
        factors.sort_unstable();
        factors.dedup();
        for factor in factors {
            let of: Vec<&Reading> = readings.iter().filter(|reading| reading.factor == factor).collect();
            self.count(kind, factor, &of);
            if kind == ReportKind::Calibration {
                self.check(factor, &of);
            }
        }
        if matches!(kind, ReportKind::RealTime | ReportKind::Minute) {
            self.pair_corrected(kind, at, readings);
        }
        match kind {
            ReportKind::Minute => self.minute(at, readings),
            ReportKind::Hour => self.hour(at, readings),
            _ => {}
        }
        self.volume(kind, readings);
    }

    fn count(&mut self, kind: ReportKind, factor: FactorCode, readings: &[&Reading]) {
        let known = self.seen.contains_key(&(kind, factor));
        if !known && self.seen.len() >= MAX_FACTORS {
            return;
        }
        let seen = self.seen.entry((kind, factor)).or_default();
        seen.packets += 1;
        let flag = readings.first().map_or(Flag::Missing, |reading| reading.flag);
        seen.not_normal += u64::from(!matches!(flag, Flag::Normal | Flag::Missing));
        if flag != Flag::Missing {
            *seen.fields.entry("Flag").or_default() += 1;
        }
        for reading in readings {
            if let Some(name) = field(reading) {
                *seen.fields.entry(name).or_default() += 1;
            }
            let main = matches!(reading.statistic, Statistic::Sample | Statistic::Mean | Statistic::Data);
            if let Some(value) = reading
                .value
                .to_f64()
                .filter(|_| main && reading.basis == Basis::Standard)
            {
                seen.least = Some(seen.least.map_or(value, |least| least.min(value)));
                seen.most = Some(seen.most.map_or(value, |most| most.max(value)));
            }
        }
    }

    /// What the gas held and what the analyser showed (2062).
    fn check(&mut self, factor: FactorCode, readings: &[&Reading]) {
        let value = |statistic| {
            let one = readings.iter().find(|reading| reading.statistic == statistic)?;
            one.value.to_f64()
        };
        let both = value(Statistic::CheckReading).zip(value(Statistic::CheckStandard));
        let Some((shown, holds)) = both else { return };
        let checks = self.checks.entry(factor).or_default();
        let error = shown - holds;
        checks.count += 1;
        checks.first.get_or_insert(error);
        checks.last = error;
        if error.abs() > checks.worst.abs() {
            checks.worst = error;
        }
    }

    fn pair_corrected(&mut self, kind: ReportKind, at: Time, readings: &[Reading]) {
        let statistic = if kind == ReportKind::RealTime {
            Statistic::Sample
        } else {
            Statistic::Mean
        };
        let find = |factor: &str, basis| {
            let found = readings.iter().find(|reading| {
                reading.factor.as_str() == factor
                    && reading.statistic == statistic
                    && reading.basis == basis
                    && reading.flag == Flag::Normal
            })?;
            written(found)
        };
        let Some(oxygen) = find(OXYGEN, Basis::Standard).filter(|oxygen| oxygen.value < MOST_OXYGEN_PCT) else {
            return;
        };
        for reading in readings.iter().filter(|one| one.basis == Basis::Corrected) {
            let factor = reading.factor;
            let values = find(factor.as_str(), Basis::Standard).zip(find(factor.as_str(), Basis::Corrected));
            let Some((plain, corrected)) = values.filter(|(plain, _)| plain.value > 0.0) else {
                continue;
            };
            let triples = self.triples.entry(factor).or_default();
            if triples.len() < MAX_VALUES && reading.statistic == statistic {
                triples.push(Triple {
                    at,
                    plain,
                    corrected,
                    oxygen,
                });
            }
        }
    }

    fn minute(&mut self, at: Time, readings: &[Reading]) {
        let hour = at.floor(HOUR_MS);
        let bit = 1_u64 << (at.since(hour) / MINUTE_MS).clamp(0, 59);
        for reading in means(readings) {
            let hours = self.minutes.entry(reading.factor).or_default();
            let minutes = hours.entry(hour).or_default();
            if minutes.came & bit != 0 {
                continue;
            }
            minutes.came |= bit;
            if let Some(value) = reading.value.to_f64().filter(|_| reading.flag == Flag::Normal) {
                minutes.sum += value;
                minutes.normal += 1;
            }
            if hours.len() > MAX_HOURS {
                hours.pop_first();
            }
        }
    }

    fn hour(&mut self, at: Time, readings: &[Reading]) {
        for reading in means(readings).filter(|reading| reading.flag == Flag::Normal) {
            if let Some(value) = written(reading) {
                let hours = self.hours.entry(reading.factor).or_default();
                hours.insert(at, value);
                if hours.len() > MAX_HOURS {
                    hours.pop_first();
                }
            }
        }
    }

    fn volume(&mut self, kind: ReportKind, readings: &[Reading]) {
        let find = |statistic| {
            let one = readings
                .iter()
                .find(|reading| reading.factor.as_str() == FLOW && reading.statistic == statistic)?;
            one.value.to_f64().filter(|value| *value > 0.0)
        };
        if let Some((total, mean)) = find(Statistic::Total).zip(find(Statistic::Mean)) {
            let ratios = self.volumes.entry(kind).or_default();
            if ratios.len() < MAX_VALUES {
                ratios.push(total / mean);
            }
        }
    }

    /// What came of each factor.
    pub(super) fn factors(&self, catalogue: &Catalogue, reference: &BTreeMap<FactorCode, f64>) -> Vec<FactorSeen> {
        let seen = self.seen.iter().filter(|((kind, _), _)| is_series(*kind));
        seen.map(|((kind, factor), seen)| {
            let wanted = wanted(*kind, *factor, reference.contains_key(factor));
            let missing = wanted.iter().filter_map(|name| {
                let missing = seen.packets - seen.fields.get(name).copied().unwrap_or(0).min(seen.packets);
                (missing > 0).then_some((*name, missing))
            });
            let known = catalogue.get(*factor);
            FactorSeen {
                code: factor.as_str().to_owned(),
                name: Both::new(catalogue.name_zh(*factor), catalogue.name_en(*factor)),
                unit: known
                    .and_then(|factor| factor.unit)
                    .map_or_else(String::new, |unit| unit.en().to_owned()),
                kind: kind.code(),
                packets: seen.packets,
                not_normal: seen.not_normal,
                least: seen.least,
                most: seen.most,
                missing: missing.collect(),
            }
        })
        .collect()
    }

    /// Corrected values against plume's, by the registered reference oxygen or the one the values imply.
    pub(super) fn corrected(&self, reference: &BTreeMap<FactorCode, f64>) -> Vec<Checked> {
        let all = self.triples.iter().filter_map(|(factor, triples)| {
            let told = reference.get(factor).copied().or_else(|| implied(triples))?;
            let off = triples.iter().filter_map(|triple| {
                let right = corrected(triple.plain.value, triple.oxygen.value, told).ok()?;
                let rounding = triple.corrected.last_place + right * triple.plain.last_place / triple.plain.value;
                let words = format!(
                    "{}: {} × (21 − {told})/(21 − {}) = {right:.3}, Zs {}",
                    clock_text(triple.at),
                    triple.plain.value,
                    triple.oxygen.value,
                    triple.corrected.value
                );
                Some((difference(triple.corrected.value, right, rounding), words))
            });
            Some(checked(*factor, off, Some(told)))
        });
        all.collect()
    }

    /// Hours against their minutes, where all minutes of the hour came.
    pub(super) fn hours(&self, minute_ms: i64) -> Vec<Checked> {
        let per_hour = u32::try_from(HOUR_MS / minute_ms.max(MINUTE_MS)).unwrap_or(60);
        let all = self.hours.iter().filter_map(|(factor, hours)| {
            let minutes = self.minutes.get(factor)?;
            let off = hours.iter().filter_map(|(at, hour)| {
                let minutes = minutes.get(at)?;
                if minutes.came.count_ones() != per_hour || minutes.normal * 4 < per_hour * 3 {
                    return None;
                }
                let right = minutes.sum / f64::from(minutes.normal);
                let words = format!("{}: {right:.3} ≠ {}", clock_text(*at), hour.value);
                Some((difference(hour.value, right, 2.0 * hour.last_place), words))
            });
            let checked = checked(*factor, off, None);
            (checked.checked > 0).then_some(checked)
        });
        all.collect()
    }

    /// The unit of flow by the volumes beside it.
    pub(super) fn flow_unit(&self, minute_ms: Option<i64>) -> Option<FlowUnit> {
        let lengths = [(ReportKind::Hour, Some(HOUR_MS)), (ReportKind::Minute, minute_ms)];
        let found = lengths
            .into_iter()
            .find_map(|(kind, length)| self.volumes.get(&kind).zip(length));
        let (ratios, length_ms) = found?;
        let mut ratios = ratios.clone();
        ratios.sort_by(f64::total_cmp);
        let ratio = ratios.get(ratios.len() / 2)?;
        let seconds = f64::from(u32::try_from(length_ms / 1_000).ok()?);
        let is = |factor: f64| (ratio * factor / seconds - 1.0).abs() <= VOLUME_SHARE;
        Some(if is(1.0) {
            FlowUnit::PerSecond
        } else if is(3_600.0) {
            FlowUnit::PerHour
        } else {
            FlowUnit::Unclear
        })
    }

    /// Checks with zero and span gas.
    pub(super) fn stability(&self) -> Vec<Stability> {
        let all = self.checks.iter().map(|(factor, checks)| Stability {
            code: factor.as_str().to_owned(),
            checks: checks.count,
            worst_error: checks.worst,
            drift: checks.last - checks.first.unwrap_or(checks.last),
        });
        all.collect()
    }
}

/// Means of a period on the usual basis.
fn means(readings: &[Reading]) -> impl Iterator<Item = &Reading> {
    let plain = |reading: &&Reading| reading.statistic == Statistic::Mean && reading.basis == Basis::Standard;
    readings.iter().filter(plain)
}

fn written(reading: &Reading) -> Option<Written> {
    let decimal = reading.value.decimal()?;
    Some(Written {
        value: decimal.to_f64(),
        last_place: 10_f64.powi(-i32::from(decimal.scale)),
    })
}

/// How far a value is off, in percent, less what rounding explains.
fn difference(value: f64, right: f64, rounding: f64) -> f64 {
    if right.abs() < f64::EPSILON {
        return if value.abs() <= rounding { 0.0 } else { 100.0 };
    }
    ((value - right).abs() - rounding).max(0.0) / right.abs() * 100.0
}

fn checked(factor: FactorCode, all: impl Iterator<Item = (f64, String)>, reference: Option<f64>) -> Checked {
    let mut checked = Checked {
        code: factor.as_str().to_owned(),
        checked: 0,
        off: 0,
        worst_pct: 0.0,
        worst: String::new(),
        reference_o2_pct: reference,
    };
    for (pct, words) in all {
        checked.checked += 1;
        checked.off += u64::from(pct > OFF_SHARE * 100.0);
        if pct > checked.worst_pct {
            checked.worst_pct = pct;
            checked.worst = words;
        }
    }
    checked
}

/// The reference oxygen that most values were corrected by, to a tenth.
fn implied(triples: &[Triple]) -> Option<f64> {
    let one = |triple: &Triple| 21.0 - triple.corrected.value / triple.plain.value * (21.0 - triple.oxygen.value);
    let mut all: Vec<f64> = triples.iter().map(one).collect();
    all.sort_by(f64::total_cmp);
    let middle = *all.get(all.len() / 2)?;
    Some((middle * 10.0).round() / 10.0)
}

/// Kinds of data that come at intervals.
fn is_series(kind: ReportKind) -> bool {
    matches!(
        kind,
        ReportKind::RealTime | ReportKind::Minute | ReportKind::Hour | ReportKind::Day
    )
}

/// Sub-fields that should come with a factor.
fn wanted(kind: ReportKind, factor: FactorCode, is_corrected: bool) -> &'static [&'static str] {
    let measured = factor.as_str().starts_with(['a', 'w']);
    match (kind, is_corrected) {
        _ if !measured => &[],
        (ReportKind::RealTime, false) => &["Rtd", "Flag"],
        (ReportKind::RealTime, true) => &["Rtd", "ZsRtd", "Flag"],
        (_, false) => &["Min", "Avg", "Max", "Flag"],
        (_, true) => &["Min", "Avg", "Max", "ZsMin", "ZsAvg", "ZsMax", "Flag"],
    }
}

/// Name of a reading's sub-field.
fn field(reading: &Reading) -> Option<&'static str> {
    Some(match (reading.basis, reading.statistic) {
        (Basis::Standard, Statistic::Sample) => "Rtd",
        (Basis::Standard, Statistic::Min) => "Min",
        (Basis::Standard, Statistic::Mean) => "Avg",
        (Basis::Standard, Statistic::Max) => "Max",
        (Basis::Corrected, Statistic::Sample) => "ZsRtd",
        (Basis::Corrected, Statistic::Min) => "ZsMin",
        (Basis::Corrected, Statistic::Mean) => "ZsAvg",
        (Basis::Corrected, Statistic::Max) => "ZsMax",
        (_, Statistic::Total) => "Cou",
        _ => return None,
    })
}
