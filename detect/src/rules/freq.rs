//! FREQ
//!
//! What: exceeding hours or days pile up: in a row, within 24 hours, within 7 days; days within 30 days.
//! What-zh: 超标小时或超标日累积：连续、24小时内、7天内；30天内超标天数。
//! Why: one exceedance is an upset, many are a plant that cannot hold its limit.
//! Why-zh: 一次超标可能是偶发，反复超标说明治理设施能力不足。
//! Fooled by: an hour that is not judged breaks a row, whatever it would have been.
//! Fooled-zh: 未判定的小时会中断“连续”的计数。
//! Parameter: freq.consecutive_hours | h | 3 | 2..24 | exceeding hours in a row
//! Parameter: freq.hours_in_day | h | 5 | 1..24 | exceeding hours within 24 hours
//! Parameter: freq.hours_in_week | h | 10 | 1..168 | exceeding hours within 7 days
//! Parameter: freq.days_in_month | days | 2 | 1..30 | exceeding days within 30 days
//! Order: window
//! Source: thresholds are a project choice (table of default rules). Hours and days are those of EXCEED_HOUR and
//! EXCEED_DAY.

use plume_schemas::judgement::{FactKey, Pane, Verdict};
use plume_schemas::rule::{RuleCode, Severity};
use plume_schemas::time::{DAY_MS, HOUR_MS, Span};

use crate::config::FreqSettings;
use crate::engine::Ctx;
use crate::out::{Facts, Say, Subject};
use crate::plan::{FactorPlan, OutletPlan};
use crate::rules::exceed::Period;
use crate::series::Series;
use crate::state::persist;

/// Hours remembered: three words, more than a week.
const HOURS: i64 = 192;
/// Hours of a week.
const WEEK: i64 = 168;
/// Days remembered.
const DAYS: i64 = 64;

/// Which hours and days exceeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Exceeded {
    hours: [u64; 3],
    days: u64,
    newest_hour: i64,
    newest_day: i64,
}
persist!(Exceeded {
    hours,
    days,
    newest_hour,
    newest_day
});

impl Default for Exceeded {
    fn default() -> Self {
        Self {
            hours: [0; 3],
            days: 0,
            newest_hour: i64::MIN,
            newest_day: i64::MIN,
        }
    }
}

fn place(number: i64, of: i64) -> (usize, u64) {
    let bit = number.rem_euclid(of);
    (usize::try_from(bit / 64).unwrap_or(0), 1 << (bit % 64))
}

impl Exceeded {
    /// Notes whether a window exceeds. Windows skipped did not.
    pub(crate) fn note(&mut self, period: Period, number: i64, exceeds: bool) {
        let (newest, reach) = match period {
            Period::Hour => (&mut self.newest_hour, HOURS),
            Period::Day => (&mut self.newest_day, DAYS),
        };
        if number <= newest.saturating_sub(reach) {
            return;
        }
        let from = newest.saturating_add(1).max(number.saturating_sub(reach - 1));
        *newest = (*newest).max(number);
        for skipped in from..=number {
            self.set(period, skipped, false);
        }
        self.set(period, number, exceeds);
    }

    fn set(&mut self, period: Period, number: i64, exceeds: bool) {
        let (word, bit) = match period {
            Period::Hour => {
                let (word, bit) = place(number, HOURS);
                (&mut self.hours[word], bit)
            }
            Period::Day => (&mut self.days, place(number, DAYS).1),
        };
        *word = if exceeds { *word | bit } else { *word & !bit };
    }

    fn hour(&self, number: i64) -> bool {
        let (word, bit) = place(number, HOURS);
        self.hours[word] & bit != 0
    }

    fn hours_up_to(&self, last: i64, count: i64) -> i64 {
        (last - count + 1..=last)
            .map(|number| i64::from(self.hour(number)))
            .sum()
    }

    fn row_up_to(&self, last: i64) -> i64 {
        (0..WEEK)
            .take_while(|&back| self.hour(last - back))
            .count()
            .try_into()
            .unwrap_or(WEEK)
    }

    fn days_up_to(&self, last: i64, count: i64) -> i64 {
        (last - count + 1..=last)
            .map(|number| i64::from(self.days & place(number, DAYS).1 != 0))
            .sum()
    }
}

