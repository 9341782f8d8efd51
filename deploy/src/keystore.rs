//! The keys of devices at rest: `state/keys.sealed`, under a key of this host that stands in a file or in the
//! environment, and never beside it. What is sealed is ChaCha20-Poly1305 over the rows of [`Vault`], a new nonce with
//! every write.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, anyhow, bail};
use plume_ingest::exchange::vault::{KeyAge, Vault};
use plume_ingest::hj212::sm4::KeyRing;
use plume_schemas::ids::{Inline, Mn};
use plume_schemas::time::Time;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::Deserialize;

use crate::chance::chance;
use crate::durable;

/// What the file begins with: what it is, and its version. It is sealed with the rest.
const MAGIC: &[u8] = b"PLMKEYS0";
/// Where the sealing key stands if not in a file.
pub(crate) const SEAL_VARIABLE: &str = "PLUME_SEAL_KEY";
/// Bytes of the sealing key.
const SEAL_BYTES: usize = 32;
/// Ten thousand devices take 4 MiB.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Draws of chance until one makes a key: one in many thousands does not.
const DRAWS: usize = 4;

/// `[keys]`: how the secrets of devices are kept.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysConfig {
    pub(crate) seal_file: PathBuf,
    pub(crate) warn_days: u32,
}

/// The key of this host.
struct Seal(LessSafeKey);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// From 64 hex digits, which no error shows.
    fn parse(text: &str, place: &str) -> anyhow::Result<Self> {
        let digits = text.trim().as_bytes();
        let bytes: Option<Vec<u8>> = digits
            .chunks(2)
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
            .collect();
        let bytes = bytes.filter(|bytes| bytes.len() == SEAL_BYTES && digits.len() == 2 * SEAL_BYTES);
        let bytes = bytes.with_context(|| {
            format!("{place}: expected 64 hex digits (hint: plume keys new-seal FILE makes such a key)")
        })?;
        Self::of(&bytes)
    }

    fn of(bytes: &[u8]) -> anyhow::Result<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).map_err(|_| anyhow!("a sealing key of a wrong length"))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Head, nonce, cipher and tag.
    fn seal(&self, clear: &[u8], chance: &[u8]) -> anyhow::Result<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = chance
            .get(..NONCE_LEN)
            .and_then(|bytes| bytes.try_into().ok())
            .context("too little chance for a nonce")?;
        let mut body = clear.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        let sealed = self.0.seal_in_place_append_tag(unique, Aad::from(MAGIC), &mut body);
        sealed.map_err(|_| anyhow!("the keys cannot be sealed"))?;
        Ok([MAGIC, &nonce, &body].concat())
    }

    fn open(&self, sealed: &[u8]) -> anyhow::Result<Vec<u8>> {
        let rest = sealed.strip_prefix(MAGIC).context("is no file of sealed keys")?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).context("is cut off")?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| anyhow!("is cut off"))?;
        let mut body = body.to_vec();
        let clear = self.0.open_in_place(nonce, Aad::from(MAGIC), &mut body);
        let clear = clear.map_err(|_| anyhow!("is sealed with another key, or damaged"))?;
        Ok(clear.to_vec())
    }
}

/// Secrets of devices, and where they are kept. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct KeyStore(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    vault: Mutex<Vault>,
    seal: Option<Seal>,
    path: PathBuf,
    /// Why no secret may change here.
    fixed: Option<&'static str>,
    warn_days: i64,
    /// Devices that asked for a new key, and were not allowed one.
    wanting: Mutex<BTreeSet<Mn>>,
}

impl KeyStore {
    /// Takes up what is kept, beside the keys of the file that `ring` holds. Where processes share the log no secret
    /// changes: each has a store of its own.
    pub(crate) fn open(
        config: &KeysConfig,
        data_dir: &Path,
        ring: &Arc<KeyRing>,
        shared: bool,
        now: Time,
    ) -> anyhow::Result<Self> {
        let path = sealed_path(data_dir);
        let (seal, kept) = unsealed(config, &path)?;
        let (vault, changed) = Vault::open(Arc::clone(ring), kept.as_deref(), now)
            .map_err(|error| anyhow!("{}: {error} (hint: {})", path.display(), error.hint()))?;
        let fixed = if seal.is_none() {
            Some("keys cannot be kept sealed here: name a sealing key in [keys] seal_file")
        } else if shared {
            Some("several processes take packets, each with its own keys: change them by [ingest] keys_file")
        } else {
            None
        };
        let store = Self(Arc::new(Inside {
            vault: Mutex::new(vault),
            seal,
            path,
            fixed,
            warn_days: i64::from(config.warn_days),
            wanting: Mutex::default(),
        }));
        if changed && store.0.seal.is_some() {
            store.save(&store.vault())?;
        }
        Ok(store)
    }

