//! The platform's answers: 9014 to data, 9013 to notices, in the dialect and with the words of the one who asked.

use plume_schemas::report::Dialect;

use super::encode::{frame, version_bits};
use super::packet::Packet;

/// Longest header value that is echoed: a QN has 17 characters, an MN at most 32.
const MAX_ECHO_BYTES: usize = 40;

/// Which answer a packet gets once it is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// 9014 数据应答.
    Data,
    /// 9013 通知应答.
    Notice,
}

impl ReplyKind {
    /// The answer a packet asks for; none for answers (never answered) and where Flag says that none is wanted.
    /// Notices of the device (1001, 1013, 1014 of 2017 and 2025, 2072 of 2005) are answered whatever Flag says;
    /// heartbeats, and the notices of a platform (2012, 2022), when Flag asks.
    pub fn wanted_by(packet: &Packet<'_>) -> Option<Self> {
        let old = packet.dialect == Dialect::Hj2005;
        match packet.cn? {
            9011..=9014 => None,
            1001 | 1013 | 1014 if !old => Some(Self::Notice),
            2072 if old => Some(Self::Notice),
            2012 | 2022 | 9015 | 9021 => packet.wants_answer().then_some(Self::Notice),
            _ => packet.wants_answer().then_some(Self::Data),
        }
    }

    /// 命令编码 of the answer.
    pub const fn cn(self) -> u16 {
        match self {
            Self::Data => 9014,
            Self::Notice => 9013,
        }
    }
}

/// The frame of the answer. 2017 and 2025: the same QN, PW and MN, ST 91, Flag with the version bits of the asker,
/// empty CP. 2005: QN inside CP, with the CN and part it answers; a notice's answer has PW, MN and Flag=0 as well
/// (2005 C.24, C.26, C.29).
pub fn reply(packet: &Packet<'_>, kind: ReplyKind) -> Vec<u8> {
    let mut inside = Vec::new();
    if let (Dialect::Hj2005, ReplyKind::Data, Some(cn)) = (packet.dialect, kind, packet.cn) {
        inside.extend_from_slice(format!("CN={cn};").as_bytes());
        if let Some((pno, pnum)) = packet.pno.zip(packet.pnum) {
            inside.extend_from_slice(format!("PNO={pno};PNUM={pnum};").as_bytes());
        }
    }
    let with_sender = packet.dialect != Dialect::Hj2005 || kind == ReplyKind::Notice;
    answer(packet, kind.cn(), with_sender, &inside)
}

/// What a device answers to a request of a platform: 9013 to a notice (2012, 2022), else 9011 that it is ready, and
/// 9012 when it is done.
pub fn device_replies(packet: &Packet<'_>) -> Vec<Vec<u8>> {
    let reply = |cn, inside: &[u8]| answer(packet, cn, true, inside);
    match packet.cn {
        Some(2012 | 2022) => vec![reply(9013, b"")],
        _ => vec![reply(9011, b"QnRtn=1;"), reply(9012, b"ExeRtn=1;")],
    }
}

/// An answer with these fields in CP, each with a separator behind it.
fn answer(packet: &Packet<'_>, cn: u16, with_sender: bool, inside: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let new = packet.dialect != Dialect::Hj2005;
    if new {
        put(&mut out, b"QN=", packet.qn);
    }
    out.extend_from_slice(format!("ST=91;CN={cn};").as_bytes());
    if with_sender {
        put(&mut out, b"PW=", packet.pw);
        put(&mut out, b"MN=", packet.mn);
        let version = packet.flag.map_or(version_bits(packet.dialect), |flag| flag >> 2);
        out.extend_from_slice(format!("Flag={};", version << 2).as_bytes());
    }
    out.extend_from_slice(b"CP=&&");
    let from = out.len();
    if !new {
        put(&mut out, b"QN=", packet.qn);
    }
    out.extend_from_slice(inside);
    // No separator behind the last field.
    if out.len() > from {
        out.pop();
    }
    out.extend_from_slice(b"&&");
    frame(&out)
}

/// A field as it was sent; left out where it was missing, or is no short plain text.
fn put(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    let plain =
        |value: &&[u8]| value.len() <= MAX_ECHO_BYTES && value.iter().all(|&b| b.is_ascii_graphic() && b != b'&');
    if let Some(value) = value.filter(plain) {
        out.extend_from_slice(key);
        out.extend_from_slice(value);
        out.push(b';');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hj212::complaints::Complaints;

    fn answer(segment: &str) -> Option<String> {
        let packet = Packet::parse(segment.as_bytes(), &mut Complaints::default());
        ReplyKind::wanted_by(&packet).map(|kind| String::from_utf8(reply(&packet, kind)).unwrap())
    }

    #[test]
    fn as_in_the_annexes() {
        let mn = "PW=123456;MN=010000A8900016F000169DC0";
        for (asked, expected) in [
            (
                format!("QN=20160801085857223;ST=32;CN=2011;{mn};Flag=5;CP=&&&&"),
                Some(format!(
                    "##0087QN=20160801085857223;ST=91;CN=9014;{mn};Flag=4;CP=&&&&3240\r\n"
                )),
            ),
            (format!("QN=20160801085857223;ST=32;CN=2011;{mn};Flag=4;CP=&&&&"), None),
            (format!("QN=20160801085857223;ST=91;CN=9014;{mn};Flag=5;CP=&&&&"), None),
            (
                format!("QN=20160801085857223;ST=32;CN=1013;{mn};Flag=5;CP=&&PolId=w01018&&"),
                Some(format!(
                    "##0087QN=20160801085857223;ST=91;CN=9013;{mn};Flag=4;CP=&&&&2A80\r\n"
                )),
            ),
            (
                format!("QN=20240601085857223;ST=32;CN=2011;{mn};Flag=9;CP=&&&&"),
                Some(format!(
                    "##0087QN=20240601085857223;ST=91;CN=9014;{mn};Flag=8;CP=&&&&21C0\r\n"
                )),
            ),
            (
                "ST=32;CN=2051;QN=20040516010101001;PW=123456;MN=88888880000001;CP=&&x=1&&".to_owned(),
                Some("##0049ST=91;CN=9014;CP=&&QN=20040516010101001;CN=2051&&5F00\r\n".to_owned()),
            ),
            (
                "QN=20040516010101001;ST=32;CN=2072;PW=123456;MN=88888880000001;Flag=0;CP=&&x=1&&".to_owned(),
                Some(
                    "##0076ST=91;CN=9013;PW=123456;MN=88888880000001;Flag=0;CP=&&QN=20040516010101001&&30C0\r\n"
                        .to_owned(),
                ),
            ),
            ("ST=32;CN=2051;PW=123456;MN=88888880000001;CP=&&x=1&&".to_owned(), None),
        ] {
            assert_eq!(answer(&asked), expected, "{asked}");
        }
    }

    #[test]
    fn parts_of_2005_and_activation_of_2025() {
        let part = answer("ST=32;CN=2051;QN=20040516010101001;MN=88888880000001;PNO=1;PNUM=2;CP=&&x=1&&").unwrap();
        assert!(
            part.contains("CP=&&QN=20040516010101001;CN=2051;PNO=1;PNUM=2&&"),
            "{part}"
        );
        let first = answer("QN=20240601085857223;ST=91;CN=1001;PW=123456;MN=;Flag=9;CP=&&i23005-Info=6&&").unwrap();
        assert!(first.contains("CN=9013;PW=123456;MN=;Flag=8;CP=&&&&"), "{first}");
    }
}
