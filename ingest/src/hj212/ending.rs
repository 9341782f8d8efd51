//! A frame as it is handed out, and its end: checksum and tail, and what a checksum says of a segment.

use super::crc;
use super::tolerance::{Tolerance, Tolerances};

/// A frame, cut out of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where its `##` stands in the connection's stream.
    pub stream_offset: u64,
    /// All of it, tail included.
    pub raw: &'a [u8],
    /// The data segment, as received.
    pub segment: &'a [u8],
    /// Where the segment begins in `raw`.
    pub body: usize,
    /// What the length field says.
    pub declared: usize,
    /// What the checksum says.
    pub check: Check,
    /// Departures from the format that accepting it needs. A wrong checksum is not among them.
    pub needs: Tolerances,
}

impl Frame<'_> {
    /// The frame with another segment, as an encrypted one was before: its length and checksum are those of the plain
    /// segment.
    pub fn with_segment(&self, segment: &[u8]) -> Vec<u8> {
        let head = self.raw.get(..self.body).unwrap_or_default();
        let tail = self.raw.get(self.body + self.segment.len()..).unwrap_or_default();
        [head, segment, tail].concat()
    }
}

/// The checksum of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// As sent.
    pub given: u16,
    /// As it should be for the segment as received (an encrypted one has the checksum of its plain text).
    pub right: u16,
    /// How the two compare.
    pub kind: CheckKind,
}

/// How a checksum compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// As the standard wants it.
    Standard,
    /// The Modbus checksum of the segment.
    Modbus,
    /// The Modbus checksum with its bytes exchanged.
    SwappedModbus,
    /// None of these: damaged, or encrypted.
    Wrong,
}

impl Check {
    /// Compares the checksum sent with those of the segment.
    pub fn of(segment: &[u8], given: u16) -> Self {
        Self::from_sums(given, crc::hj212(segment), || crc::modbus(segment))
    }

    pub(super) fn from_sums(given: u16, right: u16, modbus: impl FnOnce() -> u16) -> Self {
        let kind = if given == right {
            CheckKind::Standard
        } else {
            match modbus() {
                sum if sum == given => CheckKind::Modbus,
                sum if sum.swap_bytes() == given => CheckKind::SwappedModbus,
                _ => CheckKind::Wrong,
            }
        };
        Self { given, right, kind }
    }
}

/// What stands behind a `&&`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    /// Just behind the `&&`.
    pub(super) segment_end: usize,
    /// Behind checksum and tail.
    pub(super) end: usize,
    pub(super) given: u16,
    pub(super) needs: Tolerances,
    /// The tail is one of those known, not just any byte.
    pub(super) known_tail: bool,
}

/// What a look behind a `&&` found.
pub(super) enum Look {
    /// It depends on bytes to come.
    More,
    /// No end.
    Nothing,
    /// An end.
    Ending(Ending),
}

/// Reads checksum and tail from `from`.
pub(super) fn look_at_end(buffer: &[u8], from: usize, quiet: bool, finished: bool) -> Look {
    let ahead = buffer.get(from..).unwrap_or_default();
    let digits = ahead.iter().take(4).take_while(|b| b.is_ascii_hexdigit()).count();
    let text = ahead.get(..digits).unwrap_or_default();
    let behind = ahead.get(digits..).unwrap_or_default();
    if behind.is_empty() && digits < 4 {
        return if finished { Look::Nothing } else { Look::More };
    }
    if digits == 0 {
        return Look::Nothing;
    }
    let Some((tail, known_tail)) = tail(behind, quiet || finished) else {
        return Look::More;
    };
    if digits < 4 && !known_tail {
        return Look::Nothing;
    }
    let lower = text.iter().any(u8::is_ascii_lowercase);
    Look::Ending(Ending {
        segment_end: from,
        end: from + digits + tail,
        given: text.iter().fold(0, |n, b| n << 4 | hex_value(*b)),
        needs: Tolerances::NONE
            .with_if(digits < 4, Tolerance::ShortCrc)
            .with_if(lower, Tolerance::LowerCaseCrc)
            .with_if(behind.get(..tail) != Some(b"\r\n"), Tolerance::OtherTail),
        known_tail,
    })
}

/// How many bytes of tail stand here and whether they are a known tail; `None` if that depends on bytes to come.
fn tail(behind: &[u8], at_the_end: bool) -> Option<(usize, bool)> {
    const LITERAL: &[u8] = b"<CR><LF>";
    const ESCAPED: &[u8] = b"\\r\\n";
    let undecided = || at_the_end.then_some((0, true));
    match behind {
        [] | [b'#'] => undecided(),
        [b'\r', b'\n', ..] => Some((2, true)),
        [b'\r'] => at_the_end.then_some((1, true)),
        [b'\r' | b'\n', ..] => Some((1, true)),
        [b'#', b'#', ..] => Some((0, true)),
        [b'<' | b'\\', ..] => {
            let whole = if behind.starts_with(b"<") { LITERAL } else { ESCAPED };
            let same = whole
                .iter()
                .zip(behind)
                .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
                .count();
            match same {
                _ if same == whole.len() => Some((same, true)),
                _ if same == behind.len() => undecided(),
                _ => Some((0, false)),
            }
        }
        _ => Some((0, false)),
    }
}

/// Line ends and blanks, which between frames are no garbage.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | 0)
}

fn hex_value(digit: u8) -> u16 {
    char::from(digit)
        .to_digit(16)
        .and_then(|n| u16::try_from(n).ok())
        .unwrap_or(0)
}
