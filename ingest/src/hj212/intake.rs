//! What is to be done with one frame: what to keep, what to answer once that is safe, and what to count. Pure: frame,
//! registry and clock in, decision out.

use std::sync::Arc;

use plume_schemas::entry::EntryBody;
use plume_schemas::factors::Catalogue;
use plume_schemas::ids::{ContentId, Inline, Mn};
use plume_schemas::registry::RegistryIndex;
use plume_schemas::report::{ComplaintCode, Dialect, QuarantineReason, Quarantined};

use super::complaints::{Complaints, inline};
use super::ending::CheckKind;
use super::fields::FieldReader;
use super::frame::Frame;
use super::headers::Headers;
use super::packet::Packet;
use super::reply::{ReplyKind, reply};
use super::sm4;
use super::tokens::Tokens;
use super::tolerance::{Tolerance, Tolerances};
use crate::config::{IngestConfig, UnknownMn};
use crate::normalize::{Normalized, Read, normalize};
use crate::quarantine::{Arrival, Sender, quarantined};

/// A record to be made durable.
#[derive(Clone, Debug, PartialEq)]
pub enum LogRecord {
    /// Onto the topic of reports, into the partition of its outlet.
    Entry(EntryBody),
    /// Onto the topic of what was set aside.
    Quarantined(Box<Quarantined>),
}

/// What became of a frame, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Reports were made of it.
    Accepted,
    /// An answer of the device (9011 to 9014): kept, never answered.
    Answer,
    /// Set aside.
    Quarantined(QuarantineReason),
    /// Neither kept nor answered, by policy.
    Refused,
}

/// The decision about one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// From whom, as far as it could be read.
    pub sender: Sender,
    /// How it was spoken.
    pub dialect: Option<Dialect>,
    /// Hash of the data segment in clear; of the whole frame where the checksum is wrong.
    pub id: ContentId,
    /// Length of the frame.
    pub bytes: usize,
    /// What to keep.
    pub records: Vec<LogRecord>,
    /// What to answer once that is durable.
    pub reply: Option<Vec<u8>>,
    /// For counting.
    pub verdict: Verdict,
    /// What was wrong with it, one for each complaint.
    pub complaints: Vec<ComplaintCode>,
    /// Departures of the frame that had to be tolerated.
    pub tolerated: Tolerances,
    /// The sender is registered and was not refused: the device is there.
    pub present: bool,
    /// It asks to be activated (1001 of 2025).
    pub newcomer: Option<Box<Newcomer>>,
}

/// A logger that has no MN yet (2025 6.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newcomer {
    /// Its hardware serial number, by which it is told from others (i23005).
    pub serial: String,
    /// The password it showed.
    pub password: Inline<15>,
    /// 系统编码 it used.
    pub st: Inline<3>,
}

/// Decides about the frames of one link.
#[derive(Debug)]
pub struct Intake {
    config: Arc<IngestConfig>,
    headers: Headers,
    reader: FieldReader,
    complaints: Complaints,
}

/// A frame whose checksum is right, in clear.
struct Clear<'a> {
    segment: &'a [u8],
    raw: &'a [u8],
    key_id: Option<Inline<15>>,
}

impl Intake {
    /// An intake for one link.
    pub fn new(config: Arc<IngestConfig>, catalogue: Arc<Catalogue>) -> Self {
        Self {
            config,
            headers: Headers::default(),
            reader: FieldReader::new(catalogue),
            complaints: Complaints::default(),
        }
    }

    /// Gives back memory that a quiet link does not need: what was learned of its packets is learned again with the
    /// next.
    pub fn rest(&mut self) {
        self.headers = Headers::default();
        self.reader.rest();
        self.complaints = Complaints::default();
    }

    /// Decides about a frame.
    pub fn take(&mut self, frame: &Frame<'_>, arrival: &Arrival, registry: &RegistryIndex) -> Taken {
        Taken {
            bytes: frame.raw.len(),
            tolerated: frame.needs,
            ..self.decide(frame, arrival, registry)
        }
    }

