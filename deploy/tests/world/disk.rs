//! The world's disk: the bus's simulated one, which forgets what was not synced, and beside it a book of what it knows
//! to be durable. The book is made of the bytes themselves, at the sync, by looking for packets in them: it shares no
//! code with the log or the decoder.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plume_bus::fs::{Fault, Fs, FsFile, FsLock, Loss, SimFs};

/// Where the log lies: only there are packets looked for.
pub(crate) const LOG_DIR: &str = "/plume/log";

/// A packet by what an answer names: 请求编码 and MN.
pub(crate) type Named = (String, String);

/// A disk; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    sim: SimFs,
    durable: Arc<Mutex<HashSet<Named>>>,
    /// A canary: syncs that do nothing and say they did.
    lies: bool,
}

impl Disk {
    pub(crate) fn new(lies: bool) -> Self {
        Self {
            sim: SimFs::new(),
            durable: Arc::default(),
            lies,
        }
    }

    /// True if a packet of that name is in bytes that were synced.
    pub(crate) fn knows(&self, named: &Named) -> bool {
        self.book().contains(named)
    }

    /// Lets `fault` happen at the `after`-th changing operation from now.
    pub(crate) fn inject(&self, after: u64, fault: Fault) {
        self.sim.inject(after, fault);
    }

    /// Leaves room for `spare` more bytes, or for any number.
    pub(crate) fn leave_room(&self, spare: Option<u64>) {
        self.sim.set_capacity(spare.map(|spare| self.sim.used_bytes() + spare));
    }

    /// Every handle is dead, every lock free, and what `loss` takes is gone.
    pub(crate) fn restart(&self, loss: Loss) {
        self.sim.restart(loss);
    }

    /// True while the machine is down.
    pub(crate) fn is_down(&self) -> bool {
        self.sim.list(Path::new(LOG_DIR)).is_err()
    }

    fn book(&self) -> MutexGuard<'_, HashSet<Named>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watched(&self, path: &Path, inner: Arc<dyn FsFile>) -> Arc<dyn FsFile> {
        Arc::new(Watched {
            inner,
            disk: self.clone(),
            unsynced: path.starts_with(LOG_DIR).then(Mutex::default),
        })
    }
}

impl Fs for Disk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.sim.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.sim.list(dir)
    }

    fn lock(&self, file: &Path) -> io::Result<Box<dyn FsLock>> {
        self.sim.lock(file)
    }

    fn create(&self, file: &Path) -> io::Result<Arc<dyn FsFile>> {
        Ok(self.watched(file, self.sim.create(file)?))
    }

    fn open(&self, file: &Path) -> io::Result<Arc<dyn FsFile>> {
        Ok(self.watched(file, self.sim.open(file)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.sim.rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.sim.remove(file)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if self.lies {
            return Ok(());
        }
        self.sim.sync_dir(dir)
    }
}

/// An open file, with what was written through it since its last sync.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn FsFile>,
    disk: Disk,
    unsynced: Option<Mutex<Vec<(u64, Vec<u8>)>>>,
}

impl Watched {
    fn unsynced(&self) -> Option<MutexGuard<'_, Vec<(u64, Vec<u8>)>>> {
        let writes = self.unsynced.as_ref()?;
        Some(writes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl FsFile for Watched {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        let written = self.inner.write_at(bytes, position)?;
        if let Some(mut writes) = self.unsynced() {
            writes.push((position, bytes[..written].to_vec()));
        }
        Ok(written)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.inner.set_len(bytes)?;
        if let Some(mut writes) = self.unsynced() {
            writes.retain(|(position, _)| *position < bytes);
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn sync(&self) -> io::Result<()> {
        if self.disk.lies {
            return Ok(());
        }
        let synced = self.inner.sync();
        if let Some(mut writes) = self.unsynced() {
            let writes = std::mem::take(&mut *writes);
            if synced.is_ok() {
                let bytes: Vec<u8> = writes.into_iter().flat_map(|(_, bytes)| bytes).collect();
                self.disk.book().extend(packets_in(&bytes));
            }
        }
        synced
    }
}

/// Every packet whose text stands in `bytes`, by name.
fn packets_in(bytes: &[u8]) -> impl Iterator<Item = Named> {
    let starts = bytes.windows(2).enumerate().filter(|(_, two)| two == b"##");
    starts.filter_map(|(at, _)| name_of(&bytes[at..]))
}

/// What the packet that begins here is called: its QN and its MN, both before the `&&` that opens CP, or behind it in
/// answers of 2005.
pub(crate) fn name_of(packet: &[u8]) -> Option<Named> {
    Some((field(packet, b"QN=")?, field(packet, b"MN=").unwrap_or_default()))
}

/// The text behind the first `key` within the length of a packet, up to a separator.
pub(crate) fn field(packet: &[u8], key: &[u8]) -> Option<String> {
    let packet = &packet[..packet.len().min(2_048)];
    let at = packet.windows(key.len()).position(|window| window == key)? + key.len();
    let length = packet[at..].iter().position(|byte| b";,&".contains(byte))?;
    String::from_utf8(packet[at..at + length].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_has_what_was_synced_and_nothing_else() {
        let disk = Disk::new(false);
        let file = disk.create(Path::new("/plume/log/1.log")).unwrap();
        let named = |qn: &str| (qn.to_owned(), "A1".to_owned());
        let packet = |qn: &str| format!("..##0040QN={qn};ST=31;MN=A1;CP=&&&&0000\r\n").into_bytes();
        file.write_at(&packet("1"), 0).unwrap();
        assert!(!disk.knows(&named("1")));
        file.sync().unwrap();
        assert!(disk.knows(&named("1")));
        file.write_at(&packet("2"), 100).unwrap();
        file.set_len(100).unwrap();
        file.write_at(&packet("3"), 100).unwrap();
        disk.inject(0, Fault::Error);
        assert!(file.sync().is_err());
        file.sync().unwrap();
        for lost in ["2", "3"] {
            assert!(!disk.knows(&named(lost)), "{lost} never reached the disk");
        }
    }
}
