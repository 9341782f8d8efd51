//! `plume score --quality`: how many planted faults and tricks the rules of data quality and the leads find, how soon,
//! and how often they speak where nothing was planted. Same seeds, same numbers.

mod site;
mod twins;
mod world;

use std::collections::BTreeMap;
use std::process::ExitCode;

use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::entry::EntryBody;
use plume_schemas::event::Edge;
use plume_schemas::rule::{RuleCode, Stream};
use plume_schemas::time::MINUTE_MS;
use serde::Serialize;

use crate::cli::ScoreArgs;
use crate::commands::view;
use crate::out;
use site::Site;
use world::{Plant, START, World};

/// First seed the rules may be tuned on, and of those that are held out.
const TRAINING: u64 = 1;
const HELD_OUT: u64 = 7_000_001;
/// Days of each outlet, where nobody says otherwise.
const DAYS: u32 = 5;
/// Minutes of a month, for false alarms an outlet-month.
const MONTH_MIN: f64 = 30.0 * 1_440.0;
/// Share of planted events that each rule must find, and false alarms an outlet-month that it may raise.
const LEAST_RECALL: f64 = 0.9;
const MOST_FALSE: f64 = 1.0;

/// What was counted of one rule.
#[derive(Clone, Debug, Default)]
struct Count {
    planted: u32,
    found: u32,
    delays_min: Vec<i64>,
    false_alarms: u32,
}

/// One line of the score.
#[derive(Debug, Serialize)]
struct Line {
    rule: &'static str,
    stream: &'static str,
    planted: u32,
    found: u32,
    recall: Option<f64>,
    median_delay_min: Option<i64>,
    false_alarms: u32,
    false_per_outlet_month: f64,
    target_met: bool,
}

