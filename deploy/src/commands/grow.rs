//! `plume bus grow`: more partitions behind a drain barrier (D7).
//!
//! Processes hear that they are to take no more reports; when the lines' ends stand still, the brokers refuse those of
//! whoever did not hear. The judges, the archive and the desk read to the ends, as they do anyway. Then what the judges
//! remember of each outlet is put where its key leads among more partitions, and other topics are in use: running
//! processes see that and end, to be started again. Devices are not answered meanwhile, and send again. Whatever fails
//! before the last step leaves everything as it was.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use plume_bus::{
    Bus, BusError, BusUrl, ClockKind, ConsumerId, Generation, HEARD_WITHIN, KafkaUrl, NewRecord, ReadLimit,
};
use plume_bus::{Topic, TopicAdmin, TopicPartition};
use plume_detect::Engine;
use plume_schemas::entry::{EntryBody, Tick};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::IngestId;
use plume_schemas::wire;
use tokio::signal::unix::{SignalKind, signal};

use super::bus::explained;
use crate::admin::Health;
use crate::config::Config;
use crate::out;
use crate::roles::detect::{Judge, Told};
use crate::roles::registry;
use crate::roles::signals::Signals;
use crate::roles::{ARCHIVE, DESK, DETECT, DETECT_BEGIN, at, consumer, pinning};

/// Devices wait so long at most: a role that does not come to its end by then is down, or far behind.
const DRAIN_LIMIT: Duration = Duration::from_mins(15);
/// Brokers that take reports for so long after they were told not to have not heard of it.
const SEAL_LIMIT: Duration = Duration::from_mins(1);
/// Lines that do not stand still for so long have a writer that does not hear: the brokers refuse what it has.
const STILL_LIMIT: Duration = Duration::from_mins(1);
/// Between two looks at how far roles are.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks between two lines of progress.
const LOOKS_PER_LINE: u32 = 10;
/// One record.
const ONE: ReadLimit = ReadLimit {
    records: 1,
    bytes: usize::MAX,
};

/// Moves everything to `partitions` partitions, or leaves it as it was.
pub(super) async fn run(
    config: &Config,
    (url, admin): (&KafkaUrl, TopicAdmin),
    partitions: u32,
) -> anyhow::Result<ExitCode> {
    let before = admin.partitions();
    anyhow::ensure!(
        partitions > before,
        "the topics have {before} partitions, {partitions} are not more (hint: partitions never become fewer)"
    );
    let (_, options) = config.bus.resolve(ClockKind::System, pinning()?)?;
    let bus = Bus::open(&BusUrl::Kafka(url.clone()), options)
        .await
        .map_err(explained)?;
    let mut grow = Grow {
        config,
        url,
        admin,
        bus,
        partitions,
        looks: 0,
    };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let moved = tokio::select! {
        moved = grow.carry_out() => moved,
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("told to stop")),
    };
    let next = match moved {
        Ok(next) => next,
        Err(error) => {
            let unsealed = grow.admin.unseal().await.map_err(explained);
            unsealed.context("reports are still refused: run the command again, to its end or to interrupt it")?;
            return Err(error.context("nothing was changed, reports are taken as before"));
        }
    };
    // If nobody hears of it, it is not known whether the brokers have: running it again finds out.
    grow.admin.take_over(next).await.map_err(explained)?;
    grow.bus.close().await.map_err(explained)?;
    out::line(format_args!(
        "完成：{partitions} 个分区（第 {0} 代）。各进程将自行退出，须由守护程序重新启动；请把配置中的 `partitions` 改为 \
         {partitions} / done: {partitions} partitions (generation {0}). Processes end by themselves and are to be \
         started again; set `partitions = {partitions}` in the configuration",
        next.number
    ));
    Ok(ExitCode::SUCCESS)
}

struct Grow<'a> {
    config: &'a Config,
    url: &'a KafkaUrl,
    admin: TopicAdmin,
    bus: Bus,
    partitions: u32,
    looks: u32,
}

