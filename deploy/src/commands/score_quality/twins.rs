//! An outlet whose values another one sends for some hours, and what must not be taken for that: an honest instrument
//! behind the same boiler, and two of them whose loggers round to whole milligrams.
//!
//! Each outlet has a judge of its own; their judgements meet in the pairing, as at the desk.

use std::collections::BTreeMap;

use plume_detect::twin::Pairing;
use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::entry::EntryBody;
use plume_schemas::event::{Edge, Event};
use plume_schemas::ids::OutletId;
use plume_schemas::judgement::{FactKey, FactValue};
use plume_schemas::rule::RuleCode;

use super::site::Site;
use super::world::{Minute, Plant, World, round};
use super::{Count, count};
use crate::commands::seeded::Chance;

/// The copied, the copy, the neighbour, and the two that round.
const OUTLETS: u32 = 5;
/// What keeps two instruments in one gas apart, mg/m³ (standard deviation), and what a coarse logger rounds to.
const APART: f64 = 0.05;
const APART_COARSE: f64 = 0.3;
const COARSE: f64 = 1.0;

struct Judged {
    site: Site,
    engine: Engine,
    said: Out,
}

/// Judges five outlets, pairs them, and counts what was said.
pub(super) fn judge(
    settings: &Settings,
    mut world: World,
    (seed, days): (u64, u32),
    counts: &mut BTreeMap<RuleCode, Count>,
) -> anyhow::Result<()> {
    let mut chance = Chance(!seed);
    let mut own = World::new(chance.next(), Plant::Copied, days);
    let mut outlets = Vec::new();
    for place in 0..OUTLETS {
        let mut site = Site::new(place)?;
        let mut engine = Engine::new(settings.clone(), Partition { index: 0, count: 1 });
        let registry = site.registry()?;
        let mut said = Out::default();
        engine.step(&site.entry(EntryBody::Registry(Box::new(registry))), &mut said);
        outlets.push(Judged { site, engine, said });
    }
    let (mut pairing, mut found) = (Pairing::new(settings.twin.clone()), Vec::new());
    for minute in 0..i64::from(days) * 1_440 {
        let (now, of_copy) = (world.next(minute), own.next(minute));
        let copies = (world.on.0..world.on.1).contains(&minute);
        let minutes = [
            now,
            if copies { now } else { of_copy },
            beside(&now, &mut chance, (APART, 0.0)),
            beside(&now, &mut chance, (APART_COARSE, COARSE)),
            beside(&now, &mut chance, (APART_COARSE, COARSE)),
        ];
        for (outlet, now) in outlets.iter_mut().zip(&minutes) {
            let Judged { site, engine, said } = outlet;
            let before = said.judgements.len();
            for body in site.minute(minute, now, (false, false)) {
                engine.step(&site.entry(body), said);
            }
            let fresh = said.judgements.iter().skip(before);
            fresh.for_each(|judgement| pairing.take(judgement, &mut found));
        }
    }
    let mut said = Out::default();
    let mut outlets = outlets.into_iter();
    let (Some(copied), Some(copy)) = (outlets.next(), outlets.next()) else {
        return Ok(());
    };
    said.events = copied.said.events;
    let (of_both, others): (Vec<Event>, Vec<Event>) = found
        .into_iter()
        .partition(|event| is_pair(event, copied.site.outlet(), copy.site.outlet()));
    said.events.extend(of_both);
    count(&world, &said, counts);
    let opened = others.iter().filter(|event| event.edge == Edge::Opened).count();
    counts.entry(RuleCode::Twin).or_default().false_alarms += u32::try_from(opened).unwrap_or(u32::MAX);
    Ok(())
}

/// True for the pair of two outlets.
fn is_pair(event: &Event, one: OutletId, two: OutletId) -> bool {
    let other = event.judgement.fact(FactKey::Name);
    event.judgement.outlet == one && matches!(other, Some(FactValue::Text(name)) if name.as_str() == two.as_str())
}

/// What an instrument of its own shows of the same gas, with its own noise, in whole steps where `step` is not zero.
fn beside(now: &Minute, chance: &mut Chance, (noise, step): (f64, f64)) -> Minute {
    let mut minute = *now;
    for value in &mut minute.values {
        let ratio = if value.measured > 0.0 {
            value.corrected / value.measured
        } else {
            0.0
        };
        let shown = value.measured + noise * chance.normal();
        value.measured = if step > 0.0 {
            (shown / step).round() * step
        } else {
            round(shown)
        };
        value.corrected = round(value.measured * ratio);
        if step > 0.0 {
            value.corrected = (value.corrected / step).round() * step;
        }
    }
    minute
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// A small size of what `plume score --quality` does: the copy is found, and neither the neighbour nor those that
    /// round are.
    #[test]
    fn copies_are_found_and_neighbours_are_not() {
        let settings = Config::defaults().unwrap().detect;
        let mut counts = BTreeMap::new();
        for seed in [1, 2] {
            let world = World::new(seed, Plant::Copied, 4);
            judge(&settings, world, (seed, 4), &mut counts).unwrap();
        }
        let twin = &counts[&RuleCode::Twin];
        assert_eq!((twin.planted, twin.found, twin.false_alarms), (2, 2, 0));
    }
}
