//! A disk in memory that forgets what was not synced, fills up, and fails on command.
//!
//! It models what a log must survive: a write may be short; a file's sectors reach the disk in any order until a sync;
//! a failed sync drops them although reading still shows them; names are durable only after their directory is synced;
//! after a crash every handle is dead and every lock free. Operations that change something are counted, so a test can
//! fail or crash at each of them in turn.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, Inode};
use super::{Fs, FsFile, FsLock};

/// What happens at a counted operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A write takes only half of its bytes, and says so. Other operations are not touched.
    ShortWrite,
    /// A write takes half of its bytes and fails; another operation fails without effect; a sync fails and what it
    /// should have made durable is lost on the disk, though reading still shows it.
    Error,
    /// As `Error`, saying that no space is left.
    NoSpace,
    /// The machine or process dies before this operation; everything fails until [`SimFs::restart`].
    Crash,
}

/// What the crash before a [`SimFs::restart`] took with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Only the process died (kill -9): the system still holds what was written.
    Process,
    /// The power went: nothing survives that was not synced.
    Power,
    /// The power went, and each unsynced sector, length and name had made it to the disk or not, as the seed decides.
    PowerPartly(u64),
}

/// A simulated disk; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimFs {
    disk: Arc<(Mutex<Disk>, Condvar)>,
}

impl SimFs {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `fault` happen at the `after`-th changing operation from now (0 = the next one).
    pub fn inject(&self, after: u64, fault: Fault) {
        let mut disk = self.lock_disk();
        let at = disk.operations + after;
        disk.plan.insert(at, fault);
    }

    /// How many changing operations there were.
    pub fn operations(&self) -> u64 {
        self.lock_disk().operations
    }

