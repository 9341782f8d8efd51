//! Fingerprints that stay the same on every machine and in every version: they are stored in checkpoints.

use crate::decimal::Decimal;
use crate::ids::FactorCode;
use crate::reading::{Basis, Reading, Statistic, Value};
use crate::report::Evidence;

/// A 64-bit fingerprint under construction: each word is folded in by the finaliser of MurmurHash3, which mixes every
/// bit.
#[derive(Clone, Copy)]
pub(super) struct Print(u64);

impl Print {
    pub(super) const fn new() -> Self {
        // Any number but 0, which would let leading zero words vanish.
        Self(0x9e37_79b9_7f4a_7c15)
    }

    #[must_use]
    pub(super) const fn word(self, word: u64) -> Self {
        let mut h = (self.0.rotate_left(5) ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        h = (h ^ (h >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h = (h ^ (h >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        Self(h ^ (h >> 33))
    }

    #[must_use]
    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let mut print = self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            print = print.word(u64::from_le_bytes(word));
        }
        print
    }

    pub(super) const fn get(self) -> u64 {
        self.0
    }
}

/// Of a packet, within one stream and time. The share is in it because one packet may give one outlet two reports,
/// where two rows of the registry lead there with different factors.
pub(super) fn of_packet(evidence: &Evidence) -> u64 {
    Print::new()
        .word(u64::from(evidence.share.0))
        .word(u64::from(evidence.cn) << 32 | u64::from(evidence.part.0) << 16 | u64::from(evidence.part.1))
        .bytes(evidence.qn.as_str().as_bytes())
        .bytes(evidence.packet.as_bytes())
        .get()
}

/// Of a reading's name.
pub(super) fn name(factor: FactorCode, statistic: Statistic, basis: Basis) -> u64 {
    Print::new()
        .word(u64::from(statistic.number()) << 8 | u64::from(basis.number()))
        .bytes(factor.as_str().as_bytes())
        .get()
}

/// Of what a reading says, on top of the print of its key. Numbers count by value: 1.50 is 1.5.
pub(super) fn of_content(key: u64, reading: &Reading) -> u64 {
    let print = Print(key).word(u64::from(reading.flag.number()));
    let print = match reading.value {
        Value::Decimal(value) => {
            let Decimal { mantissa, scale } = without_trailing_zeros(value);
            print.word(1 | u64::from(scale) << 8).word(mantissa.cast_unsigned())
        }
        // -0.0 is 0.0.
        Value::Float(value) => print.word(2).word((value + 0.0).to_bits()),
        Value::Text(text) => print.word(3).bytes(text.as_str().as_bytes()),
        Value::Empty => print.word(4),
    };
    if reading.maker_flag.is_empty() {
        return print.get();
    }
    print.bytes(reading.maker_flag.as_str().as_bytes()).get()
}

fn without_trailing_zeros(mut value: Decimal) -> Decimal {
    while value.scale > 0 && value.mantissa % 10 == 0 {
        value.mantissa /= 10;
        value.scale -= 1;
    }
    value
}
