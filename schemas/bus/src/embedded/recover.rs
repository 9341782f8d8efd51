//! Opening a directory: lock, headers, the tail. Ends with a log that is whole, durable, and known.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::header::{Flaw, Header, io_error};
use super::repair;
use super::segment::{Loaded, Segment, scan, segment_path, sequence_of};
use super::shared::{Held, Shared};
use super::walk::Stop;
use crate::BusError;
use crate::findings::{Finding, FindingKind};
use crate::fs::{Fs, FsFile, FsLock, read_exact_at, write_all_at};
use crate::ledger::Ledger;
use crate::options::{BusOptions, Recovery};

/// Locked in the directory of a log while a process has it open; no part of the data.
pub const LOCK_FILE: &str = "LOCK";
const TMP_SUFFIX: &str = ".tmp";
/// Sequences start here; 0 means "none" in headers.
const FIRST_SEQUENCE: u64 = 1;
/// Partitions are fixed until the log can grow (D7).
pub(crate) const GENERATION: u32 = 1;

/// An opened log, before its writer runs.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) shared: Shared,
    pub(crate) lock: Box<dyn FsLock>,
    /// The segment being written, and where its next frame goes.
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn FsFile>,
    pub(crate) position: u64,
    pub(crate) sequence: u64,
    pub(crate) findings: Vec<Finding>,
}

/// Opens `dir`, making it if needed; then every line begins at `first`.
pub(crate) fn recover(fs: Arc<dyn Fs>, dir: &Path, options: BusOptions, first: u64) -> Result<Recovered, BusError> {
    fs.create_dir_all(dir).map_err(|e| io_error("make directory", dir, e))?;
    let lock = take_lock(&*fs, dir)?;
    let mut sequences = list_segments(&*fs, dir)?;
    let mut findings = Vec::new();
    if sequences.is_empty() {
        let header = Header {
            clock: options.clock,
            partitions: options.partitions,
            generation: GENERATION,
            first_sequence: FIRST_SEQUENCE,
            repaired: false,
            previous: None,
            ledger: Ledger::beginning_at(options.partitions, first),
        };
        place_segment(&*fs, dir, &header, |_, _| Ok(())).map_err(|e| io_error("make the first segment in", dir, e))?;
        sequences.push(FIRST_SEQUENCE);
    } else if options.recovery == Recovery::SetAside {
        findings = repair::repair(&*fs, dir, &options, &sequences)?;
        sequences = list_segments(&*fs, dir)?;
    }
    let mut opened = open_all(&*fs, dir, &options, &sequences)?;
    let tail = opened
        .pop()
        .ok_or_else(|| io_error("find segments in", dir, io::ErrorKind::NotFound.into()))?;
    let tail = Tail::settle(&*fs, dir, tail, &options)?;
    let mut segments: VecDeque<Held> = opened.into_iter().map(Held::from).collect();
    findings.extend(tail.finding);
    let segment = Arc::new(tail.segment);
    segments.push_back(Held {
        segment: Arc::clone(&segment),
        bytes: tail.position,
    });
    Ok(Recovered {
        shared: Shared::new(fs, dir.to_owned(), options, GENERATION, tail.ledger, segments),
        lock,
        segment,
        file: tail.file,
        position: tail.position,
        sequence: tail.sequence,
        findings,
    })
}

fn take_lock(fs: &dyn Fs, dir: &Path) -> Result<Box<dyn FsLock>, BusError> {
    fs.lock(&dir.join(LOCK_FILE)).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => BusError::Locked { dir: dir.to_owned() },
        _ => io_error("lock", dir, error),
    })
}

/// First sequences of the segments, ascending. Removes what a crash left half made.
fn list_segments(fs: &dyn Fs, dir: &Path) -> Result<Vec<u64>, BusError> {
    let names = fs.list(dir).map_err(|e| io_error("list", dir, e))?;
    for name in names.iter().filter(|name| name.ends_with(TMP_SUFFIX)) {
        let file = dir.join(name);
        fs.remove(&file).map_err(|e| io_error("remove", &file, e))?;
    }
    let mut sequences: Vec<u64> = names.iter().filter_map(|name| sequence_of(name)).collect();
    sequences.sort_unstable();
    Ok(sequences)
}

