//! The checksum of HJ 212 (HJ 212-2017 annex A), which is neither CRC-16/MODBUS nor CRC-16/ARC: the register is
//! shifted right by eight before each byte is added, so its low byte is thrown away and only eight bits of state
//! survive.
//!
//! With `T` the ordinary reflected A001 table the step is `crc = T[(crc >> 8) ^ byte]`. `T` is linear over GF(2),
//! hence so is the
//! step of the eight-bit state, and that step applied eight times changes nothing. So bytes eight places apart weigh
//! the same:
//! they are added up word by word, and only the eight sums are looked up. (It also means that the standard's check
//! does not see
//! two equal changes eight, or sixteen, places apart.)

/// Register before the first byte, and the checksum of nothing.
pub const START: u16 = 0xFFFF;

const TABLE: [u16; 256] = table();
/// `POWERS[k][x]`: what is left of state `x` after `k + 1` zero bytes; after eight it is `x` again.
const POWERS: [[u8; 256]; 7] = powers();

const fn table() -> [u16; 256] {
    let mut table = [0_u16; 256];
    let mut index = 0_u16;
    while index < 256 {
        let mut crc = index;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
            bit += 1;
        }
        table[index as usize] = crc;
        index += 1;
    }
    table
}

const fn powers() -> [[u8; 256]; 7] {
    let mut powers = [[0_u8; 256]; 7];
    let mut power = 0;
    while power < 7 {
        let mut state = 0;
        while state < 256 {
            let before = if power == 0 {
                state
            } else {
                powers[power - 1][state] as usize
            };
            powers[power][state] = (TABLE[before] >> 8) as u8;
            state += 1;
        }
        power += 1;
    }
    powers
}

/// The checksum of a data segment.
pub fn hj212(segment: &[u8]) -> u16 {
    let Some((&last, body)) = segment.split_last() else {
        return START;
    };
    let (words, rest) = body.as_chunks::<8>();
    let sum = words.iter().fold(0, |sum, word| sum ^ u64::from_le_bytes(*word));
    let [first, others @ ..] = sum.to_le_bytes();
    // The register starts as FF, as if the first byte had its bits turned over.
    let mut state = first ^ 0xFF;
    for (lane, other) in others.into_iter().enumerate() {
        state ^= POWERS[6 - lane][usize::from(other)];
    }
    for &byte in rest {
        state = POWERS[0][usize::from(state ^ byte)];
    }
    TABLE[usize::from(state ^ last)]
}

/// The Modbus checksum, which many firmwares use by mistake: the low byte of the register is kept.
pub fn modbus(segment: &[u8]) -> u16 {
    modbus_from(START, segment)
}

/// Goes on with the HJ 212 checksum of what came before.
pub fn hj212_from(crc: u16, more: &[u8]) -> u16 {
    more.iter()
        .fold(crc, |crc, &byte| TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

/// Goes on with the Modbus checksum of what came before.
pub fn modbus_from(crc: u16, more: &[u8]) -> u16 {
    more.iter().fold(crc, |crc, &byte| {
        (crc >> 8) ^ TABLE[usize::from((crc & 0xFF) as u8 ^ byte)]
    })
}

/// True for the values the HJ 212 checksum can take: its low byte is always one of eight.
pub fn possible(crc: u16) -> bool {
    matches!(crc & 0xFF, 0x00 | 0x01 | 0x40 | 0x41 | 0x80 | 0x81 | 0xC0 | 0xC1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Annex A, word by word.
    fn by_the_book(segment: &[u8]) -> u16 {
        let mut crc = 0xFFFF_u16;
        for &byte in segment {
            crc = (crc >> 8) ^ u16::from(byte);
            for _ in 0..8 {
                let low = crc & 1;
                crc >>= 1;
                if low == 1 {
                    crc ^= 0xA001;
                }
            }
        }
        crc
    }

    #[test]
    fn values_of_the_standards() {
        let first =
            b"QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&";
        assert_eq!((hj212(first), modbus(first)), (0x1C80, 0x0759));
        let a1 = b"QN=20240601085857223;ST=32;CN=1011;PW=123456;MN=010000A8900016F000169DC0;Flag=9;CP=&&&&";
        assert_eq!((hj212(a1), modbus(a1)), (0x2200, 0xCCF4));
        for (text, right, modbus_order) in [
            (b"".as_slice(), 0xFFFF, 0xFFFF),
            (b"\0", 0x4040, 0x40BF),
            (b"A", 0x7080, 0x707F),
            (b"123456789", 0x2F80, 0x4B37),
        ] {
            assert_eq!((hj212(text), modbus(text)), (right, modbus_order), "{text:?}");
        }
        assert_eq!(hj212(b"ST=31"), 0x6180);
    }

    proptest! {
        #[test]
        fn by_blocks_and_in_pieces_as_by_the_book(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            cut in 0_usize..300,
        ) {
            let right = by_the_book(&bytes);
            prop_assert_eq!(hj212(&bytes), right);
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(hj212_from(hj212(head), tail), right);
            prop_assert_eq!(modbus_from(modbus(head), tail), modbus(&bytes));
            prop_assert!(bytes.is_empty() || possible(right));
        }
    }
}
