//! The only place that reads a clock (D3): the system's, or one virtual clock for all of plume in `demo` and
//! `simulate`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plume_schemas::time::{Clock, Time};

/// The system's clock, which may step.
#[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
pub(crate) fn system() -> Clock {
    Clock::new(|| {
        let ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        Time(i64::try_from(ms).unwrap_or(i64::MAX))
    })
}

/// A clock that shows `start` now and runs `speed` times as fast as the real one.
#[derive(Clone, Debug)]
pub(crate) struct VirtualClock {
    start: Time,
    began: Instant,
    speed: f64,
}

impl VirtualClock {
    /// Starts the clock. `speed` is clamped to 1..=3600: slower than real time has no use, faster outruns the sockets.
    pub(crate) fn start(start: Time, speed: f64) -> Self {
        Self {
            start,
            began: Instant::now(),
            speed: speed.clamp(1.0, 3600.0),
        }
    }

    /// As an argument for the rooms.
    pub(crate) fn clock(&self) -> Clock {
        let own = self.clone();
        Clock::new(move || own.now())
    }

    /// The virtual moment it is.
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a demo fit an i64")]
    pub(crate) fn now(&self) -> Time {
        self.start
            .plus((self.began.elapsed().as_secs_f64() * 1000.0 * self.speed) as i64)
    }

    /// How long the real clock takes until the virtual one shows `at`; zero if it already does.
    pub(crate) fn real_time_until(&self, at: Time) -> Duration {
        let ms = at.since(self.now()).max(0) as f64;
        Duration::from_secs_f64(ms / 1000.0 / self.speed)
    }
}