/// Refuses a log that is not the one asked for. Not damage: nothing is touched.
pub(crate) fn check_identity(header: &Header, dir: &Path, options: &BusOptions) -> Result<(), BusError> {
    let dir = dir.to_owned();
    if header.clock != options.clock {
        return Err(BusError::ClockMismatch {
            dir,
            found: header.clock,
            asked: options.clock,
        });
    }
    if header.partitions != options.partitions {
        return Err(BusError::PartitionsMismatch {
            dir,
            found: header.partitions,
            asked: options.partitions,
        });
    }
    Ok(())
}

/// Reads every header and checks that they make one chain; frames of sealed segments are read when somebody asks for
/// them.
fn open_all(fs: &dyn Fs, dir: &Path, options: &BusOptions, sequences: &[u64]) -> Result<Vec<Opened>, BusError> {
    let mut opened: Vec<Opened> = Vec::with_capacity(sequences.len());
    for &sequence in sequences {
        let path = segment_path(dir, sequence);
        let file = fs.open(&path).map_err(|e| io_error("open", &path, e))?;
        let bytes = file.size().map_err(|e| io_error("read", &path, e))?;
        let (header, header_bytes) = Header::read(&*file, &path).map_err(|error| error.at(&path))?;
        check_identity(&header, dir, options)?;
        if header.first_sequence != sequence {
            return Err(Flaw::Damaged("the file name does not match the segment header").at(&path));
        }
        if let Some(before) = opened.last() {
            check_chain(before, &header, dir, &path)?;
        }
        opened.push(Opened {
            path,
            header,
            header_bytes,
            bytes,
        });
    }
    Ok(opened)
}

fn check_chain(before: &Opened, header: &Header, dir: &Path, path: &Path) -> Result<(), BusError> {
    let Some(previous) = header.previous else {
        return Err(Flaw::Damaged("the segment says it is the first, but an older one is there").at(path));
    };
    if previous.first_sequence != before.header.first_sequence {
        return Err(BusError::Damaged {
            file: segment_path(dir, previous.first_sequence),
            offset: 0,
            what: "the segment is missing",
        });
    }
    if previous.bytes != before.bytes && !before.header.repaired {
        return Err(BusError::Damaged {
            file: before.path.clone(),
            offset: previous.bytes.min(before.bytes),
            what: "the segment does not have the length it was sealed with",
        });
    }
    Ok(())
}

/// A segment whose header was read.
#[derive(Debug)]
struct Opened {
    path: PathBuf,
    header: Header,
    header_bytes: u64,
    bytes: u64,
}

/// The newest segment, scanned, cut and durable.
#[derive(Debug)]
struct Tail {
    segment: Segment,
    file: Arc<dyn FsFile>,
    ledger: Ledger,
    position: u64,
    sequence: u64,
    finding: Option<Finding>,
}

