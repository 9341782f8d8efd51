//! What the judge takes for now (D2): the largest `received_at` among ingests that agree, and the gaps in it.
//!
//! A machine whose clock runs ahead, or that says it stepped, does not move the judge until others, or its own next
//! Ticks, agree. A gap between Ticks means plume was not listening: silence in it is the platform's, not the device's.

use plume_schemas::entry::EntryBody;
use plume_schemas::ids::IngestId;
use plume_schemas::time::{HOUR_MS, Span, Time};

use crate::config::ClockSettings;
use crate::state::persist;

/// Gaps are kept as long as minutes are, and a day more for the day windows: older ones decide nothing any more.
const KEEP_GAPS_MS: i64 = 72 * HOUR_MS;
/// A clock before 2000 or after 2200 is no clock: such a record counts, but does not move the judge.
const CREDIBLE: std::ops::Range<i64> = 946_684_800_000..7_258_118_400_000;
/// More gaps than this within that time are merged into the last one: a platform that restarts all the time is one
/// fault.
const MAX_GAPS: usize = 256;
/// Ingests remembered; the one unheard longest makes room. Far more than any deployment runs.
const MAX_INGESTS: usize = 256;

/// One ingest's clock, as its records show it.
#[derive(Clone, Debug, PartialEq)]
struct IngestClock {
    id: IngestId,
    last: Time,
    /// The round of Ticks in which it was last heard.
    round: u64,
    /// The round of its last Tick.
    tick_round: u64,
    /// Agreeing Ticks still wanted after a step.
    on_probation: u32,
}
persist!(IngestClock {
    id,
    last,
    round,
    tick_round,
    on_probation
});

/// The judge's clock.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct JudgeClock {
    now: Option<Time>,
    /// Counts up whenever an ingest ticks a second time: one round is about one Tick interval, however many ingests
    /// there are.
    round: u64,
    ingests: Vec<IngestClock>,
    gaps: Vec<Span>,
    /// Since when the platform has been listening without a gap.
    listening_since: Time,
}
persist!(JudgeClock {
    now,
    round,
    ingests,
    gaps,
    listening_since
});

impl JudgeClock {
    /// Now, once any ingest has spoken.
    pub(crate) fn now(&self) -> Option<Time> {
        self.now
    }

    /// Since when nothing of ours was missing.
    pub(crate) fn listening_since(&self) -> Time {
        self.listening_since
    }

    /// The last gap, the time before the first record not being one.
    pub(crate) fn last_gap(&self) -> Option<Span> {
        self.gaps
            .last()
            .copied()
            .filter(|gap| gap.end.since(gap.start) < KEEP_GAPS_MS)
    }

    /// Milliseconds of `span` in which plume was not listening.
    pub(crate) fn deaf_ms(&self, span: Span) -> i64 {
        let overlap = |gap: &Span| gap.end.min(span.end).since(gap.start.max(span.start)).max(0);
        self.gaps.iter().map(overlap).sum()
    }

    /// Takes note of a record. Registry revisions, marks and recomputations carry their recorder's clock,
    /// which does not count.
    pub(crate) fn observe(&mut self, body: &EntryBody, settings: &ClockSettings) {
        match body {
            EntryBody::Tick(tick) => self.heard(tick.ingest, tick.received_at, true, settings),
            EntryBody::Report(report) => self.heard(report.origin.ingest, report.times.received_at, false, settings),
            EntryBody::Presence(presence) => self.heard(presence.ingest, presence.received_at, false, settings),
            EntryBody::ClockStep(step) if CREDIBLE.contains(&step.to.0) => {
                let place = self.place(step.ingest, step.from);
                self.ingests[place].on_probation = settings.agreeing_ticks;
                self.ingests[place].last = step.to;
            }
            EntryBody::ClockStep(_)
            | EntryBody::Registry(_)
            | EntryBody::Mark(_)
            | EntryBody::Check(_)
            | EntryBody::Recomputed(_) => {}
        }
    }

    fn heard(&mut self, id: IngestId, at: Time, is_tick: bool, settings: &ClockSettings) {
        if !CREDIBLE.contains(&at.0) {
            return;
        }
        let place = self.place(id, at);
        let ingest = &mut self.ingests[place];
        if is_tick {
            self.round += u64::from(ingest.tick_round == self.round);
            ingest.tick_round = self.round;
        }
        ingest.round = self.round;
        if ingest.on_probation > 0 {
            // It counts again after enough Ticks that go on from the step in small paces.
            let agrees = at >= ingest.last && at.since(ingest.last) <= settings.platform_gap_ms;
            ingest.last = at;
            ingest.on_probation = match (is_tick, agrees) {
                (true, true) => ingest.on_probation - 1,
                (true, false) => settings.agreeing_ticks,
                (false, _) => ingest.on_probation,
            };
            if ingest.on_probation > 0 {
                return;
            }
        }
        ingest.last = ingest.last.max(at);
        self.advance(settings);
    }

