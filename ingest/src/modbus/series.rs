//! What is reported of a device: its factors as given, as dry and standard, and what follows from them.

use plume_schemas::factors::Catalogue;
use plume_schemas::formulas;
use plume_schemas::ids::FactorCode;
use plume_schemas::reading::{Basis, Flag};
use plume_schemas::units::{Quantity, Unit};

use super::decode::Snapshot;
use super::map::{GasState, Model, Register};
use super::stack::{Gas, StackSetup};

const FLOW: &str = "a00000";
const ATMOSPHERE: &str = "a01006";
const VELOCITY: &str = "a01011";
const TEMPERATURE: &str = "a01012";
const STATIC_PRESSURE: &str = "a01013";
const MOISTURE: &str = "a01014";
/// Oxygen, which corrects the others.
pub const OXYGEN: &str = "a19001";
const NOX: &str = "a21002";
const NO: &str = "a21003";
const NO2: &str = "a21004";
/// Digits kept of what plume computes.
const COMPUTED_DECIMALS: u8 = 3;

/// One series of a device: a factor on a basis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Series {
    /// Of what.
    pub factor: FactorCode,
    /// As given at the stack, or dry and standard.
    pub basis: Basis,
    /// In the catalogue's unit.
    pub unit: Unit,
    /// Digits kept.
    pub decimals: u8,
    source: Source,
}

/// What a series is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    /// A register, its unit converted.
    Given(usize),
    /// A gas made dry and standard.
    Dry(usize),
    /// A flow made dry and standard.
    Flow(usize),
    /// The velocity of the gas from that of the point, formula (29).
    Velocity(usize),
    /// The flow from the velocity and the cross-section, formulas (30) and (31).
    FlowOfVelocity(usize),
    /// NOx as NO2 from NO and, where there is one, NO2: formulas (21) and (22).
    Nitrogen(usize, Option<usize>),
}

/// One sample of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The value; none where it is missing or cannot be computed.
    pub value: Option<f64>,
    /// Its flag.
    pub flag: Flag,
}

/// All series of a device.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesList {
    /// In the order of the map, derived ones behind.
    pub list: Vec<Series>,
    setup: StackSetup,
    gas: GasPlaces,
    molar_masses: Vec<Option<f64>>,
}

/// Registers that say how the gas is.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
struct GasPlaces {
    temperature: Option<usize>,
    atmosphere: Option<usize>,
    static_pressure: Option<usize>,
    moisture: Option<usize>,
}

impl SeriesList {
    /// The series of a model at a stack.
    pub fn new(model: &Model, setup: StackSetup, catalogue: &Catalogue) -> Self {
        let mut list = Vec::new();
        for (place, register) in model.registers.iter().enumerate() {
            if let Some(factor) = register.factor {
                let unit = catalogue.unit(factor).unwrap_or(register.unit);
                add(&mut list, (place, register), (factor, unit), setup);
            }
        }
        let of = |code: &str| {
            let is = |register: &Register| register.factor.is_some_and(|factor| factor.as_str() == code);
            model.registers.iter().position(is)
        };
        let computed = |code: &str, source| {
            let factor = FactorCode::new(code).ok()?;
            Some(Series {
                factor,
                basis: Basis::Standard,
                unit: catalogue.unit(factor)?,
                decimals: COMPUTED_DECIMALS,
                source,
            })
        };
        if let (None, Some(no)) = (of(NOX), of(NO)) {
            list.extend(computed(NOX, Source::Nitrogen(no, of(NO2))));
        }
        if let (None, Some(velocity), Some(_)) = (of(FLOW), of(VELOCITY), setup.area_m2) {
            list.extend(computed(FLOW, Source::FlowOfVelocity(velocity)));
        }
        let mass = |register: &Register| catalogue.get(register.factor?)?.molar_mass_g_mol;
        Self {
            list,
            setup,
            gas: GasPlaces {
                temperature: of(TEMPERATURE),
                atmosphere: of(ATMOSPHERE),
                static_pressure: of(STATIC_PRESSURE),
                moisture: of(MOISTURE),
            },
            molar_masses: model.registers.iter().map(mass).collect(),
        }
    }

    /// The sample of each series in a round.
    pub fn points(&self, model: &Model, round: &Snapshot) -> Vec<Point> {
        let view = View {
            list: self,
            model,
            round,
            gas: self.gas(model, round),
        };
        self.list.iter().map(|series| view.point(series)).collect()
    }

    /// The gas, as far as its instruments are well or the setup stands in for one that is not there.
    fn gas(&self, model: &Model, round: &Snapshot) -> Gas {
        let measured = |place: Option<usize>, unit: Unit, fixed: Option<f64>| match place {
            None => fixed,
            Some(place) => {
                let cell = round.cells.get(place).filter(|cell| cell.flag == Flag::Normal)?;
                model
                    .registers
                    .get(place)?
                    .unit
                    .convert(cell.number()?, unit, None)
                    .ok()
            }
        };
        let pascal = |kpa: Option<f64>| kpa.map(|kpa| kpa * 1000.0);
        let percent = measured(self.gas.moisture, Unit::Percent, self.setup.moisture_pct);
        Gas {
            temperature_c: measured(self.gas.temperature, Unit::Celsius, self.setup.temperature_c),
            atmospheric_pa: measured(self.gas.atmosphere, Unit::Pa, pascal(self.setup.atmospheric_kpa)),
            static_pa: measured(self.gas.static_pressure, Unit::Pa, pascal(self.setup.static_kpa)),
            moisture: percent.map(|percent| percent / 100.0),
        }
    }
}

