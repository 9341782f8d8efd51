//! The watch over the level of one factor: hour means against what is usual for their hour, their residuals on an EWMA
//! (slow drift) and a CUSUM (shift).
//!
//! It learns for some weeks before it says anything. Then both charts get the limits that the budget of false alarms
//! asks for, by simulation on the residuals it has seen. While a chart signals, and while hours are marked, nothing is
//! learned: a drift must not become the baseline. A level that stays for `rebase_hours` is the new baseline all the
//! same, or a plant that changed its coal would be in alarm for ever.

use plume_schemas::ids::{FactorCode, OutletId};

use super::budget::{self, Chart, Effort};
use super::cusum::{Cusum, CusumState};
use super::ewma::{Ewma, EwmaState};
use super::hampel::Hampel;
use super::residual::Ar1;
use super::season::Season;
use super::{Side, Signal};
use crate::config::ShiftSettings;
use crate::state::persist;

/// Residuals kept for the simulation: two weeks.
const HISTORY: usize = 336;
/// Residuals are kept in thousandths.
const KEPT: f32 = 1_000.0;
/// A single hour counts at most so many standard deviations: a shift shows in several.
const CLIP_SD: f64 = 4.0;
/// Fewest hours that say how far a level has moved, where there are so many since the change.
const LEAST_MOVED_H: u32 = 3;
/// Hours of the gate against spikes.
const GATE: usize = 24;
/// A chart that has signalled is quiet again below this share of its limit.
const QUIET_SHARE: f64 = 0.5;
/// Limits are set anew after so many hours learned: a month.
pub(crate) const RENEW_HOURS: u16 = 720;
/// Some milliseconds of work, once a month: run lengths to a few percent before they are drawn on.
const EFFORT: Effort = Effort {
    runs: 200,
    longest: 1_000,
};
/// 1970-01-01 was a Thursday; the week begins on Monday.
const EPOCH_WEEKDAY: i64 = 3;
/// Beijing is so many hours ahead.
const ZONE_H: i64 = 8;

/// How a level is watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watching {
    /// Valid hours before the first limits.
    pub learn_hours: u16,
    /// Mean hours between two false signals of one chart.
    pub run_length_h: f64,
    /// Robust standard deviations beyond which an hour is a spike and teaches nothing.
    pub spike_sd: f32,
    /// Hours of signal after which the level is the new baseline.
    pub rebase_hours: u16,
    /// Weight of the newest residual in the EWMA.
    pub lambda: f64,
    /// Reference value of the CUSUM, standard deviations.
    pub k: f64,
    /// Least standard deviation of the hour means, units of the value: below it nothing is worth saying.
    pub least_sd: f64,
}

/// Hours of the month that the budget counts in.
const MONTH_H: f64 = 720.0;
/// Charts of one factor.
const CHARTS: f64 = 2.0;

impl Watching {
    /// A factor with this limit (units of the value), one of `factors` watched at its outlet: the budget is the
    /// outlet's, its factors share it.
    pub fn new(settings: &ShiftSettings, factors: usize, limit: f64) -> Self {
        let charts = CHARTS * f64::from(u8::try_from(factors).unwrap_or(u8::MAX)).max(1.0);
        Self {
            learn_hours: settings.learn_hours,
            run_length_h: MONTH_H * charts / settings.false_alarms,
            #[expect(clippy::cast_possible_truncation, reason = "a handful of standard deviations")]
            spike_sd: settings.spike_sd as f32,
            rebase_hours: settings.rebase_hours,
            lambda: settings.lambda,
            k: settings.k,
            least_sd: limit * settings.least_sd_pct / 100.0,
        }
    }
}

/// Makes the simulation of a series its own, and the same on every replay.
pub fn seed(outlet: OutletId, factor: FactorCode) -> u64 {
    let name = outlet.as_str().bytes().chain(factor.as_str().bytes());
    // FNV-1a.
    name.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// What is known of one level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    season: Season,
    model: Ar1,
    gate: Hampel<GATE>,
    ewma: EwmaState,
    cusum: CusumState,
    history: [i16; HISTORY],
    next: u16,
    learned: u16,
    since_limits: u16,
    /// Limits of EWMA (standard deviations) and CUSUM; 0 until they are set.
    ewma_limit: f64,
    cusum_limit: f64,
    /// Hours for which a chart has signalled, one after the other.
    signalled: u16,
}
persist!(Level {
    season,
    model,
    gate,
    ewma,
    cusum,
    history,
    next,
    learned,
    since_limits,
    ewma_limit,
    cusum_limit,
    signalled
});

