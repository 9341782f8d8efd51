//! What a plant is: load, stack, pollutants with their abatement, analysers. Presets are typical, not of any real
//! site.

use plume_schemas::ids::FactorCode;
use plume_schemas::time::{Span, Time};

use super::fault::Fault;
use crate::codes::{self, factor};

/// A plant with one stack.
#[derive(Clone, Debug, PartialEq)]
pub struct PlantSpec {
    /// Its name, for log lines.
    pub name: String,
    /// The first moment it can be asked about. Nothing before it is known; the noise starts in its steady state
    /// there.
    pub origin: Time,
    /// How the plant is loaded.
    pub load: LoadSpec,
    /// The stack and its gas.
    pub stack: StackSpec,
    /// What is emitted.
    pub pollutants: Vec<PollutantSpec>,
    /// What is measured, in the order sent.
    pub analysers: Vec<AnalyserSpec>,
    /// True rises of emissions.
    pub upsets: Vec<Upset>,
    /// Faults of analysers, line and logger.
    pub faults: Vec<Fault>,
}

/// Load over the day, as a share of full load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadSpec {
    /// Mean over the day.
    pub mean: f64,
    /// Half the swing between day and night.
    pub swing: f64,
    /// Hour of the day (Beijing) with the highest load.
    pub peak_hour: f64,
    /// Standard deviation of its slow noise.
    pub noise_sd: f64,
}

/// The stack and its gas at full load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StackSpec {
    /// Dry standard-state flow, m³/s.
    pub flow_m3_s: f64,
    /// Cross-section of the duct, m².
    pub area_m2: f64,
    /// Oxygen, percent, dry.
    pub o2_pct: f64,
    /// Rise of oxygen from full load to none, percent.
    pub o2_rise_pct: f64,
    /// Temperature, °C.
    pub temperature_c: f64,
    /// Static pressure, kPa, against ambient.
    pub static_pressure_kpa: f64,
    /// Moisture, percent by volume.
    pub moisture_pct: f64,
}

/// One pollutant and its abatement.
#[derive(Clone, Debug, PartialEq)]
pub struct PollutantSpec {
    /// Which.
    pub factor: FactorCode,
    /// Before abatement at mean load, dry standard state at the reference oxygen, mg/m³.
    pub inlet_mg_m3: f64,
    /// Change of the inlet concentration from no load to full, as a share.
    pub load_gain: f64,
    /// Share removed in normal running, 0 to 1.
    pub efficiency: f64,
    /// What the plant can do when told: more reagent, a second pump.
    pub reserve: Reserve,
    /// Standard deviation of the noise, as a share of the value. Its correlation after one minute is 0.9, as minute
    /// data of real stacks show.
    pub noise_share: f64,
    /// Oxygen to which the emission standard refers, percent; `None`: no correction applies.
    pub reference_o2_pct: Option<f64>,
}

/// What acting achieves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reserve {
    /// Share removed when the reserve is on.
    pub efficiency: f64,
    /// Until the first effect, seconds: walking, valves, transport.
    pub dead_time_s: f64,
    /// Time constant of the effect, seconds.
    pub lag_s: f64,
}

/// A true rise of emissions: abatement falls to a lower efficiency.
#[derive(Clone, Debug, PartialEq)]
pub struct Upset {
    /// Which pollutant.
    pub factor: FactorCode,
    /// From when to when.
    pub span: Span,
    /// Share still removed.
    pub efficiency: f64,
    /// Time constant of the fall, seconds.
    pub lag_s: f64,
}

/// One analyser.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalyserSpec {
    /// What it measures.
    pub factor: FactorCode,
    /// Upper end of its range, in the factor's unit.
    pub full_scale: f64,
    /// Digits behind the point it shows.
    pub decimals: u8,
    /// Standard deviation of its own white noise, in the factor's unit.
    pub noise_sd: f64,
    /// Time constant of its response, seconds.
    pub response_s: f64,
    /// Shares the sampling line, so that a leak reaches it.
    pub extractive: bool,
}

impl AnalyserSpec {
    fn gas(code: &str, full_scale: f64, noise_sd: f64) -> Self {
        Self {
            factor: factor(code),
            full_scale,
            decimals: 2,
            noise_sd,
            response_s: 40.0,
            extractive: true,
        }
    }

    fn in_stack(code: &str, full_scale: f64, decimals: u8, noise_sd: f64) -> Self {
        Self {
            factor: factor(code),
            full_scale,
            decimals,
            noise_sd,
            response_s: 10.0,
            extractive: false,
        }
    }
}

