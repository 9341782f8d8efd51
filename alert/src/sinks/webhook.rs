//! A generic webhook: one CloudEvents 1.0 JSON per notice, signed, with an idempotency key.
//!
//! `Plume-Signature: t=<unix seconds>,v1=<hex>` where the hex is HMAC-SHA256 of `<t>.<body>` under the shared secret.
//! A receiver
//! computes the same, compares in constant time, and refuses stamps that are far from its clock.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use sha2::Sha256;

use super::http::{HttpClient, HttpError, ascii, judge};
use super::{Outgoing, SendError};
use crate::config::{Secret, WebhookConfig};
use crate::notify::Channel;

/// Version of the event's data; counts up when a field changes its meaning.
const EVENT_TYPE: &str = "plume.notice.v0";

/// Posts notices to one address.
#[derive(Debug)]
pub struct WebhookSink {
    client: HttpClient,
    secret: Secret,
    carries: Vec<Channel>,
}

impl WebhookSink {
    /// A sink as configured.
    pub fn new(config: &WebhookConfig) -> Result<Self, HttpError> {
        Ok(Self {
            client: HttpClient::new(&config.name, &config.url, config.timeout_ms)?,
            secret: config.secret.clone(),
            carries: config.carries.clone(),
        })
    }

    /// True where it is set up for this channel.
    pub(super) fn carries(&self, channel: Channel) -> bool {
        self.carries.contains(&channel)
    }

    pub(super) async fn send(&self, outgoing: &Outgoing) -> Result<(), SendError> {
        let body = event(outgoing).into_bytes();
        let stamp = outgoing.at.0.div_euclid(1_000);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, ascii("application/cloudevents+json; charset=utf-8"));
        headers.insert(
            HeaderName::from_static("idempotency-key"),
            ascii(&outgoing.key.to_string()),
        );
        if !self.secret.reveal().is_empty() {
            let signature = signature(self.secret.reveal(), stamp, &body);
            headers.insert(
                HeaderName::from_static("plume-signature"),
                ascii(&format!("t={stamp},v1={signature}")),
            );
        }
        let answer = self.client.post(outgoing.channel, headers, &[], body).await?;
        judge(&answer, outgoing.channel)
    }
}

/// Hex of HMAC-SHA256 over `<stamp>.<body>`.
pub fn signature(secret: &str, stamp: i64, body: &[u8]) -> String {
    let mac = hmac_sha256(secret.as_bytes(), &[stamp.to_string().as_bytes(), b".", body]);
    mac.iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}

/// HMAC-SHA256 of the parts, one after the other.
#[expect(clippy::expect_used, reason = "an HMAC key may have any length (RFC 2104)")]
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length is valid");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn event(outgoing: &Outgoing) -> String {
    serde_json::json!({
        "specversion": "1.0",
        "id": outgoing.key.to_string(),
        "source": "/plume/desk",
        "type": EVENT_TYPE,
        "time": outgoing.at.to_string(),
        "datacontenttype": "application/json",
        "data": {
            "channel": outgoing.channel.code(),
            "receiver": outgoing.receiver,
            "address": outgoing.address,
            "language": outgoing.lang.code(),
            "subject": outgoing.message.subject,
            "text": outgoing.message.text,
        },
    })
    .to_string()
}
