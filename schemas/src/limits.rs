//! Emission limits of national standards and policies, as a starting point for a registry: `data/limits.csv`.
//!
//! A permit or a local standard overrides them. Most rows are from memory and say so (`source_status`); plume copies
//! a row into a registry only when a person asks for it, and shows its status then.

use std::collections::HashMap;

use crate::decimal::Decimal;
use crate::ids::FactorCode;
use crate::registry::LimitWindow;
use crate::table::{self, CatalogueError, Row};
use crate::units::Unit;

const FILE: &str = "limits.csv";
const COLUMNS: &[&str] = &[
    "id",
    "industry",
    "standard",
    "class",
    "applies",
    "pollutant",
    "factor",
    "reference_o2_pct",
    "hourly",
    "daily",
    "unit",
    "judge_basis",
    "source_status",
    "note",
];

/// Industries as the bureau's people call them, in the order of the catalogue.
const INDUSTRIES: &[(&str, &str)] = &[
    ("thermal_power_coal", "燃煤电厂"),
    ("thermal_power_gas_turbine", "燃气轮机电厂"),
    ("thermal_power_gas_boiler", "燃气锅炉电厂"),
    ("thermal_power_oil_boiler", "燃油锅炉电厂"),
    ("boiler_coal", "燃煤锅炉"),
    ("boiler_oil", "燃油锅炉"),
    ("boiler_gas", "燃气锅炉"),
    ("cement_kiln", "水泥窑"),
    ("steel_sinter", "烧结（球团）"),
    ("steel_hot_stove", "高炉热风炉"),
    ("steel_other", "钢铁其他工序"),
    ("coking", "炼焦"),
    ("msw_incineration", "生活垃圾焚烧"),
    ("hazwaste_incineration", "危险废物焚烧"),
    ("flat_glass", "平板玻璃"),
    ("glass", "玻璃"),
    ("petroleum_refining", "石油炼制"),
    ("petrochemical", "石油化学"),
    ("synthetic_resin", "合成树脂"),
    ("inorganic_chemical", "无机化学"),
    ("pesticide", "农药"),
    ("pharmaceutical", "制药"),
    ("coatings_inks_adhesives", "涂料、油墨及胶粘剂"),
    ("general", "大气污染物综合排放"),
];

/// An industry of the catalogue in Chinese; its code where it is none of the catalogue.
pub fn industry_zh(code: &str) -> &str {
    let known = INDUSTRIES.iter().find(|(industry, _)| *industry == code);
    known.map_or(code, |(_, zh)| zh)
}

/// One row of the catalogue of limits.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitRow {
    /// Its id, `L003`; a registry's limit names it as its source.
    pub id: String,
    /// Industry: `thermal_power_coal`, `msw_incineration`…
    pub industry: String,
    /// Standard and table: `GB 13223-2011 table1`.
    pub standard: String,
    /// Which plants of the industry.
    pub class: String,
    /// Where it applies: `national`, `key region`, `national policy`.
    pub applies: String,
    /// The pollutant as the standard names it.
    pub pollutant: String,
    /// Its factor code.
    pub factor: FactorCode,
    /// Reference oxygen, percent; none where the measured value is judged.
    pub reference_o2_pct: Option<Decimal>,
    /// Limit of the hour mean.
    pub hourly: Option<Decimal>,
    /// Limit of the day mean.
    pub daily: Option<Decimal>,
    /// Unit of both.
    pub unit: Unit,
    /// Which mean the standard judges by.
    pub judge_basis: String,
    /// How sure the row is.
    pub source_status: String,
    /// What to mind.
    pub note: String,
}

impl LimitRow {
    /// The limit of a mean.
    pub fn value(&self, window: LimitWindow) -> Option<Decimal> {
        match window {
            LimitWindow::Hour => self.hourly,
            LimitWindow::Day => self.daily,
        }
    }

    /// The clause as Chinese readers write it: `GB 13223-2011 表1`.
    pub fn clause(&self) -> String {
        self.standard.replace(" table", " 表")
    }

    fn from_row(row: &Row<'_>) -> Result<Self, CatalogueError> {
        let text = |column| row.text(column).to_owned();
        let name = |column| row.required(column, "a text", |text| (!text.is_empty()).then(|| text.to_owned()));
        let number = |column| {
            row.optional(column, "a number of at least 0", |text| {
                Decimal::parse(text.as_bytes()).filter(|value| value.mantissa >= 0)
            })
        };
        let limit = Self {
            id: name("id")?,
            industry: name("industry")?,
            standard: name("standard")?,
            class: name("class")?,
            applies: name("applies")?,
            pollutant: name("pollutant")?,
            factor: row.required("factor", "a factor code", |text| FactorCode::new(text).ok())?,
            reference_o2_pct: number("reference_o2_pct")?,
            hourly: number("hourly")?,
            daily: number("daily")?,
            unit: row.required("unit", "a unit of units.rs", Unit::from_code)?,
            judge_basis: name("judge_basis")?,
            source_status: name("source_status")?,
            note: text("note"),
        };
        if limit.hourly.is_none() && limit.daily.is_none() {
            return row.required("hourly", "a limit here or in daily", |_| None);
        }
        Ok(limit)
    }
}

