//! Writing packets of all three dialects: for replies, for the simulator, and for round trips against the decoder.
//!
//! A [`Message`] is what one side wants to say; [`Message::packets`] gives the bytes, in as many parts as the
//! standard's 1024 bytes ask for. [`frame`] alone puts length, checksum and tail around any data segment.

use plume_schemas::report::Dialect;
use plume_schemas::time::Time;

use super::crc;

/// Longest data segment the standards allow (HJ 212-2017 table 2; the same in 2005 and 2025).
pub const MAX_SEGMENT_BYTES: usize = 1024;
/// PNUM has four digits (2017 table 3).
const MAX_PARTS: usize = 9999;
/// PNUM has one digit in 2025 (table 3).
const MAX_PARTS_2025: usize = 9;
/// Room that is kept for PNUM and PNO while splitting, for the most digits they can have.
const PART_FIELDS_BYTES: usize = "PNUM=9999;PNO=9999;".len();

/// One name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The whole name: `a21026-Rtd`, `DataTime`.
    pub name: String,
    /// The text behind `=`.
    pub value: String,
}

/// What belongs together and is joined by `,`: all sub-fields of one factor, or a single field.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Group(pub Vec<Field>);

impl Group {
    /// A group of one field: `DataTime`, `RtdInterval`.
    pub fn single(name: &str, value: impl Into<String>) -> Self {
        Self(vec![Field {
            name: name.to_owned(),
            value: value.into(),
        }])
    }

    /// The sub-fields of one factor, in the order given: `[("Rtd", "1.5"), ("Flag", "N")]`.
    pub fn factor<'a, V: Into<String>>(code: &str, subs: impl IntoIterator<Item = (&'a str, V)>) -> Self {
        Self(
            subs.into_iter()
                .map(|(sub, value)| Field {
                    name: format!("{code}-{sub}"),
                    value: value.into(),
                })
                .collect(),
        )
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (at, field) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(field.name.as_bytes());
            out.push(b'=');
            out.extend_from_slice(field.value.as_bytes());
        }
    }
}

/// What one side wants to say, before it is cut into packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which standard; decides the version bits of Flag.
    pub dialect: Dialect,
    /// 请求编码; left out if empty.
    pub qn: String,
    /// 系统编码.
    pub st: String,
    /// 命令编码.
    pub cn: u16,
    /// 访问密码; left out if empty.
    pub pw: String,
    /// 设备唯一标识; written even if empty (2025 sends 1001 before it has one).
    pub mn: String,
    /// Flag bit 0: the other side shall answer.
    pub wants_answer: bool,
    /// RF=1 (2025): sent again after a gap.
    pub backfill: bool,
    /// The content of CP, groups joined by `;`.
    pub body: Vec<Group>,
}

/// A message that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// One group alone is longer than a data segment, and groups are never cut.
    #[error("group {group} of CN {cn} makes a data segment of {bytes} bytes, over the limit of {limit}")]
    GroupTooLong {
        /// Name of the group's first field.
        group: String,
        /// Of which message.
        cn: u16,
        /// How long the segment would be.
        bytes: usize,
        /// The limit given.
        limit: usize,
    },
    /// More parts than PNUM can count.
    #[error("CN {cn} needs {parts} parts, over the limit of {limit}")]
    TooManyParts {
        /// Of which message.
        cn: u16,
        /// How many.
        parts: usize,
        /// How many PNUM can say in this dialect.
        limit: usize,
    },
}

impl EncodeError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::GroupTooLong { group, .. } => format!("send fewer sub-fields in {group}, or a shorter text"),
            Self::TooManyParts { limit, .. } => format!("send at most {limit} parts: divide the message by factor"),
        }
    }
}

impl Message {
    /// An upload of a device that wants to be answered, with an empty body, ST 31 (air pollution source) and PW 123456.
    pub fn upload(dialect: Dialect, mn: &str, cn: u16, sent_at: Time) -> Self {
        Self {
            dialect,
            qn: sent_at.stamp17(),
            st: "31".to_owned(),
            cn,
            pw: "123456".to_owned(),
            mn: mn.to_owned(),
            wants_answer: true,
            backfill: false,
            body: Vec::new(),
        }
    }

