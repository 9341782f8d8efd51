//! Building an explanation from what was found in the input.

use std::borrow::Cow;
use std::sync::Arc;

use plume_schemas::codes::{Codes, Direction};
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::FactorCode;
use plume_schemas::reading::{Reading, Statistic, Value};
use plume_schemas::report::{ComplaintCode, Dialect, QuarantineReason};
use plume_schemas::time::Time;

use super::checks::{self, FrameFacts};
use super::input::{self, Piece, framed};
use super::words::{self, say};
use super::{Datum, Explanation, Finding, Lang, Level, Named, Options};
use crate::hj212::complaints::Complaints;
use crate::hj212::ending::{Check, CheckKind};
use crate::hj212::fields::{FieldReader, Fields, decode_gbk};
use crate::hj212::packet::Packet;
use crate::hj212::reply::{ReplyKind, device_replies, reply};
use crate::hj212::sm4::{self, DeviceKeys, Key};
use crate::hj212::subfields::{Bare, bare};
use crate::hj212::tokens::Tokens;

const SECRET: &str = "******";

/// Explains pieces of input one after the other.
pub(super) struct Builder<'a> {
    lang: Lang,
    catalogue: &'a Catalogue,
    codes: Option<Codes>,
    reader: FieldReader,
    keys: Option<Result<DeviceKeys, String>>,
}

/// The explanation of no input.
pub(super) fn nothing(lang: Lang) -> Explanation {
    empty(lang, say(lang, ("没有可解析的内容", "nothing to explain")).to_owned())
}

