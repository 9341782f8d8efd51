//! A bureau's outlets as the judge sees them: a minute packet each minute, an hour packet each hour, with what goes
//! wrong in a week at rates that are named here. Minute means, not plants: the load of the desk is asked for, not the
//! chemistry. Nobody steers: every upset runs its course, which is the worst case for the desk.

use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Tick};
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::{
    Contact, ContactRole, Enterprise, FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Part, Registry, Source,
};
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};

use crate::commands::seeded::Chance;

/// Districts of the bureau: one branch officer each.
pub(super) const DISTRICTS: usize = 10;
/// Outlets of one enterprise.
const OUTLETS_EACH: usize = 3;
/// SO₂, NOx, PM with their ultra-low limits.
const POLLUTANTS: [(&str, f64); 3] = [("a21026", 35.0), ("a21002", 50.0), ("a34013", 10.0)];
const OXYGEN: &str = "a19001";
const FLOW: &str = "a00000";

/// Days between two of a kind at one outlet, and how long one lasts, minutes. Project assumptions, on the high side of
/// what operators of such networks report.
const UPSET: Rate = Rate(12.0, 30.0, 150.0);
const STUCK: Rate = Rate(60.0, 120.0, 600.0);
const SILENT: Rate = Rate(20.0, 10.0, 480.0);
const CALIBRATION: Rate = Rate(7.0, 30.0, 45.0);
/// An outlet sends what one of another enterprise sends.
const COPIED: Rate = Rate(90.0, 240.0, 1_440.0);
/// Share of outlets that run close to their limit.
const CLOSE_SHARE: f64 = 0.1;
/// Correlation of a minute with the next, as real stacks show, and the standard deviation as a share of the level.
const CORRELATION: f64 = 0.9;
const NOISE_SHARE: f64 = 0.03;
/// An upset comes and goes with this time constant, minutes.
const LAG_MIN: f64 = 8.0;

/// Days between, shortest and longest minutes.
struct Rate(f64, f64, f64);

impl Chance {
    /// What happens at one outlet in `days` days.
    fn spans(&mut self, rate: &Rate, start: Time, days: f64) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut day = -rate.0 * self.share().max(1e-9).ln();
        while day < days {
            let at = start.plus(minutes(day * 1_440.0));
            spans.push(Span {
                start: at,
                end: at.plus(minutes(self.between(rate.1, rate.2))),
            });
            day += -rate.0 * self.share().max(1e-9).ln();
        }
        spans
    }
}

#[expect(clippy::cast_possible_truncation, reason = "minutes of a week")]
fn minutes(minutes: f64) -> i64 {
    minutes as i64 * MINUTE_MS
}

/// One pollutant of an outlet.
struct Series {
    factor: FactorCode,
    level: f64,
    deviation: f64,
    lift: f64,
    sum: f64,
    count: u32,
    held: Option<f64>,
}

struct Stack {
    outlet: OutletId,
    mn: Mn,
    series: Vec<Series>,
    flow: f64,
    upsets: Vec<(Span, usize, f64)>,
    stuck: Vec<Span>,
    silent: Vec<Span>,
    calibrations: Vec<Span>,
    copied: Vec<Span>,
}

/// What came of an outlet: its place, kind, time of measuring and of coming, readings.
type Came = (usize, ReportKind, Time, Time, Vec<Reading>);

/// The stream.
pub(super) struct Bureau {
    stacks: Vec<Stack>,
    chance: Chance,
    minute: Time,
    offset: u64,
    ingest: IngestId,
    oxygen: FactorCode,
    flow: FactorCode,
}

impl Bureau {
    /// So many outlets from `start` on, with what goes wrong in `days` days.
    pub(super) fn new(outlets: usize, start: Time, days: u32, seed: u64) -> anyhow::Result<Self> {
        let (mut chance, mut of_copies) = (Chance(seed), Chance(!seed));
        let mut stacks = Vec::with_capacity(outlets);
        for n in 0..outlets {
            let mut stack = stack(n, start, f64::from(days), &mut chance)?;
            stack.copied = of_copies.spans(&COPIED, start, f64::from(days));
            stacks.push(stack);
        }
        Ok(Self {
            stacks,
            chance,
            minute: start,
            offset: 0,
            ingest: IngestId::new("score")?,
            oxygen: FactorCode::new(OXYGEN)?,
            flow: FactorCode::new(FLOW)?,
        })
    }

