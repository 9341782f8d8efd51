//! Cutting a byte stream into frames: `##`, four digits of length, data segment, four hex digits of checksum, CR LF.
//!
//! The cut is by declared length, never by line ends, because the raw cipher of 2025 may hold `##`, `&&` and CR LF. A
//! length that lies is survived: a frame also ends where `&&`, a right checksum and a tail stand, and the search
//! starts again at every `##` that could be a head. What belongs to no frame is handed out as garbage with its place
//! in the stream.
//!
//! The items depend on the bytes alone, not on how they were cut into reads. Each byte is looked at a bounded number
//! of times: a checksum is computed over bytes that are then consumed, or goes on from where it stopped.

use std::collections::VecDeque;

use plume_schemas::report::QuarantineReason;

use super::crc;
pub use super::ending::Frame;
use super::ending::{Check, CheckKind, Ending, Look, is_blank, look_at_end};
use super::tolerance::{Tolerance, Tolerances};

/// Longest run of garbage in one item, so that noise needs no more memory than a frame.
pub const MAX_GARBAGE_RUN_BYTES: usize = 1024;
/// Heads that claim the same end and are tried before the outermost is taken with its wrong checksum.
const MAX_PROBES: usize = 4;
/// Heads kept in view; with one more the first is given up. A raw cipher of a kilobyte holds none by chance, noise may
/// hold many.
const MAX_HEADS: usize = 16;
/// The length field has four digits.
pub const MAX_DECLARED_BYTES: usize = 9999;

/// What came out of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A frame, its checksum right or wrong.
    Frame(Frame<'a>),
    /// Bytes that belong to no frame; longer runs come as several items.
    Garbage {
        /// Where they begin in the stream.
        stream_offset: u64,
        /// The bytes.
        bytes: &'a [u8],
        /// `Garbage`, `TooLong` (a head declared more than the limit) or `CutOff` (the stream ended inside a frame).
        reason: QuarantineReason,
    },
}

/// Something that may be the beginning of a frame.
#[derive(Clone, Copy, Debug)]
struct Head {
    at: usize,
    body: usize,
    declared: usize,
    /// First place behind it that looks like an end, with a checksum that is wrong for it.
    wrong_end: Option<Ending>,
    /// Its declared end was looked at, and is none.
    tried: bool,
}

impl Head {
    fn end(&self) -> usize {
        self.body + self.declared
    }
}

/// A frame found and not yet handed out.
#[derive(Clone, Copy, Debug)]
struct Found {
    at: usize,
    body: usize,
    declared: usize,
    ending: Ending,
    check: Check,
    needs: Tolerances,
}

/// The cutter of one connection's stream. Push what was read, then take [`Framer::next_item`] until there is none.
#[derive(Debug)]
pub struct Framer {
    max_segment: usize,
    buffer: Vec<u8>,
    /// Place of `buffer[0]` in the stream.
    base: u64,
    /// Everything before is handed out.
    start: usize,
    /// Everything before is understood.
    scanned: usize,
    heads: VecDeque<Head>,
    found: Option<Found>,
    /// Checksums (ours, Modbus) from the last head's body to the place.
    running: (u16, u16, usize),
    /// A head that was given up in the current run of garbage had declared more than the limit.
    too_long: bool,
    quiet: bool,
    finished: bool,
}

impl Framer {
    /// A cutter that takes no data segment over `max_segment_bytes` (at most 9999, which is all the length field can
    /// say).
    pub fn new(max_segment_bytes: usize) -> Self {
        Self {
            max_segment: max_segment_bytes.min(MAX_DECLARED_BYTES),
            buffer: Vec::new(),
            base: 0,
            start: 0,
            scanned: 0,
            heads: VecDeque::new(),
            found: None,
            running: (crc::START, crc::START, 0),
            too_long: false,
            quiet: false,
            finished: false,
        }
    }

