//! Names of things, parsed once: each newtype has one constructor, keeps its text inline and never allocates.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Up to `N` bytes of UTF-8 kept in place: copying one copies `N + 1` bytes and touches no heap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inline<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Inline<N> {
    /// Keeps `text` if it is at most `N` bytes (and `N` at most 255).
    pub fn new(text: &str) -> Option<Self> {
        let len = u8::try_from(text.len()).ok()?;
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, len })
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        // Only `new` fills the bytes, from a `&str`, so this never falls back.
        std::str::from_utf8(self.bytes.get(..usize::from(self.len)).unwrap_or_default()).unwrap_or_default()
    }

    /// True when there is no text.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Inline<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> fmt::Debug for Inline<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Inline<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text was not a valid name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {kind}: {expected}")]
pub struct IdError {
    /// What it was meant to be, e.g. `MN`.
    pub kind: &'static str,
    /// The text as given, cut to 64 characters.
    pub text: String,
    /// What would have been valid.
    pub expected: &'static str,
}

impl IdError {
    /// What to try.
    pub fn hint(&self) -> String {
        format!("write the {} as {}", self.kind, self.expected)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $len:literal, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Inline<$len>);

        impl $name {
            /// Parses the name. Errors: empty, too long, or a character outside the set.
            pub fn new(text: &str) -> Result<Self, IdError> {
                let valid: fn(u8) -> bool = $valid;
                Some(text)
                    .filter(|text| !text.is_empty() && text.bytes().all(valid))
                    .and_then(Inline::new)
                    .map(Self)
                    .ok_or_else(|| IdError {
                        kind: $kind,
                        text: text.chars().take(64).collect(),
                        expected: $expected,
                    })
            }

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }
    };
}

name!(
    /// MN, 设备唯一标识 / 数采仪入网编码: 24 hex digits in 2017 and 2025, 14 characters in 2005, and in the field anything
    /// from 6 to 32 printable characters (HJ 212-2017 table 3; protocol notes, header deviations).
    Mn, 32, "MN", "1 to 32 printable ASCII characters without `;`, `,`, `=`, `&` or space",
    |b| b.is_ascii_graphic() && !b";,=&".contains(&b)
);
name!(
    /// A factor (污染物或参数) by its code: `a21026` in 2017, `02` or `S01` in 2005, and what makers invent (`Nh3-scr`).
    FactorCode, 15, "factor code", "1 to 15 ASCII letters, digits, `-` or `_`",
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
);
name!(
    /// One outlet (排放口) of one enterprise: `<enterprise>:<outlet number>`, e.g. `91330100MA27X0AB1C:DA001`. Key of
    /// the bus (D7).
    OutletId, 47, "outlet id", "1 to 47 ASCII letters, digits, `:`, `-`, `_` or `.`",
    |b| b.is_ascii_alphanumeric() || b":-_.".contains(&b)
);
name!(
    /// An enterprise by its 统一社会信用代码 (18 characters), or any code a bureau uses where there is none.
    EnterpriseId, 31, "enterprise id", "1 to 31 ASCII letters, digits, `-`, `_` or `.`",
    |b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)
);
name!(
    /// One ingest process. `received_at` is monotone per ingest id (D2).
    IngestId, 31, "ingest id", "1 to 31 ASCII letters, digits, `-`, `_` or `.`",
    |b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)
);
/// A 128-bit id made from content, so that a replay makes the same id and harms nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentId([u8; 16]);

impl ContentId {
    /// The first 128 bits of the SHA-256 of the parts, each preceded by its length, so that parts cannot run together.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut id = [0; 16];
        id.copy_from_slice(hasher.finalize().get(..16).unwrap_or(&[0; 16]));
        Self(id)
    }

    /// The id as bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// An id from its bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Parses 32 hex digits.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let error = || IdError {
            kind: "id",
            text: text.chars().take(64).collect(),
            expected: "32 hex digits",
        };
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(error());
        }
        u128::from_str_radix(text, 16)
            .map(|n| Self(n.to_be_bytes()))
            .map_err(|_| error())
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for ContentId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<ContentId> for String {
    fn from(id: ContentId) -> String {
        id.to_string()
    }
}

/// Hashes ids for tables in memory, several times faster than the standard library's hasher: rotate, xor and multiply
/// by words of eight bytes, as rustc's own tables do. It does not resist keys made to collide: for ids that the
/// registry admitted, not for what strangers send. Never stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

/// A table by ids.
pub type IdMap<K, V> = std::collections::HashMap<K, V, std::hash::BuildHasherDefault<IdHasher>>;

impl IdHasher {
    fn word(&mut self, word: u64) {
        // Both halves of the product: the lower one alone would lose what differs in the highest bytes only.
        let (low, high) = (self.0.rotate_left(5) ^ word).carrying_mul(0x517c_c1b7_2722_0a95, 0);
        self.0 = low ^ high;
    }
}

impl std::hash::Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let last = rest.iter().fold(0, |last, &byte| last << 8 | u64::from(byte));
        self.word(last);
    }

    fn write_u8(&mut self, number: u8) {
        self.word(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.word(number as u64);
    }

    /// Tables use the highest and the lowest bits: both must depend on every byte.
    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 29
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_refuse_what_would_break_a_packet() {
        assert!(Mn::new("010000A8900016F000169DC0").is_ok());
        assert!(Mn::new("A110000_0001").is_ok());
        for bad in ["", "a b", "a;b", "a=b", "a&b", "中文", &"x".repeat(33)] {
            assert!(Mn::new(bad).is_err(), "{bad}");
        }
    }

    /// Ids that differ in one place anywhere spread over a table's buckets (lowest bits) and tags (highest bits).
    #[test]
    fn ids_spread_over_a_table() {
        use std::hash::BuildHasher as _;
        let build = std::hash::BuildHasherDefault::<IdHasher>::default();
        let hashes = |text: fn(u32) -> String| {
            let ids = (0..4_096_u32).map(move |n| OutletId::new(&text(n)).unwrap());
            ids.map(|id| build.hash_one(id)).collect::<Vec<u64>>()
        };
        for hashes in [
            hashes(|n| format!("E{n:05}:DA001")),
            hashes(|n| format!("91330100MA27X0AB1C:DA{n:05}")),
        ] {
            let distinct = |part: fn(u64) -> u64| {
                let parts = hashes.iter().map(|&hash| part(hash));
                parts.collect::<std::collections::BTreeSet<u64>>().len()
            };
            // 4,096 balls into as many buckets leave about 63 % of them with one or more.
            assert!(
                distinct(|hash| hash & 0xfff) > 2_300,
                "{}",
                distinct(|hash| hash & 0xfff)
            );
            assert_eq!(distinct(|hash| hash >> 57), 128);
            assert_eq!(distinct(|hash| hash), 4_096);
        }
    }

    #[test]
    fn ids_do_not_run_parts_together() {
        assert_ne!(ContentId::of(&[b"ab", b"c"]), ContentId::of(&[b"a", b"bc"]));
        let id = ContentId::of(&[b"x"]);
        assert_eq!(ContentId::parse(&id.to_string()), Ok(id));
    }
}
