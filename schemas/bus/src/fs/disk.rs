//! The state of a simulated disk: what is written, what is durable, what is planned.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::sim::{Fault, Loss};

/// What reaches the disk as a whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) inodes: Vec<Inode>,
    pub(super) names: BTreeMap<PathBuf, usize>,
    pub(super) durable_names: BTreeMap<PathBuf, usize>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) plan: BTreeMap<u64, Fault>,
    pub(super) operations: u64,
    pub(super) capacity_bytes: Option<u64>,
    pub(super) eager: bool,
    pub(super) syncs_held: bool,
    pub(super) syncs_waiting: usize,
    pub(super) crashed: bool,
    pub(super) life: u64,
}

#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) live: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) dirty: BTreeSet<usize>,
}

impl Disk {
    pub(super) fn used_bytes(&self) -> u64 {
        let inodes: BTreeSet<_> = self.names.values().collect();
        inodes
            .into_iter()
            .filter_map(|&inode| self.inodes.get(inode))
            .map(|inode| inode.live.len() as u64)
            .sum()
    }

    /// Counts a changing operation and says what is planned for it.
    pub(super) fn begin(&mut self) -> io::Result<Option<Fault>> {
        self.alive()?;
        let fault = self.plan.remove(&self.operations);
        self.operations += 1;
        if fault == Some(Fault::Crash) {
            self.crashed = true;
        }
        self.alive()?;
        Ok(fault)
    }

    /// [`Self::begin`] for operations that fail without effect.
    pub(super) fn begin_whole(&mut self) -> io::Result<()> {
        self.begin()?.map_or(Ok(()), |fault| fault.error().map_or(Ok(()), Err))
    }

    pub(super) fn alive(&self) -> io::Result<()> {
        if self.crashed {
            Err(io::Error::other("the simulated machine is down"))
        } else {
            Ok(())
        }
    }

    pub(super) fn find(&self, file: &Path) -> io::Result<usize> {
        self.names
            .get(file)
            .copied()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    pub(super) fn lose(&mut self, loss: Loss) {
        let mut chance = match loss {
            Loss::Process => return,
            Loss::Power => None,
            Loss::PowerPartly(seed) => Some(Chance(seed)),
        };
        let mut kept = || chance.as_mut().is_some_and(Chance::coin);
        for inode in &mut self.inodes {
            if inode.live.len() != inode.durable.len() && kept() {
                inode.durable.resize(inode.live.len(), 0);
            }
            for sector in std::mem::take(&mut inode.dirty) {
                if kept() {
                    inode.persist(sector);
                }
            }
            inode.live.clone_from(&inode.durable);
        }
        let names = self
            .names
            .keys()
            .chain(self.durable_names.keys())
            .cloned()
            .collect::<BTreeSet<_>>();
        for name in names {
            match (self.names.get(&name).copied(), kept()) {
                (Some(inode), true) => _ = self.durable_names.insert(name, inode),
                (None, true) => _ = self.durable_names.remove(&name),
                (_, false) => {}
            }
        }
        self.names.clone_from(&self.durable_names);
    }
}

impl Inode {
    /// Copies one sector to the disk, as far as the durable length goes.
    pub(super) fn persist(&mut self, sector: usize) {
        let end = ((sector + 1) * SECTOR_BYTES)
            .min(self.live.len())
            .min(self.durable.len());
        let range = (sector * SECTOR_BYTES).min(end)..end;
        if let (Some(to), Some(from)) = (self.durable.get_mut(range.clone()), self.live.get(range)) {
            to.copy_from_slice(from);
        }
    }

    /// Everything written is on the disk; a cut is not.
    pub(super) fn persist_all(&mut self) {
        self.durable.resize(self.live.len().max(self.durable.len()), 0);
        for sector in std::mem::take(&mut self.dirty) {
            self.persist(sector);
        }
    }

    pub(super) fn touch(&mut self, from: usize, to: usize) {
        if to > from {
            self.dirty.extend(from / SECTOR_BYTES..=(to - 1) / SECTOR_BYTES);
        }
    }

    pub(super) fn resize(&mut self, bytes: usize) {
        let before = self.live.len();
        self.live.resize(bytes, 0);
        self.touch(before.min(bytes), before.max(bytes));
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough chance for coins, and the same on every machine.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn coin(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) & 1 == 1
    }
}
