//! How far back a judge must have read before what it says can be compared with what another judge said: the longest
//! memory of its rules.
//!
//! Window rules forget exactly: what they say of a window follows from what was measured within their memory, so a
//! judge that began there says the same as one that saw everything. Charts and learned noise forget by and by; after
//! their memory the weight of what came before is small, not nothing, and their rules are `arrival` for that reason.

use plume_schemas::rule::RuleCode;
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Time};

use crate::chart::level::RENEW_HOURS;
use crate::chart::slope::MAX_POINTS;
use crate::config::Settings;
use crate::minutes;

/// Half-lives of an average after which what came before weighs less than a thousandth.
const HALF_LIVES: i64 = 10;
/// Days over which FREQ counts exceeding days (its pile `days_in_month`).
const FREQ_DAYS: i64 = 30;
/// Hours and minutes of the longest averages of NEAR_DAY and NEAR_HOUR.
const NEAR_DAY_HOURS: i64 = 48;
const NEAR_HOUR_MINUTES: i64 = 480;

/// From when on a judge must read, and for whose sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarmUp {
    /// The rule with the longest memory.
    pub rule: RuleCode,
    /// Data from here on.
    pub begin: Time,
    /// Marks from here on: the budget of exempt hours counts those of the year.
    pub marks_from: Time,
}

impl Settings {
    /// What a judge by these settings must have read so that its word counts from `from` on.
    pub fn warm_up(&self, from: Time) -> WarmUp {
        let memory = |rule: &RuleCode| self.memory_ms(*rule);
        let rule = RuleCode::ALL
            .iter()
            .copied()
            .max_by_key(memory)
            .unwrap_or(RuleCode::Freq);
        let begin = from.plus(-self.memory_ms(rule)).floor(HOUR_MS);
        let year = Time::first_of_month(from.civil().year, 1).unwrap_or(begin);
        WarmUp {
            rule,
            begin,
            marks_from: year.min(begin),
        }
    }

    /// How long before a window a rule remembers what was measured, milliseconds. BUDGET remembers marks alone.
    pub fn memory_ms(&self, rule: RuleCode) -> i64 {
        let minutes = |of: &[u16]| of.iter().map(|&minutes| i64::from(minutes)).sum::<i64>() * MINUTE_MS;
        let hours = |of: &[u16]| of.iter().map(|&hours| i64::from(hours)).sum::<i64>() * HOUR_MS;
        let seconds = |of: i64| of * SECOND_MS;
        let own = match rule {
            RuleCode::ExceedHour => hours(&[u16::from(self.exceed.clear_hours)]),
            RuleCode::ExceedDay | RuleCode::Furnace | RuleCode::CommonCause => DAY_MS,
            RuleCode::Freq => FREQ_DAYS * DAY_MS,
            RuleCode::NearHour => HALF_LIVES * NEAR_HOUR_MINUTES * MINUTE_MS,
            RuleCode::NearDay => HALF_LIVES * NEAR_DAY_HOURS * HOUR_MS,
            RuleCode::Zero => minutes(&[self.zero.minutes, self.zero.clear_minutes]),
            RuleCode::Const => {
                let longest = self.constant.range_minutes.max(self.constant.equal_minutes);
                minutes(&[longest, self.constant.clear_minutes])
            }
            RuleCode::Neg => minutes(&[self.neg.minutes, self.neg.clear_minutes]),
            RuleCode::Range => minutes(&[self.range.minutes, self.range.clear_minutes]),
            RuleCode::Miss => seconds(
                self.miss
                    .offline_s
                    .max(self.miss.minute_gap_s)
                    .max(self.miss.hour_gap_s),
            ),
            RuleCode::Jump => hours(&[u16::from(self.jump.unit_hours)]),
            RuleCode::O2Hi => minutes(&[self.o2hi.minutes, self.o2hi.clear_minutes]),
            RuleCode::Flow0 => minutes(&[self.flow0.minutes, self.flow0.clear_minutes]),
            RuleCode::ZsDev => HOUR_MS,
            RuleCode::Amount => hours(&[u16::from(self.amount.hours)]),
            RuleCode::HourMin => hours(&[u16::from(self.hourmin.hours)]),
            RuleCode::Clock => minutes(&[self.clock_skew.minutes, self.clock_skew.clear_minutes]),
            RuleCode::Cap => DAY_MS + hours(&[u16::from(self.cap.clear_hours)]),
            RuleCode::Smooth => hours(&[self.smooth.history_hours, u16::from(self.smooth.hours)]),
            RuleCode::CalGap => i64::from(self.calgap.days) * DAY_MS + hours(&[self.calgap.clear_hours]),
            RuleCode::MarkAbuse => hours(&[u16::from(self.mark_abuse.hours), u16::from(self.mark_abuse.clear_hours)]),
            RuleCode::Power => minutes(&[self.power.minutes, self.power.clear_minutes]),
            RuleCode::NearMark => hours(&[self.near_mark.clear_hours]),
            RuleCode::Shift if self.shift.enabled => {
                hours(&[self.shift.learn_hours, RENEW_HOURS, self.shift.rebase_hours])
            }
            // As many daily checks as its line is drawn through, from the first to the last.
            RuleCode::Drift => i64::try_from(MAX_POINTS - 1).unwrap_or(0) * DAY_MS,
            // Marks alone, or nothing of the log.
            RuleCode::Shift | RuleCode::Budget | RuleCode::Ratio | RuleCode::Twin => 0,
        };
        // Every rule sees the minutes that are kept, and may hold a case that began within them.
        own + i64::try_from(minutes::HOURS).unwrap_or(0) * HOUR_MS
    }
}
