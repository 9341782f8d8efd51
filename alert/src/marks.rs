//! 人工标记: what a person says of a span of data: stopped, starting up, under maintenance. HJ 212 does not carry it,
//! so it comes in by form or table, becomes a record of the log, and the judge revises what it covers. plume never
//! marks by itself. Pure.

use plume_schemas::entry::{Mark, MarkKind};
use plume_schemas::ids::{ContentId, FactorCode, OutletId};
use plume_schemas::time::{DAY_MS, Span, Time};

use crate::accounts::{Role, Viewer};
use crate::duty::moment;
use crate::entered::EntryError;
use crate::rows::{self, Layout, Said};

/// Most marks of one table: a month of a plant that starts and stops daily, ten times over.
pub const MAX_MARKS: usize = 300;
/// Longest span of one mark: a longer stop is a period in the registry.
pub const MAX_DAYS: i64 = 31;
/// Longest note.
pub const MAX_NOTE_CHARS: usize = 500;

/// What they are, and who enters them.
static MAY: (Said, Said) = (
    Said::new("人工标记", "marks"),
    Said::new(
        "由排污单位或其管理人员标记",
        "the enterprise marks its data, or its officers for it",
    ),
);
static LAYOUT: Layout = Layout {
    name: Said::new("人工标记", "marks"),
    columns: &["outlet", "factor", "start", "end", "kind", "note"],
    max_rows: MAX_MARKS,
    example: "91330100MA27X0AB1C:DA001,a21026,2026-11-21T08:00,2026-11-21T10:00,maintenance,更换滤芯",
};
const OUTLET: Said = Said::new("排放口编号，须在本人范围内", "outlet of yours");
const FACTOR: Said = Said::new("因子编码，留空为整个排放口", "factor, or nothing for all of the outlet");
const START: Said = Said::new("开始时间，如 2026-11-21T08:00", "moment such as 2026-11-21T08:00");
const END: Said = Said::new(
    "结束时间，须晚于开始时间、不超过 31 天、不晚于当前时间",
    "moment after the start, at most 31 days, not in the future",
);
const KIND: Said = Said::new("标记类型", "kind of mark");
const NOTE: Said = Said::new("说明，必填，不超过 500 字", "note of at most 500 characters");

/// Who may mark.
pub const fn may_mark(role: Role) -> bool {
    matches!(role, Role::Enterprise | Role::CityDuty | Role::Branch)
}

/// A mark from the words of a row: outlet, factor, start, end, kind, note. `sees` says which outlets are theirs.
pub fn read(
    line: u64,
    words: [&str; 6],
    viewer: &Viewer,
    now: Time,
    sees: impl Fn(OutletId) -> bool,
) -> Result<Mark, EntryError> {
    if !may_mark(viewer.role) {
        return Err(EntryError::NotAllowed {
            role: viewer.role,
            may: &MAY,
        });
    }
    let [outlet, factor, start, end, kind, note] = words.map(str::trim);
    let bad = |text: &str, expected| LAYOUT.bad(line, text, expected);
    let outlet = OutletId::new(outlet)
        .ok()
        .filter(|&id| sees(id))
        .ok_or_else(|| bad(outlet, OUTLET))?;
    let factor = match factor {
        "" => None,
        code => Some(FactorCode::new(code).map_err(|_| bad(code, FACTOR))?),
    };
    let from = moment(start).ok_or_else(|| bad(start, START))?;
    let fits = |to: &Time| from < *to && to.since(from) <= MAX_DAYS * DAY_MS && *to <= now;
    let to = moment(end).filter(fits).ok_or_else(|| bad(end, END))?;
    let kind = MarkKind::ALL
        .iter()
        .copied()
        .find(|known| known.code() == kind)
        .ok_or_else(|| bad(kind, KIND))?;
    if note.is_empty() || note.chars().count() > MAX_NOTE_CHARS {
        return Err(bad(note, NOTE).into());
    }
    let span = Span { start: from, end: to };
    Ok(Mark {
        id: ContentId::of(&[
            b"mark",
            outlet.as_str().as_bytes(),
            factor.as_ref().map_or("", FactorCode::as_str).as_bytes(),
            &from.0.to_le_bytes(),
            &to.0.to_le_bytes(),
            kind.code().as_bytes(),
        ]),
        outlet,
        factor,
        span,
        kind,
        withdrawn: false,
        by: viewer.name.clone(),
        note: note.to_owned(),
        received_at: now,
    })
}

/// Marks from CSV with columns `outlet,factor,start,end,kind,note`; all or none.
pub fn from_csv(
    text: &str,
    viewer: &Viewer,
    now: Time,
    sees: impl Fn(OutletId) -> bool,
) -> Result<Vec<Mark>, EntryError> {
    rows::read(&LAYOUT, text, |row| {
        let words = std::array::from_fn(|at| row.cell(at));
        read(row.line(), words, viewer, now, &sees)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Scope;
    use crate::rows::RowError;

    const OWN: &str = "91330100MA27X0AB1C:DA001";

    fn table(rows: &str) -> Result<Vec<Mark>, EntryError> {
        let viewer = Viewer {
            name: "张环保".into(),
            role: Role::Enterprise,
            scope: Scope::All,
        };
        let now = Time::parse_stamp(b"20261122090000").unwrap();
        from_csv(
            &format!("{}\n{rows}", LAYOUT.columns.join(",")),
            &viewer,
            now,
            |outlet| outlet.as_str() == OWN,
        )
    }

    #[test]
    fn a_mark_sent_twice_is_one() {
        let row = format!("{OWN},a21026,2026-11-21T08:00,2026-11-21 10:00,maintenance,更换滤芯\n");
        let marks = table(&row.repeat(2)).unwrap();
        assert_eq!((marks.len(), marks[0].id), (2, marks[1].id));
        assert_eq!(marks[0].span.start.hour_minute(), "08:00");
        let other = table(&row.replace("a21026", "")).unwrap();
        assert_ne!(other[0].id, marks[0].id);
    }

    #[test]
    fn what_cannot_be_marked_is_named() {
        let good = [
            "91330100MA27X0AB1C:DA001",
            "",
            "2026-11-21T08:00",
            "2026-11-21T10:00",
            "stopped",
            "检修",
        ];
        for (at, text, expected) in [
            (0, "91330100MA27X0XY9Z:DA001", OUTLET),
            (1, "so 2", FACTOR),
            (2, "yesterday", START),
            (3, "2026-11-21T07:00", END),
            (3, "2026-11-22T09:01", END),
            (3, "2026-12-31T09:01", END),
            (4, "broken", KIND),
            (5, "", NOTE),
        ] {
            let mut row = good;
            row[at] = text;
            let error = table(&format!("{}\n", row.join(","))).unwrap_err();
            assert!(error.to_string().contains(expected.en), "{text}: {error}");
            assert!(error.zh().contains("第 2 行"), "{}", error.zh());
        }
        assert!(matches!(
            table(&format!("{}\n", good.join(",")).repeat(301)),
            Err(EntryError::Rows(RowError::TooLong { .. }))
        ));
        let reader = Viewer {
            name: "访客".into(),
            role: Role::ReadOnly,
            scope: Scope::All,
        };
        let refused = read(1, good, &reader, Time(0), |_| true).unwrap_err();
        assert!(matches!(refused, EntryError::NotAllowed { .. }));
    }
}