    /// The same message with `DataTime` as its first group.
    #[must_use]
    pub fn data_time(mut self, at: Time) -> Self {
        self.body.insert(0, Group::single("DataTime", at.stamp14()));
        self
    }

    /// The same message with one more group.
    #[must_use]
    pub fn with(mut self, group: Group) -> Self {
        self.body.push(group);
        self
    }

    /// The packets of the message, each a whole frame: one, or parts with PNUM and PNO where the data segment would be
    /// longer than [`MAX_SEGMENT_BYTES`]. Parts repeat a leading `DataTime`, have QNs of their own a millisecond apart
    /// (2017 C.49, C.50), and no group is cut. Errors: a group that fits no part, or more parts than the dialect can
    /// count.
    pub fn packets(&self) -> Result<Vec<Vec<u8>>, EncodeError> {
        self.packets_within(MAX_SEGMENT_BYTES)
    }

    /// [`Self::packets`] with another limit of the data segment, in bytes.
    pub fn packets_within(&self, limit: usize) -> Result<Vec<Vec<u8>>, EncodeError> {
        let whole = self.segment(None, self.body.iter());
        if whole.len() <= limit {
            return Ok(vec![frame(&whole)]);
        }
        let parts = self.split(limit)?;
        let most = if self.dialect == Dialect::Hj2025 {
            MAX_PARTS_2025
        } else {
            MAX_PARTS
        };
        if parts.len() > most {
            return Err(EncodeError::TooManyParts {
                cn: self.cn,
                parts: parts.len(),
                limit: most,
            });
        }
        let count = parts.len();
        Ok(parts
            .into_iter()
            .enumerate()
            .map(|(at, groups)| frame(&self.segment(Some((at + 1, count)), groups.into_iter())))
            .collect())
    }

    /// Groups of each part: the leading DataTime, then as many as fit.
    fn split(&self, limit: usize) -> Result<Vec<Vec<&Group>>, EncodeError> {
        let lead = self.body.first().filter(|group| is_data_time(group));
        let empty = self.segment(None, lead.into_iter()).len() + PART_FIELDS_BYTES;
        let mut parts: Vec<Vec<&Group>> = Vec::new();
        let mut filled = usize::MAX;
        for group in self.body.iter().skip(usize::from(lead.is_some())) {
            let mut text = Vec::new();
            group.write(&mut text);
            let bytes = text.len() + 1;
            if empty + bytes > limit {
                return Err(EncodeError::GroupTooLong {
                    group: group.0.first().map(|field| field.name.clone()).unwrap_or_default(),
                    cn: self.cn,
                    bytes: empty + bytes,
                    limit,
                });
            }
            match parts.last_mut() {
                Some(part) if filled + bytes <= limit => {
                    part.push(group);
                    filled += bytes;
                }
                _ => {
                    parts.push(lead.into_iter().chain([group]).collect());
                    filled = empty + bytes;
                }
            }
        }
        Ok(parts)
    }

    /// One data segment; `part` is (PNO, PNUM).
    fn segment<'a>(&self, part: Option<(usize, usize)>, groups: impl Iterator<Item = &'a Group>) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let mut put = |text: String| out.extend_from_slice(text.as_bytes());
        let number = part.map_or(0, |(number, _)| number);
        let qn = match (Time::parse_stamp(self.qn.as_bytes()), number) {
            (Some(at), 2..) if self.qn.len() == 17 => at.plus(i64::try_from(number - 1).unwrap_or(0)).stamp17(),
            _ => self.qn.clone(),
        };
        if !qn.is_empty() {
            put(format!("QN={qn};"));
        }
        put(format!("ST={};CN={:04};", self.st, self.cn));
        if !self.pw.is_empty() {
            put(format!("PW={};", self.pw));
        }
        put(format!("MN={};Flag={};", self.mn, self.flag(part.is_some())));
        if let Some((number, count)) = part {
            put(format!("PNUM={count};PNO={number};"));
        }
        if self.backfill {
            put("RF=1;".to_owned());
        }
        put("CP=&&".to_owned());
        for (at, group) in groups.enumerate() {
            if at > 0 {
                out.push(b';');
            }
            group.write(&mut out);
        }
        out.extend_from_slice(b"&&");
        out
    }

    /// Flag: version bits, bit 1 for parts, bit 0 for an answer.
    fn flag(&self, split: bool) -> u8 {
        version_bits(self.dialect) << 2 | u8::from(split) << 1 | u8::from(self.wants_answer)
    }
}

