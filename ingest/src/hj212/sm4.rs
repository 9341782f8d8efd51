//! Encryption of HJ 212-2025 (6.4): SM4, ECB, no padding, over whole 16-byte blocks between `CP=&&` and the last `&&`;
//! a shorter rest stays in clear. Length and checksum are those of the plain packet, so the checksum also tells
//! whether a key was right.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use plume_schemas::ids::{ContentId, Inline, Mn};
use plume_schemas::time::Time;
use sm4::Sm4;
use sm4::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use super::complaints::inline;
use super::crc;
use super::packet::find_cp;

const BLOCK: usize = 16;
/// What new keys are made of.
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A key. It is never shown: `Debug` gives its id.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; BLOCK]);

/// A text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of {given} characters, expected 16 characters or 32 hex digits")]
pub struct KeyError {
    /// How many were given; the text itself may be a secret.
    pub given: usize,
}

impl KeyError {
    /// What to try.
    pub fn hint(&self) -> String {
        "give the key as registered: 16 characters as they are, or 32 hex digits".to_owned()
    }
}

impl Key {
    /// A key from its 16 characters, or from 32 hex digits.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let error = || KeyError {
            given: text.chars().count(),
        };
        if text.len() == 2 * BLOCK && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return u128::from_str_radix(text, 16)
                .map(|n| Self(n.to_be_bytes()))
                .map_err(|_| error());
        }
        text.as_bytes().try_into().map(Self).map_err(|_| error())
    }

    /// A key from its bytes.
    pub fn from_bytes(bytes: [u8; BLOCK]) -> Self {
        Self(bytes)
    }

    /// A new key of 16 letters and digits, from chance; `None` where that does not suffice, then draw again. No value
    /// is fixed or patterned (6.4.3 f, g), and no character has a meaning in a packet.
    pub fn make(chance: &[u8]) -> Option<Self> {
        // Chance beyond the last whole multiple would make some characters likelier.
        let even = u8::try_from(256 / LETTERS.len() * LETTERS.len()).unwrap_or(u8::MAX);
        let letters = chance.iter().filter(|&&byte| byte < even);
        let letters = letters.filter_map(|&byte| LETTERS.get(usize::from(byte) % LETTERS.len()).copied());
        let text: Vec<u8> = letters.take(BLOCK).collect();
        text.try_into().ok().map(Self)
    }

    /// As it is told to a device (NewSK) and kept sealed: 16 characters where it has them, else 32 hex digits.
    pub fn reveal(&self) -> String {
        let plain = |&byte: &u8| byte.is_ascii_alphanumeric();
        match std::str::from_utf8(&self.0) {
            Ok(text) if self.0.iter().all(plain) => text.to_owned(),
            _ => format!("{:032X}", u128::from_be_bytes(self.0)),
        }
    }

    /// A name for it that does not give it away.
    pub fn id(&self) -> Inline<15> {
        let id = ContentId::of(&[b"plume key id", &self.0]).to_string();
        inline(id.get(..8).unwrap_or_default())
    }

    /// Encrypts the whole blocks of a region.
    pub fn encrypt(&self, region: &mut [u8]) {
        let cipher = Sm4::new(&self.0.into());
        let (blocks, _) = region.as_chunks_mut::<BLOCK>();
        for block in blocks {
            cipher.encrypt_block(block.into());
        }
    }

    /// Decrypts the whole blocks of a region.
    pub fn decrypt(&self, region: &mut [u8]) {
        let cipher = Sm4::new(&self.0.into());
        let (blocks, _) = region.as_chunks_mut::<BLOCK>();
        for block in blocks {
            cipher.decrypt_block(block.into());
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

/// The keys of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKeys {
    /// In force.
    pub current: Key,
    /// The one before, for packets still on their way after a change.
    pub previous: Option<Key>,
    /// The one the device is being told, which it may use before it has said so.
    pub next: Option<NextKey>,
    /// The device writes its cipher as the text `{0xE4,…}`; no standard or certified logger settles which form is
    /// meant.
    pub literal: bool,
}

/// A key on its way to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextKey {
    /// The key.
    pub key: Key,
    /// SKCreateTime.
    pub created_at: Time,
}

