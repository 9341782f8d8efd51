//! What nobody else should read, so that it can be taken out of what leaves this host.

use std::collections::BTreeSet;
use std::path::Path;

use plume_alert::config::ChannelConfig;
use plume_schemas::mask::masked as masked_packet;
use plume_schemas::registry::Registry;
use toml::{Table, Value};

use crate::config::Config;
use crate::keystore;

/// What stands in place of a secret.
pub(crate) const MASK: &str = "******";
/// A shorter text would be found everywhere, and is no secret.
const LEAST_CHARS: usize = 4;
/// Keys of the configuration whose values are secret wherever they stand. Addresses of robots carry their key.
const KEYS: [&str; 7] = ["password", "secret", "url", "body", "headers", "key", "previous"];
/// What stands before a secret in an address, and what ends it.
const MARKS: [(&str, &[char]); 2] = [
    ("/enter/", &[' ', '"', '\'', '<', '?', '&']),
    ("://", &['@', '/', ' ', '"']),
];

/// Secrets and personal data of a bureau, to be taken out of texts.
#[derive(Debug)]
pub(crate) struct Secrets(BTreeSet<String>);

impl Secrets {
    /// All that the configuration, its key file and the registry hold.
    pub(crate) fn of(config_path: &Path, config: &Config, registry: Option<&Registry>) -> Self {
        let mut found = BTreeSet::new();
        let alert = &config.alert;
        found.insert(alert.mail.password.reveal().to_owned());
        for channel in &alert.channels {
            match channel {
                ChannelConfig::Webhook(webhook) => {
                    found.extend([webhook.url.clone(), webhook.secret.reveal().to_owned()]);
                }
                ChannelConfig::Template(template) => {
                    found.extend([template.url.clone(), template.secret.reveal().to_owned()]);
                    found.extend(template.headers.values().cloned());
                }
            }
        }
        for address in [&alert.store, &config.bus.url] {
            found.extend(in_address(address));
        }
        if let Some(registry) = registry {
            found.extend(registry.sources.iter().filter_map(|source| source.password.clone()));
            let contacts = registry.enterprises.iter().flat_map(|enterprise| &enterprise.contacts);
            found.extend(contacts.flat_map(|contact| [contact.phone.clone(), contact.email.clone()]));
            found.extend(
                registry
                    .enterprises
                    .iter()
                    .map(|enterprise| enterprise.officer_phone.clone()),
            );
        }
        if !config.ingest.keys_file.is_empty() {
            let folder = config_path.parent().unwrap_or(Path::new(""));
            let text = std::fs::read_to_string(folder.join(&config.ingest.keys_file)).unwrap_or_default();
            if let Ok(table) = text.parse::<Table>() {
                keys_in(&Value::Table(table), &mut found);
            }
        }
        found.extend(keystore::kept_secrets(&config.keys, &config.plume.data_dir));
        found.extend(std::fs::read_to_string(&config.keys.seal_file).map(|text| text.trim().to_owned()));
        found.retain(|secret| secret.chars().count() >= LEAST_CHARS);
        Self(found)
    }

    /// None known: what looks like one is taken out all the same.
    pub(crate) fn unknown() -> Self {
        Self(BTreeSet::new())
    }

    /// The text without any of them.
    pub(crate) fn without(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        // The longest first: one may be part of another.
        let mut secrets: Vec<&String> = self.0.iter().collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in secrets {
            clean = clean.replace(secret.as_str(), MASK);
        }
        // Passwords and keys in packets, whoever's they are.
        clean = String::from_utf8_lossy(&masked_packet(clean.as_bytes())).into_owned();
        for (mark, ends) in MARKS {
            clean = after(&clean, mark, ends);
        }
        clean
    }
}

/// Masks what follows a mark up to one of the ends. Behind `://` only where an `@` ends it: that is a login.
fn after(text: &str, mark: &str, ends: &[char]) -> String {
    let mut parts = text.split(mark);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean += mark;
        let end = part.find(|c: char| ends.contains(&c) || c == '\n');
        let (secret, rest) = part.split_at(end.unwrap_or(part.len()));
        let hidden = mark != "://" || rest.starts_with('@');
        clean += if hidden && !secret.is_empty() { MASK } else { secret };
        clean += rest;
    }
    clean
}

/// User and password of `scheme://USER:PASSWORD@HOST`.
fn in_address(address: &str) -> Option<String> {
    let (_, rest) = address.split_once("://")?;
    let (login, _) = rest.rsplit_once('@')?;
    Some(login.split_once(':')?.1.to_owned())
}

fn keys_in(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                match value {
                    Value::String(text) if KEYS.contains(&name.as_str()) => {
                        found.insert(text.clone());
                    }
                    other => keys_in(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys_in(item, found)),
        _ => {}
    }
}

/// A configuration as it may be shown: every secret key masked, whatever it holds.
pub(crate) fn masked(table: &mut Table) {
    for (name, value) in table.iter_mut() {
        if KEYS.contains(&name.as_str()) {
            let empty = value.as_str().is_some_and(str::is_empty);
            if !empty && !value.as_str().is_some_and(|text| text.starts_with("file:")) {
                *value = Value::String(MASK.to_owned());
            }
            continue;
        }
        match value {
            Value::Table(inner) => masked(inner),
            Value::Array(items) => {
                for inner in items.iter_mut().filter_map(Value::as_table_mut) {
                    masked(inner);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_passwords_and_links_are_taken_out() {
        let secrets = Secrets(BTreeSet::from(["s3cr3t".to_owned(), "s3cr3t-long".to_owned()]));
        let text = "a s3cr3t-long b s3cr3t; PW=123456;MN=1 http://h/enter/abc?x \
                    postgres://plume:pw@db/plume http://host/path\nPW=";
        assert_eq!(
            secrets.without(text),
            "a ****** b ******; PW=******;MN=1 http://h/enter/******?x postgres://******@db/plume http://host/path\nPW="
        );
    }

    #[test]
    fn every_secret_key_of_a_configuration_is_masked() {
        let mut table: Table = "[bus]\nurl = \"file:log\"\n[alert.mail]\npassword = \"x\"\nhost = \"h\"\n\
                                [[alert.channel]]\nurl = \"https://robot?key=1\"\nheaders = { A = \"b\" }\n"
            .parse()
            .unwrap();
        masked(&mut table);
        let text = table.to_string();
        assert!(text.contains("file:log") && text.contains("host = \"h\""), "{text}");
        assert!(
            !text.contains("robot") && !text.contains("\"b\"") && !text.contains("\"x\""),
            "{text}"
        );
    }
}
