//! The `[alert]` section. All defaults live in deploy's `default.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::notify::Channel;
use crate::words::Lang;

/// `[alert]`.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AlertConfig {
    /// The desk's database: `sqlite:PATH`, a relative path is below the data directory.
    pub store: String,
    /// Language of notices.
    pub language: Lang,
    /// `[alert.book]`.
    pub book: BookConfig,
    /// `[alert.notify]`.
    pub notify: NotifyConfig,
    /// `[alert.console]`.
    pub console: ConsoleConfig,
    /// `[alert.mail]`.
    pub mail: MailConfig,
    /// `[alert.series]`.
    pub series: SeriesConfig,
    /// `[[alert.channel]]`: further ways out, in the order in which they are asked. None is given, none is there.
    #[serde(default, rename = "channel")]
    pub channels: Vec<ChannelConfig>,
}

/// One of `[[alert.channel]]`.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChannelConfig {
    /// CloudEvents JSON, signed.
    Webhook(WebhookConfig),
    /// A filled-in body to somebody's interface.
    Template(Box<TemplateConfig>),
}

/// `type = "webhook"`.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Its name in messages.
    pub name: String,
    /// Where to.
    pub url: String,
    /// Shared secret of the signature; empty for none.
    pub secret: Secret,
    /// Which channels it carries.
    pub carries: Vec<Channel>,
    /// Milliseconds for one message.
    pub timeout_ms: u32,
}

/// `type = "template"`.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct TemplateConfig {
    /// Its name in messages.
    pub name: String,
    /// Where to.
    pub url: String,
    /// Content type of the body; one with `json` in it gets its values as JSON text, another as form values.
    pub content_type: String,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, with `{subject}`, `{text}`, `{receiver}`, `{address}`, `{key}`, `{timestamp}`, `{sign}`.
    pub body: String,
    /// Which channels it carries.
    pub carries: Vec<Channel>,
    /// How requests are signed.
    pub signing: Signing,
    /// Secret of the signature; empty for none.
    pub secret: Secret,
    /// JSON pointer to the verdict in the answer; empty where the HTTP status says it all.
    pub success_pointer: String,
    /// What stands there when the message was taken.
    pub success_value: String,
    /// Milliseconds for one message.
    pub timeout_ms: u32,
    /// How the gateway says later that a message arrived; without it nobody is listened to.
    #[serde(default)]
    pub receipts: Option<ReceiptConfig>,
}

/// `[alert.channel.receipts]`: the gateway posts JSON to `/receipts/NAME?key=SECRET`.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ReceiptConfig {
    /// What stands as `key` in the address that the gateway calls; never empty.
    pub secret: Secret,
    /// JSON pointer to the gateway's id of the message in its answer; empty where it repeats our `{key}`.
    #[serde(default)]
    pub answer_pointer: String,
    /// JSON pointer to that id in what it posts.
    pub id_pointer: String,
    /// JSON pointer to what became of the message.
    pub status_pointer: String,
    /// What stands there when it arrived.
    pub delivered_value: String,
}

/// How requests of a template are signed.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    /// Not at all, or by a key in address or headers.
    None,
    /// DingTalk robots: stamp and signature as query parameters.
    Dingtalk,
    /// Feishu robots: stamp and signature in the body.
    Feishu,
}

/// `[alert.book]`: how long the book waits by the clock.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct BookConfig {
    /// Seconds after the end of a warned hour before its outcome is decided without a word from the judge.
    pub outcome_wait_s: u32,
    /// Seconds after a fault ended before its case is closed by itself.
    pub close_resolved_after_s: u32,
    /// Days after which applied events are forgotten; repeats of older ones are known by their place in the log.
    pub keep_applied_days: u32,
}

/// `[alert.notify]`: who is told when, and how hard plume tries.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct NotifyConfig {
    /// Switches all sending off; notices are still made, shown and skipped with the reason `off`.
    pub enabled: bool,
    /// Seconds that a notice which is not urgent waits for others to the same receiver, to go as one message.
    pub group_wait_s: u32,
    /// Seconds between two messages to one address that are not urgent; what comes meanwhile goes as one.
    pub group_interval_s: u32,
    /// Hours after which what nobody has signed for is said again, as long as it goes on; 0 never.
    pub repeat_h: u32,
    /// Seconds an urgent warning waits for 签收 before the next contact of the chain is told.
    pub escalate_after_s: u32,
    /// Minute of the day at which the quiet hours begin.
    pub quiet_from_min: u16,
    /// Minute of the day at which they end and what was held is sent.
    pub quiet_to_min: u16,
    /// Messages to one address within an hour; more wait. Urgent ones are exempt.
    pub rate_per_hour: u32,
    /// Hours for which a message that is not taken is tried again.
    pub give_up_h: u32,
    /// Seconds before the second attempt; doubled each time.
    pub retry_first_s: u32,
    /// Longest pause between attempts, seconds.
    pub retry_max_s: u32,
    /// Address of the desk as receivers reach it, for one-time links; empty puts no links into messages.
    #[serde(default)]
    pub link_base_url: String,
    /// Milliseconds between looks at the outbox where nothing woke it.
    pub poll_ms: u32,
    /// Exceed ratio (超标倍数) from which a preliminary exceedance rings at the duty desk.
    pub grave_ratio: f64,
    /// Hours in a row from which it does.
    pub grave_hours: u32,
    /// Factors of which every exceedance rings.
    pub grave_factors: Vec<String>,
}

