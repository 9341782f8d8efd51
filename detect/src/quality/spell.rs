//! A condition that must hold for a while before it is said, and be gone for a while before it is believed gone.

use plume_schemas::event::Edge;
use plume_schemas::time::{MINUTE_MS, Time};

use crate::state::persist;

/// After a silence longer than this, minutes, nobody knows whether the condition went on: it begins anew.
const BRIDGE_MIN: i64 = 60;

/// Highest bit of `quiet`: a case is open.
const OPEN: u32 = 1 << 31;

/// One condition of one subject, in twelve bytes. Minutes since 1970; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Spell {
    /// First window of the open case; where none is open, since when the condition holds.
    since: u32,
    /// Since when it no longer holds, and whether a case is open.
    quiet: u32,
    /// End of the last look.
    end: u32,
}
persist!(Spell { since, quiet, end });

/// How long, minutes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lasts {
    pub(crate) rise: u16,
    pub(crate) fall: u16,
}

/// A case opened or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) edge: Edge,
    /// First window of the case.
    pub(crate) first: Time,
    /// End of the look that turned it.
    pub(crate) end: Time,
}

impl Turn {
    /// Minutes from the case's first window to now.
    pub(crate) fn lasted_min(&self) -> i64 {
        self.end.since(self.first).div_euclid(MINUTE_MS)
    }
}

fn short(minute: i64) -> u32 {
    u32::try_from(minute).unwrap_or(0)
}

fn moment(minute: u32) -> Time {
    Time(i64::from(minute) * MINUTE_MS)
}

impl Spell {
    /// True while a case is open.
    pub(crate) fn is_open(&self) -> bool {
        self.quiet & OPEN != 0
    }

    /// True while neither a case is open nor the condition holds.
    pub(crate) fn is_idle(&self) -> bool {
        self.since == 0
    }

    /// First window of the open case.
    pub(crate) fn first(&self) -> Time {
        moment(self.since)
    }

    /// End of the last look, minutes since 1970; 0 for none.
    pub(crate) fn looked_to(&self) -> i64 {
        i64::from(self.end)
    }

    /// Ends an open case at once.
    pub(crate) fn close(&mut self) -> bool {
        let was_open = self.is_open();
        (self.since, self.quiet) = (0, 0);
        was_open
    }

    /// Looks at `[start, end)`, minutes since 1970. What comes out of order is not looked at.
    pub(crate) fn look(&mut self, holds: bool, start: i64, end: i64, lasts: Lasts) -> Option<Turn> {
        let before = i64::from(self.end);
        if end <= before {
            return None;
        }
        self.end = short(end);
        if self.is_open() {
            return self.look_on(holds, start, end, lasts);
        }
        if !holds {
            self.since = 0;
            return None;
        }
        if self.since == 0 || start - before > BRIDGE_MIN.max(end - start) {
            self.since = short(start);
        }
        if end - i64::from(self.since) < i64::from(lasts.rise) {
            return None;
        }
        self.quiet = OPEN;
        Some(self.turn(Edge::Opened))
    }

    /// Looks at an open case.
    fn look_on(&mut self, holds: bool, start: i64, end: i64, lasts: Lasts) -> Option<Turn> {
        if holds {
            self.quiet = OPEN;
            return None;
        }
        if self.quiet == OPEN {
            self.quiet = OPEN | short(start);
        }
        if end - i64::from(self.quiet & !OPEN) < i64::from(lasts.fall) {
            return None;
        }
        let turn = self.turn(Edge::Cleared);
        self.close();
        Some(turn)
    }

    /// The open case has become graver.
    pub(crate) fn worsen(&self) -> Turn {
        self.turn(Edge::Worsened)
    }

    fn turn(&self, edge: Edge) -> Turn {
        Turn {
            edge,
            first: moment(self.since),
            end: moment(self.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Lasts = Lasts { rise: 3, fall: 2 };
    const DAY: i64 = 29_000_000;

    fn edges(holds: &[bool]) -> Vec<(usize, Edge)> {
        let mut spell = Spell::default();
        let looks = (DAY..)
            .zip(holds)
            .map(|(minute, &holds)| spell.look(holds, minute, minute + 1, LASTS));
        looks
            .enumerate()
            .filter_map(|(i, turn)| Some((i, turn?.edge)))
            .collect()
    }

    #[test]
    fn it_must_hold_and_be_gone_for_a_while() {
        let (yes, no) = (true, false);
        let seen = edges(&[yes, yes, no, yes, yes, yes, yes, no, yes, no, no, no]);
        assert_eq!(seen, [(5, Edge::Opened), (10, Edge::Cleared)]);
    }

    #[test]
    fn a_gap_begins_it_anew_and_what_is_old_is_not_looked_at() {
        let mut spell = Spell::default();
        assert!(spell.look(true, DAY, DAY + 2, LASTS).is_none());
        assert!(
            spell.look(true, DAY + 100, DAY + 101, LASTS).is_none(),
            "nobody knows what was between"
        );
        assert!(!spell.is_open() && !spell.is_idle());
        assert!(spell.look(false, DAY + 50, DAY + 51, LASTS).is_none());
        assert!(
            spell.look(true, DAY + 101, DAY + 103, LASTS).is_some(),
            "the old look changed nothing"
        );
    }
}
