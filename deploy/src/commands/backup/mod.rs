//! `plume backup` and `plume restore`: all that a host needs to go on as another, copied while plume works.
//!
//! Consistent by construction. Desk, judge and archive each remember how far of the log they have come, so a copy is
//! whole when the log in it reaches at least as far as each of them, and begins no later:
//!
//! ```text
//! 1. open every segment of the log, and    what is released from now on stays readable
//!    each new one as it comes
//! 2. copy desk, judge's state, archive     each stands at some offset before the end of the log
//! 3. copy the log                          so it holds all that 2 has still to read
//! 4. open the copy, balance its books      as `plume stats` does; only then it gets its name
//! ```
//!
//! ```text
//! plume-backup-20261121T031500/
//!   backup.json    what this is, with size and SHA-256 of every file; written last
//!   data/          as in the data directory: log, state, desk.db, archive
//!   conf/          configuration, registry, keys, poll site, certificate
//! ```

mod conf;
mod files;
mod held;
mod make;
mod restore;

use std::path::Path;

use anyhow::{Context as _, bail};
use plume_schemas::time::Time;
use serde::{Deserialize, Serialize};

pub(crate) use make::run as make;
pub(crate) use restore::run as restore;

/// Version of the layout above.
pub(crate) const FORMAT: u32 = 1;
/// What says what a backup is.
const CARD: &str = "backup.json";
/// The data directory's part.
const DATA: &str = "data";
/// The configuration's part.
const CONF: &str = "conf";

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Below the backup's directory.
    name: String,
    bytes: u64,
    sha256: String,
}

/// What a backup is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Card {
    format: u32,
    /// Version of the plume that made it.
    plume: String,
    made_at: Time,
    /// Where the data was.
    data_dir: String,
    /// The desk's database within `data/`; none where it is a server's.
    desk: Option<String>,
    /// The archive's directory within `data/`.
    archive: String,
    /// False where only the archive's manifest is here.
    archive_files: bool,
    /// What stood at absolute paths and is here below `data/` under another name: (where it was, its name here).
    moved: Vec<(String, String)>,
    files: Vec<Entry>,
}

impl Card {
    /// Reads a backup's card. Errors: it is no backup, or one of another format.
    fn read(backup: &Path) -> anyhow::Result<Self> {
        let path = backup.join(CARD);
        let text = std::fs::read(&path).with_context(|| {
            format!(
                "{} 不是完整的备份 / is no whole backup: {} cannot be read",
                backup.display(),
                path.display()
            )
        })?;
        let value: serde_json::Value =
            serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))?;
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(u64::from(FORMAT)) {
            let found = format.map_or_else(|| "none".to_owned(), |format| format.to_string());
            bail!(
                "{}: 备份格式 {found}，本程序识别 {FORMAT} / backup format {found}, this plume knows {FORMAT}; use the \
                 plume that made it",
                path.display()
            );
        }
        serde_json::from_value(value).with_context(|| format!("read {}", path.display()))
    }
}
