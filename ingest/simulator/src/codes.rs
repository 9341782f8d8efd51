//! The factors of a stack that plants and dialects name in code (HJ 212-2017 table B.2, HJ/T 212-2005).

use plume_schemas::ids::FactorCode;

/// Dry standard-state exhaust gas flow.
pub(crate) const FLOW: &str = "a00000";
/// Flue gas velocity.
pub(crate) const VELOCITY: &str = "a01011";
/// Flue gas temperature.
pub(crate) const TEMPERATURE: &str = "a01012";
/// Static pressure of the flue gas.
pub(crate) const PRESSURE: &str = "a01013";
/// Moisture of the flue gas.
pub(crate) const MOISTURE: &str = "a01014";
/// Oxygen.
pub(crate) const OXYGEN: &str = "a19001";
/// Sulphur dioxide.
pub(crate) const SO2: &str = "a21026";
/// Nitrogen oxides as NO2.
pub(crate) const NOX: &str = "a21002";
/// Carbon monoxide.
pub(crate) const CO: &str = "a21005";
/// Hydrogen chloride.
pub(crate) const HCL: &str = "a21024";
/// Hydrogen fluoride.
pub(crate) const HF: &str = "a21018";
/// Particulate matter.
pub(crate) const PM: &str = "a34013";

/// The 2005 code of a factor, where that standard has one.
const CODES_2005: &[(&str, &str)] = &[
    (FLOW, "B02"),
    (VELOCITY, "S02"),
    (TEMPERATURE, "S03"),
    (PRESSURE, "S08"),
    (MOISTURE, "S05"),
    (OXYGEN, "S01"),
    (SO2, "02"),
    (NOX, "03"),
    (CO, "04"),
    (HCL, "08"),
    (HF, "06"),
    (PM, "01"),
];

/// A code of the table above as the newtype. All of them are valid names (a test says so), so the default never
/// shows.
pub(crate) fn factor(code: &str) -> FactorCode {
    FactorCode::new(code).unwrap_or_default()
}

/// How a device of the 2005 dialect names a factor: its two- or three-character code, else the 2017 code (seen in the
/// field).
pub(crate) fn code_2005(factor: FactorCode) -> FactorCode {
    CODES_2005
        .iter()
        .find(|(new, _)| *new == factor.as_str())
        .map_or(factor, |(_, old)| self::factor(old))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_a_valid_name() {
        for (new, old) in CODES_2005 {
            assert_eq!(factor(new).as_str(), *new);
            assert_eq!(code_2005(factor(new)).as_str(), *old);
        }
        assert_eq!(code_2005(factor("a24088")).as_str(), "a24088");
    }
}
