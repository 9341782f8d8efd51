//! Seeded chance: SplitMix64 (Steele, Lea, Flood 2014), so that a seed means the same on every machine and version.

use std::ops::Range;

/// A stream of chance. Streams forked from one seed do not depend on how much of each other was drawn.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The stream `name` of `seed`.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let mut chance = Self(seed ^ 0x9E37_79B9_7F4A_7C15);
        for byte in name.bytes() {
            chance.0 = chance.draw() ^ u64::from(byte);
        }
        chance
    }

    /// 64 bits.
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `count - 1`; 0 for none. The bias of the remainder is far below what a world could notice.
    pub(crate) fn below(&mut self, count: u64) -> u64 {
        self.draw().checked_rem(count).unwrap_or(0)
    }

    /// As [`Self::below`], for places in a list.
    pub(crate) fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap_or(0)
    }

    /// A number of the range; its start if it is empty.
    pub(crate) fn within(&mut self, range: Range<i64>) -> i64 {
        let width = u64::try_from(range.end - range.start).unwrap_or(0);
        range.start + i64::try_from(self.below(width)).unwrap_or(0)
    }

    /// True once in `count` times.
    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}
