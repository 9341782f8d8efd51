//! The ways out: a closed list, each knowing which channels it carries.

pub mod console;
pub mod email;
mod http;
pub mod template;
pub mod webhook;

use plume_schemas::ids::ContentId;
use plume_schemas::time::Time;

use crate::notify::Channel;
use crate::words::{Lang, Message};
use console::ConsoleSink;
use email::EmailSink;
pub use http::{HttpError, MAX_ANSWER_BYTES};
use template::TemplateSink;
pub(crate) use template::said;
use webhook::WebhookSink;

/// One message to hand over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Idempotency key: the same message tried again has the same.
    pub key: ContentId,
    /// By which channel.
    pub channel: Channel,
    /// To whom.
    pub receiver: String,
    /// Where to.
    pub address: String,
    /// In which language.
    pub lang: Lang,
    /// What it says.
    pub message: Message,
    /// When it is handed over.
    pub at: Time,
}

/// A message was handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// By which id the next hop will speak of it; empty: by the message's key, or never.
    pub receipt: String,
}

/// A message was not handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Try again later; the next message through this way would fail alike.
    #[error("{channel} cannot be reached: {detail}", channel = channel.en())]
    Unreachable {
        /// Which way.
        channel: Channel,
        /// What it said.
        detail: String,
    },
    /// Try this message again later.
    #[error("{channel} refused for now: {detail}", channel = channel.en())]
    Later {
        /// Which way.
        channel: Channel,
        /// What it said.
        detail: String,
    },
    /// Refused for good.
    #[error("{channel} refused: {detail}", channel = channel.en())]
    Refused {
        /// Which way.
        channel: Channel,
        /// What it said.
        detail: String,
    },
}

impl SendError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreachable { .. } => {
                "check host, port and network of the channel; plume tries again by itself".into()
            }
            Self::Later { .. } => "nothing to do: the receiver's server asked to wait (greylisting is usual)".into(),
            Self::Refused { .. } => "check the address in the registry and the account of the channel".into(),
        }
    }
}

/// A way out.
#[derive(Debug)]
pub enum Sink {
    /// SMTP.
    Email(EmailSink),
    /// CloudEvents by HTTP.
    Webhook(WebhookSink),
    /// Somebody's HTTP interface.
    Template(TemplateSink),
    /// Lines on the terminal.
    Console(ConsoleSink),
}

impl Sink {
    /// True where it carries messages of this channel.
    pub fn carries(&self, channel: Channel) -> bool {
        match self {
            Self::Email(_) => channel == Channel::Mail,
            Self::Webhook(sink) => sink.carries(channel),
            Self::Template(sink) => sink.carries(channel),
            Self::Console(_) => true,
        }
    }

    /// Hands a message over. `Ok` means the next hop has taken it.
    pub async fn send(&self, outgoing: &Outgoing) -> Result<Taken, SendError> {
        match self {
            Self::Email(sink) => sink.send(outgoing).await?,
            Self::Webhook(sink) => sink.send(outgoing).await?,
            Self::Template(sink) => return sink.send(outgoing).await,
            Self::Console(sink) => sink.send(outgoing)?,
        }
        Ok(Taken::default())
    }
}
