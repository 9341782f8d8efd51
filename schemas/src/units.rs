//! Units: a closed list with the symbols people read, and the conversions that are declared between them. Nothing
//! else converts.

use crate::formulas::{self, FormulaError};

crate::reading::closed! {
    /// A unit of a factor. The code is what stands in data files; the names are symbols.
    Unit {
        /// No unit: a number, a state, pH.
        One = 1, "-", "", "";
        /// Milligrams per cubic metre.
        MgPerM3 = 2, "mg/m3", "mg/m³", "mg/m³";
        /// Micrograms per cubic metre.
        UgPerM3 = 3, "ug/m3", "μg/m³", "µg/m³";
        /// Nanograms per cubic metre.
        NgPerM3 = 4, "ng/m3", "ng/m³", "ng/m³";
        /// Grams per cubic metre.
        GPerM3 = 5, "g/m3", "g/m³", "g/m³";
        /// Parts per million by volume.
        Ppm = 6, "ppm", "ppm", "ppm";
        /// Percent.
        Percent = 7, "%", "%", "%";
        /// Degrees Celsius.
        Celsius = 8, "degC", "℃", "°C";
        /// Pascal.
        Pa = 9, "Pa", "Pa", "Pa";
        /// Kilopascal.
        KPa = 10, "kPa", "kPa", "kPa";
        /// Megapascal (static pressure in 2005).
        MPa = 11, "MPa", "MPa", "MPa";
        /// Metres per second.
        MPerS = 12, "m/s", "m/s", "m/s";
        /// Cubic metres per second.
        M3PerS = 13, "m3/s", "m³/s", "m³/s";
        /// Cubic metres per hour.
        M3PerH = 14, "m3/h", "m³/h", "m³/h";
        /// Litres per second (waste water).
        LPerS = 15, "L/s", "L/s", "L/s";
        /// Cubic metres.
        M3 = 16, "m3", "m³", "m³";
        /// Square metres.
        M2 = 17, "m2", "m²", "m²";
        /// Tonnes.
        T = 18, "t", "t", "t";
        /// Kilograms.
        Kg = 19, "kg", "kg", "kg";
        /// Grams.
        G = 20, "g", "g", "g";
        /// Milligrams.
        Mg = 21, "mg", "mg", "mg";
        /// Kilograms per hour.
        KgPerH = 22, "kg/h", "kg/h", "kg/h";
        /// Milligrams per litre.
        MgPerL = 23, "mg/L", "mg/L", "mg/L";
        /// Micrograms per litre.
        UgPerL = 24, "ug/L", "μg/L", "µg/L";
        /// Nanograms per litre.
        NgPerL = 25, "ng/L", "ng/L", "ng/L";
        /// Kilograms per cubic metre (density of slurry).
        KgPerM3 = 26, "kg/m3", "kg/m³", "kg/m³";
        /// Decibel.
        Db = 27, "dB", "dB", "dB";
        /// Ampere.
        A = 28, "A", "A", "A";
        /// Volt.
        V = 29, "V", "V", "V";
        /// Kilowatt hours.
        KWh = 30, "kWh", "kWh", "kWh";
        /// Degrees of an angle.
        Degree = 31, "deg", "°", "°";
        /// Seconds.
        S = 32, "s", "秒", "s";
        /// Minutes.
        Min = 33, "min", "分钟", "min";
        /// Hours.
        H = 34, "h", "小时", "h";
        /// Revolutions per minute.
        RPerMin = 35, "r/min", "转/分", "r/min";
        /// Microsiemens per centimetre.
        USPerCm = 36, "uS/cm", "μS/cm", "µS/cm";
        /// Count per litre (bacteria).
        CountPerL = 37, "count/L", "个/L", "count/L";
        /// Becquerel per litre.
        BqPerL = 38, "Bq/L", "Bq/L", "Bq/L";
        /// Degrees of colour.
        DegreeColour = 39, "degree_colour", "度", "degrees";
        /// Tonnes per square kilometre and month (dustfall).
        TPerKm2Month = 40, "t/(km2*month)", "t/(km²·月)", "t/(km²·month)";
    }
}

