//! From words to a raw number: every type and order devices are known to use.

use serde::Deserialize;

/// In which order the bytes of a value stand in its words. `A` is the most significant byte of a 32-bit value; 64-bit
/// values follow the same two choices: bytes swapped within each word, words reversed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Order {
    /// Big endian throughout: the order of the standard.
    #[serde(rename = "ABCD")]
    Abcd,
    /// Little endian throughout.
    #[serde(rename = "DCBA")]
    Dcba,
    /// Bytes swapped within each word.
    #[serde(rename = "BADC")]
    Badc,
    /// Low word first.
    #[serde(rename = "CDAB")]
    Cdab,
}

impl Order {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Abcd, Self::Dcba, Self::Badc, Self::Cdab];

    /// As written in a map.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Abcd => "ABCD",
            Self::Dcba => "DCBA",
            Self::Badc => "BADC",
            Self::Cdab => "CDAB",
        }
    }

    /// The bytes of `words`, most significant first.
    pub fn bytes(self, words: &[u16]) -> Vec<u8> {
        let swapped = matches!(self, Self::Dcba | Self::Badc);
        let reversed = matches!(self, Self::Dcba | Self::Cdab);
        let word = |word: &u16| {
            if swapped {
                word.to_le_bytes()
            } else {
                word.to_be_bytes()
            }
        };
        if reversed {
            words.iter().rev().flat_map(word).collect()
        } else {
            words.iter().flat_map(word).collect()
        }
    }
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 16 bits, signed.
    Int16,
    /// 16 bits.
    Uint16,
    /// 32 bits, signed.
    Int32,
    /// 32 bits.
    Uint32,
    /// 64 bits, signed.
    Int64,
    /// 64 bits.
    Uint64,
    /// IEEE 754, 32 bits.
    Float32,
    /// IEEE 754, 64 bits.
    Float64,
    /// A coil or discrete input.
    Bool,
    /// One bit of a word; 0 is the lowest.
    Bit,
    /// Four decimal digits.
    Bcd16,
    /// Eight decimal digits.
    Bcd32,
    /// Text, two characters a word, ended by 0 or blanks.
    String,
}

impl Kind {
    /// Words (for `Bool`: bits) of one value; text says its own length.
    pub const fn words(self) -> Option<u16> {
        Some(match self {
            Self::Int16 | Self::Uint16 | Self::Bool | Self::Bit | Self::Bcd16 => 1,
            Self::Int32 | Self::Uint32 | Self::Float32 | Self::Bcd32 => 2,
            Self::Int64 | Self::Uint64 | Self::Float64 => 4,
            Self::String => return None,
        })
    }

    /// True for whole numbers.
    pub const fn is_whole(self) -> bool {
        !matches!(self, Self::Float32 | Self::Float64 | Self::String)
    }
}

/// How words are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// As what.
    pub kind: Kind,
    /// In which order.
    pub order: Order,
    /// Which bit of the word, for [`Kind::Bit`].
    pub bit: u8,
}

/// A value as the device has it, before scaling.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// A whole number.
    Whole(i128),
    /// A float; NaN and infinities included.
    Real(f64),
    /// Text without its padding.
    Text(String),
    /// A BCD digit above 9, or fewer words than the type needs.
    Unreadable,
}

/// Reads a value. Never fails: what is no value is [`Raw::Unreadable`].
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the bits of a word are taken for what the type says they are"
)]
pub fn read(form: Form, words: &[u16]) -> Raw {
    if form.kind.words().is_some_and(|need| usize::from(need) != words.len()) {
        return Raw::Unreadable;
    }
    let bytes = form.order.bytes(words);
    let unsigned = || bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    match form.kind {
        Kind::Uint16 | Kind::Uint32 | Kind::Uint64 => Raw::Whole(unsigned().into()),
        Kind::Int16 => Raw::Whole(i128::from(unsigned() as u16 as i16)),
        Kind::Int32 => Raw::Whole(i128::from(unsigned() as u32 as i32)),
        Kind::Int64 => Raw::Whole(i128::from(unsigned() as i64)),
        Kind::Float32 => Raw::Real(f64::from(f32::from_bits(unsigned() as u32))),
        Kind::Float64 => Raw::Real(f64::from_bits(unsigned())),
        Kind::Bool => Raw::Whole(i128::from(unsigned() != 0)),
        Kind::Bit => Raw::Whole((unsigned() >> form.bit.min(15) & 1).into()),
        Kind::Bcd16 | Kind::Bcd32 => bcd(&bytes).map_or(Raw::Unreadable, Raw::Whole),
        Kind::String => text(&bytes),
    }
}

