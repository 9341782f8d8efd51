//! Misbehaviours of content: what is in the fields, before they are framed (with a right length and checksum).

use plume_ingest::hj212::encode::{Field, Group, Message};
use plume_schemas::ids::FactorCode;
use plume_schemas::time::{DAY_MS, HOUR_MS, MINUTE_MS, Time};

use super::Misbehaviour;
use crate::codes::code_2005;

/// An MN that no registry holds.
const UNKNOWN_MN: &str = "DEFFFFFFFFFFFFFFFFFFFFFF";
/// Beside every password of the simulator.
const WRONG_PASSWORD: &str = "000000";

pub(super) fn spoil(kind: Misbehaviour, message: &mut Message, data_time: Time) {
    match kind {
        Misbehaviour::QnMissing => message.qn.clear(),
        Misbehaviour::QnEpoch => {
            message.qn = Time::parse_stamp(message.qn.as_bytes()).map_or_else(String::new, |at| at.0.to_string());
        }
        Misbehaviour::PwMissing => message.pw.clear(),
        Misbehaviour::PwWrong => WRONG_PASSWORD.clone_into(&mut message.pw),
        Misbehaviour::MnEmpty => message.mn.clear(),
        Misbehaviour::MnUnknown => UNKNOWN_MN.clone_into(&mut message.mn),
        Misbehaviour::StOther => "32".clone_into(&mut message.st),
        Misbehaviour::DataTimeMs => set_data_time(message, data_time.stamp17()),
        Misbehaviour::DataTimeEnd => {
            let end = data_time.plus(period_ms(message.cn));
            set_data_time(message, end.stamp14());
        }
        Misbehaviour::DataTimeAhead => set_data_time(message, data_time.plus(365 * DAY_MS).stamp14()),
        Misbehaviour::DataTime1970 => set_data_time(message, "19700101000000".to_owned()),
        Misbehaviour::DataTimeMissing => message.body.retain(|group| !is_data_time(group)),
        Misbehaviour::BareKey => message.body.push(Group::single("FANSTATUS", "1")),
        Misbehaviour::VendorCode => message
            .body
            .push(Group::factor("Nh3-scr", [("Rtd", "1.20"), ("Flag", "N")])),
        Misbehaviour::GbkText => message
            .body
            .push(Group::factor("i11001", [("Info", "//零点校准完成//")])),
        Misbehaviour::FactorRepeated => {
            let first = message.body.iter().find(|group| !is_data_time(group)).cloned();
            message.body.extend(first);
        }
        Misbehaviour::GroupsApart => groups_apart(message),
        Misbehaviour::Codes2005 => old_codes(message),
        Misbehaviour::RfMissing => message.backfill = false,
        Misbehaviour::FlowPerHour => scale(message, 3_600.0, |name| {
            name.starts_with("a00000-") && !name.ends_with("-Cou")
        }),
        Misbehaviour::HourHigh if message.cn == 2061 => scale(message, 1.1, |name| name.ends_with("-Avg")),
        Misbehaviour::ZsPlain => uncorrected(message),
        _ => spoil_values(kind, message),
    }
}

fn spoil_values(kind: Misbehaviour, message: &mut Message) {
    let mut factors = message.body.iter_mut().filter(|group| !is_data_time(group));
    match kind {
        Misbehaviour::ZeroPadded => {
            for field in factors.flat_map(|group| &mut group.0).filter(|field| is_number(field)) {
                let (sign, digits) = match field.value.strip_prefix('-') {
                    Some(digits) => ("-", digits),
                    None => ("", field.value.as_str()),
                };
                field.value = format!("{sign}00{digits}");
            }
        }
        Misbehaviour::FlagsMissing => factors.for_each(|group| group.0.retain(|field| !is_flag(field))),
        Misbehaviour::FlagUnknown => factors
            .flat_map(|group| &mut group.0)
            .filter(|field| is_flag(field))
            .for_each(|field| "Z".clone_into(&mut field.value)),
        Misbehaviour::VendorField => {
            if let Some(group) = factors.next() {
                let code = group.0.first().and_then(|field| field.name.split_once('-'));
                let name = code.map(|(code, _)| format!("{code}-Ua"));
                group.0.extend(name.map(|name| Field {
                    name,
                    value: "0.12".to_owned(),
                }));
            }
        }
        Misbehaviour::NotANumber | Misbehaviour::Exponent | Misbehaviour::EmptyValue => {
            let text = match kind {
                Misbehaviour::NotANumber => "--",
                Misbehaviour::Exponent => "1.2e1",
                _ => "",
            };
            if let Some(field) = factors.flat_map(|group| &mut group.0).find(|field| is_number(field)) {
                text.clone_into(&mut field.value);
            }
        }
        _ => {}
    }
}

/// Corrected values leave the group of their factor and form one of their own, with no flag.
fn groups_apart(message: &mut Message) {
    let corrected = |field: &Field| field.name.contains("-Zs");
    let body = std::mem::take(&mut message.body);
    for group in body {
        let (apart, together): (Vec<Field>, Vec<Field>) = group.0.into_iter().partition(corrected);
        message.body.push(Group(together));
        if !apart.is_empty() {
            message.body.push(Group(apart));
        }
    }
}

/// Multiplies the values of some fields, digits behind the point kept.
fn scale(message: &mut Message, by: f64, wanted: impl Fn(&str) -> bool) {
    let fields = message.body.iter_mut().flat_map(|group| &mut group.0);
    for field in fields.filter(|field| wanted(&field.name)) {
        let digits = field.value.split_once('.').map_or(0, |(_, behind)| behind.len());
        if let Ok(value) = field.value.parse::<f64>() {
            field.value = format!("{:.digits$}", value * by);
        }
    }
}

/// Each corrected value becomes the measured one beside it.
fn uncorrected(message: &mut Message) {
    for group in &mut message.body {
        let plain = group.0.clone();
        for field in &mut group.0 {
            let measured = field.name.replace("-Zs", "-");
            if let Some(same) = plain
                .iter()
                .find(|other| other.name == measured && measured != field.name)
            {
                field.value.clone_from(&same.value);
            }
        }
    }
}

fn old_codes(message: &mut Message) {
    for field in message.body.iter_mut().flat_map(|group| &mut group.0) {
        let renamed = field
            .name
            .split_once('-')
            .and_then(|(code, sub)| Some(format!("{}-{sub}", code_2005(FactorCode::new(code).ok()?))));
        if let Some(name) = renamed {
            field.name = name;
        }
    }
}

fn set_data_time(message: &mut Message, stamp: String) {
    if let Some(field) = message
        .body
        .iter_mut()
        .find(|group| is_data_time(group))
        .and_then(|g| g.0.first_mut())
    {
        field.value = stamp;
    }
}

fn is_data_time(group: &Group) -> bool {
    group.0.first().is_some_and(|field| field.name == "DataTime")
}

fn is_flag(field: &Field) -> bool {
    field.name.ends_with("-Flag")
}

fn is_number(field: &Field) -> bool {
    field.name.contains('-')
        && field
            .value
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'.' || b == b'-')
}

/// Length of what a CN reports on; a sample has none, and a minute packet is taken for one minute.
fn period_ms(cn: u16) -> i64 {
    match cn {
        2051 => MINUTE_MS,
        2061 => HOUR_MS,
        2031 | 2041 => DAY_MS,
        _ => 0,
    }
}
