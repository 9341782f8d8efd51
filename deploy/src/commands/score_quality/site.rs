//! The outlet of `plume score --quality` as records of the log: its registry, minute and hour packets, Ticks, a mark.

use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{Entry, EntryBody, LogPosition, Mark, MarkKind, Tick};
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::{FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry, Source};
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Span, Time};

use super::world::{Minute, POLLUTANTS, REFERENCE_O2, START, code};

const OXYGEN: &str = "a19001";
const FLOW: &str = "a00000";
const TEMPERATURE: &str = "a01012";
/// Power of production and treatment (HJ 212-2025, examples of ST 44).
const POWER: [&str; 2] = ["d20405", "d30406"];
/// Minutes between two readings of the meters.
const METERS_EVERY: i64 = 5;
/// Upper end of the measuring range of every gas analyser, mg/m³.
const RANGE: f64 = 200.0;
/// A logger that reports its hours too low multiplies by this; one that gets its amounts wrong by that.
const LOW_HOUR: f64 = 0.93;
const WRONG_AMOUNT: f64 = 0.9;
/// Minutes an hour value needs.
const VALID_MINUTES: f64 = 45.0;
/// mg to kg.
const MG_TO_KG: f64 = 1e-6;

/// What an hour adds up to.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    n: f64,
    measured: [f64; POLLUTANTS.len()],
    corrected: [f64; POLLUTANTS.len()],
    oxygen: f64,
    flow: f64,
    amount: [f64; POLLUTANTS.len()],
    /// Of all minutes, the last flag that was not normal.
    flag: Option<Flag>,
}

/// One outlet with one device.
pub(super) struct Site {
    outlet: OutletId,
    enterprise: EnterpriseId,
    origin: Origin,
    number: String,
    /// Partition of its log.
    partition: u32,
    offset: u64,
    sums: Sums,
}

impl Site {
    /// The outlet DA001, DA002, …, each in a partition of its own.
    pub(super) fn new(place: u32) -> anyhow::Result<Self> {
        let number = format!("DA{:03}", place + 1);
        Ok(Self {
            outlet: OutletId::new(&format!("SCORE:{number}"))?,
            enterprise: EnterpriseId::new("SCORE")?,
            origin: Origin {
                mn: Mn::new(&format!("SCORE{:019}", place + 1))?,
                st: Inline::new("31").unwrap_or_default(),
                dialect: Dialect::Hj2017,
                ingest: IngestId::new("score")?,
                peer: Inline::default(),
                registry_revision: 1,
            },
            number,
            partition: place,
            offset: 0,
            sums: Sums::default(),
        })
    }

    /// Which outlet it is.
    pub(super) fn outlet(&self) -> OutletId {
        self.outlet
    }

    /// The next record of the log.
    pub(super) fn entry(&mut self, body: EntryBody) -> Entry {
        let at = LogPosition {
            partition: self.partition,
            offset: self.offset,
        };
        self.offset += 1;
        Entry { at, body }
    }

    /// The outlet with its limits and ranges.
    pub(super) fn registry(&self) -> anyhow::Result<Registry> {
        let mut factors = Vec::new();
        for (code, limit, _) in POLLUTANTS {
            factors.push(FactorSetup {
                limits: vec![Limit {
                    window: LimitWindow::Hour,
                    value: decimal(limit),
                    basis: LimitBasis::Concentration,
                    source: "permit".to_owned(),
                    clause: String::new(),
                    valid_from: None,
                    valid_to: None,
                }],
                reference_o2_pct: Some(decimal(REFERENCE_O2)),
                ..setup(code, RANGE)?
            });
        }
        factors.push(setup(OXYGEN, 25.0)?);
        Ok(Registry {
            revision: 1,
            recorded_at: START,
            outlets: vec![Outlet {
                id: self.outlet,
                enterprise: self.enterprise,
                number: self.number.clone(),
                name: String::new(),
                management_class: String::new(),
                shared_stack: String::new(),
                stack_height_m: None,
                trial_until: None,
                factors,
                stop_work: Vec::new(),
                valid_from: None,
                valid_to: None,
            }],
            sources: vec![Source {
                mn: self.origin.mn,
                password: None,
                st: None,
                outlet: self.outlet,
                factors: Vec::new(),
                minute_interval_min: Some(1),
                realtime_interval_s: None,
                data_time_is_end: false,
                valid_from: None,
                valid_to: None,
            }],
            ..Registry::default()
        })
    }

    /// A mark of a stop, entered at `at`.
    pub(super) fn stop_mark(&self, at: Time, span: Span) -> EntryBody {
        EntryBody::Mark(Mark {
            id: ContentId::of(&[b"stop", &span.start.0.to_le_bytes()]),
            outlet: self.outlet,
            factor: None,
            span,
            kind: MarkKind::Stopped,
            withdrawn: false,
            by: "score".to_owned(),
            note: String::new(),
            received_at: at,
        })
    }

