//! Messages through somebody's HTTP interface, as a template: gateways for short messages and calls, and the robots
//! of WeCom,
//! DingTalk and Feishu. The configuration gives address, headers and body; plume fills in and reads whether it was
//! taken.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::http::{HttpClient, HttpError, ascii, headers, judge};
use super::webhook::hmac_sha256;
use super::{Outgoing, SendError, Taken};
use crate::config::{Secret, Signing, TemplateConfig};
use crate::notify::Channel;

/// What a body can name.
const PLACEHOLDERS: [&str; 7] = ["subject", "text", "receiver", "address", "key", "timestamp", "sign"];

/// Posts filled-in bodies to one address.
#[derive(Debug)]
pub struct TemplateSink {
    client: HttpClient,
    headers: HeaderMap,
    is_json: bool,
    body: String,
    carries: Vec<Channel>,
    signing: Signing,
    secret: Secret,
    /// Where in the answer the gateway's own id of the message stands.
    receipt: Option<String>,
    /// Where in the answer the verdict stands (JSON pointer), and what it is when the message was taken.
    success: Option<(String, String)>,
}

impl TemplateSink {
    /// A sink as configured.
    pub fn new(config: &TemplateConfig) -> Result<Self, HttpError> {
        let given = config
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let mut headers = headers(&config.name, given)?;
        headers.insert(CONTENT_TYPE, ascii(&config.content_type));
        for placeholder in placeholders(&config.body) {
            if !PLACEHOLDERS.contains(&placeholder.as_str()) {
                return Err(HttpError::Placeholder {
                    name: config.name.clone(),
                    placeholder,
                    known: PLACEHOLDERS.join(", "),
                });
            }
        }
        Ok(Self {
            client: HttpClient::new(&config.name, &config.url, config.timeout_ms)?,
            headers,
            is_json: config.content_type.contains("json"),
            body: config.body.clone(),
            carries: config.carries.clone(),
            signing: config.signing,
            secret: config.secret.clone(),
            receipt: config.receipts.as_ref().map(|receipts| receipts.answer_pointer.clone()),
            success: (!config.success_pointer.is_empty())
                .then(|| (config.success_pointer.clone(), config.success_value.clone())),
        })
    }

    /// True where it is set up for this channel.
    pub(super) fn carries(&self, channel: Channel) -> bool {
        self.carries.contains(&channel)
    }

    pub(super) async fn send(&self, outgoing: &Outgoing) -> Result<Taken, SendError> {
        let (timestamp, sign) = self.signed(outgoing.at.0);
        let query: Vec<(&str, String)> = match self.signing {
            Signing::Dingtalk => vec![("timestamp", timestamp.clone()), ("sign", sign.clone())],
            Signing::None | Signing::Feishu => Vec::new(),
        };
        let body = fill(&self.body, self.is_json, &|name| match name {
            "subject" => outgoing.message.subject.clone(),
            "text" => outgoing.message.text.clone(),
            "receiver" => outgoing.receiver.clone(),
            "address" => outgoing.address.clone(),
            "key" => outgoing.key.to_string(),
            "timestamp" => timestamp.clone(),
            _ => sign.clone(),
        });
        let answer = self
            .client
            .post(outgoing.channel, self.headers.clone(), &query, body.into_bytes())
            .await?;
        judge(&answer, outgoing.channel)?;
        let said = |pointer: &str| said(&answer.body, pointer);
        let taken = Taken {
            receipt: self.receipt.as_deref().and_then(said).unwrap_or_default(),
        };
        let Some((pointer, wanted)) = &self.success else {
            return Ok(taken);
        };
        // Many gateways answer 200 to everything and say in the body what they think.
        if said(pointer).as_ref() == Some(wanted) {
            return Ok(taken);
        }
        let text: String = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
        Err(SendError::Later {
            channel: outgoing.channel,
            detail: format!("`{pointer}` is not `{wanted}`: {text}"),
        })
    }

    /// Stamp and signature as the robots want them.
    fn signed(&self, now_ms: i64) -> (String, String) {
        let secret = self.secret.reveal();
        match self.signing {
            Signing::None => (now_ms.to_string(), String::new()),
            // base64(HMAC-SHA256(key = secret, "<ms>\n<secret>")), both as query parameters.
            Signing::Dingtalk => {
                let stamp = now_ms.to_string();
                let mac = hmac_sha256(secret.as_bytes(), &[stamp.as_bytes(), b"\n", secret.as_bytes()]);
                (stamp, STANDARD.encode(mac))
            }
            // base64(HMAC-SHA256(key = "<s>\n<secret>", "")), both in the body.
            Signing::Feishu => {
                let stamp = now_ms.div_euclid(1_000).to_string();
                let key = format!("{stamp}\n{secret}");
                let mac = hmac_sha256(key.as_bytes(), &[]);
                (stamp, STANDARD.encode(mac))
            }
        }
    }
}

/// What stands at a JSON pointer, as text.
pub(crate) fn said(body: &[u8], pointer: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let value = json.pointer(pointer).filter(|_| !pointer.is_empty())?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// Names between braces, where they look like names; a JSON body has braces of its own.
fn placeholders(body: &str) -> Vec<String> {
    body.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .filter(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        .map(str::to_owned)
        .collect()
}

/// The body with its placeholders filled in, in one pass: what is filled in is not looked at again. Escaped as JSON
/// text, or as
/// a form value.
fn fill(body: &str, is_json: bool, value: &dyn Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(body.len());
    let mut rest = body;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let known = after.split_once('}').filter(|(name, _)| PLACEHOLDERS.contains(name));
        if let Some((name, behind)) = known {
            let value = value(name);
            filled.push_str(&if is_json { json_text(&value) } else { form_text(&value) });
            rest = behind;
        } else {
            filled.push('{');
            rest = after;
        }
    }
    filled.push_str(rest);
    filled
}

/// What stands between the quotes of a JSON text.
fn json_text(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}

/// Percent-encoded for a form.
fn form_text(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect::<Vec<_>>()
        .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_break_out_of_the_body() {
        let value = |_: &str| "a\"},\n{\"b\":1 & c={text}".to_owned();
        let filled = fill(r#"{"content":"{subject}"}"#, true, &value);
        let read: serde_json::Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(read["content"], "a\"},\n{\"b\":1 & c={text}");
        assert_eq!(fill("t={subject}", false, &|_| "a&b=中".into()), "t=a%26b%3D%E4%B8%AD");
    }
}