impl PollutantSpec {
    fn abated(code: &str, inlet_mg_m3: f64, efficiency: f64, reference_o2_pct: f64) -> Self {
        Self {
            factor: factor(code),
            inlet_mg_m3,
            load_gain: 0.1,
            efficiency,
            reserve: Reserve {
                efficiency: 1.0 - (1.0 - efficiency) * 0.7,
                dead_time_s: 120.0,
                lag_s: 300.0,
            },
            noise_share: 0.04,
            reference_o2_pct: Some(reference_o2_pct),
        }
    }
}

impl PlantSpec {
    /// A 330 MW-class coal boiler with wet desulphurisation, SCR and wet electrostatic precipitation, well inside the
    /// ultra-low limits (SO₂ 35, NOx 50, PM 10 mg/m³ at 6 % O₂): SO₂ near 24, NOx near 38, PM near 2.5.
    pub fn coal_boiler(name: &str, origin: Time) -> Self {
        Self {
            name: name.to_owned(),
            origin,
            load: LoadSpec {
                mean: 0.78,
                swing: 0.12,
                peak_hour: 14.0,
                noise_sd: 0.01,
            },
            stack: StackSpec {
                flow_m3_s: 260.0,
                area_m2: 28.0,
                o2_pct: 5.6,
                o2_rise_pct: 4.0,
                temperature_c: 52.0,
                static_pressure_kpa: -0.12,
                moisture_pct: 12.5,
            },
            pollutants: vec![
                PollutantSpec {
                    noise_share: 0.06,
                    ..PollutantSpec::abated(codes::PM, 2_000.0, 0.998_75, 6.0)
                },
                PollutantSpec::abated(codes::SO2, 2_000.0, 0.988, 6.0),
                PollutantSpec::abated(codes::NOX, 300.0, 0.873, 6.0),
            ],
            analysers: vec![
                AnalyserSpec {
                    response_s: 20.0,
                    ..AnalyserSpec::in_stack(codes::PM, 20.0, 2, 0.03)
                },
                AnalyserSpec::gas(codes::SO2, 200.0, 0.15),
                AnalyserSpec::gas(codes::NOX, 200.0, 0.2),
                AnalyserSpec::gas(codes::OXYGEN, 25.0, 0.02),
                AnalyserSpec::in_stack(codes::VELOCITY, 40.0, 2, 0.06),
                AnalyserSpec::in_stack(codes::TEMPERATURE, 300.0, 1, 0.1),
                AnalyserSpec::in_stack(codes::PRESSURE, 5.0, 3, 0.003),
                AnalyserSpec::in_stack(codes::MOISTURE, 40.0, 2, 0.05),
                AnalyserSpec::in_stack(codes::FLOW, 600.0, 1, 0.4),
            ],
            upsets: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// A grate incinerator with five abated pollutants beside CO: its minute packets do not fit one frame and are
    /// split.
    pub fn incinerator(name: &str, origin: Time) -> Self {
        let boiler = Self::coal_boiler(name, origin);
        let mut spec = Self {
            load: LoadSpec {
                mean: 0.93,
                swing: 0.03,
                ..boiler.load
            },
            stack: StackSpec {
                flow_m3_s: 26.0,
                area_m2: 3.2,
                o2_pct: 8.4,
                temperature_c: 148.0,
                moisture_pct: 19.0,
                ..boiler.stack
            },
            pollutants: vec![
                PollutantSpec::abated(codes::PM, 4_000.0, 0.999_2, 11.0),
                PollutantSpec::abated(codes::SO2, 400.0, 0.93, 11.0),
                PollutantSpec::abated(codes::NOX, 320.0, 0.52, 11.0),
                PollutantSpec::abated(codes::HCL, 900.0, 0.99, 11.0),
                PollutantSpec::abated(codes::HF, 8.0, 0.93, 11.0),
                PollutantSpec {
                    noise_share: 0.25,
                    ..PollutantSpec::abated(codes::CO, 14.0, 0.0, 11.0)
                },
            ],
            ..boiler
        };
        spec.analysers.extend([
            AnalyserSpec::gas(codes::HCL, 90.0, 0.1),
            AnalyserSpec::gas(codes::HF, 10.0, 0.01),
            AnalyserSpec::gas(codes::CO, 300.0, 0.2),
        ]);
        for analyser in &mut spec.analysers {
            if analyser.factor.as_str() == codes::NOX {
                analyser.full_scale = 400.0;
            }
        }
        spec
    }

    /// How a pollutant is specified.
    pub fn pollutant(&self, factor: FactorCode) -> Option<&PollutantSpec> {
        self.pollutants.iter().find(|pollutant| pollutant.factor == factor)
    }

    /// How a pollutant is specified, to change it.
    pub fn pollutant_mut(&mut self, factor: FactorCode) -> Option<&mut PollutantSpec> {
        self.pollutants.iter_mut().find(|pollutant| pollutant.factor == factor)
    }
}