    fn vault(&self) -> MutexGuard<'_, Vault> {
        self.0.vault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes everything, sealed: durable when this returns.
    fn save(&self, vault: &Vault) -> anyhow::Result<()> {
        let seal = self.0.seal.as_ref().context("no sealing key")?;
        let sealed = seal.seal(&vault.to_record()?, &chance()?)?;
        let (path, fresh) = (&self.0.path, self.0.path.with_extension("new"));
        durable::replace(path, &fresh, &[&sealed]).with_context(|| format!("write {}", path.display()))
    }

    /// Changes something and keeps it.
    fn change(&self, change: impl FnOnce(&mut Vault) -> bool) {
        let mut vault = self.vault();
        if change(&mut vault)
            && let Err(error) = self.save(&vault)
        {
            tracing::error!(error = %format_args!("{error:#}"), "keys of devices not kept; tries with the next change");
        }
    }

    /// Makes a new key ready and durable, before its device hears of it.
    pub(crate) fn rotate(&self, mn: Mn, now: Time) -> anyhow::Result<()> {
        if let Some(why) = self.0.fixed {
            bail!(why);
        }
        let mut vault = self.vault();
        for _ in 0..DRAWS {
            match vault.rotate(mn, &chance()?, now) {
                Ok(true) => return self.save(&vault),
                Ok(false) => return Ok(()),
                Err(plume_ingest::exchange::vault::VaultError::NoChance { .. }) => {}
                Err(error) => bail!("{error} (hint: {})", error.hint()),
            }
        }
        bail!("chance made no key for device {mn} (hint: try again)")
    }

    /// Makes a new password ready and durable, before its device hears of it.
    pub(crate) fn new_password(&self, mn: Mn, password: String) -> anyhow::Result<()> {
        if let Some(why) = self.0.fixed {
            bail!(why);
        }
        let mut vault = self.vault();
        vault.new_password(mn, password);
        self.save(&vault)
    }

    /// The device has said that it has the new key.
    pub(crate) fn key_taken(&self, mn: Mn) {
        self.change(|vault| vault.key_taken(mn));
        self.0
            .wanting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&mn);
    }

    /// The device has said that it has the new password.
    pub(crate) fn password_taken(&self, mn: Mn) {
        self.change(|vault| vault.password_taken(mn));
    }

    /// A packet of the device was opened by this key.
    pub(crate) fn opened(&self, mn: Mn, key_id: Inline<15>) {
        self.change(|vault| vault.opened(mn, key_id));
    }

    /// The device says when its key was made.
    pub(crate) fn told(&self, mn: Mn, created_at: Time, now: Time) {
        self.change(|vault| vault.told(mn, created_at, now) && self.0.seal.is_some());
    }

    /// The device asks for a new key, and may not be given one.
    pub(crate) fn wants(&self, mn: Mn) {
        self.0.wanting.lock().unwrap_or_else(PoisonError::into_inner).insert(mn);
    }

    /// How old the keys are, the oldest first.
    pub(crate) fn ages(&self, now: Time) -> Vec<KeyAge> {
        self.vault().ages(now)
    }

    /// How old the key of a device is, and whether it asks for another in vain; none where plume keeps none of it.
    pub(crate) fn age(&self, mn: Mn, now: Time) -> Option<(KeyAge, bool)> {
        let age = self.ages(now).into_iter().find(|age| age.mn == mn)?;
        let wanting = self.0.wanting.lock().unwrap_or_else(PoisonError::into_inner);
        Some((age, wanting.contains(&mn)))
    }

    /// Keys that should be changed soon, and devices that ask for a new one in vain.
    pub(crate) fn due(&self, now: Time) -> (Vec<KeyAge>, BTreeSet<Mn>) {
        let old = |age: &KeyAge| age.days >= self.0.warn_days;
        let ages = self.ages(now).into_iter().filter(old).collect();
        let wanting = self.0.wanting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (ages, wanting)
    }
}

/// The sealing key, and what is kept under it. Errors: it is none, it is missing where there are sealed keys, or it
/// does not open them.
fn unsealed(config: &KeysConfig, path: &Path) -> anyhow::Result<(Option<Seal>, Option<Vec<u8>>)> {
    let seal = sealing_key(config)?;
    let kept = match &seal {
        Some(seal) => read(path, seal)?,
        None if path.exists() => bail!(
            "{} holds keys of devices, and the key that opens it is not given (hint: name it in [keys] seal_file, or \
             set {SEAL_VARIABLE})",
            path.display()
        ),
        None => None,
    };
    Ok((seal, kept))
}

/// Why the keys of this data directory cannot be opened, so that plume would not start; none where they can, or where
/// there are none.
pub(crate) fn seal_fault(config: &KeysConfig, data_dir: &Path) -> Option<anyhow::Error> {
    unsealed(config, &sealed_path(data_dir)).err()
}

/// Where the sealed keys of a data directory lie.
pub(crate) fn sealed_path(data_dir: &Path) -> PathBuf {
    data_dir.join("state").join("keys.sealed")
}

