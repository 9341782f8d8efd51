//! What can go wrong around plume, and how often.

use plume_schemas::time::{MINUTE_MS, SECOND_MS};

use crate::chance::Chance;

/// One trouble. Times are milliseconds from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The network cuts a link.
    Reset,
    /// The network cuts every link.
    ResetAll,
    /// Nothing arrives anywhere for so long.
    Stall { for_ms: i64 },
    /// kill -9; the process is back after so long.
    Kill { down_ms: i64 },
    /// The power goes. `partly`: some of what was not synced made it to the disk.
    PowerLoss { down_ms: i64, partly: bool },
    /// An orderly stop and start.
    Restart { down_ms: i64 },
    /// The machine dies at the n-th operation on the disk from now.
    CrashAt { operation: u64 },
    /// An operation on the disk fails.
    DiskError { operation: u64 },
    /// A write is cut short and says so.
    ShortWrite { operation: u64 },
    /// A write finds no space.
    NoSpace { operation: u64 },
    /// Others fill the disk for so long.
    FullDisk { for_ms: i64, spare_bytes: u64 },
    /// The archive does not run for so long.
    SlowArchive { for_ms: i64 },
    /// The judge does not run for so long.
    SlowJudge { for_ms: i64 },
    /// The server's clock is set wrong, and after so long right again.
    ClockStep { by_ms: i64, for_ms: i64 },
}

impl Trouble {
    /// The next trouble.
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let down_ms = chance.within(SECOND_MS..60 * SECOND_MS);
        let for_ms = chance.within(MINUTE_MS..25 * MINUTE_MS);
        // A few operations ahead: within a frame, a roll, a checkpoint; or while opening.
        let operation = chance.below(40);
        match chance.below(40) {
            0..=7 => Self::Reset,
            8..=9 => Self::ResetAll,
            10..=11 => Self::Stall { for_ms: for_ms / 20 },
            12..=15 => Self::Kill { down_ms },
            16..=18 => Self::PowerLoss {
                down_ms,
                partly: chance.one_in(2),
            },
            19..=20 => Self::Restart { down_ms },
            21..=24 => Self::CrashAt { operation },
            25..=27 => Self::DiskError { operation },
            28..=29 => Self::ShortWrite { operation },
            30..=31 => Self::NoSpace { operation },
            32..=33 => Self::FullDisk {
                for_ms: for_ms / 2,
                spare_bytes: chance.below(4_000),
            },
            34..=35 => Self::SlowArchive { for_ms },
            36 => Self::SlowJudge { for_ms },
            _ => Self::ClockStep {
                by_ms: [-600, -90, -3, 3, 45, 90, 900][chance.place(7)] * SECOND_MS,
                for_ms,
            },
        }
    }
}