/// The catalogue of limits.
#[derive(Clone, Debug)]
pub struct Limits {
    rows: Vec<LimitRow>,
    by_id: HashMap<String, usize>,
}

impl Limits {
    /// The limits that come with plume.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Self::from_csv(include_str!("../data/limits.csv"))
    }

    /// Limits from CSV text with the columns of `data/limits.csv`. Errors: another header, an unreadable cell, an id
    /// twice.
    pub fn from_csv(text: &str) -> Result<Self, CatalogueError> {
        let mut limits = Self {
            rows: Vec::new(),
            by_id: HashMap::new(),
        };
        table::read(FILE, text, COLUMNS, |row| {
            let limit = LimitRow::from_row(row)?;
            if limits.by_id.insert(limit.id.clone(), limits.rows.len()).is_some() {
                return Err(row.duplicate("id"));
            }
            limits.rows.push(limit);
            Ok(())
        })?;
        Ok(limits)
    }

    /// Every row, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &LimitRow> {
        self.rows.iter()
    }

    /// A row by its id.
    pub fn get(&self, id: &str) -> Option<&LimitRow> {
        self.rows.get(*self.by_id.get(id)?)
    }

    /// The rows that may apply to a factor in an industry; which one does is a person's choice (class, region, year
    /// of building).
    pub fn find(&self, industry: &str, factor: FactorCode) -> impl Iterator<Item = &LimitRow> {
        self.rows
            .iter()
            .filter(move |row| row.industry == industry && row.factor == factor)
    }

    /// The industries there are rows for, in the order of the file.
    pub fn industries(&self) -> Vec<&str> {
        let mut industries: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !industries.contains(&row.industry.as_str()) {
                industries.push(&row.industry);
            }
        }
        industries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factors::Catalogue;

    #[test]
    fn rows_are_found() {
        let limits = Limits::embedded().unwrap();
        let row = limits.get("L010").unwrap();
        assert_eq!(row.value(LimitWindow::Hour).unwrap().to_string(), "35");
        assert_eq!(row.value(LimitWindow::Day), None);
        assert_eq!(limits.get("L001").unwrap().clause(), "GB 13223-2011 表1");
        assert!(limits.get("L999").is_none());
        let nox = FactorCode::new("a21002").unwrap();
        let found: Vec<&str> = limits.find("boiler_gas", nox).map(|row| row.id.as_str()).collect();
        assert_eq!(found, ["L045", "L048"]);
        assert_eq!(limits.industries().len(), 24);
        for industry in limits.industries() {
            assert_ne!(industry_zh(industry), industry, "it has a name");
        }
        assert_eq!(limits.iter().count(), 139);
    }

    #[test]
    fn every_limit_has_a_factor_and_its_unit() {
        let (limits, catalogue) = (Limits::embedded().unwrap(), Catalogue::embedded().unwrap());
        for row in limits.iter() {
            assert_eq!(catalogue.unit(row.factor), Some(row.unit), "{}", row.id);
        }
    }

    /// Chemical and VOC plants: each standard has rows, and each row says how sure it is.
    #[test]
    fn standards_of_chemical_and_voc_plants_have_rows_with_their_status() {
        let limits = Limits::embedded().unwrap();
        let standards = [
            "GB 16297", "GB 31570", "GB 31571", "GB 31572", "GB 31573", "GB 37823", "GB 37824", "GB 39727",
        ];
        for standard in standards {
            let rows = || limits.iter().filter(|row| row.standard.starts_with(standard));
            assert!(rows().count() >= 2, "{standard} has no rows");
            assert!(
                rows().all(|row| row.source_status.contains("from memory")),
                "{standard}"
            );
        }
        assert!(limits.iter().all(|row| !row.source_status.is_empty()));
    }

    #[test]
    fn a_row_without_a_limit_is_refused() {
        let header = COLUMNS.join(",");
        let text = format!("{header}\nL1,x,s,c,national,PM,a34013,6,,,mg/m3,hourly,read,\n");
        assert_eq!(
            Limits::from_csv(&text).unwrap_err().to_string(),
            "limits.csv:2: hourly is ``, expected a limit here or in daily"
        );
    }
}