    /// The moment the stream has come to.
    pub(super) fn now(&self) -> Time {
        self.minute
    }

    /// Its registry: enterprises of three outlets over ten districts, each with somebody to tell.
    pub(super) fn registry(&self) -> anyhow::Result<Registry> {
        let enterprises = (0..self.stacks.len().div_ceil(OUTLETS_EACH)).map(enterprise);
        let outlets = self.stacks.iter().map(outlet);
        Ok(Registry {
            revision: 1,
            recorded_at: self.minute,
            part: Part::WHOLE,
            imported: None,
            enterprises: enterprises.collect::<anyhow::Result<_>>()?,
            outlets: outlets.collect::<anyhow::Result<_>>()?,
            sources: self.stacks.iter().map(source).collect(),
        })
    }

    /// True where a device falls silent by its own fault at any time from an hour before `span` to an hour after it.
    pub(super) fn is_silent(&self, outlet: OutletId, span: Span) -> bool {
        let near = |silent: &Span| silent.start < span.end.plus(HOUR_MS) && span.start.plus(-HOUR_MS) < silent.end;
        let own = self.stacks.iter().find(|stack| stack.outlet == outlet);
        own.is_some_and(|stack| stack.silent.iter().any(near))
    }

    /// Record of anything.
    pub(super) fn entry(&mut self, body: EntryBody) -> Entry {
        let at = LogPosition {
            partition: 0,
            offset: self.offset,
        };
        self.offset += 1;
        Entry { at, body }
    }

    /// The records of the next minute; none of them where plume is stopped, and the outlets go on all the same.
    pub(super) fn next_minute(&mut self, plume_runs: bool, to: &mut Vec<Entry>) {
        let (start, end) = (self.minute, self.minute.plus(MINUTE_MS));
        let mut reports: Vec<Came> = Vec::new();
        for place in 0..self.stacks.len() {
            let Some(stack) = self.stacks.get_mut(place) else {
                continue;
            };
            let heard = plume_runs && !stack.silent.iter().any(|span| span.contains(start));
            let readings = step(stack, &mut self.chance, start, [self.oxygen, self.flow]);
            let hours = (end.floor(HOUR_MS) == end).then(|| close_hour(stack));
            if heard {
                reports.push((place, ReportKind::Minute, start, end.plus(SECOND_MS), readings));
                if let Some(readings) = hours.filter(|readings| !readings.is_empty()) {
                    reports.push((
                        place,
                        ReportKind::Hour,
                        end.plus(-HOUR_MS),
                        end.plus(2 * SECOND_MS),
                        readings,
                    ));
                }
            }
        }
        self.copy(&mut reports);
        if plume_runs {
            let tick = Tick {
                ingest: self.ingest,
                received_at: end,
            };
            let tick = self.entry(EntryBody::Tick(tick));
            to.push(tick);
        }
        for (place, kind, measured_at, received_at, readings) in reports {
            if let Some(body) = self.report(place, kind, [measured_at, received_at], readings) {
                let entry = self.entry(body);
                to.push(entry);
            }
        }
        self.minute = end;
    }

    /// Gives outlets that copy the readings of the one at the same place of the enterprise before.
    fn copy(&self, reports: &mut [Came]) {
        for n in 0..reports.len() {
            let Some((place, kind, measured_at, ..)) = reports.get(n) else {
                continue;
            };
            let (place, kind, at) = (*place, *kind, *measured_at);
            let copies = |stack: &Stack| stack.copied.iter().any(|span| span.contains(at));
            let (Some(from), true) = (
                place.checked_sub(OUTLETS_EACH),
                self.stacks.get(place).is_some_and(copies),
            ) else {
                continue;
            };
            // They stand in the order of their outlets.
            let first = reports.partition_point(|(other, ..)| *other < from);
            let original = reports.iter().skip(first).take_while(|(other, ..)| *other == from);
            let original = original
                .filter(|(_, of, ..)| *of == kind)
                .map(|(.., readings)| readings.clone())
                .next();
            if let (Some(original), Some((.., readings))) = (original, reports.get_mut(n)) {
                *readings = original;
            }
        }
    }