impl Tail {
    fn settle(fs: &dyn Fs, dir: &Path, opened: Opened, options: &BusOptions) -> Result<Self, BusError> {
        let path = &opened.path;
        let failed = |action| move |e| io_error(action, path, e);
        let file = fs.open(path).map_err(failed("open"))?;
        let segment = Segment::new(path.clone(), &opened.header, opened.header_bytes, None);
        let mut ledger = opened.header.ledger;
        let (index, walk) = scan(&segment, &*file, opened.bytes, &mut ledger, options)?;
        let mut finding = Finding {
            file: path.clone(),
            offset: walk.end,
            bytes: opened.bytes - walk.end,
            kind: FindingKind::TornTail,
            kept_in: None,
            lost: Vec::new(),
            skipped: Vec::new(),
        };
        let finding = match walk.stop {
            Stop::End | Stop::Blank => None,
            Stop::Torn => Some(finding),
            Stop::Bad {
                was_durable: true,
                what,
                ..
            } => return Err(segment.damaged(walk.end, what)),
            Stop::Bad { .. } => {
                finding.kind = FindingKind::UnsureTail;
                finding.kept_in = Some(keep_aside(fs, dir, path, &*file, walk.end, opened.bytes)?);
                Some(finding)
            }
        };
        if opened.bytes > walk.end {
            file.set_len(walk.end).map_err(failed("cut"))?;
        }
        // The last group may be in the system's memory only: killed before its sync, or after a sync that failed, when
        // asking again proves nothing. Writing it once more makes the sync below mean what it says.
        let mut doubtful = vec![0; usize::try_from(walk.end - walk.doubt_from).unwrap_or_default()];
        read_exact_at(&*file, &mut doubtful, walk.doubt_from).map_err(failed("read"))?;
        write_all_at(&*file, &doubtful, walk.doubt_from).map_err(failed("write"))?;
        file.sync().map_err(failed("sync"))?;
        fs.sync_dir(dir).map_err(|e| io_error("sync", dir, e))?;
        *segment.loaded() = Some(Loaded {
            file: Arc::clone(&file),
            index,
        });
        Ok(Self {
            segment,
            file,
            ledger,
            position: walk.end,
            sequence: walk.sequence,
            finding,
        })
    }
}

impl From<Opened> for Held {
    fn from(opened: Opened) -> Self {
        Self {
            bytes: opened.bytes,
            segment: Arc::new(Segment::new(opened.path, &opened.header, opened.header_bytes, None)),
        }
    }
}

/// Copies `[from, to)` of a segment to `SEGMENT.at-OFFSET.damaged`, durably.
pub(crate) fn keep_aside(
    fs: &dyn Fs,
    dir: &Path,
    path: &Path,
    file: &dyn FsFile,
    from: u64,
    to: u64,
) -> Result<PathBuf, BusError> {
    let mut kept = path.as_os_str().to_owned();
    kept.push(format!(".at-{from}.damaged"));
    let kept = PathBuf::from(kept);
    let copy = || {
        let mut bytes = vec![0; usize::try_from(to - from).map_err(io::Error::other)?];
        read_exact_at(file, &mut bytes, from)?;
        let copy = fs.create(&kept)?;
        write_all_at(&*copy, &bytes, 0)?;
        copy.sync()?;
        fs.sync_dir(dir)
    };
    copy().map_err(|e| io_error("keep the damaged part in", &kept, e))?;
    Ok(kept)
}

/// Makes or replaces a segment, durably: whole or not at all. `fill` writes its frames from the position it is given.
pub(crate) fn place_segment(
    fs: &dyn Fs,
    dir: &Path,
    header: &Header,
    fill: impl FnOnce(&dyn FsFile, u64) -> io::Result<()>,
) -> io::Result<()> {
    make_segment(fs, dir, header, fill)?;
    fs.sync_dir(dir)
}

/// [`place_segment`] without the last step, syncing the directory. After an error there is no new segment.
pub(crate) fn make_segment(
    fs: &dyn Fs,
    dir: &Path,
    header: &Header,
    fill: impl FnOnce(&dyn FsFile, u64) -> io::Result<()>,
) -> io::Result<(Arc<dyn FsFile>, u64)> {
    let path = segment_path(dir, header.first_sequence);
    let mut tmp = path.as_os_str().to_owned();
    tmp.push(TMP_SUFFIX);
    let tmp = PathBuf::from(tmp);
    let bytes = header.encode();
    let make = || {
        let file = fs.create(&tmp)?;
        write_all_at(&*file, &bytes, 0)?;
        fill(&*file, bytes.len() as u64)?;
        file.sync()?;
        fs.rename(&tmp, &path)?;
        Ok(file)
    };
    let made: io::Result<_> = make();
    if made.is_err() {
        // Best effort: what stays is removed when the log is opened again.
        drop(fs.remove(&tmp));
    }
    Ok((made?, bytes.len() as u64))
}