impl Default for Level {
    fn default() -> Self {
        Self {
            season: Season::default(),
            model: Ar1::default(),
            gate: Hampel::default(),
            ewma: EwmaState::default(),
            cusum: CusumState::default(),
            history: [0; HISTORY],
            next: 0,
            learned: 0,
            since_limits: 0,
            ewma_limit: 0.0,
            cusum_limit: 0.0,
            signalled: 0,
        }
    }
}

/// Which chart says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The EWMA: a slow drift.
    Ewma,
    /// The CUSUM: a shift.
    Cusum,
}

/// A level that is not what it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Which chart.
    pub which: Which,
    /// Which way.
    pub side: Side,
    /// How far the level has moved, units of the value.
    pub moved: f64,
    /// Hours since it began to move, by the chart's own estimate.
    pub since_h: u32,
    /// The chart's statistic and its limit, standard deviations.
    pub statistic: f64,
    /// See `statistic`.
    pub limit: f64,
    /// Hours for which it has been beyond its limit, one after the other.
    pub lasted_h: u16,
}

impl Found {
    /// The second stage, asked of whatever a chart signals before anybody hears of it: it has lasted, and it matters
    /// against the limit (units of the value). Grouping is the desk's.
    pub fn is_said(&self, settings: &ShiftSettings, limit: f64) -> bool {
        self.lasted_h >= settings.lasting_hours && self.moved.abs() >= limit * settings.material_pct / 100.0
    }
}

/// What an hour says of the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Looked {
    /// What is usual for that hour, units of the value; `None` while nothing is known.
    pub usual: Option<f64>,
    /// A chart signals.
    pub found: Option<Found>,
    /// The level was taken for the new baseline, and learning begins anew.
    pub rebased: bool,
}

/// Hour of the day and whether the day is free, in Beijing.
#[expect(clippy::cast_possible_truncation, reason = "an hour of a day")]
fn place(hour: i64) -> (u8, bool) {
    let local = hour + ZONE_H;
    let weekday = (local.div_euclid(24) + EPOCH_WEEKDAY).rem_euclid(7);
    (local.rem_euclid(24) as u8, weekday >= 5)
}

impl Level {
    /// True once there are limits.
    pub fn is_watching(&self) -> bool {
        self.cusum_limit > 0.0
    }

    /// The limits of EWMA and CUSUM in standard deviations, once they are set.
    pub fn limits(&self) -> Option<(f64, f64)> {
        self.is_watching().then_some((self.ewma_limit, self.cusum_limit))
    }

    /// Where both charts are, standard deviations.
    pub fn statistics(&self) -> (EwmaState, CusumState) {
        (self.ewma, self.cusum)
    }

    /// An hour that does not count (marked, invalid, stopped): the charts stand still.
    pub fn skip(&mut self) {
        self.signalled = 0;
    }

    /// Takes the mean of hour `hour` (since 1970), in units of the value. `seed` makes the simulation of this series
    /// its own.
    #[expect(clippy::cast_possible_truncation, reason = "baselines are kept in f32")]
    pub fn take(&mut self, by: &Watching, hour: i64, value: f64, seed: u64) -> Looked {
        let (of_day, free_day) = place(hour);
        let usual = self.season.usual(of_day, free_day).map(f64::from);
        let distance = value - usual.unwrap_or(value);
        let spike = self.gate.is_spike(distance as f32, by.spike_sd, by.least_sd as f32);
        let residual = self.model.residual(hour, distance, by.least_sd);
        let residual = residual.map(|residual| residual.clamp(-CLIP_SD, CLIP_SD));
        let found = residual
            .filter(|_| self.is_watching())
            .and_then(|at| self.chart(by, at));
        self.signalled = if found.is_some() {
            self.signalled.saturating_add(1)
        } else {
            0
        };
        let rebased = self.signalled >= by.rebase_hours;
        if rebased {
            *self = Self::default();
        }
        if spike || found.is_some() && !rebased {
            self.model.pass(hour, distance);
        } else {
            self.season.learn(of_day, free_day, value as f32);
            self.model.learn(hour, distance);
            self.remember(by, residual, seed);
        }
        let lasted_h = self.signalled;
        Looked {
            usual,
            found: found.filter(|_| !rebased).map(|found| Found { lasted_h, ..found }),
            rebased,
        }
    }

