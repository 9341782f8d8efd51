//! `plume score --desk`: how much a bureau's desk would have to look at. A simulated bureau streams through the real
//! judge into a real desk with the default routes; what comes new onto each officer's list is counted, and every ring
//! at night; in the middle of the week plume itself is stopped for two hours.

mod bureau;

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use anyhow::Context as _;
use plume_alert::Desk;
use plume_alert::accounts::{Role, Scope, Viewer};
use plume_alert::case::Family;
use plume_alert::notify::{Audience, Channel};
use plume_alert::sinks::console::ConsoleSink;
use plume_alert::store::{CaseFilter, MAX_PAGE_ROWS, Order, Page};
use plume_detect::twin::Pairing;
use plume_detect::{Engine, Out, Partition};
use plume_schemas::entry::{EntryBody, LogPosition};
use plume_schemas::ids::ContentId;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::time::{Clock, DAY_MS, HOUR_MS, MINUTE_MS, Span, Time};
use serde::Serialize;

use crate::cli::ScoreArgs;
use crate::config::Config;
use crate::out;
use bureau::{Bureau, DISTRICTS};

/// The Monday on which every score begins.
const START: &[u8] = b"20261116000000";
/// Lists are looked at so often, as an officer would; what came and went between stays unseen.
const LOOK_EVERY_MIN: i64 = 10;
/// plume is stopped from here, after the first half of the run, for so long.
const STOP_HOURS: i64 = 2;
/// Device cases of the stop would come within this time after it.
const STOP_ECHO_HOURS: i64 = 1;
/// The night in which rings are counted.
const NIGHT: (i64, i64) = (22 * 60, 7 * 60 + 30);

/// What a bureau of [`FULL_BUREAU`] outlets may come to (EEMUA 191 and the project's own budget).
const MOST_ITEMS_PER_OFFICER_HOUR: f64 = 6.0;
const MOST_RINGS_PER_NIGHT: f64 = 2.0;
const FULL_BUREAU: f64 = 3_000.0;
/// The city's desk in the score.
const CITY: &str = "city";
/// The desk of leads: nobody else sees them.
const LEADS: &str = "leads";

/// What was counted.
#[derive(Debug, Serialize)]
pub(crate) struct DeskScore {
    outlets: usize,
    days: u32,
    seed: u64,
    events: usize,
    cases: u64,
    /// Mean of new items an hour on the fullest list.
    items_per_officer_hour: f64,
    /// The same by desk.
    by_desk: BTreeMap<String, f64>,
    most_within_ten_minutes: usize,
    rings_per_night: f64,
    device_cases_of_the_stop: usize,
    messages: usize,
}

impl DeskScore {
    /// What is over the budget. A smaller bureau is held to its share of it, by the city's list and the mean of the
    /// branches: of few cases the fullest of ten lists says little.
    fn failures(&self) -> Vec<String> {
        let share = (self.outlets as f64 / FULL_BUREAU).min(1.0);
        let city = self.by_desk.get(CITY).copied().unwrap_or_default();
        let leads = self.by_desk.get(LEADS).copied().unwrap_or_default();
        let branches: f64 = self.by_desk.values().sum::<f64>() - city - leads;
        let items = if share < 1.0 {
            city.max(leads).max(branches / DISTRICTS as f64)
        } else {
            self.items_per_officer_hour
        };
        let mut failures = Vec::new();
        let mut need = |holds: bool, what: &str| {
            if !holds {
                failures.push(what.to_owned());
            }
        };
        need(
            items <= MOST_ITEMS_PER_OFFICER_HOUR * share,
            "new items per officer-hour are over the budget",
        );
        need(
            self.rings_per_night <= MOST_RINGS_PER_NIGHT,
            "rings a night are over the budget",
        );
        need(
            self.device_cases_of_the_stop == 0,
            "a stop of plume raised device cases",
        );
        need(self.cases > 0, "nothing happened: this is no test");
        failures
    }
}

