//! A packet taken apart: the header by key, never by position, and the text of CP. Everything is borrowed from the
//! data segment.

use plume_schemas::report::{ComplaintCode, Dialect};
use plume_schemas::time::Time;

use super::complaints::Complaints;
use super::encode::MAX_SEGMENT_BYTES;

/// Length of an MN since 2017; that of 2005 has 14 characters. Tells the dialect where Flag is missing.
const MN_LENGTH_2017: usize = 24;

/// The header of a packet and its CP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// 请求编码.
    pub qn: Option<&'a [u8]>,
    /// 系统编码.
    pub st: Option<&'a [u8]>,
    /// 命令编码, where it is a number.
    pub cn: Option<u16>,
    /// 访问密码.
    pub pw: Option<&'a [u8]>,
    /// 设备唯一标识; may be there and empty.
    pub mn: Option<&'a [u8]>,
    /// 拆分包及应答标志, where it is a number up to 255.
    pub flag: Option<u8>,
    /// 总包数.
    pub pnum: Option<u16>,
    /// 包号.
    pub pno: Option<u16>,
    /// RF=1 (2025): sent again after a gap.
    pub backfill: bool,
    /// Between `CP=&&` and the last `&&`.
    pub cp: &'a [u8],
    /// Which standard it is spoken in, by the version bits of Flag.
    pub dialect: Dialect,
    /// When the device says it sent: QN of 17 or 14 digits, or the milliseconds since 1970 that some makers write.
    pub sent_at: Option<Time>,
}

impl<'a> Packet<'a> {
    /// Takes a data segment apart. Never fails: what is missing is missing, what is odd is complained of.
    pub fn parse(segment: &'a [u8], complaints: &mut Complaints) -> Self {
        if segment.len() > MAX_SEGMENT_BYTES {
            complaints.add(
                ComplaintCode::TooLong,
                format!("{} > {MAX_SEGMENT_BYTES}", segment.len()).as_bytes(),
            );
        }
        let (header, cp) = split_cp(segment, complaints);
        let mut packet = Self {
            qn: None,
            st: None,
            cn: None,
            pw: None,
            mn: None,
            flag: None,
            pnum: None,
            pno: None,
            backfill: false,
            cp,
            dialect: Dialect::Hj2017,
            sent_at: None,
        };
        if let Some(comma) = header.iter().position(|&b| b == b',') {
            // Up to the value, which may be a password.
            let field = header.get(comma..).unwrap_or_default();
            let key = field.split(|&b| b == b'=').next().unwrap_or_default();
            complaints.add(ComplaintCode::OddGrammar, key);
        }
        let mut seen = 0_u16;
        for field in header.split(|b| matches!(b, b';' | b',')) {
            packet.take(field, &mut seen, complaints);
        }
        packet.dialect = packet.tell_dialect(complaints);
        packet.sent_at = packet.qn.and_then(sent_at);
        packet.check(complaints);
        packet
    }

    /// One header field.
    fn take(&mut self, field: &'a [u8], seen: &mut u16, complaints: &mut Complaints) {
        let trimmed = field.trim_ascii();
        if trimmed.is_empty() {
            return;
        }
        let Some(at) = trimmed.iter().position(|&b| b == b'=') else {
            return complaints.add(ComplaintCode::OddHeader, trimmed);
        };
        let (key, value) = (
            trimmed.get(..at).unwrap_or_default(),
            trimmed.get(at + 1..).unwrap_or_default(),
        );
        let (key, value) = (key.trim_ascii(), value.trim_ascii());
        let Some((place, spelt)) = key_place(key) else {
            return complaints.add(ComplaintCode::OddHeader, trimmed);
        };
        if !spelt || trimmed.len() != field.len() {
            complaints.add(ComplaintCode::OddHeader, field);
        }
        let bit = 1 << place;
        if *seen & bit != 0 {
            return complaints.add(ComplaintCode::Repeated, trimmed);
        }
        *seen |= bit;
        let number = || number(value);
        let mut readable = true;
        match place {
            0 => self.qn = Some(value),
            1 => self.st = Some(value),
            2 => {
                self.cn = number().filter(|&cn| cn <= 9999);
                readable = self.cn.is_some();
            }
            3 => self.pw = Some(value),
            4 => self.mn = Some(value),
            5 => {
                self.flag = number().and_then(|flag| u8::try_from(flag).ok());
                readable = self.flag.is_some();
            }
            6 => {
                self.pnum = number();
                readable = self.pnum.is_some();
            }
            7 => {
                self.pno = number();
                readable = self.pno.is_some();
            }
            _ => {
                self.backfill = value == b"1";
                readable = self.backfill;
            }
        }
        if !readable {
            complaints.add(ComplaintCode::OddHeader, trimmed);
        }
    }