fn is_data_time(group: &Group) -> bool {
    matches!(group.0.as_slice(), [field] if field.name == "DataTime")
}

/// V5 to V0 of Flag: 0 is 2005, 1 is 2017, 2 is 2025.
pub fn version_bits(dialect: Dialect) -> u8 {
    match dialect {
        Dialect::Hj2005 => 0,
        Dialect::Hj2017 | Dialect::Modbus => 1,
        Dialect::Hj2025 => 2,
    }
}

/// A whole frame around a data segment: `##`, four digits of length, the segment, its checksum, CR LF. A segment over
/// 9999 bytes, which no reader accepts, gets a longer length field.
pub fn frame(segment: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(segment.len() + 12);
    out.extend_from_slice(format!("##{:04}", segment.len()).as_bytes());
    out.extend_from_slice(segment);
    out.extend_from_slice(format!("{:04X}\r\n", crc::hj212(segment)).as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const MN: &str = "010000A8900016F000169DC0";

    fn at() -> Time {
        Time::parse_stamp(b"20160801085857534").unwrap()
    }

    fn hour() -> Message {
        let mean = |code, cou| {
            Group::factor(
                code,
                [
                    ("Cou", cou),
                    ("Min", "1.0"),
                    ("Avg", "2.0"),
                    ("Max", "3.0"),
                    ("Flag", "N"),
                ],
            )
        };
        Message::upload(Dialect::Hj2017, MN, 2061, at())
            .data_time(at())
            .with(mean("w00000", "63.0"))
            .with(mean("w01001", "64.0"))
            .with(mean("w01018", "65.0"))
    }

    #[test]
    fn the_first_vector_of_2017() {
        let mut message = Message::upload(
            Dialect::Hj2017,
            MN,
            1062,
            Time::parse_stamp(b"20160801085857223").unwrap(),
        );
        message.st = "32".to_owned();
        message.pw = "100000".to_owned();
        message.body = vec![Group::single("RtdInterval", "30")];
        let expected = "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;\
                        CP=&&RtdInterval=30&&1C80\r\n";
        assert_eq!(message.packets().unwrap(), [expected.as_bytes()]);
    }

    #[test]
    fn long_messages_go_in_parts_that_repeat_data_time() {
        let packets = hour().packets_within(220).unwrap();
        let texts: Vec<&str> = packets.iter().map(|p| std::str::from_utf8(p).unwrap()).collect();
        assert_eq!(texts.len(), 3);
        for (at, text) in texts.iter().enumerate() {
            assert!(
                text.contains(&format!("Flag=7;PNUM=3;PNO={};CP=&&DataTime=", at + 1)),
                "{text}"
            );
            assert!(text.contains(&format!("QN=2016080108585753{}", 4 + at)), "{text}");
            assert!(text.len() <= 220 + 12);
        }
        assert!(texts[2].contains("w01018-Cou=65.0") && !texts[2].contains("w01001"));
    }

    #[test]
    fn what_fits_no_part_is_said() {
        let long = hour().packets_within(150).unwrap_err();
        assert_eq!(
            long.to_string(),
            "group w00000-Cou of CN 2061 makes a data segment of 204 bytes, over the limit of 150"
        );
        let mut many = hour();
        many.dialect = Dialect::Hj2025;
        for _ in 0..9 {
            many = many.with(Group::factor("a21026", [("Avg", "1")]));
        }
        many.body.truncate(1);
        for _ in 0..10 {
            many = many.with(Group::single("x", "y".repeat(80)));
        }
        assert!(matches!(
            many.packets_within(225),
            Err(EncodeError::TooManyParts {
                parts: 10,
                limit: 9,
                ..
            })
        ));
    }
}
