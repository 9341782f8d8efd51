//! What plume may ask of a device: the four reading functions and nothing else. A request to write cannot be expressed.

use std::fmt;

use plume_schemas::reading::Flag;
use serde::Deserialize;

/// Words of one answer: the length byte of the frame allows no more (Modbus application protocol V1.1b3, 6.3, 6.4).
pub const MAX_WORDS: u16 = 125;
/// Bits of one answer (V1.1b3, 6.1 and 6.2).
pub const MAX_BITS: u16 = 2000;

/// One of the four tables of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Bits that can be written, function 1. Manuals number them from 00001.
    Coil,
    /// Bits that can only be read, function 2. Manuals number them from 10001.
    Discrete,
    /// Words that can be written, function 3. Manuals number them from 40001.
    Holding,
    /// Words that can only be read, function 4. Manuals number them from 30001.
    Input,
}

impl Table {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Coil, Self::Discrete, Self::Holding, Self::Input];

    /// The function code that reads it.
    pub const fn function(self) -> u8 {
        match self {
            Self::Coil => 1,
            Self::Discrete => 2,
            Self::Holding => 3,
            Self::Input => 4,
        }
    }

    /// As written in a map.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Coil => "coil",
            Self::Discrete => "discrete",
            Self::Holding => "holding",
            Self::Input => "input",
        }
    }

    /// True for the tables of single bits.
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }

    /// The most one answer can hold.
    pub const fn most(self) -> u16 {
        if self.is_bits() { MAX_BITS } else { MAX_WORDS }
    }
}

/// One request: `count` words or bits from `address` on, counted from 0 as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Read {
    /// Of which table.
    pub table: Table,
    /// The first one.
    pub address: u16,
    /// How many.
    pub count: u16,
}

impl Read {
    /// The first address behind it.
    pub fn end(self) -> u32 {
        u32::from(self.address) + u32::from(self.count)
    }

    /// True when `other` lies wholly within it.
    pub fn covers(self, other: Self) -> bool {
        self.table == other.table && self.address <= other.address && other.end() <= self.end()
    }
}

impl fmt::Display for Read {
    /// `input 100..=103`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.end().saturating_sub(1);
        write!(f, "{} {}..={last}", self.table.code(), self.address)
    }
}

/// Why there is no value. Never an old value instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Miss {
    /// No connection.
    NoLink,
    /// No answer in time.
    Timeout,
    /// The connection broke while waiting.
    Broken,
    /// An answer that is not one to what was asked: another transaction, function or length.
    Mismatch,
    /// The device says no; the line is fine.
    Exception(u8),
    /// The words hold no number: NaN, a digit above 9, or a value that the map calls invalid.
    Unreadable,
    /// plume came too late for this sample.
    Late,
}

impl Miss {
    /// Names in metrics, one each; every exception is one.
    pub const NAMES: [&'static str; 7] = [
        "no_link",
        "timeout",
        "broken",
        "mismatch",
        "exception",
        "unreadable",
        "late",
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoLink => "no_link",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Mismatch => "mismatch",
            Self::Exception(_) => "exception",
            Self::Unreadable => "unreadable",
            Self::Late => "late",
        }
    }

    /// True when the context must be dropped: an answer that is still on its way would be taken for the next one.
    pub const fn spoils_link(self) -> bool {
        matches!(self, Self::Timeout | Self::Broken | Self::Mismatch)
    }

    /// True when the unit did not answer: the line, or the gateway on its behalf (0x0A, 0x0B).
    pub const fn is_silence(self) -> bool {
        matches!(
            self,
            Self::NoLink | Self::Timeout | Self::Broken | Self::Mismatch | Self::Exception(0x0A | 0x0B)
        )
    }

    /// The data flag of a reading that is missing for it (HJ 212-2017 table 8).
    pub const fn flag(self) -> Flag {
        match self {
            Self::Unreadable => Flag::Fault,
            _ => Flag::LinkFault,
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exception(code) => write!(f, "exception {code} {}", exception_name(*code)),
            other => f.write_str(other.name()),
        }
    }
}

/// What an exception code says (V1.1b3, 7).
pub const fn exception_name(code: u8) -> &'static str {
    match code {
        1 => "illegal function",
        2 => "illegal address",
        3 => "illegal value",
        4 => "device failure",
        5 => "acknowledge",
        6 => "busy",
        8 => "memory parity",
        0x0A => "gateway path",
        0x0B => "gateway target silent",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_not_a_broken_line() {
        assert!(!Miss::Exception(2).spoils_link() && !Miss::Exception(2).is_silence());
        assert!(!Miss::Exception(0x0B).spoils_link() && Miss::Exception(0x0B).is_silence());
        assert!(Miss::Timeout.spoils_link() && Miss::Mismatch.spoils_link());
        assert_eq!(Miss::Exception(2).to_string(), "exception 2 illegal address");
    }

    #[test]
    fn only_reading_functions_have_a_number_here() {
        assert_eq!(Table::ALL.map(Table::function), [1, 2, 3, 4]);
    }
}