    fn decide(&mut self, frame: &Frame<'_>, arrival: &Arrival, registry: &RegistryIndex) -> Taken {
        self.complaints.clear();
        if frame.check.kind == CheckKind::Wrong || self.fits_by_chance(frame) {
            return self.take_unchecked(frame, arrival, registry);
        }
        let refused = frame.needs.without(self.config.tolerate);
        if !refused.is_empty() {
            return take_refused(frame, refused, arrival);
        }
        complain_of_frame(frame, frame.segment.len(), &mut self.complaints);
        let clear = Clear {
            segment: frame.segment,
            raw: frame.raw,
            key_id: None,
        };
        self.take_clear(&clear, arrival, registry)
    }

    /// The checksum is that of the plain text, and of the cipher by chance alone: it has 8 bits, so one cipher in 256
    /// has it too.
    fn fits_by_chance(&self, frame: &Frame<'_>) -> bool {
        if self.config.keys.is_empty() || !sm4::looks_encrypted(frame.segment) {
            return false;
        }
        let sender = sender(&Packet::parse(frame.segment, &mut Complaints::default()));
        let keys = sender.mn.and_then(|mn| self.config.keys.get(mn));
        let opened = keys.and_then(|keys| sm4::open(frame.segment, frame.check.given, &keys));
        opened.is_some_and(|opened| !sm4::looks_encrypted(&opened.segment))
    }

    /// The checksum does not fit: encrypted, or damaged.
    fn take_unchecked(&mut self, frame: &Frame<'_>, arrival: &Arrival, registry: &RegistryIndex) -> Taken {
        let packet = Packet::parse(frame.segment, &mut Complaints::default());
        let sender = sender(&packet);
        let keys = sender.mn.and_then(|mn| self.config.keys.get(mn));
        // An encrypted literal form is longer than its length field says, so a wrong length does not stop it.
        let odd = frame.needs.without(Tolerances::NONE.with(Tolerance::WrongLength));
        let tolerable = odd.without(self.config.tolerate).is_empty();
        let opened = keys
            .as_ref()
            .filter(|_| tolerable)
            .and_then(|keys| sm4::open(frame.segment, frame.check.given, keys));
        if let Some(opened) = opened {
            let raw = frame.with_segment(&opened.segment);
            complain_of_frame(frame, opened.segment.len(), &mut self.complaints);
            let clear = Clear {
                segment: &opened.segment,
                raw: &raw,
                key_id: Some(opened.key_id),
            };
            return self.take_clear(&clear, arrival, registry);
        }
        let encrypted = packet.dialect == Dialect::Hj2025 && sm4::looks_encrypted(frame.segment);
        let (reason, detail) = if encrypted {
            let what = if keys.is_some() {
                "no key of this device opens it"
            } else {
                "no key is set for this device"
            };
            (QuarantineReason::NoKey, what.to_owned())
        } else {
            let check = frame.check;
            let length = (frame.declared, frame.segment.len());
            let about = if length.0 == length.1 {
                String::new()
            } else {
                format!(", length {} for {}", length.0, length.1)
            };
            (
                QuarantineReason::BadCrc,
                format!("checksum {:04X}, should be {:04X}{about}", check.given, check.right),
            )
        };
        let id = ContentId::of(&[frame.raw]);
        set_aside(reason, detail, arrival, sender, (id, frame.raw), None)
    }

    /// The frame is what its sender meant.
    fn take_clear(&mut self, clear: &Clear<'_>, arrival: &Arrival, registry: &RegistryIndex) -> Taken {
        let packet = self.headers.parse(clear.segment, &mut self.complaints);
        // Of the segment, not of the frame: whether the tail came before or after the link went quiet is the network's
        // doing, and must not make two packets of one.
        let id = ContentId::of(&[clear.segment]);
        let answer = ReplyKind::wanted_by(&packet).map(|kind| reply(&packet, kind));
        let mut taken = match self.admit(&packet, registry) {
            Admission::Refused => refused(sender(&packet), id),
            Admission::SetAside(reason, detail) => {
                let answer = answer.filter(|_| reason != QuarantineReason::WrongPassword);
                set_aside(reason, detail, arrival, sender(&packet), (id, clear.raw), answer)
            }
            Admission::Admitted { mn, known } => {
                self.read(clear, &packet, (mn, known), id, answer, (arrival, registry))
            }
        };
        taken.dialect = Some(packet.dialect);
        taken.newcomer = newcomer(&packet);
        taken
    }

