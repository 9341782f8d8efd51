//! The state of the gas in the stack, and what it makes of a concentration, an oxygen, a flow.

use plume_schemas::formulas::{self, FormulaError, StackState};
use plume_schemas::units::{Quantity, Unit};
use serde::Deserialize;

use super::map::GasState;

/// What is fixed about a stack, or stands in for an instrument that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackSetup {
    /// F, cross-section, m²: the flow is computed from the velocity.
    pub area_m2: Option<f64>,
    /// Kv, velocity-field factor; the velocity is that of the point where it is missing.
    pub field_factor: Option<f64>,
    /// Ba, atmospheric pressure, kPa, where no register gives it.
    pub atmospheric_kpa: Option<f64>,
    /// Xsw, moisture, percent, where no register gives it.
    pub moisture_pct: Option<f64>,
    /// ts, °C, where no register gives it.
    pub temperature_c: Option<f64>,
    /// Ps, static pressure, kPa, where no register gives it.
    pub static_kpa: Option<f64>,
}

impl StackSetup {
    /// Checks ranges. Errors: the key, and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (key, value, low, high) in [
            ("area_m2", self.area_m2, 0.01, 1000.0),
            ("field_factor", self.field_factor, 0.1, 3.0),
            ("atmospheric_kpa", self.atmospheric_kpa, 50.0, 110.0),
            ("moisture_pct", self.moisture_pct, 0.0, 60.0),
            ("temperature_c", self.temperature_c, -50.0, 1500.0),
            ("static_kpa", self.static_kpa, -20.0, 20.0),
        ] {
            if value.is_some_and(|value| !(low..=high).contains(&value)) {
                return Err((key, format!("must be {low} to {high}")));
            }
        }
        Ok(())
    }
}

/// The gas as one round found it; `None` is not known, or measured by an instrument that says it is not well.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Gas {
    /// °C.
    pub temperature_c: Option<f64>,
    /// Pa.
    pub atmospheric_pa: Option<f64>,
    /// Pa.
    pub static_pa: Option<f64>,
    /// Fraction.
    pub moisture: Option<f64>,
}

impl Gas {
    /// What formulas (18) and (31) need; `None` where something of it is not known.
    fn state(self, with_moisture: bool) -> Option<StackState> {
        Some(StackState {
            temperature_c: self.temperature_c?,
            atmospheric_pa: self.atmospheric_pa?,
            static_pa: self.static_pa?,
            moisture: if with_moisture { self.moisture? } else { 0.0 },
        })
    }

    /// A mass concentration as dry and standard, same unit, formulas (18) and (19). A volume ratio does not know
    /// temperature or pressure, so only its water is taken out.
    ///
    /// `None` where an input is missing. Error: the formula has no answer.
    pub fn dry_standard(self, value: f64, unit: Unit, state: GasState) -> Option<Result<f64, FormulaError>> {
        let by_volume = matches!(unit.quantity(), Quantity::VolumeRatio) || unit == Unit::Percent;
        let (wet, actual) = match state {
            GasState::DryStandard => (false, false),
            GasState::WetStandard => (true, false),
            GasState::DryActual => (false, !by_volume),
            GasState::WetActual => (true, !by_volume),
        };
        let moisture = if wet { Some(self.moisture?) } else { None };
        let standard = if actual {
            formulas::standard_state(value, self.state(false)?)
        } else {
            Ok(value)
        };
        Some(match moisture {
            Some(moisture) => standard.and_then(|wet| formulas::wet_to_dry(wet, moisture)),
            None => standard,
        })
    }

    /// A flow as dry and standard, same unit, formula (31).
    pub fn dry_standard_flow(self, value: f64, state: GasState) -> Option<Result<f64, FormulaError>> {
        let normal = StackState {
            temperature_c: 0.0,
            atmospheric_pa: formulas::STANDARD_PRESSURE_PA,
            static_pa: 0.0,
            moisture: 0.0,
        };
        let state = match state {
            GasState::DryStandard => normal,
            GasState::WetStandard => StackState {
                moisture: self.moisture?,
                ..normal
            },
            GasState::DryActual => self.state(false)?,
            GasState::WetActual => self.state(true)?,
        };
        Some(formulas::dry_standard_flow(value, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAS: Gas = Gas {
        temperature_c: Some(136.5),
        atmospheric_pa: Some(101_325.0),
        static_pa: Some(0.0),
        moisture: Some(0.1),
    };

    #[track_caller]
    fn near(found: Option<Result<f64, FormulaError>>, expected: f64) {
        let found = found.unwrap().unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn each_state_to_dry_standard() {
        let mg = |state| GAS.dry_standard(18.0, Unit::MgPerM3, state);
        near(mg(GasState::DryStandard), 18.0);
        near(mg(GasState::WetStandard), 20.0);
        near(mg(GasState::DryActual), 27.0);
        near(mg(GasState::WetActual), 30.0);
        near(GAS.dry_standard(18.0, Unit::Ppm, GasState::WetActual), 20.0);
        near(GAS.dry_standard(18.0, Unit::Percent, GasState::WetActual), 20.0);
        near(GAS.dry_standard_flow(300.0, GasState::WetActual), 180.0);
        near(GAS.dry_standard_flow(300.0, GasState::WetStandard), 270.0);
    }

    #[test]
    fn nothing_is_guessed() {
        let dry = Gas { moisture: None, ..GAS };
        assert_eq!(dry.dry_standard(1.0, Unit::MgPerM3, GasState::WetStandard), None);
        assert!(dry.dry_standard(1.0, Unit::MgPerM3, GasState::DryActual).is_some());
        assert_eq!(
            Gas::default().dry_standard(1.0, Unit::MgPerM3, GasState::DryActual),
            None
        );
        let soaked = Gas {
            moisture: Some(1.0),
            ..GAS
        };
        assert!(
            soaked
                .dry_standard(1.0, Unit::Percent, GasState::WetActual)
                .unwrap()
                .is_err()
        );
    }
}
