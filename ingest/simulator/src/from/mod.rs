//! `simulate --from FILE`: a file of packets replayed as they are, or a table of hour values turned into hour and
//! minute packets.

mod error;
mod minutes;
mod packets;
mod table;

pub use error::FromError;
pub use minutes::minutes_with_mean;
pub use packets::{PacketFile, parse_packets};
pub use table::{FactorColumn, MinuteDraw, Table, TableMapping, TimeSource};

use std::collections::VecDeque;

use plume_schemas::time::Time;

use crate::message::Message;
use crate::sender::Parcel;

/// A file being played.
#[derive(Clone, Debug)]
pub enum Script {
    /// Packets, as fast as they are answered or at a fixed interval.
    Packets {
        /// What is still to be sent.
        frames: VecDeque<Vec<u8>>,
        /// When the next one is due; `None`: as soon as the one before is answered.
        next_at: Option<Time>,
        /// Milliseconds of the world's time from one to the next, where there is a pace.
        interval_ms: i64,
    },
    /// Hour values with minutes drawn around them, each packet when its period ends.
    Table {
        /// The rows still to be turned into messages.
        table: Box<Table>,
        /// Messages of the current row with the moments they are due at.
        queue: VecDeque<(Time, Message)>,
    },
}

impl Script {
    /// Packets, each as soon as the one before is answered.
    pub fn packets(file: PacketFile) -> Self {
        Self::Packets {
            frames: file.frames.into(),
            next_at: None,
            interval_ms: 0,
        }
    }

    /// Packets at a fixed pace of the world's time, beginning at `start`.
    pub fn packets_paced(file: PacketFile, start: Time, interval_ms: i64) -> Self {
        Self::Packets {
            frames: file.frames.into(),
            next_at: Some(start),
            interval_ms,
        }
    }

    /// A table of hour values.
    pub fn table(mut table: Table) -> Self {
        let queue = table.next_hour();
        Self::Table {
            table: Box::new(table),
            queue,
        }
    }

    /// When the next thing is due; `None` where there is none.
    pub fn due(&self) -> Option<Time> {
        match self {
            Self::Packets { frames, next_at, .. } if !frames.is_empty() => Some(next_at.unwrap_or(Time(i64::MIN))),
            Self::Packets { .. } => None,
            Self::Table { queue, .. } => queue.front().map(|(at, _)| *at),
        }
    }

    /// True when everything has been said.
    pub fn finished(&self) -> bool {
        self.due().is_none()
    }

    /// The next thing that is due by `now`.
    pub(crate) fn next(&mut self, now: Time) -> Option<Parcel> {
        self.due().filter(|at| *at <= now)?;
        match self {
            Self::Packets {
                frames,
                next_at,
                interval_ms,
            } => {
                if let Some(at) = next_at {
                    *at = at.plus(*interval_ms);
                }
                frames.pop_front().map(Parcel::Raw)
            }
            Self::Table { table, queue } => {
                let (_, message) = queue.pop_front()?;
                if queue.is_empty() {
                    *queue = table.next_hour();
                }
                Some(Parcel::Message(message))
            }
        }
    }
}
