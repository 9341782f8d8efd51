//! `plume score`: how good the warning before the exceedance is, on simulated plants that nobody steers, against an
//! oracle that knows the generator. Same seeds, same numbers.

mod plants;
mod tally;

use std::process::ExitCode;

use anyhow::Context as _;
use plume_detect::{Engine, Out, Partition, Settings};
use plume_schemas::decimal::Decimal;
use plume_schemas::entry::{Entry, EntryBody, LogPosition};
use plume_schemas::event::Edge;
use plume_schemas::ids::{ContentId, EnterpriseId, IngestId, Inline, Mn, OutletId};
use plume_schemas::judgement::Verdict;
use plume_schemas::reading::{Basis, Flag, Reading, ReportKind, Statistic, Value};
use plume_schemas::registry::{FactorSetup, Limit, LimitBasis, LimitWindow, Outlet, Registry, Source};
use plume_schemas::report::{Dialect, Evidence, Origin, Report, Times};
use plume_schemas::rule::RuleCode;
use plume_schemas::time::{HOUR_MS, MINUTE_MS, SECOND_MS};

use crate::cli::ScoreArgs;
use crate::commands::view;
use crate::out;
use plants::{START, Series};
use tally::{CHECKPOINTS, Hour, LEVELS, Tally};

/// First seed of the plants the method may be tuned on, and of those that are held out.
const TRAINING: u64 = 1;
const HELD_OUT: u64 = 9_000_001;
/// Days of each plant, where nobody says otherwise: a hundred plants take some ten seconds.
const DAYS: u32 = 2;
/// Hours at the beginning in which a stack is not known yet; they are not scored.
const UNKNOWN_HOURS: usize = 1;

