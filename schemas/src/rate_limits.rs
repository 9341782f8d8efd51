//! Highest emission rates by stack height: `data/rate_limits.csv` and the rules of GB 16297-1996 for heights between
//! and
//! beyond its rows. From memory, and every row says so; a permit overrides them.

use crate::decimal::Decimal;
use crate::ids::FactorCode;
use crate::table::{self, CatalogueError};

const FILE: &str = "rate_limits.csv";
const COLUMNS: &[&str] = &[
    "standard",
    "pollutant",
    "factor",
    "height_m",
    "rate_kg_h",
    "source_status",
];
/// Stacks lower than this are held to half of the extrapolated rate (7.4).
const LEAST_HEIGHT_M: f64 = 15.0;

/// One row: the highest rate of a pollutant from a stack of that height.
#[derive(Clone, Debug, PartialEq)]
pub struct RateRow {
    /// Standard and table.
    pub standard: String,
    /// The pollutant as the standard names it.
    pub pollutant: String,
    /// Its factor code.
    pub factor: FactorCode,
    /// Height of the stack, m.
    pub height_m: f64,
    /// Highest rate, kg/h.
    pub rate_kg_h: f64,
    /// How sure the row is.
    pub source_status: String,
}

/// The catalogue of rates.
#[derive(Clone, Debug)]
pub struct RateLimits {
    rows: Vec<RateRow>,
}

impl RateLimits {
    /// The rates that come with plume.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Self::from_csv(include_str!("../data/rate_limits.csv"))
    }

    /// Rates from CSV text with the columns of `data/rate_limits.csv`. Errors: another header, an unreadable cell.
    pub fn from_csv(text: &str) -> Result<Self, CatalogueError> {
        let mut rows = Vec::new();
        table::read(FILE, text, COLUMNS, |row| {
            let name = |column| row.required(column, "a text", |text| (!text.is_empty()).then(|| text.to_owned()));
            let number = |column| {
                row.required(column, "a number above 0", |text| {
                    let number = Decimal::parse(text.as_bytes()).map(Decimal::to_f64);
                    number.filter(|&number| number > 0.0)
                })
            };
            rows.push(RateRow {
                standard: name("standard")?,
                pollutant: name("pollutant")?,
                factor: row.required("factor", "a factor code", |text| FactorCode::new(text).ok())?,
                height_m: number("height_m")?,
                rate_kg_h: number("rate_kg_h")?,
                source_status: name("source_status")?,
            });
            Ok(())
        })?;
        rows.sort_by(|a: &RateRow, b: &RateRow| a.factor.cmp(&b.factor).then(a.height_m.total_cmp(&b.height_m)));
        Ok(Self { rows })
    }

    /// Every row, by factor and height.
    pub fn iter(&self) -> impl Iterator<Item = &RateRow> {
        self.rows.iter()
    }

    /// Highest rate, kg/h, of a factor from a stack of `height_m`; `None` for a factor that is not listed or a height
    /// that is none. Between rows it is interpolated (B.1), above the highest it grows with the square of the height
    /// (B.2), below the lowest it falls with the square (B.3), and below 15 m half of that counts (7.4). Buildings
    /// around that are too high halve it too (7.1); whether there are any the registry does not know.
    pub fn rate_kg_h(&self, factor: FactorCode, height_m: f64) -> Option<f64> {
        let mut rows = self.rows.iter().filter(|row| row.factor == factor);
        let first = rows.clone().next().filter(|_| height_m > 0.0)?;
        let square = |row: &RateRow| row.rate_kg_h * (height_m / row.height_m).powi(2);
        if height_m < first.height_m {
            let rate = square(first);
            return Some(if height_m < LEAST_HEIGHT_M { rate / 2.0 } else { rate });
        }
        let mut below = first;
        let above = rows.find(|row| {
            let reached = row.height_m > height_m;
            if !reached {
                below = row;
            }
            reached
        });
        Some(match above {
            Some(above) => {
                let share = (height_m - below.height_m) / (above.height_m - below.height_m);
                below.rate_kg_h + (above.rate_kg_h - below.rate_kg_h) * share
            }
            None => square(below),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn so2(height_m: f64) -> String {
        let rate = RateLimits::embedded()
            .unwrap()
            .rate_kg_h(FactorCode::new("a21026").unwrap(), height_m);
        format!("{:.3}", rate.unwrap())
    }

    #[test]
    fn rates_stand_in_the_table_between_and_beyond_it() {
        assert_eq!([so2(15.0), so2(30.0), so2(100.0)], ["2.600", "15.000", "170.000"]);
        assert_eq!(so2(25.0), "9.650", "half way from 4.3 to 15");
        assert_eq!(so2(120.0), "244.800", "170 x 1.44");
        assert_eq!(so2(10.0), "0.578", "half of 2.6 x (10/15)^2");
    }

    #[test]
    fn what_is_not_listed_has_no_rate() {
        let rates = RateLimits::embedded().unwrap();
        assert_eq!(rates.rate_kg_h(FactorCode::new("a20057").unwrap(), 30.0), None);
        assert_eq!(rates.rate_kg_h(FactorCode::new("a21026").unwrap(), 0.0), None);
        assert!(rates.iter().all(|row| row.source_status.contains("from memory")));
        assert!(RateLimits::from_csv("standard,pollutant\n").is_err());
    }
}
