//! Recomputation: windows that the judge no longer remembers, judged again out of the archive.
//!
//! What is found becomes a record of the log, and the judge says it: so judgements and events, their archive and the
//! desk's cases come by it in the usual way, their revision is the place of that record, and an exact replay says the
//! same again (D11).

use crate::event::Edge;
use crate::ids::OutletId;
use crate::judgement::Judgement;
use crate::time::Time;

crate::reading::closed! {
    /// Why windows were judged again.
    RecomputeCause {
        /// A mark was entered or withdrawn over them.
        Mark = 1, "mark", "追溯标记", "retroactive mark";
        /// Data of them came.
        LateData = 2, "late_data", "迟到数据", "late data";
        /// The registry changed for the time they are of.
        Registry = 3, "registry", "追溯档案变更", "retroactive registry change";
        /// Somebody asked for it.
        Asked = 4, "asked", "人工发起", "asked for";
    }
}

/// What judging an outlet's windows again found.
#[derive(Clone, Debug, PartialEq)]
pub struct Recomputed {
    /// Of which outlet.
    pub outlet: OutletId,
    /// Why it was done.
    pub why: RecomputeCause,
    /// When.
    pub received_at: Time,
    /// What is said otherwise, in the order of the windows.
    pub revisions: Vec<Revision>,
}

/// What is said of one window from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// The word on the window. Its cause, ordinal, pane and time are the judge's to give.
    pub judgement: Judgement,
    /// The edges that follow from it.
    pub turns: Vec<Turn>,
}

/// An edge of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What changes.
    pub edge: Edge,
    /// Start of the first window of the case: what its id is made of (D1).
    pub first_window: Time,
}
