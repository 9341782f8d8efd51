//! Factors (污染物与参数) by their codes: HJ 212-2017 annex B, the older codes of 2005 and the data types that 2025 changed.
//!
//! The table is `data/factors.csv`; each row says where it comes from (`status`: read in the standard, or
//! second-hand). A new factor is one more row. Codes ending in `xx` or `x` are families, one code for each machine
//! (`g10101`, `g10102`, …).

use std::collections::HashMap;

use crate::decimal::Decimal;
use crate::ids::FactorCode;
use crate::table::{self, CatalogueError, Row};
use crate::units::{Quantity, Unit};

const FILE: &str = "factors.csv";
const COLUMNS: &[&str] = &[
    "code",
    "code_2005",
    "symbol",
    "name_zh",
    "name_en",
    "group",
    "unit",
    "unit_2005",
    "unit_mass",
    "format_2005",
    "format_2017",
    "format_2025",
    "molar_mass_g_mol",
    "status",
];

crate::reading::closed! {
    /// Which table of the standard a factor stands in.
    FactorGroup {
        /// Annex B.2: gas pollutants and parameters of stacks.
        Gas = 1, "gas", "废气", "exhaust gas";
        /// Annex B.1: water.
        Water = 2, "water", "废水", "waste water";
        /// Annex B.3: noise.
        Noise = 3, "noise", "噪声", "noise";
        /// Annex B.7: treatment process of flue gas.
        Process = 4, "process", "治理过程", "treatment process";
        /// Annex B.10: logs, states and parameters of the site.
        Site = 5, "site", "现场端信息", "site information";
        /// Electricity (2025, ST 44).
        Power = 6, "power", "用电监控", "electricity";
        /// Production conditions (2025, ST 45).
        Condition = 7, "condition", "生产工况", "production condition";
    }
}

/// A data type of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `N5.2`: at most 5 digits before the point and 2 behind.
    Number {
        /// Digits before the point.
        whole: u8,
        /// Digits behind it.
        fraction: u8,
    },
    /// `C890`: at most so many characters.
    Text {
        /// Characters.
        most: u16,
    },
    /// A time stamp.
    Stamp,
}

impl Format {
    /// Parses `N5.2`, `N4`, `C24` or `YYYYMMDDHHMMSS`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "YYYYMMDDHHMMSS" {
            return Some(Self::Stamp);
        }
        if let Some(most) = text.strip_prefix('C') {
            return most.parse().ok().map(|most| Self::Text { most });
        }
        let (whole, fraction) = match text.strip_prefix('N')?.split_once('.') {
            Some((whole, fraction)) => (whole, fraction.parse().ok()?),
            None => (text.strip_prefix('N')?, 0),
        };
        let whole: u8 = whole.parse().ok()?;
        // So that the largest value fits a Decimal.
        whole
            .checked_add(fraction)
            .is_some_and(|digits| digits <= 18)
            .then_some(Self::Number { whole, fraction })
    }

    /// The largest value of a numeric type: 9999.99 for `N4.2`.
    pub fn largest(self) -> Option<Decimal> {
        match self {
            Self::Number { whole, fraction } => {
                let mantissa = 10_i64.checked_pow(u32::from(whole) + u32::from(fraction))? - 1;
                Decimal::new(mantissa, fraction)
            }
            Self::Text { .. } | Self::Stamp => None,
        }
    }
}

/// One factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Its code: that of 2017 (or 2025), else of 2005 for two gases that 2017 dropped. `x` stands for a digit in
    /// families.
    pub code: FactorCode,
    /// Its code in 2005.
    pub code_2005: Option<FactorCode>,
    /// Short sign where there is one: `SO₂`, `NOx`, `O₂`.
    pub symbol: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
    /// Which table it stands in.
    pub group: FactorGroup,
    /// Unit of its values; none where the tables contradict themselves or give none.
    pub unit: Option<Unit>,
    /// Unit in 2005, where it has a code there: pressures were in MPa.
    pub unit_2005: Option<Unit>,
    /// Unit of its totals (Cou).
    pub unit_mass: Option<Unit>,
    /// Data type in 2005.
    pub format_2005: Option<Format>,
    /// Data type in 2017.
    pub format_2017: Option<Format>,
    /// Data type in 2025, where known.
    pub format_2025: Option<Format>,
    /// Molar mass for ppm, g/mol; that of NO2 for NOx.
    pub molar_mass_g_mol: Option<f64>,
    /// Where the row comes from, and what is doubtful in it.
    pub status: String,
}

impl Factor {
    /// The sign, else the Chinese name: what fits a column head.
    pub fn short(&self) -> &str {
        if self.symbol.is_empty() {
            return &self.name_zh;
        }
        &self.symbol
    }