    /// The largest clock that is not far ahead of the others that are alive.
    fn advance(&mut self, settings: &ClockSettings) {
        let mut counted: [Option<Time>; 2] = [None, None];
        for ingest in &self.ingests {
            let missed = self.round.saturating_sub(ingest.round);
            if ingest.on_probation == 0 && missed <= u64::from(settings.missed_ticks) {
                if counted[0].is_none_or(|first| ingest.last > first) {
                    counted = [Some(ingest.last), counted[0]];
                } else if counted[1].is_none_or(|second| ingest.last > second) {
                    counted[1] = Some(ingest.last);
                }
            }
        }
        let agreed = match counted {
            [Some(first), Some(second)] if first.since(second) > settings.ingest_ahead_ms => second,
            [Some(first), _] => first,
            [None, _] => return,
        };
        let Some(before) = self.now else {
            self.now = Some(agreed);
            // Nobody listened before the first record.
            self.note_gap(Span {
                start: agreed.plus(-KEEP_GAPS_MS),
                end: agreed,
            });
            return;
        };
        let passed = agreed.since(before);
        if passed <= 0 {
            return;
        }
        self.now = Some(agreed);
        if passed > settings.platform_gap_ms {
            self.note_gap(Span {
                start: before,
                end: agreed,
            });
        }
    }

    fn note_gap(&mut self, gap: Span) {
        self.listening_since = gap.end;
        let horizon = gap.end.plus(-KEEP_GAPS_MS);
        self.gaps.retain(|old| old.end > horizon);
        let full = self.gaps.len() >= MAX_GAPS;
        match self.gaps.last_mut().filter(|_| full) {
            Some(last) => last.end = gap.end,
            None => self.gaps.push(gap),
        }
    }

    fn place(&mut self, id: IngestId, at: Time) -> usize {
        if let Some(place) = self.ingests.iter().position(|ingest| ingest.id == id) {
            return place;
        }
        if self.ingests.len() >= MAX_INGESTS {
            let oldest = (0..self.ingests.len())
                .min_by_key(|&i| (self.ingests[i].round, i))
                .unwrap_or(0);
            self.ingests.remove(oldest);
        }
        let round = self.round;
        self.ingests.push(IngestClock {
            id,
            last: at,
            round,
            tick_round: round.wrapping_sub(1),
            on_probation: 0,
        });
        self.ingests.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plume_schemas::entry::{ClockStep, Tick};

    const BASE: i64 = 1_800_000_000_000;
    const SETTINGS: ClockSettings = ClockSettings {
        ingest_ahead_ms: 30_000,
        missed_ticks: 3,
        agreeing_ticks: 3,
        platform_gap_ms: 120_000,
    };

    fn tick(clock: &mut JudgeClock, id: &str, at: i64) -> i64 {
        let ingest = IngestId::new(id).unwrap();
        clock.observe(
            &EntryBody::Tick(Tick {
                ingest,
                received_at: Time(BASE + at),
            }),
            &SETTINGS,
        );
        clock.now().unwrap().0 - BASE
    }

    #[test]
    fn an_ingest_far_ahead_does_not_move_it() {
        let mut clock = JudgeClock::default();
        assert_eq!(tick(&mut clock, "a", 1_000), 1_000);
        assert_eq!(tick(&mut clock, "b", 300_000), 1_000);
        assert_eq!(tick(&mut clock, "a", 6_000), 6_000);
        assert_eq!(
            tick(&mut clock, "b", 30_000),
            6_000,
            "its last is still the largest it showed"
        );
    }

    #[test]
    fn a_dead_ingest_leaves_after_three_missed_ticks() {
        let mut clock = JudgeClock::default();
        tick(&mut clock, "dead", 1_000);
        let seen: Vec<i64> = (0..10).map(|n| tick(&mut clock, "alive", 1_000 + n * 15_000)).collect();
        assert_eq!(
            seen,
            [
                1_000,
                16_000,
                31_000,
                1_000 + 30_000,
                61_000,
                76_000,
                91_000,
                106_000,
                121_000,
                136_000
            ]
        );
    }

    #[test]
    fn a_step_counts_after_three_agreeing_ticks() {
        let mut clock = JudgeClock::default();
        tick(&mut clock, "a", 0);
        let ingest = IngestId::new("a").unwrap();
        let step = ClockStep {
            ingest,
            from: Time(BASE + 5_000),
            to: Time(BASE + 3_600_000),
        };
        clock.observe(&EntryBody::ClockStep(step), &SETTINGS);
        assert_eq!(tick(&mut clock, "a", 3_600_000), 0);
        assert_eq!(tick(&mut clock, "a", 3_605_000), 0);
        assert_eq!(tick(&mut clock, "a", 3_610_000), 3_610_000);
        assert_eq!(
            clock.deaf_ms(Span {
                start: Time(BASE + 600_000),
                end: Time(BASE + 1_200_000)
            }),
            600_000
        );
        assert_eq!(clock.listening_since(), Time(BASE + 3_610_000));
    }

    #[test]
    fn it_never_goes_back() {
        let mut clock = JudgeClock::default();
        tick(&mut clock, "a", 10_000);
        assert_eq!(tick(&mut clock, "a", 2_000), 10_000);
    }
}
