//! The bytes of an order as it leaves. What is secret, or of that moment, is filled in here and nowhere else: it stands
//! in no record.

use plume_schemas::report::Dialect;
use plume_schemas::time::Time;

use super::command::Command;
use super::order::NEW_PW;
use crate::hj212::encode::{Field, Group, Message};
use crate::hj212::sm4::{DeviceKeys, KeyRing, NextKey, seal};

/// The one packet of an order to a device that speaks so; or why there is none.
pub(super) fn leaving(
    command: &Command,
    (qn, st): (&str, &str),
    (dialect, password): (Dialect, &str),
    keys: &KeyRing,
    now: Time,
) -> Result<Vec<u8>, String> {
    let mut message = Message {
        dialect,
        qn: qn.to_owned(),
        st: st.to_owned(),
        cn: command.cn,
        pw: password.to_owned(),
        mn: command.mn.to_string(),
        wants_answer: true,
        backfill: false,
        body: fields(command),
    };
    match command.cn {
        1012 => message.body.push(Group::single("SystemTime", now.stamp14())),
        1014 => {
            let (device, next) = next_key(command, keys)?;
            message.body = vec![told(&next)];
            // 2025 6.4.4: this order alone is encrypted, with the key still in force.
            return Ok(seal(&written(&message)?, &device.current, device.form()));
        }
        1072 => {
            let next = keys.passwords(command.mn).next;
            let next = next.ok_or("no new password is ready for this device")?;
            message.body = vec![Group::single(NEW_PW, next)];
        }
        _ => {}
    }
    written(&message)
}

fn fields(command: &Command) -> Vec<Group> {
    let fields = command.fields.iter();
    fields.map(|(name, value)| Group::single(name, value.clone())).collect()
}

fn next_key(command: &Command, keys: &KeyRing) -> Result<(DeviceKeys, NextKey), String> {
    let device = keys.get(command.mn).ok_or("no key of this device is known")?;
    let next = device.next.clone().ok_or("no new key is ready for this device")?;
    Ok((device, next))
}

/// `SKCreateTime=…,NewSK=…` (2025 C.8 has a comma between them).
fn told(next: &NextKey) -> Group {
    let field = |name: &str, value: String| Field {
        name: name.to_owned(),
        value,
    };
    Group(vec![
        field("SKCreateTime", next.created_at.stamp17()),
        field("NewSK", next.key.reveal()),
    ])
}

/// The one packet of a message.
fn written(message: &Message) -> Result<Vec<u8>, String> {
    let mut packets = message.packets().map_err(|error| error.to_string())?;
    let count = packets.len();
    packets
        .pop()
        .filter(|_| count == 1)
        .ok_or_else(|| format!("it needs {count} packets"))
}

/// Notices are answered by 9013 alone.
pub(super) fn is_notice(cn: u16) -> bool {
    matches!(cn, 2012 | 2022)
}