    fn report(
        &self,
        place: usize,
        kind: ReportKind,
        [measured_at, received_at]: [Time; 2],
        readings: Vec<Reading>,
    ) -> Option<EntryBody> {
        let stack = self.stacks.get(place)?;
        let place = u64::try_from(place).unwrap_or_default().to_le_bytes();
        let packet = ContentId::of(&[&place, &measured_at.0.to_le_bytes(), kind.code().as_bytes()]);
        Some(EntryBody::Report(Box::new(Report {
            outlet: stack.outlet,
            kind,
            times: Times {
                measured_at,
                sent_at: Some(received_at),
                received_at,
            },
            origin: Origin {
                mn: stack.mn,
                st: Inline::new("31").unwrap_or_default(),
                dialect: Dialect::Hj2017,
                ingest: self.ingest,
                peer: Inline::default(),
                registry_revision: 1,
            },
            backfill: false,
            readings,
            complaints: Vec::new(),
            evidence: Evidence {
                packet,
                raw: Vec::new(),
                share: (0, 1),
                cn: if kind == ReportKind::Minute { 2051 } else { 2061 },
                qn: Inline::default(),
                part: (0, 0),
                key_id: None,
            },
        })))
    }
}

fn stack(n: usize, start: Time, days: f64, chance: &mut Chance) -> anyhow::Result<Stack> {
    let close = chance.share() < CLOSE_SHARE;
    let mut series = Vec::new();
    for (code, limit) in POLLUTANTS {
        let share = if close {
            chance.between(0.75, 0.88)
        } else {
            chance.between(0.35, 0.75)
        };
        series.push(Series {
            factor: FactorCode::new(code)?,
            level: limit * share,
            deviation: 0.0,
            lift: 1.0,
            sum: 0.0,
            count: 0,
            held: None,
        });
    }
    let upsets = chance.spans(&UPSET, start, days);
    Ok(Stack {
        outlet: OutletId::new(&format!("E{:05}:DA{:03}", n / OUTLETS_EACH, n % OUTLETS_EACH + 1))?,
        mn: Mn::new(&format!("5343{n:020}"))?,
        series,
        flow: chance.between(20_000.0, 400_000.0),
        upsets: upsets
            .into_iter()
            .map(|span| {
                (
                    span,
                    usize::try_from(chance.next() % 3).unwrap_or(0),
                    chance.between(1.2, 2.0),
                )
            })
            .collect(),
        stuck: chance.spans(&STUCK, start, days),
        silent: chance.spans(&SILENT, start, days),
        calibrations: chance.spans(&CALIBRATION, start, days),
        copied: Vec::new(),
    })
}

/// One minute of a stack.
fn step(stack: &mut Stack, chance: &mut Chance, at: Time, [oxygen, flow]: [FactorCode; 2]) -> Vec<Reading> {
    let calibrating = stack.calibrations.iter().any(|span| span.contains(at));
    let stuck = stack.stuck.iter().any(|span| span.contains(at));
    let flag = if calibrating { Flag::Calibration } else { Flag::Normal };
    // The load of the day moves everything a little.
    let hour = at.since(at.floor(DAY_MS)) as f64 / HOUR_MS as f64;
    let load = 1.0 + 0.06 * ((hour - 14.0) / 24.0 * std::f64::consts::TAU).cos();
    let mut readings = Vec::with_capacity(2 * stack.series.len() + 2);
    let o2 = ((7.3 - load + 0.1 * chance.normal()) * 100.0).round() / 100.0;
    // What was measured, so that its correction to 6 % oxygen is what is shown.
    let measured = (21.0 - o2) / (21.0 - 6.0);
    for (place, series) in stack.series.iter_mut().enumerate() {
        let upset = stack
            .upsets
            .iter()
            .find(|(span, which, _)| *which == place && span.contains(at));
        let aim = upset.map_or(1.0, |(_, _, times)| *times);
        series.lift += (aim - series.lift) / LAG_MIN;
        let step = NOISE_SHARE * (1.0 - CORRELATION * CORRELATION).sqrt();
        series.deviation = CORRELATION * series.deviation + step * chance.normal();
        let fresh = series.level * load * series.lift * (1.0 + series.deviation);
        // An analyser that sticks is the first one, and shows what it showed.
        let shown = if stuck && place == 0 {
            *series.held.get_or_insert(fresh)
        } else {
            series.held = None;
            fresh
        };
        if flag == Flag::Normal {
            series.sum += shown;
            series.count += 1;
        }
        readings.push(reading(series.factor, Basis::Standard, shown * measured, flag));
        readings.push(reading(series.factor, Basis::Corrected, shown, flag));
    }
    readings.push(reading(oxygen, Basis::Standard, o2, flag));
    readings.push(reading(
        flow,
        Basis::Standard,
        stack.flow * load * (1.0 + 0.02 * chance.normal()),
        flag,
    ));
    readings
}

