//! What a device does when the platform orders something: it says that it is ready (9011), tells what was asked for,
//! and says that it is done (9012). A simulated logger has its own clock and its own intervals: it tells them, takes
//! orders to change them with an answer, and changes the interval of real-time data alone.

use std::collections::VecDeque;

use plume_ingest::hj212::complaints::Complaints;
use plume_ingest::hj212::encode::{self, Group, frame};
use plume_ingest::hj212::packet::Packet;
use plume_ingest::hj212::reply::device_replies;
use plume_ingest::hj212::tokens::Tokens;
use plume_schemas::time::Time;

use crate::message::{Keep, Message};
use crate::sender::Parcel;

/// Messages a logger remembers for queries: two days of minutes.
const MAX_REMEMBERED: usize = 3_000;

/// What was sent before and can be asked for again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(VecDeque<Message>);

impl Memory {
    /// Takes what the logger has made.
    pub(crate) fn keep(&mut self, message: &Message) {
        if matches!(message.cn, 2031 | 2041 | 2051 | 2061) {
            if self.0.len() >= MAX_REMEMBERED {
                self.0.pop_front();
            }
            self.0.push_back(message.clone());
        }
    }

    fn of(&self, cn: u16, from: Time, to: Time) -> impl Iterator<Item = Message> {
        let wanted = move |message: &&Message| message.cn == cn && (from..=to).contains(&message.data_time);
        let found: Vec<Message> = self.0.iter().filter(wanted).cloned().collect();
        found.into_iter().map(|message| Message {
            keep: Keep::Drop,
            ..message
        })
    }
}

/// What an order makes a device say and do.
#[derive(Debug, Default)]
pub(crate) struct Obeyed {
    /// To be said, in this order.
    pub(crate) parcels: Vec<Parcel>,
    /// The new interval of real-time data, seconds.
    pub(crate) realtime_interval_s: Option<u32>,
}

/// What a device knows of itself.
pub(crate) struct Own<'a> {
    pub(crate) mn: &'a str,
    /// Its clock.
    pub(crate) local: Time,
    pub(crate) realtime_interval_s: Option<u32>,
    pub(crate) minute_interval_min: Option<u8>,
    pub(crate) memory: &'a Memory,
}

/// Obeys the packet in this data segment, if it is for the device.
pub(crate) fn obey(segment: &[u8], own: &Own<'_>) -> Obeyed {
    let packet = Packet::parse(segment, &mut Complaints::default());
    let mut obeyed = Obeyed::default();
    let Some(cn) = packet.cn.filter(|_| packet.mn == Some(own.mn.as_bytes())) else {
        return obeyed;
    };
    let field = |name: &str| {
        let mut tokens = Tokens::new(packet.cp);
        let token = tokens.find(|token| token.name.eq_ignore_ascii_case(name.as_bytes()))?;
        String::from_utf8(token.value?.to_vec()).ok()
    };
    let moment = |name: &str| field(name).and_then(|text| Time::parse_stamp(text.as_bytes()));
    let asked = moment("BeginTime").zip(moment("EndTime"));
    let data: Vec<Message> = asked
        .map(|(from, to)| own.memory.of(cn, from, to).collect())
        .unwrap_or_default();
    let nothing = asked.is_some() && data.is_empty();
    let mut replies = device_replies(&packet).into_iter();
    obeyed.parcels.extend(replies.next().map(Parcel::Reply));
    obeyed.parcels.extend(told(&packet, cn, own).map(Parcel::Reply));
    obeyed.parcels.extend(data.into_iter().map(Parcel::Message));
    obeyed
        .parcels
        .extend(replies.map(|done| Parcel::Reply(if nothing { no_data(&done) } else { done })));
    if cn == 1062 {
        obeyed.realtime_interval_s = field("RtdInterval").and_then(|text| text.parse().ok());
    }
    obeyed
}

/// The upload of a setting, with the QN of the request.
fn told(packet: &Packet<'_>, cn: u16, own: &Own<'_>) -> Option<Vec<u8>> {
    let group = match cn {
        1011 => Group::single("SystemTime", own.local.stamp14()),
        1061 => Group::single("RtdInterval", own.realtime_interval_s?.to_string()),
        1063 => Group::single("MinInterval", own.minute_interval_min?.to_string()),
        _ => return None,
    };
    let text = |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or_default()).into_owned();
    let message = encode::Message {
        dialect: packet.dialect,
        qn: text(packet.qn),
        st: text(packet.st),
        cn,
        pw: text(packet.pw),
        mn: text(packet.mn),
        wants_answer: false,
        backfill: false,
        body: vec![group],
    };
    message.packets().ok()?.pop()
}

/// 9012 with ExeRtn=100.
fn no_data(done: &[u8]) -> Vec<u8> {
    let segment = done.get(6..done.len().saturating_sub(6)).unwrap_or_default();
    frame(
        String::from_utf8_lossy(segment)
            .replace("ExeRtn=1", "ExeRtn=100")
            .as_bytes(),
    )
}
