//! A file of packets: one a line, or one after the other, with whatever lies between them.

use super::FromError;

/// The packets of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketFile {
    /// Each packet with its tail. A line end, or the end of the file, counts as one (editors strip CR); inside,
    /// nothing is changed: a wrong length or checksum is replayed.
    pub frames: Vec<Vec<u8>>,
    /// Bytes between packets that are not white space and were left out.
    pub skipped_bytes: usize,
}

/// Bytes of `##`, length, checksum.
const HEAD: usize = 6;
const CHECK: usize = 4;

/// Finds the packets in `bytes`. A frame whose declared length leads to a checksum and an end is taken by length, so
/// it may hold line ends and `##`; any other from `##` to the end of its line or the next `##`.
pub fn parse_packets(bytes: &[u8]) -> Result<PacketFile, FromError> {
    let mut frames = Vec::new();
    let mut skipped_bytes = 0;
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if !begins_frame(rest) {
            skipped_bytes += usize::from(!rest.first().is_some_and(u8::is_ascii_whitespace));
            at += 1;
            continue;
        }
        let end = by_length(rest).unwrap_or_else(|| by_line(rest));
        let (frame, behind) = rest.split_at(end);
        frames.push([frame, b"\r\n"].concat());
        let tail = match behind {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => 0,
        };
        at += end + tail;
    }
    if frames.is_empty() {
        return Err(FromError::NoPackets { bytes: bytes.len() });
    }
    Ok(PacketFile { frames, skipped_bytes })
}

fn begins_frame(bytes: &[u8]) -> bool {
    matches!(bytes, [b'#', b'#', digit, ..] if digit.is_ascii_digit())
}

/// The end of a frame by its declared length, where a checksum and then an end stand there.
fn by_length(bytes: &[u8]) -> Option<usize> {
    let digits = bytes.get(2..HEAD)?;
    let length = digits.iter().try_fold(0_usize, |n, digit| {
        digit.is_ascii_digit().then(|| n * 10 + usize::from(digit - b'0'))
    })?;
    let end = HEAD + length + CHECK;
    let check = bytes.get(HEAD + length..end)?;
    let ends = matches!(bytes.get(end..)?, [] | [b'\r' | b'\n', ..] | [b'#', b'#', ..]);
    (ends && check.iter().all(u8::is_ascii_hexdigit)).then_some(end)
}

/// The end of a frame by the end of its line, or by the next `##` and a digit.
fn by_line(bytes: &[u8]) -> usize {
    let next = (2..bytes.len()).find(|at| {
        let rest = bytes.get(*at..).unwrap_or_default();
        begins_frame(rest) || matches!(rest, [b'\n', ..] | [b'\r', b'\n', ..])
    });
    next.unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;\
                       CP=&&RtdInterval=30&&1C80";

    fn frames(text: &str) -> Vec<String> {
        let file = parse_packets(text.as_bytes()).unwrap();
        file.frames
            .iter()
            .map(|f| String::from_utf8_lossy(f).into_owned())
            .collect()
    }

    #[test]
    fn lines_and_glued_packets_are_the_same() {
        let each = format!("{ONE}\r\n");
        for text in [
            format!("{ONE}\n{ONE}\n"),
            format!("{ONE}\r\n{ONE}\r\n"),
            format!("{ONE}{ONE}"),
            format!("\n\n{ONE}\n\n\n{ONE}"),
        ] {
            assert_eq!(frames(&text), [each.clone(), each.clone()], "{text}");
        }
    }

    #[test]
    fn broken_packets_are_replayed_as_they_are() {
        let short = "##0042QN=1;CN=2011&&FFFF";
        assert_eq!(
            frames(&format!("{short}\n{ONE}")),
            [format!("{short}\r\n"), format!("{ONE}\r\n")]
        );
        let odd = "##81QN=1;CN=2011&&FFFF";
        assert_eq!(
            frames(&format!("{odd}{ONE}")),
            [format!("{odd}\r\n"), format!("{ONE}\r\n")]
        );
    }

    #[test]
    fn what_lies_between_is_counted() {
        let file = parse_packets(format!("2026-01-17 rx: {ONE}\n# comment\n{ONE}").as_bytes()).unwrap();
        assert_eq!((file.frames.len(), file.skipped_bytes), (2, 13 + 8));
        assert_eq!(parse_packets(b"no packets"), Err(FromError::NoPackets { bytes: 10 }));
    }

    #[test]
    fn a_packet_taken_by_length_may_hold_line_ends() {
        let segment = b"QN=1;CP=&&a\n##1b\r\nc&&";
        let frame = plume_ingest::hj212::encode::frame(segment);
        let file = parse_packets(&[frame.clone(), frame.clone()].concat()).unwrap();
        assert_eq!(file.frames, [frame.clone(), frame]);
    }
}