    /// By the version bits of Flag; without one, by the length of MN.
    fn tell_dialect(&self, complaints: &mut Complaints) -> Dialect {
        let Some(flag) = self.flag else {
            let new = self.mn.is_some_and(|mn| mn.len() == MN_LENGTH_2017);
            return if new { Dialect::Hj2017 } else { Dialect::Hj2005 };
        };
        match flag >> 2 {
            0 => Dialect::Hj2005,
            1 => Dialect::Hj2017,
            2 if self.is_surface_water() => Dialect::Hj2017,
            2 => Dialect::Hj2025,
            _ => {
                complaints.add(ComplaintCode::OddHeader, format!("Flag={flag}").as_bytes());
                Dialect::Hj2017
            }
        }
    }

    /// Surface-water stations (ST 21) have sent the version bits of 2025 since 2019 without speaking it.
    pub fn is_surface_water(&self) -> bool {
        self.st == Some(b"21") && self.flag.is_some_and(|flag| flag >> 2 == 2)
    }

    /// Complains of what the dialect asks for and is not there.
    fn check(&self, complaints: &mut Complaints) {
        let old = self.dialect == Dialect::Hj2005;
        let there = |field: Option<&[u8]>| field.is_some_and(|value| !value.is_empty());
        // 1001 of 2025 is sent before the device has an MN.
        let may_lack_mn = self.dialect == Dialect::Hj2025 && self.cn == Some(1001);
        for (present, name) in [
            (old || there(self.qn), "QN"),
            (there(self.st), "ST"),
            (self.cn.is_some(), "CN"),
            (old || there(self.pw), "PW"),
            (may_lack_mn || there(self.mn), "MN"),
            (old || self.flag.is_some(), "Flag"),
        ] {
            if !present {
                complaints.add(ComplaintCode::MissingHeader, name.as_bytes());
            }
        }
        if let Some(qn) = self
            .qn
            .filter(|qn| !qn.is_empty() && (qn.len() != 17 || self.sent_at.is_none()))
        {
            complaints.add(ComplaintCode::BadQn, qn);
        }
        let split = self.flag.is_some_and(|flag| flag & 2 != 0);
        let parts = self.pnum.is_some() && self.pno.is_some();
        // The examples of 2005 set the bit without parts, and send parts without Flag.
        if !old && split != parts {
            let [flag, pnum, pno] = [self.flag.map(u16::from), self.pnum, self.pno].map(|n| n.unwrap_or(0));
            let text = if split {
                format!("Flag={flag}")
            } else {
                format!("Flag={flag};PNUM={pnum};PNO={pno}")
            };
            complaints.add(ComplaintCode::OddHeader, text.as_bytes());
        }
        if let Some((pno, pnum)) = self.pno.zip(self.pnum).filter(|(pno, pnum)| *pno == 0 || pno > pnum) {
            complaints.add(ComplaintCode::OddHeader, format!("PNUM={pnum};PNO={pno}").as_bytes());
        }
    }

    /// True when the sender wants an answer: bit 0 of Flag; without a Flag, when it gave a QN to answer to (2005 C.25).
    pub fn wants_answer(&self) -> bool {
        self.flag
            .map_or(self.qn.is_some_and(|qn| !qn.is_empty()), |flag| flag & 1 == 1)
    }

    /// True for the answers 9011 to 9014, which are never answered (2005's 9012 included: answering answers makes
    /// loops).
    pub fn is_reply(&self) -> bool {
        matches!(self.cn, Some(9011..=9014))
    }
}

fn sent_at(qn: &[u8]) -> Option<Time> {
    if qn.len() == 13 && qn.iter().all(u8::is_ascii_digit) {
        return std::str::from_utf8(qn).ok()?.parse().ok().map(Time);
    }
    Time::parse_stamp(qn)
}

/// Header keys, in the order of the standard.
const KEYS: [&[u8]; 9] = [b"QN", b"ST", b"CN", b"PW", b"MN", b"Flag", b"PNUM", b"PNO", b"RF"];

/// Header and content of CP.
fn split_cp<'a>(segment: &'a [u8], complaints: &mut Complaints) -> (&'a [u8], &'a [u8]) {
    let Some(at) = find_cp(segment) else {
        complaints.add(ComplaintCode::MissingHeader, b"CP");
        return (segment, b"");
    };
    let (header, rest) = segment.split_at(at);
    if header.last().is_some_and(|last| !matches!(last, b';' | b',')) {
        complaints.add(ComplaintCode::OddGrammar, rest.get(..5).unwrap_or(rest));
    }
    let cp = rest.get(3..).unwrap_or_default().trim_ascii_start();
    let opened = cp.strip_prefix(b"&&");
    let closed = opened.and_then(|cp| cp.strip_suffix(b"&&"));
    if let Some(content) = closed {
        return (header, content);
    }
    complaints.add(ComplaintCode::OddGrammar, b"CP=&&...&&");
    let cp = opened.or_else(|| cp.strip_prefix(b"&")).unwrap_or(cp);
    let cp = cp.strip_suffix(b"&&").or_else(|| cp.strip_suffix(b"&")).unwrap_or(cp);
    (header, cp)
}

