//! The judge's section of the configuration. It has no defaults here: they all live once, in `deploy/default.toml`.
//!
//! Every number is a project choice unless its line names a source; values no standard fixes, or that were not at hand
//! in the standard's own text, are settings for that reason.

use plume_schemas::ids::{ContentId, FactorCode};
use serde::Deserialize;

mod quality;

pub use quality::*;

/// Counts up when a rule changes what it says of the same log: part of the rules hash, so old checkpoints are rebuilt.
pub const RULES_VERSION: u32 = 6;

/// `[detect]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The judge's clock.
    pub clock: ClockSettings,
    /// Windows, their validity and their panes.
    pub window: WindowSettings,
    /// NEAR_HOUR, and the levels of NEAR_DAY: the warning before the exceedance.
    pub near: NearSettings,
    /// NEAR_DAY.
    pub near_day: NearDaySettings,
    /// EXCEED_HOUR and EXCEED_DAY: when an exceedance is over.
    pub exceed: ExceedSettings,
    /// FREQ: exceedances that pile up.
    pub freq: FreqSettings,
    /// FURNACE: five-minute means of the furnace temperature.
    pub furnace: FurnaceSettings,
    /// CONST: a value that does not move.
    pub constant: ConstantSettings,
    /// SHIFT: the level of hour means moves.
    pub shift: ShiftSettings,
    /// DRIFT: zero and span checks.
    pub drift: DriftSettings,
    /// MISS: nothing comes.
    pub miss: MissSettings,
    /// COMMON_CAUSE: many devices silent at once.
    pub common_cause: CommonCauseSettings,
    /// ZERO: a value of zero.
    pub zero: ZeroSettings,
    /// NEG: a value below zero.
    pub neg: NegSettings,
    /// RANGE: a value beyond the range.
    pub range: RangeSettings,
    /// JUMP: a value that leaves its level at once.
    pub jump: JumpSettings,
    /// O2HI: oxygen near air.
    pub o2hi: O2HiSettings,
    /// FLOW0: no gas flow.
    pub flow0: Flow0Settings,
    /// ZSDEV: corrected values.
    pub zsdev: ZsDevSettings,
    /// AMOUNT: emitted amounts.
    pub amount: AmountSettings,
    /// HOURMIN: an hour against its minutes.
    pub hourmin: HourMinSettings,
    /// CLOCK: the device's clock.
    pub clock_skew: ClockSkewSettings,
    /// BUDGET: exempt hours.
    pub budget: BudgetSettings,
    /// CAP, a lead: cut off at the limit.
    pub cap: CapSettings,
    /// SMOOTH, a lead: no irregularity.
    pub smooth: SmoothSettings,
    /// RATIO, a lead: what went with the oxygen goes against it.
    pub ratio: RatioSettings,
    /// TWIN, a lead: two outlets with the same values.
    pub twin: TwinSettings,
    /// CALGAP, a lead: calibration after exceedance.
    pub calgap: CalGapSettings,
    /// MARKABUSE, a lead: running while marked as stopped.
    pub mark_abuse: MarkAbuseSettings,
    /// NEARMARK, a lead: not measured after a warning.
    pub near_mark: NearMarkSettings,
    /// POWER, a lead: running while flagged as stopped, or while treatment draws no power.
    pub power: PowerSettings,
}

/// `[detect.clock]`: what counts as now (D2).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSettings {
    /// An ingest further ahead of the others than this does not move the clock.
    pub ingest_ahead_ms: i64,
    /// An ingest that missed this many Ticks is gone.
    pub missed_ticks: u32,
    /// After a reported step of an ingest's clock, this many agreeing Ticks make it count again.
    pub agreeing_ticks: u32,
    /// A gap between Ticks longer than this is the platform's fault: silence in it is nobody else's.
    pub platform_gap_ms: i64,
}

/// `[detect.window]`: hours and days.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSettings {
    /// How long after its end a window waits for the device's own value (D12).
    pub grace_s: i64,
    /// How much longer it waits for a source that still delivers data of the window.
    pub source_lag_s: i64,
    /// How long after its end a day waits for the device's own value.
    pub day_grace_s: i64,
    /// Covered valid minutes an hour needs. HJ 212-2017 D.2 (24).
    pub valid_minutes: u8,
    /// Valid hours a day needs. HJ 212-2017 D.2 (25).
    pub valid_hours: u8,
    /// Valid hours from which a day's flag is N. HJ 212-2017 C.18; not the same as `valid_hours`.
    pub day_flag_hours: u8,
    /// Data stamped further ahead of the clock than this is not judged.
    pub future_s: i64,
    /// A window judged or revised this long after its end is late: recorded, but never a "now" alert.
    pub late_after_s: i64,
    /// Changes to a window that is already judged are collected this long before it is judged again.
    pub settle_s: i64,
    /// A packet that comes again so long after it was measured is still known for a repeat, even where a correction
    /// came between the two; older ones count as corrections unless they say what is known already.
    pub repeat_s: i64,
    /// A reading without any flag counts as normal.
    pub missing_flag_is_normal: bool,
    /// Judge waste water too (factors whose code begins with `w`).
    pub water: bool,
    /// Hour of the next day until which a day's data can be marked.
    pub mark_deadline_hour: u8,
}

