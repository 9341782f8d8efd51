//! Outlets as the judge sees them, minute by minute, with one planted fault or trick each and what happens to honest
//! outlets too: load of day and night, upsets, calibrations with their flag, a stop and a start, a clean pollutant.

use plume_schemas::ids::FactorCode;
use plume_schemas::reading::Flag;
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Span, Time};

use crate::commands::seeded::Chance;

/// SO₂, NOx, PM with their ultra-low limits, and the share of it they usually stand at.
pub(super) const POLLUTANTS: [(&str, f64, (f64, f64)); 3] = [
    ("a21026", 35.0, (0.4, 0.85)),
    ("a21002", 50.0, (0.5, 0.85)),
    ("a34013", 10.0, (0.01, 0.5)),
];
pub(super) const REFERENCE_O2: f64 = 6.0;
const AIR_O2: f64 = 21.0;
/// 2026-03-02 00:00 in Beijing, a Monday.
pub(super) const START: Time = Time(1_772_380_800_000);
const DAY_MIN: i64 = 1_440;
/// Correlation of a minute with the next.
const CORRELATION: f64 = 0.9;
/// How far the oxygen goes up and down within an hour, percent (standard deviation).
const BREATH: f64 = 0.4;
/// Upsets a day, calibrations a day, stops a day: project assumptions, on the high side.
const UPSETS: f64 = 0.3;
const CALIBRATIONS: f64 = 0.3;
const STOPS: f64 = 0.05;

impl Chance {
    #[expect(clippy::cast_possible_truncation, reason = "minutes of a month")]
    fn minute(&mut self, low: f64, high: f64) -> i64 {
        self.between(low, high) as i64
    }
}

/// What is planted: one at each outlet. The rule that must find it stands with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plant {
    Zero,
    Negative,
    OverRange,
    Jump,
    UnitSlip,
    Leak,
    NoFlow,
    Stuck,
    WrongReference,
    WrongAmount,
    LowHour,
    Clock,
    Cap,
    Smooth,
    CalibrationHabit,
    FalseStop,
    AfterWarning,
    RunsWhileStopped,
    TreatmentOff,
    Swapped,
    /// Another outlet sends this one's values; see `twins`.
    Copied,
}

impl Plant {
    pub(super) const ALL: [Self; 21] = [
        Self::Zero,
        Self::Negative,
        Self::OverRange,
        Self::Jump,
        Self::UnitSlip,
        Self::Leak,
        Self::NoFlow,
        Self::Stuck,
        Self::WrongReference,
        Self::WrongAmount,
        Self::LowHour,
        Self::Clock,
        Self::Cap,
        Self::Smooth,
        Self::CalibrationHabit,
        Self::FalseStop,
        Self::AfterWarning,
        Self::RunsWhileStopped,
        Self::TreatmentOff,
        Self::Swapped,
        Self::Copied,
    ];

    /// The rule that must find it.
    pub(super) fn rule(self) -> RuleCode {
        match self {
            Self::Zero => RuleCode::Zero,
            Self::Negative => RuleCode::Neg,
            Self::OverRange => RuleCode::Range,
            Self::Jump | Self::UnitSlip => RuleCode::Jump,
            Self::Leak => RuleCode::O2Hi,
            Self::NoFlow => RuleCode::Flow0,
            Self::Stuck => RuleCode::Const,
            Self::WrongReference => RuleCode::ZsDev,
            Self::WrongAmount => RuleCode::Amount,
            Self::LowHour => RuleCode::HourMin,
            Self::Clock => RuleCode::Clock,
            Self::Cap => RuleCode::Cap,
            Self::Smooth => RuleCode::Smooth,
            Self::CalibrationHabit => RuleCode::CalGap,
            Self::FalseStop => RuleCode::MarkAbuse,
            Self::AfterWarning => RuleCode::NearMark,
            Self::RunsWhileStopped | Self::TreatmentOff => RuleCode::Power,
            Self::Swapped => RuleCode::Ratio,
            Self::Copied => RuleCode::Twin,
        }
    }

