//! `plume rate`: the effective transmission rate (传输有效率) of outlets, counted from the archive. What was due is what
//! plume judged: an hour of a factor with a limit; what it knows nothing of is not due.

use std::collections::BTreeMap;
use std::process::ExitCode;

use plume_archive::{Field, QuerySpec, Reader, Table};
use plume_detect::rate::{self, Came, Counts, InTime, Over, Rates, Step};
use plume_schemas::ids::OutletId;
use plume_schemas::judgement::NotJudged;
use plume_schemas::reading::{Flag, ReportKind, Statistic};
use plume_schemas::time::{DAY_MS, HOUR_MS, Span, Time};
use serde::Serialize;

use super::view::{self, Ticker, hinted};
use crate::cli::rate::RateArgs;
use crate::out;

/// Rows between two looks at the clock.
const LOOK_ROWS: u64 = 4_096;

/// One pollutant of one outlet, or a sum.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    hours: Rates,
    days: Rates,
}

impl Line {
    fn all(&self) -> Rates {
        self.hours.and(self.days)
    }
}

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

/// Values as they came: start, packet, flag and whether the device says they come again.
type Values = Vec<(Time, i64, Flag, bool)>;

/// Since when one pollutant of one outlet is due, and when it is not.
#[derive(Debug)]
struct Due {
    first: Time,
    stops: Vec<Span>,
}

/// What the archive says of one span.
#[derive(Debug, Default)]
struct Seen {
    /// By outlet and factor: since when it was judged, and when it stood still.
    due: BTreeMap<(String, String), Due>,
    /// By outlet, packet: when it was received.
    packets: BTreeMap<(String, i64), Time>,
    values: [BTreeMap<(String, String), Values>; 2],
    /// The last moment at which anything was judged.
    now: Option<Time>,
}

/// Counts and prints.
pub(crate) fn run(args: &RateArgs) -> anyhow::Result<ExitCode> {
    let reader = view::open(&args.place)?;
    let span = args.span();
    let seen = read(&reader, args, span)?;
    let Some(now) = seen.now else {
        out::complain("该时段没有判定过的小时 / nothing was judged in this span");
        return Ok(ExitCode::FAILURE);
    };
    let mut lines: Vec<((&str, &str), Line)> = Vec::new();
    for (key, due) in &seen.due {
        let over = Over {
            span: Span {
                start: span.start.max(due.first),
                ..span
            },
            now,
            stops: &due.stops,
            in_time: InTime {
                hour_ms: args.in_time_minutes * 60_000,
                day_ms: args.day_in_time_hours * HOUR_MS,
            },
        };
        let of = |step: Step, place: usize| {
            let values = seen.values.get(place).and_then(|values| values.get(key));
            rate::count(step, &over, &seen.came(&key.0, values.map_or(&[][..], Vec::as_slice)))
        };
        let line = Line {
            hours: of(Step::Hour, 0),
            days: of(Step::Day, 1),
        };
        lines.push(((&key.0, &key.1), line));
    }
    let total = lines.iter().fold(Line::default(), |sum, (_, line)| Line {
        hours: sum.hours.and(line.hours),
        days: sum.days.and(line.days),
    });
    if args.json {
        for ((outlet, factor), line) in &lines {
            out::line(serde_json::to_string(&row(outlet, factor, line, args))?);
        }
        out::line(serde_json::to_string(&row("*", "*", &total, args))?);
    } else {
        table(&lines, &total, args);
        tell_forecast(&total, args, (span, now));
    }
    let passed = total.all().completed.effective(args.policy());
    let failed = args.check && passed.is_none_or(|rate| rate * 100.0 < args.pass);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Seen {
    /// Joins values with the packets they came in.
    fn came(&self, outlet: &str, values: &[(Time, i64, Flag, bool)]) -> Vec<Came> {
        let came = values.iter().map(|&(start, packet, flag, backfill)| Came {
            start,
            received_at: self.packets.get(&(outlet.to_owned(), packet)).copied().unwrap_or(start),
            backfill,
            valid: flag == Flag::Normal,
            stopped: flag == Flag::Stopped,
        });
        came.collect()
    }
}

fn read(reader: &Reader, args: &RateArgs, span: Span) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    let mut ticker = Ticker::new(args.progress);
    let judged = QuerySpec {
        columns: names(&["outlet", "factor", "measured_at", "reason", "judged_at"]),
        ..spec(Table::Hours, args.outlet, span)
    };
    each(reader, &judged, &mut ticker, |row| {
        let [outlet, factor, at, reason, judged_at] = row else {
            return;
        };
        let (Some(at), Some(judged_at)) = (moment(at), moment(judged_at)) else {
            return;
        };
        seen.now = seen.now.max(Some(judged_at));
        let key = (outlet.to_string(), factor.to_string());
        let due = seen.due.entry(key).or_insert_with(|| Due {
            first: at,
            stops: Vec::new(),
        });
        due.first = due.first.min(at);
        let reason = reason.to_string();
        if [NotJudged::Stopped.code(), NotJudged::StopWork.code()].contains(&reason.as_str()) {
            due.stops.push(Span::hour_of(at));
        }
    })?;
    seen.due.values_mut().for_each(|due| due.stops = joined(&mut due.stops));
    for (kind, place) in [(ReportKind::Hour, 0), (ReportKind::Day, 1)] {
        let packets = QuerySpec {
            kind: Some(kind),
            columns: names(&["outlet", "packet", "received_at"]),
            ..spec(Table::Packets, args.outlet, span)
        };
        each(reader, &packets, &mut ticker, |row| {
            if let [outlet, Field::Int(packet), Field::Time(at)] = row {
                seen.packets.insert((outlet.to_string(), *packet), *at);
            }
        })?;
        let values = QuerySpec {
            kind: Some(kind),
            statistic: Some(Statistic::Mean),
            columns: names(&["outlet", "factor", "measured_at", "packet", "flag", "backfill"]),
            ..spec(Table::Readings, args.outlet, span)
        };
        each(reader, &values, &mut ticker, |row| {
            let [outlet, factor, Field::Time(at), Field::Int(packet), flag, backfill] = row else {
                return;
            };
            let flag = Flag::from_code(&flag.to_string()).unwrap_or(Flag::Unknown);
            let backfill = matches!(backfill, Field::Bool(true));
            if let Some(of) = seen.values.get_mut(place) {
                let key = (outlet.to_string(), factor.to_string());
                of.entry(key).or_default().push((*at, *packet, flag, backfill));
            }
        })?;
    }
    Ok(seen)
}

