//! What a device said that matters to an exchange, taken from its report.

use plume_schemas::ids::{Inline, Mn};
use plume_schemas::report::{Dialect, Report};
use plume_schemas::time::Time;

use crate::hj212::complaints::{Complaints, inline};
use crate::hj212::packet::Packet;
use crate::hj212::tokens::Tokens;

/// Fields told by a packet that are kept, and of how many characters.
const MAX_TOLD: usize = 16;
const MAX_TOLD_CHARS: usize = 64;

/// One packet of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// From whom.
    pub mn: Mn,
    /// 命令编码.
    pub cn: u16,
    /// The QN it repeats (in CP for 2005); empty where there is none.
    pub qn: String,
    /// How it speaks.
    pub dialect: Dialect,
    /// 系统编码 it uses for its data; empty in answers.
    pub st: Inline<3>,
    /// The password it showed.
    pub password: Inline<15>,
    /// QnRtn or ExeRtn.
    pub code: Option<u16>,
    /// When what it tells was measured.
    pub measured_at: Time,
    /// Fields of CP without a factor, but for secrets.
    pub told: Vec<(String, String)>,
}

impl Heard {
    /// From a report; `None` for what was polled, and for the further reports of one packet.
    pub fn of(report: &Report) -> Option<Self> {
        let evidence = &report.evidence;
        if evidence.cn == 0 || evidence.share.0 != 0 {
            return None;
        }
        let packet = Packet::parse(segment(&evidence.raw)?, &mut Complaints::default());
        let is_reply = (9011..=9014).contains(&evidence.cn);
        let mut heard = Self {
            mn: report.origin.mn,
            cn: evidence.cn,
            qn: evidence.qn.as_str().to_owned(),
            dialect: packet.dialect,
            st: if is_reply { Inline::default() } else { report.origin.st },
            password: packet
                .pw
                .and_then(|pw| std::str::from_utf8(pw).ok())
                .map(inline)
                .unwrap_or_default(),
            code: None,
            measured_at: report.times.measured_at,
            told: Vec::new(),
        };
        // Data of a minute has nothing else to say, and there is much of it.
        if !matches!(evidence.cn, 2000..=2999) {
            heard.take_fields(packet.cp);
        }
        Some(heard)
    }

    fn take_fields(&mut self, cp: &[u8]) {
        for token in Tokens::new(cp).take(MAX_TOLD) {
            let text =
                |bytes: &[u8]| -> String { String::from_utf8_lossy(bytes).chars().take(MAX_TOLD_CHARS).collect() };
            let (name, value) = (text(token.name), text(token.value.unwrap_or_default()));
            match name.as_str() {
                "QN" => self.qn = value,
                "QnRtn" | "ExeRtn" => self.code = value.parse().ok(),
                "PW" | "NewPW" | "NewSK" | "CN" | "PNO" | "PNUM" | "DataTime" => {}
                _ => self.told.push((name, value)),
            }
        }
    }
}

/// The data segment of a frame that was read before.
fn segment(raw: &[u8]) -> Option<&[u8]> {
    let start = raw.iter().position(u8::is_ascii_alphabetic)?;
    let end = raw.windows(2).rposition(|two| two == b"&&")? + 2;
    raw.get(start..end)
}