    /// How long it goes on, minutes.
    fn lasts(self, chance: &mut Chance) -> i64 {
        match self {
            Self::Jump => chance.minute(10.0, 60.0),
            Self::OverRange | Self::Negative => chance.minute(30.0, 240.0),
            Self::AfterWarning => 60,
            Self::Cap | Self::Smooth | Self::Swapped => chance.minute(840.0, 1_200.0),
            Self::CalibrationHabit => 2 * DAY_MIN,
            _ => chance.minute(240.0, 600.0),
        }
    }

    /// The first minute at which it may begin: what it is compared with must be known.
    fn earliest(self) -> f64 {
        match self {
            Self::Swapped => 4_500.0,
            _ => 1_700.0,
        }
    }

    /// How long after its end it may still be found, minutes: a lead is looked at at the hour's end or its mark.
    pub(super) fn grace_min(self) -> i64 {
        match self {
            Self::FalseStop => DAY_MIN,
            Self::Cap => 400,
            // The window of six hours, and its grace time.
            Self::Copied => 370,
            _ => 130,
        }
    }
}

/// One pollutant, one minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Value {
    /// As measured and as corrected, mg/m³.
    pub(super) measured: f64,
    pub(super) corrected: f64,
}

/// One minute of an outlet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minute {
    pub(super) values: [Value; POLLUTANTS.len()],
    pub(super) oxygen: f64,
    /// m³/s.
    pub(super) flow: f64,
    pub(super) celsius: f64,
    /// Power of production and of treatment, as their meters give it.
    pub(super) power: [f64; 2],
    pub(super) flag: Flag,
    /// Seconds that the device's clock is ahead.
    pub(super) ahead_s: i64,
}

/// Spans of minutes since the start.
type Minutes = (i64, i64);

fn within(spans: &[Minutes], minute: i64) -> bool {
    spans.iter().any(|&(from, to)| (from..to).contains(&minute))
}

/// An outlet with its planted fault.
pub(super) struct World {
    pub(super) plant: Plant,
    /// When it is on.
    pub(super) on: Minutes,
    chance: Chance,
    base: [f64; POLLUTANTS.len()],
    noise: f64,
    deviation: [f64; POLLUTANTS.len()],
    lift: [f64; POLLUTANTS.len()],
    upsets: Vec<(Minutes, usize, f64, f64)>,
    calibrations: Vec<Minutes>,
    stops: Vec<Minutes>,
    /// Oxygen above its usual course, percent: more air and less.
    breath: f64,
    held: Option<f64>,
    smooth: f64,
    /// From 0, stopped and cold, to 1, running.
    heat: f64,
}

