//! Files of the archive by name, relative to its directory, over the bus's [`Fs`] so that tests can make the disk fail.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use plume_bus::fs::{Fs, FsFile, FsLock, read_exact_at, write_all_at};
use sha2::{Digest, Sha256};

use crate::ArchiveError;
use crate::operation::FileEntry;

/// Where a file is written before it gets its name: one writer, so one is enough. Its name does not end in
/// `.parquet`, so no glob
/// sees it.
const UNFINISHED: &str = "unfinished.tmp";
/// Read ahead of a reader that goes through a file.
const READ_AHEAD_BYTES: usize = 64 << 10;

/// The directory of an archive.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    fs: Arc<dyn Fs>,
    root: PathBuf,
    read_bytes: Arc<AtomicU64>,
}

impl Files {
    pub(crate) fn new(fs: Arc<dyn Fs>, root: &Path) -> Self {
        Self {
            fs,
            root: root.to_owned(),
            read_bytes: Arc::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Bytes read through [`Blob`]s so far: what pruning saves shows here.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// Makes the directory and takes its lock.
    pub(crate) fn lock(&self) -> Result<Box<dyn FsLock>, ArchiveError> {
        self.fs
            .create_dir_all(&self.root)
            .map_err(|source| self.failed("make", "", source))?;
        let lock = self.fs.lock(&self.path("lock"));
        lock.map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => ArchiveError::Locked { dir: self.root.clone() },
            _ => self.failed("lock", "lock", source),
        })
    }

    /// Opens a file to read it in pieces.
    pub(crate) fn open(&self, name: &str) -> Result<Blob, ArchiveError> {
        let opened = self.fs.open(&self.path(name)).and_then(|file| Ok((file.size()?, file)));
        let (len, file) = opened.map_err(|source| self.failed("open", name, source))?;
        Ok(Blob {
            file,
            len,
            read_bytes: Arc::clone(&self.read_bytes),
        })
    }

    /// A whole file.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let blob = self.open(name)?;
        let mut content = vec![0; usize::try_from(blob.len).unwrap_or(usize::MAX)];
        read_exact_at(&*blob.file, &mut content, 0).map_err(|source| self.failed("read", name, source))?;
        Ok(content)
    }

    /// A whole file that is to be passed on without a look at what is in it. Errors: other bytes than were written.
    pub(crate) fn read_known(&self, entry: &FileEntry) -> Result<Vec<u8>, ArchiveError> {
        let content = self.read(&entry.name)?;
        let found = sha256_hex(&content);
        if found == entry.sha256 {
            return Ok(content);
        }
        Err(ArchiveError::Damaged {
            file: self.path(&entry.name),
            found: format!("SHA-256 {found}"),
            expected: format!("SHA-256 {}", entry.sha256),
        })
    }

    /// A whole file, or `None` where there is none.
    pub(crate) fn read_if_there(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        match self.read(name) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Names of the files in a folder; none where there is no such folder.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<String>, ArchiveError> {
        match self.fs.list(&self.path(folder)) {
            Ok(names) => Ok(names),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(self.failed("list", folder, source)),
        }
    }

    /// Makes `name` hold `content`, durably and all at once: whoever looks sees the file that was or the file that is.
    pub(crate) fn put(&self, name: &str, content: &[u8]) -> Result<(), ArchiveError> {
        let (target, unfinished) = (self.path(name), self.path(UNFINISHED));
        let folder = target.parent().unwrap_or(&self.root);
        self.fs
            .create_dir_all(folder)
            .map_err(|source| self.failed("make the folder of", name, source))?;
        let written = self.fs.create(&unfinished).and_then(|file| {
            write_all_at(&*file, content, 0)?;
            file.sync()
        });
        written.map_err(|source| self.failed("write", name, source))?;
        self.fs
            .rename(&unfinished, &target)
            .and_then(|()| self.fs.sync_dir(folder))
            .map_err(|source| self.failed("put in place", name, source))
    }

    /// Removes files that may be there; the removal is durable some time later, and done again if it was not.
    pub(crate) fn remove<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<(), ArchiveError> {
        for name in names {
            match self.fs.remove(&self.path(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.failed("remove", name, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds `content` to the end of `name` at `position`, durably. An error leaves the end of the file unknown.
    pub(crate) fn append(&self, name: &str, content: &[u8], position: u64) -> Result<(), ArchiveError> {
        let path = self.path(name);
        let file = match self.fs.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self
                .fs
                .create(&path)
                .and_then(|file| self.fs.sync_dir(&self.root).map(|()| file)),
            other => other,
        };
        file.and_then(|file| {
            write_all_at(&*file, content, position)?;
            file.sync()
        })
        .map_err(|source| self.failed("append to", name, source))
    }

    /// Cuts `name` to `bytes`, durably.
    pub(crate) fn cut(&self, name: &str, bytes: u64) -> Result<(), ArchiveError> {
        let file = self.fs.open(&self.path(name));
        file.and_then(|file| {
            file.set_len(bytes)?;
            file.sync()
        })
        .map_err(|source| self.failed("cut", name, source))
    }

    fn failed(&self, what: &'static str, name: &str, source: io::Error) -> ArchiveError {
        ArchiveError::Io {
            what,
            file: self.path(name),
            source,
        }
    }
}

/// SHA-256 as 64 hex digits.
pub(crate) fn sha256_hex(content: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(content) {
        // Writing to a string does not fail.
        if write!(text, "{byte:02x}").is_err() {
            break;
        }
    }
    text
}

/// An open file, for the Parquet reader.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    file: Arc<dyn FsFile>,
    len: u64,
    read_bytes: Arc<AtomicU64>,
}

impl Length for Blob {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for Blob {
    type T = BufReader<FromHere>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let from_here = FromHere {
            blob: self.clone(),
            position: start,
        };
        Ok(BufReader::with_capacity(READ_AHEAD_BYTES, from_here))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut buffer = vec![0; length];
        read_exact_at(&*self.file, &mut buffer, start).map_err(|error| ParquetError::External(Box::new(error)))?;
        self.read_bytes.fetch_add(length as u64, Ordering::Relaxed);
        Ok(buffer.into())
    }
}

/// Reads a [`Blob`] onward from a position.
#[derive(Debug)]
pub(crate) struct FromHere {
    blob: Blob,
    position: u64,
}

impl Read for FromHere {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.blob.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        self.blob.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
