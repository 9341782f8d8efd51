//! The registry's way into the log (D8): an import that differs from the last revision is appended whole to every
//! partition.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use plume_bus::{Bus, NewRecord, Topic};
use plume_schemas::entry::EntryBody;
use plume_schemas::registry::{Registry, RegistryIndex};
use plume_schemas::time::Time;
use plume_schemas::wire;
use tokio::sync::watch;

use super::at;

/// Appends `registry` as the next revision if it says anything new; tells the rooms through `tell`.
///
/// The last revision is kept as `state/registry.json`; should that be lost, the same content is recorded once more,
/// which harms
/// nobody.
pub(crate) async fn import(
    bus: &Bus,
    data_dir: &Path,
    mut registry: Registry,
    now: Time,
    tell: &watch::Sender<Arc<RegistryIndex>>,
) -> anyhow::Result<u64> {
    let kept = kept_path(data_dir);
    let last = load_kept(&kept)?;
    if let Some(last) = last
        .as_ref()
        .filter(|last| last.content_hash() == registry.content_hash())
    {
        tell.send_replace(Arc::new(RegistryIndex::new(last.clone())));
        return Ok(last.revision);
    }
    registry.revision = last.map_or(0, |last| last.revision) + 1;
    registry.recorded_at = now;
    let payload = Bytes::from(wire::encode_entry(&EntryBody::Registry(Box::new(registry.clone()))));
    let record = |topic, partition| NewRecord {
        to: at(topic, partition),
        key: "registry".to_owned(),
        payload: payload.clone(),
    };
    let mut records = vec![record(Topic::Registry, 0)];
    records.extend((0..bus.partitions()).map(|partition| record(Topic::Reports, partition)));
    bus.append(records).await.context("append the registry to the log")?;
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