    /// Adds what was read. Items must be taken before the next push, or memory grows with what is left.
    pub fn push(&mut self, bytes: &[u8]) {
        self.quiet = false;
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// The link has been quiet for a while: a checksum at the end of what came needs no tail any more. Half frames
    /// stay.
    pub fn quiet(&mut self) {
        self.quiet = true;
    }

    /// The stream has ended: what is left comes out as `CutOff` or garbage.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// True when bytes are held that [`Self::quiet`] might release.
    pub fn wants_quiet(&self) -> bool {
        !self.quiet && self.start < self.buffer.len()
    }

    /// Bytes held: bounded by the longest frame, a run of garbage and one push.
    pub fn held_bytes(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Gives back memory that a quiet link does not need.
    pub fn give_back(&mut self) {
        self.compact();
        self.buffer.shrink_to_fit();
        self.heads.shrink_to_fit();
    }

    /// The next frame or run of garbage, or `None` when more bytes are needed.
    pub fn next_item(&mut self) -> Option<Item<'_>> {
        while self.found.is_none() {
            let loose = self.loose_end();
            self.skip_blank(loose);
            if loose - self.start >= MAX_GARBAGE_RUN_BYTES {
                return Some(self.garbage(self.start + MAX_GARBAGE_RUN_BYTES, QuarantineReason::Garbage));
            }
            if !self.step() && !self.give_up_quietly() {
                return self.rest();
            }
        }
        let found = self.found?;
        self.skip_blank(found.at);
        if self.start < found.at {
            let end = found.at.min(self.start + MAX_GARBAGE_RUN_BYTES);
            return Some(self.garbage(end, QuarantineReason::Garbage));
        }
        self.found = None;
        self.too_long = false;
        self.start = found.ending.end;
        Some(Item::Frame(Frame {
            stream_offset: self.base + found.at as u64,
            raw: self.buffer.get(found.at..found.ending.end).unwrap_or_default(),
            segment: self
                .buffer
                .get(found.body..found.ending.segment_end)
                .unwrap_or_default(),
            body: found.body - found.at,
            declared: found.declared,
            check: found.check,
            needs: found.needs,
        }))
    }

    /// What to hand out when nothing more can be understood from what came so far.
    fn rest(&mut self) -> Option<Item<'_>> {
        let loose = self.loose_end();
        if self.start < loose && (self.quiet || self.finished) {
            let end = loose.min(self.start + MAX_GARBAGE_RUN_BYTES);
            return Some(self.garbage(end, QuarantineReason::Garbage));
        }
        if self.finished && self.start < self.buffer.len() {
            let end = self
                .buffer
                .len()
                .min(self.start + self.max_segment + MAX_GARBAGE_RUN_BYTES);
            self.heads.clear();
            self.scanned = self.buffer.len();
            return Some(self.garbage(end, QuarantineReason::CutOff));
        }
        None
    }

    /// Up to where bytes certainly belong to no frame.
    fn loose_end(&self) -> usize {
        self.heads.front().map_or(self.scanned, |head| head.at)
    }

    /// Line ends and blanks between frames are no garbage.
    fn skip_blank(&mut self, end: usize) {
        while self.start < end && is_blank(self.buffer[self.start]) {
            self.start += 1;
        }
    }

