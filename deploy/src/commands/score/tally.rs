//! What a score counts, and the table it prints.

use std::fmt;

use plume_schemas::rule::Severity;
use serde::Serialize;

/// Levels of NEAR, from the lowest.
pub(super) const LEVELS: [Severity; 3] = [Severity::Notice, Severity::Attention, Severity::Urgent];
/// Minutes of the hour at which the probability is asked.
pub(super) const CHECKPOINTS: [u8; 5] = [10, 20, 30, 40, 50];
/// The last minute at which a warning still leaves ten.
const IN_TIME: u8 = 50;
/// Share of foreseeable breaches that must have been urgent in time, and of urgent warnings that may be wrong.
const LEAST_RECALL: f64 = 0.9;
const MOST_WRONG: f64 = 0.1;
/// Width of the lead-time histogram's bins, minutes, and their number.
const LEAD_BIN: u8 = 10;
const LEAD_BINS: usize = 6;
/// Longest bar of the histogram.
const BAR: usize = 40;

/// What was said of one hour of one series.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hour {
    /// Minute of the hour at which each level was first reached.
    pub(super) warned: [Option<u8>; LEVELS.len()],
    /// Probability at each checkpoint, where one could be given.
    pub(super) probability: [Option<f64>; CHECKPOINTS.len()],
}

/// Counts of one level.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Level {
    /// Hours that reached it.
    warned: u32,
    /// Of these, hours that did not exceed.
    wrong: u32,
    /// Exceeding hours that reached it, at whatever minute.
    hit: u32,
    /// Foreseeable breaches that reached it with ten minutes left.
    in_time: u32,
}

/// Sums for a Brier score.
#[derive(Clone, Copy, Debug, Default)]
struct Brier {
    squares: f64,
    exceeding: u32,
    n: u32,
}

/// Everything counted.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    first_seed: u64,
    plants: u32,
    days: u32,
    held_out: bool,
    hours: u32,
    exceeding: u32,
    foreseeable: u32,
    levels: [Level; LEVELS.len()],
    /// Minutes left when it became urgent, of hours that exceeded.
    leads: Vec<u8>,
    brier: [Brier; CHECKPOINTS.len()],
    /// Probabilities by tenths: how many, and how many of them exceeded.
    calibration: [(u32, u32); 10],
}

/// The score in numbers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    first_seed: u64,
    plants: u32,
    days: u32,
    held_out: bool,
    hours: u32,
    exceeding: u32,
    foreseeable: u32,
    levels: [Level; LEVELS.len()],
    recall_foreseeable_urgent: f64,
    wrong_share_urgent: f64,
    median_lead_min: u8,
    lead_histogram: [u32; LEAD_BINS],
    brier: [f64; CHECKPOINTS.len()],
    brier_climatology: f64,
    calibration: [(u32, u32); 10],
    pub(super) targets_met: bool,
}

fn share(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole.max(1))
}

impl Tally {
    pub(super) fn new(first_seed: u64, plants: u32, days: u32, held_out: bool) -> Self {
        Self {
            first_seed,
            plants,
            days,
            held_out,
            hours: 0,
            exceeding: 0,
            foreseeable: 0,
            levels: Default::default(),
            leads: Vec::new(),
            brier: Default::default(),
            calibration: Default::default(),
        }
    }

