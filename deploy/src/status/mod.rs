//! How plume is: what is behind or wrong, since when, and what to do. Worked out every few seconds while it runs.

pub(crate) mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use plume_alert::Desk;
use plume_alert::desk::{DeskState, Sentence};
use plume_bus::{BusStats, ReadLimit, Topic};
use plume_schemas::time::{DAY_MS, MINUTE_MS, Time};
use plume_schemas::wire;
use tokio::sync::watch;

use crate::commands::doctor::free_bytes;
use crate::config::Config;
use crate::finding::{Finding, Grade};
use crate::keystore::KeyStore;
use crate::roles::relay::{Going, Relays};
use crate::roles::{ARCHIVE, ARCHIVED, Context, DETECT, at, consumer};
use words::Kind;

/// One record.
const ONE: ReadLimit = ReadLimit {
    records: 1,
    bytes: 1 << 20,
};
/// Between two looks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Data may wait this long for the judge: a restart catches up within it.
const JUDGE_LATE_MS: i64 = 2 * MINUTE_MS;
/// Data may wait this much longer than a batch lasts for the archive: a restart writes it within.
const ARCHIVE_LATE_MS: i64 = 15 * MINUTE_MS;
/// Events may wait this long for the desk.
const DESK_LATE_LOOKS: u32 = 20;
/// A notice may be over its time so long: retries of a slow channel take minutes.
const NOTICES_LATE_MS: i64 = 10 * MINUTE_MS;
/// Ticks come every few seconds, whatever devices do.
const STILL_MS: i64 = MINUTE_MS;
/// Below so much free space plume says so.
const LEAST_FREE_BYTES: u64 = 1 << 30;
/// Answers wait for a sync; one that takes so long is ten times the slowest of a sound hard disk, and a few of them are
/// a device's patience (its overtime is a few seconds).
const SLOW_SYNC_US: u64 = 1_000_000;
/// Share of the log's limit, in percent, from which it is nearly full.
const NEARLY_FULL_PCT: u64 = 80;
/// A backup is old after so many days.
const BACKUP_DAYS: i64 = 7;
/// Devices have this long to connect after a start before their absence is said.
const CONNECT_MS: i64 = 10 * MINUTE_MS;
/// A platform may leave packets without an answer for so long: table 1 gives up a link after 40 s.
const RELAY_STILL_MS: i64 = 10 * MINUTE_MS;
/// So few devices say nothing about a line or a firewall.
const LEAST_DEVICES: u64 = 3;
/// Where `plume backup` leaves the moment of the last one.
pub(crate) const LAST_BACKUP: &str = "last-backup";

/// What was found last, for whoever asks. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    found: watch::Sender<Option<Arc<Vec<Finding>>>>,
    refusal: Arc<Mutex<Option<(Time, String)>>>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            found: watch::Sender::new(None),
            refusal: Arc::default(),
        }
    }
}

impl Status {
    /// The latest findings; waits for the first look after a start.
    pub(crate) async fn findings(&self) -> Arc<Vec<Finding>> {
        let mut found = self.found.subscribe();
        match found.wait_for(Option::is_some).await {
            Ok(found) => found.clone().unwrap_or_default(),
            Err(_) => Arc::default(),
        }
    }

    /// Says that a reload was refused, and why.
    pub(crate) fn reload_refused(&self, at: Time, why: String) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, why));
    }

    /// Says that a reload was taken.
    pub(crate) fn reloaded(&self) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Looks again and again, and remembers since when things are as they are.
pub(crate) struct Watcher {
    context: Context,
    config: Config,
    desk: Desk,
    /// How many times faster than people live the clock runs.
    pace: i64,
    since: BTreeMap<String, Time>,
    /// Looks in a row at which the desk had events before it.
    desk_late: u32,
    end: (u64, Time),
    /// Syncs of the log at the last look, and the microseconds they took.
    syncs: (u64, u64),
    began: Time,
}

