//! The registry's way into the log (D8): a file that was not taken before, or an edit of the desk, is appended to every
//! partition, in parts where it is larger than a record may be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use plume_bus::{Bus, NewRecord, Topic, TopicPartition};
use plume_schemas::entry::EntryBody;
use plume_schemas::ids::ContentId;
use plume_schemas::registry::{Assembly, Part, Registry, RegistryIndex};
use plume_schemas::time::Time;
use plume_schemas::wire;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use super::stop::Stop;
use super::{Context, READ_LIMIT, at, is_away};

/// The registry's follower, as the one who complains.
const REGISTRY: &str = "registry";
/// Most JSON of the rows in one part of a revision. Half of what a record may be: a row counts before it is wrapped.
const PART_BYTES: usize = plume_bus::MAX_PAYLOAD_BYTES / 2;
/// Most parts appended at once; so one import takes a quarter of what a batch may, and others get between.
const BATCH_PARTS: usize = 8;

/// Where revisions are recorded, one after the other: a file at the start and on SIGHUP, edits of the desk.
///
/// A file is taken when it says something else than the file that was taken before, whose hash every revision carries:
/// a restart, or a reload for another reason, leaves alone what was edited on the desk since.
#[derive(Debug)]
pub(crate) struct Recorder {
    tell: watch::Sender<Arc<RegistryIndex>>,
    /// Held while a revision is compared and recorded.
    turn: Mutex<()>,
}

/// What becomes of a file that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// It says what is in force, and is known to.
    InForce,
    /// It was taken before; what is in force was edited since.
    TakenBefore,
    /// It is the next revision, in the place of edits or not.
    Next { over_edits: bool },
}

impl Reading {
    fn of(file: ContentId, last: Option<&Registry>) -> Self {
        let Some(last) = last else {
            return Self::Next { over_edits: false };
        };
        let (content, imported) = (last.content_hash(), imported(last));
        if imported == file && content == file {
            Self::InForce
        } else if imported == file {
            Self::TakenBefore
        } else {
            Self::Next {
                over_edits: imported != content && content != file,
            }
        }
    }
}

/// The file behind a revision; one recorded before files were remembered was a file's.
fn imported(last: &Registry) -> ContentId {
    last.imported.unwrap_or_else(|| last.content_hash())
}

/// Why an edit is not recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    /// Another revision came first.
    #[error("revision {base} was edited, and {found} is in force")]
    Changed {
        /// What was edited.
        base: u64,
        /// What is in force.
        found: u64,
    },
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] anyhow::Error),
}

impl Recorder {
    /// With whoever follows what is recorded.
    pub(crate) fn new() -> (Arc<Self>, watch::Receiver<Arc<RegistryIndex>>) {
        let (tell, told) = watch::channel(Arc::default());
        let turn = Mutex::new(());
        (Arc::new(Self { tell, turn }), told)
    }

    /// Appends what a file says as the next revision, if it has not been taken before; tells the rooms.
    ///
    /// An import that was cut off half way is begun again under the same number, at another time: the parts of the two
    /// are told apart by it.
    pub(crate) async fn import(
        &self,
        (bus, data_dir): (&Bus, &Path),
        mut file: Registry,
        now: Time,
    ) -> anyhow::Result<u64> {
        let _turn = self.turn.lock().await;
        let last = last(bus, data_dir).await?;
        let lacking = file.unmask(last.as_ref().unwrap_or(&Registry::default()));
        anyhow::ensure!(
            lacking.is_empty(),
            "source {lacking:?}: the password is masked and none is on record (hint: write it, or leave it out)"
        );
        let hash = file.content_hash();
        match (Reading::of(hash, last.as_ref()), last) {
            (Reading::InForce, Some(last)) => Ok(self.told(last)),
            (Reading::TakenBefore, Some(last)) => {
                tracing::info!(
                    revision = last.revision,
                    "the registry file was taken before; what was edited on the desk since stays in force"
                );
                Ok(self.told(last))
            }
            (reading, last) => {
                if reading == (Reading::Next { over_edits: true }) {
                    let revision = last.as_ref().map_or(0, |last| last.revision);
                    tracing::warn!(
                        revision,
                        "the registry file has changed and replaces what was edited on the desk up to this revision"
                    );
                }
                let revision = last.map_or(0, |last| last.revision) + 1;
                file.imported = Some(hash);
                self.record((bus, data_dir), file, revision, now).await
            }
        }
    }

