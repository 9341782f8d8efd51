//! Misbehaviours of form: header, separators, length, checksum, tail, and how the bytes reach the wire.

use plume_ingest::hj212::crc;
use plume_ingest::hj212::encode::frame;

use super::{Misbehaviour, Spoken};
use crate::answers::value;

pub(super) fn speak(kind: Misbehaviour, well_made: &[u8]) -> Spoken {
    let segment = segment_of(well_made);
    let framed = match kind {
        Misbehaviour::GbkText => frame(&gbk(segment)),
        _ => match respelled(kind, segment) {
            Some(text) => frame(text.as_bytes()),
            None => reframed(kind, segment),
        },
    };
    let writes = match kind {
        Misbehaviour::Halved => {
            let (head, tail) = framed.split_at(framed.len() / 2);
            vec![head.to_vec(), tail.to_vec()]
        }
        Misbehaviour::Duplicated => vec![framed.clone(), framed.clone()],
        Misbehaviour::Glued => vec![joined(&registration(segment), &framed)],
        Misbehaviour::Garbage => vec![joined(b"\x00\xFF#12\x7F?#", &framed)],
        Misbehaviour::Http => vec![joined(b"GET / HTTP/1.1\r\nHost: plume\r\n\r\n", &framed)],
        Misbehaviour::Modbus => vec![joined(b"\x01\x03\x00\x00\x00\x02\xC4\x0B", &framed)],
        _ => vec![framed.clone()],
    };
    Spoken { frame: framed, writes }
}

/// The data segment of a frame that [`frame`] made.
fn segment_of(well_made: &[u8]) -> &[u8] {
    well_made.get(6..well_made.len().saturating_sub(6)).unwrap_or_default()
}

fn joined(head: &[u8], tail: &[u8]) -> Vec<u8> {
    [head, tail].concat()
}

/// CN=9021 with an empty CP, as a vendor's loggers send before their first data.
fn registration(segment: &[u8]) -> Vec<u8> {
    let field = |key| value(segment, key).unwrap_or_default();
    let (qn, pw, mn) = (field(b"QN="), field(b"PW="), field(b"MN="));
    frame(format!("QN={qn};ST=31;CN=9021;PW={pw};MN={mn};Flag=4;CP=&&&&").as_bytes())
}

/// The segment spelt differently; `None` where this habit leaves the segment alone.
fn respelled(kind: Misbehaviour, segment: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(segment).ok()?;
    Some(match kind {
        Misbehaviour::FlagMissing => {
            let flag = value(segment, b"Flag=")?;
            text.replacen(&format!("Flag={flag};"), "", 1)
        }
        Misbehaviour::FlagUpperCase => text.replacen(";Flag=", ";FLAG=", 1),
        Misbehaviour::HeaderComma => text.replacen(";MN=", ",MN=", 1),
        Misbehaviour::HeaderReordered => {
            let (qn, rest) = text.split_once(';')?;
            let (st, rest) = rest.split_once(';')?;
            let (cn, rest) = rest.split_once(';')?;
            format!("{st};{cn};{qn};{rest}")
        }
        Misbehaviour::TrailingSemicolon => format!("{};&&", text.strip_suffix("&&")?),
        Misbehaviour::Spaces => in_cp(text, |cp| cp.replace(';', "; ").replace(',', ", "))?,
        Misbehaviour::Commas => in_cp(text, |cp| cp.replace(';', ","))?,
        Misbehaviour::PnoFirst => {
            let (pnum, pno) = (value(segment, b"PNUM=")?, value(segment, b"PNO=")?);
            text.replacen(
                &format!("PNUM={pnum};PNO={pno};"),
                &format!("PNO={pno};PNUM={pnum};"),
                1,
            )
        }
        Misbehaviour::PnumPadded => {
            let (pnum, pno) = (value(segment, b"PNUM=")?, value(segment, b"PNO=")?);
            text.replacen(
                &format!("PNUM={pnum};PNO={pno};"),
                &format!("PNUM={pnum:0>4};PNO={pno:0>4};"),
                1,
            )
        }
        Misbehaviour::SplitBitAlone => {
            let flag: u8 = value(segment, b"Flag=")?.parse().ok()?;
            text.replacen(&format!("Flag={flag};"), &format!("Flag={};", flag | 2), 1)
        }
        _ => return None,
    })
}

/// The text with the content of CP changed.
fn in_cp(text: &str, change: impl Fn(&str) -> String) -> Option<String> {
    let (head, cp) = text.split_once("CP=&&")?;
    Some(format!("{head}CP=&&{}&&", change(cp.strip_suffix("&&")?)))
}

/// Another length, checksum or tail around the segment.
fn reframed(kind: Misbehaviour, segment: &[u8]) -> Vec<u8> {
    let length = segment.len();
    let length = match kind {
        Misbehaviour::LengthUnpadded => format!("{length}"),
        Misbehaviour::LengthOff => format!("{:04}", length + 3),
        Misbehaviour::LengthUnder => format!("{:04}", length.saturating_sub(3)),
        Misbehaviour::LengthCountsTail => format!("{:04}", length + 6),
        _ => format!("{length:04}"),
    };
    let right = crc::hj212(segment);
    let check = match kind {
        Misbehaviour::CrcLowerCase => format!("{right:04x}"),
        Misbehaviour::CrcUnpadded => format!("{right:X}"),
        Misbehaviour::CrcModbus => format!("{:04X}", crc::modbus(segment)),
        Misbehaviour::CrcModbusSwapped => format!("{:04X}", crc::modbus(segment).swap_bytes()),
        Misbehaviour::CrcStale => format!("{:04X}", crc::hj212(&edited(segment))),
        _ => format!("{right:04X}"),
    };
    let tail: &[u8] = match kind {
        Misbehaviour::TailMissing => b"",
        Misbehaviour::TailLf => b"\n",
        Misbehaviour::TailLiteral => b"<CR><LF>",
        _ => b"\r\n",
    };
    [b"##", length.as_bytes(), segment, check.as_bytes(), tail].concat()
}

/// The segment as it was before somebody changed its last digit.
fn edited(segment: &[u8]) -> Vec<u8> {
    let mut before = segment.to_vec();
    if let Some(digit) = before.iter_mut().rev().find(|byte| byte.is_ascii_digit()) {
        *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
    }
    before
}

fn gbk(segment: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(segment);
    encoding_rs::GBK.encode(&text).0.into_owned()
}