/// The series one register gives: as it is, and as dry and standard where that is something else.
fn add(
    list: &mut Vec<Series>,
    (place, register): (usize, &Register),
    (factor, unit): (FactorCode, Unit),
    setup: StackSetup,
) {
    let mut push = |basis, source| {
        list.push(Series {
            factor,
            basis,
            unit,
            decimals: register.decimals,
            source,
        });
    };
    let code = factor.as_str();
    let gas = matches!(
        register.unit.quantity(),
        Quantity::GasConcentration | Quantity::VolumeRatio
    ) || code == OXYGEN;
    let to_do = register.state != GasState::DryStandard;
    match () {
        () if to_do && code == FLOW => {
            push(Basis::Raw, Source::Given(place));
            push(Basis::Standard, Source::Flow(place));
        }
        () if to_do && gas => {
            push(Basis::Raw, Source::Given(place));
            push(Basis::Standard, Source::Dry(place));
        }
        () if code == VELOCITY && setup.field_factor.is_some() => {
            push(Basis::Raw, Source::Given(place));
            push(Basis::Standard, Source::Velocity(place));
        }
        () => push(Basis::Standard, Source::Given(place)),
    }
}

/// One round, looked at by series.
struct View<'a> {
    list: &'a SeriesList,
    model: &'a Model,
    round: &'a Snapshot,
    gas: Gas,
}

/// A value with the flag of what it was made of.
type Made = Option<(f64, Flag)>;

impl View<'_> {
    fn point(&self, series: &Series) -> Point {
        let made = match series.source {
            Source::Given(place) => self.given(place, series.unit),
            Source::Dry(place) => self.dry(place, series.unit),
            Source::Flow(place) => self.flow(place, series.unit),
            Source::Velocity(place) => self.velocity(place),
            Source::FlowOfVelocity(place) => self.flow_of_velocity(place, series.unit),
            Source::Nitrogen(no, no2) => self.nitrogen(no, no2),
        };
        let place = match series.source {
            Source::Given(place)
            | Source::Dry(place)
            | Source::Flow(place)
            | Source::Velocity(place)
            | Source::FlowOfVelocity(place)
            | Source::Nitrogen(place, _) => place,
        };
        match made {
            Some((value, flag)) if value.is_finite() => Point {
                value: Some(value),
                flag,
            },
            _ => Point {
                value: None,
                flag: self.why_none(place),
            },
        }
    }

    /// The flag of what cannot be computed: that of the value itself, else an input of it is at fault.
    fn why_none(&self, place: usize) -> Flag {
        let own = self.round.cells.get(place).map_or(Flag::LinkFault, |cell| cell.flag);
        if own == Flag::Normal { Flag::ConditionFault } else { own }
    }

    /// The number of a register, in a unit.
    fn given(&self, place: usize, unit: Unit) -> Made {
        let (cell, register) = (self.round.cells.get(place)?, self.model.registers.get(place)?);
        let mass = self.list.molar_masses.get(place).copied().flatten();
        let value = register.unit.convert(cell.number()?, unit, mass).ok()?;
        Some((value, cell.flag))
    }

    fn dry(&self, place: usize, unit: Unit) -> Made {
        let register = self.model.registers.get(place)?;
        let (value, flag) = self.given(place, unit)?;
        Some((self.gas.dry_standard(value, register.unit, register.state)?.ok()?, flag))
    }

    fn flow(&self, place: usize, unit: Unit) -> Made {
        let register = self.model.registers.get(place)?;
        let (value, flag) = self.given(place, unit)?;
        Some((self.gas.dry_standard_flow(value, register.state)?.ok()?, flag))
    }

    fn velocity(&self, place: usize) -> Made {
        let (value, flag) = self.given(place, Unit::MPerS)?;
        let factor = self.list.setup.field_factor.unwrap_or(1.0);
        Some((formulas::velocity(factor, value).ok()?, flag))
    }

    fn flow_of_velocity(&self, place: usize, unit: Unit) -> Made {
        let (velocity, flag) = self.velocity(place)?;
        let actual = formulas::actual_flow(self.list.setup.area_m2?, velocity).ok()?;
        let flow = self.gas.dry_standard_flow(actual, GasState::WetActual)?.ok()?;
        Some((Unit::M3PerH.convert(flow, unit, None).ok()?, flag))
    }

    fn nitrogen(&self, no: usize, no2: Option<usize>) -> Made {
        let (no, mut flag) = self.dry(no, Unit::MgPerM3)?;
        let no2 = match no2 {
            None => 0.0,
            Some(place) => {
                let (value, own) = self.dry(place, Unit::MgPerM3)?;
                if flag == Flag::Normal {
                    flag = own;
                }
                value
            }
        };
        Some((formulas::nox_as_no2(no, no2).ok()?, flag))
    }
}
