//! From levels to edges: a level must hold before it is said, and a lower one before it is believed; what comes back
//! again and again is believed ever more slowly. Only edges become events.

use plume_schemas::event::Edge;
use plume_schemas::rule::Severity;
use plume_schemas::time::{DAY_MS, Time};

use crate::state::persist;

/// Doublings of the fall time at most: eight times as long.
const MAX_DOUBLINGS: u8 = 3;
/// A case that stayed closed so long has forgotten how often it came back.
const FORGET_FLAPS_MS: i64 = DAY_MS;

/// The hold of one rule on one subject. All times are of measuring, so a replay holds as long as the first run did.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Hold {
    /// Level now said, 0 for none ([`Severity::number`]).
    pub(crate) level: u8,
    /// Gravest level of the case: only beyond it is a case worse.
    pub(crate) worst: u8,
    /// Lowest level seen since it has been above the one said, and since when that is; 0 while it is not.
    wanted: u8,
    wanted_since: Time,
    /// Since when the level wanted has been below the one said.
    lower_since: Option<Time>,
    /// First window of the open case, or of the last one.
    pub(crate) first_window: Time,
    /// When its level fell to nothing last.
    cleared_at: Time,
    /// How often it came back within a day.
    flaps: u8,
}
persist!(Hold {
    level,
    worst,
    wanted,
    wanted_since,
    lower_since,
    first_window,
    cleared_at,
    flaps
});

/// How long levels must hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HoldTimes {
    pub(crate) rise_ms: i64,
    pub(crate) fall_ms: i64,
}

/// One look at a level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// When the evidence for it begins: a level seen over a ten-minute packet has held ten minutes.
    pub(crate) since: Time,
    /// When the evidence ends.
    pub(crate) until: Time,
    /// The level seen, 0 for none.
    pub(crate) level: u8,
    /// The level seen with hysteresis: what must be lost before the one said is left.
    pub(crate) level_to_keep: u8,
    /// Window in which a case would begin.
    pub(crate) window: Time,
}

impl Hold {
    /// The level as a severity.
    pub(crate) fn severity(&self) -> Option<Severity> {
        Severity::from_number(self.level)
    }

    /// True while a case is open.
    pub(crate) fn is_open(&self) -> bool {
        self.level > 0
    }

    /// Takes a look into account. The edge, if there is one; `level` may also fall without an edge.
    pub(crate) fn look(&mut self, look: Look, times: HoldTimes) -> Option<Edge> {
        if look.level > self.level {
            self.lower_since = None;
            if self.wanted == 0 {
                (self.wanted, self.wanted_since) = (look.level, look.since);
            }
            // What has held all the time is the lowest level seen since.
            self.wanted = self.wanted.min(look.level);
            let held = look.until.since(self.wanted_since) >= times.rise_ms;
            return if held { self.rise(self.wanted, look) } else { None };
        }
        self.wanted = 0;
        if look.level_to_keep >= self.level {
            self.lower_since = None;
            return None;
        }
        let since = *self.lower_since.get_or_insert(look.since);
        let fall_ms = times.fall_ms << self.flaps.min(MAX_DOUBLINGS);
        if look.until.since(since) < fall_ms {
            return None;
        }
        self.lower_since = None;
        self.level = look.level;
        (self.level == 0).then(|| {
            self.cleared_at = look.until;
            self.close()
        })
    }

    fn rise(&mut self, level: u8, look: Look) -> Option<Edge> {
        self.wanted = 0;
        let opens = self.level == 0;
        self.level = level;
        if opens {
            let came_back = look.until.since(self.cleared_at) < FORGET_FLAPS_MS;
            self.flaps = if came_back {
                self.flaps.saturating_add(1).min(100)
            } else {
                0
            };
            (self.first_window, self.worst) = (look.window, level);
            return Some(Edge::Opened);
        }
        (level > self.worst).then(|| {
            self.worst = level;
            Edge::Worsened
        })
    }

    /// Opens or worsens at once, for rules whose condition has its own duration.
    pub(crate) fn raise(&mut self, level: u8, at: Time, window: Time) -> Option<Edge> {
        let look = Look {
            since: at,
            until: at,
            level,
            level_to_keep: level,
            window,
        };
        self.look(look, HoldTimes { rise_ms: 0, fall_ms: 0 })
    }

    /// Ends an open case at once: its window is over. That is no flapping.
    pub(crate) fn end(&mut self) -> Option<Edge> {
        (self.level > 0).then(|| self.close())
    }

    fn close(&mut self) -> Edge {
        (self.level, self.wanted, self.lower_since) = (0, 0, None);
        Edge::Cleared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plume_schemas::time::MINUTE_MS;

    const TIMES: HoldTimes = HoldTimes {
        rise_ms: 2 * MINUTE_MS,
        fall_ms: 3 * MINUTE_MS,
    };

    /// Minute by minute, levels with hysteresis equal to the level itself.
    fn edges(hold: &mut Hold, from: i64, levels: &[u8]) -> Vec<(i64, Edge)> {
        let minutes = (from..).zip(levels);
        let looks = minutes.map(|(minute, &level)| {
            let (since, until) = (Time(minute * MINUTE_MS), Time((minute + 1) * MINUTE_MS));
            (
                minute,
                Look {
                    since,
                    until,
                    level,
                    level_to_keep: level,
                    window: since,
                },
            )
        });
        looks
            .filter_map(|(minute, look)| Some((minute, hold.look(look, TIMES)?)))
            .collect()
    }

    #[test]
    fn a_level_must_hold_to_be_said_and_to_be_left() {
        let mut hold = Hold {
            cleared_at: Time(-DAY_MS * 2),
            ..Hold::default()
        };
        let seen = edges(&mut hold, 0, &[1, 0, 1, 1, 1, 2, 3, 3, 0, 0, 2, 0, 0, 0, 0]);
        assert_eq!(seen, [(3, Edge::Opened), (6, Edge::Worsened), (13, Edge::Cleared)]);
        assert_eq!(hold.first_window, Time(3 * MINUTE_MS));
    }

    #[test]
    fn what_flaps_is_believed_more_slowly() {
        let mut hold = Hold {
            cleared_at: Time(-DAY_MS * 2),
            ..Hold::default()
        };
        let seen = edges(&mut hold, 0, &[2, 2, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0]);
        let expected = [
            (1, Edge::Opened),
            (4, Edge::Cleared),
            (6, Edge::Opened),
            (12, Edge::Cleared),
        ];
        assert_eq!(seen, expected, "the second time it takes six minutes");
    }

    #[test]
    fn a_long_packet_has_held_as_long_as_it_is() {
        let mut hold = Hold::default();
        let look = Look {
            since: Time(0),
            until: Time(10 * MINUTE_MS),
            level: 3,
            level_to_keep: 3,
            window: Time(0),
        };
        assert_eq!(hold.look(look, TIMES), Some(Edge::Opened));
    }
}