impl Watcher {
    /// A watcher that has not looked yet.
    pub(crate) fn new(context: Context, config: Config, desk: Desk, pace: u32) -> Self {
        let now = context.clock.now();
        Self {
            context,
            config,
            desk,
            pace: i64::from(pace),
            since: BTreeMap::new(),
            desk_late: 0,
            end: (0, now),
            syncs: (0, 0),
            began: now,
        }
    }

    /// Looks once and tells pages, metrics and whoever asks.
    pub(crate) async fn look(&mut self, pages: &DeskState) -> anyhow::Result<()> {
        let mut found = Vec::new();
        let now = self.context.clock.now();
        let stats = self.context.bus.stats();
        self.complaints(&mut found);
        self.log(&stats, now, &mut found).await?;
        self.consumers(now, &mut found).await?;
        self.notices(now, &mut found).await;
        keys(&self.context.keys, now, &mut found);
        relays(&self.context.relays, now, &mut found);
        if now.since(self.began) > CONNECT_MS * self.pace {
            devices(pages, &mut found);
        }
        if self.pace == 1 {
            disk(&self.context.data_dir, &mut found);
            found.extend(backup_age(&self.context.data_dir, now));
        }
        if let Some((at, why)) = self
            .context
            .status
            .refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
        {
            found.push(words::RELOAD_REFUSED.found(&why, &why).since(Some(at)));
        }
        self.since
            .retain(|code, _| found.iter().any(|finding| finding.code == *code));
        for finding in &mut found {
            let first = *self.since.entry(finding.code.to_string()).or_insert(now);
            finding.since = finding.since.or(Some(first));
        }
        found.sort_by_key(|finding| std::cmp::Reverse(finding.grade));
        for kind in words::ALL {
            let is = found.iter().find(|finding| finding.code == kind.code);
            self.context.signals.finding(kind, is);
        }
        pages.set_sentences(found.iter().map(sentence).collect());
        self.context.status.found.send_replace(Some(Arc::new(found)));
        Ok(())
    }

    /// What parts say of themselves.
    fn complaints(&self, found: &mut Vec<Finding>) {
        for (part, kind) in [(ARCHIVE, &words::ARCHIVE_STUCK), (DETECT, &words::JUDGE_STUCK)] {
            if let Some(words) = self.context.health.complaint(part) {
                found.push(kind.found(&words, &words));
            }
        }
    }

    async fn log(&mut self, stats: &BusStats, now: Time, found: &mut Vec<Finding>) -> anyhow::Result<()> {
        let mut end = 0;
        for partition in 0..self.context.bus.partitions() {
            end += self.context.bus.range(at(Topic::Reports, partition)).await?.end;
        }
        if end != self.end.0 {
            self.end = (end, now);
        }
        if let Some(took_us) = self.slow_sync(stats) {
            let s = took_us as f64 / 1e6;
            let (zh, en) = (format!("每次落盘 {s:.1} 秒"), format!("a sync takes {s:.1} s"));
            found.push(words::LOG_SLOW.found(&zh, &en));
        }
        let used = stats.bytes.saturating_mul(100) / stats.max_bytes.max(1);
        if stats.full {
            let refused = stats.refused_full;
            let (zh, en) = (format!("已拒绝 {refused} 次写入"), format!("{refused} writes refused"));
            found.push(words::LOG_FULL.found(&zh, &en));
        } else if used >= NEARLY_FULL_PCT {
            let (zh, en) = (format!("已用 {used}%"), format!("{used} % used"));
            found.push(words::LOG_NEARLY_FULL.found(&zh, &en));
        } else if now.since(self.end.1) > STILL_MS * self.pace {
            found.push(words::LOG_STILL.found("", "").since(Some(self.end.1)));
        }
        Ok(())
    }

    /// The time of a sync where it is long: the mean since the last look, or that of the group under way.
    fn slow_sync(&mut self, stats: &BusStats) -> Option<u64> {
        let (syncs, took_us) = (stats.fsyncs, stats.total_fsync_us);
        let (before, took_before) = std::mem::replace(&mut self.syncs, (syncs, took_us));
        let mean_us = took_us.saturating_sub(took_before) / syncs.saturating_sub(before).max(1);
        Some(mean_us.max(stats.busy_us)).filter(|&us| us >= SLOW_SYNC_US)
    }