/// Scores and prints the table; with `--check` it fails where a target is missed.
pub(crate) fn run(args: &ScoreArgs) -> anyhow::Result<ExitCode> {
    let config = view::config(args.config.as_deref())?;
    let days = args.days.unwrap_or(DAYS);
    let first = args.seed.unwrap_or(if args.training { TRAINING } else { HELD_OUT });
    let mut tally = Tally::new(first, args.plants, days, args.seed.is_none() && !args.training);
    for n in 0..u64::from(args.plants) {
        let series = plants::run(first + n, days);
        judge(&config.detect, &series, &mut tally).context("the score's own registry")?;
        if (n + 1) % 10 == 0 {
            out::complain(format_args!("{} / {} 座电厂 / plants", n + 1, args.plants));
        }
    }
    out::line(if args.json {
        serde_json::to_string(&tally.summary())?
    } else {
        tally.to_string()
    });
    Ok(if args.check && !tally.summary().targets_met {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Judges a plant minute by minute and counts what was said of each hour.
fn judge(settings: &Settings, series: &[Series], tally: &mut Tally) -> anyhow::Result<()> {
    let site = Site::new()?;
    let mut engine = Engine::new(settings.clone(), Partition { index: 0, count: 1 });
    let mut out = Out::default();
    engine.step(
        &entry(0, EntryBody::Registry(Box::new(site.registry(series)))),
        &mut out,
    );
    let minutes = series.first().map_or(0, |one| one.minutes.len());
    let mut said = vec![vec![Hour::default(); minutes / 60]; series.len()];
    for minute in 0..minutes {
        out.clear();
        let body = EntryBody::Report(Box::new(site.report(series, minute)));
        engine.step(&entry(minute as u64 + 1, body), &mut out);
        for event in out
            .events
            .iter()
            .filter(|event| event.judgement.rule == RuleCode::NearHour)
        {
            let rises = matches!(event.edge, Edge::Opened | Edge::Worsened);
            let (Verdict::Breach(severity), true) = (event.judgement.verdict, rises) else {
                continue;
            };
            let window = event.judgement.window.start;
            let hour = usize::try_from(window.since(START) / HOUR_MS).unwrap_or(usize::MAX);
            let at = u8::try_from(event.at.since(window) / MINUTE_MS).unwrap_or(u8::MAX);
            let place = series.iter().position(|one| Some(one.factor) == event.judgement.factor);
            if let Some(hour) = place.and_then(|i| said.get_mut(i)?.get_mut(hour)) {
                let reached = LEVELS.iter().zip(&mut hour.warned);
                reached
                    .filter(|(level, _)| severity >= **level)
                    .for_each(|(_, first)| *first = first.or(Some(at)));
            }
        }
        let done = minute % 60 + 1;
        if let Some(k) = CHECKPOINTS.iter().position(|&at| usize::from(at) == done) {
            for (one, hours) in series.iter().zip(&mut said) {
                if let Some(hour) = hours.get_mut(minute / 60) {
                    hour.probability[k] = engine.outlook(site.outlet, one.factor).map(|o| o.probability);
                }
            }
        }
    }
    for (one, hours) in series.iter().zip(&said) {
        for (number, hour) in hours.iter().enumerate().skip(UNKNOWN_HOURS) {
            tally.add(hour, one.exceeds(number), one.foreseeable(number));
        }
    }
    Ok(())
}

fn entry(offset: u64, body: EntryBody) -> Entry {
    Entry {
        at: LogPosition { partition: 0, offset },
        body,
    }
}

/// Who sends.
struct Site {
    outlet: OutletId,
    enterprise: EnterpriseId,
    origin: Origin,
}

impl Site {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            outlet: OutletId::new("SCORE:DA001")?,
            enterprise: EnterpriseId::new("SCORE")?,
            origin: Origin {
                mn: Mn::new("SCORE0000000000000000001")?,
                st: Inline::new("31").unwrap_or_default(),
                dialect: Dialect::Hj2017,
                ingest: IngestId::new("score")?,
                peer: Inline::default(),
                registry_revision: 1,
            },
        })
    }

    fn registry(&self, series: &[Series]) -> Registry {
        let setup = |one: &Series| FactorSetup {
            code: one.factor,
            unit: None,
            range_low: None,
            range_high: None,
            reference_o2_pct: Some(Decimal { mantissa: 6, scale: 0 }),
            cycle_min: None,
            limits: vec![Limit {
                window: LimitWindow::Hour,
                value: Decimal {
                    mantissa: one.limit / 100,
                    scale: 0,
                },
                basis: LimitBasis::Concentration,
                source: "permit".to_owned(),
                clause: String::new(),
                valid_from: None,
                valid_to: None,
            }],
        };
        let outlet = Outlet {
            id: self.outlet,
            enterprise: self.enterprise,
            number: "DA001".to_owned(),
            name: String::new(),
            management_class: String::new(),
            shared_stack: String::new(),
            stack_height_m: None,
            trial_until: None,
            factors: series.iter().map(setup).collect(),
            stop_work: Vec::new(),
            valid_from: None,
            valid_to: None,
        };
        let source = Source {
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
        };
        Registry {
            revision: 1,
            recorded_at: START,
            outlets: vec![outlet],
            sources: vec![source],
            ..Registry::default()
        }
    }

    /// The minute packet of all series.
    fn report(&self, series: &[Series], minute: usize) -> Report {
        let measured_at = START.plus(i64::try_from(minute).unwrap_or(0) * MINUTE_MS);
        let received_at = measured_at.plus(MINUTE_MS + SECOND_MS);
        let reading = |one: &Series| Reading {
            factor: one.factor,
            statistic: Statistic::Mean,
            basis: Basis::Corrected,
            value: Value::Decimal(Decimal {
                mantissa: one.minutes.get(minute).map_or(0, |minute| minute.sent),
                scale: 2,
            }),
            flag: Flag::Normal,
            maker_flag: Inline::default(),
        };
        Report {
            outlet: self.outlet,
            kind: ReportKind::Minute,
            times: Times {
                measured_at,
                sent_at: Some(received_at),
                received_at,
            },
            origin: self.origin.clone(),
            backfill: false,
            readings: series.iter().map(reading).collect(),
            complaints: Vec::new(),
            evidence: Evidence {
                packet: ContentId::of(&[&minute.to_le_bytes()]),
                raw: Vec::new(),
                share: (0, 1),
                cn: 2051,
                qn: Inline::default(),
                part: (0, 0),
                key_id: None,
            },
        }
    }
}