    fn from_row(row: &Row<'_>) -> Result<Self, CatalogueError> {
        let code = |text: &str| FactorCode::new(text).ok();
        let unit = |column| row.optional(column, "a unit of units.rs", Unit::from_code);
        let format = |column| row.optional(column, "a data type such as N5.2 or C24", Format::parse);
        let name = |column| row.required(column, "a name", |text| (!text.is_empty()).then(|| text.to_owned()));
        Ok(Self {
            code: row.required("code", "a factor code", code)?,
            code_2005: row.optional("code_2005", "a factor code", code)?,
            symbol: row.text("symbol").to_owned(),
            name_zh: name("name_zh")?,
            name_en: name("name_en")?,
            group: row.required("group", "a group of factors.rs", FactorGroup::from_code)?,
            unit: unit("unit")?,
            unit_2005: unit("unit_2005")?,
            unit_mass: unit("unit_mass")?,
            format_2005: format("format_2005")?,
            format_2017: format("format_2017")?,
            format_2025: format("format_2025")?,
            molar_mass_g_mol: row.optional("molar_mass_g_mol", "a molar mass in g/mol", |text| {
                text.parse().ok().filter(|mass: &f64| mass.is_finite() && *mass > 0.0)
            })?,
            status: name("status")?,
        })
    }
}

/// All factors plume knows, ready for looking up.
#[derive(Clone, Debug)]
pub struct Catalogue {
    factors: Vec<Factor>,
    by_code: HashMap<FactorCode, usize>,
    by_2005: HashMap<FactorCode, usize>,
    /// Every code in lower case: field traffic does not keep to the standard's case.
    by_lower: HashMap<FactorCode, usize>,
}

impl Catalogue {
    /// The catalogue that comes with plume.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Self::from_csv(include_str!("../data/factors.csv"))
    }

    /// A catalogue from CSV text with the columns of `data/factors.csv`. Errors: another header, an unreadable cell,
    /// a code twice.
    pub fn from_csv(text: &str) -> Result<Self, CatalogueError> {
        let mut catalogue = Self {
            factors: Vec::new(),
            by_code: HashMap::new(),
            by_2005: HashMap::new(),
            by_lower: HashMap::new(),
        };
        table::read(FILE, text, COLUMNS, |row| catalogue.add(row))?;
        Ok(catalogue)
    }

    fn add(&mut self, row: &Row<'_>) -> Result<(), CatalogueError> {
        let factor = Factor::from_row(row)?;
        let place = self.factors.len();
        if self.by_code.insert(factor.code, place).is_some() {
            return Err(row.duplicate("code"));
        }
        if let Some(code) = factor.code_2005
            && self.by_2005.insert(code, place).is_some()
        {
            return Err(row.duplicate("code_2005"));
        }
        for code in [Some(factor.code), factor.code_2005].into_iter().flatten() {
            let earlier = lower(code).and_then(|lower| self.by_lower.insert(lower, place));
            if earlier.is_some_and(|earlier| earlier != place) {
                return Err(row.duplicate("code"));
            }
        }
        self.factors.push(factor);
        Ok(())
    }

    /// Every factor, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Factor> {
        self.factors.iter()
    }

    /// A factor by its 2017 code (or that of a member of a family).
    pub fn get(&self, code: FactorCode) -> Option<&Factor> {
        let place = self.by_code.get(&code).copied().or_else(|| self.family(code))?;
        self.factors.get(place)
    }

    /// A factor by its code of HJ/T 212-2005.
    pub fn by_2005(&self, code: FactorCode) -> Option<&Factor> {
        self.factors.get(*self.by_2005.get(&code)?)
    }

    /// The code plume keeps for what a device sent, and whether it is known: the 2017 code for one of 2005, the
    /// standard's case for another case, the member's own code for a family. Both editions' codes may come in one
    /// packet. An unknown code stays as it is.
    pub fn canonical(&self, code: FactorCode) -> (FactorCode, bool) {
        if self.by_code.contains_key(&code) {
            return (code, true);
        }
        let place = self.by_2005.get(&code).copied().or_else(|| {
            let lower = lower(code)?;
            self.by_lower.get(&lower).copied()
        });
        if let Some(factor) = place.and_then(|place| self.factors.get(place)) {
            return (factor.code, true);
        }
        if self.family(code).is_some() {
            // All families have codes in lower case.
            return (lower(code).unwrap_or(code), true);
        }
        (code, false)
    }

    /// Name in Chinese, else the code itself.
    pub fn name_zh(&self, code: FactorCode) -> String {
        self.get(code)
            .map_or_else(|| code.to_string(), |factor| factor.name_zh.clone())
    }

    /// Name in English, else the code itself.
    pub fn name_en(&self, code: FactorCode) -> String {
        self.get(code)
            .map_or_else(|| code.to_string(), |factor| factor.name_en.clone())
    }

    /// Unit of its values.
    pub fn unit(&self, code: FactorCode) -> Option<Unit> {
        self.get(code)?.unit
    }

    /// True for the value by which a device of 2025 says "the corrected value cannot be computed" (clause 8.1.1 d):
    /// the largest of the factor's data type, either sign. Where the 2025 type is not known, that of 2017 stands in,
    /// for concentrations in gas only; 9999.99, the standard's own example, counts for every concentration in gas. Of
    /// unknown factors nothing is one.
    pub fn is_sentinel(&self, code: FactorCode, value: Decimal) -> bool {
        let Some(factor) = self.get(code) else { return false };
        let Some(magnitude) = value.mantissa.checked_abs() else {
            return false;
        };
        let magnitude = Decimal {
            mantissa: magnitude,
            scale: value.scale,
        };
        let concentration = factor
            .unit
            .is_some_and(|unit| unit.quantity() == Quantity::GasConcentration);
        let example = Decimal {
            mantissa: 999_999,
            scale: 2,
        };
        let of_2017 = factor.format_2017.filter(|_| concentration);
        let largest = factor.format_2025.or(of_2017).and_then(Format::largest);
        largest.is_some_and(|largest| magnitude.compare(largest).is_eq())
            || (concentration && magnitude.compare(example).is_eq())
    }

    /// The family a code belongs to: `g10102` to `g101xx`, `i33312` to `i3331x`.
    fn family(&self, code: FactorCode) -> Option<usize> {
        let text = code.as_str();
        if text.len() != 6 || !text.bytes().skip(1).all(|b| b.is_ascii_digit()) {
            return None;
        }
        [2, 1].into_iter().find_map(|digits| {
            let mut bytes = [b'x'; 6];
            let kept = text.len() - digits;
            bytes.get_mut(..kept)?.copy_from_slice(text.as_bytes().get(..kept)?);
            bytes.make_ascii_lowercase();
            let family = FactorCode::new(std::str::from_utf8(&bytes).ok()?).ok()?;
            self.by_code.get(&family).copied()
        })
    }
}

