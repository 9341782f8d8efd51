//! What must never happen in a world, and how it is told.

use std::fmt;

use plume_schemas::time::Time;

/// The promises that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Promise {
    /// No answer leaves before the disk has synced its packet.
    DurableBeforeAnswer,
    /// Answers of one device on one link come in the order of its packets, one for each.
    AnswersInOrder,
    /// What a device saw answered is in the log.
    NothingAckedIsLost,
    /// Every packet of the log was sent by somebody, byte by byte.
    NothingInvented,
    /// What could once be read can be read again, and says the same.
    LogNeverChanges,
    /// Ends of lines and committed offsets only grow.
    OffsetsNeverGoBack,
    /// After any crash the log and the archive open again by themselves.
    OpensAgain,
    /// Of each packet one report (for each outlet) is new, all others are repeats; readings are new, identical or
    /// revised
    /// as a naive memory of everything says.
    ReadingsOnce,
    /// The archive holds each reading of the log, the standing value marked, and each packet and event once.
    ArchiveComplete,
    /// A packet that came twice is known to be a repeat, whatever the network did to it.
    RepeatsKnown,
    /// Values arrive digit by digit.
    ValuesAsSent,
    /// Each event is in the log once; ids are unique.
    EventsOnce,
    /// Judgements and events are those of one uninterrupted judge, byte by byte.
    JudgeRepeats,
    /// Queues keep their limits.
    Bounded,
    /// Frames received = accepted + quarantined + refused; records on their way to disk arrive, or their link died.
    Balanced,
    /// When troubles are over everything is delivered.
    Heals,
    /// `received_at` of Ticks only grows.
    TimeIsMonotone,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) promise: Promise,
    /// The world's true time.
    pub(crate) at: Time,
    pub(crate) what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} broken at {}: {}", self.promise, self.at, self.what)
    }
}

/// Holds, or a promise is broken.
pub(crate) type Held = Result<(), Broken>;

/// Says that `promise` is broken unless `holds`.
pub(crate) fn hold(holds: bool, promise: Promise, at: Time, what: impl FnOnce() -> String) -> Held {
    if holds {
        Ok(())
    } else {
        Err(Broken {
            promise,
            at,
            what: what(),
        })
    }
}
