//! `plume verify`: whether the archive is what the manifest says, byte by byte.

use serde::Serialize;

use crate::ArchiveError;
use crate::files::sha256_hex;
use crate::layout::Folder;
use crate::manifest;
use crate::operation::FileEntry;
use crate::parquet_file::Opened;
use crate::reader::Reader;
use crate::tables::SCHEMA_VERSION;

/// What was checked, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Files read.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// Hash of the manifest's last line: the same as the one kept elsewhere, or something was done since.
    pub head: String,
    /// What is wrong; nothing, in a sound archive.
    pub problems: Vec<Problem>,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// A file of the manifest is not there.
    #[error("{file} is missing")]
    Missing {
        /// Which.
        file: String,
    },
    /// A file has other bytes.
    #[error("{file} was changed: SHA-256 {found}, expected {expected}")]
    Changed {
        /// Which.
        file: String,
        /// Its hash.
        found: String,
        /// The hash when it was written.
        expected: String,
    },
    /// A file cannot be read as Parquet.
    #[error("{file} cannot be read: {why}")]
    Unreadable {
        /// Which.
        file: String,
        /// What the reader said.
        why: String,
    },
    /// A file has other rows.
    #[error("{file} has {found} rows, expected {expected}")]
    Rows {
        /// Which.
        file: String,
        /// Rows in it.
        found: u64,
        /// Rows when it was written.
        expected: u64,
    },
    /// A file has a schema of another version.
    #[error("{file} has schema {found}, expected {expected}")]
    Schema {
        /// Which.
        file: String,
        /// Its schema.
        found: String,
        /// The one this build writes.
        expected: String,
    },
    /// A file that the manifest does not name.
    #[error("{file} is not in the manifest")]
    Unknown {
        /// Which.
        file: String,
    },
    /// Offsets the log no longer had when they were to be archived.
    #[error("{line}: offsets {from} to {to} were never archived")]
    Gap {
        /// Which line of the log.
        line: String,
        /// First missing offset.
        from: u64,
        /// First one that is there again.
        to: u64,
    },
    /// The books do not balance.
    #[error("the books do not balance: see `plume stats`")]
    Unbalanced,
}

impl Problem {
    /// What to try.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::Changed { .. } | Self::Unreadable { .. } | Self::Rows { .. } => {
                "restore the file from a backup"
            }
            Self::Schema { .. } => "read it with the version that wrote it",
            Self::Unknown { .. } => "move it out of the archive: readers would take its rows for the archive's",
            Self::Gap { .. } => "the log was cut before the archive had read it; raise bus.max_bytes",
            Self::Unbalanced => "report it with the manifest",
        }
    }
}

impl Reader {
    /// Reads every file and compares hash, rows and schema; looks for files nobody wrote and offsets nobody read. The
    /// chain of the
    /// manifest was checked when the reader was opened. Errors: a disk that refuses, other than by a missing file.
    pub fn verify(&self) -> Result<Verification, ArchiveError> {
        self.verify_watched(&mut |_, _| {})
    }

    /// Whether the manifest's chain goes through this hash, which somebody kept: then nothing before it was changed.
    pub fn has_head(&self, hash: &str) -> Result<bool, ArchiveError> {
        manifest::has_head(&self.files, hash)
    }

    /// [`Self::verify`], with `look` told how many files of how many are done.
    pub fn verify_watched(&self, look: &mut dyn FnMut(u64, u64)) -> Result<Verification, ArchiveError> {
        let mut report = Verification {
            head: self.manifest.head.clone(),
            ..Verification::default()
        };
        let manifest = &self.manifest;
        let total = (manifest.parts.len() + manifest.batches.len()) as u64;
        for (done, file) in (0..).zip(manifest.parts.values().chain(manifest.batches.values())) {
            look(done, total);
            self.verify_file(file, &mut report)?;
        }
        for state in manifest.lines.values().filter_map(|line| line.state.as_ref()) {
            self.verify_bytes(state, &mut report)?;
        }
        self.unknown_files(&mut report)?;
        for (at, line) in &manifest.lines {
            let gap = |&(from, to): &(u64, u64)| Problem::Gap {
                line: at.to_string(),
                from,
                to,
            };
            report.problems.extend(line.gaps.iter().map(gap));
        }
        if !self.stats().balanced {
            report.problems.push(Problem::Unbalanced);
        }
        Ok(report)
    }

    /// Whether a file has the bytes that were written; false where that makes no sense to ask further.
    fn verify_bytes(&self, file: &FileEntry, report: &mut Verification) -> Result<bool, ArchiveError> {
        let Some(content) = self.files.read_if_there(&file.name)? else {
            report.problems.push(Problem::Missing {
                file: file.name.clone(),
            });
            return Ok(false);
        };
        report.files += 1;
        report.bytes += content.len() as u64;
        let found = sha256_hex(&content);
        if found == file.sha256 {
            return Ok(true);
        }
        // A publication under way has replaced it; its line in the manifest is still to come.
        let opened = Opened::open(&self.files, &file.name, false);
        let ahead = |opened: &Opened| {
            opened
                .operation()
                .is_some_and(|operation| operation >= self.manifest.seq)
        };
        if !opened.as_ref().is_ok_and(ahead) {
            report.problems.push(Problem::Changed {
                file: file.name.clone(),
                found,
                expected: file.sha256.clone(),
            });
        }
        Ok(false)
    }

    fn verify_file(&self, file: &FileEntry, report: &mut Verification) -> Result<(), ArchiveError> {
        if !self.verify_bytes(file, report)? {
            return Ok(());
        }
        let name = || file.name.clone();
        let opened = match Opened::open(&self.files, &file.name, false) {
            Ok(opened) => opened,
            Err(error) => {
                let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                report.problems.push(Problem::Unreadable { file: name(), why });
                return Ok(());
            }
        };
        let rows = opened.rows();
        report.rows += rows;
        if rows != file.rows {
            report.problems.push(Problem::Rows {
                file: name(),
                found: rows,
                expected: file.rows,
            });
        }
        let expected = format!("{}/{SCHEMA_VERSION}", file.table());
        let found = opened.footer("plume.schema").unwrap_or("none");
        if found != expected {
            report.problems.push(Problem::Schema {
                file: name(),
                found: found.to_owned(),
                expected,
            });
        }
        Ok(())
    }

    /// Files in the archive's folders that the manifest does not name.
    fn unknown_files(&self, report: &mut Verification) -> Result<(), ArchiveError> {
        let manifest = &self.manifest;
        let folders = manifest.folders.iter().map(String::as_str);
        for folder in folders.chain(["state"]) {
            for file in self.files.list(folder)? {
                let name = format!("{folder}/{file}");
                let known = manifest.names(&name) || manifest.removed_last.contains(&name);
                let ours = Folder::of_file(&name).is_some() || folder == "state";
                if !known && ours && !self.is_ahead(&name) {
                    report.problems.push(Problem::Unknown { file: name });
                }
            }
        }
        Ok(())
    }

    /// Whether a file belongs to an operation that is under way.
    fn is_ahead(&self, name: &str) -> bool {
        let opened = Opened::open(&self.files, name, false);
        opened.is_ok_and(|opened| {
            opened
                .operation()
                .is_some_and(|operation| operation >= self.manifest.seq)
        })
    }
}
