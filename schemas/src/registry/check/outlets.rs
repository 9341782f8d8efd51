//! Outlets, their factors and limits.

use std::collections::HashSet;

use super::{Problems, first_places};
use crate::decimal::Decimal;
use crate::factors::{Catalogue, FactorGroup};
use crate::formulas::AIR_OXYGEN_PCT;
use crate::ids::{EnterpriseId, OutletId};
use crate::rate_limits::RateLimits;
use crate::registry::{FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry};
use crate::time::Time;
use crate::units::{Quantity, Unit};

/// Oxygen by its code.
const OXYGEN: &str = "a19001";
/// Longest analysis of a cycling analyser, minutes.
const LONGEST_CYCLE_MIN: u8 = 30;

pub(super) fn check(registry: &Registry, catalogue: &Catalogue, now: Time, problems: &mut Problems) {
    first_places(registry.outlets.iter().map(|row| row.id), |place, earlier, id| {
        problems.error(
            &format!("outlet[{place}]"),
            format!("outlet {id} is outlet[{earlier}] already"),
            "keep one of the two; the first one counts",
        );
    });
    let enterprises: HashSet<EnterpriseId> = registry.enterprises.iter().map(|row| row.id).collect();
    let served: HashSet<OutletId> = registry.sources.iter().map(|row| row.outlet).collect();
    for (place, outlet) in registry.outlets.iter().enumerate() {
        let path = format!("outlet[{place}]");
        if !enterprises.contains(&outlet.enterprise) {
            problems.error(
                &path,
                format!(
                    "enterprise {} of outlet {} is not in the registry",
                    outlet.enterprise, outlet.id
                ),
                "add the enterprise or correct its id",
            );
        }
        if !served.contains(&outlet.id) {
            problems.warning(
                &path,
                format!("no source leads to outlet {}", outlet.id),
                "add the device that reports it, else nothing will ever come",
            );
        }
        one_outlet(outlet, &path, catalogue, now, problems);
    }
}

fn one_outlet(outlet: &Outlet, path: &str, catalogue: &Catalogue, now: Time, problems: &mut Problems) {
    let named = outlet.id.as_str().strip_prefix(outlet.enterprise.as_str());
    if named.and_then(|rest| rest.strip_prefix(':')).is_none() {
        problems.warning(
            path,
            format!(
                "outlet id {} does not begin with its enterprise {}",
                outlet.id, outlet.enterprise
            ),
            format!("write {}:{}", outlet.enterprise, outlet.number),
        );
    }
    problems.validity(path, outlet.validity());
    for (place, stop) in outlet.stop_work.iter().enumerate() {
        problems.validity(&format!("{path}.stop_work[{place}]"), stop.validity());
    }
    first_places(
        outlet.factors.iter().map(|factor| factor.code),
        |place, earlier, code| {
            problems.error(
                &format!("{path}.factor[{place}]"),
                format!("factor {code} is factor[{earlier}] of this outlet already"),
                "put its limits into one of the two",
            );
        },
    );
    rates_by_height(outlet, path, now, problems);
    let measures_oxygen = outlet.factors.iter().any(|factor| factor.code.as_str() == OXYGEN);
    for (place, factor) in outlet.factors.iter().enumerate() {
        let path = format!("{path}.factor[{place}]");
        one_factor(factor, &path, catalogue, now, problems);
        if factor.reference_o2_pct.is_some() && !measures_oxygen {
            problems.warning(
                &path,
                format!("{} has a reference oxygen, but the outlet has no {OXYGEN}", factor.code),
                format!("add factor {OXYGEN}, else corrected values cannot be checked"),
            );
        }
    }
}

/// A rate limit above what the general standard allows for the stack's height is mistyped, or rests on something that
/// wants looking at.
fn rates_by_height(outlet: &Outlet, path: &str, now: Time, problems: &mut Problems) {
    let is_rate = |limit: &&Limit| limit.basis == LimitBasis::Rate && limit.validity().covers(now);
    let height_m = outlet.stack_height_m.map(Decimal::to_f64);
    let (Some(height_m), true) = (
        height_m,
        outlet
            .factors
            .iter()
            .any(|factor| factor.limits.iter().any(|limit| is_rate(&limit))),
    ) else {
        return;
    };
    // It comes with the program, and a test reads it.
    let Ok(rates) = RateLimits::embedded() else { return };
    for (place, factor) in outlet.factors.iter().enumerate() {
        let Some(allowed) = rates.rate_kg_h(factor.code, height_m) else {
            continue;
        };
        for limit in factor
            .limits
            .iter()
            .filter(is_rate)
            .filter(|limit| limit.value.to_f64() > allowed)
        {
            problems.warning(
                &format!("{path}.factor[{place}]"),
                format!(
                    "a rate limit of {} kg/h, where GB 16297-1996 table 2 [from memory] allows {allowed:.2} kg/h for a \
                     stack of {height_m} m",
                    limit.value
                ),
                "compare it with the permit; mind the unit, kg/h",
            );
        }
    }
}

