//! What the instruments show of the truth: a lag, their own noise, a last digit, and faults.

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::FactorCode;
use plume_schemas::reading::Flag;
use plume_schemas::time::{HOUR_MS, Time};

use super::SAMPLE_STEP_S;
use super::fault::{Fault, FaultKind};
use super::process::Truth;
use super::spec::{AnalyserSpec, PlantSpec};
use crate::chance::Chance;
use crate::codes;

/// Oxygen of dry air as an analyser sees it, percent.
const DRY_AIR_O2_PCT: f64 = 20.9;
/// Span gas stands at this share of full scale.
const SPAN_GAS_SHARE: f64 = 0.8;

/// One instrument's reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channel {
    /// Of what.
    pub factor: FactorCode,
    /// As shown, with the instrument's digits.
    pub value: Decimal,
    /// As the device flags it.
    pub flag: Flag,
}

/// All instruments of a plant.
#[derive(Clone, Debug)]
pub(crate) struct Analysers(Vec<Analyser>);

#[derive(Clone, Debug)]
struct Analyser {
    noise: Chance,
    level: Option<f64>,
    shown: Decimal,
    held: Option<Decimal>,
}

impl Analysers {
    pub(crate) fn new(spec: &PlantSpec, seed: u64) -> Self {
        Self(
            (1_000_u64..)
                .zip(&spec.analysers)
                .map(|(stream, analyser)| Analyser {
                    noise: Chance::new(seed, stream),
                    level: None,
                    shown: Decimal {
                        mantissa: 0,
                        scale: analyser.decimals,
                    },
                    held: None,
                })
                .collect(),
        )
    }

    /// What they all show at `at`.
    pub(crate) fn step(&mut self, spec: &PlantSpec, truth: &Truth, at: Time) -> Vec<Channel> {
        self.0
            .iter_mut()
            .zip(&spec.analysers)
            .filter_map(|(analyser, own)| analyser.step(own, &spec.faults, truth, at))
            .collect()
    }
}

impl Analyser {
    fn step(&mut self, spec: &AnalyserSpec, faults: &[Fault], truth: &Truth, at: Time) -> Option<Channel> {
        let active: Vec<&Fault> = faults.iter().filter(|fault| fault.hits(spec.factor, at)).collect();
        let seen = active.iter().fold(truth.value(spec.factor)?, |value, fault| {
            in_the_line(spec, fault, value)
        });
        let level = self.level.get_or_insert(seen);
        *level += (seen - *level) * (1.0 - (-SAMPLE_STEP_S / spec.response_s.max(1.0)).exp());
        let noise = spec.noise_sd * self.noise.normal();
        let clean = *level + noise;
        let value = active
            .iter()
            .fold(clean, |value, fault| at_the_detector(spec, fault, value, noise, at));
        let stuck = active.iter().any(|fault| fault.kind == FaultKind::Stuck);
        self.shown = self.show(spec, value, stuck);
        Some(Channel {
            factor: spec.factor,
            value: self.shown,
            flag: active.iter().find_map(|fault| fault.flag).unwrap_or(Flag::Normal),
        })
    }

    /// The display: rounded, saturated at the end of the range, or held where it stuck.
    fn show(&mut self, spec: &AnalyserSpec, value: f64, stuck: bool) -> Decimal {
        let live = Decimal::from_f64(value.min(spec.full_scale), spec.decimals).unwrap_or(self.shown);
        if !stuck {
            self.held = None;
            return live;
        }
        *self.held.get_or_insert(live)
    }
}

/// Faults before the instrument: what is in the sampling line.
fn in_the_line(spec: &AnalyserSpec, fault: &Fault, value: f64) -> f64 {
    match fault.kind {
        FaultKind::Leak { air_fraction } if spec.extractive => {
            let air = if spec.factor.as_str() == codes::OXYGEN {
                DRY_AIR_O2_PCT
            } else {
                0.0
            };
            value * (1.0 - air_fraction) + air * air_fraction
        }
        _ => value,
    }
}

/// Faults of the instrument itself.
fn at_the_detector(spec: &AnalyserSpec, fault: &Fault, value: f64, noise: f64, at: Time) -> f64 {
    match fault.kind {
        FaultKind::Drift { per_hour } => value + per_hour * at.since(fault.span.start) as f64 / HOUR_MS as f64,
        FaultKind::Spike { height } => value + height,
        FaultKind::Zero => 0.0,
        FaultKind::Negative { depth } => noise - depth,
        FaultKind::OverRange => spec.full_scale,
        FaultKind::Calibration => {
            let half = fault.span.end.since(fault.span.start) / 2;
            let span_gas = at.since(fault.span.start) >= half;
            noise
                + if span_gas {
                    SPAN_GAS_SHARE * spec.full_scale
                } else {
                    0.0
                }
        }
        FaultKind::Stuck
        | FaultKind::Leak { .. }
        | FaultKind::LinkDown
        | FaultKind::PowerOff
        | FaultKind::ClockSkew { .. } => value,
    }
}
