//! 零点、跨度检查: what whoever calibrates an analyser writes down, by form or table: the gas, what was shown before and
//! after, whether it was adjusted. It becomes a record of the log, and the judge charts it. Pure.

use plume_schemas::check::{Check, CheckPoint, CheckSource};
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::time::{DAY_MS, Time};

use crate::accounts::{Role, Viewer};
use crate::duty::moment;
use crate::entered::EntryError;
use crate::rows::{self, Layout, RowError, Said};

/// Most checks of one table: a year of daily zero and span of one analyser.
pub const MAX_CHECKS: usize = 800;
/// An older check is no news and was charted then or never.
pub const MAX_AGE_DAYS: i64 = 366;
/// Longest note.
pub const MAX_NOTE_CHARS: usize = 500;

/// What they are, and who enters them.
static MAY: (Said, Said) = (
    Said::new("零点、跨度检查", "checks"),
    Said::new(
        "由排污单位、运维单位或管理人员填报",
        "the enterprise, its contractor or its officers enter them",
    ),
);
static LAYOUT: Layout = Layout {
    name: Said::new("零点、跨度检查", "checks"),
    columns: &[
        "time", "outlet", "factor", "point", "gas", "before", "after", "adjusted", "note",
    ],
    max_rows: MAX_CHECKS,
    example: "2026-11-21T08:30,91330100MA27X0AB1C:DA001,a21026,zero,0,4.8,0.1,yes,更换零气滤芯",
};
const TIME: Said = Said::new(
    "检查时间，如 2026-11-21T08:30，不晚于当前时间、不早于一年前",
    "moment such as 2026-11-21T08:30, not in the future and within the year",
);
const OUTLET: Said = Said::new("排放口编号，须在本人范围内", "outlet of yours");
const FACTOR: Said = Said::new("该排放口已登记的因子编码", "factor registered for the outlet");
const POINT: Said = Said::new("检查点：zero 零点或 span 跨度", "zero or span");
const NUMBER: Said = Said::new("数值，与因子单位一致", "number in the factor's unit");
const ADJUSTED: Said = Said::new("是否调整：yes 是、no 否", "yes or no");
const NOTE: Said = Said::new("说明，不超过 500 字", "note of at most 500 characters");

/// Who may enter checks: those who make them, and officers who got them on paper.
pub const fn may_enter(role: Role) -> bool {
    matches!(
        role,
        Role::Enterprise | Role::Contractor | Role::CityDuty | Role::Branch
    )
}

/// A check from the words of a row: time, outlet, factor, point, gas, before, after, adjusted, note. `has` says whether
/// a factor of an outlet is registered and theirs.
pub fn read(
    (line, source): (u64, CheckSource),
    words: [&str; 9],
    viewer: &Viewer,
    now: Time,
    has: impl Fn(OutletId, Option<FactorCode>) -> bool,
) -> Result<Check, EntryError> {
    if !may_enter(viewer.role) {
        return Err(EntryError::NotAllowed {
            role: viewer.role,
            may: &MAY,
        });
    }
    let [time, outlet, factor, point, gas, before, after, adjusted, note] = words.map(str::trim);
    let bad = |text: &str, expected| LAYOUT.bad(line, text, expected);
    let in_time = |at: &Time| *at <= now && now.since(*at) <= MAX_AGE_DAYS * DAY_MS;
    let at = moment(time).filter(in_time).ok_or_else(|| bad(time, TIME))?;
    let outlet = OutletId::new(outlet)
        .ok()
        .filter(|&id| has(id, None))
        .ok_or_else(|| bad(outlet, OUTLET))?;
    let factor = FactorCode::new(factor)
        .ok()
        .filter(|&code| has(outlet, Some(code)))
        .ok_or_else(|| bad(factor, FACTOR))?;
    let named = |known: &&CheckPoint| known.code() == point || known.zh() == point;
    let point = CheckPoint::ALL.iter().find(named).ok_or_else(|| bad(point, POINT))?;
    let number = |text: &str| -> Result<f64, RowError> {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| bad(text, NUMBER))
    };
    let adjusted = match adjusted {
        "yes" | "true" | "1" | "是" | "on" => true,
        "" | "no" | "false" | "0" | "否" => false,
        other => return Err(bad(other, ADJUSTED).into()),
    };
    if note.chars().count() > MAX_NOTE_CHARS {
        return Err(bad(note, NOTE).into());
    }
    Ok(Check {
        outlet,
        factor,
        point: Some(*point),
        at,
        gas: number(gas)?,
        before: number(before)?,
        after: if after.is_empty() { None } else { Some(number(after)?) },
        adjusted,
        source,
        by: viewer.name.clone(),
        note: note.to_owned(),
        received_at: now,
    })
}