    fn garbage(&mut self, end: usize, reason: QuarantineReason) -> Item<'_> {
        let from = self.start;
        self.start = end;
        let reason = if self.too_long && reason == QuarantineReason::Garbage {
            QuarantineReason::TooLong
        } else {
            reason
        };
        Item::Garbage {
            stream_offset: self.base + from as u64,
            bytes: self.buffer.get(from..end).unwrap_or_default(),
            reason,
        }
    }

    /// Understands the next `#`, `&` or declared end. False when more bytes are needed for that.
    fn step(&mut self) -> bool {
        let ahead = self.buffer.get(self.scanned..).unwrap_or_default();
        let event = memchr::memchr2(b'#', b'&', ahead).map(|at| at + self.scanned);
        let seen = event.unwrap_or(self.buffer.len());
        if self
            .heads
            .front()
            .is_some_and(|first| !first.tried && first.end() <= seen)
        {
            return self.see_declared_end();
        }
        if self.give_up(seen) {
            return true;
        }
        let Some(event) = event else {
            self.scanned = seen;
            return false;
        };
        let byte = self.buffer[event];
        match self.buffer.get(event + 1) {
            Some(&next) if next == byte => {}
            None if !self.finished => {
                self.scanned = event;
                return false;
            }
            _ => {
                self.scanned = event + 1;
                return true;
            }
        }
        if byte == b'#' {
            self.see_head(event)
        } else {
            self.see_end(event)
        }
    }

    /// The first head's declared end is here, without a `&&` that was recognised: a right checksum is proof enough
    /// (`CP=&…&`).
    fn see_declared_end(&mut self) -> bool {
        let Some(&head) = self.heads.front() else {
            return false;
        };
        let look = if head.declared <= self.max_segment && head.at == self.start {
            look_at_end(&self.buffer, head.end(), self.quiet, self.finished)
        } else {
            Look::Nothing
        };
        match look {
            Look::More => return false,
            Look::Nothing => {}
            Look::Ending(ending) => {
                let segment = self.buffer.get(head.body..ending.segment_end).unwrap_or_default();
                let check = Check::of(segment, ending.given);
                if check.kind != CheckKind::Wrong {
                    self.take(head, ending, check);
                    return true;
                }
            }
        }
        if let Some(first) = self.heads.front_mut() {
            first.tried = true;
        }
        true
    }

    /// `##` stands at `at`.
    fn see_head(&mut self, at: usize) -> bool {
        let ahead = self.buffer.get(at + 2..).unwrap_or_default();
        let digits = ahead.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
        let Some(next) = ahead.get(digits) else {
            // Whatever follows decides, unless nothing follows any more.
            self.scanned = if self.finished { at + 1 } else { at };
            return self.finished;
        };
        if digits < 2 || (digits < 4 && !next.is_ascii_alphabetic()) {
            self.scanned = at + 1;
            return true;
        }
        if self.heads.len() == 1 && self.ended_wrongly_before(at) {
            return self.give_up(usize::MAX);
        }
        let ahead = self.buffer.get(at + 2..).unwrap_or_default();
        let declared = ahead.iter().take(digits).fold(0, |n, b| n * 10 + usize::from(b - b'0'));
        let body = at + 2 + digits;
        if self.heads.len() >= MAX_HEADS {
            return self.give_up(usize::MAX);
        }
        self.heads.push_back(Head {
            at,
            body,
            declared,
            wrong_end: None,
            tried: false,
        });
        self.running = (crc::START, crc::START, body);
        self.scanned = body;
        true
    }

    /// `&&` stands at `at`: is it the end of a frame?
    fn see_end(&mut self, at: usize) -> bool {
        if self.heads.is_empty() {
            self.scanned = at + 1;
            return true;
        }
        match look_at_end(&self.buffer, at + 2, self.quiet, self.finished) {
            Look::More => {
                self.scanned = at;
                return false;
            }
            Look::Nothing => {}
            Look::Ending(ending) => {
                if self.try_ending(ending) {
                    return true;
                }
            }
        }
        self.scanned = at + 1;
        true
    }

    /// Takes the frame that ends here, if one does: first one of declared length with a right checksum, then the last
    /// head with a right checksum, then one of declared length with a wrong checksum.
    fn try_ending(&mut self, ending: Ending) -> bool {
        let max = self.max_segment;
        let mut fallback = None;
        let exact = self
            .heads
            .iter()
            .filter(|h| h.end() == ending.segment_end && h.declared <= max);
        for head in exact.take(MAX_PROBES) {
            let segment = self.buffer.get(head.body..ending.segment_end).unwrap_or_default();
            let check = Check::of(segment, ending.given);
            if check.kind != CheckKind::Wrong {
                let head = *head;
                self.take(head, ending, check);
                return true;
            }
            fallback = fallback.or(Some((*head, check)));
        }
        if !ending.known_tail {
            return false;
        }
        if let Some(&last) = self.heads.back() {
            let check = self.running_check(ending);
            let fits = last.end() != ending.segment_end && ending.segment_end - last.body <= max;
            if fits && check.kind != CheckKind::Wrong {
                self.take(last, ending, check);
                return true;
            }
            if let Some(last) = self.heads.back_mut().filter(|last| fits && last.wrong_end.is_none()) {
                last.wrong_end = Some(ending);
            }
        }
        if let Some((head, check)) = fallback {
            self.take(head, ending, check);
            return true;
        }
        false
    }

    /// The checksum from the last head's body to here, going on from where it was last asked for.
    fn running_check(&mut self, ending: Ending) -> Check {
        let (sum, modbus, from) = self.running;
        let more = self.buffer.get(from..ending.segment_end).unwrap_or_default();
        self.running = (
            crc::hj212_from(sum, more),
            crc::modbus_from(modbus, more),
            ending.segment_end,
        );
        Check::from_sums(ending.given, self.running.0, || self.running.1)
    }

    fn take(&mut self, head: Head, ending: Ending, check: Check) {
        let kind = check.kind;
        self.too_long |= self
            .heads
            .iter()
            .any(|h| h.at < head.at && h.declared > self.max_segment);
        self.heads.retain(|other| other.at >= ending.end);
        self.scanned = self.scanned.max(ending.end);
        self.found = Some(Found {
            at: head.at,
            body: head.body,
            declared: head.declared,
            ending,
            check,
            needs: ending
                .needs
                .with_if(head.body - head.at < 6, Tolerance::ShortLength)
                .with_if(head.end() != ending.segment_end, Tolerance::WrongLength)
                .with_if(kind == CheckKind::Modbus, Tolerance::ModbusCrc)
                .with_if(kind == CheckKind::SwappedModbus, Tolerance::SwappedModbusCrc),
        });
    }

    /// Gives up the first head if no frame can begin there, everything before `seen` being understood. True if it did.
    fn give_up(&mut self, seen: usize) -> bool {
        let Some(&head) = self.heads.front() else {
            return false;
        };
        let limit = head.body + self.max_segment;
        let alone = self.heads.len() == 1 && head.wrong_end.is_none();
        if seen <= if alone { limit } else { head.end().min(limit) } {
            return false;
        }
        self.drop_first(head);
        true
    }

    /// On a quiet link, or at its end, an end with a wrong checksum is not waited for any longer.
    fn give_up_quietly(&mut self) -> bool {
        match self.heads.front() {
            Some(&head) if head.wrong_end.is_some() && (self.quiet || self.finished) => {
                self.drop_first(head);
                true
            }
            _ => false,
        }
    }

    fn drop_first(&mut self, head: Head) {
        self.heads.pop_front();
        match head.wrong_end {
            Some(ending) => {
                let segment = self.buffer.get(head.body..ending.segment_end).unwrap_or_default();
                self.take(head, ending, Check::of(segment, ending.given));
            }
            None => self.too_long |= head.declared > self.max_segment,
        }
    }

    /// The only head has an end with a wrong checksum, and nothing but blanks lies between that end and the head at
    /// `at`.
    fn ended_wrongly_before(&self, at: usize) -> bool {
        let ending = self.heads.front().and_then(|head| head.wrong_end);
        let between = ending.and_then(|ending| self.buffer.get(ending.end..at));
        between.is_some_and(|bytes| bytes.iter().all(|&b| is_blank(b)))
    }

    fn compact(&mut self) {
        let gone = self.start;
        if gone == 0 {
            return;
        }
        self.buffer.drain(..gone);
        self.base += gone as u64;
        self.start = 0;
        self.scanned -= gone;
        self.running.2 = self.running.2.saturating_sub(gone);
        for head in &mut self.heads {
            head.at -= gone;
            head.body -= gone;
            if let Some(ending) = &mut head.wrong_end {
                ending.segment_end -= gone;
                ending.end -= gone;
            }
        }
    }
}
