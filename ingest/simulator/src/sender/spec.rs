//! How a device speaks, what it says, and what it has done.

use plume_ingest::hj212::sm4::{CipherForm, Key};
use plume_schemas::ids::Mn;
use plume_schemas::report::Dialect;
use plume_schemas::time::SECOND_MS;

use crate::message::Message;
use crate::misbehave::Habit;

/// How a device speaks on its link.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSpec {
    /// 设备唯一标识.
    pub mn: Mn,
    /// 系统编码.
    pub st: String,
    /// 访问密码.
    pub password: String,
    /// The edition it speaks.
    pub dialect: Dialect,
    /// Asks for an answer to each packet (Flag bit 0).
    pub wants_answer: bool,
    /// Packets in flight at once, 1 to [`MAX_WINDOW`](super::MAX_WINDOW); most loggers wait for each answer.
    pub window: usize,
    /// How long it waits for an answer, milliseconds of the wire's time.
    pub answer_timeout_ms: i64,
    /// How often it sends again before it gives the link up.
    pub resends: u32,
    /// After so many links on which a message was never answered it is dropped; `None`: never.
    pub give_up_after_links: Option<u32>,
    /// Sends nothing again after a link was lost: only a query of the platform brings it (2005, 2017).
    pub forgets: bool,
    /// Encrypts what HJ 212-2025 6.4.4 wants encrypted, with this key in this form; `None`: everything goes in clear.
    pub cipher: Option<(Key, CipherForm)>,
    /// Serial number of a logger (2025) that has no MN until the platform gives it one (1001, 1002): `mn` is then what
    /// it is called before, and no packet shows it.
    pub serial: Option<String>,
    /// What it does wrong.
    pub habits: Vec<Habit>,
}

impl LinkSpec {
    /// A well-behaved device on a mobile network: 10 s × 3 (HJ 212-2017 table 1), one packet in flight.
    pub fn usual(mn: Mn, dialect: Dialect) -> Self {
        Self {
            mn,
            st: "31".to_owned(),
            password: "123456".to_owned(),
            dialect,
            wants_answer: true,
            window: 1,
            answer_timeout_ms: 10 * SECOND_MS,
            resends: 3,
            give_up_after_links: None,
            forgets: false,
            cipher: None,
            serial: None,
            habits: Vec::new(),
        }
    }
}

/// What a sender has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SendCounts {
    /// Packets sent for the first time.
    pub packets: u64,
    /// Packets sent again, unchanged, because no answer came.
    pub resent: u64,
    /// Messages sent again after a link was lost.
    pub backfilled: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Packets answered.
    pub answered: u64,
    /// Answers to nothing that was in flight (the second answer to a packet sent twice).
    pub stray_answers: u64,
    /// Bytes from the platform that are no conformant frame.
    pub garbage_bytes: u64,
    /// Commands from the platform.
    pub commands: u64,
    /// Links given up because resends were exhausted.
    pub given_up_links: u64,
    /// Messages dropped because they were of interest only at their moment.
    pub dropped_moment: u64,
    /// Messages dropped because the store was full.
    pub dropped_full: u64,
    /// Messages dropped because they were never answered.
    pub dropped_unanswered: u64,
    /// Messages that cannot be written in this edition.
    pub unwritable: u64,
}

/// A packet the platform answered: from here on the platform must not lose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The device.
    pub mn: Mn,
    /// 请求编码 of the packet.
    pub qn: String,
    /// 命令编码 of the packet.
    pub cn: u16,
    /// The exact bytes of the packet.
    pub frame: Vec<u8>,
    /// Milliseconds of the wire's time from the last sending to the answer.
    pub latency_ms: i64,
    /// How often it had been sent.
    pub sent_times: u32,
}

/// What is to be sent: a message, or a packet as it was found in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Parcel {
    /// A message, put into frames when its turn comes.
    Message(Message),
    /// A whole packet, sent as it is.
    Raw(Vec<u8>),
    /// An answer to the platform: of interest on this link alone.
    Reply(Vec<u8>),
}
