//! The value of one field: a number, exact where possible, or text.

use std::borrow::Cow;

use plume_schemas::decimal::Decimal;
use plume_schemas::ids::FactorCode;
use plume_schemas::reading::{MAX_TEXT_BYTES, Statistic, Value};
use plume_schemas::report::ComplaintCode;

use super::complaints::{Complaints, inline};
use super::packet::Packet;

/// A number, exact where possible; else text, with a complaint where a number was due.
pub(super) fn read_value(
    packet: &Packet<'_>,
    (factor, statistic): (FactorCode, Statistic),
    text: &[u8],
    quoted: bool,
    complaints: &mut Complaints,
) -> Value {
    if let Some(decimal) = Decimal::parse(text).filter(|_| !quoted && statistic != Statistic::Serial) {
        return Value::Decimal(decimal);
    }
    if text.is_empty() {
        complaints.about(ComplaintCode::EmptyValue, Some(factor), statistic.code().as_bytes());
        return Value::Empty;
    }
    if statistic == Statistic::Serial {
        // A serial number has 24 characters (C24). The end of a longer one is what tells instruments apart; the whole
        // is in the raw bytes.
        let text = String::from_utf8_lossy(text);
        let from = text
            .char_indices()
            .rev()
            .nth(MAX_TEXT_BYTES - 1)
            .map_or(0, |(at, _)| at);
        return Value::Text(inline(text.get(from..).unwrap_or_default()));
    }
    // Working conditions (ST 45) are letters, and site information may be.
    let letters_meant = packet.st == Some(b"45") || statistic == Statistic::Info;
    if !letters_meant {
        if let Some(value) = long_number(text) {
            complaints.about(ComplaintCode::InexactNumber, Some(factor), text);
            return Value::Float(value);
        }
        complaints.about(ComplaintCode::NotANumber, Some(factor), text);
    }
    let Ok(utf8) = std::str::from_utf8(text) else {
        complaints.about(ComplaintCode::OtherEncoding, Some(factor), b"");
        return Value::Text(inline(&decode_gbk(text)));
    };
    Value::Text(inline(utf8))
}

pub(super) fn decimal_or_text(text: &[u8]) -> Value {
    if text.is_empty() {
        return Value::Empty;
    }
    Decimal::parse(text).map_or_else(|| Value::Text(inline(&decode_gbk(text))), Value::Decimal)
}

/// A number with too many digits for a [`Decimal`], or with an exponent. Words such as `nan` and `inf` are no numbers.
fn long_number(text: &[u8]) -> Option<f64> {
    let plain = text.iter().all(|b| b.is_ascii_digit() || b"+-.eE".contains(b)) && text.iter().any(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| plain)?;
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Text in UTF-8, else as GBK (GB 18030), which older loggers write.
pub fn decode_gbk(text: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(text).map_or_else(|_| encoding_rs::GB18030.decode(text).0, Cow::Borrowed)
}