impl Grow<'_> {
    /// Everything up to the moment from which on other topics are in use.
    async fn carry_out(&mut self) -> anyhow::Result<Generation> {
        let began = Instant::now();
        say("不再接收上报", "reports are refused from here on");
        self.admin.announce().await.map_err(explained)?;
        self.wait_until_still().await?;
        self.admin.seal().await.map_err(explained)?;
        self.wait_until_sealed().await?;
        let ends = self.ends(Topic::Reports).await?;
        self.drain(DETECT, &[Topic::Reports]).await?;
        let judges = self.judges(&ends).await?;
        self.drain(ARCHIVE, &[Topic::Reports, Topic::Judgements, Topic::Events])
            .await?;
        self.drain(DESK, &[Topic::Events]).await?;
        let next = self.admin.next(self.partitions, self.end().await?).map_err(explained)?;
        self.admin.make(next).await.map_err(explained)?;
        let outlets: usize = judges.iter().map(Engine::outlet_count).sum();
        let regrouped = Engine::regroup(judges, self.partitions);
        let regrouped = regrouped.map_err(|error| {
            let hint = error.hint();
            anyhow::Error::new(error).context(format!("regroup the judges (hint: {hint})"))
        })?;
        self.keep(next, &regrouped).await?;
        anyhow::ensure!(
            self.ends(Topic::Reports).await? == ends,
            "a report got in although the brokers refuse them (hint: is somebody changing `max.message.bytes`?)"
        );
        let seconds = began.elapsed().as_secs_f64();
        say(
            &format!("{outlets} 个排口的判定状态已迁移，用时 {seconds:.1} 秒"),
            &format!("what is remembered of {outlets} outlets is moved, after {seconds:.1} s"),
        );
        Ok(next)
    }

    /// Waits until nobody writes reports any more. Who has heard writes nothing, not even Ticks, so a line that grows
    /// has a writer who did not hear, or is not done yet. What the brokers would refuse of that may be half stored
    /// already, and come again.
    async fn wait_until_still(&self) -> anyhow::Result<()> {
        let tick = Duration::from_millis(self.config.ingest.tick_interval_ms.unsigned_abs());
        let quiet = 2 * tick.max(HEARD_WITHIN);
        let began = Instant::now();
        let (mut ends, mut since) = (self.ends(Topic::Reports).await?, Instant::now());
        while since.elapsed() < quiet {
            if began.elapsed() > STILL_LIMIT + quiet {
                say(
                    "仍有进程在写入，由 Kafka 拒收",
                    "a process still writes; the brokers refuse it",
                );
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
            let found = self.ends(Topic::Reports).await?;
            if found != ends {
                (ends, since) = (found, Instant::now());
            }
        }
        Ok(())
    }

    /// Brokers hear of a setting one after the other. A line that has refused a record takes no other: what is offered
    /// is the clock of this machine, which says nothing wrong where it gets in.
    async fn wait_until_sealed(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + SEAL_LIMIT;
        let ingest = IngestId::new("grow")?;
        for partition in 0..self.bus.partitions() {
            let line = at(Topic::Reports, partition);
            loop {
                let received_at = crate::clock::system().now();
                let tick = wire::encode_entry(&EntryBody::Tick(Tick { ingest, received_at }));
                match self.bus.append(vec![NewRecord::new(line, ingest.as_str(), tick)]).await {
                    Err(BusError::Sealed { .. }) => break,
                    Ok(_) => anyhow::ensure!(Instant::now() < deadline, "the brokers still take records of {line}"),
                    Err(error) => return Err(explained(error)),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Waits until a consumer has nothing before it.
    async fn drain(&mut self, name: &str, topics: &[Topic]) -> anyhow::Result<()> {
        let deadline = Instant::now() + DRAIN_LIMIT;
        for partition in 0..self.bus.partitions() {
            for line in topics.iter().map(|&topic| at(topic, partition)) {
                while let Some(left) = self.unread(consumer(name)?, line).await? {
                    self.progress(name, line, left);
                    anyhow::ensure!(
                        Instant::now() < deadline,
                        "{name} has left {left} record(s) of {line} unread for {} min (hint: start that role and let \
                         it work off what it has; `plume bus lag` says how far it is)",
                        DRAIN_LIMIT.as_secs() / 60
                    );
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
        say(&format!("{name} 已处理完"), &format!("{name} has come to the end"));
        Ok(())
    }

    /// How many offsets lie before a consumer, if there is a record among them: the last may be markers.
    async fn unread(&self, who: ConsumerId, line: TopicPartition) -> anyhow::Result<Option<u64>> {
        let range = self.bus.range(line).await?;
        let done = self.bus.committed(who, line).await?.unwrap_or(range.start);
        let next = done.max(range.start);
        let empty = next >= range.end || self.bus.read(line, next, ONE).await?.is_empty();
        Ok((!empty).then(|| range.end - next))
    }

    fn progress(&mut self, name: &str, line: TopicPartition, left: u64) {
        if self.looks.is_multiple_of(LOOKS_PER_LINE) {
            say(
                &format!("{name} 在 {line} 尚余 {left} 条"),
                &format!("{name} has {left} record(s) of {line} before it"),
            );
        }
        self.looks = self.looks.wrapping_add(1);
    }

    /// Every judge at the end of its line.
    async fn judges(&self, ends: &[u64]) -> anyhow::Result<Vec<Engine>> {
        let told = Told {
            signals: Signals::new(&prometheus::Registry::new())?,
            health: Health::default(),
            catalogue: Catalogue::embedded()?.into(),
        };
        let mut judges = Vec::new();
        for (partition, &end) in (0..).zip(ends) {
            let (data_dir, settings) = (&self.config.plume.data_dir, &self.config.detect);
            let judge = Judge::load(&self.bus, data_dir, partition, settings, told.clone()).await?;
            let (engine, next) = judge.into_parts();
            anyhow::ensure!(
                next == end,
                "the judge of partition {partition} stands at {next}, not at the end {end}"
            );
            judges.push(engine);
        }
        Ok(judges)
    }

    /// Where each line of a topic ends.
    async fn ends(&self, topic: Topic) -> anyhow::Result<Vec<u64>> {
        let mut ends = Vec::new();
        for partition in 0..self.bus.partitions() {
            ends.push(self.bus.range(at(topic, partition)).await?.end);
        }
        Ok(ends)
    }

    /// The largest offset of any line that is made anew.
    async fn end(&self) -> anyhow::Result<u64> {
        let mut end = 0;
        for topic in [Topic::Reports, Topic::Judgements, Topic::Events] {
            end = self.ends(topic).await?.into_iter().fold(end, u64::max);
        }
        Ok(end)
    }

    /// Puts the judges' memory where the processes of the next generation look for it, and where a replay does, and
    /// the registry before everything else that will be read there.
    async fn keep(&self, next: Generation, judges: &[Engine]) -> anyhow::Result<()> {
        let (_, options) = self.config.bus.resolve(ClockKind::System, pinning()?)?;
        let url = BusUrl::Kafka(self.url.clone().in_generation(next));
        let bus = Bus::open(&url, options).await.map_err(explained)?;
        for (partition, judge) in (0..).zip(judges) {
            let (line, state) = (at(Topic::Reports, partition), judge.checkpoint());
            for name in [DETECT_BEGIN, DETECT] {
                let kept = bus.keep(consumer(name)?, line, next.base, &state).await;
                kept.map_err(explained)?;
            }
        }
        registry::hand_on(&self.bus, &bus).await?;
        bus.close().await.map_err(explained)
    }
}

/// A line in both languages.
fn say(zh: &str, en: &str) {
    out::line(format_args!("{zh} / {en}"));
}