fn one_factor(factor: &FactorSetup, path: &str, catalogue: &Catalogue, now: Time, problems: &mut Problems) {
    let (canonical, known) = catalogue.canonical(factor.code);
    if !known {
        problems.warning(
            path,
            format!("factor {} is not in the catalogue", factor.code),
            "correct it, or leave it if it is the maker's own code",
        );
    } else if canonical != factor.code {
        problems.error(
            path,
            format!("factor {} is kept as {canonical}", factor.code),
            format!("write {canonical}"),
        );
    }
    let unit = factor_unit(factor, path, catalogue, problems);
    if let Some(reference) = factor.reference_o2_pct {
        let reference = reference.to_f64();
        if !(0.0..AIR_OXYGEN_PCT).contains(&reference) {
            problems.error(
                path,
                format!("reference oxygen is {reference} %"),
                format!("write a percentage of at least 0 and below {AIR_OXYGEN_PCT}"),
            );
        }
    }
    // An hour needs 45 valid minutes (HJ 212-2017 D.2 (24)): with longer cycles one value would be the hour.
    if let Some(cycle) = factor
        .cycle_min
        .filter(|cycle| !(1..=LONGEST_CYCLE_MIN).contains(cycle))
    {
        problems.error(
            path,
            format!("an analysis cycle of {cycle} minutes"),
            format!("write 1 to {LONGEST_CYCLE_MIN}, or leave it out where the analyser measures all the time"),
        );
    }
    if let (Some(low), Some(high)) = (factor.range_low, factor.range_high)
        && low.compare(high).is_ge()
    {
        problems.error(
            path,
            format!("measuring range {low} to {high} is empty or upside down"),
            "range_low must be below range_high",
        );
    }
    for (place, limit) in factor.limits.iter().enumerate() {
        one_limit(limit, factor, &format!("{path}.limit[{place}]"), problems);
    }
    limits_together(factor, path, now, problems);
    let is_pollutant = catalogue.get(canonical).is_some_and(|known| {
        known.group == FactorGroup::Gas && unit.is_some_and(|unit| unit.quantity() == Quantity::GasConcentration)
    });
    if is_pollutant && !factor.limits.iter().any(|limit| limit.validity().covers(now)) {
        problems.warning(
            path,
            format!("no limit is in force for {}", factor.code),
            "add one from the permit; until then it is shown and not judged",
        );
    }
}

/// The unit of a factor's values: that of the setup if it is good, else of the catalogue.
fn factor_unit(factor: &FactorSetup, path: &str, catalogue: &Catalogue, problems: &mut Problems) -> Option<Unit> {
    let known = catalogue.get(factor.code);
    let standard = known.and_then(|known| known.unit);
    let Some(text) = &factor.unit else { return standard };
    let Some(unit) = Unit::parse(text) else {
        problems.error(
            path,
            format!("`{text}` is not a unit plume knows"),
            standard.map_or_else(
                || "write a unit such as mg/m3 or m3/h".to_owned(),
                |standard| format!("write {standard}, or leave it out"),
            ),
        );
        return standard;
    };
    let molar_mass = known.and_then(|known| known.molar_mass_g_mol);
    if let Some(standard) = standard
        && unit.convert(1.0, standard, molar_mass).is_err()
    {
        problems.error(
            path,
            format!("{unit} is not a unit of {}, which has {standard}", factor.code),
            format!("write {standard} or a unit that converts to it"),
        );
    }
    Some(unit)
}

fn one_limit(limit: &Limit, factor: &FactorSetup, path: &str, problems: &mut Problems) {
    problems.validity(path, limit.validity());
    let percent = Decimal {
        mantissa: 100,
        scale: 0,
    };
    if limit.value.mantissa <= 0 {
        problems.error(path, format!("the limit is {}", limit.value), "write a number above 0");
    } else if limit.basis == LimitBasis::Efficiency && limit.value.compare(percent).is_gt() {
        problems.error(
            path,
            format!("the efficiency is {} %", limit.value),
            "write at most 100",
        );
    }
    if let Some(high) = factor.range_high
        && limit.basis == LimitBasis::Concentration
        && limit.value.compare(high).is_ge()
    {
        problems.warning(
            path,
            format!(
                "the limit {} is not below the measuring range's end {high}",
                limit.value
            ),
            "check both: exceeding it could hardly be measured",
        );
    }
    if limit.source.trim().is_empty() {
        problems.error(
            path,
            "the limit has no source",
            "write `permit` or the id of a catalogue row such as L003",
        );
    }
}

/// A day's limit above the hour's is upside down: a mean of 24 hours cannot be allowed more than each of them.
fn limits_together(factor: &FactorSetup, path: &str, now: Time, problems: &mut Problems) {
    let strictest = |window: LimitWindow| {
        let in_force = |limit: &&Limit| {
            limit.window == window && limit.basis == LimitBasis::Concentration && limit.validity().covers(now)
        };
        let limits = factor.limits.iter().filter(in_force).map(|limit| limit.value);
        limits.min_by(|a, b| a.compare(*b))
    };
    if let (Some(hour), Some(day)) = (strictest(LimitWindow::Hour), strictest(LimitWindow::Day))
        && day.compare(hour).is_gt()
    {
        problems.warning(
            path,
            format!("the day's limit {day} is above the hour's {hour}"),
            "check that the two are not swapped",
        );
    }
}
