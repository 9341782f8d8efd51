//! State as bytes: the one place that knows how a checkpoint is written. Little-endian, no gaps, format number and
//! rules hash in front; anything unexpected is an error and the host rebuilds from the log.

use plume_schemas::ids::{ContentId, FactorCode, IngestId, Inline, Mn, OutletId};
use plume_schemas::time::{Span, Time};

/// Format of checkpoints. Counts up with every change of what is written.
pub const FORMAT: u32 = 6;
/// First bytes of a checkpoint.
const MAGIC: &[u8; 8] = b"plumechk";
/// No list in a checkpoint is longer: a lying length must not ask for memory.
const MAX_ITEMS: usize = 1 << 24;
/// Room made for a list before its items are read: a longer one grows as it is read, whatever length it claims.
const MAX_RESERVED: usize = 1 << 10;

/// A checkpoint cannot be used. The host starts an empty engine and reads the log from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Not a checkpoint at all.
    #[error("not a checkpoint: it does not begin with `plumechk`")]
    NotACheckpoint,
    /// Written by another format.
    #[error("checkpoint format {found}, this build reads {expected}")]
    OtherFormat {
        /// Its format.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// Written under other rules or settings.
    #[error("checkpoint of rules {found}, this build and configuration have {expected}")]
    OtherRules {
        /// Its rules hash.
        found: ContentId,
        /// Ours.
        expected: ContentId,
    },
    /// Written for another partition.
    #[error("checkpoint of partition {found_index} of {found_count}, wanted {index} of {count}")]
    OtherPartition {
        /// Its partition.
        found_index: u32,
        /// Out of how many.
        found_count: u32,
        /// Ours.
        index: u32,
        /// Out of how many.
        count: u32,
    },
    /// Cut off or damaged.
    #[error("checkpoint damaged at byte {offset} of {len}: {what}")]
    Damaged {
        /// Where reading stopped.
        offset: usize,
        /// How long it is.
        len: usize,
        /// What was expected there.
        what: &'static str,
    },
}

impl RestoreError {
    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::OtherRules { .. } => {
                "rules or settings changed since it was written; it is rebuilt by reading the log".to_owned()
            }
            _ => "delete the checkpoint; the state is rebuilt by reading the log".to_owned(),
        }
    }
}

/// Reads a checkpoint.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    pub(crate) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], RestoreError> {
        let end = self.offset.saturating_add(len);
        let taken = self.bytes.get(self.offset..end).ok_or_else(|| self.damaged(what))?;
        self.offset = end;
        Ok(taken)
    }

    pub(crate) fn damaged(&self, what: &'static str) -> RestoreError {
        RestoreError::Damaged {
            offset: self.offset,
            len: self.bytes.len(),
            what,
        }
    }

    pub(crate) fn end(&self) -> Result<(), RestoreError> {
        if self.offset == self.bytes.len() {
            Ok(())
        } else {
            Err(self.damaged("the end"))
        }
    }
}

/// Something that can be written to a checkpoint and read back the same.
pub(crate) trait Persist: Sized {
    fn save(&self, to: &mut Vec<u8>);
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError>;
}

macro_rules! numbers {
    ($($number:ty),+) => {
        $(impl Persist for $number {
            fn save(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
                let bytes = from.take(size_of::<$number>(), stringify!($number))?;
                bytes.try_into().map(Self::from_le_bytes).map_err(|_| from.damaged(stringify!($number)))
            }
        })+
    };
}
numbers!(u8, u16, i16, u32, u64, i32, i64, f32, f64);

impl Persist for bool {
    fn save(&self, to: &mut Vec<u8>) {
        u8::from(*self).save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        match u8::load(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(from.damaged("0 or 1")),
        }
    }
}

impl Persist for Time {
    fn save(&self, to: &mut Vec<u8>) {
        self.0.save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        i64::load(from).map(Time)
    }
}

impl Persist for Span {
    fn save(&self, to: &mut Vec<u8>) {
        self.start.save(to);
        self.end.save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        Ok(Self {
            start: Time::load(from)?,
            end: Time::load(from)?,
        })
    }
}

impl Persist for String {
    fn save(&self, to: &mut Vec<u8>) {
        (self.len() as u64).save(to);
        to.extend_from_slice(self.as_bytes());
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let len = usize::try_from(u64::load(from)?).unwrap_or(usize::MAX);
        let bytes = from.take(len, "text")?;
        Self::from_utf8(bytes.to_vec()).map_err(|_| from.damaged("UTF-8 text"))
    }
}

macro_rules! named {
    ($($name:ty),+) => {
        $(impl Persist for $name {
            fn save(&self, to: &mut Vec<u8>) {
                self.as_str().to_owned().save(to);
            }
            fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
                let text = String::load(from)?;
                Self::new(&text).map_err(|_| from.damaged(stringify!($name)))
            }
        })+
    };
}
named!(Mn, FactorCode, OutletId, IngestId);