/// One way in which exceedances pile up.
struct Pile {
    what: &'static str,
    count: i64,
    threshold: i64,
    of_hours: i64,
}

fn piles(exceeded: &Exceeded, hour: i64, settings: &FreqSettings) -> [Pile; 4] {
    let pile = |what, count, threshold: u16, of_hours| Pile {
        what,
        count,
        threshold: i64::from(threshold),
        of_hours,
    };
    let row = exceeded.row_up_to(hour);
    // Days up to the last one that has ended with this hour.
    let day = Period::Day.number(Period::Hour.span(hour).end) - 1;
    [
        pile(
            "days_in_month",
            exceeded.days_up_to(day, 30),
            settings.days_in_month,
            30 * 24,
        ),
        pile(
            "hours_in_week",
            exceeded.hours_up_to(hour, WEEK),
            settings.hours_in_week,
            WEEK,
        ),
        pile(
            "hours_in_day",
            exceeded.hours_up_to(hour, 24),
            settings.hours_in_day,
            24,
        ),
        pile("consecutive", row, settings.consecutive_hours, row.max(1)),
    ]
}

/// Counts again, after the hours up to `hour` were judged or one of them revised; `late` where that was long ago.
pub(crate) fn look(
    ctx: &mut Ctx<'_>,
    plan: &OutletPlan,
    factor: &FactorPlan,
    series: &mut Series,
    (hour, pane, late): (i64, Pane, bool),
) {
    let piles = piles(&series.freq, hour, &ctx.settings.freq);
    let reached = || piles.iter().filter(|pile| pile.count >= pile.threshold);
    // One kind of pile wants attention, several are urgent.
    let level = match reached().count() {
        0 => 0,
        1 => Severity::Attention.number(),
        _ => Severity::Urgent.number(),
    };
    let before = series.freq_hold.severity();
    let end = Period::Hour.span(hour).end;
    let shown = reached().next().unwrap_or(&piles[3]);
    let span_ms = if shown.of_hours >= 30 * 24 {
        30 * DAY_MS
    } else {
        shown.of_hours * HOUR_MS
    };
    let window = Span {
        start: end.plus(-span_ms),
        end,
    };
    let edge = if level == 0 {
        series.freq_hold.end()
    } else {
        series.freq_hold.raise(level, end, window.start)
    };
    if level > 0 && level < series.freq_hold.level {
        series.freq_hold.level = level;
    }
    let after = series.freq_hold.severity();
    if before == after {
        return;
    }
    let mut facts = Facts::with_capacity(4);
    facts
        .text(FactKey::Reason, shown.what)
        .int(FactKey::Count, shown.count)
        .int(FactKey::Threshold, shown.threshold)
        .int(FactKey::Of, shown.of_hours);
    let say = Say {
        pane,
        verdict: after.map_or(Verdict::Fine, Verdict::Breach),
        previous: before.map(Verdict::Breach),
        late,
        evidence: facts.0,
    };
    let subject = Subject {
        rule: RuleCode::Freq,
        outlet: plan.id,
        factor: Some(factor.code),
        window,
    };
    let judgement = ctx.emit.say(subject, say);
    if let Some(edge) = edge {
        ctx.emit.happen(series.freq_hold.first_window, edge, false, judgement);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_of_hours_that_exceeded() {
        let mut exceeded = Exceeded::default();
        for hour in 1_000..1_030 {
            exceeded.note(Period::Hour, hour, hour % 2 == 0 || hour > 1_026);
        }
        assert_eq!(exceeded.row_up_to(1_029), 4);
        assert_eq!(exceeded.hours_up_to(1_029, 24), 14);
        exceeded.note(Period::Hour, 1_028, false);
        assert_eq!(exceeded.row_up_to(1_029), 1, "a revised hour counts anew");
        exceeded.note(Period::Hour, 1_030 + HOURS, true);
        assert_eq!(
            exceeded.hours_up_to(1_030 + HOURS, WEEK),
            1,
            "hours skipped did not exceed"
        );
        exceeded.note(Period::Hour, 1_000, true);
        assert_eq!(exceeded.hours_up_to(1_030 + HOURS, WEEK), 1, "too old to count");
        exceeded.note(Period::Day, 100, true);
        exceeded.note(Period::Day, 120, true);
        assert_eq!((exceeded.days_up_to(120, 30), exceeded.days_up_to(130, 30)), (2, 1));
    }
}
