//! `plume evidence`: what an event rests on, in one signed file; and checking such a file.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use plume_archive::{HASHES, check_hashes, read_zip, write_zip};
use plume_schemas::ids::ContentId;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::view::{self, hinted};
use crate::chance::chance;
use crate::cli::archive::EvidenceArgs;
use crate::{clock, out};

/// The signature of the hashes, 64 bytes (Ed25519, RFC 8032).
const SIGNATURE: &str = "SHA256SUMS.sig";
/// The public key, as openssl reads it.
const PUBLIC_KEY: &str = "public.pem";
/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410).
const KEY_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Writes the bundle of an event, or checks one.
pub(crate) fn run(args: &EvidenceArgs) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.check {
        return check(args, path);
    }
    let event = args.event.context("no event given")?;
    let found = view::find(&args.place)?;
    let reader = view::open(&args.place)?;
    let bundle = reader.bundle(event, clock::system().now()).map_err(hinted)?;
    let Some(bundle) = bundle else {
        bail!(
            "没有事件 {event}；`plume query events --columns event_id,outlet,words` 列出事件 / no event {event}; list them \
             with that command"
        );
    };
    let Some(data_dir) = &found.data_dir else {
        bail!("签名密钥在数据目录中 / the key to sign with lies in the data directory: give --data or --config");
    };
    let key = key(data_dir)?;
    let mut files = bundle.files;
    let hashes = files
        .iter()
        .find(|(name, _)| name == HASHES)
        .map(|(_, content)| content.clone());
    let signature = key.sign(&hashes.unwrap_or_default());
    files.push((SIGNATURE.to_owned(), signature.as_ref().to_vec()));
    files.push((PUBLIC_KEY.to_owned(), pem(key.public_key().as_ref())));
    let path = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("evidence-{event}.zip")));
    let bytes = write_zip(&files).map_err(hinted)?;
    view::create(&path)?
        .write_all(&bytes)
        .with_context(|| format!("write {}", path.display()))?;
    let (packets, judgements) = (bundle.packets, bundle.judgements);
    out::line(format_args!(
        "{}：{packets} 个报文，{judgements} 次判定 / {packets} packets, {judgements} judgements",
        path.display()
    ));
    out::line(format_args!(
        "公钥指纹 / key {}",
        fingerprint(key.public_key().as_ref())
    ));
    Ok(ExitCode::SUCCESS)
}

/// The key of this data directory, made at its first use: 32 random bytes, readable by plume alone.
fn key(data_dir: &Path) -> anyhow::Result<Ed25519KeyPair> {
    let path = data_dir.join("state").join("evidence.key");
    let seed = match std::fs::read(&path) {
        Ok(seed) => seed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let seed = chance()?;
            let mut options = std::fs::OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .with_context(|| format!("make the key {}", path.display()))?;
            file.write_all(&seed)
                .and_then(|()| file.sync_all())
                .with_context(|| format!("write the key {}", path.display()))?;
            seed.to_vec()
        }
        Err(error) => return Err(error).with_context(|| format!("read the key {}", path.display())),
    };
    Ed25519KeyPair::from_seed_unchecked(&seed)
        .map_err(|error| anyhow!("{} holds no key of 32 bytes: {error}", path.display()))
}

fn pem(public: &[u8]) -> Vec<u8> {
    let der = [&KEY_PREFIX, public].concat();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        BASE64_STANDARD.encode(der)
    )
    .into_bytes()
}

fn from_pem(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = BASE64_STANDARD.decode(body).ok()?;
    der.strip_prefix(&KEY_PREFIX).map(<[u8]>::to_vec)
}

/// Short enough to be read out over the phone.
fn fingerprint(public: &[u8]) -> String {
    ContentId::of(&[b"evidence key", public]).to_string()
}

fn check(args: &EvidenceArgs, path: &Path) -> anyhow::Result<ExitCode> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let files = match read_zip(&bytes) {
        Ok(files) => files,
        Err(why) => bail!("{} 无法读取 / cannot be read: {why}", path.display()),
    };
    let content = |name: &str| {
        files
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, content)| content.as_slice())
    };
    let changed = check_hashes(&files, &[SIGNATURE, PUBLIC_KEY]);
    for name in &changed {
        out::line(format_args!("{name}: 与哈希不符 / not as its hash says"));
    }
    let public = content(PUBLIC_KEY).and_then(from_pem).unwrap_or_default();
    let signed = content(HASHES)
        .zip(content(SIGNATURE))
        .is_some_and(|(hashes, signature)| {
            UnparsedPublicKey::new(&ED25519, &public)
                .verify(hashes, signature)
                .is_ok()
        });
    if !signed {
        out::line("签名不符 / the signature does not fit");
    }
    let sound = changed.is_empty() && signed;
    if sound {
        out::line("内容与签名相符 / content and signature fit");
        out::line(format_args!("公钥指纹 / key {}", fingerprint(&public)));
        out::line(whose(args, &public));
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A signature says only that whoever has the key made it.
fn whose(args: &EvidenceArgs, public: &[u8]) -> &'static str {
    let own = view::find(&args.place).ok().and_then(|found| found.data_dir);
    let own = own.filter(|dir| dir.join("state").join("evidence.key").is_file());
    match own.and_then(|dir| key(&dir).ok()) {
        Some(key) if key.public_key().as_ref() == public => {
            "由本数据目录的密钥签名 / signed by the key of this data directory"
        }
        Some(_) => {
            "由另一个密钥签名：请与签发方核对指纹 / signed by another key: compare the fingerprint with whoever sent it"
        }
        None => "请与签发方核对指纹 / compare the fingerprint with whoever sent it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("state")).unwrap();
        let first = key(dir.path()).unwrap();
        let again = key(dir.path()).unwrap();
        assert_eq!(first.public_key().as_ref(), again.public_key().as_ref());
        let mode = std::fs::metadata(dir.path().join("state/evidence.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            from_pem(&pem(first.public_key().as_ref())).unwrap(),
            first.public_key().as_ref()
        );
    }
}
