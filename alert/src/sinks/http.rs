//! One POST: bounded in time and size, no redirects, no proxy from the environment.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;

use super::SendError;
use crate::notify::Channel;

/// Bytes of an answer that are read: gateways answer with a short JSON; the rest of a longer one is not needed.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Idle connections kept to one host.
const IDLE_CONNECTIONS: usize = 4;

/// A client for one configured receiver.
#[derive(Clone, Debug)]
pub(super) struct HttpClient {
    client: reqwest::Client,
    url: reqwest::Url,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// A channel by HTTP cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is no HTTP address.
    #[error("channel `{name}`: `{url}` is not an http or https address")]
    Url {
        /// Of which channel.
        name: String,
        /// The address, without what may be secret in it.
        url: String,
    },
    /// A header cannot be sent.
    #[error("channel `{name}`: header `{header}` cannot be sent")]
    Header {
        /// Of which channel.
        name: String,
        /// Which header.
        header: String,
    },
    /// A placeholder that plume does not know.
    #[error("channel `{name}`: `{{{placeholder}}}` is no placeholder; there are {known}")]
    Placeholder {
        /// Of which channel.
        name: String,
        /// As written.
        placeholder: String,
        /// Those there are.
        known: String,
    },
    /// TLS or the client itself.
    #[error("channel `{name}` cannot be set up: {detail}")]
    Client {
        /// Of which channel.
        name: String,
        /// Why.
        detail: String,
    },
}

impl HttpError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Url { .. } => "write the whole address, e.g. `https://gateway.example.com/send`".into(),
            Self::Header { .. } => "header names are ASCII words, values one line".into(),
            Self::Placeholder { .. } => "see the channel's section in docs/config.md".into(),
            Self::Client { .. } => "this binary's TLS is damaged; install it again".into(),
        }
    }
}

impl HttpClient {
    pub(super) fn new(name: &str, url: &str, timeout_ms: u32) -> Result<Self, HttpError> {
        let parsed = reqwest::Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = parsed.ok_or_else(|| HttpError::Url {
            name: name.to_owned(),
            url: shown(url),
        })?;
        let broken = |detail: String| HttpError::Client {
            name: name.to_owned(),
            detail,
        };
        let roots = rustls::RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| broken(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .no_proxy()
            .timeout(Duration::from_millis(u64::from(timeout_ms)))
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .user_agent("plume")
            .build()
            .map_err(|error| broken(error.to_string()))?;
        Ok(Self { client, url })
    }

    /// Posts `body`; `query` is added to the address.
    pub(super) async fn post(
        &self,
        channel: Channel,
        headers: HeaderMap,
        query: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<Answer, SendError> {
        let mut url = self.url.clone();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let unreachable = |error: reqwest::Error| SendError::Unreachable {
            channel,
            // The address may hold a key.
            detail: describe(&error.without_url()),
        };
        let request = self.client.post(url).headers(headers).body(body);
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let mut kept = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            let room = MAX_ANSWER_BYTES.saturating_sub(kept.len());
            kept.extend(chunk.iter().take(room));
            if chunk.len() >= room {
                break;
            }
        }
        Ok(Answer { status, body: kept })
    }
}

/// An address without what may be secret in it: what stands before `@` and after `?`.
fn shown(url: &str) -> String {
    let open = url.split('?').next().unwrap_or_default();
    open.split('@').next_back().unwrap_or_default().to_owned()
}

/// What an HTTP status means for a message: taken, again later, or never.
pub(super) fn judge(answer: &Answer, channel: Channel) -> Result<(), SendError> {
    let detail = || {
        let text: String = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
        format!("HTTP {}: {text}", answer.status)
    };
    match answer.status {
        200..=299 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(SendError::Later {
            channel,
            detail: detail(),
        }),
        _ => Err(SendError::Refused {
            channel,
            detail: detail(),
        }),
    }
}

/// Headers from names and values as configured.
pub(super) fn headers<'a>(name: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<HeaderMap, HttpError> {
    let mut map = HeaderMap::new();
    for (header, value) in pairs {
        let bad = || HttpError::Header {
            name: name.to_owned(),
            header: header.to_owned(),
        };
        let header_name = HeaderName::from_bytes(header.as_bytes()).map_err(|_| bad())?;
        map.insert(header_name, HeaderValue::from_str(value).map_err(|_| bad())?);
    }
    Ok(map)
}

/// A value that is ASCII by construction: hex, digits, fixed words.
pub(super) fn ascii(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