impl DeviceKeys {
    /// One key, in the form of raw bytes.
    pub fn of(current: Key) -> Self {
        Self {
            current,
            previous: None,
            next: None,
            literal: false,
        }
    }

    /// How the device writes its cipher, and is written to.
    pub fn form(&self) -> CipherForm {
        if self.literal {
            CipherForm::Literal
        } else {
            CipherForm::Raw
        }
    }
}

/// What is secret between plume and its devices: keys, and passwords that plume has set. It changes while links are
/// open.
#[derive(Debug, Default)]
pub struct KeyRing(RwLock<Rings>);

#[derive(Debug, Default, PartialEq)]
struct Rings {
    keys: HashMap<Mn, DeviceKeys>,
    passwords: HashMap<Mn, Passwords>,
}

/// Passwords of a device that plume has set (1072), beside that of the registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Passwords {
    /// What the device said it has taken.
    pub set: Option<String>,
    /// What it is being told.
    pub next: Option<String>,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passwords({}, {})", self.set.is_some(), self.next.is_some())
    }
}

impl PartialEq for KeyRing {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || *self.read() == *other.read()
    }
}

impl KeyRing {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Rings> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys of a device, in place of what it had.
    pub fn insert(&self, mn: Mn, keys: DeviceKeys) {
        let mut rings = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rings.keys.insert(mn, keys);
    }

    /// Passwords that plume has set, in place of what it had.
    pub fn insert_passwords(&self, mn: Mn, passwords: Passwords) {
        let mut rings = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rings.passwords.insert(mn, passwords);
    }

    /// True where no device has a key.
    pub fn is_empty(&self) -> bool {
        self.read().keys.is_empty()
    }

    /// Keys of a device.
    pub fn get(&self, mn: Mn) -> Option<DeviceKeys> {
        self.read().keys.get(&mn).cloned()
    }

    /// Passwords of a device that plume has set.
    pub fn passwords(&self, mn: Mn) -> Passwords {
        self.read().passwords.get(&mn).cloned().unwrap_or_default()
    }

    /// Every device that has keys, with them.
    pub fn all(&self) -> Vec<(Mn, DeviceKeys)> {
        let rings = self.read();
        rings.keys.iter().map(|(mn, keys)| (*mn, keys.clone())).collect()
    }
}

/// An encrypted segment made readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The plain segment, to which length and checksum belong.
    pub segment: Vec<u8>,
    /// Which key opened it.
    pub key_id: Inline<15>,
}

/// Opens a segment whose checksum did not fit as received (2025 notes §3.2): with the current key, then the previous
/// one and the next, then in the literal form, until the checksum `given` fits. `None` where nothing does.
pub fn open(segment: &[u8], given: u16, keys: &DeviceKeys) -> Option<Opened> {
    let (from, to) = region(segment)?;
    let (head, tail) = (segment.get(..from)?, segment.get(to..)?);
    let ciphered = segment.get(from..to)?;
    let literal = keys.literal.then(|| from_literal(ciphered)).flatten();
    let bodies = [Some(ciphered.to_vec()), literal];
    for body in bodies.iter().flatten() {
        let next = keys.next.as_ref().map(|next| &next.key);
        for key in [Some(&keys.current), keys.previous.as_ref(), next]
            .into_iter()
            .flatten()
        {
            let mut body = body.clone();
            key.decrypt(&mut body);
            let plain = [head, &body, tail].concat();
            if crc::hj212(&plain) == given {
                return Some(Opened {
                    segment: plain,
                    key_id: key.id(),
                });
            }
        }
    }
    None
}

