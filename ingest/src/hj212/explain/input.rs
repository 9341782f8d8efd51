//! What people paste: a packet with its line end written out as `\r\n`, without it, as hex, without its frame, a log
//! full of them.

use plume_schemas::report::QuarantineReason;

use crate::hj212::encode;
use crate::hj212::ending::{Check, Frame};
use crate::hj212::frame::{Framer, Item, MAX_DECLARED_BYTES};
use crate::hj212::packet::find_cp;
use crate::hj212::tolerance::Tolerances;

/// One thing found in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A frame.
    Frame {
        raw: Vec<u8>,
        body: usize,
        segment: Vec<u8>,
        declared: usize,
        check: Check,
        needs: Tolerances,
    },
    /// A data segment without the frame around it.
    Segment(Vec<u8>),
    /// Neither; why, and the bytes.
    Noise(QuarantineReason, Vec<u8>),
}

/// Everything found, in order. Text between frames, such as the time stamps of a log, is passed over where frames are
/// found.
pub(super) fn pieces(input: &[u8]) -> Vec<Piece> {
    let bytes = from_hex(input).unwrap_or_else(|| input.to_vec());
    let mut framer = Framer::new(MAX_DECLARED_BYTES);
    framer.push(&bytes);
    framer.quiet();
    framer.finish();
    let mut pieces = Vec::new();
    while let Some(item) = framer.next_item() {
        pieces.push(match item {
            Item::Frame(frame) => whole(&frame),
            Item::Garbage { bytes, reason, .. } => Piece::Noise(reason, bytes.to_vec()),
        });
    }
    let framed = pieces.iter().any(|piece| matches!(piece, Piece::Frame { .. }));
    if framed {
        let half = |bytes: &[u8]| bytes.windows(2).any(|two| two == b"##") && find_cp(bytes).is_some();
        pieces.retain(|piece| !matches!(piece, Piece::Noise(_, bytes) if !half(bytes)));
        return pieces;
    }
    match bare_segment(&bytes) {
        Some(segment) => vec![Piece::Segment(segment.to_vec())],
        None if bytes.trim_ascii().is_empty() => vec![Piece::Noise(QuarantineReason::Garbage, Vec::new())],
        None => pieces,
    }
}

fn whole(frame: &Frame<'_>) -> Piece {
    Piece::Frame {
        raw: frame.raw.to_vec(),
        body: frame.body,
        segment: frame.segment.to_vec(),
        declared: frame.declared,
        check: frame.check,
        needs: frame.needs,
    }
}

/// A text from its first header field to the last `&&`, without `##` before it.
fn bare_segment(bytes: &[u8]) -> Option<&[u8]> {
    let cp = find_cp(bytes)?;
    if bytes.windows(2).any(|two| two == b"##") {
        return None;
    }
    let end = bytes.windows(2).rposition(|two| two == b"&&")? + 2;
    let keys = ["QN=", "ST=", "CN=", "PW=", "MN=", "Flag="];
    let first = |key: &str| {
        bytes
            .get(..cp)?
            .windows(key.len())
            .position(|text| text.eq_ignore_ascii_case(key.as_bytes()))
    };
    let start = keys.iter().filter_map(|key| first(key)).min().unwrap_or(cp);
    bytes.get(start..end)
}

/// What a frame without its end declares, and what there is of its data segment; `None` where nothing can be read.
pub(super) fn half_frame(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let at = bytes.windows(2).position(|two| two == b"##")? + 2;
    let rest = bytes.get(at..)?;
    let digits = rest.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let (declared, segment) = rest.split_at_checked(digits)?;
    let declared = std::str::from_utf8(declared).ok()?.parse().ok()?;
    let segment = segment.trim_ascii_end();
    let named = ["QN=", "ST=", "CN=", "MN="];
    let begins = named
        .iter()
        .any(|key| segment.get(..3).is_some_and(|head| head == key.as_bytes()));
    (begins && segment.len() < declared + 4).then_some((declared, segment))
}

/// Bytes of hex digits, with or without blanks, commas and `0x` between them, if they begin with `##`.
fn from_hex(input: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(input).ok()?.replace("0x", " ").replace("0X", " ");
    let digits: Vec<u8> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace() && !b",:-".contains(b))
        .collect();
    if !digits.len().is_multiple_of(2) || !digits.starts_with(b"2323") || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pair = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.as_chunks::<2>().0.iter().map(pair).collect()
}

/// The frame a bare segment should have had.
pub(super) fn framed(segment: &[u8]) -> Vec<u8> {
    encode::frame(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: &str =
        "##0087QN=20240601085857223;ST=32;CN=1011;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&&&2200";

    #[test]
    fn what_people_paste() {
        let hex: Vec<String> = PACKET.bytes().map(|b| format!("{b:02x}")).collect();
        let prefixed = format!("2024-06-01 08:58:57 recv: {PACKET}\n2024-06-01 08:58:59 recv: {PACKET}\n");
        for (input, count) in [
            (PACKET.to_owned(), 1),
            (format!("{PACKET}\\r\\n"), 1),
            (format!("  {PACKET}<CR><LF>\n"), 1),
            (hex.join(" "), 1),
            (prefixed, 2),
        ] {
            let pieces = pieces(input.as_bytes());
            assert_eq!(pieces.len(), count, "{input}: {pieces:?}");
            assert!(
                pieces
                    .iter()
                    .all(|piece| matches!(piece, Piece::Frame { declared: 87, .. })),
                "{pieces:?}"
            );
        }
        assert_eq!(
            pieces(b"MN=1;CP=&&a=1&&1C80"),
            [Piece::Segment(b"MN=1;CP=&&a=1&&".to_vec())]
        );
        assert!(matches!(pieces(b"hello").as_slice(), [Piece::Noise(..)]));
        assert!(matches!(pieces(b" ").as_slice(), [Piece::Noise(..)]));
    }
}
