//! Walking a segment frame by frame, and telling what stopped the walk: the end, an unfinished write, or damage.

use std::io;
use std::path::Path;

use super::frame::{FRAME_HEADER_BYTES, Head, Kind, MARKER, Place};
use super::header::{Header, io_error};
use crate::BusError;
use crate::fs::{Fs as _, FsFile, RealFs, read_exact_at};

/// Bytes read at once: a few frames of a busy log, and small beside a segment.
const WINDOW_BYTES: u64 = 128 << 10;

/// A whole frame may end in so many zeros of its own: the numbers of a commit, bytes of a payload. More of them, up to
/// the end of the file, are what the writer had put ahead of a write that was interrupted.
const OWN_ZEROS: u64 = 16;

/// A part of a file in memory, moved forward as the walk goes.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    file: &'a dyn FsFile,
    /// Nothing at or after this position is looked at.
    end: u64,
    start: u64,
    buffer: Vec<u8>,
}

/// What lies at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A whole frame with the right checksums.
    Frame(Head),
    /// The end.
    End,
    /// The start of a frame that the file ends within.
    Short,
    /// Bytes that are no frame.
    Bad(&'static str),
}

impl<'a> Window<'a> {
    pub(crate) fn new(file: &'a dyn FsFile, end: u64) -> Self {
        Self {
            file,
            end,
            start: 0,
            buffer: Vec::new(),
        }
    }

    /// `count` bytes at `position`, or `None` if the end comes before.
    pub(crate) fn bytes(&mut self, position: u64, count: usize) -> io::Result<Option<&[u8]>> {
        let Some(left) = self.end.checked_sub(position).filter(|left| *left >= count as u64) else {
            return Ok(None);
        };
        let held = position
            .checked_sub(self.start)
            .and_then(|from| usize::try_from(from).ok());
        let from = match held {
            Some(from) if from + count <= self.buffer.len() => from,
            _ => {
                let fill = left.min(WINDOW_BYTES.max(count as u64));
                self.buffer.resize(usize::try_from(fill).map_err(io::Error::other)?, 0);
                self.start = position;
                let read = read_exact_at(self.file, &mut self.buffer, position);
                if read.is_err() {
                    self.buffer.clear();
                }
                read?;
                0
            }
        };
        Ok(self.buffer.get(from..from + count))
    }

    /// What lies at `place`, its body's checksum included.
    pub(crate) fn step(&mut self, place: Place) -> io::Result<Step> {
        if place.position >= self.end {
            return Ok(Step::End);
        }
        let Some(bytes) = self.bytes(place.position, FRAME_HEADER_BYTES)? else {
            return Ok(Step::Short);
        };
        let Some(head) = Head::decode(bytes, place) else {
            return Ok(Step::Bad("a frame header does not match its checksum"));
        };
        Ok(match self.body(place.position, &head)? {
            None => Step::Short,
            Some(body) if crc32fast::hash(body) == head.body_crc => Step::Frame(head),
            Some(_) => Step::Bad("a frame body does not match its checksum"),
        })
    }

    /// The body of the frame at `position`.
    pub(crate) fn body(&mut self, position: u64, head: &Head) -> io::Result<Option<&[u8]>> {
        self.bytes(position + FRAME_HEADER_BYTES as u64, head.body_bytes as usize)
    }

    /// Position and head of the first whole frame after `place` whose sequence is above `sequence`.
    fn resume(&mut self, place: Place, sequence: u64) -> io::Result<Option<(u64, Head)>> {
        let mut position = place.position + 1;
        while let Some(bytes) = self.bytes(position, MARKER.len())? {
            if bytes == MARKER
                && let Step::Frame(head) = self.step(Place { position, ..place })?
                && head.sequence > sequence
            {
                return Ok(Some((position, head)));
            }
            position += 1;
        }
        Ok(None)
    }

    /// One past the last byte from `position` on that is not zero; `position` where there is none.
    fn written_to(&mut self, mut position: u64) -> io::Result<u64> {
        let mut written = position;
        while position < self.end {
            let count = usize::try_from((self.end - position).min(WINDOW_BYTES)).map_err(io::Error::other)?;
            let bytes = self.bytes(position, count)?.unwrap_or_default();
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                written = position + last as u64 + 1;
            }
            position += count as u64;
        }
        Ok(written)
    }

    /// One past the frame at `place`, as far as its head tells: past the head, if that is not whole.
    fn frame_end(&mut self, place: Place) -> io::Result<u64> {
        let bytes = self.bytes(place.position, FRAME_HEADER_BYTES)?.unwrap_or_default();
        let head = Head::decode(bytes, place);
        Ok(place.position + head.map_or(FRAME_HEADER_BYTES as u64, |head| head.frame_bytes()))
    }
}

