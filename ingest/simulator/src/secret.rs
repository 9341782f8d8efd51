//! How a logger of HJ 212-2025 gets its MN (6.8: 1001, then 1002 of the platform) and its keys (6.4.3: 1014 both ways).

use plume_ingest::hj212::complaints::Complaints;
use plume_ingest::hj212::encode::{Group, Message};
use plume_ingest::hj212::packet::Packet;
use plume_ingest::hj212::sm4::{Key, seal};
use plume_ingest::hj212::tokens::Tokens;
use plume_schemas::ids::Mn;
use plume_schemas::report::Dialect;
use plume_schemas::time::Time;

use crate::sender::LinkSpec;

/// Serial number of a logger's hardware.
const SERIAL: &str = "i23005-Info";

/// 1001 of a logger that has no MN yet.
pub(crate) fn activation(spec: &LinkSpec, local: Time) -> Option<Vec<u8>> {
    let serial = spec.serial.as_ref()?;
    let message = Message {
        mn: String::new(),
        ..said(spec, 1001, Group::single(SERIAL, serial.clone()), local)
    };
    message.packets().ok()?.pop()
}

/// 1014: when the key it has was made. Encrypted where it encrypts.
pub(crate) fn asks_for_key(spec: &LinkSpec, created_at: Time, local: Time) -> Vec<u8> {
    let told = Group::single("SKCreateTime", created_at.stamp17());
    let packets = said(spec, 1014, told, local).packets();
    let frame = packets.ok().and_then(|mut packets| packets.pop()).unwrap_or_default();
    match &spec.cipher {
        Some((key, form)) => seal(&frame, key, *form),
        None => frame,
    }
}

fn said(spec: &LinkSpec, cn: u16, group: Group, local: Time) -> Message {
    Message {
        dialect: Dialect::Hj2025,
        qn: local.stamp17(),
        st: spec.st.clone(),
        cn,
        pw: spec.password.clone(),
        mn: spec.mn.to_string(),
        wants_answer: true,
        backfill: false,
        body: vec![group],
    }
}

/// The MN that 1002 gives, where it names the logger's own serial number.
pub(crate) fn given_mn(segment: &[u8], spec: &LinkSpec) -> Option<Mn> {
    let packet = Packet::parse(segment, &mut Complaints::default());
    let named = field(&packet, SERIAL);
    if packet.cn != Some(1002) || spec.serial.is_none() || named != spec.serial {
        return None;
    }
    Mn::new(std::str::from_utf8(packet.mn?).ok()?).ok()
}

/// The key that 1014 gives this device.
pub(crate) fn given_key(segment: &[u8], mn: Mn) -> Option<Key> {
    let packet = Packet::parse(segment, &mut Complaints::default());
    let own = packet.cn == Some(1014) && packet.mn == Some(mn.as_str().as_bytes());
    own.then(|| field(&packet, "NewSK"))
        .flatten()
        .and_then(|text| Key::parse(&text).ok())
}

fn field(packet: &Packet<'_>, name: &str) -> Option<String> {
    let token = Tokens::new(packet.cp).find(|token| token.name == name.as_bytes())?;
    String::from_utf8(token.value?.to_vec()).ok()
}