    /// Appends what was made of revision `base` on the desk, if that is still in force.
    pub(crate) async fn edit(
        &self,
        (bus, data_dir): (&Bus, &Path),
        mut edited: Registry,
        base: u64,
        now: Time,
    ) -> Result<u64, EditError> {
        let _turn = self.turn.lock().await;
        let last = last(bus, data_dir).await?.unwrap_or_default();
        if last.revision != base {
            let found = last.revision;
            return Err(EditError::Changed { base, found });
        }
        edited.imported = Some(imported(&last));
        Ok(self.record((bus, data_dir), edited, base + 1, now).await?)
    }

    async fn record(
        &self,
        (bus, data_dir): (&Bus, &Path),
        mut registry: Registry,
        revision: u64,
        now: Time,
    ) -> anyhow::Result<u64> {
        registry.revision = revision;
        registry.recorded_at = now;
        registry.part = Part::WHOLE;
        append(bus, &registry).await.context("append the registry to the log")?;
        keep(&kept_path(data_dir), &registry)?;
        tracing::info!(
            revision,
            enterprises = registry.enterprises.len(),
            outlets = registry.outlets.len(),
            devices = registry.sources.len(),
            "registry revision recorded"
        );
        Ok(self.told(registry))
    }

    fn told(&self, registry: Registry) -> u64 {
        let revision = registry.revision;
        self.tell.send_replace(Arc::new(RegistryIndex::new(registry)));
        revision
    }
}

/// The last revision: of the log where processes share it; else `state/registry.json`, or what the log has beyond it
/// (then this process was killed between the two, and the revision is recorded once more, which harms nobody). Should
/// the file be lost, the log has it while it is retained.
async fn last(bus: &Bus, data_dir: &Path) -> anyhow::Result<Option<Registry>> {
    let logged = Follower::new().read(&bus.reader()).await?;
    if bus.is_shared() {
        return Ok(logged);
    }
    let path = kept_path(data_dir);
    let kept = load_kept(&path)?;
    let known = kept.as_ref().map_or(0, |kept| kept.revision);
    if let Some(logged) = logged.filter(|logged| logged.revision > known) {
        append(bus, &logged).await.context("append the registry to the log")?;
        keep(&path, &logged)?;
        return Ok(Some(logged));
    }
    // A log begun anew has no registry, and a judge without a checkpoint looks for it nowhere else.
    if let Some(kept) = &kept
        && super::lost::is_new(bus).await?
    {
        append(bus, kept).await.context("append the registry to the new log")?;
    }
    Ok(kept)
}

/// Reads revisions from the registry's topic.
#[derive(Debug)]
struct Follower {
    next: u64,
    assembly: Assembly,
}

impl Follower {
    fn new() -> Self {
        Self {
            next: 0,
            assembly: Assembly::default(),
        }
    }

    /// The last whole revision of what the topic holds now, and has not been read yet.
    async fn read(&mut self, bus: &Bus) -> anyhow::Result<Option<Registry>> {
        let line = at(Topic::Registry, 0);
        self.next = self.next.max(bus.range(line).await?.start);
        let mut last = None;
        loop {
            let records = bus.read(line, self.next, READ_LIMIT).await?;
            if records.is_empty() {
                return Ok(last);
            }
            for record in records {
                self.next = record.offset + 1;
                if let Ok(EntryBody::Registry(part)) = wire::decode_entry(&record.payload)
                    && let Some(whole) = self.assembly.take(&part)
                {
                    last = Some(whole);
                }
            }
        }
    }
}

