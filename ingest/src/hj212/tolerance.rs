//! Departures from the frame format that a platform may choose to accept, by name. What is accepted through one
//! carries a complaint; what would need one that is switched off is kept in quarantine and not answered.

use std::fmt;

use plume_schemas::report::ComplaintCode;
use serde::de::{Error as _, SeqAccess, Visitor};

/// One departure from the frame format (protocol notes §13: length, CRC, tail).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// The length has two or three digits: `##81QN=`.
    ShortLength,
    /// The declared length is not the real one; the frame was cut behind its `&&`, checksum and line end.
    WrongLength,
    /// The checksum is written in lower case.
    LowerCaseCrc,
    /// The checksum lacks its leading zeros.
    ShortCrc,
    /// The checksum is the Modbus one.
    ModbusCrc,
    /// The checksum is the Modbus one with its bytes exchanged.
    SwappedModbusCrc,
    /// CR LF is missing, half there, or written out as text.
    OtherTail,
}

impl Tolerance {
    /// Every one of them.
    pub const ALL: [Self; 7] = [
        Self::ShortLength,
        Self::WrongLength,
        Self::LowerCaseCrc,
        Self::ShortCrc,
        Self::ModbusCrc,
        Self::SwappedModbusCrc,
        Self::OtherTail,
    ];

    /// Its name in the configuration and in complaints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShortLength => "short_length",
            Self::WrongLength => "wrong_length",
            Self::LowerCaseCrc => "lower_case_crc",
            Self::ShortCrc => "short_crc",
            Self::ModbusCrc => "modbus_crc",
            Self::SwappedModbusCrc => "swapped_modbus_crc",
            Self::OtherTail => "other_tail",
        }
    }

    /// The complaint a frame accepted through it carries.
    pub const fn complaint(self) -> ComplaintCode {
        match self {
            Self::ShortLength | Self::WrongLength => ComplaintCode::WrongLength,
            Self::LowerCaseCrc | Self::ShortCrc | Self::ModbusCrc | Self::SwappedModbusCrc => ComplaintCode::CrcVariant,
            Self::OtherTail => ComplaintCode::WrongTail,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of tolerances. In a configuration: a list of names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tolerances(u8);

impl Tolerances {
    /// None: the frame format as the standards print it.
    pub const NONE: Self = Self(0);

    /// The set with one more.
    #[must_use]
    pub const fn with(self, tolerance: Tolerance) -> Self {
        Self(self.0 | tolerance.bit())
    }

    /// The set with one more, if `wanted`.
    #[must_use]
    pub const fn with_if(self, wanted: bool, tolerance: Tolerance) -> Self {
        if wanted { self.with(tolerance) } else { self }
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True when nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in it.
    pub fn iter(self) -> impl Iterator<Item = Tolerance> {
        Tolerance::ALL.into_iter().filter(move |one| self.0 & one.bit() != 0)
    }
}

impl FromIterator<Tolerance> for Tolerances {
    fn from_iter<I: IntoIterator<Item = Tolerance>>(tolerances: I) -> Self {
        tolerances.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Tolerances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Tolerance::name)).finish()
    }
}

impl fmt::Display for Tolerances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{}", one.name())?;
        }
        Ok(())
    }
}

impl<'de> serde::Deserialize<'de> for Tolerances {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Tolerances;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of {}", Tolerances::from_iter(Tolerance::ALL))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Tolerances, A::Error> {
                let mut set = Tolerances::NONE;
                while let Some(name) = names.next_element::<String>()? {
                    let one = Tolerance::ALL.into_iter().find(|one| one.name() == name);
                    let unknown = || {
                        let known = Tolerances::from_iter(Tolerance::ALL);
                        A::Error::custom(format!("`{name}` is not a tolerance; known are {known}"))
                    };
                    set = set.with(one.ok_or_else(unknown)?);
                }
                Ok(set)
            }
        }
        deserializer.deserialize_seq(Names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_by_name() {
        let set: Tolerances = serde_json::from_str(r#"["wrong_length", "other_tail"]"#).unwrap();
        assert_eq!(set.to_string(), "wrong_length, other_tail");
        assert!(set.without(Tolerances::from_iter(Tolerance::ALL)).is_empty());
        let error = serde_json::from_str::<Tolerances>(r#"["wrong_lenght"]"#)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`wrong_lenght` is not a tolerance; known are short_length, wrong_length"),
            "{error}"
        );
    }
}