/// Runs and prints; with `--check` it fails where a target is missed.
pub(crate) fn run(args: &ScoreArgs) -> anyhow::Result<ExitCode> {
    let config = view::config(args.config.as_deref())?;
    let days = args.days.unwrap_or(DAYS).max(4);
    let first = args.seed.unwrap_or(if args.training { TRAINING } else { HELD_OUT });
    let mut counts: BTreeMap<RuleCode, Count> = BTreeMap::new();
    for (plant, n) in Plant::ALL.into_iter().cycle().zip(0..u64::from(args.plants)) {
        let world = World::new(first + n, plant, days);
        if plant == Plant::Copied {
            twins::judge(&config.detect, world, (first + n, days), &mut counts)?;
        } else {
            judge(&config.detect, world, days, &mut counts)?;
        }
        if (n + 1) % 50 == 0 {
            out::complain(format_args!("{} / {} 个排放口 / outlets", n + 1, args.plants));
        }
    }
    let months = f64::from(args.plants) * f64::from(days) * 1_440.0 / MONTH_MIN;
    let lines: Vec<Line> = counts
        .iter_mut()
        .map(|(rule, count)| line(*rule, count, months))
        .collect();
    if args.json {
        lines
            .iter()
            .try_for_each(|line| serde_json::to_string(line).map(out::line))?;
    } else {
        tell(&lines, (args.plants, days, first));
    }
    let met = lines.iter().all(|line| line.target_met);
    Ok(if args.check && !met {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Judges one outlet and counts what was said of it.
fn judge(
    settings: &Settings,
    mut world: World,
    days: u32,
    counts: &mut BTreeMap<RuleCode, Count>,
) -> anyhow::Result<()> {
    let mut site = Site::new(0)?;
    let mut engine = Engine::new(settings.clone(), Partition { index: 0, count: 1 });
    let mut said = Out::default();
    let registry = site.registry()?;
    engine.step(&site.entry(EntryBody::Registry(Box::new(registry))), &mut said);
    let mark = world.mark();
    for minute in 0..i64::from(days) * 1_440 {
        let now = world.next(minute);
        let low_hour = world.plant == Plant::LowHour && (world.on.0..world.on.1).contains(&minute);
        let wrong_amount = world.plant == Plant::WrongAmount && (world.on.0..world.on.1).contains(&minute);
        for body in site.minute(minute, &now, (low_hour, wrong_amount)) {
            engine.step(&site.entry(body), &mut said);
        }
        if let Some((at, span)) = mark.filter(|(at, _)| *at == START.plus(minute * MINUTE_MS)) {
            engine.step(&site.entry(site.stop_mark(at, span)), &mut said);
        }
    }
    count(&world, &said, counts);
    Ok(())
}

fn count(world: &World, said: &Out, counts: &mut BTreeMap<RuleCode, Count>) {
    let at = |minute: i64| START.plus(minute * MINUTE_MS);
    let wanted = world.plant.rule();
    let (from, to) = (at(world.on.0), at(world.on.1 + world.plant.grace_min()));
    let opened = said.events.iter().filter(|event| event.edge == Edge::Opened);
    let mut found = None;
    for event in opened.filter(|event| scored(event.judgement.rule)) {
        let within = event.at >= from && event.at <= to;
        if within && event.judgement.rule == wanted {
            found = found.or(Some(event.at.since(from).div_euclid(MINUTE_MS)));
        } else if !within {
            // What else a planted fault sets off is neither found nor false: the data are wrong then.
            counts.entry(event.judgement.rule).or_default().false_alarms += 1;
        }
    }
    let count = counts.entry(wanted).or_default();
    count.planted += 1;
    count.found += u32::from(found.is_some());
    count.delays_min.extend(found);
}

/// Rules that some plant is for.
fn scored(rule: RuleCode) -> bool {
    Plant::ALL.iter().any(|plant| plant.rule() == rule)
}

fn line(rule: RuleCode, count: &mut Count, months: f64) -> Line {
    count.delays_min.sort_unstable();
    let recall = (count.planted > 0).then(|| f64::from(count.found) / f64::from(count.planted));
    let false_per_outlet_month = f64::from(count.false_alarms) / months;
    Line {
        rule: rule.code(),
        stream: if rule.stream() == Stream::Lead {
            "lead"
        } else {
            "service"
        },
        planted: count.planted,
        found: count.found,
        recall,
        median_delay_min: count.delays_min.get(count.delays_min.len() / 2).copied(),
        false_alarms: count.false_alarms,
        false_per_outlet_month,
        target_met: recall.is_none_or(|recall| recall >= LEAST_RECALL) && false_per_outlet_month <= MOST_FALSE,
    }
}

fn tell(lines: &[Line], (outlets, days, seed): (u32, u32, u64)) {
    out::line(format_args!(
        "{outlets} 个排放口 × {days} 天，种子自 {seed} / {outlets} outlets × {days} days, seeds from {seed}"
    ));
    out::line(format_args!(
        "{:<10} {:<8} {:>8} {:>6} {:>7} {:>10} {:>6} {:>16}  {}",
        "rule", "stream", "planted", "found", "recall", "delay min", "false", "/ outlet-month", "target"
    ));
    for line in lines {
        let recall = line
            .recall
            .map_or_else(|| "-".to_owned(), |recall| format!("{recall:.2}"));
        let delay = line
            .median_delay_min
            .map_or_else(|| "-".to_owned(), |delay| delay.to_string());
        out::line(format_args!(
            "{:<10} {:<8} {:>8} {:>6} {recall:>7} {delay:>10} {:>6} {:>16.3}  {}",
            line.rule,
            line.stream,
            line.planted,
            line.found,
            line.false_alarms,
            line.false_per_outlet_month,
            if line.target_met { "✓" } else { "✗" },
        ));
    }
    out::line(format_args!(
        "目标：每条规则召回 ≥ {LEAST_RECALL}，误报 ≤ {MOST_FALSE} 次/排放口·月；误报含真实工况突变引起的提示\n\
         targets per rule: recall ≥ {LEAST_RECALL}, false alarms ≤ {MOST_FALSE} an outlet-month; true upsets that set \
         a rule off count as false"
    ));
}