    /// The records of one minute, and of the hour that ends with it.
    pub(super) fn minute(&mut self, minute: i64, now: &Minute, wrong: (bool, bool)) -> Vec<EntryBody> {
        let start = START.plus(minute * MINUTE_MS);
        let received_at = start.plus(MINUTE_MS + SECOND_MS);
        let mut readings = Vec::with_capacity(9);
        for (place, value) in now.values.iter().enumerate() {
            if let Some(code) = code(place) {
                readings.push(reading(code, Basis::Standard, value.measured, now.flag));
                readings.push(reading(code, Basis::Corrected, value.corrected, now.flag));
            }
        }
        readings.extend(plain(OXYGEN, now.oxygen, now.flag));
        readings.extend(plain(FLOW, now.flow, Flag::Normal));
        readings.extend(plain(TEMPERATURE, now.celsius, Flag::Normal));
        let tick = Tick {
            ingest: self.origin.ingest,
            received_at,
        };
        let mut bodies = vec![EntryBody::Tick(tick)];
        bodies.push(self.report(ReportKind::Minute, start, (received_at, now.ahead_s), readings));
        if minute % METERS_EVERY == 0 {
            let meters = POWER.iter().zip(now.power).filter_map(|(code, power)| {
                let reading = plain(code, power, Flag::Normal)?;
                Some(Reading {
                    statistic: Statistic::Sample,
                    ..reading
                })
            });
            bodies.push(self.report(
                ReportKind::RealTime,
                start,
                (received_at, now.ahead_s),
                meters.collect(),
            ));
        }
        self.add(now);
        if start.plus(MINUTE_MS).floor(HOUR_MS) == start.plus(MINUTE_MS) {
            let sums = std::mem::take(&mut self.sums);
            let hour = start.plus(MINUTE_MS - HOUR_MS);
            let times = (received_at.plus(SECOND_MS), now.ahead_s);
            bodies.push(self.report(ReportKind::Hour, hour, times, hour_readings(&sums, wrong)));
        }
        bodies
    }

    fn add(&mut self, now: &Minute) {
        let sums = &mut self.sums;
        if now.flag != Flag::Normal {
            sums.flag = Some(now.flag);
            return;
        }
        sums.n += 1.0;
        sums.oxygen += now.oxygen;
        sums.flow += now.flow;
        for (place, value) in now.values.iter().enumerate() {
            sums.measured[place] += value.measured;
            sums.corrected[place] += value.corrected;
            sums.amount[place] += value.measured * now.flow * 60.0 * MG_TO_KG;
        }
    }

    fn report(
        &self,
        kind: ReportKind,
        measured_at: Time,
        (received_at, ahead_s): (Time, i64),
        readings: Vec<Reading>,
    ) -> EntryBody {
        EntryBody::Report(Box::new(Report {
            outlet: self.outlet,
            kind,
            times: Times {
                measured_at,
                sent_at: Some(received_at.plus(ahead_s * SECOND_MS - SECOND_MS)),
                received_at,
            },
            origin: self.origin.clone(),
            backfill: false,
            readings,
            complaints: Vec::new(),
            evidence: Evidence {
                packet: ContentId::of(&[&measured_at.0.to_le_bytes(), kind.code().as_bytes()]),
                raw: Vec::new(),
                share: (0, 1),
                cn: match kind {
                    ReportKind::Minute => 2051,
                    ReportKind::Hour => 2061,
                    _ => 2011,
                },
                qn: Inline::default(),
                part: (0, 0),
                key_id: None,
            },
        }))
    }
}

/// The hour packet: means of the valid minutes, amounts minute by minute.
fn hour_readings(sums: &Sums, (low_hour, wrong_amount): (bool, bool)) -> Vec<Reading> {
    let valid = sums.n >= VALID_MINUTES;
    let flag = if valid {
        Flag::Normal
    } else {
        sums.flag.unwrap_or(Flag::Fault)
    };
    let n = sums.n.max(1.0);
    let low = if low_hour { LOW_HOUR } else { 1.0 };
    let mut readings = Vec::with_capacity(11);
    for place in 0..POLLUTANTS.len() {
        let Some(code) = code(place) else { continue };
        let amount = sums.amount[place] / n * 60.0 * if wrong_amount { WRONG_AMOUNT } else { 1.0 };
        readings.push(reading(code, Basis::Standard, sums.measured[place] / n * low, flag));
        readings.push(reading(code, Basis::Corrected, sums.corrected[place] / n * low, flag));
        readings.push(Reading {
            statistic: Statistic::Total,
            ..reading(code, Basis::Standard, amount, flag)
        });
    }
    readings.extend(plain(OXYGEN, sums.oxygen / n, flag));
    readings.extend(plain(FLOW, sums.flow / n, flag));
    readings
}

fn decimal(value: f64) -> Decimal {
    Decimal::from_f64(value, 2).unwrap_or(Decimal { mantissa: 0, scale: 2 })
}

fn setup(code: &str, range_high: f64) -> anyhow::Result<FactorSetup> {
    Ok(FactorSetup {
        code: FactorCode::new(code)?,
        unit: None,
        range_low: None,
        range_high: Some(decimal(range_high)),
        reference_o2_pct: None,
        cycle_min: None,
        limits: Vec::new(),
    })
}

fn reading(factor: FactorCode, basis: Basis, value: f64, flag: Flag) -> Reading {
    Reading {
        factor,
        statistic: Statistic::Mean,
        basis,
        value: Value::Decimal(decimal(value)),
        flag,
        maker_flag: Inline::default(),
    }
}

fn plain(code: &str, value: f64, flag: Flag) -> Option<Reading> {
    Some(reading(FactorCode::new(code).ok()?, Basis::Standard, value, flag))
}
