//! For which time a new registry judges otherwise than the one before it: what was said of that time is to be judged
//! again (D8).

use plume_schemas::ids::OutletId;
use plume_schemas::registry::{LimitWindow, Registry, Validity};
use plume_schemas::time::{Span, Time};

use crate::plan::{OutletPlan, Plan};

/// Far before anything was measured.
const ALWAYS: Time = Time(i64::MIN / 2);

/// Outlets of both registries whose windows before `until` would be judged otherwise, with the time from the first
/// moment that differs to the last. An outlet that only one of them has is judged from now on, or no longer.
pub fn affected(old: &Registry, new: &Registry, until: Time) -> Vec<(OutletId, Span)> {
    let (old, new) = (Plan::new(old, 0, 1), Plan::new(new, 0, 1));
    let mut found = Vec::new();
    for plan in &new.outlets {
        let before = old.outlets.binary_search_by_key(&plan.id, |outlet| outlet.id);
        if let Some(before) = before.ok().and_then(|place| old.outlets.get(place))
            && before != plan
            && let Some(span) = difference(before, plan, until)
        {
            found.push((plan.id, span));
        }
    }
    found
}

/// From the first moment before `until` at which the two differ to the last.
fn difference(old: &OutletPlan, new: &OutletPlan, until: Time) -> Option<Span> {
    let mut bounds: Vec<Time> = [old, new]
        .into_iter()
        .flat_map(bounds)
        .filter(|&at| at < until)
        .collect();
    bounds.extend([ALWAYS, until]);
    bounds.sort_unstable();
    bounds.dedup();
    let pairs = bounds.iter().zip(bounds.iter().skip(1));
    let differing = pairs.filter(|&(&from, _)| !is_alike(old, new, from));
    differing.fold(None, |found: Option<Span>, (&start, &end)| {
        Some(Span {
            start: found.map_or(start, |span| span.start),
            end,
        })
    })
}

/// Every moment at which something of an outlet begins or ends.
fn bounds(plan: &OutletPlan) -> Vec<Time> {
    let limits = plan.factors.iter().flat_map(|factor| &factor.limits);
    let validities = limits
        .map(|limit| limit.validity)
        .chain(plan.sources.iter().map(|source| source.validity))
        .chain(plan.stop_work.iter().copied())
        .chain([plan.validity]);
    let ends = validities.flat_map(|Validity { valid_from, valid_to }| [valid_from, valid_to]);
    ends.flatten().collect()
}

/// Whether a window that begins at `at` is judged alike. Where a limit comes from, ranges and names decide no verdict.
fn is_alike(old: &OutletPlan, new: &OutletPlan, at: Time) -> bool {
    let sources = |plan: &OutletPlan| -> Vec<_> {
        let rows = plan.sources.iter();
        rows.map(|row| {
            (
                row.mn,
                row.minute_interval,
                row.realtime_interval_s,
                row.validity.covers(at),
            )
        })
        .collect()
    };
    let factors = |plan: &OutletPlan| -> Vec<_> {
        let value = |factor: &crate::plan::FactorPlan, window| factor.limit(window, at).map(|limit| limit.typed);
        let rows = plan.factors.iter();
        rows.map(|factor| {
            let limits = [LimitWindow::Hour, LimitWindow::Day].map(|window| value(factor, window));
            (factor.code, factor.basis, factor.reference_o2, limits)
        })
        .collect()
    };
    old.validity.covers(at) == new.validity.covers(at)
        && old.stopped_at(at) == new.stopped_at(at)
        && sources(old) == sources(new)
        && factors(old) == factors(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Stream;
    use plume_schemas::decimal::Decimal;
    use plume_schemas::time::DAY_MS;

    fn registry() -> Registry {
        Stream::new(2, 1, now(), 1).registry()
    }

    fn now() -> Time {
        Time::parse_stamp(b"20260117000000").unwrap()
    }

    #[test]
    fn a_limit_from_last_week_on_concerns_last_week_and_that_outlet_alone() {
        let (old, mut new) = (registry(), registry());
        assert!(affected(&old, &new, now()).is_empty());
        let since = now().plus(-7 * DAY_MS);
        let limits = &mut new.outlets[1].factors[0].limits;
        limits[0].valid_to = Some(since);
        let mut stricter = limits[0].clone();
        (stricter.valid_from, stricter.valid_to) = (Some(since), None);
        stricter.value = Decimal { mantissa: 20, scale: 0 };
        limits.push(stricter);
        let span = Span {
            start: since,
            end: now(),
        };
        assert_eq!(affected(&old, &new, now()), [(new.outlets[1].id, span)]);
        // A limit that begins later, and another name for where it comes from, concern nothing that was judged.
        assert!(affected(&old, &new, since).is_empty());
        let mut named = registry();
        named.outlets[0].factors[0].limits[0].source = "another".to_owned();
        named.outlets[0].factors[0].range_high = Some(Decimal {
            mantissa: 400,
            scale: 0,
        });
        assert!(affected(&old, &named, now()).is_empty());
    }

    #[test]
    fn another_reference_oxygen_concerns_all_that_was_and_a_new_outlet_nothing() {
        let (old, mut new) = (registry(), registry());
        new.outlets[0].factors[0].reference_o2_pct = Some(Decimal { mantissa: 9, scale: 0 });
        let found = affected(&old, &new, now());
        assert_eq!(
            found,
            [(
                new.outlets[0].id,
                Span {
                    start: ALWAYS,
                    end: now()
                }
            )]
        );
        let mut one = registry();
        one.outlets.truncate(1);
        assert!(affected(&one, &registry(), now()).is_empty());
    }
}
