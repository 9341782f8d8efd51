//! Marks (标记) from a sheet: the manual ones that HJ 212 does not carry.

use super::sheet::Sheet;
use super::{CsvFile, CsvProblem};
use crate::entry::{Mark, MarkKind};
use crate::ids::{ContentId, FactorCode, OutletId};
use crate::registry::Registry;
use crate::time::{Span, Time};

/// Columns with their Chinese heads; `by` and `note` are what a person wrote, `withdrawn` takes the same mark back.
const COLUMNS: [(&str, &str); 8] = [
    ("outlet", "排放口标识"),
    ("factor", "因子编码"),
    ("start", "开始时间"),
    ("end", "结束时间"),
    ("kind", "标记类型"),
    ("by", "标记人"),
    ("note", "说明"),
    ("withdrawn", "撤销"),
];

impl Mark {
    /// The id of a mark by what it says: entered twice it is one, and a withdrawal names it by saying the same.
    pub fn content_id(outlet: OutletId, factor: Option<FactorCode>, span: Span, kind: MarkKind) -> ContentId {
        ContentId::of(&[
            b"mark",
            outlet.as_str().as_bytes(),
            b"|",
            factor.as_ref().map_or("", FactorCode::as_str).as_bytes(),
            b"|",
            &span.start.0.to_le_bytes(),
            &span.end.0.to_le_bytes(),
            &[kind.number()],
        ])
    }

    /// Marks from `outlet,factor,start,end,kind,by,note,withdrawn`; outlets must be in `registry`. Errors: every
    /// problem of the sheet; then nothing is taken.
    pub fn from_csv(file: CsvFile<'_>, registry: &Registry, now: Time) -> Result<Vec<Self>, Vec<CsvProblem>> {
        let (mut marks, mut problems) = (Vec::new(), Vec::new());
        let required = ["outlet", "start", "end", "kind", "by"];
        Sheet::read(Some(file), &COLUMNS, &required, &mut problems, |row| {
            let id = row.id("outlet", OutletId::new);
            let known = registry.outlets.iter().find(|outlet| outlet.id == id);
            row.known("outlet", known, "the outlets of the registry");
            let factor = Some(row.id("factor", FactorCode::new)).filter(|code| *code != FactorCode::default());
            let span = Span {
                start: row.moment("start").unwrap_or_default(),
                end: row.moment("end").unwrap_or_default(),
            };
            if row.good() && span.end <= span.start {
                row.problem("end", "is not after the start".to_owned());
            }
            let kind = row.one_of("kind", MarkKind::ALL, MarkKind::code, MarkKind::zh);
            let mark = Self {
                id: Self::content_id(id, factor, span, kind),
                outlet: id,
                factor,
                span,
                kind,
                withdrawn: row.yes("withdrawn"),
                by: row.text("by"),
                note: row.text("note"),
                received_at: now,
            };
            if row.good() {
                marks.push(mark);
            }
        });
        if problems.is_empty() { Ok(marks) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::EnterpriseId;
    use crate::registry::Outlet;

    fn registry() -> Registry {
        let outlet = Outlet {
            id: OutletId::new("E1:DA001").unwrap(),
            enterprise: EnterpriseId::new("E1").unwrap(),
            number: "DA001".to_owned(),
            name: String::new(),
            management_class: String::new(),
            shared_stack: String::new(),
            stack_height_m: None,
            trial_until: None,
            factors: Vec::new(),
            stop_work: Vec::new(),
            valid_from: None,
            valid_to: None,
        };
        Registry {
            outlets: vec![outlet],
            ..Registry::default()
        }
    }

    fn read(text: &str) -> Result<Vec<Mark>, Vec<String>> {
        let file = CsvFile {
            name: "marks.csv",
            text,
        };
        Mark::from_csv(file, &registry(), Time(9)).map_err(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_mark_and_its_withdrawal_have_one_id() {
        let text = "排放口标识,因子编码,开始时间,结束时间,标记类型,标记人,说明,撤销\n\
                    E1:DA001,,2026-11-21T10:00,2026-11-21T11:00,校准,李主管,季度校准,\n\
                    E1:DA001,,2026-11-21 10:00,2026-11-21T11:00:00,calibration,王工,,是\n";
        let marks = read(text).unwrap();
        assert_eq!((marks.len(), marks[0].withdrawn, marks[1].withdrawn), (2, false, true));
        assert_eq!(marks[0].id, marks[1].id);
        assert_eq!((marks[0].kind, marks[0].factor), (MarkKind::Calibration, None));
    }

    #[test]
    fn every_bad_row_is_named_and_nothing_is_taken() {
        let text = "outlet,factor,start,end,kind,by\n\
                    E1:DA001,a21026,2026-11-21T10:00,2026-11-21T11:00,stopped,李\n\
                    E9:DA009,,2026-11-21T10:00,2026-11-21T11:00,stopped,李\n\
                    E1:DA001,,2026-11-21T11:00,2026-11-21T10:00,stopped,李\n\
                    E1:DA001,,2026-11-21T11:00,2026-11-21T12:00,holiday,\n";
        let problems = read(text).unwrap_err().join("\n");
        for part in [
            "marks.csv:3: outlet",
            "marks.csv:4: end",
            "marks.csv:5: kind",
            "marks.csv:5: by",
        ] {
            assert!(problems.contains(part), "{part} in {problems}");
        }
        assert!(!problems.contains("marks.csv:2"), "{problems}");
    }
}