    /// Whether the sender may speak here.
    fn admit(&self, packet: &Packet<'_>, registry: &RegistryIndex) -> Admission {
        let sender = sender(packet);
        let policy = self.config.unknown_mn;
        let (Some(mn), Some(cn)) = (sender.mn, sender.cn) else {
            // 1001 of 2025 comes from a device that has no MN yet.
            if policy == UnknownMn::Refuse && sender.cn != Some(1001) {
                return Admission::Refused;
            }
            let missing = if sender.cn.is_none() {
                "no readable CN"
            } else {
                "no readable MN"
            };
            return Admission::SetAside(QuarantineReason::NoIdentity, missing.to_owned());
        };
        let known = registry.knows(mn);
        match policy {
            UnknownMn::Refuse if !known => return Admission::Refused,
            UnknownMn::Quarantine if !known => {
                let detail = format!("CN {cn} of MN {mn}, which is not in the registry");
                return Admission::SetAside(QuarantineReason::UnknownMn, detail);
            }
            _ => {}
        }
        if wrong_password(packet, mn, registry) && !self.was_set(packet, mn) {
            let detail = "PW is not that of the registry".to_owned();
            return Admission::SetAside(QuarantineReason::WrongPassword, detail);
        }
        Admission::Admitted { mn, known }
    }

    /// True for a password that plume has given the device, or is giving it.
    fn was_set(&self, packet: &Packet<'_>, mn: Mn) -> bool {
        let passwords = self.config.keys.passwords(mn);
        let mut ours = [passwords.set, passwords.next].into_iter().flatten();
        ours.any(|password| packet.pw == Some(password.as_bytes()))
    }

    /// Reads an admitted packet.
    fn read(
        &mut self,
        clear: &Clear<'_>,
        packet: &Packet<'_>,
        (mn, known): (Mn, bool),
        id: ContentId,
        answer: Option<Vec<u8>>,
        (arrival, registry): (&Arrival, &RegistryIndex),
    ) -> Taken {
        if self.config.expect_encryption_2025 && clear.key_id.is_none() && encrypted_by_rule(packet) {
            self.complaints.add(
                ComplaintCode::NotEncrypted,
                format!("CN={}", packet.cn.unwrap_or(0)).as_bytes(),
            );
        }
        let fields = self.reader.read(packet, &mut self.complaints);
        let read = Read {
            packet,
            fields,
            complaints: &self.complaints,
            mn,
            raw: clear.raw,
            id,
            key_id: clear.key_id,
        };
        match normalize(read, arrival, registry, &self.config) {
            Normalized::Reports(reports) => Taken {
                sender: sender(packet),
                dialect: None,
                id,
                bytes: 0,
                tolerated: Tolerances::NONE,
                complaints: reports
                    .first()
                    .map(|r| r.complaints.iter().map(|c| c.code).collect())
                    .unwrap_or_default(),
                records: reports
                    .into_iter()
                    .map(|r| LogRecord::Entry(EntryBody::Report(Box::new(r))))
                    .collect(),
                reply: answer,
                verdict: if packet.is_reply() {
                    Verdict::Answer
                } else {
                    Verdict::Accepted
                },
                present: known,
                newcomer: None,
            },
            Normalized::Quarantine(reason, detail) => {
                let (reason, detail, answer) = if reason == QuarantineReason::NoDataTime && is_closed(clear, packet) {
                    // As every other cipher without a key: not answered, so that it comes again.
                    let detail = "no key is set for this device, or none opens it".to_owned();
                    (QuarantineReason::NoKey, detail, None)
                } else {
                    (reason, detail, answer)
                };
                Taken {
                    present: known,
                    ..set_aside(reason, detail, arrival, sender(packet), (id, clear.raw), answer)
                }
            }
        }
    }
}

/// Whether a sender may speak.
enum Admission {
    Refused,
    SetAside(QuarantineReason, String),
    Admitted { mn: Mn, known: bool },
}

/// The frame departs from the format in a way that is not tolerated.
fn take_refused(frame: &Frame<'_>, refused: Tolerances, arrival: &Arrival) -> Taken {
    let packet = Packet::parse(frame.segment, &mut Complaints::default());
    let checksum = refused.iter().any(|one| one.complaint() == ComplaintCode::CrcVariant);
    let reason = if checksum {
        QuarantineReason::BadCrc
    } else {
        QuarantineReason::Garbage
    };
    let mut detail = format!("needs the tolerance {refused}");
    if checksum {
        detail = format!(
            "checksum {:04X}, should be {:04X}; {detail}",
            frame.check.given, frame.check.right
        );
    }
    let id = ContentId::of(&[frame.raw]);
    set_aside(reason, detail, arrival, sender(&packet), (id, frame.raw), None)
}

