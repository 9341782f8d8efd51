//! The registry's way into the log (D8): an import that differs from the last revision is appended to every partition,
//! in parts where it is larger than a record may be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use plume_bus::{Bus, NewRecord, Topic};
use plume_schemas::entry::EntryBody;
use plume_schemas::registry::{Assembly, Part, Registry, RegistryIndex};
use plume_schemas::time::Time;
use plume_schemas::wire;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::stop::Stop;
use super::{Context, READ_LIMIT, at, is_away};

/// The registry's follower, as the one who complains.
const REGISTRY: &str = "registry";
/// Most JSON of the rows in one part of a revision. Half of what a record may be: a row counts before it is wrapped.
const PART_BYTES: usize = plume_bus::MAX_PAYLOAD_BYTES / 2;
/// Most parts appended at once; so one import takes a quarter of what a batch may, and others get between.
const BATCH_PARTS: usize = 8;

/// Appends `registry` as the next revision if it says anything new; tells the rooms through `tell`.
///
/// The last revision is kept as `state/registry.json`; should that be lost, the same content is recorded once more,
/// which harms nobody. An import that was cut off half way is begun again under the same number, at another time: the
/// parts of the two are told apart by it.
pub(crate) async fn import(
    bus: &Bus,
    data_dir: &Path,
    mut registry: Registry,
    now: Time,
    tell: &watch::Sender<Arc<RegistryIndex>>,
) -> anyhow::Result<u64> {
    let kept = kept_path(data_dir);
    // Where processes share the log, what this one kept may not be the last.
    let last = if bus.is_shared() {
        Follower::new().read(&bus.reader()).await?
    } else {
        load_kept(&kept)?
    };
    let revision = last.as_ref().map_or(0, |last| last.revision);
    match last {
        Some(last) if last.content_hash() == registry.content_hash() => {
            tell.send_replace(Arc::new(RegistryIndex::new(last)));
            return Ok(revision);
        }
        _ => {}
    }
    registry.revision = revision + 1;
    registry.recorded_at = now;
    registry.part = Part::WHOLE;
    append(bus, &registry).await.context("append the registry to the log")?;
    keep(&kept, &registry)?;
    tracing::info!(
        revision = registry.revision,
        enterprises = registry.enterprises.len(),
        outlets = registry.outlets.len(),
        devices = registry.sources.len(),
        "registry revision recorded"
    );
    let revision = registry.revision;
    tell.send_replace(Arc::new(RegistryIndex::new(registry)));
    Ok(revision)
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
    tell: &watch::Sender<Arc<RegistryIndex>>,
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
            tell.send_replace(Arc::new(RegistryIndex::new(first)));
            break;
        }
        tracing::warn!("no registry on the bus yet: waiting for a process with the role `desk` to record it");
        bus.wait(line, follower.next).await;
    }
    let (context, tell, stop) = (context.clone(), tell.clone(), stop.clone());
    tasks.spawn(async move {
        while !stop.told() {
            tokio::select! {
                () = bus.wait(line, follower.next) => {}
                () = stop.clone().wait() => break,
            }
            match follower.read(&bus).await {
                Ok(Some(next)) => {
                    tracing::info!(revision = next.revision, "registry read from the bus");
                    tell.send_replace(Arc::new(RegistryIndex::new(next)));
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

/// Appends the parts of a revision to the registry's topic and to every partition of reports.
async fn append(bus: &Bus, registry: &Registry) -> anyhow::Result<()> {
    let parts = registry.clone().into_parts(PART_BYTES).into_iter();
    let payloads: Vec<Bytes> = parts
        .map(|part| Bytes::from(wire::encode_entry(&EntryBody::Registry(Box::new(part)))))
        .collect();
    let mut lines = vec![at(Topic::Registry, 0)];
    lines.extend((0..bus.partitions()).map(|partition| at(Topic::Reports, partition)));
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