/// Where `CP=` stands: header values cannot hold a `=`.
pub(super) fn find_cp(segment: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'=', segment).find_map(|equals| {
        let at = equals.checked_sub(2)?;
        segment.get(at..equals)?.eq_ignore_ascii_case(b"CP").then_some(at)
    })
}

/// A number of at most five digits, leading zeros included.
fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    u16::try_from(digits.iter().fold(0_u32, |n, b| n * 10 + u32::from(b - b'0'))).ok()
}

/// Which key this is, and whether it is spelt as in the standard.
fn key_place(key: &[u8]) -> Option<(usize, bool)> {
    let place = match key {
        b"QN" => 0,
        b"ST" => 1,
        b"CN" => 2,
        b"PW" => 3,
        b"MN" => 4,
        b"Flag" => 5,
        b"PNUM" => 6,
        b"PNO" => 7,
        b"RF" => 8,
        _ => {
            return KEYS
                .iter()
                .position(|known| known.eq_ignore_ascii_case(key))
                .map(|place| (place, false));
        }
    };
    Some((place, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Packet<'_>, Vec<String>) {
        let mut complaints = Complaints::default();
        let packet = Packet::parse(text.as_bytes(), &mut complaints);
        let texts = complaints
            .list()
            .iter()
            .map(|c| format!("{}: {}", c.code, c.text))
            .collect();
        (packet, texts)
    }

    #[test]
    fn a_clean_packet_has_no_complaints() {
        let (packet, complaints) = parse(
            "QN=20160801085857534;ST=32;CN=2061;PW=123456;MN=010000A8900016F000169DC0;Flag=7;PNUM=2;PNO=1;CP=&&a=1&&",
        );
        assert!(complaints.is_empty(), "{complaints:?}");
        assert_eq!(
            (packet.cn, packet.flag, packet.pno.zip(packet.pnum)),
            (Some(2061), Some(7), Some((1, 2)))
        );
        assert_eq!((packet.cp, packet.dialect), (b"a=1".as_slice(), Dialect::Hj2017));
        assert!(packet.wants_answer() && !packet.is_reply());
    }

    #[test]
    fn dialects() {
        for (text, dialect) in [
            ("ST=32;CN=2011;PW=1;MN=88888880000001;CP=&&&&", Dialect::Hj2005),
            ("ST=32;CN=2011;PW=1;MN=88888880000001;Flag=3;CP=&&&&", Dialect::Hj2005),
            (
                "ST=32;CN=2011;PW=1;MN=010000A8900016F000169DC0;CP=&&&&",
                Dialect::Hj2017,
            ),
            ("ST=32;CN=2011;PW=1;MN=88888880000001;Flag=4;CP=&&&&", Dialect::Hj2017),
            ("ST=32;CN=2011;PW=1;MN=1;Flag=11;CP=&&&&", Dialect::Hj2025),
            ("ST=21;CN=2011;PW=1;MN=A110000_0001;Flag=9;CP=&&&&", Dialect::Hj2017),
            ("ST=32;CN=2011;PW=1;MN=1;Flag=255;CP=&&&&", Dialect::Hj2017),
        ] {
            assert_eq!(parse(text).0.dialect, dialect, "{text}");
        }
    }

    #[test]
    fn the_slips_of_the_standards() {
        let (packet, complaints) = parse("QN=20160801085857534,ST=32;CN=2031; Flag=5CP=&& &&");
        assert_eq!(
            (packet.st, packet.flag, packet.cp),
            (Some(b"32".as_slice()), Some(5), b" ".as_slice())
        );
        assert_eq!(
            complaints,
            [
                "odd_grammar: CP=&&",
                "odd_grammar: ,ST",
                "odd_header:  Flag=5",
                "missing_header: PW",
                "missing_header: MN"
            ]
        );
        let (packet, complaints) = parse("CP=&x=1&");
        assert_eq!(packet.cp, b"x=1");
        assert_eq!(complaints.len(), 4, "{complaints:?}");
    }

    #[test]
    fn times_of_sending() {
        let at = |qn: &str| parse(&format!("QN={qn};CP=&&&&")).0.sent_at.map(Time::stamp17);
        assert_eq!(at("20160801085857534").as_deref(), Some("20160801085857534"));
        assert_eq!(at("20160801085857").as_deref(), Some("20160801085857000"));
        assert_eq!(at("1470013137534").as_deref(), Some("20160801085857534"));
        assert_eq!(at(""), None);
        assert_eq!(at("99999999999999999"), None);
    }
}