/// The sealing key of the configuration, or of the environment.
fn sealing_key(config: &KeysConfig) -> anyhow::Result<Option<Seal>> {
    if !config.seal_file.as_os_str().is_empty() {
        let place = format!("[keys] seal_file {}", config.seal_file.display());
        let text = fs::read_to_string(&config.seal_file).with_context(|| format!("read {place}"))?;
        return Seal::parse(&text, &place).map(Some);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "deploy is where the environment is read; a secret is no argument"
    )]
    let given = std::env::var(SEAL_VARIABLE);
    given.ok().map(|text| Seal::parse(&text, SEAL_VARIABLE)).transpose()
}

fn read(path: &Path, seal: &Seal) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(file) if file.len() > MAX_FILE_BYTES => {
            bail!(
                "{} has {} bytes, expected at most {MAX_FILE_BYTES}",
                path.display(),
                file.len()
            )
        }
        _ => {}
    }
    let sealed = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let hint = "hint: name the key it was sealed with, or restore state/keys.sealed from a backup";
    let clear = seal
        .open(&sealed)
        .with_context(|| format!("{} ({hint})", path.display()))?;
    Ok(Some(clear))
}

/// Every secret that is kept sealed in a data directory, as far as it can be opened.
pub(crate) fn kept_secrets(config: &KeysConfig, data_dir: &Path) -> Vec<String> {
    let kept = sealing_key(config).ok().flatten();
    let kept = kept.and_then(|seal| read(&sealed_path(data_dir), &seal).ok().flatten());
    let vault = kept.and_then(|kept| Vault::open(Arc::default(), Some(&kept), Time::default()).ok());
    vault.map(|(vault, _)| vault.secrets()).unwrap_or_default()
}

/// Keys kept in a data directory, for a plume that does not run.
pub(crate) fn kept_ages(config: &KeysConfig, data_dir: &Path, now: Time) -> anyhow::Result<Vec<KeyAge>> {
    let Some(seal) = sealing_key(config)? else {
        bail!("no sealing key is given (hint: name it in [keys] seal_file, or set {SEAL_VARIABLE})")
    };
    let kept = read(&sealed_path(data_dir), &seal)?;
    let (vault, _) = Vault::open(Arc::default(), kept.as_deref(), now).map_err(|error| anyhow!("{error}"))?;
    Ok(vault.ages(now))
}

/// Text of a new sealing key.
pub(crate) fn new_seal() -> anyhow::Result<String> {
    let digits: Vec<String> = chance()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(digits.concat() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALING: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn what_is_sealed_opens_with_its_key_alone() {
        let seal = Seal::parse(SEALING, "test").unwrap();
        let sealed = seal.seal(b"a secret key", &[1; 32]).unwrap();
        assert!(sealed.starts_with(MAGIC) && !sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(seal.open(&sealed).unwrap(), b"a secret key");
        let other = Seal::of(&[9; 32]).unwrap();
        assert!(other.open(&sealed).unwrap_err().to_string().contains("another key"));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(seal.open(&damaged).is_err(), "byte {at}");
            assert!(seal.open(&sealed[..at]).is_err(), "cut at {at}");
        }
        let wrong = Seal::parse("4711zz", "FILE").unwrap_err();
        assert!(!format!("{wrong:#}").contains("4711"), "{wrong:#}");
        assert!(Seal::parse(&new_seal().unwrap(), "new").is_ok());
    }

    #[test]
    fn without_the_sealing_key_nothing_starts_and_nothing_changes() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        let seal_file = dir.path().join("seal");
        fs::write(&seal_file, SEALING).unwrap();
        let sealed = KeysConfig {
            seal_file,
            warn_days: 80,
        };
        let bare = KeysConfig {
            seal_file: PathBuf::new(),
            warn_days: 80,
        };
        let mn = Mn::new("M1").unwrap();
        let open = |config: &KeysConfig, shared| KeyStore::open(config, dir.path(), &Arc::default(), shared, Time(0));
        let store = open(&bare, false).unwrap();
        assert!(store.rotate(mn, Time(0)).unwrap_err().to_string().contains("seal_file"));
        let store = open(&sealed, false).unwrap();
        store.new_password(mn, "abc123".to_owned()).unwrap();
        let error = format!("{:#}", open(&bare, false).unwrap_err());
        assert!(error.contains("keys.sealed") && error.contains("seal_file"), "{error}");
        assert_eq!(kept_secrets(&sealed, dir.path()), ["abc123"]);
        let shared = open(&sealed, true).unwrap();
        assert!(
            shared
                .rotate(mn, Time(0))
                .unwrap_err()
                .to_string()
                .contains("several processes")
        );
        let kept = fs::read(sealed_path(dir.path())).unwrap();
        assert!(!kept.windows(6).any(|part| part == b"abc123"));
    }
}