impl<const N: usize> Persist for Inline<N> {
    fn save(&self, to: &mut Vec<u8>) {
        self.as_str().to_owned().save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let text = String::load(from)?;
        Self::new(&text).ok_or_else(|| from.damaged("short text"))
    }
}

impl Persist for ContentId {
    fn save(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(self.as_bytes());
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let bytes = from.take(16, "id")?;
        bytes.try_into().map(Self::from_bytes).map_err(|_| from.damaged("id"))
    }
}

impl<T: Persist> Persist for Option<T> {
    fn save(&self, to: &mut Vec<u8>) {
        self.is_some().save(to);
        if let Some(value) = self {
            value.save(to);
        }
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        if bool::load(from)? {
            T::load(from).map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<T: Persist> Persist for Vec<T> {
    fn save(&self, to: &mut Vec<u8>) {
        save_list(self, to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let len = list_len(from)?;
        // Without room to grow: most lists are short, and there are as many as outlets.
        let mut items = Self::with_capacity(len.min(MAX_RESERVED));
        for _ in 0..len {
            items.push(T::load(from)?);
        }
        Ok(items)
    }
}

/// How many there are, then each.
pub(crate) fn save_list<T: Persist>(items: &[T], to: &mut Vec<u8>) {
    (items.len() as u64).save(to);
    for item in items {
        item.save(to);
    }
}

/// How many items follow.
pub(crate) fn list_len(from: &mut Reader<'_>) -> Result<usize, RestoreError> {
    let len = usize::try_from(u64::load(from)?).unwrap_or(usize::MAX);
    if len > MAX_ITEMS {
        return Err(from.damaged("a list of sensible length"));
    }
    Ok(len)
}

impl<T: Persist + Copy + Default, const N: usize> Persist for [T; N] {
    fn save(&self, to: &mut Vec<u8>) {
        for item in self {
            item.save(to);
        }
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let mut items = [T::default(); N];
        for item in &mut items {
            *item = T::load(from)?;
        }
        Ok(items)
    }
}

impl<A: Persist, B: Persist> Persist for (A, B) {
    fn save(&self, to: &mut Vec<u8>) {
        self.0.save(to);
        self.1.save(to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        Ok((A::load(from)?, B::load(from)?))
    }
}

impl<T: Persist> Persist for Box<T> {
    fn save(&self, to: &mut Vec<u8>) {
        T::save(self, to);
    }
    fn load(from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        T::load(from).map(Self::new)
    }
}

/// Implements [`Persist`] for a struct, field by field in the order given; a forgotten field does not compile.
macro_rules! persist {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::state::Persist for $name {
            fn save(&self, to: &mut Vec<u8>) {
                let Self { $($field),+ } = self;
                $($crate::state::Persist::save($field, to);)+
            }
            fn load(from: &mut $crate::state::Reader<'_>) -> Result<Self, $crate::state::RestoreError> {
                $(let $field = $crate::state::Persist::load(from)?;)+
                Ok(Self { $($field),+ })
            }
        }
    };
}
pub(crate) use persist;

/// Implements [`Persist`] for one of the closed enums of the schemas.
macro_rules! persist_closed {
    ($($name:ty),+) => {
        $(impl $crate::state::Persist for $name {
            fn save(&self, to: &mut Vec<u8>) {
                to.push(self.number());
            }
            fn load(from: &mut $crate::state::Reader<'_>) -> Result<Self, $crate::state::RestoreError> {
                let number = u8::load(from)?;
                Self::from_number(number).ok_or_else(|| from.damaged(stringify!($name)))
            }
        })+
    };
}
pub(crate) use persist_closed;

/// What stands in front of every checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) rules: ContentId,
    pub(crate) index: u32,
    pub(crate) count: u32,
}

impl Header {
    pub(crate) fn save(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(MAGIC);
        FORMAT.save(to);
        self.rules.save(to);
        self.index.save(to);
        self.count.save(to);
    }

    /// Reads a header. The rules must be `rules`: another judge's memory is of no use to this one.
    pub(crate) fn load(from: &mut Reader<'_>, rules: ContentId) -> Result<Self, RestoreError> {
        if from.take(MAGIC.len(), "magic").ok() != Some(MAGIC.as_slice()) {
            return Err(RestoreError::NotACheckpoint);
        }
        let found = u32::load(from)?;
        if found != FORMAT {
            return Err(RestoreError::OtherFormat {
                found,
                expected: FORMAT,
            });
        }
        let header = Self {
            rules: ContentId::load(from)?,
            index: u32::load(from)?,
            count: u32::load(from)?,
        };
        if header.rules != rules {
            return Err(RestoreError::OtherRules {
                found: header.rules,
                expected: rules,
            });
        }
        Ok(header)
    }
}
