//! Passwords: what one must be, and how it is kept. Argon2id with 19 MiB and two passes, the first choice of OWASP's
//! Password Storage Cheat Sheet: a guess costs a thief of the database some 20 ms of a core.

use argon2::{Algorithm, Argon2, Params, Version};

/// Shortest password; shorter ones are guessed off line in days.
pub const MIN_CHARS: usize = 10;
/// Longest password: longer ones only cost time.
pub const MAX_CHARS: usize = 128;
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of salt: unique is enough.
pub const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// Letters of passwords that plume makes: none that looks like another, and 32 of them.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
/// Letters in one: 100 bits.
const MADE_CHARS: usize = 20;

/// A password cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("the password has {found} characters, at least {MIN_CHARS} are needed")]
    Short {
        /// How many it has.
        found: usize,
    },
    /// Too long.
    #[error("the password is longer than {MAX_CHARS} characters")]
    Long,
    /// The login again, or one character over and over.
    #[error("the password can be guessed from the account")]
    Plain,
    /// It could not be hashed.
    #[error("the password could not be hashed: {detail}")]
    Hash {
        /// Why.
        detail: String,
    },
}

impl PasswordError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Short { .. } | Self::Plain => "four unrelated words make a good one".into(),
            Self::Long => "shorten it".into(),
            Self::Hash { .. } => "the machine may be out of memory; try again".into(),
        }
    }

    /// The same in Chinese, for the page.
    pub fn zh(&self) -> String {
        match self {
            Self::Short { .. } => format!("密码至少 {MIN_CHARS} 个字符"),
            Self::Long => format!("密码不能超过 {MAX_CHARS} 个字符"),
            Self::Plain => "密码不能与账号相同或由同一字符组成".into(),
            Self::Hash { .. } => "暂时无法处理，请稍后重试".into(),
        }
    }
}

/// Whether a password may be used by this login.
pub fn check(password: &str, login: &str) -> Result<(), PasswordError> {
    let found = password.chars().count();
    let first = password.chars().next();
    match found {
        0..MIN_CHARS => Err(PasswordError::Short { found }),
        MIN_CHARS..=MAX_CHARS => {
            let plain = password.contains(login) || password.chars().all(|c| Some(c) == first);
            if plain { Err(PasswordError::Plain) } else { Ok(()) }
        }
        _ => Err(PasswordError::Long),
    }
}

/// What is kept of a password: `argon2id$19456$2$1$SALT$HASH`.
pub fn hash(password: &str, salt: [u8; SALT_BYTES]) -> Result<String, PasswordError> {
    let hashed = derive(password, &salt, MEMORY_KIB, PASSES, LANES)?;
    Ok(format!(
        "argon2id${MEMORY_KIB}${PASSES}${LANES}${}${}",
        hex(&salt),
        hex(&hashed)
    ))
}

/// Whether a password is the one kept. Takes as long for a wrong one as for the right one; [`nobody`] makes it take as
/// long for nobody's.
pub fn verify(password: &str, kept: &str) -> bool {
    let parts: Vec<&str> = kept.split('$').collect();
    let [_, memory, passes, lanes, salt, hashed] = parts.as_slice() else {
        return false;
    };
    let numbers = (memory.parse(), passes.parse(), lanes.parse());
    let (Ok(memory), Ok(passes), Ok(lanes)) = numbers else {
        return false;
    };
    let (Some(salt), Some(hashed)) = (bytes(salt), bytes(hashed)) else {
        return false;
    };
    // Longer ones are never kept; hashing them would only cost time.
    if password.chars().count() > MAX_CHARS {
        return false;
    }
    let Ok(given) = derive(password, &salt, memory, passes, lanes) else {
        return false;
    };
    let differs = given.iter().zip(&hashed).fold(0, |differs, (a, b)| differs | (a ^ b));
    hashed.len() == given.len() && differs == 0
}

/// A kept password that no password is: for accounts that do not exist.
pub fn nobody() -> String {
    let zeros = "0".repeat(SALT_BYTES * 2);
    format!(
        "argon2id${MEMORY_KIB}${PASSES}${LANES}${zeros}${}",
        "0".repeat(HASH_BYTES * 2)
    )
}

/// A password out of chance, to be printed once.
pub fn make(chance: [u8; 32]) -> String {
    chance
        .iter()
        .take(MADE_CHARS)
        .filter_map(|byte| LETTERS.get(usize::from(byte % 32)))
        .map(|&letter| char::from(letter))
        .collect()
}

fn derive(
    password: &str,
    salt: &[u8],
    memory: u32,
    passes: u32,
    lanes: u32,
) -> Result<[u8; HASH_BYTES], PasswordError> {
    let failed = |error: argon2::Error| PasswordError::Hash {
        detail: error.to_string(),
    };
    let params = Params::new(memory, passes, lanes, Some(HASH_BYTES)).map_err(failed)?;
    let mut hashed = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut hashed)
        .map_err(failed)?;
    Ok(hashed)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    hex.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            &[high, low] => Some(digit(high)? * 16 + digit(low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other() {
        let kept = hash("correct horse battery", [7; SALT_BYTES]).unwrap();
        assert!(kept.starts_with("argon2id$19456$2$1$07070707"), "{kept}");
        assert!(verify("correct horse battery", &kept));
        assert!(!verify("correct horse batterz", &kept));
        assert!(!verify("", &nobody()));
        for damaged in ["", "argon2id$1$1$1$$", "argon2id$19456$2$1$07$zz", "x$y$z$1$00$00"] {
            assert!(!verify("correct horse battery", damaged), "{damaged}");
        }
    }

    #[test]
    fn weak_ones_are_refused() {
        assert_eq!(check("short", "zhang"), Err(PasswordError::Short { found: 5 }));
        assert_eq!(check("13900001234x", "13900001234"), Err(PasswordError::Plain));
        assert_eq!(check("aaaaaaaaaaaaa", "zhang"), Err(PasswordError::Plain));
        assert_eq!(check(&"ab".repeat(65), "zhang"), Err(PasswordError::Long));
        assert_eq!(check("浆液循环泵二号已启动", "zhang"), Ok(()));
    }

    #[test]
    fn made_ones_pass() {
        let made = make(std::array::from_fn(|i| u8::try_from(i * 8).unwrap()));
        assert_eq!(made.len(), MADE_CHARS);
        assert_eq!(check(&made, "admin"), Ok(()));
    }
}