    /// Who is how far behind, by the age of the oldest record that waits.
    async fn consumers(&mut self, now: Time, found: &mut Vec<Finding>) -> anyhow::Result<()> {
        let bus = self.context.bus.clone();
        let batch_ms = i64::try_from(self.config.archive.batch_every_s).unwrap_or(0) * 1_000;
        let limits = [
            (DETECT, &[Topic::Reports][..], JUDGE_LATE_MS, &words::JUDGE_BEHIND),
            (
                ARCHIVE,
                &ARCHIVED[..],
                batch_ms + ARCHIVE_LATE_MS,
                &words::ARCHIVE_BEHIND,
            ),
        ];
        for (name, topics, limit_ms, kind) in limits {
            let (mut behind, mut oldest) = (0, None);
            for partition in 0..bus.partitions() {
                for topic in topics {
                    let place = at(*topic, partition);
                    let range = bus.range(place).await?;
                    let done = bus.committed(consumer(name)?, place).await?.unwrap_or(range.start);
                    behind += range.end.saturating_sub(done);
                    if *topic == Topic::Reports {
                        let waits = self.time_of(place, done.max(range.start), range.end).await;
                        oldest = waits.into_iter().chain(oldest).min();
                    }
                }
            }
            if let Some(oldest) = oldest.filter(|oldest| now.since(*oldest) > limit_ms * self.pace) {
                found.push(late(kind, behind, oldest));
            }
        }
        let mut behind = 0;
        for partition in 0..bus.partitions() {
            let place = at(Topic::Events, partition);
            let range = bus.range(place).await?;
            let next = self.desk.resume_offset(partition).await.unwrap_or(0).max(range.start);
            // On Kafka the last offsets may be the markers of transactions, which nobody reads.
            if next < range.end && !bus.read(place, next, ONE).await?.is_empty() {
                behind += range.end - next;
            }
        }
        self.desk_late = if behind == 0 { 0 } else { self.desk_late + 1 };
        if self.desk_late >= DESK_LATE_LOOKS {
            let (zh, en) = (format!("{behind} 条待处理"), format!("{behind} event(s) wait"));
            found.push(words::DESK_BEHIND.found(&zh, &en));
        }
        Ok(())
    }

    /// When a waiting record came in, by its writer's clock. A registry is imported by another clock.
    async fn time_of(&self, place: plume_bus::TopicPartition, next: u64, end: u64) -> Option<Time> {
        if next >= end {
            return None;
        }
        let records = self.context.bus.read(place, next, ONE).await.ok()?;
        let entry = wire::decode_entry(&records.first()?.payload).ok()?;
        Some(entry.received_at())
    }

    async fn notices(&self, now: Time, found: &mut Vec<Finding>) {
        let Ok((Some(due), count)) = self.desk.store().outbox_state().await else {
            return;
        };
        if count > 0 && now.since(due) > NOTICES_LATE_MS * self.pace {
            let (zh, en) = (
                format!("{count} 条，最早应发于 {due}"),
                format!("{count}, the first due at {due}"),
            );
            found.push(words::NOTICES_LATE.found(&zh, &en).since(Some(due)));
        }
    }
}

fn late(kind: &Kind, behind: u64, oldest: Time) -> Finding {
    let (zh, en) = (
        format!("{behind} 条记录待处理，最早的收到于 {oldest}"),
        format!("{behind} record(s) wait, the oldest came at {oldest}"),
    );
    kind.found(&zh, &en).since(Some(oldest))
}

/// Keys of devices that should be changed, and those that devices ask for in vain.
fn keys(keys: &KeyStore, now: Time, found: &mut Vec<Finding>) {
    let (old, wanting) = keys.due(now);
    if let Some(oldest) = old.first() {
        let (count, mn, days) = (old.len(), oldest.mn, oldest.days);
        let (zh, en) = (
            format!("{count} 台，最早 {mn} 已 {days} 天"),
            format!("{count}, the oldest of {mn} for {days} days"),
        );
        found.push(words::KEYS_OLD.found(&zh, &en));
    }
    if let Some(first) = wanting.first() {
        let count = wanting.len();
        let (zh, en) = (format!("{count} 台，如 {first}"), format!("{count}, such as {first}"));
        found.push(words::KEY_WANTED.found(&zh, &en));
    }
}

