//! The formulas of HJ 212-2017 annex D.2, by their numbers there, in double precision.
//!
//! Each takes and gives the units named in its parameters and refuses what has no answer (a typed error, never an
//! infinity). Concentrations are means or samples alike. Oxygen is in percent, moisture a fraction, temperature in
//! °C, pressure in Pa.

/// Oxygen of air as the standard rounds it, percent. At and above it a corrected value does not exist.
pub const AIR_OXYGEN_PCT: f64 = 21.0;
/// Standard pressure, Pa.
pub const STANDARD_PRESSURE_PA: f64 = 101_325.0;
/// 0 °C in kelvin, as the standard rounds it.
pub const ZERO_CELSIUS_K: f64 = 273.0;
/// Litres of one mole of gas at standard state.
pub const MOLAR_VOLUME_L: f64 = 22.4;
/// Molar mass of NO2, g/mol (IUPAC abridged atomic weights: N 14.007, O 15.999).
pub const MOLAR_MASS_NO2: f64 = 46.005;
/// Molar mass of NO, g/mol.
pub const MOLAR_MASS_NO: f64 = 30.006;

/// Valid samples a minute mean needs (formula 23).
pub const SAMPLES_PER_MINUTE: usize = 12;
/// Valid minutes an hour mean needs (formula 24).
pub const MINUTES_PER_HOUR: usize = 45;
/// Valid hours a day mean needs (formula 25).
pub const HOURS_PER_DAY: usize = 20;

/// A formula has no answer for these inputs.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum FormulaError {
    /// Oxygen at or above that of air: formula (28) divides by zero or turns negative.
    #[error("oxygen is {oxygen_pct} %, the corrected value cannot be computed at or above {AIR_OXYGEN_PCT} %")]
    OxygenOfAir {
        /// The oxygen, percent.
        oxygen_pct: f64,
    },
    /// An input outside what it can be.
    #[error("{name} is {value}, expected {expected}")]
    Input {
        /// Which input, with its unit.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What it can be.
        expected: &'static str,
    },
    /// Too few valid values for a mean.
    #[error("{found} valid values, at least {least} are needed")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many there must be.
        least: usize,
    },
}

impl FormulaError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::OxygenOfAir { .. } => {
                "look for a leak, purge air or a stopped source; the measured value still stands".to_owned()
            }
            Self::Input { name, expected, .. } => format!("check the unit and the instrument of {name}: {expected}"),
            Self::TooFew { least, .. } => format!("wait for backfill until {least} values are there"),
        }
    }
}

/// The state of the gas in the stack, for formulas (18) and (31).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StackState {
    /// ts, °C.
    pub temperature_c: f64,
    /// Ba, atmospheric pressure, Pa.
    pub atmospheric_pa: f64,
    /// Ps, static pressure in the stack against the atmosphere, Pa; usually negative.
    pub static_pa: f64,
    /// Xsw, volume fraction of water vapour, 0 to below 1.
    pub moisture: f64,
}

impl StackState {
    /// Volume at standard state over volume in the stack: 273/(273+ts) · (Ba+Ps)/101325.
    fn contraction(self) -> Result<f64, FormulaError> {
        let kelvin = check(
            "temperature_c",
            ZERO_CELSIUS_K + self.temperature_c,
            "above -273 °C",
            |k| k > 0.0,
        )?;
        let pressure = check(
            "atmospheric_pa + static_pa",
            self.atmospheric_pa + self.static_pa,
            "above 0 Pa",
            |pa| pa > 0.0,
        )?;
        Ok(ZERO_CELSIUS_K / kelvin * pressure / STANDARD_PRESSURE_PA)
    }
}

fn check(
    name: &'static str,
    value: f64,
    expected: &'static str,
    valid: impl Fn(f64) -> bool,
) -> Result<f64, FormulaError> {
    if value.is_finite() && valid(value) {
        return Ok(value);
    }
    Err(FormulaError::Input { name, value, expected })
}

fn number(name: &'static str, value: f64) -> Result<f64, FormulaError> {
    check(name, value, "a finite number", |_| true)
}

/// A result that is a number: no formula gives an infinity, whatever it is fed.
fn answer(value: f64) -> Result<f64, FormulaError> {
    number("the result", value)
}

fn fraction_dry(moisture: f64) -> Result<f64, FormulaError> {
    check("moisture", moisture, "a fraction, 0 to below 1", |x| {
        (0.0..1.0).contains(&x)
    })
    .map(|x| 1.0 - x)
}

fn below_air(oxygen_pct: f64) -> Result<f64, FormulaError> {
    let oxygen_pct = number("oxygen_pct", oxygen_pct)?;
    if oxygen_pct >= AIR_OXYGEN_PCT {
        return Err(FormulaError::OxygenOfAir { oxygen_pct });
    }
    Ok(AIR_OXYGEN_PCT - oxygen_pct)
}

