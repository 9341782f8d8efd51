//! Reading a whole segment over every damaged part: what is whole, what is not, and which offsets are missing.

use std::io;
use std::ops::Range;

use super::frame::{FRAME_HEADER_BYTES, Head, Place, smallest_record};
use super::segment::{Seen, advance};
use super::walk::{Start, Stop, Window, walk};
use crate::fs::FsFile;
use crate::ledger::Ledger;
use crate::record::TopicPartition;

/// A stretch of whole frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Sequence expected first.
    pub(crate) sequence: u64,
}

/// A stretch of bytes that are no frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bad {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) what: &'static str,
    /// It may be a write that was never finished.
    pub(crate) unfinished: bool,
    /// It may have held frames; not if the sequences around it meet.
    pub(crate) held_frames: bool,
}

/// What a segment is found to be.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) whole: Vec<Whole>,
    pub(crate) bad: Vec<Bad>,
    /// Offsets missing before the frame at a position.
    pub(crate) gaps: Vec<(u64, TopicPartition, Range<u64>)>,
    /// Where everyone stands at the end.
    pub(crate) ledger: Ledger,
    /// First offset of each line that has records here, by slot.
    pub(crate) first: Vec<Option<u64>>,
    /// Sequence of the next frame if the last bad stretch held none.
    expected: u64,
    /// Lines with records after the last bad stretch: nothing of theirs is missing at the end.
    settled: Vec<bool>,
}

impl Survey {
    /// Reads `file` from `from` on; `ledger` is where everyone stood there. From 0 it looks for the first frame itself.
    pub(crate) fn of(file: &dyn FsFile, size: u64, segment: u64, from: u64, ledger: Ledger) -> io::Result<Self> {
        let lines = ledger.next().len();
        let mut survey = Self {
            whole: Vec::new(),
            bad: Vec::new(),
            gaps: Vec::new(),
            ledger,
            first: vec![None; lines],
            expected: segment,
            settled: vec![false; lines],
        };
        let mut window = Window::new(file, size);
        let mut position = from;
        let mut sequence = if from == 0 { segment - 1 } else { segment };
        loop {
            let start = Start {
                place: Place { segment, position },
                sequence,
                gaps: true,
            };
            let walk = walk(&mut window, start, &mut |position, head: &Head, body| {
                survey.take(position, head, body)
            })?;
            survey.whole.push(Whole {
                from: position,
                to: walk.end,
                sequence,
            });
            let (what, resumes, unfinished) = match walk.stop {
                Stop::End => return Ok(survey),
                Stop::Blank | Stop::Torn => ("the segment ends within a frame", None, true),
                Stop::Bad {
                    what,
                    resumes,
                    was_durable,
                } => (what, resumes, !was_durable),
            };
            survey.bad.push(Bad {
                from: walk.end,
                to: resumes.unwrap_or(size),
                what,
                unfinished,
                held_frames: true,
            });
            survey.settled.fill(false);
            let Some(resumes) = resumes else { return Ok(survey) };
            (position, sequence) = (resumes, walk.sequence);
        }
    }

    fn take(&mut self, position: u64, head: &Head, body: &[u8]) -> Option<()> {
        if head.sequence == self.expected
            && let Some(bad) = self.bad.last_mut().filter(|bad| bad.to == position)
        {
            bad.held_frames = false;
        }
        self.expected = head.sequence + 1;
        let Self {
            gaps,
            ledger,
            first,
            settled,
            ..
        } = self;
        advance(ledger, body, |seen: Seen| {
            if seen.offset > seen.expected {
                gaps.push((position, seen.at, seen.expected..seen.offset));
            }
            if let (Some(first), Some(settled)) = (first.get_mut(seen.slot), settled.get_mut(seen.slot)) {
                first.get_or_insert(seen.offset);
                *settled = true;
            }
        })
    }

    /// True if all that is wrong is an unfinished write at the end, as an unclean end leaves it.
    pub(crate) fn is_unclean_end(&self) -> bool {
        matches!(self.bad.as_slice(), [only] if only.unfinished)
    }

    /// A ledger beyond every offset that the bad stretches can have held, for when nothing later tells.
    pub(crate) fn beyond(&self) -> Ledger {
        let holding = self.bad.iter().filter(|bad| bad.held_frames);
        let bytes: u64 = holding.map(|bad| bad.to - bad.from).sum();
        let most = bytes.saturating_sub(FRAME_HEADER_BYTES as u64) / smallest_record();
        let mut beyond = self.ledger.clone();
        for (slot, _) in self.settled.iter().enumerate().filter(|(_, settled)| !**settled) {
            let next = self.ledger.next().get(slot).copied().unwrap_or_default();
            beyond.raise(slot, next + most);
        }
        beyond
    }
}
