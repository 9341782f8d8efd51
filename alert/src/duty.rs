//! The duty calendar: who answers for what, when. A table that a bureau imports; where it says nothing, the registry's
//! 片区负责人 of the enterprise stands in.

use plume_schemas::time::Time;

use crate::notify::Audience;

const COLUMNS: [&str; 7] = ["audience", "district", "start", "end", "name", "phone", "email"];
/// Most shifts of one import: ten years of three shifts a day for one desk, or a year for ten districts.
pub const MAX_SHIFTS: usize = 11_000;

/// One person's shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// For the branch, the city desk or the lead officers.
    pub audience: Audience,
    /// In this district; empty for the city.
    pub district: String,
    /// From when.
    pub starts_at: Time,
    /// Until when.
    pub ends_at: Time,
    /// Who.
    pub name: String,
    /// Mobile number.
    pub phone: String,
    /// Mail address.
    pub email: String,
}

/// A row of the duty calendar cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DutyError {
    /// The file is no CSV.
    #[error("the duty calendar cannot be read")]
    Csv(#[from] csv::Error),
    /// Other columns than expected.
    #[error("the duty calendar has columns `{found}`, expected `{}`", COLUMNS.join(","))]
    Columns {
        /// The header found.
        found: String,
    },
    /// A cell that makes no sense.
    #[error("duty calendar line {line}: `{text}` is no {expected}")]
    Cell {
        /// Which line.
        line: u64,
        /// What stands there.
        text: String,
        /// What was expected.
        expected: &'static str,
    },
    /// More rows than a calendar has.
    #[error("the duty calendar has more than {MAX_SHIFTS} rows")]
    TooLong,
}

impl DutyError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::TooLong => "import one year at a time".into(),
            _ => "write `branch,东区,2026-11-21T08:00,2026-11-22T08:00,周值班,13800000000,zhou@example.com`".into(),
        }
    }
}

/// All shifts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    shifts: Vec<Shift>,
}

impl Roster {
    /// A roster of these shifts.
    pub fn new(shifts: Vec<Shift>) -> Self {
        Self { shifts }
    }

    /// Shifts from CSV with columns `audience,district,start,end,name,phone,email`.
    pub fn from_csv(text: &str) -> Result<Self, DutyError> {
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let header: Vec<&str> = reader.headers()?.iter().map(str::trim).collect();
        if header != COLUMNS {
            return Err(DutyError::Columns {
                found: header.join(","),
            });
        }
        let mut shifts = Vec::new();
        for record in reader.records() {
            if shifts.len() >= MAX_SHIFTS {
                return Err(DutyError::TooLong);
            }
            shifts.push(shift(&record?)?);
        }
        Ok(Self { shifts })
    }

    /// All shifts, as given.
    pub fn shifts(&self) -> &[Shift] {
        &self.shifts
    }

    /// Who is on duty at `now`: of the district, else for all districts. In order of the calendar.
    pub fn on_duty(&self, audience: Audience, district: &str, now: Time) -> Vec<&Shift> {
        let of = |wanted: &str| -> Vec<&Shift> {
            let live = |shift: &&Shift| shift.starts_at <= now && now < shift.ends_at;
            let own = |shift: &&Shift| shift.audience == audience && shift.district == wanted;
            self.shifts.iter().filter(own).filter(live).collect()
        };
        let own = of(district);
        if own.is_empty() { of("") } else { own }
    }
}

fn shift(record: &csv::StringRecord) -> Result<Shift, DutyError> {
    let line = record.position().map_or(0, csv::Position::line);
    let cell = |at: usize| record.get(at).unwrap_or_default().trim().to_owned();
    let bad = |at: usize, expected| DutyError::Cell {
        line,
        text: cell(at).chars().take(80).collect(),
        expected,
    };
    let audience = Audience::from_code(&cell(0)).filter(|audience| !audience.is_site());
    let shift = Shift {
        audience: audience.ok_or_else(|| bad(0, "audience: branch, city or lead_officer"))?,
        district: cell(1),
        starts_at: moment(&cell(2)).ok_or_else(|| bad(2, "moment such as 2026-11-21T08:00"))?,
        ends_at: moment(&cell(3)).ok_or_else(|| bad(3, "moment such as 2026-11-21T08:00"))?,
        name: cell(4),
        phone: cell(5),
        email: cell(6),
    };
    if shift.ends_at <= shift.starts_at {
        return Err(bad(3, "moment after the start"));
    }
    // A cell that a spreadsheet would run is no name (CSV injection).
    if shift.name.is_empty() || shift.name.starts_with(['=', '@', '+', '-']) {
        return Err(bad(4, "name"));
    }
    let phone = shift.phone.strip_prefix('+').unwrap_or(&shift.phone);
    if !phone.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return Err(bad(5, "telephone number"));
    }
    if !shift.email.is_empty() && shift.email.parse::<lettre::Address>().is_err() {
        return Err(bad(6, "mail address"));
    }
    Ok(shift)
}

/// `2026-11-21T08:00` or with a blank between, Beijing: as forms and tables give it.
pub(crate) fn moment(text: &str) -> Option<Time> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    matches!(shape.as_str(), "9999-99-99T99:99" | "9999-99-99 99:99")
        .then(|| Time::parse_stamp(digits.as_bytes()))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "audience,district,start,end,name,phone,email\n";

    #[test]
    fn the_district_comes_before_the_city() {
        let text = format!(
            "{HEADER}branch,东区,2026-11-21T08:00,2026-11-22T08:00,周,13800000000,\n\
             branch,,2026-11-21T08:00,2026-11-22T08:00,总值班,,zong@example.com\n"
        );
        let roster = Roster::from_csv(&text).unwrap();
        let names = |district: &str, stamp: &str| {
            let now = Time::parse_stamp(stamp.as_bytes()).unwrap();
            let on_duty = roster.on_duty(Audience::Branch, district, now);
            on_duty.iter().map(|shift| shift.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names("东区", "20261121100000"), ["周"]);
        assert_eq!(names("西区", "20261121100000"), ["总值班"]);
        assert!(names("东区", "20261122080000").is_empty());
    }

    #[test]
    fn bad_rows_are_refused_by_name() {
        let error = |row: &str| Roster::from_csv(&format!("{HEADER}{row}\n")).unwrap_err().to_string();
        for (row, expected) in [
            ("enterprise,,2026-11-21T08:00,2026-11-22T08:00,周,,", "audience"),
            ("city,,2026-11-21,2026-11-22T08:00,周,,", "moment"),
            ("city,,2026-11-21T08:00,2026-11-21T08:00,周,,", "after the start"),
            ("city,,2026-11-21T08:00,2026-11-22T08:00,=cmd(),,", "name"),
            ("city,,2026-11-21T08:00,2026-11-22T08:00,周,138x,", "telephone"),
            ("city,,2026-11-21T08:00,2026-11-22T08:00,周,,nobody", "mail address"),
        ] {
            let said = error(row);
            assert!(said.contains(expected) && said.contains("line 2"), "{row}: {said}");
        }
        assert!(matches!(Roster::from_csv("a,b\n1,2\n"), Err(DutyError::Columns { .. })));
    }
}
