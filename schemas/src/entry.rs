//! One record of the `reports` topic: what the judge and the archive read, in recorded order.
//!
//! Time is a record too: ingest appends its clock as [`Tick`]s and the coming and going of devices as [`Presence`],
//! so that silence is data and the judge needs no clock of its own.

use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use crate::recompute::Recomputed;
use crate::registry::Registry;
use crate::report::Report;
use crate::time::{Span, Time};

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct LogPosition {
    /// Partition of the `reports` topic (D7).
    pub partition: u32,
    /// Offset within it.
    pub offset: u64,
}

impl std::fmt::Display for LogPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

/// A record with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where it stands.
    pub at: LogPosition,
    /// What it says.
    pub body: EntryBody,
}

/// What the log of reports can say.
#[derive(Clone, Debug, PartialEq)]
pub enum EntryBody {
    /// A device said something about an outlet.
    Report(Box<Report>),
    /// An ingest's clock, every few seconds, into every partition.
    Tick(Tick),
    /// A device came or went, into the partition of each outlet it serves.
    Presence(Presence),
    /// An ingest's clock stepped forward by more than 60 s (D2).
    ClockStep(ClockStep),
    /// The registry as it is from now on, into every partition (D8).
    Registry(Box<Registry>),
    /// A mark (标记) or a stop-work period entered by a person, on the outlet's partition.
    Mark(Mark),
    /// A zero or span check entered by a person, on the outlet's partition.
    Check(Box<Check>),
    /// What judging again out of the archive found of windows that the judge no longer remembers, on the outlet's
    /// partition.
    Recomputed(Box<Recomputed>),
}

impl EntryBody {
    /// When it was recorded, by the clock of the one who recorded it.
    pub fn received_at(&self) -> Time {
        match self {
            Self::Report(report) => report.times.received_at,
            Self::Tick(tick) => tick.received_at,
            Self::Presence(presence) => presence.received_at,
            Self::ClockStep(step) => step.to,
            Self::Registry(registry) => registry.recorded_at,
            Self::Mark(mark) => mark.received_at,
            Self::Check(check) => check.received_at,
            Self::Recomputed(recomputed) => recomputed.received_at,
        }
    }
}

/// An ingest's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Whose.
    pub ingest: IngestId,
    /// What it showed.
    pub received_at: Time,
}

/// A device's link, as seen by one ingest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Which device.
    pub mn: Mn,
    /// Which outlet this copy of the record is for (an MN with several outlets gets one each).
    pub outlet: OutletId,
    /// Seen by.
    pub ingest: IngestId,
    /// What happened.
    pub state: PresenceState,
    /// Counts links of the MN upward: the highest carries its commands (D16).
    pub epoch: u64,
    /// The peer's address.
    pub peer: Inline<47>,
    /// When.
    pub received_at: Time,
}

crate::reading::closed! {
    /// What a [`Presence`] says.
    PresenceState {
        /// First valid packet on a new link.
        Came = 1, "came", "上线", "came";
        /// The link ended.
        Gone = 2, "gone", "离线", "gone";
        /// Packets queue behind a local spool; silence is ours, not the device's (D13).
        Spooling = 3, "spooling", "本地缓存中", "spooling";
        /// The spool has drained.
        Drained = 4, "drained", "缓存已清空", "drained";
    }
}

/// A clock that stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// Whose.
    pub ingest: IngestId,
    /// What it showed last.
    pub from: Time,
    /// What it shows now.
    pub to: Time,
}

/// What a person says of a span of an outlet's data; plume never marks by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// From content; a mark entered twice is one.
    pub id: ContentId,
    /// Which outlet.
    pub outlet: OutletId,
    /// Which factor, or all of the outlet.
    pub factor: Option<FactorCode>,
    /// Over which time of measuring.
    pub span: Span,
    /// What kind.
    pub kind: MarkKind,
    /// Withdrawn: the mark with the same content no longer counts.
    pub withdrawn: bool,
    /// Who says so (a desk account, or the importing person).
    pub by: String,
    /// Why, in their words.
    pub note: String,
    /// When it was recorded.
    pub received_at: Time,
}

crate::reading::closed! {
    /// Kinds of marks (cems.md §4; the vocabulary of national platforms and of the incineration and power rules).
    MarkKind {
        /// 停运.
        Stopped = 1, "stopped", "停运", "stopped";
        /// 停产报备: a period filed beforehand.
        StopWork = 2, "stop_work", "停产/停运报备", "filed stop-work";
        /// 启炉, 烘炉, 并网前.
        StartUp = 3, "start_up", "启炉", "start-up";
        /// 停炉, 停炉降温, 解列.
        ShutDown = 4, "shut_down", "停炉", "shut-down";
        /// 故障, 事故.
        PlantFault = 5, "plant_fault", "故障/事故", "plant fault or accident";
        /// CEMS 维护.
        Maintenance = 6, "maintenance", "CEMS维护", "CEMS maintenance";
        /// 校准, 标样核查.
        Calibration = 7, "calibration", "校准", "calibration";
        /// CEMS 故障, 热电偶故障.
        InstrumentFault = 8, "instrument_fault", "CEMS故障", "instrument fault";
        /// 通讯中断.
        LinkDown = 9, "link_down", "通讯中断", "link down";
        /// 数据无效 for another reason, in the note.
        Invalid = 10, "invalid", "数据无效", "invalid for another reason";
    }
}
