//! Packets of a device that was registered after they came: from the quarantine into the log of reports, where judge
//! and archive find them. How far it got is kept in `state/readmitted.json`; a crash before that is written makes
//! repeats, which judge and archive know (D5).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use plume_bus::{Bus, Topic};
use plume_ingest::config::IngestConfig;
use plume_ingest::readmit::{Readmission, Readmitted};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::Mn;
use plume_schemas::registry::RegistryIndex;
use plume_schemas::wire;

use super::{READ_LIMIT, at};

/// What became of a device's waiting packets.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    mn: Mn,
    /// Packets that are in the log of reports now.
    pub(crate) taken: u64,
    /// Packets that stay, by reason.
    pub(crate) still: BTreeMap<&'static str, u64>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mn, taken, still } = self;
        let still: Vec<String> = still
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let stays = if still.is_empty() {
            "0".to_owned()
        } else {
            still.join(", ")
        };
        write!(
            f,
            "{mn}: 已重新接收 {taken} 包，仍隔离 / {taken} packets taken, still set aside: {stays}"
        )
    }
}

/// Reads the device's waiting packets again; says how many were taken and why others stay.
pub(crate) async fn readmit(
    bus: &Bus,
    data_dir: &Path,
    config: &IngestConfig,
    registry: &RegistryIndex,
    mn: Mn,
) -> anyhow::Result<Outcome> {
    if !registry.knows(mn) {
        bail!("MN {mn} 未登记，请先建档 / is not in the registry: register it first");
    }
    let mut readmission = Readmission::of(mn, Arc::new(config.clone()), Arc::new(Catalogue::embedded()?));
    let quarantine = at(Topic::Quarantine, 0);
    let kept = bus.range(quarantine).await?;
    let mut done = read(data_dir)?;
    let mut next = done.get(&mn).copied().unwrap_or(0).max(kept.start);
    let (mut taken, mut still) = (0_u64, BTreeMap::<&'static str, u64>::new());
    // What stays is looked at again next time: another change of the registry may let it in.
    let mut first_still = None;
    while next < kept.end {
        let mut outputs = Vec::new();
        for record in bus.read(quarantine, next, READ_LIMIT).await? {
            next = record.offset + 1;
            let Ok(set_aside) = wire::decode_quarantined(&record.payload) else {
                continue;
            };
            match readmission.again(&set_aside, registry, bus.partitions()) {
                Some(Readmitted::Taken(records)) => {
                    taken += 1;
                    outputs.extend(records);
                }
                Some(Readmitted::Still(reason)) => {
                    first_still.get_or_insert(record.offset);
                    *still.entry(reason.code()).or_default() += 1;
                }
                None => {}
            }
        }
        if !outputs.is_empty() {
            bus.append(outputs).await.context("append the packets to the log")?;
        }
    }
    done.insert(mn, first_still.unwrap_or(next));
    write(data_dir, &done)?;
    Ok(Outcome { mn, taken, still })
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("state").join("readmitted.json")
}

/// How far the quarantine was gone through, for each device.
fn read(data_dir: &Path) -> anyhow::Result<BTreeMap<Mn, u64>> {
    match std::fs::read(file(data_dir)) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).with_context(|| format!("read {}", file(data_dir).display()))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| format!("read {}", file(data_dir).display())),
    }
}

fn write(data_dir: &Path, done: &BTreeMap<Mn, u64>) -> anyhow::Result<()> {
    let path = file(data_dir);
    let fresh = path.with_extension("json.new");
    std::fs::write(&fresh, serde_json::to_vec(done)?).with_context(|| format!("write {}", fresh.display()))?;
    std::fs::rename(&fresh, &path).with_context(|| format!("rename to {}", path.display()))
}