/// Platforms that have not answered for long.
fn relays(relays: &Relays, now: Time, found: &mut Vec<Finding>) {
    let is_still = |going: &Going| going.waits_since.is_some_and(|since| now.since(since) > RELAY_STILL_MS);
    let all = relays.all();
    let still: Vec<_> = all.iter().filter(|(_, going)| is_still(going)).collect();
    let Some(((name, _), first)) = still.first() else {
        return;
    };
    let (since, behind) = (first.waits_since, first.behind);
    let (zh, en) = (
        format!("{name}，{behind} 条记录待转发"),
        format!("{name}, {behind} record(s) wait"),
    );
    found.push(words::RELAY_STILL.found(&zh, &en).since(since));
}

fn devices(pages: &DeskState, found: &mut Vec<Finding>) {
    let (online, late, offline) = pages.device_counts();
    let all = online + late + offline;
    if all >= LEAST_DEVICES && offline * 2 > all {
        let (zh, en) = (
            format!("{all} 台中 {offline} 台离线"),
            format!("{offline} of {all} are offline"),
        );
        found.push(words::DEVICES_GONE.found(&zh, &en));
    }
}

/// Free space of the data directory.
pub(crate) fn disk(data_dir: &Path, found: &mut Vec<Finding>) {
    if let Some(free) = free_bytes(data_dir).filter(|free| *free < LEAST_FREE_BYTES) {
        let mib = free >> 20;
        found.push(words::DISK_LOW.found(&format!("余 {mib} MiB"), &format!("{mib} MiB left")));
    }
}

/// Says where there is no backup of the last days.
pub(crate) fn backup_age(data_dir: &Path, now: Time) -> Option<Finding> {
    let made = std::fs::metadata(data_dir.join("state").join(LAST_BACKUP)).and_then(|file| file.modified());
    let made = made.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let made = made.and_then(|since| i64::try_from(since.as_millis()).ok()).map(Time);
    match made {
        None => Some(words::BACKUP_OLD.found("从未备份", "none was ever made")),
        Some(at) if now.since(at) > BACKUP_DAYS * DAY_MS => {
            let (zh, en) = (format!("上次为 {at}"), format!("the last is of {at}"));
            Some(words::BACKUP_OLD.found(&zh, &en).since(Some(at)))
        }
        Some(_) => None,
    }
}

fn sentence(finding: &Finding) -> Sentence {
    Sentence {
        grave: finding.grade == Grade::Error,
        since: finding.since,
        zh: finding.zh.clone(),
        en: finding.en.clone(),
        todo_zh: finding.todo_zh.clone(),
        todo_en: finding.todo_en.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use plume_ingest::hj212::sm4::{DeviceKeys, Key, KeyRing};
    use plume_schemas::ids::Mn;
    use plume_schemas::time::DAY_MS;

    use super::*;
    use crate::keystore::{KeysConfig, new_seal};

    /// What is said of two devices' keys, day by day.
    #[test]
    fn old_keys_and_devices_that_want_another_are_said() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        let config = KeysConfig {
            seal_file: dir.path().join("seal"),
            warn_days: 80,
        };
        fs::write(&config.seal_file, new_seal().unwrap()).unwrap();
        let ring = Arc::new(KeyRing::default());
        for mn in ["M1", "M2"] {
            let key = Key::parse("0123456789abcdef").unwrap();
            ring.insert(Mn::new(mn).unwrap(), DeviceKeys::of(key));
        }
        let store = KeyStore::open(&config, dir.path(), &ring, false, Time(0)).unwrap();
        let said = |days: i64| {
            let mut found = Vec::new();
            keys(&store, Time(days * DAY_MS), &mut found);
            found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(said(79), "");
        store.wants(Mn::new("M2").unwrap());
        insta::assert_snapshot!(format!("day 79\n{}\n\nday 80\n{}", said(79), said(80)));
    }
}