/// Where a walk begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) place: Place,
    /// The sequence expected first.
    pub(crate) sequence: u64,
    /// Sequences may jump forward: the segment has been repaired, or is being.
    pub(crate) gaps: bool,
}

/// What ended a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The end of the file, right after a frame.
    End,
    /// The end of what was written, right after a frame: zeros lie there, as the writer puts them ahead.
    Blank,
    /// A write that was not finished: never acknowledged.
    Torn,
    /// Bytes that are no whole frame, with whole frames again from `resumes` on, if there are any.
    ///
    /// `was_durable` says that the bytes had been on disk: something written later proves it. Without that proof it may
    /// be a write that a power cut left half done; rot of the very last batch of an unclean end cannot be told from it.
    Bad {
        what: &'static str,
        resumes: Option<u64>,
        was_durable: bool,
    },
}

/// What a walk found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    /// One past the last whole frame.
    pub(crate) end: u64,
    /// Where the last group of frames begins: those after it are not known to be on disk.
    pub(crate) doubt_from: u64,
    /// Sequence of the frame that comes next.
    pub(crate) sequence: u64,
    pub(crate) stop: Stop,
}

/// Is handed position, head and body of a frame; `None` says that the body is not well formed.
pub(crate) type Visit<'v> = dyn FnMut(u64, &Head, &[u8]) -> Option<()> + 'v;

/// Visits whole frames in order until something stops it.
pub(crate) fn walk(window: &mut Window<'_>, from: Start, visit: &mut Visit<'_>) -> io::Result<Walk> {
    let mut place = from.place;
    let mut sequence = from.sequence;
    let mut group = (sequence, place.position);
    let stop = loop {
        let what = match window.step(place)? {
            Step::End => break Stop::End,
            Step::Short if window.written_to(place.position)? == place.position => break Stop::Blank,
            Step::Short => break Stop::Torn,
            Step::Bad(what) => break classify(window, place, sequence, what)?,
            Step::Frame(head) => {
                let next = place.position + head.frame_bytes();
                let in_order = head.sequence == sequence || from.gaps && head.sequence > sequence;
                let body = window.body(place.position, &head)?.unwrap_or_default();
                let visited = match head.kind {
                    _ if !in_order => Err("a frame is out of sequence"),
                    Kind::Close if body.is_empty() => Ok(()),
                    Kind::Batch => visit(place.position, &head, body).ok_or("a frame body is not well formed"),
                    Kind::Close => Err("a closing frame is not empty"),
                };
                if visited.is_ok() {
                    if head.durable_before != group.0 {
                        group = (head.durable_before, place.position);
                    }
                    sequence = head.sequence + 1;
                    place.position = next;
                }
                visited.err().map(|what| (what, next))
            }
        };
        if let Some((what, next)) = what {
            break Stop::Bad {
                what,
                resumes: Some(next),
                was_durable: true,
            };
        }
    };
    Ok(Walk {
        end: place.position,
        doubt_from: group.1,
        sequence,
        stop,
    })
}

/// Bytes from the start of a segment that are whole frames. Of the newest segment of a log in use this is what may be
/// copied: behind it frames come while one reads, and zeros that were there a moment ago. Errors: no segment of this
/// version, or a file that cannot be read.
pub fn whole_bytes(path: &Path) -> Result<u64, BusError> {
    let failed = |e| io_error("read", path, e);
    let file = RealFs.open(path).map_err(failed)?;
    let (header, header_bytes) = Header::read(&*file, path).map_err(|error| error.at(path))?;
    let from = Start {
        place: Place {
            segment: header.first_sequence,
            position: header_bytes,
        },
        sequence: header.first_sequence,
        gaps: header.repaired,
    };
    let size = file.size().map_err(failed)?;
    let walk = walk(&mut Window::new(&*file, size), from, &mut |_, _, _| Some(())).map_err(failed)?;
    Ok(walk.end)
}

/// Bytes at `place` are no frame. They are damage if a later frame says that everything before it was on disk.
fn classify(window: &mut Window<'_>, place: Place, expected: u64, what: &'static str) -> io::Result<Stop> {
    let written = window.written_to(place.position)?;
    if written == place.position {
        return Ok(Stop::Blank);
    }
    if written + OWN_ZEROS <= window.frame_end(place)? {
        return Ok(Stop::Torn);
    }
    let mut after = place;
    let mut resumes = None;
    let mut was_durable = false;
    while !was_durable && let Some((position, head)) = window.resume(after, expected)? {
        resumes = resumes.or(Some(position));
        was_durable = head.durable_before > expected;
        after.position = position;
    }
    Ok(Stop::Bad {
        what,
        resumes,
        was_durable,
    })
}
