//! Copying files so that they stay: hashed on the way, synced, readable by their owner alone.

use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use ring::digest;

use super::Entry;

/// One read of a copy.
const BUFFER_BYTES: usize = 1 << 20;

/// Makes a directory and those above it, closed to others.
pub(super) fn make_dir(path: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("make {}", path.display()))
}

/// Copies what a reader has to a new file and says what it was.
pub(super) fn copy(mut from: impl Read, root: &Path, name: &str) -> anyhow::Result<Entry> {
    let to = root.join(name);
    if let Some(folder) = to.parent() {
        make_dir(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&to);
    let mut file = opened.with_context(|| format!("make {}", to.display()))?;
    let mut context = digest::Context::new(&digest::SHA256);
    let (mut buffer, mut bytes) = (vec![0; BUFFER_BYTES], 0);
    loop {
        let count = from
            .read(&mut buffer)
            .with_context(|| format!("copy to {}", to.display()))?;
        let Some(part) = buffer.get(..count).filter(|part| !part.is_empty()) else {
            break;
        };
        file.write_all(part)
            .with_context(|| format!("write {}", to.display()))?;
        context.update(part);
        bytes += count as u64;
    }
    file.sync_all().with_context(|| format!("sync {}", to.display()))?;
    Ok(Entry {
        name: name.to_owned(),
        bytes,
        sha256: hex(context.finish().as_ref()),
    })
}

/// Size and hash of a file as it is.
pub(super) fn look(root: &Path, name: &str) -> anyhow::Result<Entry> {
    let path = root.join(name);
    let mut file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    let mut context = digest::Context::new(&digest::SHA256);
    let (mut buffer, mut bytes) = (vec![0; BUFFER_BYTES], 0);
    loop {
        let count = file
            .read(&mut buffer)
            .with_context(|| format!("read {}", path.display()))?;
        let Some(part) = buffer.get(..count).filter(|part| !part.is_empty()) else {
            break;
        };
        context.update(part);
        bytes += count as u64;
    }
    Ok(Entry {
        name: name.to_owned(),
        bytes,
        sha256: hex(context.finish().as_ref()),
    })
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Files below a directory, their paths relative to it, in order.
pub(super) fn below(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
            let entry = entry.with_context(|| format!("list {}", dir.display()))?;
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(name) = path.strip_prefix(root) {
                found.push(name.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Makes renames and new names in a directory durable.
pub(super) fn sync_dir(path: &Path) -> anyhow::Result<()> {
    let synced = File::open(path).and_then(|dir| dir.sync_all());
    synced.with_context(|| format!("sync {}", path.display()))
}

/// Makes every name below a directory durable.
pub(super) fn sync_tree(root: &Path) -> anyhow::Result<()> {
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir)
            .with_context(|| format!("list {}", dir.display()))?
            .flatten()
        {
            if entry.path().is_dir() {
                open.push(entry.path());
            }
        }
        sync_dir(&dir)?;
    }
    Ok(())
}

/// Removes a directory that an earlier try left, if it is there.
pub(super) fn clear(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