impl World {
    pub(super) fn new(seed: u64, plant: Plant, days: u32) -> Self {
        let mut chance = Chance(seed);
        let (days_f, minutes) = (f64::from(days), f64::from(days) * 1_440.0);
        let base = POLLUTANTS.map(|(_, limit, (low, high))| limit * chance.between(low, high));
        // Where the noise of a pollutant drowns what the air does to it, nobody sees that it goes the wrong way.
        let noise = chance.between(0.015, if plant == Plant::Swapped { 0.03 } else { 0.06 });
        let spans = |chance: &mut Chance, a_day: f64, low: f64, high: f64| {
            let mut spans = Vec::new();
            let mut at = -chance.share().max(1e-9).ln() / a_day;
            while at < days_f {
                let from = chance.minute(at * 1_440.0, at * 1_440.0 + 1.0);
                spans.push((from, from + chance.minute(low, high)));
                at -= chance.share().max(1e-9).ln() / a_day;
            }
            spans
        };
        let upsets = spans(&mut chance, UPSETS, 30.0, 150.0);
        let mut upsets: Vec<_> = upsets
            .into_iter()
            .map(|span| {
                let which = usize::from(chance.share() < 0.5);
                (span, which, chance.between(1.2, 2.0), chance.between(1.5, 12.0))
            })
            .collect();
        let mut calibrations = spans(&mut chance, CALIBRATIONS, 20.0, 40.0);
        let stops = spans(&mut chance, STOPS, 240.0, 720.0);
        let lasts = plant.lasts(&mut chance);
        // Not before the outlet is known, and whole hours for what is looked at by the hour.
        let latest = (minutes - lasts as f64 - 400.0).max(plant.earliest() + 1.0);
        let from = chance.minute(plant.earliest(), latest).div_euclid(60) * 60;
        let on = (from, from + lasts);
        upsets.retain(|&((begins, ends), ..)| ends < on.0 - 120 || begins > on.1);
        let mut stops: Vec<Minutes> = stops;
        stops.retain(|&(begins, ends)| ends < on.0 - 600 || begins > on.1 + 120);
        // Well over the limit, whatever the level is.
        let over = 1.8 * POLLUTANTS[0].1 / base[0];
        match plant {
            Plant::CalibrationHabit => {
                for n in 0..3 {
                    let hour = on.0 + n * 12 * 60;
                    upsets.push(((hour - 60, hour + 60), 0, over, 3.0));
                    calibrations.push((hour + 60, hour + 90));
                }
            }
            Plant::AfterWarning => {
                upsets.push(((on.0, on.0 + 60), 0, over, 3.0));
                calibrations.push((on.0 + 28, on.0 + 60));
            }
            _ => {}
        }
        Self {
            plant,
            on,
            chance,
            base,
            noise,
            deviation: [0.0; POLLUTANTS.len()],
            lift: [1.0; POLLUTANTS.len()],
            upsets,
            calibrations,
            stops,
            breath: 0.0,
            held: None,
            smooth: 0.0,
            heat: 1.0,
        }
    }

    /// The mark that the enterprise enters, and when, where it does.
    pub(super) fn mark(&self) -> Option<(Time, Span)> {
        let at = |minute: i64| START.plus(minute * MINUTE_MS);
        let span = Span {
            start: at(self.on.0).floor(HOUR_MS),
            end: at(self.on.1).floor(HOUR_MS),
        };
        (self.plant == Plant::FalseStop).then(|| (span.end.plus(3 * HOUR_MS), span))
    }

    /// The next minute; called for each in turn.
    pub(super) fn next(&mut self, minute: i64) -> Minute {
        let on = (self.on.0..self.on.1).contains(&minute);
        let stopped = within(&self.stops, minute);
        // An outlet cools within an hour and is warm again after two.
        self.heat += if stopped {
            -self.heat / 20.0
        } else {
            (1.0 - self.heat) / 40.0
        };
        let hour = (minute % DAY_MIN) as f64 / 60.0;
        let load = 1.0 + 0.12 * ((hour - 14.0) / 24.0 * std::f64::consts::TAU).cos();
        let heat = if self.heat < 0.02 { 0.0 } else { self.heat };
        self.breath =
            CORRELATION * self.breath + BREATH * (1.0 - CORRELATION * CORRELATION).sqrt() * self.chance.normal();
        let course = 20.9 - heat * (20.9 - 8.0 + 2.0 * (load - 1.0) * 8.0);
        let mut oxygen = course + heat * self.breath + 0.05 * self.chance.normal();
        let mut now = Minute {
            values: [Value::default(); POLLUTANTS.len()],
            oxygen: 0.0,
            power: self.power(heat * load, on),
            flow: heat * 200.0 * load * (1.0 + 0.01 * self.chance.normal()),
            celsius: 20.0 + heat * (35.0 + 0.5 * self.chance.normal()),
            flag: self.flag(minute, on, stopped),
            ahead_s: if on && self.plant == Plant::Clock { -900 } else { 0 },
        };
        let leak = if on && self.plant == Plant::Leak { 0.95 } else { 0.0 };
        oxygen = oxygen * (1.0 - leak) + 20.9 * leak;
        for place in 0..POLLUTANTS.len() {
            let level = self.level(place, minute, load) * heat;
            // The level is that at the reference oxygen.
            let swapped = on && place == 0 && self.plant == Plant::Swapped;
            let air = if swapped { 2.0 * course - oxygen } else { oxygen };
            let measured = level * (AIR_O2 - air.min(20.8)) / (AIR_O2 - REFERENCE_O2);
            now.values[place].measured = round(self.shown(place, measured, on));
        }
        now.oxygen = round(oxygen.min(20.9));
        if on && self.plant == Plant::NoFlow {
            now.flow = 0.0;
        }
        for (place, value) in now.values.iter_mut().enumerate() {
            let reference = if on && self.plant == Plant::WrongReference {
                9.0
            } else {
                REFERENCE_O2
            };
            let corrected = value.measured * (AIR_O2 - reference) / (AIR_O2 - now.oxygen).max(0.5);
            let cap = POLLUTANTS[place].1 * 0.998;
            let tricked = on && place == 0;
            let capped = tricked && self.plant == Plant::Cap && corrected > cap;
            let drawn = tricked && self.plant == Plant::Smooth;
            if place == 0 {
                self.smooth += (corrected - self.smooth) / 240.0;
            }
            let shown = if capped {
                cap - 0.1 * self.chance.share()
            } else if drawn {
                self.smooth
            } else {
                corrected
            };
            value.corrected = round(shown);
            if capped || drawn {
                value.measured = round(value.corrected * (AIR_O2 - now.oxygen) / (AIR_O2 - REFERENCE_O2));
            }
        }
        now
    }

