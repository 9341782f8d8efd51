//! The effective transmission rate (传输有效率) of outlets, counted from the archive: for `plume rate`, the desk's digests
//! and its API. What was due is what plume judged: an hour of a factor with a limit; what it knows nothing of is not
//! due.

use std::collections::BTreeMap;
use std::path::Path;

use plume_alert::rates::{Forecast, RateRow, RateSource, Share};
use plume_archive::{ArchiveConfig, Field, QuerySpec, Reader, Table};
use plume_detect::rate::{self, Came, Counts, InTime, Over, Policy, Rates, Step};
use plume_schemas::ids::{FactorCode, OutletId};
use plume_schemas::judgement::NotJudged;
use plume_schemas::reading::{Flag, ReportKind, Statistic};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, Span, Time};

use crate::commands::view::{Ticker, hinted};
use crate::roles;

/// Rows between two looks at the clock.
const LOOK_ROWS: u64 = 4_096;
/// In time, where nobody says otherwise: hours within an hour, days until noon. As the defaults of `plume rate`.
const IN_TIME: InTime = InTime {
    hour_ms: 60 * MINUTE_MS,
    day_ms: 12 * HOUR_MS,
};
/// The pass mark where nobody says otherwise: 75 % nationally.
const PASS: f64 = 0.75;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) span: Span,
    pub(crate) outlet: Option<OutletId>,
    pub(crate) in_time: InTime,
}

/// What was found: as of the last moment at which anything was judged, by outlet and factor.
pub(crate) struct Counted {
    pub(crate) now: Time,
    pub(crate) lines: Vec<((String, String), Line)>,
}

/// One pollutant of one outlet, or a sum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Line {
    pub(crate) hours: Rates,
    pub(crate) days: Rates,
}

impl Line {
    pub(crate) fn all(&self) -> Rates {
        self.hours.and(self.days)
    }
}

impl std::iter::Sum for Line {
    fn sum<I: Iterator<Item = Self>>(lines: I) -> Self {
        lines.fold(Self::default(), |sum, line| Self {
            hours: sum.hours.and(line.hours),
            days: sum.days.and(line.days),
        })
    }
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

/// Counts the rates of a span; `None` where nothing was judged in it.
pub(crate) fn count(reader: &Reader, asked: &Asked, ticker: &mut Ticker) -> anyhow::Result<Option<Counted>> {
    let Asked { span, outlet, in_time } = *asked;
    let seen = read(reader, outlet, span, ticker)?;
    let Some(now) = seen.now else { return Ok(None) };
    let mut lines = Vec::new();
    for (key, due) in &seen.due {
        let over = Over {
            span: Span {
                start: span.start.max(due.first),
                ..span
            },
            now,
            stops: &due.stops,
            in_time,
        };
        let of = |step: Step, place: usize| {
            let values = seen.values.get(place).and_then(|values| values.get(key));
            rate::count(step, &over, &seen.came(&key.0, values.map_or(&[][..], Vec::as_slice)))
        };
        let line = Line {
            hours: of(Step::Hour, 0),
            days: of(Step::Day, 1),
        };
        lines.push((key.clone(), line));
    }
    Ok(Some(Counted { now, lines }))
}

/// Where the span runs on: the rate it will end with, how many periods are to come, and how many of them may be lost
/// before it falls below `pass`.
pub(crate) fn forecast(line: &Line, policy: Policy, pass: f64, (span, now): (Span, Time)) -> Option<(f64, u32, u32)> {
    let left_ms = span.end.since(now.max(span.start)).max(0);
    let so_far = line.all().completed;
    let passed_ms = now.since(span.start).max(1);
    // Periods come as they came so far: every outlet and factor once an hour and once a day.
    let left = (i64::from(so_far.due) * left_ms).div_euclid(passed_ms);
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    let (rate, spare) = rate::forecast(so_far, left, policy, pass)?;
    (left_ms >= HOUR_MS).then_some((rate, left, spare))
}

/// The rates of this archive, for the desk.
pub(crate) fn source(data_dir: &Path, config: &ArchiveConfig) -> anyhow::Result<RateSource> {
    let location = roles::archive::location(data_dir, config)?;
    Ok(RateSource::new(move |span, outlet| {
        let asked = Asked {
            span,
            outlet,
            in_time: IN_TIME,
        };
        let counted = roles::archive::reader(&location)
            .and_then(|reader| count(&reader, &asked, &mut Ticker::silent()))
            .map_err(|error| format!("{error:#}"))?;
        let Some(counted) = counted else { return Ok(Vec::new()) };
        let rows = counted.lines.iter().filter_map(|((outlet, factor), line)| {
            let all = line.all();
            let ahead = forecast(line, Policy::Received, PASS, (span, counted.now));
            Some(RateRow {
                outlet: OutletId::new(outlet).ok()?,
                factor: FactorCode::new(factor).ok()?,
                immediate: share(all.immediate),
                completed: share(all.completed),
                stopped: all.stopped,
                forecast: ahead.map(|(rate, left, spare)| Forecast {
                    effective_pct: (rate * 10_000.0).round() / 100.0,
                    left,
                    spare,
                }),
            })
        });
        Ok(rows.collect())
    }))
}

fn share(counts: Counts) -> Share {
    Share {
        due: counts.due,
        received: counts.received,
        valid: counts.valid,
    }
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

fn read(reader: &Reader, outlet: Option<OutletId>, span: Span, ticker: &mut Ticker) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    let judged = QuerySpec {
        columns: names(&["outlet", "factor", "measured_at", "reason", "judged_at"]),
        ..spec(Table::Hours, outlet, span)
    };
    each(reader, &judged, ticker, |row| {
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
            ..spec(Table::Packets, outlet, span)
        };
        each(reader, &packets, ticker, |row| {
            if let [outlet, Field::Int(packet), Field::Time(at)] = row {
                seen.packets.insert((outlet.to_string(), *packet), *at);
            }
        })?;
        let values = QuerySpec {
            kind: Some(kind),
            statistic: Some(Statistic::Mean),
            columns: names(&["outlet", "factor", "measured_at", "packet", "flag", "backfill"]),
            ..spec(Table::Readings, outlet, span)
        };
        each(reader, &values, ticker, |row| {
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

pub(crate) fn names(columns: &[&str]) -> Vec<String> {
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

/// Shows every row, and says now and then how many there were.
pub(crate) fn each(
    reader: &Reader,
    spec: &QuerySpec,
    ticker: &mut Ticker,
    mut show: impl FnMut(&[Field]),
) -> anyhow::Result<()> {
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
