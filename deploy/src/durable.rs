//! Files that are whole and durable, or as they were.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Replaces the file at `path`: written beside it as `fresh`, synced, renamed, directory synced.
pub(crate) fn replace(path: &Path, fresh: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = File::create(fresh)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()?;
    fs::rename(fresh, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