crate::reading::closed! {
    /// What a unit measures. Units of one quantity convert into each other by a factor; the first one listed is the
    /// base.
    Quantity {
        /// Mass in a volume of gas; base mg/m³.
        GasConcentration = 1, "gas_concentration", "气体质量浓度", "mass concentration in gas";
        /// Volume in a volume of gas; base ppm. Percent of oxygen is not converted to ppm: nobody reads it so.
        VolumeRatio = 2, "volume_ratio", "体积比", "volume ratio";
        /// Mass in a volume of water; base mg/L.
        WaterConcentration = 3, "water_concentration", "水中质量浓度", "mass concentration in water";
        /// Pressure; base Pa.
        Pressure = 4, "pressure", "压力", "pressure";
        /// Volume in a time; base m³/s.
        Flow = 5, "flow", "流量", "flow";
        /// Mass; base kg.
        Mass = 6, "mass", "质量", "mass";
        /// Time; base s.
        Duration = 7, "duration", "时长", "duration";
        /// Everything that has one unit here: it converts to itself only.
        Single = 8, "single", "单一单位", "single unit";
    }
}

/// Two units between which nothing is declared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum UnitError {
    /// Different quantities.
    #[error("{from} cannot be converted to {to}")]
    NoConversion {
        /// From what.
        from: Unit,
        /// To what.
        to: Unit,
    },
    /// ppm and mg/m³ need the gas's molar mass, which the catalogue does not have.
    #[error("{from} to {to} needs the molar mass of the gas")]
    NoMolarMass {
        /// From what.
        from: Unit,
        /// To what.
        to: Unit,
    },
    /// The value is no number.
    #[error("value cannot be converted")]
    Value {
        /// Why not.
        source: FormulaError,
    },
}

impl UnitError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::NoConversion { .. } => "check the unit of the factor in the registry".to_owned(),
            Self::NoMolarMass { .. } => "set the device to report mg/m3".to_owned(),
            Self::Value { source } => source.hint(),
        }
    }
}

impl Unit {
    /// Reads a unit as people write it: `mg/m3`, `mg/m³`, `mg/Nm3`, `℃`, `°C`, `m³/h`.
    pub fn parse(text: &str) -> Option<Self> {
        let plain: String = text
            .trim()
            .chars()
            .map(|c| match c {
                '³' => '3',
                '²' => '2',
                'μ' | 'µ' => 'u',
                '％' => '%',
                c => c,
            })
            .collect();
        let known = match plain.as_str() {
            "℃" | "°C" | "C" => "degC",
            "mg/Nm3" | "mg/m^3" | "mg/m3N" => "mg/m3",
            "m^3/h" | "Nm3/h" => "m3/h",
            "m^3/s" | "Nm3/s" => "m3/s",
            "KPa" | "kpa" => "kPa",
            "pa" => "Pa",
            "PPM" => "ppm",
            "" => "-",
            plain => plain,
        };
        Self::from_code(known)
    }

    /// What it measures.
    pub const fn quantity(self) -> Quantity {
        match self {
            Self::MgPerM3 | Self::UgPerM3 | Self::NgPerM3 | Self::GPerM3 => Quantity::GasConcentration,
            Self::Ppm => Quantity::VolumeRatio,
            Self::MgPerL | Self::UgPerL | Self::NgPerL => Quantity::WaterConcentration,
            Self::Pa | Self::KPa | Self::MPa => Quantity::Pressure,
            Self::M3PerS | Self::M3PerH | Self::LPerS => Quantity::Flow,
            Self::T | Self::Kg | Self::G | Self::Mg => Quantity::Mass,
            Self::S | Self::Min | Self::H => Quantity::Duration,
            _ => Quantity::Single,
        }
    }

    /// How many of the quantity's base unit one of this is.
    const fn in_base(self) -> f64 {
        match self {
            Self::UgPerM3 | Self::UgPerL | Self::G | Self::LPerS => 1e-3,
            Self::NgPerM3 | Self::NgPerL | Self::Mg => 1e-6,
            Self::GPerM3 | Self::KPa | Self::T => 1e3,
            Self::MPa => 1e6,
            Self::M3PerH => 1.0 / 3600.0,
            Self::Min => 60.0,
            Self::H => 3600.0,
            _ => 1.0,
        }
    }

