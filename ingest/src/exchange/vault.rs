//! The secrets between plume and its devices, and how they change (HJ 212-2025 6.4.3): without IO. The host keeps
//! [`Vault::to_record`] sealed on disk before a device is told anything, so that a crash at any step loses no key.
//!
//! ```text
//! rotate ─▶ next (on disk) ─▶ 1014 to the device ─▶ 9012, or a packet under it ─▶ current; the one before: previous
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use plume_schemas::ids::{Inline, Mn};
use plume_schemas::time::{DAY_MS, Time};
use serde::{Deserialize, Serialize};

use crate::hj212::sm4::{DeviceKeys, Key, KeyError, KeyRing, NextKey, Passwords};

/// Days a key may be in force (2025 6.4.3).
pub const MAX_KEY_DAYS: i64 = 90;

/// Something that cannot be done with a secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// A device without a key: its first one is registered, not given by plume.
    #[error("device {mn} has no key yet")]
    NoKey {
        /// Which.
        mn: Mn,
    },
    /// Chance did not make a key.
    #[error("no new key could be made for device {mn}")]
    NoChance {
        /// Which.
        mn: Mn,
    },
    /// What was kept cannot be read.
    #[error("the kept keys cannot be read ({bytes} bytes)")]
    Unreadable {
        /// How long it is.
        bytes: usize,
    },
    /// A key that was kept is none.
    #[error("a kept key of device {mn} is {source}")]
    Key {
        /// Which device.
        mn: Mn,
        /// What is wrong with it.
        source: KeyError,
    },
}

impl VaultError {
    /// What to try.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoKey { .. } => "put its first key, as registered, into the file of keys and start plume again",
            Self::NoChance { .. } => "try again",
            Self::Unreadable { .. } | Self::Key { .. } => "restore state/keys.sealed from a backup",
        }
    }
}

/// How old the key of a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAge {
    /// Whose.
    pub mn: Mn,
    /// The key's name.
    pub id: Inline<15>,
    /// Since when it is in force, as far as that is known: else since when plume has it.
    pub since: Time,
    /// Whole days until now.
    pub days: i64,
    /// A new one is on its way.
    pub changing: bool,
}

/// What is kept of one device.
#[derive(Debug, Default)]
struct Row {
    keys: Option<DeviceKeys>,
    since: Time,
    /// The creation time is the device's or plume's own word.
    known: bool,
    /// The key that stood in the file when it was last taken from there.
    imported: Inline<15>,
    passwords: Passwords,
}

/// A row as it is kept. It is sealed before it reaches a disk, and shown nowhere.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    mn: Mn,
    key: Option<String>,
    previous: Option<String>,
    next: Option<(String, Time)>,
    literal: bool,
    since: Time,
    known: bool,
    imported: String,
    password: Option<String>,
    next_password: Option<String>,
}

/// The secrets of all devices. What links read is the ring; this is how it changes.
#[derive(Debug)]
pub struct Vault {
    rows: BTreeMap<Mn, Row>,
    ring: Arc<KeyRing>,
}

impl Vault {
    /// What was kept, and the keys that `ring` holds of the file: a key that stands in the file newly, or another than
    /// was taken from there before, is what the operator wants; else what plume and the device have agreed on since is
    /// in force. Gives whether anything is to be kept anew.
    pub fn open(ring: Arc<KeyRing>, kept: Option<&[u8]>, now: Time) -> Result<(Self, bool), VaultError> {
        let rows = kept.map_or(Ok(BTreeMap::new()), read)?;
        let mut vault = Self { rows, ring };
        let mut changed = false;
        for (mn, keys) in vault.ring.all() {
            let row = vault.rows.entry(mn).or_default();
            let id = keys.current.id();
            if row.imported != id {
                changed = true;
                row.imported = id;
                row.since = now;
                row.known = false;
                row.keys = Some(keys);
            }
        }
        let all: Vec<Mn> = vault.rows.keys().copied().collect();
        for mn in all {
            vault.publish(mn);
        }
        Ok((vault, changed))
    }

    /// Everything, to be sealed.
    pub fn to_record(&self) -> Result<Vec<u8>, VaultError> {
        let rows: Vec<Kept> = self.rows.iter().map(|(mn, row)| keep(*mn, row)).collect();
        serde_json::to_vec(&rows).map_err(|_| VaultError::Unreadable { bytes: 0 })
    }

    /// Makes a new key ready for a device, from chance; the one that is ready already, where its device may have heard
    /// of it. Gives whether it is new: then it is to be kept before the device is told.
    pub fn rotate(&mut self, mn: Mn, chance: &[u8], now: Time) -> Result<bool, VaultError> {
        let row = self.rows.get_mut(&mn);
        let keys = row.and_then(|row| row.keys.as_mut()).ok_or(VaultError::NoKey { mn })?;
        if keys.next.is_some() {
            return Ok(false);
        }
        let key = Key::make(chance).ok_or(VaultError::NoChance { mn })?;
        keys.next = Some(NextKey { key, created_at: now });
        self.publish(mn);
        Ok(true)
    }

