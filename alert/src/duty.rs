//! The duty calendar: who answers for what, when. A table that a bureau imports; where it says nothing, the registry's
//! 片区负责人 of the enterprise stands in.

use plume_schemas::time::Time;

use crate::notify::Audience;
use crate::rows::{self, Layout, Row, RowError, Said, is_formula};

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

static LAYOUT: Layout = Layout {
    name: Said::new("值班表", "duty calendar"),
    columns: &["audience", "district", "start", "end", "name", "phone", "email"],
    max_rows: MAX_SHIFTS,
    example: "branch,东区,2026-11-21T08:00,2026-11-22T08:00,周值班,13800000000,zhou@example.com",
};
const AUDIENCE: Said = Said::new(
    "接收方：branch 分局、city 市局、lead_officer 线索专员",
    "audience: branch, city or lead_officer",
);
const MOMENT: Said = Said::new("时间，如 2026-11-21T08:00", "moment such as 2026-11-21T08:00");
const LATER: Said = Said::new("结束时间，须晚于开始时间", "moment after the start");
const NAME: Said = Said::new("姓名", "name");
const PHONE: Said = Said::new("电话号码", "telephone number");
const EMAIL: Said = Said::new("邮箱地址", "mail address");

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
    pub fn from_csv(text: &str) -> Result<Self, RowError> {
        let shifts = rows::read(&LAYOUT, text, shift)?;
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

fn shift(row: Row<'_>) -> Result<Shift, RowError> {
    let cell = |at: usize| row.cell(at).to_owned();
    let audience = Audience::from_code(row.cell(0)).filter(|audience| !audience.is_site());
    let shift = Shift {
        audience: audience.ok_or_else(|| row.bad(0, AUDIENCE))?,
        district: cell(1),
        starts_at: moment(row.cell(2)).ok_or_else(|| row.bad(2, MOMENT))?,
        ends_at: moment(row.cell(3)).ok_or_else(|| row.bad(3, MOMENT))?,
        name: cell(4),
        phone: cell(5),
        email: cell(6),
    };
    if shift.ends_at <= shift.starts_at {
        return Err(row.bad(3, LATER));
    }
    if shift.name.is_empty() || is_formula(&shift.name) {
        return Err(row.bad(4, NAME));
    }
    let phone = shift.phone.strip_prefix('+').unwrap_or(&shift.phone);
    if !phone.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return Err(row.bad(5, PHONE));
    }
    if !shift.email.is_empty() && shift.email.parse::<lettre::Address>().is_err() {
        return Err(row.bad(6, EMAIL));
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
        assert!(matches!(Roster::from_csv("a,b\n1,2\n"), Err(RowError::Columns { .. })));
    }
}
