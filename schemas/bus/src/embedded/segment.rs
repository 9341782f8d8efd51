//! A segment in memory: where it is, where each line stood when it began, and a sparse index into it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::frame::{Head, Piece, Place, decode_batch};
use super::header::{Header, io_error};
use super::walk::{Start, Stop, Walk, Window, walk};
use crate::BusError;
use crate::fs::{Fs, FsFile};
use crate::ledger::Ledger;
use crate::options::BusOptions;
use crate::record::TopicPartition;

/// A line gets an index entry when this much has been written since its last one: the most a reader looks through
/// before the record it wants. Smaller in small segments, so that tests walk the index too.
const INDEX_STEP_BYTES: u64 = 64 << 10;
/// Entries a segment's index has for a busy line.
const INDEX_STEPS: u64 = 64;

/// For each line, some of its offsets and the positions of their frames.
#[derive(Debug)]
pub(crate) struct Index {
    step_bytes: u64,
    lines: Vec<Vec<(u64, u64)>>,
}

impl Index {
    pub(crate) fn new(lines: usize, options: &BusOptions) -> Self {
        Self {
            step_bytes: INDEX_STEP_BYTES.min(options.segment_bytes / INDEX_STEPS),
            lines: vec![Vec::new(); lines],
        }
    }

    /// Takes note that the frame at `position` holds `offset` of a line.
    pub(crate) fn note(&mut self, slot: usize, offset: u64, position: u64) {
        if let Some(line) = self.lines.get_mut(slot)
            && line.last().is_none_or(|(_, last)| position >= last + self.step_bytes)
        {
            line.push((offset, position));
        }
    }

    /// A position at or before the first record of a line with at least `offset`; `None` if the line has no records
    /// here.
    fn locate(&self, slot: usize, offset: u64) -> Option<u64> {
        let line = self.lines.get(slot)?;
        let after = line.partition_point(|(held, _)| *held <= offset);
        line.get(after.saturating_sub(1)).map(|(_, position)| *position)
    }
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) file: Arc<dyn FsFile>,
    pub(crate) index: Index,
}

/// One file of the log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) first_sequence: u64,
    /// Next offset of each line when the segment began, by slot.
    pub(crate) start: Vec<u64>,
    /// Where frames begin.
    pub(crate) header_bytes: u64,
    pub(crate) repaired: bool,
    loaded: Mutex<Option<Loaded>>,
}

impl Segment {
    pub(crate) fn new(path: PathBuf, header: &Header, header_bytes: u64, loaded: Option<Loaded>) -> Self {
        Self {
            path,
            first_sequence: header.first_sequence,
            start: header.ledger.next().to_vec(),
            header_bytes,
            repaired: header.repaired,
            loaded: Mutex::new(loaded),
        }
    }

    /// The place of a frame in this segment.
    pub(crate) fn place(&self, position: u64) -> Place {
        Place {
            segment: self.first_sequence,
            position,
        }
    }

    pub(crate) fn begin(&self) -> Start {
        Start {
            place: self.place(self.header_bytes),
            sequence: self.first_sequence,
            gaps: self.repaired,
        }
    }

    pub(crate) fn loaded(&self) -> MutexGuard<'_, Option<Loaded>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn unload(&self) {
        *self.loaded() = None;
    }

    /// File and position to look for `offset` of a line; no position if the line has no records here. Needs the segment
    /// loaded.
    pub(crate) fn locate(&self, slot: usize, offset: u64) -> Option<(Arc<dyn FsFile>, Option<u64>)> {
        let loaded = self.loaded();
        let Loaded { file, index } = loaded.as_ref()?;
        Some((Arc::clone(file), index.locate(slot, offset)))
    }

    /// Opens a sealed segment and reads all of it, checking every checksum. True if that was needed.
    pub(crate) fn load(&self, fs: &dyn Fs, options: &BusOptions) -> Result<bool, BusError> {
        if self.loaded().is_some() {
            return Ok(false);
        }
        let file = fs.open(&self.path).map_err(|e| io_error("open", &self.path, e))?;
        let size = file.size().map_err(|e| io_error("read", &self.path, e))?;
        let mut ledger = Ledger::new(options.partitions);
        let (index, walk) = scan(self, &*file, size, &mut ledger, options)?;
        match walk.stop {
            Stop::End => {}
            Stop::Blank | Stop::Torn => return Err(self.damaged(walk.end, "a sealed segment ends within a frame")),
            Stop::Bad { what, .. } => return Err(self.damaged(walk.end, what)),
        }
        *self.loaded() = Some(Loaded { file, index });
        Ok(true)
    }

    pub(crate) fn damaged(&self, offset: u64, what: &'static str) -> BusError {
        BusError::Damaged {
            file: self.path.clone(),
            offset,
            what,
        }
    }
}