fn empty(lang: Lang, title: String) -> Explanation {
    Explanation {
        lang,
        title,
        readable: false,
        frame: Vec::new(),
        header: Vec::new(),
        parameters: Vec::new(),
        data: Vec::new(),
        findings: Vec::new(),
        answer: String::new(),
        device_answers: false,
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(catalogue: &'a Catalogue, lang: Lang, options: &Options) -> Self {
        let keys = options.key.as_ref().map(|key| {
            let key = std::str::from_utf8(key).map_err(|error| error.to_string());
            let key = key.and_then(|key| Key::parse(key.trim()).map_err(|error| error.to_string()));
            key.map(|current| DeviceKeys {
                literal: true,
                ..DeviceKeys::of(current)
            })
        });
        Self {
            lang,
            catalogue,
            // The tables come with plume; without them codes keep their numbers.
            codes: Codes::embedded().ok(),
            reader: FieldReader::new(Arc::new(catalogue.clone())),
            keys,
        }
    }

    pub(super) fn explain(&mut self, piece: &Piece) -> Explanation {
        match piece {
            Piece::Frame {
                raw,
                body,
                segment,
                declared,
                check,
                needs,
            } => {
                let (segment, check, key_id) = self.open(segment, *check);
                let found = FrameFacts {
                    digits: String::from_utf8_lossy(raw.get(2..*body).unwrap_or_default()).into_owned(),
                    declared: *declared,
                    segment: &segment,
                    check,
                    needs: *needs,
                    key_id,
                };
                let mut explanation = self.segment(&segment, Some(check), found.is_encrypted());
                explanation.readable = check.kind == CheckKind::Standard;
                explanation.frame = found.rows(self.lang);
                let mut findings = found.findings(self.lang);
                findings.extend(found.key_finding(self.lang, self.keys.as_ref()));
                findings.append(&mut explanation.findings);
                explanation.findings = findings;
                explanation
            }
            Piece::Segment(segment) => {
                let mut explanation = self.segment(segment, None, false);
                explanation.readable = true;
                explanation
                    .findings
                    .insert(0, checks::bare_segment(self.lang, &framed(segment)));
                explanation
            }
            Piece::Noise(reason, bytes) => self.noise(*reason, bytes),
        }
    }

    /// The segment in clear, if a key opens it, and which key that was.
    fn open(&self, segment: &[u8], check: Check) -> (Vec<u8>, Check, Option<String>) {
        // The checksum of a cipher may fit by chance.
        if let Some(Ok(keys)) = &self.keys
            && (check.kind == CheckKind::Wrong || sm4::looks_encrypted(segment))
            && let Some(opened) = sm4::open(segment, check.given, keys)
            && (check.kind == CheckKind::Wrong || !sm4::looks_encrypted(&opened.segment))
        {
            let check = Check::of(&opened.segment, check.given);
            return (opened.segment, check, Some(opened.key_id.to_string()));
        }
        (segment.to_vec(), check, None)
    }

    /// No frame: what could be read of a head and fields is shown all the same.
    fn noise(&mut self, reason: QuarantineReason, bytes: &[u8]) -> Explanation {
        let half = input::half_frame(bytes);
        let mut explanation = match half {
            Some((_, segment)) => Explanation {
                answer: String::new(),
                ..self.segment(segment, None, false)
            },
            None => empty(
                self.lang,
                say(self.lang, ("不是完整的 HJ 212 包", "not a whole HJ 212 packet")).to_owned(),
            ),
        };
        explanation
            .findings
            .insert(0, checks::no_frame(self.lang, reason, bytes, half));
        explanation
    }

    /// The data segment; the content of an encrypted one is left out.
    fn segment(&mut self, segment: &[u8], check: Option<Check>, encrypted: bool) -> Explanation {
        let mut complaints = Complaints::default();
        let mut packet = Packet::parse(segment, &mut complaints);
        if encrypted {
            packet.cp = b"";
        }
        let fields = self.reader.read(&packet, &mut complaints).clone();
        let direction = if encrypted {
            Direction::Up
        } else {
            direction(&packet, &fields)
        };
        let command = packet
            .cn
            .and_then(|cn| self.codes.as_ref()?.command(cn, packet.dialect, direction));
        let command = command.map_or("", |c| if self.lang == Lang::Zh { &c.name_zh } else { &c.name_en });
        let cn = packet.cn.map_or_else(|| "CN ?".to_owned(), |cn| format!("CN {cn}"));
        let mut explanation = empty(
            self.lang,
            format!("{}  {cn} {command}", packet.dialect.code())
                .trim_end()
                .to_owned(),
        );
        explanation.header = self.header(&packet, command);
        explanation.parameters = self.parameters(&packet);
        explanation.data = fields
            .readings
            .iter()
            .filter(|r| !is_parameter(r))
            .map(|r| self.datum(r, &packet))
            .collect();
        for complaint in complaints.list() {
            explanation
                .findings
                .push(self.complaint(complaint.code, complaint.factor, complaint.text.as_str()));
        }
        explanation
            .findings
            .extend(checks::implausible(self.lang, &fields.readings));
        let answerable = check.is_none_or(|check| check.kind == CheckKind::Standard);
        if answerable {
            explanation.device_answers = direction == Direction::Down;
            explanation.answer = answers(&packet, direction);
        }
        explanation
    }

    fn complaint(&self, code: ComplaintCode, factor: Option<FactorCode>, text: &str) -> Finding {
        let mut what = if self.lang == Lang::Zh { code.zh() } else { code.en() }.to_owned();
        for part in [factor.map(|f| f.to_string()).unwrap_or_default(), text.to_owned()] {
            if !part.is_empty() && !what.ends_with(&part) {
                what.push_str(": ");
                what.push_str(&part);
            }
        }
        let level = match code {
            ComplaintCode::Sentinel | ComplaintCode::FarDataTime => Level::Note,
            _ => Level::Warning,
        };
        Finding {
            level,
            what,
            advice: words::advice(self.lang, code).to_owned(),
        }
    }

    fn header(&self, packet: &Packet<'_>, command: &str) -> Vec<Named> {
        let lang = self.lang;
        let mut rows = Vec::new();
        let mut put = |field: &str, value: Option<String>, meaning: String| {
            if let Some(value) = value {
                rows.push(Named {
                    field: field.to_owned(),
                    name: words::name(lang, field).to_owned(),
                    value,
                    meaning,
                });
            }
        };
        let text = |field: Option<&[u8]>| field.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let st = text(packet.st);
        let system = st.as_deref().and_then(|st| self.codes.as_ref()?.system(st));
        let system = system.map_or("", |s| if lang == Lang::Zh { &s.name_zh } else { &s.name_en });
        put("QN", text(packet.qn), packet.sent_at.map(moment).unwrap_or_default());
        put("ST", st.clone(), system.to_owned());
        put("CN", packet.cn.map(|cn| cn.to_string()), command.to_owned());
        put("PW", packet.pw.map(|_| SECRET.to_owned()), String::new());
        put("MN", text(packet.mn), String::new());
        put(
            "Flag",
            packet.flag.map(|flag| flag.to_string()),
            packet.flag.map(|flag| flag_bits(lang, flag)).unwrap_or_default(),
        );
        put("PNUM", packet.pnum.map(|n| n.to_string()), String::new());
        put("PNO", packet.pno.map(|n| n.to_string()), String::new());
        put(
            "RF",
            packet.backfill.then(|| "1".to_owned()),
            say(lang, ("补传数据", "sent again")).to_owned(),
        );
        rows
    }

    /// Fields of CP without a hyphen.
    fn parameters(&self, packet: &Packet<'_>) -> Vec<Named> {
        let plain = |name: &[u8]| !name.contains(&b'-');
        let rows = Tokens::new(packet.cp)
            .filter(|token| plain(token.name))
            .filter_map(|token| {
                let field = decode_gbk(token.name).into_owned();
                let value = decode_gbk(token.value?).into_owned();
                let secret = bare(token.name).0 == Bare::Secret;
                let known = words::result(self.lang, &field, &value).map(str::to_owned);
                let factor = || {
                    FactorCode::new(&value)
                        .ok()
                        .filter(|_| field.eq_ignore_ascii_case("PolId"))
                        .map(|c| self.factor_name(c))
                };
                let time = || {
                    Time::parse_stamp(value.as_bytes())
                        .filter(|_| value.len() >= 14)
                        .map(moment)
                };
                let meaning = known.or_else(factor).or_else(time).unwrap_or_default();
                Some(Named {
                    name: words::name(self.lang, &field).to_owned(),
                    field,
                    value: if secret { SECRET.to_owned() } else { value },
                    meaning: if secret { String::new() } else { meaning },
                })
            });
        rows.collect()
    }

    fn factor_name(&self, code: FactorCode) -> String {
        let (code, known) = self.catalogue.canonical(code);
        match (known, self.lang) {
            (false, _) => String::new(),
            (true, Lang::Zh) => self.catalogue.name_zh(code),
            (true, Lang::En) => self.catalogue.name_en(code),
        }
    }

    fn datum(&self, reading: &Reading, packet: &Packet<'_>) -> Datum {
        let lang = self.lang;
        let code = reading.factor.as_str();
        // `L5-DayData` is a value of L5.
        let base = code
            .split_once('-')
            .and_then(|(base, _)| FactorCode::new(base).ok())
            .unwrap_or(reading.factor);
        let factor = self.catalogue.get(base);
        let unit = match reading.statistic {
            Statistic::Total => factor.and_then(|f| f.unit_mass),
            Statistic::Hours | Statistic::State | Statistic::Serial => None,
            _ => factor.and_then(|f| f.unit),
        };
        let unit = unit.map_or("", |unit| if lang == Lang::Zh { unit.zh() } else { unit.en() });
        let value = match reading.value {
            Value::Decimal(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Text(text) => whole_text(packet, text.as_str()),
            Value::Empty => say(lang, ("（空）", "(empty)")).to_owned(),
        };
        let state = words::state(lang, &value).filter(|_| reading.statistic == Statistic::State);
        let flag = state.map_or_else(|| words::flag(lang, reading), str::to_owned);
        Datum {
            code: code.to_owned(),
            name: self.factor_name(base),
            statistic: words::statistic(lang, reading),
            value,
            unit: if reading.statistic == Statistic::Hours {
                "h".to_owned()
            } else {
                unit.to_owned()
            },
            flag,
        }
    }
}

/// The text of a value, of which a reading keeps no more than its beginning (or the end of a serial number).
fn whole_text(packet: &Packet<'_>, kept: &str) -> String {
    let texts = Tokens::new(packet.cp).filter_map(|token| token.value.map(decode_gbk));
    let mut texts = texts.filter(|text| text.starts_with(kept) || text.ends_with(kept));
    texts.next().map_or_else(|| kept.to_owned(), Cow::into_owned)
}

/// Values without a factor are shown among the parameters.
fn is_parameter(reading: &Reading) -> bool {
    !matches!(bare(reading.factor.as_str().as_bytes()).0, Bare::Unknown)
}

/// Which way the packet goes: a question or setting comes from a platform, data from a device.
fn direction(packet: &Packet<'_>, fields: &Fields) -> Direction {
    let tells = fields.measured_at.is_some() || fields.readings.iter().any(|r| !is_parameter(r));
    let has = |names: &[&str]| {
        Tokens::new(packet.cp).any(|token| {
            names
                .iter()
                .any(|name| token.name.eq_ignore_ascii_case(name.as_bytes()))
        })
    };
    let up = |told: bool| if told { Direction::Up } else { Direction::Down };
    match packet.cn {
        Some(9011..=9014) => Direction::Both,
        // Read by a platform, told by the device under the same number.
        Some(1011) => up(has(&["SystemTime"])),
        Some(1061) => up(has(&["RtdInterval"])),
        Some(1063) => up(has(&["MinInterval"])),
        Some(3017) => up(has(&["CstartTime", "CTime"])),
        Some(3018) => up(has(&["Stime"])),
        // 1001 of 2005 sets the delay of alarms; since 2025 it brings the serial numbers of a logger.
        Some(1001) => up(packet.dialect != Dialect::Hj2005),
        Some(1013 | 2072 | 2081 | 9015 | 9021) => Direction::Up,
        Some(1014) => up(!has(&["NewSK"])),
        Some(1000..=1999) => Direction::Down,
        Some(2000..=3999) => up(tells),
        _ => Direction::Up,
    }
}

/// The frames that answer the packet, its password hidden.
fn answers(packet: &Packet<'_>, direction: Direction) -> String {
    let frames = if direction == Direction::Down {
        device_replies(packet)
    } else {
        ReplyKind::wanted_by(packet)
            .map(|kind| reply(packet, kind))
            .into_iter()
            .collect()
    };
    let password = packet.pw.map(|pw| format!("PW={};", String::from_utf8_lossy(pw)));
    let shown = frames.iter().map(|frame| {
        let frame = String::from_utf8_lossy(frame).trim_end().to_owned();
        match &password {
            Some(password) => frame.replace(password, &format!("PW={SECRET};")),
            None => frame,
        }
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// `2016-08-01 08:58:57.223`.
fn moment(at: Time) -> String {
    let text = at.to_string();
    text.split('+')
        .next()
        .unwrap_or_default()
        .replace('T', " ")
        .trim_end_matches(".000")
        .to_owned()
}

/// Version and the two low bits, in words.
fn flag_bits(lang: Lang, flag: u8) -> String {
    let version = match flag >> 2 {
        0 => "HJ/T 212-2005",
        1 => "HJ 212-2017",
        2 => "HJ 212-2025",
        _ => say(lang, ("未知版本", "unknown version")),
    };
    let split = if flag & 2 == 0 {
        ("未拆分", "whole")
    } else {
        ("拆分包", "in parts")
    };
    let answer = if flag & 1 == 0 {
        ("不需应答", "no answer wanted")
    } else {
        ("需要应答", "answer wanted")
    };
    let comma = say(lang, ("，", ", "));
    format!("{version}{comma}{}{comma}{}", say(lang, split), say(lang, answer))
}
