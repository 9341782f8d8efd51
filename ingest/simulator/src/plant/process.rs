//! The plant itself: load, gas, emissions, what abatement and its reserve do. No analyser here: this is the truth.

use plume_schemas::ids::FactorCode;
use plume_schemas::time::{DAY_MS, Time};

use super::SAMPLE_STEP_S;
use super::spec::{PlantSpec, PollutantSpec};
use crate::chance::{Ar1, Chance};
use crate::codes;

/// Ambient pressure, kPa.
const AMBIENT_KPA: f64 = 101.0;
/// Standard pressure, kPa, and temperature, K (0 °C, 101325 Pa).
const STANDARD_KPA: f64 = 101.325;
const STANDARD_K: f64 = 273.0;
/// A boiler turns down no further than this share of full load.
const LEAST_LOAD: f64 = 0.3;
/// Oxygen of air by the standards' formula, percent.
pub(crate) const AIR_O2_PCT: f64 = 21.0;

/// What is really in the stack at one moment.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Truth {
    /// Share of full load.
    pub load: f64,
    /// Dry standard-state flow, m³/s.
    pub flow_m3_s: f64,
    /// Velocity at stack conditions, m/s.
    pub velocity_m_s: f64,
    /// Temperature, °C.
    pub temperature_c: f64,
    /// Static pressure, kPa.
    pub static_pressure_kpa: f64,
    /// Moisture, percent.
    pub moisture_pct: f64,
    /// Oxygen, percent, dry.
    pub o2_pct: f64,
    /// Each pollutant, dry standard state at the oxygen of the moment, mg/m³.
    pub pollutants: Vec<(FactorCode, f64)>,
}

impl Truth {
    /// The value an ideal analyser of `factor` would show.
    pub fn value(&self, factor: FactorCode) -> Option<f64> {
        Some(match factor.as_str() {
            codes::FLOW => self.flow_m3_s,
            codes::VELOCITY => self.velocity_m_s,
            codes::TEMPERATURE => self.temperature_c,
            codes::PRESSURE => self.static_pressure_kpa,
            codes::MOISTURE => self.moisture_pct,
            codes::OXYGEN => self.o2_pct,
            _ => return self.pollutants.iter().find(|(own, _)| *own == factor).map(|(_, v)| *v),
        })
    }
}

/// What the enterprise does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Switch the reserve of this pollutant's abatement on.
    DoseMore {
        /// Which pollutant.
        factor: FactorCode,
    },
    /// Bring the load down to this share (not below what the boiler can hold).
    ReduceLoad {
        /// Share of full load.
        to: f64,
    },
    /// Back to normal running.
    Normal,
}

/// The running process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    load_noise: Ar1,
    load_cap: f64,
    flow_noise: Ar1,
    o2_noise: Ar1,
    temperature_noise: Ar1,
    pressure_noise: Ar1,
    moisture_noise: Ar1,
    pollutants: Vec<Abated>,
}

#[derive(Clone, Debug)]
struct Abated {
    noise: Ar1,
    penetration: f64,
    dosed_at: Option<Time>,
}

impl Process {
    pub(crate) fn new(spec: &PlantSpec, seed: u64) -> Self {
        let noise = |stream, phi, sd| Ar1::new(phi, SAMPLE_STEP_S, sd, Chance::new(seed, stream));
        Self {
            load_noise: noise(1, 0.98, spec.load.noise_sd),
            load_cap: 1.0,
            flow_noise: noise(2, 0.9, 0.012),
            o2_noise: noise(3, 0.9, 0.16),
            temperature_noise: noise(4, 0.97, 1.2),
            pressure_noise: noise(5, 0.8, 0.02),
            moisture_noise: noise(6, 0.95, 0.3),
            pollutants: (100_u64..)
                .zip(&spec.pollutants)
                .map(|(stream, pollutant)| Abated {
                    noise: noise(stream, 0.9, pollutant.noise_share),
                    penetration: 1.0 - pollutant.efficiency,
                    dosed_at: None,
                })
                .collect(),
        }
    }

    /// The enterprise acts.
    pub(crate) fn act(&mut self, spec: &PlantSpec, action: Action, at: Time) {
        match action {
            Action::DoseMore { factor } => {
                for (abated, _) in self.of(spec, factor) {
                    abated.dosed_at.get_or_insert(at);
                }
            }
            Action::ReduceLoad { to } => self.load_cap = to.clamp(LEAST_LOAD, 1.0),
            Action::Normal => {
                self.load_cap = 1.0;
                for abated in &mut self.pollutants {
                    abated.dosed_at = None;
                }
            }
        }
    }