    /// Runs both charts; the one that signals, the EWMA before the CUSUM.
    fn chart(&mut self, by: &Watching, residual: f64) -> Option<Found> {
        let ewma = Ewma {
            lambda: by.lambda,
            limit_sd: self.ewma_limit,
        };
        let cusum = Cusum {
            k: by.k,
            h: self.cusum_limit,
        };
        let slow = ewma.step(&mut self.ewma, residual);
        let fast = cusum.step(&mut self.cusum, residual);
        if self.signalled > 0 && self.ewma.mean.abs() < QUIET_SHARE * ewma.limit() {
            // It came back: the sums would take as long to fall as they took to rise.
            self.cusum = CusumState::default();
            return None;
        }
        let found = |which, signal: Signal, limit: f64| Found {
            which,
            side: signal.side,
            moved: self.moved(self.since(&signal)),
            since_h: self.since(&signal),
            statistic: signal.statistic,
            limit,
            lasted_h: 0,
        };
        let slow = slow.map(|signal| found(Which::Ewma, signal, ewma.limit()));
        slow.or_else(|| fast.map(|signal| found(Which::Cusum, signal, cusum.h)))
    }

    /// Hours since the change. The sum of that side knows it better than the mean, which noise may have kept on that
    /// side of the target for days before.
    fn since(&self, signal: &Signal) -> u32 {
        let summed = match signal.side {
            Side::High => self.cusum.since_high,
            Side::Low => self.cusum.since_low,
        };
        if summed > 0 {
            summed.min(signal.since)
        } else {
            signal.since
        }
    }

    /// How far the level has moved from what is usual: the mean of the newest hours, as many of those since the change
    /// as stand out most, of a day at most. The charts' own estimate would be of residuals, which are clipped, and so
    /// never of a move far beyond the noise.
    fn moved(&self, since_h: u32) -> f64 {
        let least = f64::from(since_h.clamp(1, LEAST_MOVED_H));
        let (mut sum, mut count) = (0.0_f64, 0.0_f64);
        let (mut moved, mut contrast) = (0.0, 0.0);
        for distance in self.gate.newest().take(usize::try_from(since_h).unwrap_or(GATE)) {
            (sum, count) = (sum + self.model.from_mean(f64::from(distance)), count + 1.0);
            if count >= least && sum.abs() / count.sqrt() > contrast {
                (moved, contrast) = (sum / count, sum.abs() / count.sqrt());
            }
        }
        moved
    }

    /// Keeps a residual, and sets the limits when it is time to.
    #[expect(clippy::cast_possible_truncation, reason = "clipped above, in thousandths")]
    fn remember(&mut self, by: &Watching, residual: Option<f64>, seed: u64) {
        let Some(residual) = residual else { return };
        if let Some(slot) = self.history.get_mut(usize::from(self.next)) {
            *slot = (residual * f64::from(KEPT)) as i16;
        }
        self.next = (self.next + 1) % HISTORY as u16;
        self.learned = self.learned.saturating_add(1);
        self.since_limits = self.since_limits.saturating_add(1);
        let due = if self.is_watching() {
            RENEW_HOURS
        } else {
            by.learn_hours
        };
        if self.since_limits >= due {
            self.set_limits(by, seed);
        }
    }

    fn set_limits(&mut self, by: &Watching, seed: u64) {
        let mut residuals = [0.0_f32; HISTORY];
        let kept = usize::from(self.learned).min(HISTORY);
        for (residual, &kept) in residuals.iter_mut().zip(&self.history) {
            *residual = f32::from(kept) / KEPT;
        }
        let Some(residuals) = residuals.get(..kept) else { return };
        let limit = |chart| budget::limit_for(chart, by.run_length_h, residuals, EFFORT, seed);
        let charts = (Chart::Ewma { lambda: by.lambda }, Chart::Cusum { k: by.k });
        if let (Some(ewma), Some(cusum)) = (limit(charts.0), limit(charts.1)) {
            (self.ewma_limit, self.cusum_limit, self.since_limits) = (ewma, cusum, 0);
        }
    }
}
