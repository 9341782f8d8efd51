//! What can be wrong with bytes of the log, and the checks that say so.

use super::FORMAT;
use crate::decimal::{Decimal, MAX_SCALE};
use crate::ids::{ContentId, IdError, Inline};

/// Bytes from the log are not a record of this format.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not protobuf, or cut off.
    #[error("{message} is not readable protobuf")]
    Malformed {
        /// Which message.
        message: &'static str,
        /// Where it went wrong.
        source: prost::DecodeError,
    },
    /// Written by another version.
    #[error("{message} has format {found}, this build reads format {FORMAT}")]
    Format {
        /// Which message.
        message: &'static str,
        /// The format found.
        found: u32,
    },
    /// A number outside a closed set.
    #[error("{field} has the unknown number {number}")]
    UnknownNumber {
        /// Which field, as `message.field`.
        field: &'static str,
        /// The number found.
        number: u32,
    },
    /// A part that must be there.
    #[error("{field} is missing")]
    Missing {
        /// Which field, as `message.field`.
        field: &'static str,
    },
    /// A number or text beyond what the field may hold.
    #[error("{field} is {found}, at most {most} is allowed")]
    TooLarge {
        /// Which field, as `message.field`.
        field: &'static str,
        /// The number, or the length of the text in bytes.
        found: u64,
        /// The most there may be.
        most: u64,
    },
    /// A field of fixed length has another.
    #[error("{field} has {found} bytes, expected 16")]
    IdLength {
        /// Which field, as `message.field`.
        field: &'static str,
        /// Bytes found.
        found: usize,
    },
    /// A name that is no name of its kind.
    #[error("{field} cannot be read")]
    Id {
        /// Which field, as `message.field`.
        field: &'static str,
        /// Why not.
        source: IdError,
    },
    /// A number that is infinite or none.
    #[error("{field} is no finite number")]
    NotFinite {
        /// Which field, as `message.field`.
        field: &'static str,
    },
    /// A registry revision that is not the JSON of a registry.
    #[error("the registry revision is not readable JSON")]
    Registry {
        /// Where it went wrong.
        source: serde_json::Error,
    },
}

impl WireError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Format { found, .. } => {
                format!(
                    "read this log with the plume that wrote format {found}, or replay it into a new data directory"
                )
            }
            Self::UnknownNumber { .. } => {
                "a newer plume wrote this record: upgrade this process before its writers".to_owned()
            }
            Self::Malformed { .. } | Self::Missing { .. } | Self::IdLength { .. } | Self::NotFinite { .. } => {
                "the record was damaged or written by something else than plume: check who else writes to this topic"
                    .to_owned()
            }
            Self::TooLarge { most, .. } => format!("write at most {most} into this field"),
            Self::Id { source, .. } => source.hint(),
            Self::Registry { .. } => "import the registry again with this version of plume".to_owned(),
        }
    }
}

/// Refuses records of another format.
pub(super) fn format(message: &'static str, found: u32) -> Result<(), WireError> {
    if found == FORMAT {
        return Ok(());
    }
    Err(WireError::Format { message, found })
}

/// The member of a closed set with this number.
pub(super) fn closed<T>(
    field: &'static str,
    number: u32,
    from_number: impl Fn(u8) -> Option<T>,
) -> Result<T, WireError> {
    u8::try_from(number)
        .ok()
        .and_then(from_number)
        .ok_or(WireError::UnknownNumber { field, number })
}

/// A part that must be there.
pub(super) fn required<T>(field: &'static str, part: Option<T>) -> Result<T, WireError> {
    part.ok_or(WireError::Missing { field })
}

/// A number that must fit 16 bits.
pub(super) fn small(field: &'static str, number: u32) -> Result<u16, WireError> {
    u16::try_from(number).map_err(|_| WireError::TooLarge {
        field,
        found: number.into(),
        most: u16::MAX.into(),
    })
}

/// Text that must fit in place.
pub(super) fn inline<const N: usize>(field: &'static str, text: &str) -> Result<Inline<N>, WireError> {
    Inline::new(text).ok_or(WireError::TooLarge {
        field,
        found: text.len() as u64,
        most: N as u64,
    })
}

/// A number that is one.
pub(super) fn finite(field: &'static str, number: f64) -> Result<f64, WireError> {
    if number.is_finite() {
        return Ok(number);
    }
    Err(WireError::NotFinite { field })
}

/// A name parsed by its own constructor.
pub(super) fn id<T>(field: &'static str, parsed: Result<T, IdError>) -> Result<T, WireError> {
    parsed.map_err(|source| WireError::Id { field, source })
}

/// An id made from content.
pub(super) fn content_id(field: &'static str, bytes: &[u8]) -> Result<ContentId, WireError> {
    bytes
        .try_into()
        .map(ContentId::from_bytes)
        .map_err(|_| WireError::IdLength {
            field,
            found: bytes.len(),
        })
}

/// A decimal with a scale that may be.
pub(super) fn decimal(field: &'static str, wire: super::generated::Decimal) -> Result<Decimal, WireError> {
    u8::try_from(wire.scale)
        .ok()
        .and_then(|scale| Decimal::new(wire.mantissa, scale))
        .ok_or(WireError::TooLarge {
            field,
            found: wire.scale.into(),
            most: MAX_SCALE.into(),
        })
}

/// A decimal for the wire.
pub(super) fn wire_decimal(decimal: Decimal) -> super::generated::Decimal {
    super::generated::Decimal {
        mantissa: decimal.mantissa,
        scale: decimal.scale.into(),
    }
}
