//! Working days: Monday to Friday, but for the holidays and the days worked instead (调休) of a table that changes every
//! year.

use std::collections::HashMap;

use plume_schemas::time::{DAY_MS, Time};

/// The table that comes with plume; a bureau gives its own when the next year is announced.
const EMBEDDED: &str = include_str!("../data/holidays.csv");
/// Longest deadline in working days: a year of them. A longer one is a slip.
pub const MAX_WORKING_DAYS: u32 = 250;
/// Days looked through at most for a deadline: as long as [`MAX_WORKING_DAYS`] can take with holidays.
const MAX_DAYS: i64 = 800;

/// Which days are worked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Beijing day number to "is worked", where it differs from the week.
    odd_days: HashMap<i64, bool>,
}

/// A row of the holidays cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// The file is no CSV.
    #[error("the holidays cannot be read")]
    Csv(#[from] csv::Error),
    /// A cell that makes no sense.
    #[error("holidays line {line}: `{text}` is no {expected}")]
    Cell {
        /// Which line.
        line: u64,
        /// What stands there.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
}

impl CalendarError {
    /// What to try.
    pub fn hint(&self) -> String {
        "write `2026-10-01,holiday,国庆节,source` or `2026-10-10,workday,国庆节调休,source`".into()
    }
}

impl Calendar {
    /// The calendar that comes with plume.
    pub fn embedded() -> Result<Self, CalendarError> {
        Self::from_csv(EMBEDDED)
    }

    /// A calendar from CSV with columns `date,kind,name,source`.
    pub fn from_csv(text: &str) -> Result<Self, CalendarError> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let mut odd_days = HashMap::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |at: usize| record.get(at).unwrap_or_default().trim().to_owned();
            let bad = |at: usize, expected| CalendarError::Cell {
                line,
                text: cell(at),
                expected,
            };
            let day = day_of(&cell(0)).ok_or_else(|| bad(0, "date such as 2026-10-01"))?;
            let worked = match cell(1).as_str() {
                "holiday" => false,
                "workday" => true,
                _ => return Err(bad(1, "kind: `holiday` or `workday`")),
            };
            odd_days.insert(day, worked);
        }
        Ok(Self { odd_days })
    }

    /// True where the Beijing day of `at` is worked.
    pub fn is_worked(&self, at: Time) -> bool {
        self.day_is_worked(at.beijing_day())
    }

    fn day_is_worked(&self, day: i64) -> bool {
        // 1970-01-01 was a Thursday; 0 is Monday.
        let weekday = (day + 3).rem_euclid(7);
        self.odd_days.get(&day).copied().unwrap_or(weekday < 5)
    }

    /// The end of the `days`-th working day after the day of `from`, which does not count itself (行政期限惯例).
    /// 0 days: the end of that day. At most [`MAX_WORKING_DAYS`].
    pub fn deadline(&self, from: Time, days: u32) -> Time {
        let start = from.beijing_day();
        let wanted = days.min(MAX_WORKING_DAYS);
        let mut worked = 0;
        let mut last = start;
        for day in (start + 1)..=(start + MAX_DAYS) {
            if worked == wanted {
                break;
            }
            worked += u32::from(self.day_is_worked(day));
            last = day;
        }
        from.floor(DAY_MS).plus((last - start + 1) * DAY_MS)
    }
}

/// `2026-10-01` as a Beijing day number.
fn day_of(text: &str) -> Option<i64> {
    let digits: String = text.split('-').collect();
    let well_formed = text.len() == 10 && digits.len() == 8;
    well_formed
        .then(|| Time::parse_stamp(digits.as_bytes()))
        .flatten()
        .map(Time::beijing_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadline(from: &str, days: u32) -> String {
        let from = Time::parse_stamp(from.as_bytes()).unwrap();
        Calendar::embedded().unwrap().deadline(from, days).stamp14()
    }

    #[test]
    fn weekends_and_holidays_do_not_count() {
        // Thursday and Friday.
        assert_eq!(deadline("20261119101500", 1), "20261121000000");
        assert_eq!(deadline("20261120101500", 1), "20261124000000");
        assert_eq!(deadline("20261120101500", 0), "20261121000000");
        // Over the National Day week of 2026: the 8th and 9th are worked, and so is Saturday the 10th.
        assert_eq!(deadline("20260930090000", 3), "20261011000000");
        // Sunday 2026-01-04 is worked in place of the 2nd.
        assert_eq!(deadline("20251231090000", 1), "20260105000000");
    }

    #[test]
    fn long_deadlines_are_bounded() {
        assert_eq!(
            deadline("20261119101500", 9_999),
            deadline("20261119101500", MAX_WORKING_DAYS)
        );
    }

    #[test]
    fn bad_rows_are_named() {
        let read = |row: &str| {
            Calendar::from_csv(&format!("date,kind,name,source\n{row}\n"))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            read("2026-13-01,holiday,,"),
            "holidays line 2: `2026-13-01` is no date such as 2026-10-01"
        );
        assert_eq!(
            read("2026-10-01,frei,,"),
            "holidays line 2: `frei` is no kind: `holiday` or `workday`"
        );
    }
}