/// Where processes share the log: waits for the first registry, then tells the rooms of every revision that another
/// process records.
pub(crate) async fn keep_up(
    context: &Context,
    stop: &Stop,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    if !context.bus.is_shared() {
        return Ok(());
    }
    let (bus, line) = (context.bus.reader(), at(Topic::Registry, 0));
    let mut follower = Follower::new();
    loop {
        if let Some(first) = follower.read(&bus).await? {
            context.recorder.told(first);
            break;
        }
        tracing::warn!("no registry on the bus yet: waiting for a process with the role `desk` to record it");
        bus.wait(line, follower.next).await;
    }
    let (context, stop) = (context.clone(), stop.clone());
    tasks.spawn(async move {
        while !stop.told() {
            tokio::select! {
                () = bus.wait(line, follower.next) => {}
                () = stop.clone().wait() => break,
            }
            match follower.read(&bus).await {
                Ok(Some(next)) => {
                    tracing::info!(revision = next.revision, "registry read from the bus");
                    context.recorder.told(next);
                }
                Ok(None) => context.health.well(REGISTRY),
                Err(error) if is_away(&error) => match error.downcast_ref() {
                    Some(error) => context.brokers_away(REGISTRY, error, &stop).await,
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(())
    });
    Ok(())
}

/// Gives the reports of `to`, where nobody has read or written yet, the last revision that `from` holds: every
/// partition has a copy, also where partitions become more (D7).
#[cfg(feature = "kafka")]
pub(crate) async fn hand_on(from: &Bus, to: &Bus) -> anyhow::Result<()> {
    match Follower::new().read(&from.reader()).await? {
        Some(registry) => append_to(to, &registry, reports(to).collect()).await,
        None => Ok(()),
    }
}

/// Every partition of reports.
fn reports(bus: &Bus) -> impl Iterator<Item = TopicPartition> + use<> {
    (0..bus.partitions()).map(|partition| at(Topic::Reports, partition))
}

/// Appends the parts of a revision to the registry's topic and to every partition of reports.
async fn append(bus: &Bus, registry: &Registry) -> anyhow::Result<()> {
    let lines = std::iter::once(at(Topic::Registry, 0)).chain(reports(bus));
    append_to(bus, registry, lines.collect()).await
}

async fn append_to(bus: &Bus, registry: &Registry, lines: Vec<TopicPartition>) -> anyhow::Result<()> {
    let parts = registry.clone().into_parts(PART_BYTES).into_iter();
    let payloads: Vec<Bytes> = parts
        .map(|part| Bytes::from(wire::encode_entry(&EntryBody::Registry(Box::new(part)))))
        .collect();
    let records = lines.iter().flat_map(|&to| {
        payloads.iter().map(move |payload| NewRecord {
            to,
            key: "registry".to_owned(),
            payload: payload.clone(),
        })
    });
    let records: Vec<NewRecord> = records.collect();
    // A small registry is one record a line, and then all lines have it or none.
    let at_once = if payloads.len() == 1 {
        records.len()
    } else {
        BATCH_PARTS
    };
    for batch in records.chunks(at_once.max(1)) {
        bus.append(batch.to_vec()).await?;
    }
    Ok(())
}

/// The registry of the last revision, of a plume that is not running.
pub(crate) fn kept(data_dir: &Path) -> anyhow::Result<Registry> {
    let path = kept_path(data_dir);
    load_kept(&path)?.with_context(|| format!("no registry in {}; start plume once", path.display()))
}

fn kept_path(data_dir: &Path) -> PathBuf {
    data_dir.join("state").join("registry.json")
}

fn load_kept(path: &Path) -> anyhow::Result<Option<Registry>> {
    match std::fs::read(path) {
        Ok(bytes) => {
            let registry = serde_json::from_slice(&bytes);
            if let Err(error) = &registry {
                tracing::warn!(file = %path.display(), %error, "kept registry is damaged, recording a new revision");
            }
            Ok(registry.ok())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

fn keep(path: &Path, registry: &Registry) -> anyhow::Result<()> {
    let dir = path.parent().context("registry without a directory")?;
    std::fs::create_dir_all(dir)?;
    let fresh = path.with_extension("json.new");
    std::fs::write(&fresh, serde_json::to_vec(registry)?).with_context(|| format!("write {}", fresh.display()))?;
    std::fs::rename(&fresh, path).with_context(|| format!("rename to {}", path.display()))
}

#[cfg(test)]
mod tests;