    /// Limits the bytes of all files together; a write takes what fits, then fails with "no space left".
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock_disk().capacity_bytes = bytes;
    }

    /// Lets writes reach the disk at once, as a busy system may; cuts still wait for a sync.
    pub fn set_eager(&self, eager: bool) {
        self.lock_disk().eager = eager;
    }

    /// Bytes of all files together.
    pub fn used_bytes(&self) -> u64 {
        self.lock_disk().used_bytes()
    }

    /// While held, a sync does not return: a disk that stalls.
    pub fn hold_syncs(&self, held: bool) {
        self.lock_disk().syncs_held = held;
        self.disk.1.notify_all();
    }

    /// Blocks until a sync is being held.
    pub fn await_held_sync(&self) {
        let mut disk = self.lock_disk();
        while disk.syncs_waiting == 0 {
            disk = self.disk.1.wait(disk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Starts over after a crash (planned or not): old handles stay dead, locks are free, the plan is empty.
    pub fn restart(&self, loss: Loss) {
        let mut disk = self.lock_disk();
        disk.crashed = false;
        disk.life += 1;
        disk.locks.clear();
        disk.plan.clear();
        disk.syncs_held = false;
        disk.lose(loss);
        self.disk.1.notify_all();
    }

    /// A file's bytes as a reader sees them.
    pub fn content(&self, file: &Path) -> Option<Vec<u8>> {
        let disk = self.lock_disk();
        let inode = *disk.names.get(file)?;
        disk.inodes.get(inode).map(|inode| inode.live.clone())
    }

    /// Replaces a file behind everyone's back, durably: bit rot, a restored copy.
    pub fn replace(&self, file: &Path, content: Vec<u8>) {
        let mut disk = self.lock_disk();
        disk.inodes.push(Inode {
            live: content.clone(),
            durable: content,
            dirty: BTreeSet::new(),
        });
        let inode = disk.inodes.len() - 1;
        disk.names.insert(file.to_owned(), inode);
        disk.durable_names.insert(file.to_owned(), inode);
    }

    fn lock_disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, disk: &Disk, inode: usize) -> Arc<dyn FsFile> {
        Arc::new(SimFile {
            fs: self.clone(),
            inode,
            life: disk.life,
        })
    }
}

impl Fault {
    pub(super) fn error(self) -> Option<io::Error> {
        match self {
            Self::ShortWrite | Self::Crash => None,
            Self::Error => Some(io::Error::other("simulated disk error")),
            Self::NoSpace => Some(io::Error::from(io::ErrorKind::StorageFull)),
        }
    }
}

impl Fs for SimFs {
    fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
        self.lock_disk().alive()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.lock_disk();
        disk.alive()?;
        let inside = disk.names.keys().filter(|file| file.parent() == Some(dir));
        Ok(inside
            .filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn lock(&self, file: &Path) -> io::Result<Box<dyn FsLock>> {
        let mut disk = self.lock_disk();
        disk.alive()?;
        if !disk.locks.insert(file.to_owned()) {
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        Ok(Box::new(SimLock {
            fs: self.clone(),
            file: file.to_owned(),
            life: disk.life,
        }))
    }

    fn create(&self, file: &Path) -> io::Result<Arc<dyn FsFile>> {
        let mut disk = self.lock_disk();
        disk.begin_whole()?;
        disk.inodes.push(Inode::default());
        let inode = disk.inodes.len() - 1;
        disk.names.insert(file.to_owned(), inode);
        Ok(self.file(&disk, inode))
    }

    fn open(&self, file: &Path) -> io::Result<Arc<dyn FsFile>> {
        let disk = self.lock_disk();
        disk.alive()?;
        Ok(self.file(&disk, disk.find(file)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.lock_disk();
        disk.begin_whole()?;
        let inode = disk.find(from)?;
        disk.names.remove(from);
        disk.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        let mut disk = self.lock_disk();
        disk.begin_whole()?;
        disk.find(file)?;
        disk.names.remove(file);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.lock_disk();
        disk.begin_whole()?;
        let inside = |file: &Path| file.parent() == Some(dir);
        disk.durable_names.retain(|file, _| !inside(file));
        let live: Vec<_> = disk
            .names
            .iter()
            .filter(|(file, _)| inside(file))
            .map(|(f, &i)| (f.clone(), i))
            .collect();
        disk.durable_names.extend(live);
        Ok(())
    }
}

#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    inode: usize,
    life: u64,
}

impl SimFile {
    /// Runs `act` on the file unless its process is gone.
    fn with<T>(&self, act: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.fs.lock_disk();
        if disk.life != self.life {
            return Err(io::Error::other("the simulated process of this handle is gone"));
        }
        act(&mut disk)
    }
}

fn gone() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl FsFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.with(|disk| {
            disk.alive()?;
            let live = &disk.inodes.get(self.inode).ok_or_else(gone)?.live;
            let from = usize::try_from(position).unwrap_or(usize::MAX).min(live.len());
            let bytes = live.get(from..).unwrap_or_default();
            let count = bytes.len().min(buffer.len());
            if let (Some(to), Some(bytes)) = (buffer.get_mut(..count), bytes.get(..count)) {
                to.copy_from_slice(bytes);
            }
            Ok(count)
        })
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.with(|disk| {
            let fault = disk.begin()?;
            let from = usize::try_from(position).map_err(io::Error::other)?;
            let length = disk.inodes.get(self.inode).ok_or_else(gone)?.live.len();
            let free = disk
                .capacity_bytes
                .map_or(u64::MAX, |capacity| capacity.saturating_sub(disk.used_bytes()));
            let room = usize::try_from(free)
                .unwrap_or(usize::MAX)
                .saturating_add(length.saturating_sub(from));
            let wanted = if fault.is_some() { bytes.len() / 2 } else { bytes.len() };
            let taken = wanted.min(room);
            let inode = disk.inodes.get_mut(self.inode).ok_or_else(gone)?;
            if inode.live.len() < from + taken {
                inode.resize(from + taken);
            }
            if let (Some(to), Some(bytes)) = (inode.live.get_mut(from..from + taken), bytes.get(..taken)) {
                to.copy_from_slice(bytes);
            }
            inode.touch(from, from + taken);
            if disk.eager {
                inode.persist_all();
            }
            if let Some(error) = fault.and_then(Fault::error) {
                return Err(error);
            }
            if taken == 0 && !bytes.is_empty() && room == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            Ok(taken)
        })
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.with(|disk| {
            disk.begin_whole()?;
            let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
            disk.inodes.get_mut(self.inode).ok_or_else(gone)?.resize(bytes);
            Ok(())
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.with(|disk| {
            disk.alive()?;
            Ok(disk.inodes.get(self.inode).ok_or_else(gone)?.live.len() as u64)
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.fs.lock_disk();
        while disk.syncs_held && disk.life == self.life {
            disk.syncs_waiting += 1;
            self.fs.disk.1.notify_all();
            disk = self.fs.disk.1.wait(disk).unwrap_or_else(PoisonError::into_inner);
            disk.syncs_waiting -= 1;
        }
        drop(disk);
        self.with(|disk| {
            let fault = disk.begin()?;
            let inode = disk.inodes.get_mut(self.inode).ok_or_else(gone)?;
            if let Some(error) = fault.and_then(Fault::error) {
                inode.dirty.clear();
                return Err(error);
            }
            inode.durable.truncate(inode.live.len());
            inode.persist_all();
            Ok(())
        })
    }
}

#[derive(Debug)]
struct SimLock {
    fs: SimFs,
    file: PathBuf,
    life: u64,
}

impl FsLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut disk = self.fs.lock_disk();
        if disk.life == self.life {
            disk.locks.remove(&self.file);
        }
    }
}
