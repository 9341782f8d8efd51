//! The day, month or year of a report, and its rows.

use plume_schemas::time::{Civil, DAY_MS, HOUR_MS, Span, Time};

use crate::desk::text::Texts;

/// Which report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Period {
    Day,
    Month,
    Year,
}

impl Period {
    pub(super) const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Year];

    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    pub(super) const fn word(self, t: &Texts) -> &'static str {
        match self {
            Self::Day => t.report_day,
            Self::Month => t.report_month,
            Self::Year => t.report_year,
        }
    }

    /// The whole day, month or year around a moment.
    pub(super) fn around(self, at: Time) -> Span {
        let civil = at.civil();
        let start = match self {
            Self::Day => return day_of(at),
            Self::Month => first_of(civil.year, civil.month),
            Self::Year => first_of(civil.year, 1),
        };
        Span {
            start,
            end: self.next(start),
        }
    }

    /// Where the period behind the one that begins at `start` begins.
    fn next(self, start: Time) -> Time {
        let Civil { year, month, .. } = start.civil();
        match self {
            Self::Day => start.plus(DAY_MS),
            Self::Month if month < 12 => first_of(year, month + 1),
            Self::Month | Self::Year => first_of(year + 1, 1),
        }
    }

    /// What stands in one row each: hours, days, months.
    pub(super) fn rows(self, span: Span) -> Vec<Span> {
        let mut rows = Vec::new();
        let mut start = span.start;
        while start < span.end {
            let end = match self {
                Self::Day => start.plus(HOUR_MS),
                Self::Month => start.plus(DAY_MS),
                Self::Year => Self::Month.next(start),
            };
            rows.push(Span { start, end });
            start = end;
        }
        rows
    }

    /// A row's or a period's name.
    pub(super) fn row_name(self, start: Time) -> String {
        match self {
            Self::Day => start.hour_minute(),
            Self::Month => start.date(),
            Self::Year => start.date().chars().take(7).collect(),
        }
    }

    pub(super) fn name(self, start: Time) -> String {
        let letters = match self {
            Self::Day => 10,
            Self::Month => 7,
            Self::Year => 4,
        };
        start.date().chars().take(letters).collect()
    }
}

fn day_of(at: Time) -> Span {
    let start = at.floor(DAY_MS);
    Span {
        start,
        end: start.plus(DAY_MS),
    }
}

fn first_of(year: i32, month: u8) -> Time {
    // The first of any month is a day; of a year beyond the calendar the report is empty.
    Time::first_of_month(year, month).unwrap_or(Time(0))
}

/// A day, as a browser sends it: `2026-11-21`.
pub(super) fn parse_date(date: &str) -> Option<Time> {
    let digits: String = date.split('-').collect();
    (digits.len() == 8)
        .then(|| Time::parse_stamp(format!("{digits}000000").as_bytes()))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stamp: &str) -> Time {
        Time::parse_stamp(stamp.as_bytes()).unwrap()
    }

    #[test]
    fn periods_are_whole_and_meet() {
        let moment = at("20261231233000");
        let name = |period: Period| period.name(period.around(moment).start);
        assert_eq!(Period::ALL.map(name), ["2026-12-31", "2026-12", "2026"]);
        for (period, rows) in [(Period::Day, 24), (Period::Month, 31), (Period::Year, 12)] {
            let span = period.around(moment);
            let all = period.rows(span);
            assert_eq!(all.len(), rows);
            assert!(all.windows(2).all(|two| two[0].end == two[1].start));
            assert_eq!(all.last().unwrap().end, span.end);
            assert_eq!(span.end, at("20270101000000"));
        }
        assert_eq!(Period::Month.rows(Period::Month.around(at("20280210000000"))).len(), 29);
    }

    #[test]
    fn a_date_is_a_day() {
        assert_eq!(parse_date("2026-11-21"), Some(at("20261121000000")));
        for bad in [
            "",
            "2026-13-01",
            "2026-11-31",
            "20261121x",
            "11-21-2026",
            "2026-11-21T00:00",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}
