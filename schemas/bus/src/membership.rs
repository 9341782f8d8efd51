//! Who of several processes works on which partition. On one machine that is this process, for all of them.

use std::sync::mpsc as blocking;
use std::time::Duration;

use tokio::sync::mpsc;

/// A partition that is taken away is waited for so long: what is under way is finished meanwhile. Whoever is not done
/// by then is refused by the brokers, not trusted.
pub const RELEASE_LIMIT: Duration = Duration::from_secs(20);

/// A change of what is this process's to work on.
#[derive(Debug)]
pub enum Change {
    /// These partitions are now this process's.
    Assigned(Vec<u32>),
    /// These are to be let go; [`Released`] is dropped once they are.
    Revoked(Vec<u32>, Released),
}

/// Held until the partitions of a [`Change::Revoked`] are let go; dropping it says so.
#[derive(Debug)]
pub struct Released {
    _held: blocking::SyncSender<()>,
}

/// The other end of a [`Released`].
pub(crate) struct Heard(blocking::Receiver<()>);

#[cfg_attr(
    not(feature = "kafka"),
    expect(dead_code, reason = "only a carrier with groups takes partitions away")
)]
impl Released {
    pub(crate) fn pair() -> (Self, Heard) {
        let (held, heard) = blocking::sync_channel(0);
        (Self { _held: held }, Heard(heard))
    }
}

#[cfg_attr(
    not(feature = "kafka"),
    expect(dead_code, reason = "only a carrier with groups takes partitions away")
)]
impl Heard {
    /// Blocks until the partitions are let go or the limit is over.
    pub(crate) fn wait(self) {
        if self.0.recv_timeout(RELEASE_LIMIT) == Err(blocking::RecvTimeoutError::Timeout) {
            tracing::warn!("partitions were not let go in time; the brokers refuse what still comes of them");
        }
    }
}

/// A place among those that share a consumer's work.
#[derive(Debug)]
pub struct Membership {
    changes: mpsc::UnboundedReceiver<Change>,
    /// Kept where nobody else sends, so that [`Membership::next`] waits instead of ending.
    _alone: Option<mpsc::UnboundedSender<Change>>,
}

impl Membership {
    /// Alone: all partitions, for good.
    pub(crate) fn alone(partitions: u32) -> Self {
        let (sender, changes) = mpsc::unbounded_channel();
        // The receiver is held here.
        drop(sender.send(Change::Assigned((0..partitions).collect())));
        Self {
            changes,
            _alone: Some(sender),
        }
    }

    /// Whatever a group says.
    #[cfg(feature = "kafka")]
    pub(crate) fn of(changes: mpsc::UnboundedReceiver<Change>) -> Self {
        Self { changes, _alone: None }
    }

    /// The next change; `None` once the bus is closed.
    pub async fn next(&mut self) -> Option<Change> {
        self.changes.recv().await
    }
}