/// How the cipher of a frame is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherForm {
    /// The bytes themselves.
    Raw,
    /// `{0xE4,0x3E,…}` and the plain rest, as the standard's annex A.2 prints it; the length stays that of the plain
    /// packet.
    Literal,
}

/// Encrypts a plain frame (as [`super::encode`] makes it). A frame without CP comes back as it is.
pub fn seal(frame: &[u8], key: &Key, form: CipherForm) -> Vec<u8> {
    // Behind the last `&&` stand four digits and CR LF; the header holds no `&`.
    let Some((from, to)) = region(frame.get(..frame.len().saturating_sub(6)).unwrap_or_default()) else {
        return frame.to_vec();
    };
    let mut sealed = frame.to_vec();
    if let Some(region) = sealed.get_mut(from..to) {
        key.encrypt(region);
    }
    let blocks = from + (to - from) / BLOCK * BLOCK;
    if form == CipherForm::Literal && blocks > from {
        let text: Vec<String> = sealed
            .get(from..blocks)
            .unwrap_or_default()
            .iter()
            .map(|b| format!("0x{b:02X}"))
            .collect();
        let text = format!("{{{}}}", text.join(","));
        sealed.splice(from..blocks, text.into_bytes());
    }
    sealed
}

/// Where the encrypted region lies: behind `CP=&&`, before the last two bytes.
pub fn region(segment: &[u8]) -> Option<(usize, usize)> {
    let from = find_cp(segment)? + 5;
    let to = segment.len().checked_sub(2)?;
    let opened = segment.get(from - 2..from) == Some(b"&&");
    let closed = segment.get(to..) == Some(b"&&");
    (opened && closed && from <= to).then_some((from, to))
}

/// True when a region holds bytes no clear text has, or the literal form: worth saying that a key is missing.
pub fn looks_encrypted(segment: &[u8]) -> bool {
    region(segment)
        .and_then(|(from, to)| segment.get(from..to))
        .is_some_and(|region| region.starts_with(b"{0x") || region.iter().any(u8::is_ascii_control))
}

/// Bytes of `{0xE4,…}` and what follows the brace.
fn from_literal(region: &[u8]) -> Option<Vec<u8>> {
    let rest = region.strip_prefix(b"{")?;
    let end = rest.iter().position(|&b| b == b'}')?;
    let (list, tail) = rest.split_at(end);
    let mut bytes = Vec::with_capacity(list.len() / 5 + tail.len());
    for item in list.split(|&b| b == b',') {
        let digits = item.trim_ascii();
        let digits = digits.strip_prefix(b"0x").or_else(|| digits.strip_prefix(b"0X"))?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
    }
    bytes.extend_from_slice(tail.get(1..)?);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_both_forms_and_never_shown() {
        let key = Key::parse("0000000000000000").unwrap();
        assert_eq!(key, Key::parse("30303030303030303030303030303030").unwrap());
        assert_eq!(key, Key::from_bytes([b'0'; 16]));
        assert!(!format!("{key:?}").contains("0000000000"));
        assert_eq!(
            Key::parse("secret").unwrap_err().to_string(),
            "a key of 6 characters, expected 16 characters or 32 hex digits"
        );
    }

    #[test]
    fn the_self_test_of_gbt_32907() {
        let key = Key::parse("0123456789ABCDEFFEDCBA9876543210").unwrap();
        let mut block = 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210_u128.to_be_bytes();
        key.encrypt(&mut block);
        assert_eq!(u128::from_be_bytes(block), 0x681E_DF34_D206_965E_86B3_E94F_536E_4246);
        key.decrypt(&mut block);
        assert_eq!(u128::from_be_bytes(block), 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210);
    }

    #[test]
    fn the_rest_of_a_region_stays_in_clear() {
        let key = Key::parse("0000000000000000").unwrap();
        let mut region = b"sixteen letters.tail".to_vec();
        key.encrypt(&mut region);
        assert!(region.ends_with(b"tail") && !region.starts_with(b"sixteen"));
    }
}
