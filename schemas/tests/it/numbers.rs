//! `proto/NUMBERS.md`: the tables of numbers that readers of the log need, made from the closed sets.

use std::fmt::Write as _;

use plume_schemas::check::{CheckPoint, CheckSource};
use plume_schemas::entry::{MarkKind, PresenceState};
use plume_schemas::event::Edge;
use plume_schemas::judgement::{FactKey, NotJudged, Pane};
use plume_schemas::reading::{Basis, Flag, ReportKind, Statistic};
use plume_schemas::recompute::RecomputeCause;
use plume_schemas::report::{ComplaintCode, Dialect, QuarantineReason};
use plume_schemas::rule::{RuleCode, Severity};

const HEAD: &str = "\
# Numbers of the log

Messages in `plume/v0/plume.proto` carry members of closed sets as these numbers. A number is never used again for
something else; a reader that meets one it does not know must stop and be upgraded, not guess.

This file is made from the source by the test `numbers`.
";

#[test]
fn numbers_are_written_down() {
    let mut text = HEAD.to_owned();
    macro_rules! tables {
        ($($set:ident),+ $(,)?) => {$(
            write!(text, "\n## {}\n\n| number | code | 中文 | English |\n|---|---|---|---|\n", stringify!($set)).unwrap();
            for one in $set::ALL {
                writeln!(text, "| {} | `{}` | {} | {} |", one.number(), one.code(), one.zh(), one.en()).unwrap();
                // A number and a code lead back to their member, and nothing is listed twice.
                assert_eq!($set::from_number(one.number()), Some(*one));
                assert_eq!($set::from_code(one.code()), Some(*one));
            }
        )+};
    }
    tables!(
        ReportKind,
        Statistic,
        Basis,
        Flag,
        Dialect,
        ComplaintCode,
        QuarantineReason,
        PresenceState,
        MarkKind,
        CheckPoint,
        CheckSource,
        RecomputeCause,
        RuleCode,
        Severity,
        Pane,
        NotJudged,
        FactKey,
        Edge,
    );
    crate::fresh::assert_fresh("proto/NUMBERS.md", &text);
}