    fn of<'a>(
        &'a mut self,
        spec: &'a PlantSpec,
        factor: FactorCode,
    ) -> impl Iterator<Item = (&'a mut Abated, &'a PollutantSpec)> {
        self.pollutants
            .iter_mut()
            .zip(&spec.pollutants)
            .filter(move |(_, pollutant)| pollutant.factor == factor)
    }

    /// The stack one step later, at `at`.
    pub(crate) fn step(&mut self, spec: &PlantSpec, at: Time) -> Truth {
        let load = (daily_load(spec, at) + self.load_noise.step())
            .min(self.load_cap)
            .clamp(LEAST_LOAD, 1.05);
        let stack = &spec.stack;
        let flow_m3_s = stack.flow_m3_s * (0.2 + 0.8 * load) * (1.0 + self.flow_noise.step());
        let o2_pct =
            (stack.o2_pct + (1.0 - load) * stack.o2_rise_pct + self.o2_noise.step()).clamp(0.5, AIR_O2_PCT - 0.1);
        let temperature_c = stack.temperature_c - (1.0 - load) * 12.0 + self.temperature_noise.step();
        let static_pressure_kpa = stack.static_pressure_kpa * load + self.pressure_noise.step();
        let moisture_pct = (stack.moisture_pct + self.moisture_noise.step()).clamp(0.5, 60.0);
        // Formula (31) of annex D backwards: from dry standard flow to what the probe meets in the duct.
        let actual_flow = flow_m3_s
            / (STANDARD_K / (STANDARD_K + temperature_c))
            / ((AMBIENT_KPA + static_pressure_kpa) / STANDARD_KPA)
            / (1.0 - moisture_pct / 100.0);
        let pollutants = self
            .pollutants
            .iter_mut()
            .zip(&spec.pollutants)
            .map(|(abated, pollutant)| (pollutant.factor, abated.step(spec, pollutant, load, o2_pct, at)))
            .collect();
        Truth {
            load,
            flow_m3_s,
            velocity_m_s: actual_flow / stack.area_m2,
            temperature_c,
            static_pressure_kpa,
            moisture_pct,
            o2_pct,
            pollutants,
        }
    }
}

/// Load of the time of day, before noise.
fn daily_load(spec: &PlantSpec, at: Time) -> f64 {
    let of_day = at.since(at.floor(DAY_MS)) as f64 / DAY_MS as f64;
    let phase = std::f64::consts::TAU * (of_day - spec.load.peak_hour / 24.0);
    spec.load.mean + spec.load.swing * phase.cos()
}

impl Abated {
    fn step(&mut self, spec: &PlantSpec, pollutant: &PollutantSpec, load: f64, o2_pct: f64, at: Time) -> f64 {
        let (target, lag_s) = self.target(spec, pollutant, at);
        self.penetration += (target - self.penetration) * (1.0 - (-SAMPLE_STEP_S / lag_s.max(1.0)).exp());
        let inlet = pollutant.inlet_mg_m3 * (1.0 + pollutant.load_gain * (load - spec.load.mean));
        // A log-normal factor keeps values positive; half the variance is taken off so that its mean is one.
        let share = pollutant.noise_share;
        let noise = (self.noise.step() - share * share / 2.0).exp();
        let at_reference = inlet * self.penetration * noise;
        match pollutant.reference_o2_pct {
            Some(reference) => at_reference * (AIR_O2_PCT - o2_pct) / (AIR_O2_PCT - reference),
            None => at_reference,
        }
    }

    /// Where penetration is heading and how fast.
    fn target(&self, spec: &PlantSpec, pollutant: &PollutantSpec, at: Time) -> (f64, f64) {
        let reserve = &pollutant.reserve;
        let dosed = self
            .dosed_at
            .is_some_and(|since| at.since(since) as f64 >= reserve.dead_time_s * 1_000.0);
        if dosed {
            return (1.0 - reserve.efficiency, reserve.lag_s);
        }
        spec.upsets
            .iter()
            .find(|upset| upset.factor == pollutant.factor && upset.span.contains(at))
            .map_or((1.0 - pollutant.efficiency, reserve.lag_s), |upset| {
                (1.0 - upset.efficiency, upset.lag_s)
            })
    }
}