/// (18) From stack conditions to standard state (0 °C, 101325 Pa), wet or dry as before, mg/m³:
/// `Csn = Cs · 101325/(Ba+Ps) · (273+ts)/273`.
pub fn standard_state(actual_mg_m3: f64, stack: StackState) -> Result<f64, FormulaError> {
    answer(number("actual_mg_m3", actual_mg_m3)? / stack.contraction()?)
}

/// (19) From wet to dry, pollutants and oxygen alike, any unit: `Cdry = Cwet / (1 − Xsw)`.
pub fn wet_to_dry(wet: f64, moisture: f64) -> Result<f64, FormulaError> {
    answer(number("wet", wet)? / fraction_dry(moisture)?)
}

/// (20) From ppm to mg/m³ at standard state: `C = M/22.4 · Cv`, M in g/mol.
pub fn ppm_to_mg_m3(ppm: f64, molar_mass_g_mol: f64) -> Result<f64, FormulaError> {
    let molar_mass = check("molar_mass_g_mol", molar_mass_g_mol, "above 0 g/mol", |m| m > 0.0)?;
    answer(molar_mass / MOLAR_VOLUME_L * number("ppm", ppm)?)
}

/// (21) NOx as NO2 from mass concentrations, mg/m³: `CNOx = CNO · M(NO2)/M(NO) + CNO2`.
pub fn nox_as_no2(no_mg_m3: f64, no2_mg_m3: f64) -> Result<f64, FormulaError> {
    answer(number("no_mg_m3", no_mg_m3)? * (MOLAR_MASS_NO2 / MOLAR_MASS_NO) + number("no2_mg_m3", no2_mg_m3)?)
}

/// (22) NOx as NO2 in mg/m³ from ppm: `CNOx = (CNOv + CNO2v) · M(NO2)/22.4`.
pub fn nox_as_no2_from_ppm(no_ppm: f64, no2_ppm: f64) -> Result<f64, FormulaError> {
    ppm_to_mg_m3(number("no_ppm", no_ppm)? + number("no2_ppm", no2_ppm)?, MOLAR_MASS_NO2)
}

/// (23) to (25) The arithmetic mean of the valid values, any unit, where there are at least `least` of them (12
/// samples of a minute, 45 minutes of an hour, 20 hours of a day). Not weighted by flow.
pub fn mean_of_valid(values: &[f64], least: usize) -> Result<f64, FormulaError> {
    let found = values.len();
    if found < least.max(1) {
        return Err(FormulaError::TooFew { found, least });
    }
    let sum: f64 = values.iter().sum();
    answer(number("sum of values", sum)? / found as f64)
}

/// (27) Excess air ratio: `α = 21 / (21 − O2)`, of dry oxygen in percent. Error: oxygen at or above 21 %.
pub fn excess_air(oxygen_dry_pct: f64) -> Result<f64, FormulaError> {
    answer(AIR_OXYGEN_PCT / below_air(oxygen_dry_pct)?)
}

/// (26) Corrected by excess air, mg/m³: `Cz = Csn · α/αs`, αs the ratio the emission standard names.
pub fn corrected_by_excess_air(
    dry_standard_mg_m3: f64,
    oxygen_dry_pct: f64,
    reference_ratio: f64,
) -> Result<f64, FormulaError> {
    let reference = check("reference_ratio", reference_ratio, "a ratio of at least 1", |ratio| {
        ratio >= 1.0
    })?;
    answer(number("dry_standard_mg_m3", dry_standard_mg_m3)? * excess_air(oxygen_dry_pct)? / reference)
}

/// (28) Corrected to the reference oxygen, mg/m³: `Cz = Csn · (21 − O2s)/(21 − O2)`.
///
/// Without a reference oxygen in the emission standard the corrected value is the dry standard one; do not call this
/// then. Error: measured or reference oxygen at or above 21 %, where no corrected value exists.
pub fn corrected(dry_standard_mg_m3: f64, oxygen_dry_pct: f64, reference_o2_pct: f64) -> Result<f64, FormulaError> {
    let (measured, reference) = (below_air(oxygen_dry_pct)?, below_air(reference_o2_pct)?);
    answer(number("dry_standard_mg_m3", dry_standard_mg_m3)? * reference / measured)
}

/// (29) Velocity of the gas, m/s, from that at the measuring point: `Vs = Kv · Vp`, Kv the velocity-field factor.
pub fn velocity(field_factor: f64, point_m_s: f64) -> Result<f64, FormulaError> {
    let factor = check("field_factor", field_factor, "above 0", |k| k > 0.0)?;
    answer(factor * number("point_m_s", point_m_s)?)
}

/// (30) Flow in the stack, wet, at stack conditions, m³/h: `Qs = 3600 · F · Vs`.
pub fn actual_flow(area_m2: f64, velocity_m_s: f64) -> Result<f64, FormulaError> {
    let area = check("area_m2", area_m2, "above 0 m²", |area| area > 0.0)?;
    answer(3600.0 * area * number("velocity_m_s", velocity_m_s)?)
}

/// (31) Dry flow at standard state, m³/h: `Qsn = Qs · 273/(273+ts) · (Ba+Ps)/101325 · (1 − Xsw)`.
pub fn dry_standard_flow(actual_m3_h: f64, stack: StackState) -> Result<f64, FormulaError> {
    answer(number("actual_m3_h", actual_m3_h)? * stack.contraction()? * fraction_dry(stack.moisture)?)
}

