//! `plume rate`: the effective transmission rate (传输有效率) of outlets, counted from the archive and printed.

use std::process::ExitCode;

use plume_detect::rate::{Counts, InTime, Rates};
use plume_schemas::time::HOUR_MS;
use serde::Serialize;

use super::view::{self, Ticker};
use crate::cli::rate::RateArgs;
use crate::out;
use crate::rates::{Asked, Counted, Line, count, forecast};

/// What is printed as JSON, one object a line.
#[derive(Debug, Serialize)]
struct Row<'a> {
    outlet: &'a str,
    factor: &'a str,
    hours: Shown,
    days: Shown,
    all: Shown,
}

#[derive(Debug, Serialize)]
struct Shown {
    due: u32,
    stopped: u32,
    immediate_received: u32,
    immediate_valid: u32,
    completed_received: u32,
    completed_valid: u32,
    immediate_pct: Option<f64>,
    completed_pct: Option<f64>,
}

/// Counts and prints.
pub(crate) fn run(args: &RateArgs) -> anyhow::Result<ExitCode> {
    let reader = view::open(&args.place)?;
    let asked = Asked {
        span: args.span(),
        outlet: args.outlet,
        in_time: InTime {
            hour_ms: args.in_time_minutes * 60_000,
            day_ms: args.day_in_time_hours * HOUR_MS,
        },
    };
    let Some(counted) = count(&reader, &asked, &mut Ticker::new(args.progress))? else {
        out::complain("该时段没有判定过的小时 / nothing was judged in this span");
        return Ok(ExitCode::FAILURE);
    };
    let lines = &counted.lines;
    let total: Line = lines.iter().map(|(_, line)| *line).sum();
    if args.json {
        for ((outlet, factor), line) in lines {
            out::line(serde_json::to_string(&row(outlet, factor, line, args))?);
        }
        out::line(serde_json::to_string(&row("*", "*", &total, args))?);
    } else {
        table(&counted, &total, args);
        tell_forecast(&total, args, &counted);
    }
    let passed = total.all().completed.effective(args.policy());
    let failed = args.check && passed.is_none_or(|rate| rate * 100.0 < args.pass);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn percent(counts: Counts, args: &RateArgs) -> Option<f64> {
    let rate = counts.effective(args.policy())?;
    Some((rate * 10_000.0).round() / 100.0)
}

fn shown(rates: &Rates, args: &RateArgs) -> Shown {
    Shown {
        due: rates.completed.due,
        stopped: rates.stopped,
        immediate_received: rates.immediate.received,
        immediate_valid: rates.immediate.valid,
        completed_received: rates.completed.received,
        completed_valid: rates.completed.valid,
        immediate_pct: percent(rates.immediate, args),
        completed_pct: percent(rates.completed, args),
    }
}

fn row<'a>(outlet: &'a str, factor: &'a str, line: &Line, args: &RateArgs) -> Row<'a> {
    Row {
        outlet,
        factor,
        hours: shown(&line.hours, args),
        days: shown(&line.days, args),
        all: shown(&line.all(), args),
    }
}

fn table(counted: &Counted, total: &Line, args: &RateArgs) {
    out::line(format_args!(
        "{:<30} {:<8} {:<4} {:>6} {:>6} {:>14} {:>14} {:>9} {:>9}",
        "outlet", "factor", "step", "due", "still", "immediate", "completed", "imm. %", "compl. %"
    ));
    let print = |outlet: &str, factor: &str, step: &str, rates: &Rates| {
        let pct = |counts| percent(counts, args).map_or_else(|| "-".to_owned(), |pct| format!("{pct:.2}"));
        let pair = |counts: Counts| format!("{}/{}", counts.received, counts.valid);
        out::line(format_args!(
            "{outlet:<30} {factor:<8} {step:<4} {:>6} {:>6} {:>14} {:>14} {:>9} {:>9}",
            rates.completed.due,
            rates.stopped,
            pair(rates.immediate),
            pair(rates.completed),
            pct(rates.immediate),
            pct(rates.completed),
        ));
    };
    for ((outlet, factor), line) in &counted.lines {
        print(outlet, factor, "hour", &line.hours);
        print(outlet, factor, "day", &line.days);
    }
    print("*", "*", "all", &total.all());
    out::line(
        "immediate 即时、completed 补全：收到数/有效数；传输有效率 = 传输率 × 有效率；still 为停运时段，不计入分母\n\
         immediate, completed: received/valid; effective = transmission × validity; still: stood still, in neither \
         denominator",
    );
}

/// Where the span runs on: how it will end, and what may still be lost.
fn tell_forecast(total: &Line, args: &RateArgs, counted: &Counted) {
    let ahead = forecast(total, args.policy(), args.pass / 100.0, (args.span(), counted.now));
    let Some((rate, left, spare)) = ahead else { return };
    out::line(format_args!(
        "照此至期末 {:.2}%；余下 {left} 个数据最多可缺 {spare} 个（合格线 {}%） / at this pace {:.2} % at the end; of {left} \
         values to come {spare} may be lost (pass: {} %)",
        rate * 100.0,
        args.pass,
        rate * 100.0,
        args.pass,
    ));
}
