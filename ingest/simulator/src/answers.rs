//! What comes back from the platform, read strictly: a device is entitled to conformant answers, so length, checksum
//! and tail must be exact. Written apart from plume's own decoder, as a device's firmware would be, so that it can
//! disagree with it.

use plume_ingest::hj212::crc;
use plume_ingest::hj212::sm4::{DeviceKeys, Key, open};

/// Most bytes kept while waiting for the rest of an answer: the longest frame of the standards.
const MAX_FRAME_BYTES: usize = 1036;

/// One packet from the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// 9014 data answer, 9013 notice answer; anything else is a command.
    pub(crate) cn: u16,
    /// The QN it repeats: in the header, or inside CP in 2005.
    pub(crate) qn: String,
    /// The MN it names; empty in a terse 2005 answer.
    pub(crate) mn: String,
    /// Its data segment.
    pub(crate) segment: Vec<u8>,
}

/// Bytes from the platform, cut into packets.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnswerReader {
    buffer: Vec<u8>,
    /// Bytes that belonged to no conformant frame.
    pub(crate) garbage_bytes: u64,
}

impl AnswerReader {
    /// Forgets what was half read.
    pub(crate) fn reset(&mut self) {
        self.buffer.clear();
    }

    /// Takes bytes, gives the packets they complete. What is encrypted (1014 of 2025) is opened with the device's key.
    pub(crate) fn read(&mut self, bytes: &[u8], key: Option<&Key>) -> Vec<Answer> {
        self.buffer.extend_from_slice(bytes);
        let mut answers = Vec::new();
        let mut used = 0;
        while let Some(rest) = self.buffer.get(used..).filter(|rest| !rest.is_empty()) {
            match cut(rest, key) {
                Cut::Frame { bytes, answer } => {
                    used += bytes;
                    answers.extend(answer);
                }
                Cut::More if rest.len() < MAX_FRAME_BYTES => break,
                Cut::More | Cut::Garbage => {
                    used += 1;
                    self.garbage_bytes += 1;
                }
            }
        }
        self.buffer.drain(..used.min(self.buffer.len()));
        answers
    }
}

enum Cut {
    Frame { bytes: usize, answer: Option<Answer> },
    More,
    Garbage,
}

/// What stands at the beginning of `bytes`.
fn cut(bytes: &[u8], key: Option<&Key>) -> Cut {
    let Some((head, rest)) = bytes.split_at_checked(6) else {
        return if b"##".starts_with(bytes) || bytes.starts_with(b"##") {
            Cut::More
        } else {
            Cut::Garbage
        };
    };
    let Some(length) = head.strip_prefix(b"##").and_then(number) else {
        return Cut::Garbage;
    };
    let Some((segment, rest)) = rest.split_at_checked(length) else {
        return Cut::More;
    };
    let Some((check, _)) = rest.split_at_checked(6) else {
        return Cut::More;
    };
    let fits = |segment: &[u8]| check == format!("{:04X}\r\n", crc::hj212(segment)).as_bytes();
    if !fits(segment) {
        let given = check.get(..4).and_then(|digits| std::str::from_utf8(digits).ok());
        let given = given.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let keys = key.map(|key| DeviceKeys::of(key.clone()));
        let opened = given.zip(keys).and_then(|(given, keys)| open(segment, given, &keys));
        return match opened.filter(|opened| fits(&opened.segment)) {
            Some(opened) => Cut::Frame {
                bytes: length + 12,
                answer: answer(&opened.segment),
            },
            None => Cut::Garbage,
        };
    }
    Cut::Frame {
        bytes: length + 12,
        answer: answer(segment),
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?
        .parse()
        .ok()
}

fn answer(segment: &[u8]) -> Option<Answer> {
    let cn = value(segment, b"CN=").and_then(|digits| number(digits.as_bytes()))?;
    Some(Answer {
        cn: u16::try_from(cn).ok()?,
        qn: value(segment, b"QN=").unwrap_or_default(),
        mn: value(segment, b"MN=").unwrap_or_default(),
        segment: segment.to_vec(),
    })
}

/// The text behind the first `key`, up to the next separator.
pub(crate) fn value(segment: &[u8], key: &[u8]) -> Option<String> {
    let at = segment.windows(key.len()).position(|window| window == key)?;
    let text = segment.get(at + key.len()..)?;
    let end = text.iter().position(|b| b";,&".contains(b)).unwrap_or(text.len());
    text.get(..end).and_then(|text| String::from_utf8(text.to_vec()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use plume_ingest::hj212::encode::frame;

    fn reply(qn: &str) -> Vec<u8> {
        frame(format!("QN={qn};ST=91;CN=9014;PW=123456;MN=DE01;Flag=4;CP=&&&&").as_bytes())
    }

    #[test]
    fn reads_answers_however_they_are_cut() {
        let mut bytes = reply("20260117140000500");
        bytes.extend(reply("20260117140000501"));
        for at in 0..bytes.len() {
            let mut reader = AnswerReader::default();
            let (head, tail) = bytes.split_at(at);
            let mut got = reader.read(head, None);
            got.extend(reader.read(tail, None));
            let qns: Vec<&str> = got.iter().map(|a| a.qn.as_str()).collect();
            assert_eq!(qns, ["20260117140000500", "20260117140000501"], "cut at {at}");
            assert_eq!(reader.garbage_bytes, 0);
        }
    }

    #[test]
    fn an_answer_that_is_not_exact_is_none() {
        let mut wrong = reply("20260117140000500");
        let last_digit = wrong.len() - 3;
        wrong[last_digit] ^= 1;
        let mut reader = AnswerReader::default();
        assert_eq!(reader.read(&wrong, None), []);
        assert_eq!(reader.garbage_bytes, wrong.len() as u64);
        assert_eq!(reader.read(&reply("20260117140000501"), None).len(), 1);
    }

    #[test]
    fn noise_is_not_kept() {
        let mut reader = AnswerReader::default();
        assert_eq!(reader.read(b"##9999", None), []);
        assert_eq!(reader.read(&[b'#'; 3 * MAX_FRAME_BYTES], None), []);
        assert!(
            reader.buffer.len() < MAX_FRAME_BYTES + 6,
            "{} bytes kept",
            reader.buffer.len()
        );
        assert_eq!(reader.read(&reply("20260117140000501"), None).len(), 1);
    }

    #[test]
    fn reads_the_terse_answer_of_2005() {
        let bytes = frame(b"ST=91;CN=9014;CP=&&QN=20260117140000500;CN=2051&&");
        let answers = AnswerReader::default().read(&bytes, None);
        assert_eq!(
            answers,
            [Answer {
                cn: 9014,
                qn: "20260117140000500".to_owned(),
                mn: String::new(),
                segment: b"ST=91;CN=9014;CP=&&QN=20260117140000500;CN=2051&&".to_vec(),
            }]
        );
    }
}