/// `[alert.console]`: notices as lines on the terminal, for trying out.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// On: every channel that nothing else serves goes to the terminal.
    pub enabled: bool,
}

/// `[alert.mail]`.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// Send mail.
    pub enabled: bool,
    /// The SMTP server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// File with the certificate of the authority that issued the server's, as PEM; empty for the web's.
    #[serde(default)]
    pub ca_file: String,
    /// Account, or empty for none.
    pub username: String,
    /// Password, or empty for none.
    pub password: Secret,
    /// Sender: `plume <plume@example.com>`.
    pub from: String,
    /// Milliseconds for one mail, from the connection to its acceptance.
    pub timeout_ms: u32,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// Not at all: a relay on this machine only.
    None,
    /// STARTTLS, refused without.
    Starttls,
    /// TLS from the first byte.
    Tls,
}

/// `[alert.series]`: minute values kept in memory for the charts.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SeriesConfig {
    /// Hours kept.
    pub hours: u32,
    /// Points kept over all factors (16 bytes each); beyond, the series longest without news is dropped.
    pub max_points: u64,
}

/// A text that is never shown.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() {
            "Secret()"
        } else {
            "Secret(masked)"
        })
    }
}

/// A value that fits its type but makes no sense: (key, what is wrong, what to try).
pub type Misfit = (&'static str, String, String);

/// (it holds, key, what is wrong where it does not, what to try).
type Relation = (bool, &'static str, &'static str, &'static str);

impl AlertConfig {
    /// Every value that makes no sense, at once.
    pub fn problems(&self) -> Vec<Misfit> {
        let own: [Relation; 2] = [
            (
                self.store.starts_with("sqlite:") || self.store.starts_with("postgres"),
                "alert.store",
                "is not a database address",
                "write `sqlite:desk.db` or `postgres://USER@HOST/DATABASE`",
            ),
            (
                (1..=72).contains(&self.series.hours),
                "alert.series.hours",
                "is outside 1 to 72",
                "write 26; longer spans come from the archive",
            ),
        ];
        own.into_iter()
            .chain(self.notify.relations())
            .chain(self.mail.relations().into_iter().filter(|_| self.mail.enabled))
            .filter(|(holds, ..)| !holds)
            .map(|(_, key, wrong, hint)| (key, wrong.to_owned(), hint.to_owned()))
            .chain(crate::run::channel_problem(self).map(|(wrong, hint)| ("alert.channel", wrong, hint)))
            .collect()
    }
}

impl NotifyConfig {
    fn relations(&self) -> [Relation; 6] {
        let past_midnight = "is past the end of the day";
        let minute = "write a minute of the day, 0 to 1439";
        [
            (
                self.quiet_from_min < 1_440,
                "alert.notify.quiet_from_min",
                past_midnight,
                minute,
            ),
            (
                self.quiet_to_min < 1_440,
                "alert.notify.quiet_to_min",
                past_midnight,
                minute,
            ),
            (
                self.give_up_h >= 1,
                "alert.notify.give_up_h",
                "would send nothing",
                "write 1 or more; to send nothing set `enabled = false`",
            ),
            (
                self.retry_first_s >= 1 && self.retry_first_s <= self.retry_max_s,
                "alert.notify.retry_first_s",
                "must be at least 1 and not over `retry_max_s`",
                "write 30 and 1800",
            ),
            (
                self.poll_ms >= 10,
                "alert.notify.poll_ms",
                "would keep a core busy",
                "write 10 or more",
            ),
            (
                self.grave_ratio.is_finite() && self.grave_ratio > 0.0,
                "alert.notify.grave_ratio",
                "must be a positive number",
                "write 1.0",
            ),
        ]
    }
}

impl MailConfig {
    fn relations(&self) -> [Relation; 3] {
        [
            (
                !self.host.is_empty(),
                "alert.mail.host",
                "is empty",
                "name the SMTP server",
            ),
            (
                self.from.parse::<lettre::message::Mailbox>().is_ok(),
                "alert.mail.from",
                "is not a mail address",
                "write `plume <plume@example.com>`",
            ),
            (
                self.tls != MailTls::None || self.password.reveal().is_empty(),
                "alert.mail.tls",
                "would send the password unprotected",
                "write `starttls` or `tls`",
            ),
        ]
    }
}
