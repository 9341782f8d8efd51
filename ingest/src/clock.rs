//! The ingest's clock: monotone, and a source of link epochs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use plume_schemas::time::{Clock, Time};

/// A [`Clock`] that never goes back, so that `received_at` is monotone per ingest (D2). Clones share what was shown
/// last.
#[derive(Clone, Debug)]
pub struct MonotoneClock {
    clock: Clock,
    last: Arc<AtomicI64>,
    epoch: Arc<AtomicI64>,
}

impl MonotoneClock {
    /// Wraps a clock.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            last: Arc::new(AtomicI64::new(i64::MIN)),
            epoch: Arc::new(AtomicI64::new(0)),
        }
    }

    /// The moment it is, or the latest shown before.
    pub fn now(&self) -> Time {
        let now = self.clock.now().0;
        Time(self.last.fetch_max(now, Ordering::Relaxed).max(now))
    }

    /// A number for a new link, higher than all before, across restarts too as long as the clock is not set back.
    pub fn next_epoch(&self) -> u64 {
        let now = self.now().0;
        let next = |last: i64| now.max(last + 1);
        let last = self
            .epoch
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        u64::try_from(next(last.unwrap_or(0))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_back_and_never_twice() {
        let shown = Arc::new(AtomicI64::new(1000));
        let source = Arc::clone(&shown);
        let clock = MonotoneClock::new(Clock::new(move || Time(source.load(Ordering::Relaxed))));
        assert_eq!(
            (clock.now(), clock.next_epoch(), clock.next_epoch()),
            (Time(1000), 1000, 1001)
        );
        shown.store(500, Ordering::Relaxed);
        assert_eq!(clock.now(), Time(1000));
        shown.store(2000, Ordering::Relaxed);
        assert_eq!((clock.now(), clock.next_epoch()), (Time(2000), 2000));
    }
}