/// `[detect.near]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearSettings {
    /// Probability of exceeding from which it is a notice.
    pub notice: f64,
    /// … from which it wants attention.
    pub attention: f64,
    /// … from which it is urgent.
    pub urgent: f64,
    /// A level is left only below its threshold minus this.
    pub hysteresis: f64,
    /// A level must hold this long before it is said.
    pub rise_s: i64,
    /// A lower level must hold this long before it is believed.
    pub fall_s: i64,
    /// Valid minutes of the hour before anything is said.
    pub min_minutes: u8,
    /// Minutes of this outlet's own past before its noise is known well enough.
    pub min_history: u16,
    /// Least standard deviation of one minute, in percent of the limit, whatever the past says.
    pub min_sd_pct: f64,
    /// Minutes an upset lasts on average, if nobody acts: the chance that a raised level goes back by itself.
    pub upset_min: f64,
}

/// `[detect.exceed]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExceedSettings {
    /// One hour at or below this share of the limit ends the case.
    pub clear_ratio: f64,
    /// So many hours at or below the limit end it too.
    pub clear_hours: u8,
    /// Exceed ratio from which a case becomes graver.
    pub grave_ratio: f64,
    /// Round a mean to the limit's digits before comparing (half to even, GB/T 8170). Off: the unrounded value is
    /// compared.
    pub round_to_limit: bool,
}

/// `[detect.near_day]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearDaySettings {
    /// Valid hours of the day before anything is said.
    pub min_hours: u8,
    /// Hours of this outlet's own past before its noise is known well enough.
    pub min_history: u16,
    /// Least standard deviation of one hour, in percent of the limit.
    pub min_sd_pct: f64,
}

/// `[detect.freq]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreqSettings {
    /// Exceeding hours in a row.
    pub consecutive_hours: u16,
    /// Exceeding hours within 24 hours.
    pub hours_in_day: u16,
    /// Exceeding hours within 7 days.
    pub hours_in_week: u16,
    /// Exceeding days within 30 days.
    pub days_in_month: u16,
}

/// `[detect.furnace]`. MEE order 10/2019, from memory.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FurnaceSettings {
    /// Which factors are furnace temperatures.
    pub factors: Vec<FactorCode>,
    /// Least five-minute mean.
    pub least_celsius: i64,
    /// Five-minute means below it that a day may have.
    pub allowed: u16,
    /// Valid minutes of the five.
    pub valid_minutes: u8,
}

/// `[detect.common_cause]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommonCauseSettings {
    /// A device is silent after so long without a packet.
    pub quiet_s: i64,
    /// How close together silences must begin.
    pub within_s: i64,
    /// Share of a group's devices that must fall silent.
    pub share: f64,
    /// Fewest silent devices.
    pub least_devices: u32,
    /// Share still silent at which it is over.
    pub clear_share: f64,
}

/// `[detect.constant]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantSettings {
    /// Minutes of one and the same value.
    pub equal_minutes: u16,
    /// Fewest packets among them, so that one long packet is not taken for a stuck analyser.
    pub min_packets: u16,
    /// Minutes within a narrow range.
    pub range_minutes: u16,
    /// How narrow, in percent of the measuring range; 0 switches this part off.
    pub range_pct_fs: f64,
    /// Below this share of the measuring range a narrow range is normal for a clean stack.
    pub range_floor_pct_fs: f64,
    /// Least swing of the gas flow meanwhile, percent, for a narrow range to be wrong, where a flow is known.
    pub flow_moves_pct: f64,
    /// Minutes of movement that end it.
    pub clear_minutes: u16,
    /// Factors whose value may stand still.
    pub exempt: Vec<FactorCode>,
}

/// `[detect.shift]`: control charts of hour means.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShiftSettings {
    /// Chart hour means at all.
    pub enabled: bool,
    /// Valid hours before the first limits of the charts.
    pub learn_hours: u16,
    /// Budget of false alarms, per outlet and month, that the limits are simulated for.
    pub false_alarms: f64,
    /// So long a chart must signal before anything is said.
    pub lasting_hours: u16,
    /// A move smaller than this share of the limit is not said.
    pub material_pct: f64,
    /// A level that stayed so long is the new baseline.
    pub rebase_hours: u16,
    /// Weight of the newest hour in the EWMA.
    pub lambda: f64,
    /// Reference value of the CUSUM, standard deviations.
    pub k: f64,
    /// An hour further from the median of its neighbours, in robust standard deviations, teaches nothing.
    pub spike_sd: f64,
    /// Noise is taken for at least this share of the limit.
    pub least_sd_pct: f64,
}

/// `[detect.miss]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissSettings {
    /// No minute or finer data for so long.
    pub minute_gap_s: i64,
    /// No hour packet for so long after its hour's end, from a device that sends them.
    pub hour_gap_s: i64,
    /// Nothing at all for so long.
    pub offline_s: i64,
}

impl Settings {
    /// Identifies what this judge would say: the version of its rules and every setting. A checkpoint of another is
    /// not read.
    pub fn rules_hash(&self) -> ContentId {
        ContentId::of(&[&RULES_VERSION.to_le_bytes(), format!("{self:?}").as_bytes()])
    }
}