/// Runs the bureau and prints the score; fails where it is over the budget.
pub(crate) async fn run(args: &ScoreArgs) -> anyhow::Result<ExitCode> {
    let score = score(args).await?;
    if args.json {
        out::line(serde_json::to_string(&score)?);
    } else {
        tell(&score);
    }
    let failures = score.failures();
    for failure in &failures {
        out::complain(failure);
    }
    Ok(if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn tell(score: &DeskScore) {
    out::line(format_args!(
        "{} 个排放口，{} 天，种子 {} / {} outlets, {} days, seed {}",
        score.outlets, score.days, score.seed, score.outlets, score.days, score.seed
    ));
    out::line(format_args!(
        "事件 / events                                   {}",
        score.events
    ));
    out::line(format_args!(
        "预警 / cases                                    {}",
        score.cases
    ));
    out::line(format_args!(
        "每人每小时新增 / new items per officer-hour      {:.2}  (≤ {MOST_ITEMS_PER_OFFICER_HOUR})",
        score.items_per_officer_hour
    ));
    for (desk, items) in &score.by_desk {
        out::line(format_args!("  {desk:<46}{items:.2}"));
    }
    out::line(format_args!(
        "10 分钟内最多新增 / most within 10 minutes       {}",
        score.most_within_ten_minutes
    ));
    out::line(format_args!(
        "每夜响铃 / rings a night                         {:.2}  (≤ {MOST_RINGS_PER_NIGHT})",
        score.rings_per_night
    ));
    out::line(format_args!(
        "停机 2 小时引起的设备预警 / device cases of a stop  {}  (0)",
        score.device_cases_of_the_stop
    ));
    out::line(format_args!(
        "发出消息 / messages sent                        {}",
        score.messages
    ));
}

/// One list somebody looks at.
struct Officer {
    name: String,
    viewer: Viewer,
    audience: Audience,
    seen: HashSet<ContentId>,
    items: usize,
}

/// Counts messages, and rings at night, by the simulated clock.
#[derive(Clone, Default)]
struct Counter {
    now: Arc<AtomicI64>,
    messages: Arc<AtomicUsize>,
    night_rings: Arc<AtomicUsize>,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.messages.fetch_add(1, Ordering::Relaxed);
        let now = Time(self.now.load(Ordering::Relaxed));
        let minute = now.since(now.floor(DAY_MS)) / MINUTE_MS;
        let night = minute >= NIGHT.0 || minute < NIGHT.1;
        if night && bytes.starts_with(Channel::Ring.zh().as_bytes()) {
            self.night_rings.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Run {
    bureau: Bureau,
    engine: Engine,
    pairing: Pairing,
    desk: Desk,
    officers: Vec<Officer>,
    counter: Counter,
    events: u64,
    most: usize,
}

async fn score(args: &ScoreArgs) -> anyhow::Result<DeskScore> {
    let dir = std::env::temp_dir().join(format!("plume-score-{}", std::process::id()));
    std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let score = week(args, &dir).await;
    // The scratch database is of no use to anybody.
    drop(std::fs::remove_dir_all(&dir));
    score
}

async fn week(args: &ScoreArgs, dir: &std::path::Path) -> anyhow::Result<DeskScore> {
    let start = Time::parse_stamp(START).context("start")?;
    let mut run = prepare(args, dir, start).await?;
    let minutes = i64::from(args.desk_days()) * DAY_MS / MINUTE_MS;
    let stop = start.plus(minutes / 2 * MINUTE_MS).floor(HOUR_MS);
    let stopped = Span {
        start: stop,
        end: stop.plus(STOP_HOURS * HOUR_MS),
    };
    let mut entries = Vec::new();
    for minute in 0..minutes {
        let plume_runs = !stopped.contains(run.bureau.now());
        run.bureau.next_minute(plume_runs, &mut entries);
        let now = run.bureau.now();
        run.counter.now.store(now.0, Ordering::Relaxed);
        run.take(&mut entries).await?;
        if !plume_runs {
            continue;
        }
        run.desk.settle().await?;
        while !run.desk.send_due(now).await?.is_empty() {}
        if minute % LOOK_EVERY_MIN == 0 {
            run.look().await?;
        }
        if minute % (6 * 60) == 0 && !args.json {
            out::complain(format_args!("{now}  {} events", run.events));
        }
    }
    run.count(args, stopped).await
}

async fn prepare(args: &ScoreArgs, dir: &std::path::Path, start: Time) -> anyhow::Result<Run> {
    let mut config = Config::defaults().map_err(|problems| anyhow::anyhow!("default.toml: {problems:?}"))?;
    config.alert.console.enabled = true;
    let mut bureau = Bureau::new(args.outlets, start, args.desk_days(), args.desk_seed())?;
    let counter = Counter::default();
    counter.now.store(start.0, Ordering::Relaxed);
    let now = Arc::clone(&counter.now);
    let clock = Clock::new(move || Time(now.load(Ordering::Relaxed)));
    let store = format!("sqlite:{}", dir.join("desk.db").display());
    let console = ConsoleSink::new(counter.clone());
    let metrics = prometheus::Registry::new();
    let desk = Desk::open(&store, &config.alert, clock, &metrics, Some(console)).await?;
    let registry = bureau.registry()?;
    desk.set_registry(Arc::new(RegistryIndex::new(registry.clone())));
    let mut engine = Engine::new(config.detect.clone(), Partition { index: 0, count: 1 });
    let first = bureau.entry(EntryBody::Registry(Box::new(registry)));
    engine.step(&first, &mut Out::default());
    Ok(Run {
        bureau,
        engine,
        pairing: Pairing::new(config.detect.twin.clone()),
        desk,
        officers: officers(),
        counter,
        events: 0,
        most: 0,
    })
}

/// The city's duty officer, the officer for leads, and one in each district.
fn officers() -> Vec<Officer> {
    let officer = |name: String, role, scope, audience| Officer {
        viewer: Viewer {
            name: name.clone(),
            role,
            scope,
        },
        name,
        audience,
        seen: HashSet::new(),
        items: 0,
    };
    let city = officer(CITY.to_owned(), Role::CityDuty, Scope::All, Audience::City);
    let branches = (0..DISTRICTS).map(|n| {
        let district = bureau::district(n);
        officer(
            format!("branch {district}"),
            Role::Branch,
            Scope::District(district),
            Audience::Branch,
        )
    });
    let leads = officer(LEADS.to_owned(), Role::LeadOfficer, Scope::All, Audience::LeadOfficer);
    [city, leads].into_iter().chain(branches).collect()
}

impl Run {
    /// Steps the judge and gives its events to the desk.
    async fn take(&mut self, entries: &mut Vec<plume_schemas::entry::Entry>) -> anyhow::Result<()> {
        let mut said = Out::default();
        for entry in entries.drain(..) {
            self.engine.step(&entry, &mut said);
        }
        self.desk.log_says(self.bureau.now());
        for event in &said.events {
            let at = LogPosition {
                partition: 0,
                offset: self.events,
            };
            self.desk.apply(at, event).await?;
            self.events += 1;
        }
        let mut of_pairs = Vec::new();
        let judgements = said.judgements.iter();
        judgements.for_each(|judgement| self.pairing.take(judgement, &mut of_pairs));
        for event in &of_pairs {
            self.desk.apply_found(event).await?;
        }
        Ok(())
    }

    /// Each officer looks at their list.
    async fn look(&mut self) -> anyhow::Result<()> {
        for officer in &mut self.officers {
            let filter = CaseFilter {
                states: vec![plume_alert::case::State::Open],
                listing: Some(self.desk.listing(officer.audience)),
                ..CaseFilter::default()
            };
            let page = Page {
                order: Order::Latest,
                offset: 0,
                limit: MAX_PAGE_ROWS,
            };
            let rows = self.desk.store().cases(&officer.viewer, &filter, page).await?.rows;
            let fresh = rows.iter().filter(|row| officer.seen.insert(row.id)).count();
            officer.items += fresh;
            self.most = self.most.max(fresh);
        }
        Ok(())
    }

    async fn count(self, args: &ScoreArgs, stopped: Span) -> anyhow::Result<DeskScore> {
        let hours = f64::from(args.desk_days()) * 24.0;
        let by_desk: BTreeMap<String, f64> = self
            .officers
            .iter()
            .map(|officer| (officer.name.clone(), officer.items as f64 / hours))
            .collect();
        let all = Viewer {
            name: "score".to_owned(),
            role: Role::CityDuty,
            scope: Scope::All,
        };
        let page = Page {
            order: Order::Latest,
            offset: 0,
            limit: 0,
        };
        let store = self.desk.store();
        let cases = store.cases(&all, &CaseFilter::default(), page).await?.total;
        let echo = CaseFilter {
            families: vec![Family::Offline],
            // What the last minute before the stop raised is judged seconds into it.
            opened_from: Some(stopped.start.plus(MINUTE_MS)),
            opened_to: Some(stopped.end.plus(STOP_ECHO_HOURS * HOUR_MS)),
            ..CaseFilter::default()
        };
        let echoed = store
            .cases(
                &all,
                &echo,
                Page {
                    limit: MAX_PAGE_ROWS,
                    ..page
                },
            )
            .await?
            .rows;
        // A device that fell silent by itself while plume was stopped is no echo of the stop.
        let of_the_stop = echoed
            .iter()
            .filter(|case| !self.bureau.is_silent(case.outlet, stopped))
            .count();
        let score = DeskScore {
            outlets: args.outlets,
            days: args.desk_days(),
            seed: args.desk_seed(),
            events: usize::try_from(self.events).unwrap_or(usize::MAX),
            cases,
            items_per_officer_hour: by_desk.values().copied().fold(0.0, f64::max),
            by_desk,
            most_within_ten_minutes: self.most,
            rings_per_night: self.counter.night_rings.load(Ordering::Relaxed) as f64 / f64::from(args.desk_days()),
            device_cases_of_the_stop: of_the_stop,
            messages: self.counter.messages.load(Ordering::Relaxed),
        };
        store.close().await;
        Ok(score)
    }
}
