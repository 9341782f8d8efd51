//! One-time links: whoever gets a notice can acknowledge its case without a login. A link names a notice and proves
//! itself by an
//! HMAC under the desk's own secret, so there is nothing to guess and nothing to store; it works once, for that case,
//! for a day.

use plume_schemas::ids::ContentId;
use plume_schemas::time::{DAY_MS, Time};

use crate::sinks::webhook::hmac_sha256;

/// How long a link works: a warning is about an hour, a confirmed exceedance about a day.
pub const LINK_LIFE_MS: i64 = DAY_MS;
/// Bytes of the proof kept: 128 bits cannot be guessed, and fit a short message.
const PROOF_BYTES: usize = 16;
/// Length of the text of a link: the notice and its proof, in hex.
const TEXT_CHARS: usize = 2 * (16 + PROOF_BYTES);

/// Makes and checks links.
#[derive(Clone)]
pub struct Links {
    base_url: String,
    secret: [u8; 32],
}

/// A link does not work.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Forged, damaged, or of another desk.
    #[error("this link is not valid")]
    Unknown,
    /// Used before.
    #[error("this link was used before")]
    Used,
    /// Too old.
    #[error("this link is older than a day")]
    Expired,
    /// The case does not stand where it can be acknowledged.
    #[error(transparent)]
    Act(#[from] crate::act::ActError),
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl LinkError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown => "open the link as it stands in the message".into(),
            Self::Used | Self::Expired => "log in to see the case".into(),
            Self::Act(error) => error.hint(),
            Self::Store(error) => error.hint(),
        }
    }

    /// The same in Chinese, for the page.
    pub fn zh(&self) -> String {
        match self {
            Self::Unknown => "链接无效".into(),
            Self::Used => "该链接已使用，请登录查看".into(),
            Self::Expired => "该链接已过期，请登录查看".into(),
            Self::Act(error) => error.zh(),
            Self::Store(_) => "数据库暂不可用，请稍后重试".into(),
        }
    }
}

impl Links {
    /// Links below `base_url` (`https://desk.example.com`) under `secret`.
    pub fn new(base_url: &str, secret: [u8; 32]) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            secret,
        }
    }

    /// The address for a notice.
    pub fn address(&self, notice: ContentId) -> String {
        format!("{}/a/{notice}{}", self.base_url, self.proof(notice))
    }

    /// The notice a link's text speaks of, if the text proves itself.
    pub fn read(&self, text: &str) -> Option<ContentId> {
        if text.len() != TEXT_CHARS || !text.is_ascii() {
            return None;
        }
        let (notice, proof) = text.split_at(32);
        let notice = ContentId::parse(notice).ok()?;
        same(proof.as_bytes(), self.proof(notice).as_bytes()).then_some(notice)
    }

    fn proof(&self, notice: ContentId) -> String {
        let mac = hmac_sha256(&self.secret, &[b"link", notice.as_bytes()]);
        mac.iter()
            .take(PROOF_BYTES)
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat()
    }
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Links({})", self.base_url)
    }
}

/// Compares without telling by its time where the first difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |odd, (a, b)| odd | (a ^ b)) == 0
}

/// True while a link of a notice made at `created_at` works.
pub fn lives(created_at: Time, now: Time) -> bool {
    now.since(created_at) < LINK_LIFE_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_desk_can_make_a_link() {
        let links = Links::new("https://desk.example.com/", [7; 32]);
        let notice = ContentId::of(&[b"notice"]);
        let address = links.address(notice);
        let text = address.strip_prefix("https://desk.example.com/a/").unwrap();
        assert_eq!(links.read(text), Some(notice));
        assert_eq!(Links::new("", [8; 32]).read(text), None);
        for at in 0..text.len() {
            let mut forged: Vec<char> = text.chars().collect();
            forged[at] = if forged[at] == '0' { '1' } else { '0' };
            assert_eq!(links.read(&forged.into_iter().collect::<String>()), None, "at {at}");
        }
        for bad in ["", "a", &"中".repeat(32), &format!("{text}0")] {
            assert_eq!(links.read(bad), None, "{bad}");
        }
    }
}