/// Walks a segment from its first frame, bringing `ledger` forward and building the index.
pub(crate) fn scan(
    segment: &Segment,
    file: &dyn FsFile,
    size: u64,
    ledger: &mut Ledger,
    options: &BusOptions,
) -> Result<(Index, Walk), BusError> {
    let mut index = Index::new(ledger.next().len(), options);
    let mut window = Window::new(file, size);
    let mut visit = |position: u64, _: &Head, body: &[u8]| {
        advance(ledger, body, |seen| index.note(seen.slot, seen.offset, position))
    };
    let walk = walk(&mut window, segment.begin(), &mut visit).map_err(|e| io_error("read", &segment.path, e))?;
    Ok((index, walk))
}

/// A record met while walking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) at: TopicPartition,
    pub(crate) slot: usize,
    pub(crate) offset: u64,
    /// The offset that would come next if nothing were missing.
    pub(crate) expected: u64,
}

/// Applies a durable body to `ledger`, telling `seen` each record first. `None` if the body is not well formed.
pub(crate) fn advance(ledger: &mut Ledger, body: &[u8], mut seen: impl FnMut(Seen)) -> Option<()> {
    let mut known = true;
    decode_batch(body, |piece| match piece {
        Piece::Record { at, offset, .. } => match (ledger.slot(at), ledger.next_at(at)) {
            (Ok(slot), Ok(expected)) => {
                seen(Seen {
                    at,
                    slot,
                    offset,
                    expected,
                });
                ledger.raise(slot, offset + 1);
            }
            _ => known = false,
        },
        Piece::Commit { consumer, at, offset } => match ledger.slot(at) {
            Ok(_) => ledger.set_committed(consumer, at, offset),
            Err(_) => known = false,
        },
    })?;
    known.then_some(())
}

const SUFFIX: &str = ".log";
/// Width of a sequence in a name: all of u64, so that names sort as numbers.
const NAME_DIGITS: usize = 20;

/// `00000000000000000042.log`.
pub(crate) fn segment_path(dir: &Path, first_sequence: u64) -> PathBuf {
    dir.join(format!("{first_sequence:0NAME_DIGITS$}{SUFFIX}"))
}

/// The sequence in a segment's file name.
pub(crate) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let number = digits.len() == NAME_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    number.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_leads_to_the_last_entry_before() {
        let mut index = Index {
            step_bytes: 100,
            lines: vec![Vec::new(); 2],
        };
        for (offset, position) in [(5, 64), (6, 100), (7, 163), (8, 164), (9, 200), (20, 500)] {
            index.note(0, offset, position);
        }
        assert_eq!(index.lines[0], [(5, 64), (8, 164), (20, 500)], "one entry a step");
        for (offset, position) in [(0, 64), (5, 64), (7, 64), (8, 164), (19, 164), (20, 500), (99, 500)] {
            assert_eq!(index.locate(0, offset), Some(position), "{offset}");
        }
        assert_eq!(index.locate(1, 0), None);
        assert_eq!(index.locate(9, 0), None);
    }

    #[test]
    fn names_sort_as_numbers_and_strangers_are_none() {
        let name = segment_path(Path::new("d"), 42);
        assert_eq!(name, Path::new("d/00000000000000000042.log"));
        assert_eq!(sequence_of("00000000000000000042.log"), Some(42));
        assert_eq!(sequence_of("18446744073709551615.log"), Some(u64::MAX));
        for bad in [
            "42.log",
            "00000000000000000042.log.tmp",
            "+0000000000000000042.log",
            "99999999999999999999.log",
        ] {
            assert_eq!(sequence_of(bad), None, "{bad}");
        }
    }
}