fn bcd(bytes: &[u8]) -> Option<i128> {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    digits
        .map(|digit| (digit <= 9).then_some(i128::from(digit)))
        .try_fold(0, |value, digit| Some(value * 10 + digit?))
}

fn text(bytes: &[u8]) -> Raw {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    Raw::Text(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(kind: Kind, order: Order) -> Form {
        Form { kind, order, bit: 0 }
    }

    #[test]
    fn orders_as_manuals_draw_them() {
        // 0x0A0B0C0D in the four orders of a 32-bit value.
        for (order, words) in [
            (Order::Abcd, [0x0A0B, 0x0C0D]),
            (Order::Dcba, [0x0D0C, 0x0B0A]),
            (Order::Badc, [0x0B0A, 0x0D0C]),
            (Order::Cdab, [0x0C0D, 0x0A0B]),
        ] {
            assert_eq!(
                read(form(Kind::Uint32, order), &words),
                Raw::Whole(0x0A0B_0C0D),
                "{order:?}"
            );
        }
        let swapped = read(form(Kind::Uint64, Order::Cdab), &[0x0708, 0x0506, 0x0304, 0x0102]);
        assert_eq!(swapped, Raw::Whole(0x0102_0304_0506_0708));
    }

    #[test]
    fn every_type() {
        let abcd = |kind| form(kind, Order::Abcd);
        for (kind, words, raw) in [
            (Kind::Int16, &[0xFFFE][..], Raw::Whole(-2)),
            (Kind::Uint16, &[0xFFFE], Raw::Whole(65_534)),
            (Kind::Int32, &[0xFFFF, 0xFFFE], Raw::Whole(-2)),
            (Kind::Int64, &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], Raw::Whole(-2)),
            (Kind::Uint64, &[0xFFFF; 4], Raw::Whole(u64::MAX.into())),
            (Kind::Float32, &[0x41A8, 0], Raw::Real(21.0)),
            (Kind::Float64, &[0x4035, 0, 0, 0], Raw::Real(21.0)),
            (Kind::Bool, &[1], Raw::Whole(1)),
            (Kind::Bcd16, &[0x2135], Raw::Whole(2135)),
            (Kind::Bcd32, &[0x0001, 0x2135], Raw::Whole(12_135)),
            (Kind::Bcd16, &[0x21A5], Raw::Unreadable),
            (Kind::String, &[0x4142, 0x4320], Raw::Text("ABC".to_owned())),
            (Kind::String, &[0x4100, 0x4320], Raw::Text("A".to_owned())),
            (Kind::Float32, &[0x41A8], Raw::Unreadable),
        ] {
            assert_eq!(read(abcd(kind), words), raw, "{kind:?}");
        }
        let bit = |bit| read(Form { bit, ..abcd(Kind::Bit) }, &[0b1000_0000_0000_0100]);
        assert_eq!([bit(0), bit(2), bit(15)], [Raw::Whole(0), Raw::Whole(1), Raw::Whole(1)]);
    }

    proptest! {
        /// An order is undone by laying the bytes out in the same order again.
        #[test]
        fn any_words_in_any_order(words in prop::collection::vec(any::<u16>(), 0..8), which in 0_usize..4) {
            let order = Order::ALL[which];
            let bytes = order.bytes(&words);
            let again: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            let back = order.bytes(&again);
            let flat: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            prop_assert_eq!(back, flat);
            for kind in [Kind::Int16, Kind::Float32, Kind::Bcd32, Kind::Uint64, Kind::String] {
                let _raw = read(form(kind, order), &words);
            }
        }
    }
}
