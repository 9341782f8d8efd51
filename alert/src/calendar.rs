//! Working days: Monday to Friday, but for the holidays and the days worked instead (调休) of a table that changes every
//! year.

use std::collections::HashMap;

use plume_schemas::time::{DAY_MS, Time};

use crate::rows::{self, Layout, RowError, Said};

/// The table that comes with plume; a bureau gives its own when the next year is announced.
const EMBEDDED: &str = include_str!("../data/holidays.csv");
/// Longest deadline in working days: a year of them. A longer one is a slip.
pub const MAX_WORKING_DAYS: u32 = 250;
/// Most odd days of a table: fifty years of them.
const MAX_ROWS: usize = 2_000;
/// Days looked through at most for a deadline: as long as [`MAX_WORKING_DAYS`] can take with holidays.
const MAX_DAYS: i64 = 800;

/// Which days are worked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Beijing day number to "is worked", where it differs from the week.
    odd_days: HashMap<i64, bool>,
}

static LAYOUT: Layout = Layout {
    name: Said::new("节假日", "holidays"),
    columns: &["date", "kind", "name", "source"],
    max_rows: MAX_ROWS,
    example: "2026-10-01,holiday,国庆节,国办发明电〔2025〕7号",
};
const DATE: Said = Said::new("日期，如 2026-10-01", "date such as 2026-10-01");
const KIND: Said = Said::new("类型：holiday 休息，workday 上班", "kind: `holiday` or `workday`");

impl Calendar {
    /// The calendar that comes with plume.
    pub fn embedded() -> Result<Self, RowError> {
        Self::from_csv(EMBEDDED)
    }

    /// A calendar from CSV with columns `date,kind,name,source`.
    pub fn from_csv(text: &str) -> Result<Self, RowError> {
        let days = rows::read(&LAYOUT, text, |row| {
            let day = date(row.cell(0)).ok_or_else(|| row.bad(0, DATE))?;
            let worked = match row.cell(1) {
                "holiday" => false,
                "workday" => true,
                _ => return Err(row.bad(1, KIND)),
            };
            Ok((day.beijing_day(), worked))
        })?;
        Ok(Self {
            odd_days: days.into_iter().collect(),
        })
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

/// `2026-10-01`: the beginning of that day in Beijing.
pub(crate) fn date(text: &str) -> Option<Time> {
    let digits: String = text.split('-').collect();
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    (shape == "9999-99-99")
        .then(|| Time::parse_stamp(digits.as_bytes()))
        .flatten()
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