/// The hour packet: means of the valid minutes where there are enough of them.
fn close_hour(stack: &mut Stack) -> Vec<Reading> {
    let mut readings = Vec::new();
    for series in &mut stack.series {
        let (sum, count) = (std::mem::take(&mut series.sum), std::mem::take(&mut series.count));
        if count >= 45 {
            readings.push(reading(
                series.factor,
                Basis::Corrected,
                sum / f64::from(count),
                Flag::Normal,
            ));
        }
    }
    readings
}

fn reading(factor: FactorCode, basis: Basis, value: f64, flag: Flag) -> Reading {
    Reading {
        factor,
        statistic: Statistic::Mean,
        basis,
        value: Value::Decimal(Decimal::from_f64(value, 2).unwrap_or(Decimal { mantissa: 0, scale: 2 })),
        flag,
        maker_flag: Inline::default(),
    }
}

/// The district of an enterprise.
pub(super) fn district(n: usize) -> String {
    format!("D{}", n % DISTRICTS)
}

fn enterprise(n: usize) -> anyhow::Result<Enterprise> {
    let contact = |role, phone: usize| Contact {
        role,
        name: format!("P{phone}"),
        phone: format!("1{phone:010}"),
        email: String::new(),
    };
    Ok(Enterprise {
        id: EnterpriseId::new(&format!("E{n:05}"))?,
        name: format!("E{n:05}"),
        district: district(n),
        industry: String::new(),
        officer: String::new(),
        officer_phone: String::new(),
        contacts: vec![
            contact(ContactRole::EnvironmentOfficer, 3 * n),
            contact(ContactRole::ControlRoom, 3 * n + 1),
            contact(ContactRole::Contractor, 3 * n + 2),
        ],
        permit_number: String::new(),
        permit_valid_to: None,
    })
}

fn outlet(stack: &Stack) -> anyhow::Result<Outlet> {
    let setup = |(code, limit): (&str, f64)| -> anyhow::Result<FactorSetup> {
        Ok(FactorSetup {
            code: FactorCode::new(code)?,
            unit: None,
            range_low: None,
            range_high: Decimal::from_f64(limit * 6.0, 0),
            reference_o2_pct: Some(Decimal { mantissa: 6, scale: 0 }),
            cycle_min: None,
            limits: vec![Limit {
                window: LimitWindow::Hour,
                value: Decimal::from_f64(limit, 0).unwrap_or(Decimal { mantissa: 0, scale: 0 }),
                basis: LimitBasis::Concentration,
                source: "permit".to_owned(),
                clause: String::new(),
                valid_from: None,
                valid_to: None,
            }],
        })
    };
    let enterprise = stack.outlet.as_str().split(':').next().unwrap_or_default();
    let number = stack.outlet.as_str().split(':').next_back().unwrap_or_default();
    Ok(Outlet {
        id: stack.outlet,
        enterprise: EnterpriseId::new(enterprise)?,
        number: number.to_owned(),
        name: String::new(),
        management_class: String::new(),
        shared_stack: String::new(),
        stack_height_m: None,
        trial_until: None,
        factors: POLLUTANTS.into_iter().map(setup).collect::<anyhow::Result<_>>()?,
        stop_work: Vec::new(),
        valid_from: None,
        valid_to: None,
    })
}

fn source(stack: &Stack) -> Source {
    Source {
        mn: stack.mn,
        password: None,
        st: None,
        outlet: stack.outlet,
        factors: Vec::new(),
        minute_interval_min: Some(1),
        realtime_interval_s: None,
        data_time_is_end: false,
        valid_from: None,
        valid_to: None,
    }
}
