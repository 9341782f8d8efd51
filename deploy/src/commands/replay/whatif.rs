//! `plume replay --diff`: the recorded log judged twice in one pass, as it was and by another registry or other rules,
//! and what would have been different.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use plume_bus::{Bus, Topic};
use plume_detect::Partition;
use plume_schemas::factors::Catalogue;
use plume_schemas::time::{Span, Time};

use super::difference::{Found, Scope};
use super::source::{self, Store};
use super::table::{Answer, Names};
use super::two::{Question, Two};
use crate::cli::judge::{ReplayArgs, Source};
use crate::commands::check;
use crate::commands::place::place;
use crate::commands::view::{self, Ticker, open_stopped};
use crate::config::Config;
use crate::out;
use crate::roles::at;

/// The comparison was made, and something would have been different.
const DIFFERENT: u8 = 3;
/// The end of a span without one: as far as the log goes.
const OPEN_END: Time = Time(i64::MAX / 2);

/// Judges twice and says what differs.
pub(super) async fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let (config, data_dir) = place(args.config.as_deref(), args.data.as_deref())?;
    let question = question(args, &config.detect)?;
    let store = store(args, &config, &data_dir).await?;
    let answer = ask(&store, &question, args.progress).await;
    store.close().await?;
    let answer = answer?;
    if let Some(path) = &args.csv {
        answer
            .write_csv(view::create(path)?)
            .with_context(|| format!("write {}", path.display()))?;
    }
    if args.json {
        out::line(answer.json()?);
    } else {
        out::line(answer.text(args.lines));
    }
    Ok(if answer.found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DIFFERENT)
    })
}

/// What the command line asks.
fn question(args: &ReplayArgs, then: &plume_detect::Settings) -> anyhow::Result<Question> {
    let day = |text: &str| Time::parse_stamp(text.replace('-', "").as_bytes()).context("no such day");
    let start = day(args.from.as_deref().unwrap_or_default())?;
    let end = args.to.as_deref().map_or(Ok(OPEN_END), day)?;
    if end <= start {
        bail!("--to 须晚于 --from / --to must be after --from; the day of --to is not part of it");
    }
    if args.registry.is_none() && args.rules.is_none() {
        bail!("给出 --registry 或 --rules / say what is to be different: --registry FILE or --rules FILE");
    }
    let registry = args.registry.as_deref().map(|path| {
        let loaded = check::load_registry(path, &Catalogue::embedded()?);
        loaded.map(|(registry, _)| registry).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", lines.join("\n"))
        })
    });
    let now = match &args.rules {
        Some(path) => view::config(Some(path))?.detect,
        None => then.clone(),
    };
    Ok(Question {
        scope: Scope {
            span: Span { start, end },
            outlets: args.outlets.iter().copied().collect(),
            windows_alone: args.source == Source::Readings,
        },
        rules: [then.clone(), now],
        registry: registry.transpose()?,
    })
}

/// The log where it reaches back to its beginning and no plume writes it; else the archive.
async fn store(args: &ReplayArgs, config: &Config, data_dir: &Path) -> anyhow::Result<Store> {
    if matches!(args.source, Source::Auto | Source::Log) {
        match open_stopped(config, data_dir).await {
            Ok(bus) if args.source == Source::Log || reaches_back(&bus).await? => return Ok(Store::Log(bus)),
            Ok(bus) => bus.close().await?,
            Err(error) if args.source == Source::Log => return Err(error),
            Err(error) => out::complain(format_args!("改读归档 / reads the archive instead: {error:#}")),
        }
    }
    let reader = source::reader(args).await?;
    let lines = reader.stats().lines;
    let partitions = lines.iter().filter(|line| line.line.starts_with("reports/")).count();
    let partitions = u32::try_from(partitions)?;
    Ok(match args.source {
        Source::Readings => Store::Readings { reader, partitions },
        Source::Auto | Source::Log | Source::Archive => Store::Archive { reader, partitions },
    })
}

/// Whether nothing of the log has expired.
async fn reaches_back(bus: &Bus) -> anyhow::Result<bool> {
    for partition in 0..bus.partitions() {
        if bus.range(at(Topic::Reports, partition)).await?.start > bus.base() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Goes through all partitions.
pub(super) async fn ask(store: &Store, question: &Question, progress: bool) -> anyhow::Result<Answer> {
    let warm_up = question.warm_up();
    let mut answer = Answer {
        span: question.scope.span,
        warm_up,
        begins: None,
        windows_alone: question.scope.windows_alone,
        entries: 0,
        found: Found::default(),
        names: Names::default(),
    };
    let mut spent = Spent::default();
    let count = store.partitions();
    for index in 0..count {
        let mut log = store.entries(index).await?;
        let mut two = Two::new(question.clone(), Partition { index, count });
        let mut ticker = Ticker::new(progress);
        let began = Instant::now();
        let (mut coming, took) = timed(log.next()).await;
        spent.reading += took;
        while let Some(entries) = coming? {
            spent.entries += entries.len() as u64;
            let (done, of) = log.progress();
            ticker.tick(|| progress_line(index, done, of, began));
            // The next ones are read and taken apart while these are judged.
            let judging = timed(tokio::task::spawn_blocking(move || {
                let goes_on = two.take(entries);
                (two, goes_on)
            }));
            let ((next, reading), (judged, judging)) = tokio::join!(timed(log.next()), judging);
            spent.reading += reading;
            spent.judging += judging;
            let goes_on;
            (two, goes_on) = judged?;
            coming = next;
            if !goes_on {
                break;
            }
        }
        spent.all += began.elapsed();
        answer.note_begin(two.first(), log.has_expired(), &warm_up);
        answer.names.learn(two.recorded());
        answer.found.add(two.finish());
    }
    if let Some(registry) = &question.registry {
        answer.names.learn(registry);
    }
    answer.entries = spent.entries;
    out::complain(&spent);
    Ok(answer)
}

/// What comes out, and how long it took.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    (work.await, began.elapsed())
}

/// Where the time went: reading and judging go side by side, so a replay is bounded by the larger of the two.
#[derive(Debug, Default)]
struct Spent {
    entries: u64,
    /// Reading entries and taking them apart.
    reading: Duration,
    /// Both judges, side by side, and comparing them.
    judging: Duration,
    all: Duration,
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reading, judging) = (self.reading.as_secs_f64(), self.judging.as_secs_f64());
        let all = self.all.as_secs_f64().max(1e-9);
        let (rate, share) = (self.entries as f64 / all, judging / all * 100.0);
        write!(
            f,
            "{} 条，每秒 {rate:.0} 条；读取 {reading:.1} 秒，判定 {judging:.1} 秒，占 {share:.0} % / {} entries, {rate:.0} a \
             second; reading took {reading:.1} s, judging {judging:.1} s: {share:.0} % of the speed of judging alone",
            self.entries, self.entries
        )
    }
}

/// `分区 0：42 %，每秒 310000 条 / partition 0: 42 %, 310000 entries a second`.
fn progress_line(partition: u32, done: u64, of: u64, began: Instant) -> String {
    let percent = done * 100 / of.max(1);
    let rate = done as f64 / began.elapsed().as_secs_f64().max(1e-3);
    format!(
        "分区 {partition}：{percent} %，每秒 {rate:.0} 条 / partition {partition}: {percent} %, {rate:.0} entries/s"
    )
}
