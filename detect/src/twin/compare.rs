//! How much two fingerprints are alike, and how likely that is by chance.

use plume_schemas::judgement::FactKey;
use plume_schemas::time::{MINUTE_MS, Time};

use super::Print;
use crate::config::TwinSettings;
use crate::out::Facts;
use crate::rules::twin::{EVERY_MIN, NOTHING, SAMPLES, level};

/// Two different values have one character this often.
const ONE_LETTER: f64 = 1.0 / 64.0;

/// What two fingerprints have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Likeness {
    /// Sampled minutes that both have, and those that are equal.
    shared: u32,
    equal: u32,
    /// Samples of the longest stretch of equal ones: the first, and how many minutes it covers.
    first: usize,
    minutes: i64,
    correlation: f64,
}

/// Equal samples one after the other; minutes that one of the two lacks are passed over.
#[derive(Debug, Clone, Copy, Default)]
struct Stretch {
    first: usize,
    last: usize,
    letter: u8,
    equal: u32,
    /// How often the value moved in it: only that says something. A value that stands still is equal to itself.
    moves: u32,
}

impl Likeness {
    /// `None` unless they are equal for as long as the settings ask, and too unlikely to be so by chance.
    pub(super) fn of(one: &Print, two: &Print, settings: &TwinSettings) -> Option<Self> {
        let (mut shared, mut equal) = (0_u32, 0_u32);
        let (mut run, mut best) = (None::<Stretch>, Stretch::default());
        for (place, (&a, &b)) in one.letters.iter().zip(&two.letters).enumerate() {
            if a == NOTHING || b == NOTHING {
                continue;
            }
            shared += 1;
            if a != b {
                run = None;
                continue;
            }
            equal += 1;
            let stretch = run.get_or_insert(Stretch {
                first: place,
                ..Stretch::default()
            });
            stretch.moves += u32::from(stretch.letter != a);
            stretch.equal += 1;
            (stretch.last, stretch.letter) = (place, a);
            if stretch.moves >= best.moves {
                best = *stretch;
            }
        }
        let minutes = i64::try_from(best.last + 1 - best.first).unwrap_or(0) * EVERY_MIN;
        // Two coarse instruments in one gas are often equal, and now and then for long: elsewhere in the window it
        // shows.
        let elsewhere = f64::from(equal - best.equal + 1) / f64::from(shared - best.equal + 2);
        let odds = f64::from(best.moves) * -chance(one, two).max(elsewhere).log10();
        (best.moves > 0 && minutes >= i64::from(settings.minutes) && odds >= settings.odds).then(|| Self {
            shared,
            equal,
            first: best.first,
            minutes,
            correlation: correlation(one, two),
        })
    }

    /// Says it as evidence.
    pub(super) fn tell(&self, start: Time, facts: &mut Facts) {
        let first = i64::try_from(self.first).unwrap_or(0);
        facts
            .int(FactKey::Count, i64::from(self.equal))
            .int(FactKey::Of, i64::from(self.shared))
            .float(FactKey::Score, f64::from(self.equal) / f64::from(self.shared.max(1)))
            .float(FactKey::Correlation, self.correlation)
            .text(FactKey::Reason, "equal_minutes")
            .time(FactKey::Since, start.plus(first * EVERY_MIN * MINUTE_MS))
            .int(FactKey::LastedMinutes, self.minutes);
    }
}

/// How likely a minute of one is equal to a minute of the other by chance: from how often each has each value. A value
/// that both mostly have is nothing special.
fn chance(one: &Print, two: &Print) -> f64 {
    let count = |print: &Print| {
        let (mut counts, mut n) = ([0_u32; 128], 0_u32);
        for letter in print.known() {
            counts[usize::from(letter & 127)] += 1;
            n += 1;
        }
        (counts, f64::from(n.max(1)))
    };
    let ((a, of_a), (b, of_b)) = (count(one), count(two));
    let both = a
        .iter()
        .zip(&b)
        .map(|(&a, &b)| f64::from(a) / of_a * f64::from(b) / of_b);
    both.sum::<f64>().clamp(ONE_LETTER, 1.0)
}

/// Pearson's correlation of the levels that both have; 0 where one of them does not move.
fn correlation(one: &Print, two: &Print) -> f64 {
    let mut pairs = [(0.0, 0.0); SAMPLES];
    let mut n = 0;
    let both = one.levels.iter().zip(&two.levels);
    for pair in both.filter_map(|(&a, &b)| Some((level(a)?, level(b)?))) {
        pairs[n] = pair;
        n += 1;
    }
    let pairs = &pairs[..n];
    let mean = |sum: f64| sum / n.max(1) as f64;
    let (x, y) = (
        mean(pairs.iter().map(|p| p.0).sum()),
        mean(pairs.iter().map(|p| p.1).sum()),
    );
    let (mut both, mut of_x, mut of_y) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        both += (a - x) * (b - y);
        of_x += (a - x) * (a - x);
        of_y += (b - y) * (b - y);
    }
    let size = (of_x * of_y).sqrt();
    if size > 0.0 {
        (both / size).clamp(-1.0, 1.0)
    } else {
        0.0
    }
}
