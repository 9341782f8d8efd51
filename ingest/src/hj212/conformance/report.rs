//! The report: plain data, in JSON as it stands here.

use plume_schemas::time::Time;
use serde::{Serialize, Serializer};

use super::Both;
use crate::hj212::explain::Level;

/// What is to be said in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing departs from HJ 212-2025.
    Conforms,
    /// Readable, and it departs.
    Departs,
    /// Packets that no platform takes, or numbers that cannot be trusted.
    Fails,
    /// Too few packets to say.
    TooFew,
}

/// What a device did, and what the standard says of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conformance {
    /// The device, where one was named or could be read.
    pub mn: Option<String>,
    /// Against which standard.
    pub standard: &'static str,
    /// The first packet came.
    #[serde(serialize_with = "moment")]
    pub from: Option<Time>,
    /// The report was made.
    #[serde(serialize_with = "moment")]
    pub until: Option<Time>,
    /// The verdict.
    pub verdict: Verdict,
    /// Frames that came, readable or not, repeats included.
    pub packets: u64,
    /// Of them set aside.
    pub set_aside: u64,
    /// Of them sent again though they had come.
    pub repeats: u64,
    /// Which edition.
    pub spoken: Spoken,
    /// Each departure, the worst first.
    pub departures: Vec<Departure>,
    /// Its clock.
    pub clock: Option<Clock>,
    /// Real-time, minutes, hours, days.
    pub intervals: Vec<Interval>,
    /// What was sent of each factor.
    pub factors: Vec<FactorSeen>,
    /// Corrected values against plume's.
    pub corrected: Vec<Checked>,
    /// Hours against their minutes.
    pub hours: Vec<Checked>,
    /// What the totals say of the unit of flow.
    pub flow_unit: Option<FlowUnit>,
    /// What came encrypted of what should.
    pub encryption: Encryption,
    /// Zero and span checks (2062), by factor.
    pub stability: Vec<Stability>,
}

/// Claimed by Flag, and spoken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spoken {
    /// Packets by the edition their Flag claims.
    pub claimed: Vec<(String, u64)>,
    /// What was spoken, by codes, commands, fields and marks.
    pub spoken: String,
    /// What only another edition than the claimed one has, with how often it was seen.
    pub foreign: Vec<(String, u64)>,
}

/// One kind of departure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Departure {
    /// Its name for programs.
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What it is.
    pub what: Both,
    /// Where the standard says otherwise.
    pub clause: &'static str,
    /// How often it was seen.
    pub count: u64,
    /// The text at fault of the first, or the numbers.
    pub detail: String,
    /// The first packet that shows it, its password masked.
    pub example: String,
    /// What to change.
    pub change: Both,
}

/// The device's clock by QN against ours, seconds; positive is ahead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Clock {
    /// Packets compared.
    pub packets: u64,
    /// The middle one.
    pub median_s: f64,
    /// The least.
    pub least_s: f64,
    /// The most.
    pub most_s: f64,
}

/// How one kind of data came.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// `rtd`, `minute`, `hour` or `day`.
    pub kind: &'static str,
    /// Its name.
    pub name: Both,
    /// Seconds between two.
    pub interval_s: i64,
    /// The interval is registered; else it is the one seen.
    pub registered: bool,
    /// Moments due from the first to the end of the report.
    pub due: u64,
    /// Moments that came.
    pub came: u64,
    /// Of them late: sent again after a gap.
    pub late: u64,
    /// Of the late ones marked with RF=1.
    pub marked: u64,
    /// Middle delay from the end of a period to its packet, seconds.
    pub delay_s: f64,
    /// What is missing to this day, the longest first.
    pub gaps: Vec<Gap>,
}

impl Interval {
    /// Moments that did not come.
    pub fn missed(&self) -> u64 {
        self.due.saturating_sub(self.came)
    }
}

/// Moments in a row that did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The first that is missing.
    #[serde(serialize_with = "moment_of")]
    pub first: Time,
    /// How many.
    pub missed: u64,
}

/// What came of one factor in one kind of data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FactorSeen {
    /// Code of 2017.
    pub code: String,
    /// Its name.
    pub name: Both,
    /// Unit of the standard.
    pub unit: String,
    /// Kind of data.
    pub kind: &'static str,
    /// Packets with it.
    pub packets: u64,
    /// Of them flagged other than N.
    pub not_normal: u64,
    /// Least value.
    pub least: Option<f64>,
    /// Largest value.
    pub most: Option<f64>,
    /// Sub-fields that should be there and are not, with how often.
    pub missing: Vec<(&'static str, u64)>,
}

/// Values compared with what they should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// Of which factor.
    pub code: String,
    /// Compared.
    pub checked: u64,
    /// Differing by more than 2 %.
    pub off: u64,
    /// The largest difference, percent.
    pub worst_pct: f64,
    /// That one in numbers.
    pub worst: String,
    /// Reference oxygen: registered, or the one the values imply; percent.
    pub reference_o2_pct: Option<f64>,
}

/// The unit of a00000 by the volumes (Cou) beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowUnit {
    /// As the standard wants it.
    PerSecond,
    /// 3600 times too large.
    PerHour,
    /// Neither fits the volumes.
    Unclear,
}

/// 2025 6.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Encryption {
    /// It is expected on this link.
    pub expected: bool,
    /// Packets of 2025 that should be encrypted over the internet.
    pub due: u64,
    /// Of them encrypted.
    pub encrypted: u64,
}

/// Zero and span checks of one factor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stability {
    /// Of which factor.
    pub code: String,
    /// Checks seen.
    pub checks: u64,
    /// Largest difference of reading and standard.
    pub worst_error: f64,
    /// From the first difference to the last.
    pub drift: f64,
}

impl Conformance {
    /// The report as JSON.
    pub fn to_json(&self) -> String {
        // A struct of strings and numbers always has a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// True where nothing has to be changed before the device may be trusted.
    pub fn is_fine(&self) -> bool {
        matches!(self.verdict, Verdict::Conforms | Verdict::Departs)
    }
}

/// `2026-01-17 08:00:00`, Beijing time.
pub(super) fn clock_text(at: Time) -> String {
    let c = at.civil();
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    )
}

#[expect(clippy::ref_option, reason = "serde hands fields over by reference")]
fn moment<S: Serializer>(at: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(clock_text).serialize(serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
fn moment_of<S: Serializer>(at: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    clock_text(*at).serialize(serializer)
}