fn lower(code: FactorCode) -> Option<FactorCode> {
    let mut bytes = [0; 15];
    let text = code.as_str().as_bytes();
    let kept = bytes.get_mut(..text.len())?;
    kept.copy_from_slice(text);
    kept.make_ascii_lowercase();
    FactorCode::new(std::str::from_utf8(kept).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> FactorCode {
        FactorCode::new(text).unwrap()
    }

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_devices_send_becomes_the_code_of_2017() {
        let catalogue = Catalogue::embedded().unwrap();
        for (sent, kept, known) in [
            ("a21026", "a21026", true),
            ("A21026", "a21026", true),
            ("02", "a21026", true),
            ("S01", "a19001", true),
            ("s01", "a19001", true),
            ("B02", "a00000", true),
            ("003", "w01012", true),
            ("16", "16", true),
            ("g10102", "g10102", true),
            ("G10102", "g10102", true),
            ("i33312", "i33312", true),
            ("I33400", "i33400", true),
            ("Leq", "Leq", true),
            ("Nh3-scr", "Nh3-scr", false),
            ("a99999", "a99999", false),
            ("g1010x", "g1010x", false),
        ] {
            assert_eq!(catalogue.canonical(code(sent)), (code(kept), known), "{sent}");
        }
        assert_eq!(catalogue.get(code("g10102")).unwrap().name_zh, "增压风机状态");
        assert_eq!(catalogue.by_2005(code("03")).unwrap().code, code("a21002"));
        assert_eq!(catalogue.unit(code("a01013")), Some(Unit::KPa));
        assert_eq!(catalogue.get(code("a01013")).unwrap().unit_2005, Some(Unit::MPa));
        assert_eq!(catalogue.name_zh(code("Nh3-scr")), "Nh3-scr");
    }

    #[test]
    fn sentinels_of_2025() {
        let catalogue = Catalogue::embedded().unwrap();
        for (factor, value, sentinel) in [
            ("a21002", "9999.99", true),
            ("a21002", "-9999.99", true),
            ("a21002", "9999.990", true),
            ("a21002", "9999.98", false),
            ("a21026", "99999.99", true),
            ("a21026", "9999.99", true),
            ("a34013", "9999.9", true),
            ("a34013", "9999.99", true),
            ("a21005", "999.999", true),
            ("a19001", "99.99", true),
            ("a19001", "21.00", false),
            ("a01902", "9999.9", false),
            ("Nh3-scr", "9999.99", false),
            ("a21002", "-9223372036854775808", false),
        ] {
            assert_eq!(
                catalogue.is_sentinel(code(factor), decimal(value)),
                sentinel,
                "{factor} {value}"
            );
        }
    }

    #[test]
    fn formats() {
        assert_eq!(Format::parse("N5.2"), Some(Format::Number { whole: 5, fraction: 2 }));
        assert_eq!(Format::parse("N4"), Some(Format::Number { whole: 4, fraction: 0 }));
        assert_eq!(Format::parse("C24"), Some(Format::Text { most: 24 }));
        for bad in ["", "N", "C", "X3", "N18.1", "N1.2.3", "N255.255"] {
            assert_eq!(Format::parse(bad), None, "{bad}");
        }
    }
}
