//! The file of device keys (SM4, HJ 212-2025 6.4.3): one row a device. The text of a key is in no error, no log line
//! and no `Debug`.

use std::fmt;

use plume_schemas::ids::Mn;
use serde::Deserialize;

use super::sm4::{DeviceKeys, Key, KeyError, KeyRing};

/// A file of keys: `[[device]]` with `mn`, `key`, and where wanted `previous` and `literal`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    #[serde(default)]
    device: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    mn: Mn,
    /// 16 characters, or 32 hex digits.
    key: String,
    /// The key before, for packets on their way when it changed.
    previous: Option<String>,
    /// The device writes its cipher as the text `{0xE4,…}`.
    #[serde(default)]
    literal: bool,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// A key is none.
    #[error("`{field}` of device {mn} is {source}")]
    Key {
        /// The device.
        mn: Mn,
        /// `key` or `previous`.
        field: &'static str,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A device has two rows.
    #[error("device {mn} has two rows, expected one")]
    Twice {
        /// The device.
        mn: Mn,
    },
}

impl KeyFileError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Key { source, .. } => source.hint(),
            Self::Twice { .. } => "keep one row, with the key before in `previous`".to_owned(),
        }
    }
}

impl KeyFile {
    /// The keys of all rows. Errors: the first row that cannot be used.
    pub fn ring(&self) -> Result<KeyRing, KeyFileError> {
        let ring = KeyRing::default();
        for row in &self.device {
            let mn = row.mn;
            let parse =
                |field, text: &String| Key::parse(text).map_err(|source| KeyFileError::Key { mn, field, source });
            if ring.get(mn).is_some() {
                return Err(KeyFileError::Twice { mn });
            }
            let keys = DeviceKeys {
                current: parse("key", &row.key)?,
                previous: row.previous.as_ref().map(|text| parse("previous", text)).transpose()?,
                next: None,
                literal: row.literal,
            };
            ring.insert(mn, keys);
        }
        Ok(ring)
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile({} devices)", self.device.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(text: &str) -> Result<KeyRing, KeyFileError> {
        toml::from_str::<KeyFile>(text).unwrap().ring()
    }

    #[test]
    fn rows_become_keys_and_bad_ones_are_named_without_them() {
        let text = "[[device]]\nmn = \"M1\"\nkey = \"0123456789abcdef\"\n\
                    previous = \"30303030303030303030303030303030\"\n\
                    [[device]]\nmn = \"M2\"\nkey = \"fedcba9876543210\"\nliteral = true\n";
        let keys = ring(text).unwrap();
        let first = keys.get(Mn::new("M1").unwrap()).unwrap();
        assert_eq!(first.current, Key::parse("0123456789abcdef").unwrap());
        assert_eq!(first.previous, Some(Key::from_bytes([b'0'; 16])));
        assert!(!first.literal && keys.get(Mn::new("M2").unwrap()).unwrap().literal);
        assert!(keys.get(Mn::new("M3").unwrap()).is_none());
        assert!(!format!("{keys:?}").contains("0123456789abcdef"));

        let short = ring("[[device]]\nmn = \"M1\"\nkey = \"s3cret\"\n").unwrap_err();
        assert_eq!(
            short.to_string(),
            "`key` of device M1 is a key of 6 characters, expected 16 characters or 32 hex digits"
        );
        let twice = ring(&text.replace("M2", "M1")).unwrap_err();
        assert_eq!(twice.to_string(), "device M1 has two rows, expected one");
        for error in [short, twice] {
            assert!(!error.hint().is_empty() && !format!("{error:?} {}", error.hint()).contains("s3cret"));
        }
        assert_eq!(ring("").unwrap(), KeyRing::default());
    }
}
