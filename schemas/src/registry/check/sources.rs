//! Devices and what they serve.

use std::collections::{HashMap, HashSet};

use super::Problems;
use crate::factors::Catalogue;
use crate::ids::{FactorCode, Mn, OutletId};
use crate::registry::{Registry, Source};
use crate::time::{Span, Time};

/// Lengths of an MN in the standards: 24 in 2017 and 2025, 14 in 2005.
const MN_LENGTHS: [usize; 2] = [24, 14];
/// 访问密码 has this many characters.
const PASSWORD_LENGTH: usize = 6;
/// MinInterval, by HJ 212-2017 table 5.
const MINUTE_INTERVALS: [u8; 11] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];

pub(super) fn check(registry: &Registry, catalogue: &Catalogue, problems: &mut Problems) {
    let outlets: HashSet<OutletId> = registry.outlets.iter().map(|row| row.id).collect();
    let mut of_device: HashMap<Mn, Vec<(usize, &Source)>> = HashMap::new();
    for (place, source) in registry.sources.iter().enumerate() {
        let path = format!("source[{place}]");
        if !outlets.contains(&source.outlet) {
            problems.error(
                &path,
                format!(
                    "outlet {} of device {} is not in the registry",
                    source.outlet, source.mn
                ),
                "add the outlet or correct its id",
            );
        }
        let earlier = of_device.entry(source.mn).or_default();
        if earlier.is_empty() {
            one_device(source, &path, problems);
        }
        let at_once = |(_, other): &&(usize, &Source)| other.validity().touches(span_of(source));
        for &(earlier_place, other) in earlier.iter().filter(at_once) {
            device_is_one(other, source, earlier_place, &path, problems);
            overlap(other, source, earlier_place, &path, problems);
        }
        earlier.push((place, source));
        one_source(source, &path, catalogue, problems);
    }
}

/// What is said of a device once.
fn one_device(source: &Source, path: &str, problems: &mut Problems) {
    let mn = source.mn.as_str();
    if !MN_LENGTHS.contains(&mn.len()) {
        problems.warning(
            path,
            format!("MN {mn} has {} characters", mn.len()),
            "the standards have 24 (2017, 2025) or 14 (2005); compare it with the logger's screen",
        );
    } else if mn.len() == 24 && !mn.bytes().all(|b| b.is_ascii_hexdigit()) {
        problems.warning(
            path,
            format!("MN {mn} is not made of hex digits"),
            "compare it with the logger's screen: O for 0 and I for 1 are common slips",
        );
    }
}

fn span_of(source: &Source) -> Span {
    Span {
        start: source.valid_from.unwrap_or(Time(i64::MIN)),
        end: source.valid_to.unwrap_or(Time(i64::MAX)),
    }
}

/// Rows of one device that are in force at once must agree on what belongs to the device.
fn device_is_one(earlier: &Source, source: &Source, earlier_place: usize, path: &str, problems: &mut Problems) {
    if earlier.password != source.password {
        problems.error(
            path,
            format!("device {} has another password in source[{earlier_place}]", source.mn),
            "give rows of a device that are in force at once the same password",
        );
    }
}

fn one_source(source: &Source, path: &str, catalogue: &Catalogue, problems: &mut Problems) {
    problems.validity(path, source.validity());
    if let Some(password) = source.password.as_ref().filter(|text| text.len() != PASSWORD_LENGTH) {
        problems.warning(
            path,
            format!("the password has {} characters", password.len()),
            format!("the standard has {PASSWORD_LENGTH}"),
        );
    }
    if let Some(st) = source.st.as_ref().filter(|st| st.len() != 2) {
        problems.error(
            path,
            format!("ST is `{st}`"),
            "write the two characters of the system code, e.g. 31",
        );
    }
    match source.minute_interval_min {
        Some(0) => problems.error(
            path,
            "the minute interval is 0",
            "write the minutes one minute packet covers",
        ),
        Some(minutes) if !MINUTE_INTERVALS.contains(&minutes) => problems.warning(
            path,
            format!("a minute interval of {minutes} minutes is not in the standard"),
            "the standard has 1, 2, 3, 4, 5, 6, 10, 12, 15, 20 and 30; compare it with the logger's MinInterval",
        ),
        _ => {}
    }
    if source.realtime_interval_s == Some(0) {
        problems.error(
            path,
            "the real-time interval is 0",
            "write the seconds between two real-time packets",
        );
    }
    for &code in &source.factors {
        let (canonical, _) = catalogue.canonical(code);
        if canonical != code {
            problems.error(
                path,
                format!("factor {code} is kept as {canonical}"),
                format!("write {canonical}"),
            );
        }
    }
}

/// Two rows of one device, in force at once, that take the same readings.
fn overlap(earlier: &Source, source: &Source, earlier_place: usize, path: &str, problems: &mut Problems) {
    let same_system = match (&earlier.st, &source.st) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    if !same_system {
        return;
    }
    let Some(shared) = shared_factors(&earlier.factors, &source.factors) else {
        return;
    };
    if earlier.outlet == source.outlet {
        problems.error(
            path,
            format!(
                "{shared} of device {} goes to outlet {} by source[{earlier_place}] too",
                source.mn, source.outlet
            ),
            "end one of the two rows before the other begins, or keep one",
        );
    } else {
        problems.warning(
            path,
            format!(
                "{shared} of device {} goes to outlet {} by source[{earlier_place}] as well as to {}",
                source.mn, earlier.outlet, source.outlet
            ),
            "name the factors of each row, unless both outlets really share the instrument",
        );
    }
}

/// In words, what two lists of factors share; an empty list takes all.
fn shared_factors(one: &[FactorCode], other: &[FactorCode]) -> Option<String> {
    match (one.is_empty(), other.is_empty()) {
        (true, true) => Some("everything".to_owned()),
        (true, false) => Some(format!("factor {}", other.first()?)),
        (false, true) => Some(format!("factor {}", one.first()?)),
        (false, false) => {
            let shared = one.iter().find(|code| other.contains(code))?;
            Some(format!("factor {shared}"))
        }
    }
}