    /// `value` of this unit in `to`. Between ppm and mass concentrations by `molar_mass_g_mol` at 0 °C and 101325 Pa,
    /// formula (20).
    ///
    /// Errors: nothing is declared between the two, the molar mass is missing, or the value is no number.
    pub fn convert(self, value: f64, to: Self, molar_mass_g_mol: Option<f64>) -> Result<f64, UnitError> {
        if self == to {
            return Ok(value);
        }
        let molar = || molar_mass_g_mol.ok_or(UnitError::NoMolarMass { from: self, to });
        let mg_per_ppm = || formulas::ppm_to_mg_m3(1.0, molar()?).map_err(|source| UnitError::Value { source });
        let factor = match (self.quantity(), to.quantity()) {
            (Quantity::VolumeRatio, Quantity::GasConcentration) => mg_per_ppm()? / to.in_base(),
            (Quantity::GasConcentration, Quantity::VolumeRatio) => self.in_base() / mg_per_ppm()?,
            (Quantity::Single, _) => return Err(UnitError::NoConversion { from: self, to }),
            (from, into) if from == into => self.in_base() / to.in_base(),
            _ => return Err(UnitError::NoConversion { from: self, to }),
        };
        Ok(value * factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(found: Result<f64, UnitError>, expected: f64) {
        let found = found.unwrap();
        assert!(
            (found - expected).abs() <= expected.abs() * 1e-12,
            "{found} is not {expected}"
        );
    }

    #[test]
    fn declared_conversions() {
        near(Unit::KPa.convert(101.325, Unit::Pa, None), 101_325.0);
        near(Unit::MPa.convert(-0.000_12, Unit::KPa, None), -0.12);
        near(Unit::M3PerS.convert(50.0, Unit::M3PerH, None), 180_000.0);
        near(Unit::M3PerH.convert(180_000.0, Unit::M3PerS, None), 50.0);
        near(Unit::NgPerM3.convert(2_500_000.0, Unit::MgPerM3, None), 2.5);
        near(Unit::G.convert(1500.0, Unit::Kg, None), 1.5);
        // 1 ppm of NO2 is 46.005/22.4 mg/m3 (cems.md: 2.05379).
        near(
            Unit::Ppm.convert(1.0, Unit::MgPerM3, Some(46.005)),
            2.053_794_642_857_143,
        );
        near(Unit::MgPerM3.convert(46.005, Unit::Ppm, Some(46.005)), 22.4);
        near(Unit::GPerM3.convert(0.046_005, Unit::Ppm, Some(46.005)), 22.4);
    }

    #[test]
    fn nothing_else_converts() {
        assert!(matches!(
            Unit::Ppm.convert(1.0, Unit::MgPerM3, None),
            Err(UnitError::NoMolarMass { .. })
        ));
        for (from, to) in [
            (Unit::Celsius, Unit::KPa),
            (Unit::Percent, Unit::Ppm),
            (Unit::MgPerL, Unit::MgPerM3),
            (Unit::A, Unit::V),
        ] {
            assert_eq!(
                from.convert(1.0, to, Some(30.0)),
                Err(UnitError::NoConversion { from, to })
            );
        }
    }

    #[test]
    fn every_pair_goes_there_and_back() {
        for &from in Unit::ALL {
            for &to in Unit::ALL {
                if let Ok(there) = from.convert(12.5, to, Some(46.005)) {
                    near(to.convert(there, from, Some(46.005)), 12.5);
                }
            }
        }
    }

    #[test]
    fn units_as_people_write_them() {
        for (text, unit) in [
            ("mg/m³", Unit::MgPerM3),
            (" mg/Nm3 ", Unit::MgPerM3),
            ("℃", Unit::Celsius),
            ("m³/h", Unit::M3PerH),
            ("μg/m³", Unit::UgPerM3),
            ("", Unit::One),
        ] {
            assert_eq!(Unit::parse(text), Some(unit), "{text}");
        }
        assert_eq!(Unit::parse("furlong"), None);
        for &unit in Unit::ALL {
            assert_eq!(Unit::parse(unit.code()), Some(unit));
        }
    }
}
