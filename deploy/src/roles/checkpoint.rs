//! The judge's memory on disk: one file a partition, replaced whole, with the offset it stands at; and one of each of
//! the last days beside it, for `plume replay` to begin at.
//!
//! ```text
//! "PLMCKPT0" | offset u64 LE | length u64 LE | 16 bytes of SHA-256(offset, state) | state
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use plume_schemas::ids::ContentId;

use crate::durable;

const MAGIC: &[u8; 8] = b"PLMCKPT0";
/// Days of which a checkpoint is kept. A week: as long as somebody may ask again about a judgement whose log is there;
/// each costs as much room as the state itself.
pub(crate) const KEPT_DAYS: usize = 7;
const HEADER_BYTES: usize = 8 + 8 + 8 + 16;

/// Where the checkpoint of a partition lies.
pub(crate) fn path(data_dir: &Path, partition: u32) -> PathBuf {
    data_dir.join("state").join(format!("detect-{partition}.ckpt"))
}

/// The checkpoints that are there.
pub(crate) fn all(data_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data_dir.join("state")).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "ckpt"))
        .collect()
}

/// Where the checkpoint of a day of a partition is kept.
fn kept_path(data_dir: &Path, partition: u32, day: &str) -> PathBuf {
    data_dir
        .join("state")
        .join("checkpoints")
        .join(format!("detect-{partition}-{day}.ckpt"))
}

/// Keeps the checkpoint just saved as that of its day, `2026-01-17`, unless the day has one, and lets the oldest go.
pub(crate) fn keep(data_dir: &Path, partition: u32, day: &str) -> anyhow::Result<()> {
    let kept = kept_path(data_dir, partition, day);
    if kept.exists() {
        return Ok(());
    }
    let dir = kept.parent().context("checkpoint without a directory")?;
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    // The next save puts a new file in the old one's place, so a link keeps what it is now.
    let latest = path(data_dir, partition);
    fs::hard_link(&latest, &kept)
        .or_else(|_| fs::copy(&latest, &kept).map(drop))
        .with_context(|| format!("keep {}", kept.display()))?;
    let all = days(data_dir, partition)?;
    for (_, old) in all.iter().rev().skip(KEPT_DAYS) {
        fs::remove_file(old).with_context(|| format!("remove {}", old.display()))?;
    }
    Ok(())
}

/// The days of which a checkpoint is kept, the oldest first, with its file.
pub(crate) fn days(data_dir: &Path, partition: u32) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let dir = data_dir.join("state").join("checkpoints");
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("read {}", dir.display())),
    };
    let prefix = format!("detect-{partition}-");
    let mut days = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("read {}", dir.display()))?;
        let name = entry.file_name();
        let day = name
            .to_str()
            .and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".ckpt"));
        days.extend(day.map(|day| (day.to_owned(), entry.path())));
    }
    days.sort();
    Ok(days)
}

/// Replaces the file: written beside it, synced, renamed, directory synced.
pub(crate) fn save(path: &Path, offset: u64, state: &[u8]) -> anyhow::Result<()> {
    let dir = path.parent().context("checkpoint without a directory")?;
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let fresh = path.with_extension("ckpt.new");
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&offset.to_le_bytes());
    header.extend_from_slice(&(state.len() as u64).to_le_bytes());
    header.extend_from_slice(checksum(offset, state).as_bytes());
    durable::replace(path, &fresh, &[&header, state]).with_context(|| format!("write {}", path.display()))
}

/// The offset and state of the file; `None` where there is none or it is not whole (then the log rebuilds the state).
pub(crate) fn load(path: &Path) -> anyhow::Result<Option<(u64, Vec<u8>)>> {
    let mut bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let Some(offset) = parse(&bytes) else {
        tracing::warn!(file = %path.display(), "checkpoint is damaged, rebuilding the judge's state from the log");
        return Ok(None);
    };
    // In place: of ten thousand outlets it is tens of megabytes.
    bytes.drain(..HEADER_BYTES);
    Ok(Some((offset, bytes)))
}

/// The offset of a file that is whole.
fn parse(bytes: &[u8]) -> Option<u64> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (sum, state) = rest.split_first_chunk::<16>()?;
    let offset = u64::from_le_bytes(*offset);
    let whole = state.len() as u64 == u64::from_le_bytes(*length) && *sum == *checksum(offset, state).as_bytes();
    whole.then_some(offset)
}

fn checksum(offset: u64, state: &[u8]) -> ContentId {
    ContentId::of(&[&offset.to_le_bytes(), state])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_days_are_kept_one_each() {
        let dir = tempfile::tempdir().unwrap();
        let names = |partition| -> Vec<String> {
            let days = days(dir.path(), partition).unwrap();
            days.into_iter().map(|(day, _)| day).collect()
        };
        assert!(names(0).is_empty());
        for day in 10..20_u64 {
            for part in 0..2 {
                save(&path(dir.path(), 0), day * 10 + part, b"state").unwrap();
                keep(dir.path(), 0, &format!("2026-01-{day}")).unwrap();
            }
        }
        let kept = days(dir.path(), 0).unwrap();
        assert_eq!(kept.len(), KEPT_DAYS);
        assert_eq!(names(0).first().map(String::as_str), Some("2026-01-13"));
        // The first of the day, though the file was replaced since.
        let last = kept.last().unwrap();
        assert_eq!(load(&last.1).unwrap(), Some((190, b"state".to_vec())));
        assert_eq!(load(&path(dir.path(), 0)).unwrap(), Some((191, b"state".to_vec())));
        assert!(names(1).is_empty(), "another partition's are not taken for its own");
    }

    #[test]
    fn a_damaged_or_cut_checkpoint_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = path(dir.path(), 3);
        assert_eq!(load(&path).unwrap(), None);
        save(&path, 42, b"state").unwrap();
        assert_eq!(load(&path).unwrap(), Some((42, b"state".to_vec())));
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(parse(&bad), None, "flipped byte {at}");
            assert_eq!(parse(&good[..at]), None, "cut at {at}");
        }
    }
}
