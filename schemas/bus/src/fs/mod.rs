//! The few file operations the embedded log is made of, so that tests can put a failing disk underneath.
//!
//! [`RealFs`] is the disk. [`SimFs`] is a disk in memory that loses what was not synced, fills up, and fails on
//! command; the world test of the binary uses it too, so it is not hidden behind `cfg(test)`.

mod disk;
mod real;
mod sim;

use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

pub use real::RealFs;
pub use sim::{Fault, Loss, SimFs};

/// A file system as far as the log needs one. Blocking; the log calls it on its own thread or on blocking threads.
pub trait Fs: fmt::Debug + Send + Sync {
    /// Makes `dir` and its parents, durably. Fine if it exists.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Names of the files in `dir`, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Takes the exclusive lock on `file`, made if missing; [`io::ErrorKind::WouldBlock`] if somebody holds it. Freed
    /// when the guard drops or its process dies.
    fn lock(&self, file: &Path) -> io::Result<Box<dyn FsLock>>;
    /// Makes `file`, emptying one that exists. The name is durable after [`Fs::sync_dir`].
    fn create(&self, file: &Path) -> io::Result<Arc<dyn FsFile>>;
    /// Opens `file` to read and write.
    fn open(&self, file: &Path) -> io::Result<Arc<dyn FsFile>>;
    /// Renames, replacing `to`. Durable after [`Fs::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Unlinks; open files stay readable. Durable after [`Fs::sync_dir`].
    fn remove(&self, file: &Path) -> io::Result<()>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file. Positions are explicit, so that readers and the writer share it.
pub trait FsFile: fmt::Debug + Send + Sync {
    /// Reads at most `buffer.len()` bytes at `position`; fewer is normal, 0 is the end.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes at most `bytes.len()` bytes at `position`; fewer is normal.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize>;
    /// Cuts or extends the file.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Its length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Returns when content and length are on the disk. After an error the state of everything since the last success
    /// is unknown, and asking again proves nothing.
    fn sync(&self) -> io::Result<()>;
}

/// Holds a lock until dropped.
pub trait FsLock: fmt::Debug + Send {}

/// Writes all of `bytes` at `position`.
pub fn write_all_at(file: &dyn FsFile, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, position) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                position += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `buffer` from `position`; the file ending before is an error.
pub fn read_exact_at(file: &dyn FsFile, mut buffer: &mut [u8], mut position: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, position) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Ok(read) => {
                buffer = buffer.get_mut(read..).unwrap_or_default();
                position += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// True for "no space left": the one write error that leaves the file as good as it was.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
