//! Minute reports of many stacks, as ingest makes them: four factors each, three of them with a limit and a corrected
//! value.

use std::ops::Range;

use plume_schemas::decimal::Decimal;
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::{ContentId, EnterpriseId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::{FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry, Source};
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::time::{MINUTE_MS, Time};

/// Factors of a stack with their usual value and limit in hundredths; the last is the oxygen.
const FACTORS: [(&str, i64, Option<i64>); 4] = [
    ("a21026", 2_200, Some(3_500)),
    ("a21002", 3_500, Some(5_000)),
    ("a34013", 250, Some(1_000)),
    ("a19001", 650, None),
];
/// Raw bytes a report carries as evidence.
const RAW_BYTES: usize = 425;
/// 2026-01-17 14:00 in Beijing.
const START: Time = Time(1_768_629_600_000);

/// So many stacks, each with its own device.
#[derive(Debug)]
pub struct Stack {
    origins: Vec<(OutletId, Origin)>,
    factors: Vec<FactorCode>,
}

impl Stack {
    /// So many stacks; `None` only if a name here were wrong.
    pub fn new(outlets: usize) -> Option<Self> {
        let origin = |number: usize| {
            let origin = Origin {
                mn: Mn::new(&format!("DEBE{number:020X}")).ok()?,
                st: Inline::new("31")?,
                dialect: Dialect::Hj2017,
                ingest: IngestId::new("ingest-1").ok()?,
                peer: Inline::new("192.0.2.1:40000")?,
                registry_revision: 1,
            };
            Some((OutletId::new(&format!("BENCH:DA{number:05}")).ok()?, origin))
        };
        Some(Self {
            origins: (0..outlets).map(origin).collect::<Option<_>>()?,
            factors: FACTORS
                .iter()
                .map(|(code, ..)| FactorCode::new(code).ok())
                .collect::<Option<_>>()?,
        })
    }

    /// One report of every stack about minute `minute`, received half a second after its end.
    pub fn minute(&self, minute: i64) -> Vec<EntryBody> {
        self.minute_of(minute, 0..self.origins.len())
    }

    /// The same of some stacks.
    pub fn minute_of(&self, minute: i64, stacks: Range<usize>) -> Vec<EntryBody> {
        let measured_at = START.plus(minute * MINUTE_MS);
        let received_at = measured_at.plus(MINUTE_MS + 500);
        (0_i64..)
            .zip(&self.origins)
            .skip(stacks.start)
            .take(stacks.len())
            .map(|(number, (outlet, origin))| {
                EntryBody::Report(Box::new(Report {
                    outlet: *outlet,
                    kind: ReportKind::Minute,
                    times: Times {
                        measured_at,
                        sent_at: Some(received_at),
                        received_at,
                    },
                    origin: origin.clone(),
                    backfill: false,
                    readings: self.readings(number, minute),
                    complaints: Vec::new(),
                    evidence: Evidence {
                        packet: ContentId::of(&[&number.to_le_bytes(), &minute.to_le_bytes()]),
                        raw: vec![b'x'; RAW_BYTES],
                        share: (0, 1),
                        cn: 2051,
                        qn: Inline::new(&received_at.stamp17()).unwrap_or_default(),
                        part: (0, 0),
                        key_id: None,
                    },
                }))
            })
            .collect()
    }

    /// Mean and, where there is a limit, corrected mean of each factor; they move a little from minute to minute,
    /// below the limit.
    fn readings(&self, number: i64, minute: i64) -> Vec<Reading> {
        let mut readings = Vec::with_capacity(FACTORS.len() * 2);
        for (factor, (_, usual, limit)) in self.factors.iter().zip(FACTORS) {
            let wobble = (number * 31 + minute * 17 + usual).rem_euclid(97) * usual / 1_000;
            let bases = [Some(Basis::Standard), limit.map(|_| Basis::Corrected)];
            readings.extend(bases.into_iter().flatten().map(|basis| Reading {
                factor: *factor,
                statistic: Statistic::Mean,
                basis,
                value: Value::Decimal(Decimal {
                    mantissa: usual + wobble,
                    scale: 2,
                }),
                flag: Flag::Normal,
                maker_flag: Inline::default(),
            }));
        }
        readings
    }

    /// The registry of all the stacks.
    pub fn registry(&self) -> Option<Registry> {
        let enterprise = EnterpriseId::new("BENCH").ok()?;
        let limit = |value: i64| Limit {
            window: LimitWindow::Hour,
            value: Decimal {
                mantissa: value,
                scale: 2,
            },
            basis: LimitBasis::Concentration,
            source: "permit".to_owned(),
            clause: String::new(),
            valid_from: None,
            valid_to: None,
        };
        let setups = self
            .factors
            .iter()
            .zip(FACTORS)
            .map(|(code, (_, _, value))| FactorSetup {
                code: *code,
                unit: None,
                range_low: Decimal::new(0, 0),
                range_high: Decimal::new(200, 0),
                reference_o2_pct: value.and_then(|_| Decimal::new(6, 0)),
                cycle_min: None,
                limits: value.map(limit).into_iter().collect(),
            });
        let setups: Vec<FactorSetup> = setups.collect();
        let outlets = self.origins.iter().map(|(outlet, _)| Outlet {
            id: *outlet,
            enterprise,
            number: "DA001".to_owned(),
            name: String::new(),
            management_class: String::new(),
            shared_stack: String::new(),
            stack_height_m: None,
            trial_until: None,
            factors: setups.clone(),
            stop_work: Vec::new(),
            valid_from: None,
            valid_to: None,
        });
        let sources = self.origins.iter().map(|(outlet, origin)| Source {
            mn: origin.mn,
            password: None,
            st: None,
            outlet: *outlet,
            factors: Vec::new(),
            minute_interval_min: Some(1),
            realtime_interval_s: None,
            data_time_is_end: false,
            valid_from: None,
            valid_to: None,
        });
        Some(Registry {
            revision: 1,
            recorded_at: START,
            enterprises: Vec::new(),
            outlets: outlets.collect(),
            sources: sources.collect(),
            ..Registry::default()
        })
    }
}