    /// The device has said that it has the new key. Gives whether anything changed.
    pub fn key_taken(&mut self, mn: Mn) -> bool {
        let Some(row) = self.rows.get_mut(&mn) else {
            return false;
        };
        let Some((keys, next)) = row
            .keys
            .as_mut()
            .and_then(|keys| keys.next.take().map(|next| (keys, next)))
        else {
            return false;
        };
        keys.previous = Some(std::mem::replace(&mut keys.current, next.key));
        row.since = next.created_at;
        row.known = true;
        self.publish(mn);
        true
    }

    /// A packet was opened by this key: where that is the new one, the device has it, though its answer was lost.
    pub fn opened(&mut self, mn: Mn, key_id: Inline<15>) -> bool {
        let row = self.rows.get(&mn);
        let next = row.and_then(|row| row.keys.as_ref()?.next.as_ref());
        next.is_some_and(|next| next.key.id() == key_id) && self.key_taken(mn)
    }

    /// The device says when its key was made (1014).
    pub fn told(&mut self, mn: Mn, created_at: Time, now: Time) -> bool {
        let row = self.rows.get_mut(&mn).filter(|row| !row.known && created_at <= now);
        let Some(row) = row else { return false };
        row.since = created_at;
        row.known = true;
        true
    }

    /// A device is to be told this password.
    pub fn new_password(&mut self, mn: Mn, password: String) {
        self.rows.entry(mn).or_default().passwords.next = Some(password);
        self.publish(mn);
    }

    /// The device has said that it has the new password.
    pub fn password_taken(&mut self, mn: Mn) -> bool {
        let row = self.rows.get_mut(&mn);
        let Some((row, password)) = row.and_then(|row| row.passwords.next.take().map(|next| (row, next))) else {
            return false;
        };
        row.passwords.set = Some(password);
        self.publish(mn);
        true
    }

    /// How old the keys are, the oldest first.
    pub fn ages(&self, now: Time) -> Vec<KeyAge> {
        let age = |(mn, row): (&Mn, &Row)| {
            let keys = row.keys.as_ref()?;
            Some(KeyAge {
                mn: *mn,
                id: keys.current.id(),
                since: row.since,
                days: now.since(row.since).div_euclid(DAY_MS),
                changing: keys.next.is_some(),
            })
        };
        let mut ages: Vec<KeyAge> = self.rows.iter().filter_map(age).collect();
        ages.sort_by_key(|age| (age.since, age.mn));
        ages
    }

    /// Every secret, so that it can be taken out of what leaves this host.
    pub fn secrets(&self) -> Vec<String> {
        let rows = self.rows.iter().map(|(mn, row)| keep(*mn, row));
        let secrets = rows.flat_map(|kept| {
            let next = kept.next.map(|(key, _)| key);
            [kept.key, kept.previous, next, kept.password, kept.next_password]
        });
        secrets.flatten().collect()
    }

    fn publish(&self, mn: Mn) {
        if let Some(row) = self.rows.get(&mn) {
            if let Some(keys) = &row.keys {
                self.ring.insert(mn, keys.clone());
            }
            self.ring.insert_passwords(mn, row.passwords.clone());
        }
    }
}

fn keep(mn: Mn, row: &Row) -> Kept {
    let keys = row.keys.as_ref();
    let next = keys.and_then(|keys| keys.next.as_ref());
    Kept {
        mn,
        key: keys.map(|keys| keys.current.reveal()),
        previous: keys.and_then(|keys| keys.previous.as_ref()).map(Key::reveal),
        next: next.map(|next| (next.key.reveal(), next.created_at)),
        literal: keys.is_some_and(|keys| keys.literal),
        since: row.since,
        known: row.known,
        imported: row.imported.as_str().to_owned(),
        password: row.passwords.set.clone(),
        next_password: row.passwords.next.clone(),
    }
}

fn read(kept: &[u8]) -> Result<BTreeMap<Mn, Row>, VaultError> {
    // The reason would quote what could not be read.
    let rows: Vec<Kept> = serde_json::from_slice(kept).map_err(|_| VaultError::Unreadable { bytes: kept.len() })?;
    rows.into_iter().map(|row| Ok((row.mn, taken_up(row)?))).collect()
}