/// Hours in a row as one stop, so that whole days can stand still too.
fn joined(hours: &mut [Span]) -> Vec<Span> {
    hours.sort_by_key(|hour| hour.start);
    let mut stops: Vec<Span> = Vec::new();
    for hour in hours {
        match stops.last_mut().filter(|stop| stop.end >= hour.start) {
            Some(stop) => stop.end = stop.end.max(hour.end),
            None => stops.push(*hour),
        }
    }
    stops
}

fn moment(field: &Field) -> Option<Time> {
    match field {
        Field::Time(at) => Some(*at),
        _ => None,
    }
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&name| name.to_owned()).collect()
}

fn spec(table: Table, outlet: Option<OutletId>, span: Span) -> QuerySpec {
    QuerySpec {
        outlet,
        from: Some(span.start),
        to: Some(span.end),
        ..QuerySpec::all(table)
    }
}

fn each(reader: &Reader, spec: &QuerySpec, ticker: &mut Ticker, mut show: impl FnMut(&[Field])) -> anyhow::Result<()> {
    let mut rows = 0_u64;
    for row in reader.query(spec).map_err(hinted)? {
        show(&row.map_err(hinted)?);
        rows += 1;
        if rows.is_multiple_of(LOOK_ROWS) {
            ticker.tick(|| format!("{}: {rows}", spec.table.name()));
        }
    }
    Ok(())
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

fn table(lines: &[((&str, &str), Line)], total: &Line, args: &RateArgs) {
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
    for ((outlet, factor), line) in lines {
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
fn tell_forecast(total: &Line, args: &RateArgs, (span, now): (Span, Time)) {
    let left_ms = span.end.since(now.max(span.start)).max(0);
    let so_far = total.all().completed;
    let passed_ms = now.since(span.start).max(1);
    // Periods come as they came so far: every outlet and factor once an hour and once a day.
    let left = (i64::from(so_far.due) * left_ms).div_euclid(passed_ms);
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    let pass = args.pass / 100.0;
    let forecast = rate::forecast(so_far, left, args.policy(), pass);
    if let (true, Some((rate, spare))) = (left_ms >= DAY_MS / 24, forecast) {
        out::line(format_args!(
            "照此至期末 {:.2}%；余下 {left} 个数据最多可缺 {spare} 个（合格线 {}%） / at this pace {:.2} % at the end; of {left} \
             values to come {spare} may be lost (pass: {} %)",
            rate * 100.0,
            args.pass,
            rate * 100.0,
            args.pass,
        ));
    }
}
