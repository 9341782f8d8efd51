//! Which hours a device still owes after an outage: those between the first and the last one it could have sent, for
//! devices that send hours. Asked for newest first, a bounded number of times, and not before the device had time to
//! send them by itself (HJ 212-2025 8.1.2 wants it to).

use std::collections::{BTreeMap, BTreeSet};

use plume_schemas::ids::Mn;
use plume_schemas::time::{HOUR_MS, Span, Time};

use super::engine::MAX_DEVICES;

/// How far gaps are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapRules {
    /// Hours back from now.
    pub hours: i64,
    /// Milliseconds a device has to send an hour by itself: after its end, and after its link came.
    pub patience_ms: i64,
    /// How often an hour is asked for.
    pub tries: u32,
}

#[derive(Debug, Default)]
struct Known {
    /// Hours that came, counted from 1970, none older than asked for.
    hours: BTreeSet<i64>,
    /// How often an hour was asked for.
    asked: BTreeMap<i64, u32>,
    /// The link is there since.
    up_since: Option<Time>,
    /// Nothing is asked before.
    not_before: Option<Time>,
}

/// The hours of all devices.
#[derive(Debug)]
pub struct Gaps {
    rules: GapRules,
    devices: BTreeMap<Mn, Known>,
}

impl Gaps {
    /// Nothing is known yet.
    pub fn new(rules: GapRules) -> Self {
        Self {
            rules,
            devices: BTreeMap::new(),
        }
    }

    /// An hour packet came.
    pub fn hour(&mut self, mn: Mn, measured_at: Time) {
        if self.devices.contains_key(&mn) || self.devices.len() < MAX_DEVICES {
            let known = self.devices.entry(mn).or_default();
            known.hours.insert(measured_at.0.div_euclid(HOUR_MS));
            let most = usize::try_from(self.rules.hours).unwrap_or(0) + 1;
            while known.hours.len() > most {
                known.hours.pop_first();
            }
        }
    }

    /// A device was seen on a new link.
    pub fn came(&mut self, mn: Mn, now: Time) {
        if let Some(known) = self.devices.get_mut(&mn) {
            known.up_since.get_or_insert(now);
        } else if self.devices.len() < MAX_DEVICES {
            self.devices.entry(mn).or_default().up_since = Some(now);
        }
    }

    /// Its last link has ended.
    pub fn gone(&mut self, mn: Mn) {
        if let Some(known) = self.devices.get_mut(&mn) {
            known.up_since = None;
        }
    }

    /// Devices that owe hours now, each with the first and last hour of its newest gap (both are DataTimes, as the
    /// closed window of a query wants). What is given counts as asked for.
    pub fn due(&mut self, now: Time) -> Vec<(Mn, Span)> {
        let rules = self.rules;
        let owing = self
            .devices
            .iter_mut()
            .filter_map(|(mn, known)| Some((*mn, known.newest_gap(rules, now)?)));
        owing.collect()
    }
}

impl Known {
    fn newest_gap(&mut self, rules: GapRules, now: Time) -> Option<Span> {
        let patient = now.plus(-rules.patience_ms);
        if self.up_since? > patient || self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let oldest = now.0.div_euclid(HOUR_MS) - rules.hours;
        self.asked.retain(|hour, _| *hour >= oldest);
        // What was before the first hour that came, the device may never have measured.
        let first = (*self.hours.first()?).max(oldest);
        let last = patient.0.div_euclid(HOUR_MS) - 1;
        let owes =
            |hour: &i64| !self.hours.contains(hour) && self.asked.get(hour).is_none_or(|&times| times < rules.tries);
        let newest = (first..=last).rev().find(owes)?;
        let oldest_of_gap = (first..=newest).rev().take_while(owes).last().unwrap_or(newest);
        for hour in oldest_of_gap..=newest {
            *self.asked.entry(hour).or_default() += 1;
        }
        self.not_before = Some(now.plus(rules.patience_ms));
        let moment = |hour: i64| Time(hour * HOUR_MS);
        Some(Span {
            start: moment(oldest_of_gap),
            end: moment(newest),
        })
    }
}