fn taken_up(kept: Kept) -> Result<Row, VaultError> {
    let mn = kept.mn;
    let parse = |text: &String| Key::parse(text).map_err(|source| VaultError::Key { mn, source });
    let next = |(text, created_at): &(String, Time)| {
        Ok(NextKey {
            key: parse(text)?,
            created_at: *created_at,
        })
    };
    let keys = match &kept.key {
        None => None,
        Some(current) => Some(DeviceKeys {
            current: parse(current)?,
            previous: kept.previous.as_ref().map(parse).transpose()?,
            next: kept.next.as_ref().map(next).transpose()?,
            literal: kept.literal,
        }),
    };
    Ok(Row {
        keys,
        since: kept.since,
        known: kept.known,
        imported: Inline::new(&kept.imported).unwrap_or_default(),
        passwords: Passwords {
            set: kept.password,
            next: kept.next_password,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_800_000_000_000);
    const FIRST: &str = "k3yOfTheFirstDay";
    /// Chance of a test: what it makes is known.
    const CHANCE: [u8; 32] = [7; 32];

    fn mn() -> Mn {
        Mn::new("M1").unwrap()
    }

    fn file(key: &str) -> Arc<KeyRing> {
        let ring = KeyRing::default();
        ring.insert(mn(), DeviceKeys::of(Key::parse(key).unwrap()));
        Arc::new(ring)
    }

    fn open(ring: &Arc<KeyRing>, kept: Option<&[u8]>) -> (Vault, bool) {
        Vault::open(Arc::clone(ring), kept, NOW).unwrap()
    }

    /// What links know, after each step is kept and taken up again as after a crash.
    fn again(vault: &Vault, ring: &Arc<KeyRing>) -> Vault {
        let (again, changed) = open(ring, Some(&vault.to_record().unwrap()));
        assert!(!changed, "what was kept is whole");
        again
    }

    #[test]
    fn a_new_key_is_ready_before_it_is_told_and_survives_a_crash_at_any_step() {
        let ring = file(FIRST);
        let (mut vault, changed) = open(&ring, None);
        assert!(changed, "the file's key is kept");
        assert!(vault.rotate(mn(), &CHANCE, NOW).unwrap());
        let mut vault = again(&vault, &file(FIRST));
        let made = Key::make(&CHANCE).unwrap();
        assert!(
            !vault.rotate(mn(), &[9; 32], NOW).unwrap(),
            "the device may have heard of the first one"
        );
        let keys = vault.ring.get(mn()).unwrap();
        assert_eq!(
            (keys.current, keys.next.unwrap().key),
            (Key::parse(FIRST).unwrap(), made.clone())
        );
        assert!(!vault.opened(mn(), Key::parse(FIRST).unwrap().id()));
        assert!(vault.opened(mn(), made.id()), "the device uses it, so it has it");
        assert!(!vault.key_taken(mn()), "and its answer says nothing new");
        let vault = again(&vault, &file(FIRST));
        let keys = vault.ring.get(mn()).unwrap();
        assert_eq!((keys.current, keys.previous), (made, Some(Key::parse(FIRST).unwrap())));
        assert_eq!(keys.next, None);
    }

    #[test]
    fn another_key_in_the_file_is_what_the_operator_wants() {
        let ring = file(FIRST);
        let (mut vault, _) = open(&ring, None);
        vault.rotate(mn(), &CHANCE, NOW).unwrap();
        vault.key_taken(mn());
        let kept = vault.to_record().unwrap();
        let other = file("another0key0here");
        let (vault, changed) = open(&other, Some(&kept));
        assert!(changed);
        assert_eq!(
            vault.ring.get(mn()).unwrap().current,
            Key::parse("another0key0here").unwrap()
        );
    }

    #[test]
    fn the_age_of_a_key_is_the_devices_word_or_counts_from_when_plume_has_it() {
        let (mut vault, _) = open(&file(FIRST), None);
        let later = NOW.plus(85 * DAY_MS);
        assert_eq!(vault.ages(later)[0].days, 85);
        assert!(vault.told(mn(), NOW.plus(-4 * DAY_MS), later));
        assert!(!vault.told(mn(), NOW, later), "once");
        assert_eq!(vault.ages(later)[0].days, 89);
        vault.rotate(mn(), &CHANCE, later).unwrap();
        assert!(vault.ages(later)[0].changing && vault.key_taken(mn()));
        assert_eq!(vault.ages(later)[0].days, 0);
    }

    #[test]
    fn passwords_change_when_the_device_says_so() {
        let (mut vault, _) = open(&Arc::default(), None);
        assert!(matches!(
            vault.rotate(mn(), &CHANCE, NOW),
            Err(VaultError::NoKey { .. })
        ));
        vault.new_password(mn(), "abc123".to_owned());
        assert_eq!(vault.ring.passwords(mn()).next.as_deref(), Some("abc123"));
        assert!(vault.password_taken(mn()) && !vault.password_taken(mn()));
        let vault = again(&vault, &Arc::default());
        let passwords = vault.ring.passwords(mn());
        assert_eq!((passwords.set.as_deref(), passwords.next), (Some("abc123"), None));
        assert_eq!(vault.secrets(), ["abc123"]);
    }

    #[test]
    fn nothing_secret_is_shown_and_damage_is_named_without_it() {
        let (mut vault, _) = open(&file(FIRST), None);
        vault.new_password(mn(), "abc123".to_owned());
        let shown = format!("{vault:?}");
        assert!(!shown.contains(FIRST) && !shown.contains("abc123"), "{shown}");
        let mut kept = vault.to_record().unwrap();
        kept.truncate(kept.len() - 5);
        let error = Vault::open(Arc::default(), Some(&kept), NOW).unwrap_err();
        assert!(!format!("{error:?} {error} {}", error.hint()).contains(FIRST));
        let short = br#"[{"mn":"M1","key":"s3cret","previous":null,"next":null,"literal":false,"since":0,"known":false,
                        "imported":"","password":null,"next_password":null}]"#;
        let error = Vault::open(Arc::default(), Some(short), NOW).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }
}