    /// Production follows the load, treatment runs as long as it does.
    fn power(&mut self, load: f64, on: bool) -> [f64; 2] {
        let runs = load > 0.1 && !(on && self.plant == Plant::TreatmentOff);
        let treatment = if runs { 0.4 } else { 0.01 };
        [0.24 * load, treatment].map(|power| round(power * (1.0 + 0.02 * self.chance.normal())))
    }

    fn flag(&self, minute: i64, on: bool, stopped: bool) -> Flag {
        if stopped || (on && self.plant == Plant::RunsWhileStopped) {
            Flag::Stopped
        } else if within(&self.calibrations, minute) {
            Flag::Calibration
        } else {
            Flag::Normal
        }
    }

    /// True level at the reference oxygen, with noise and upsets.
    fn level(&mut self, place: usize, minute: i64, load: f64) -> f64 {
        let upset = self
            .upsets
            .iter()
            .find(|&&((from, to), which, ..)| which == place && (from..to).contains(&minute));
        let (aim, lag) = upset.map_or((1.0, 5.0), |&(_, _, times, lag)| (times, lag));
        self.lift[place] += (aim - self.lift[place]) / lag;
        let step = self.noise * (1.0 - CORRELATION * CORRELATION).sqrt();
        self.deviation[place] = CORRELATION * self.deviation[place] + step * self.chance.normal();
        let capped = place == 0 && self.plant == Plant::Cap && (self.on.0..self.on.1).contains(&minute);
        // Behind a cap the true level is above the limit half of the time.
        let base = if capped {
            POLLUTANTS[place].1
        } else {
            self.base[place] * load
        };
        base * self.lift[place] * (1.0 + self.deviation[place])
    }

    /// What the instrument shows of it.
    fn shown(&mut self, place: usize, measured: f64, on: bool) -> f64 {
        let clean = measured + 0.05 * self.chance.normal();
        if place != 0 || !on {
            if place == 0 {
                self.held = None;
            }
            return clean;
        }
        match self.plant {
            Plant::Zero => 0.0,
            Plant::Negative => -8.0 + 0.2 * self.chance.normal(),
            Plant::OverRange => 210.0,
            Plant::Jump => clean + 15.0,
            Plant::UnitSlip => clean / 2.8601,
            Plant::Stuck => *self.held.get_or_insert(clean),
            _ => clean,
        }
    }
}

/// Two digits, as loggers send.
pub(super) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The code of a pollutant.
pub(super) fn code(place: usize) -> Option<FactorCode> {
    FactorCode::new(POLLUTANTS.get(place)?.0).ok()
}