    /// Counts an hour. A breach counts as foreseeable where it came and the oracle expected it.
    pub(super) fn add(&mut self, hour: &Hour, exceeds: bool, expected: bool) {
        let foreseeable = exceeds && expected;
        self.hours += 1;
        self.exceeding += u32::from(exceeds);
        self.foreseeable += u32::from(foreseeable);
        for (level, first) in self.levels.iter_mut().zip(hour.warned) {
            level.warned += u32::from(first.is_some());
            level.wrong += u32::from(first.is_some() && !exceeds);
            level.hit += u32::from(first.is_some() && exceeds);
            level.in_time += u32::from(foreseeable && first.is_some_and(|minute| minute <= IN_TIME));
        }
        if let (Some(minute), true) = (hour.warned[LEVELS.len() - 1], exceeds) {
            self.leads.push(60_u8.saturating_sub(minute));
        }
        for (brier, probability) in self.brier.iter_mut().zip(hour.probability) {
            let Some(probability) = probability else { continue };
            let outcome = if exceeds { 1.0 } else { 0.0 };
            brier.squares += (probability - outcome) * (probability - outcome);
            brier.exceeding += u32::from(exceeds);
            brier.n += 1;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a probability in tenths is 0 to 10"
            )]
            let tenth = ((probability * 10.0) as usize).min(9);
            self.calibration[tenth].0 += 1;
            self.calibration[tenth].1 += u32::from(exceeds);
        }
    }

    pub(super) fn summary(&self) -> Summary {
        let urgent = self.levels[LEVELS.len() - 1];
        let recall = share(urgent.in_time, self.foreseeable);
        let wrong = share(urgent.wrong, urgent.warned);
        let mut leads = self.leads.clone();
        leads.sort_unstable();
        let mut lead_histogram = [0; LEAD_BINS];
        for lead in &leads {
            lead_histogram[usize::from(lead / LEAD_BIN).min(LEAD_BINS - 1)] += 1;
        }
        let all = self.brier.iter().fold((0, 0), |(n, exceeding), brier| {
            (n + brier.n, exceeding + brier.exceeding)
        });
        let rate = share(all.1, all.0);
        Summary {
            first_seed: self.first_seed,
            plants: self.plants,
            days: self.days,
            held_out: self.held_out,
            hours: self.hours,
            exceeding: self.exceeding,
            foreseeable: self.foreseeable,
            levels: self.levels,
            recall_foreseeable_urgent: recall,
            wrong_share_urgent: wrong,
            median_lead_min: leads.get(leads.len() / 2).copied().unwrap_or(0),
            lead_histogram,
            brier: self.brier.map(|brier| brier.squares / f64::from(brier.n.max(1))),
            brier_climatology: rate * (1.0 - rate),
            calibration: self.calibration,
            targets_met: self.foreseeable > 0 && recall >= LEAST_RECALL && wrong <= MOST_WRONG,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.summary();
        let last_seed = s.first_seed + u64::from(s.plants) - 1;
        let kind = if s.held_out {
            "留出种子，未用于调参 / held out, not tuned on"
        } else {
            "非留出种子 / not held out"
        };
        writeln!(
            f,
            "{} 座模拟电厂 × {} 天，3 个因子，无人干预 / simulated plants × days, 3 factors, nobody steers",
            s.plants, s.days
        )?;
        writeln!(f, "种子 seeds {}–{last_seed}（{kind}）", s.first_seed)?;
        writeln!(
            f,
            "小时 hours {}，超标 exceeding {}，其中第50分钟可预见 of these foreseeable at minute 50: {}\n",
            s.hours, s.exceeding, s.foreseeable
        )?;
        writeln!(
            f,
            "{:<12}{:>10}{:>22}{:>30}{:>22}",
            "level", "warned", "recall, all breaches", "recall, foreseeable, 10 min", "not followed by one"
        )?;
        for (severity, level) in LEVELS.iter().zip(&s.levels) {
            writeln!(
                f,
                "{:<12}{:>10}{:>21.1}%{:>29.1}%{:>21.1}%",
                severity.code(),
                level.warned,
                100.0 * share(level.hit, s.exceeding),
                100.0 * share(level.in_time, s.foreseeable),
                100.0 * share(level.wrong, level.warned),
            )?;
        }
        self.rest(&s, f)
    }
}

impl Tally {
    fn rest(&self, s: &Summary, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n紧急提前量 lead time of urgent, median {} min（超标小时 exceeding hours）",
            s.median_lead_min
        )?;
        let most = s.lead_histogram.iter().copied().max().unwrap_or(0).max(1);
        for (bin, count) in (0_u8..).zip(s.lead_histogram) {
            let bar = "█".repeat(BAR * usize::try_from(count).unwrap_or(0) / usize::try_from(most).unwrap_or(1));
            let from = bin * LEAD_BIN;
            writeln!(f, "  {from:>2}–{:>2} min {count:>6} {bar}", from + LEAD_BIN)?;
        }
        writeln!(
            f,
            "\nBrier 评分（越小越好；0.25 为抛硬币）/ Brier score by minute of the hour, smaller is better"
        )?;
        for (minute, brier) in CHECKPOINTS.iter().zip(s.brier) {
            writeln!(f, "  {minute:>2} min  {brier:.4}")?;
        }
        writeln!(
            f,
            "  总是报平均频率 always saying the mean rate: {:.4}",
            s.brier_climatology
        )?;
        writeln!(f, "\n校准 calibration: probability said, hours, share that exceeded")?;
        for (tenth, (n, exceeded)) in self.calibration.iter().enumerate() {
            let low = tenth as f64 / 10.0;
            writeln!(
                f,
                "  {low:.1}–{:.1} {n:>7} {:>6.1}%",
                low + 0.1,
                100.0 * share(*exceeded, *n)
            )?;
        }
        let said = |met: bool| if met { "达到 met" } else { "未达到 MISSED" };
        writeln!(
            f,
            "\n目标 target: 紧急级可预见召回 ≥ 90 % urgent recall of foreseeable breaches: {:.1}% {}",
            100.0 * s.recall_foreseeable_urgent,
            said(s.recall_foreseeable_urgent >= LEAST_RECALL)
        )?;
        write!(
            f,
            "目标 target: 紧急级未超标 ≤ 10 % urgent warnings not followed by exceedance: {:.1}% {}",
            100.0 * s.wrong_share_urgent,
            said(s.wrong_share_urgent <= MOST_WRONG)
        )
    }
}
