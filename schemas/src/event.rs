//! Event: an edge only, after hold time and hysteresis. What the desk's cases are made of.

use crate::entry::LogPosition;
use crate::ids::{ContentId, FactorCode, OutletId};
use crate::judgement::Judgement;
use crate::rule::RuleCode;
use crate::time::Time;

crate::reading::closed! {
    /// What changed.
    Edge {
        /// A breach began.
        Opened = 1, "opened", "发生", "opened";
        /// It became graver.
        Worsened = 2, "worsened", "加重", "worsened";
        /// It is over.
        Cleared = 3, "cleared", "恢复", "cleared";
        /// It never was: a correction removed it.
        Retracted = 4, "retracted", "撤回", "retracted";
        /// Preliminary until now, confirmed from now on.
        Confirmed = 5, "confirmed", "确认", "confirmed";
    }
}

/// An edge of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `hash(case, edge, cause)` (D1).
    pub id: ContentId,
    /// `hash(outlet, factor or none, rule, first window start)`, fixed when it opened (D1).
    pub case: ContentId,
    /// What changed.
    pub edge: Edge,
    /// The judge's clock when it changed.
    pub at: Time,
    /// Exceedance that can still be marked: 初判.
    pub preliminary: bool,
    /// The judgement that made the edge: rule, outlet, factor, window, evidence.
    pub judgement: Judgement,
}

impl Event {
    /// The id of the case of a breach that began in the window starting at `first_window_start`.
    pub fn case_id(
        outlet: OutletId,
        factor: Option<FactorCode>,
        rule: RuleCode,
        first_window_start: Time,
    ) -> ContentId {
        ContentId::of(&[
            outlet.as_str().as_bytes(),
            factor.as_ref().map_or(&[][..], |factor| factor.as_str().as_bytes()),
            rule.code().as_bytes(),
            &first_window_start.0.to_le_bytes(),
        ])
    }

    /// The id of an edge of a case, caused by the entry at `cause`.
    pub fn event_id(case: ContentId, edge: Edge, cause: LogPosition) -> ContentId {
        ContentId::of(&[
            case.as_bytes(),
            edge.code().as_bytes(),
            &cause.partition.to_le_bytes(),
            &cause.offset.to_le_bytes(),
        ])
    }
}