/// (32) Flow of a day, m³: the sum of the dry standard flows of its valid hours, m³/h over one hour each.
pub fn day_flow(hours_m3: &[f64]) -> Result<f64, FormulaError> {
    number("hours_m3", hours_m3.iter().sum())
}

/// (33) Emission of an hour, kg/h: `Gh = C · Qsn · 10⁻⁶`, with the measured dry standard mean, not the corrected one.
pub fn hourly_emission(dry_standard_mg_m3: f64, dry_standard_m3_h: f64) -> Result<f64, FormulaError> {
    answer(number("dry_standard_mg_m3", dry_standard_mg_m3)? * number("dry_standard_m3_h", dry_standard_m3_h)? * 1e-6)
}

/// (34) Emission of a day, kg: the sum of its hourly emissions. The standard prints another 10⁻⁶ here, which its unit
/// contradicts.
pub fn day_emission(hours_kg: &[f64]) -> Result<f64, FormulaError> {
    number("hours_kg", hours_kg.iter().sum())
}

/// 超标倍数: `(value − limit) / limit`; 0.5 is half above. Exceeds means strictly greater, so 0 does not exceed.
pub fn exceed_ratio(value: f64, limit: f64) -> Result<f64, FormulaError> {
    let limit = check("limit", limit, "above 0", |limit| limit > 0.0)?;
    answer((number("value", value)? - limit) / limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STACK: StackState = StackState {
        temperature_c: 136.5,
        atmospheric_pa: 101_325.0,
        static_pa: 0.0,
        moisture: 0.1,
    };

    #[track_caller]
    fn near(found: Result<f64, FormulaError>, expected: f64, within: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() <= within, "{found} is not {expected}");
    }

    #[test]
    fn by_hand() {
        // At 136.5 °C the gas takes half as much room again.
        near(standard_state(20.0, STACK), 30.0, 1e-12);
        near(dry_standard_flow(300_000.0, STACK), 180_000.0, 1e-9);
        near(wet_to_dry(18.0, 0.1), 20.0, 1e-12);
        near(nox_as_no2(100.0, 0.0), 153.319, 1e-3);
        near(nox_as_no2_from_ppm(90.0, 10.0), 205.379, 1e-3);
        near(velocity(0.98, 12.0), 11.76, 1e-12);
        near(actual_flow(8.0, 12.5), 360_000.0, 1e-9);
        near(hourly_emission(35.0, 180_000.0), 6.3, 1e-12);
        near(day_emission(&[6.3; 24]), 151.2, 1e-9);
        near(day_flow(&[180_000.0; 24]), 4_320_000.0, 1e-9);
        near(exceed_ratio(52.5, 35.0), 0.5, 1e-12);
        near(mean_of_valid(&[10.0; 45], MINUTES_PER_HOUR), 10.0, 1e-12);
        near(corrected_by_excess_air(30.0, 9.0, 1.4), 37.5, 1e-12);
    }

    #[test]
    fn what_has_no_answer() {
        assert!(matches!(
            mean_of_valid(&[10.0; 44], MINUTES_PER_HOUR),
            Err(FormulaError::TooFew { found: 44, least: 45 })
        ));
        assert!(matches!(mean_of_valid(&[], 0), Err(FormulaError::TooFew { .. })));
        assert!(matches!(
            corrected(30.0, 9.0, 21.0),
            Err(FormulaError::OxygenOfAir { .. })
        ));
        let frozen = StackState {
            temperature_c: -273.0,
            ..STACK
        };
        for refused in [
            wet_to_dry(1.0, 1.0),
            wet_to_dry(1.0, -0.1),
            standard_state(1.0, frozen),
            standard_state(f64::NAN, STACK),
            exceed_ratio(1.0, 0.0),
            ppm_to_mg_m3(1.0, 0.0),
            actual_flow(0.0, 1.0),
            corrected(f64::INFINITY, 9.0, 6.0),
            corrected(1.0, f64::NAN, 6.0),
        ] {
            assert!(matches!(refused, Err(FormulaError::Input { .. })), "{refused:?}");
        }
    }

    proptest! {
        /// Both forms of the correction are one.
        #[test]
        fn oxygen_and_excess_air_agree(c in 0.0..1e4_f64, o2 in -1.0..20.9_f64, reference in 0.0..18.0_f64) {
            let by_oxygen = corrected(c, o2, reference).unwrap();
            let by_air = corrected_by_excess_air(c, o2, excess_air(reference).unwrap()).unwrap();
            prop_assert!((by_oxygen - by_air).abs() <= 1e-9 * by_oxygen.abs().max(1.0));
        }

        #[test]
        fn never_an_infinity(c in any::<f64>(), o2 in any::<f64>(), reference in any::<f64>()) {
            if let Ok(value) = corrected(c, o2, reference) {
                prop_assert!(value.is_finite());
            }
        }
    }
}