/// Checks from CSV with columns `time,outlet,factor,point,gas,before,after,adjusted,note`, in order of time; all or
/// none.
pub fn from_csv(
    text: &str,
    viewer: &Viewer,
    now: Time,
    has: impl Fn(OutletId, Option<FactorCode>) -> bool,
) -> Result<Vec<Check>, EntryError> {
    let mut checks = rows::read(&LAYOUT, text, |row| {
        let words = std::array::from_fn(|at| row.cell(at));
        read((row.line(), CheckSource::Sheet), words, viewer, now, &has)
    })?;
    checks.sort_by_key(|check| check.at);
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Scope;

    const OWN: &str = "91330100MA27X0AB1C:DA001";
    const GOOD: [&str; 9] = [
        "2026-11-21T08:30",
        OWN,
        "a21026",
        "zero",
        "0",
        "4.8",
        "0.1",
        "yes",
        "更换滤芯",
    ];

    fn table(rows: &str, role: Role) -> Result<Vec<Check>, EntryError> {
        let viewer = Viewer {
            name: "王运维".into(),
            role,
            scope: Scope::All,
        };
        let now = Time::parse_stamp(b"20261122090000").unwrap();
        from_csv(
            &format!("{}\n{rows}", LAYOUT.columns.join(",")),
            &viewer,
            now,
            |outlet, factor| outlet.as_str() == OWN && factor.is_none_or(|code| code.as_str() == "a21026"),
        )
    }

    #[test]
    fn a_table_is_read_in_order_of_time() {
        let later = format!("{}\n", GOOD.join(","));
        let earlier = format!("2026-11-20 08:30,{OWN},a21026,跨度,160,161.5,,,\n");
        let checks = table(&(later + &earlier), Role::Contractor).unwrap();
        let [first, second] = checks.as_slice() else {
            panic!("{checks:?}");
        };
        assert_eq!(
            (first.point, first.after, first.adjusted),
            (Some(CheckPoint::Span), None, false)
        );
        assert_eq!(
            (second.after, second.adjusted, second.by.as_str()),
            (Some(0.1), true, "王运维")
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (at, text, expected) in [
            (0, "2026-11-22T09:01", TIME),
            (0, "2025-01-01T09:01", TIME),
            (1, "91330100MA27X0XY9Z:DA001", OUTLET),
            (2, "a21002", FACTOR),
            (3, "middle", POINT),
            (4, "nought", NUMBER),
            (5, "", NUMBER),
            (6, "NaN", NUMBER),
            (7, "perhaps", ADJUSTED),
        ] {
            let mut row = GOOD;
            row[at] = text;
            let error = table(&format!("{}\n", row.join(",")), Role::Enterprise).unwrap_err();
            assert!(error.to_string().contains(expected.en), "{text}: {error}");
            assert!(
                error.zh().contains("第 2 行") && !error.hint().is_empty(),
                "{}",
                error.zh()
            );
        }
        let many = format!("{}\n", GOOD.join(",")).repeat(MAX_CHECKS + 1);
        let error = table(&many, Role::Enterprise).unwrap_err();
        assert!(matches!(error, EntryError::Rows(RowError::TooLong { .. })));
        let error = table(&format!("{}\n", GOOD.join(",")), Role::ReadOnly).unwrap_err();
        assert!(matches!(error, EntryError::NotAllowed { .. }));
    }
}