/// Complaints of a frame that was accepted through tolerances, its segment having so many bytes in clear.
pub(super) fn complain_of_frame(frame: &Frame<'_>, clear: usize, complaints: &mut Complaints) {
    for tolerance in frame.needs.iter() {
        let text = match tolerance {
            // The literal form of a cipher is longer than what its length field counts, which is the text in clear.
            Tolerance::WrongLength if frame.declared == clear => {
                format!("{clear} in clear, {} as {{0x…}}", frame.segment.len())
            }
            Tolerance::WrongLength => format!("{} ≠ {clear}", frame.declared),
            Tolerance::ModbusCrc | Tolerance::SwappedModbusCrc => {
                format!(
                    "{} {:04X} ≠ {:04X}",
                    tolerance.name(),
                    frame.check.given,
                    frame.check.right
                )
            }
            _ => tolerance.name().to_owned(),
        };
        complaints.add(tolerance.complaint(), text.as_bytes());
    }
}

fn sender(packet: &Packet<'_>) -> Sender {
    let mn = packet
        .mn
        .and_then(|mn| std::str::from_utf8(mn).ok())
        .and_then(|mn| Mn::new(mn).ok());
    Sender { mn, cn: packet.cn }
}

/// Who asks to be activated: 1001 of a logger that has no MN.
fn newcomer(packet: &Packet<'_>) -> Option<Box<Newcomer>> {
    if packet.cn != Some(1001) || sender(packet).mn.is_some() {
        return None;
    }
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let told = Tokens::new(packet.cp).find(|token| token.name.eq_ignore_ascii_case(SERIAL.as_bytes()))?;
    let short = |field: Option<&[u8]>| field.and_then(text).unwrap_or_default();
    Some(Box::new(Newcomer {
        serial: told.value.and_then(text).filter(|serial| is_serial(serial))?,
        password: inline(&short(packet.pw)),
        st: inline(&short(packet.st)),
    }))
}

/// Serial number of a logger's hardware (2025 B.10).
pub const SERIAL: &str = "i23005-Info";

/// True for what may be a serial number: up to 32 letters, digits and dashes.
pub fn is_serial(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// True when the registry has a password for the device and the packet has another one, or none.
fn wrong_password(packet: &Packet<'_>, mn: Mn, registry: &RegistryIndex) -> bool {
    let mut passwords = registry
        .sources(mn)
        .filter_map(|source| source.password.as_deref())
        .peekable();
    passwords.peek().is_some() && !passwords.any(|password| packet.pw == Some(password.as_bytes()))
}

/// 2025 6.4.4: data commands of the device, the request for a key, and site information.
pub(super) fn encrypted_by_rule(packet: &Packet<'_>) -> bool {
    packet.dialect == Dialect::Hj2025 && matches!(packet.cn, Some(2000..=2999 | 1014 | 3020))
}

/// A cipher that no key opened, and whose checksum fits by chance.
fn is_closed(clear: &Clear<'_>, packet: &Packet<'_>) -> bool {
    clear.key_id.is_none() && encrypted_by_rule(packet) && sm4::looks_encrypted(clear.segment)
}

fn refused(sender: Sender, id: ContentId) -> Taken {
    Taken {
        sender,
        dialect: None,
        id,
        bytes: 0,
        tolerated: Tolerances::NONE,
        records: Vec::new(),
        reply: None,
        verdict: Verdict::Refused,
        complaints: Vec::new(),
        present: false,
        newcomer: None,
    }
}

fn set_aside(
    reason: QuarantineReason,
    detail: String,
    arrival: &Arrival,
    sender: Sender,
    (id, raw): (ContentId, &[u8]),
    reply: Option<Vec<u8>>,
) -> Taken {
    let record = quarantined(reason, detail, arrival, sender, raw.to_vec());
    Taken {
        sender,
        dialect: None,
        id,
        bytes: 0,
        tolerated: Tolerances::NONE,
        records: vec![LogRecord::Quarantined(Box::new(record))],
        reply,
        verdict: Verdict::Quarantined(reason),
        complaints: Vec::new(),
        present: false,
        newcomer: None,
    }
}
