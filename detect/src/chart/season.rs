//! What is usual at this hour: a mean for each hour of a working day and of a free day (48 bins).

use crate::state::persist;

/// Hours of a working day, then those of a free day.
const BINS: usize = 48;
/// Values of a bin after which it is believed.
const TRUSTED: u8 = 5;
/// A bin remembers about so many of its values: a month of working days.
const MEMORY: f32 = 20.0;

/// The means of the bins, and of all of them until a bin is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Season {
    mean: [f32; BINS],
    seen: [u8; BINS],
    level: f32,
    level_seen: u16,
}
persist!(Season {
    mean,
    seen,
    level,
    level_seen
});

impl Default for Season {
    fn default() -> Self {
        Self {
            mean: [0.0; BINS],
            seen: [0; BINS],
            level: 0.0,
            level_seen: 0,
        }
    }
}

/// The bin of an hour of the day (0 to 23).
fn bin(hour: u8, free_day: bool) -> usize {
    usize::from(hour % 24) + if free_day { BINS / 2 } else { 0 }
}

impl Season {
    /// What is usual at this hour, once anything is known.
    pub fn usual(&self, hour: u8, free_day: bool) -> Option<f32> {
        let at = bin(hour, free_day);
        let known = self.seen.get(at).is_some_and(|&seen| seen >= TRUSTED);
        if known {
            return self.mean.get(at).copied();
        }
        (self.level_seen > 0).then_some(self.level)
    }

    /// Learns a value of this hour.
    pub fn learn(&mut self, hour: u8, free_day: bool, value: f32) {
        let at = bin(hour, free_day);
        if let (Some(mean), Some(seen)) = (self.mean.get_mut(at), self.seen.get_mut(at)) {
            *seen = seen.saturating_add(1);
            *mean += (value - *mean) / f32::from(*seen).min(MEMORY);
        }
        self.level_seen = self.level_seen.saturating_add(1);
        self.level += (value - self.level) / f32::from(self.level_seen).min(MEMORY * 24.0);
    }
}
