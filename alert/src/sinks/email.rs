//! E-mail by SMTP: text and HTML, a Chinese subject, the idempotency key as Message-ID.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::{Outgoing, SendError};
use crate::config::{MailConfig, MailTls};
use crate::notify::Channel;

/// Connections to the server kept open: one hands over some 18 mails a second, which a bureau's morning needs a few
/// times over.
const CONNECTIONS: u32 = 4;
/// An idle connection is closed after this long; servers close theirs after five minutes (RFC 5321 4.5.3.2).
const IDLE: Duration = Duration::from_mins(1);

/// Sends mail through one server.
pub struct EmailSink {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    server: String,
    limit: Duration,
}

/// The mail section cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// The sender is no mail address.
    #[error("`{from}` is not a mail address")]
    From {
        /// As configured.
        from: String,
    },
    /// The own certificate cannot be read.
    #[error("cannot read the certificate `{path}`: {detail}")]
    Ca {
        /// Which file.
        path: String,
        /// Why.
        detail: String,
    },
    /// TLS cannot be set up for this host.
    #[error("cannot set up TLS for `{host}`: {detail}")]
    Tls {
        /// Which host.
        host: String,
        /// Why.
        detail: String,
    },
}

impl EmailError {
    /// What to try.
    pub fn hint(&self) -> String {
        match self {
            Self::From { .. } => "write `plume <plume@example.com>`".into(),
            Self::Ca { .. } => "name a file with the certificate of the issuing authority as PEM".into(),
            Self::Tls { .. } => "write the host as it stands in the server's certificate".into(),
        }
    }
}

/// TLS for the server's host: by the certificates of the web, and the bureau's own where it names one.
fn tls(config: &MailConfig) -> Result<TlsParameters, EmailError> {
    let refused = |detail: String| EmailError::Tls {
        host: config.host.clone(),
        detail,
    };
    let mut parameters = TlsParameters::builder(config.host.clone());
    if !config.ca_file.is_empty() {
        let unread = |detail: String| EmailError::Ca {
            path: config.ca_file.clone(),
            detail,
        };
        let pem = std::fs::read(&config.ca_file).map_err(|error| unread(error.to_string()))?;
        let own = Certificate::from_pem(&pem).map_err(|error| unread(error.to_string()))?;
        parameters = parameters.add_root_certificate(own);
    }
    parameters.build().map_err(|error| refused(error.to_string()))
}

impl EmailSink {
    /// A sink for the configured server. Connects when the first mail is sent.
    pub fn new(config: &MailConfig) -> Result<Self, EmailError> {
        let from = config.from.parse().map_err(|_| EmailError::From {
            from: config.from.clone(),
        })?;
        let tls = || tls(config);
        let tls = match config.tls {
            MailTls::None => Tls::None,
            MailTls::Starttls => Tls::Required(tls()?),
            MailTls::Tls => Tls::Wrapper(tls()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(Duration::from_millis(u64::from(config.timeout_ms))))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS).idle_timeout(IDLE));
        if !config.username.is_empty() {
            builder = builder.credentials(Credentials::new(
                config.username.clone(),
                config.password.reveal().to_owned(),
            ));
        }
        Ok(Self {
            limit: Duration::from_millis(u64::from(config.timeout_ms)),
            transport: builder.build(),
            from,
            server: format!("{}:{}", config.host, config.port),
        })
    }

    /// Hands one mail to the server.
    pub(super) async fn send(&self, outgoing: &Outgoing) -> Result<(), SendError> {
        let refused = |detail: String| SendError::Refused {
            channel: Channel::Mail,
            detail,
        };
        let mail = self.mail(outgoing).map_err(refused)?;
        // lettre bounds the connection alone: a server that says nothing afterwards would hold the outbox for ever.
        match tokio::time::timeout(self.limit, self.transport.send(mail)).await {
            Err(_) => Err(SendError::Unreachable {
                channel: Channel::Mail,
                detail: format!(
                    "{}: the mail was not taken within {} ms",
                    self.server,
                    self.limit.as_millis()
                ),
            }),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let detail = format!("{}: {}", self.server, describe(&error));
                let channel = Channel::Mail;
                Err(if error.is_permanent() {
                    SendError::Refused { channel, detail }
                } else if error.is_transient() {
                    SendError::Later { channel, detail }
                } else {
                    SendError::Unreachable { channel, detail }
                })
            }
        }
    }

    /// Connects and signs in as for a mail, and sends none. Errors: what a mail would meet.
    pub async fn try_server(&self) -> Result<(), SendError> {
        let channel = Channel::Mail;
        let detail = match tokio::time::timeout(self.limit, self.transport.test_connection()).await {
            Ok(Ok(true)) => return Ok(()),
            Ok(Ok(false)) => format!("{}: the server closed the connection", self.server),
            Ok(Err(error)) => format!("{}: {}", self.server, describe(&error)),
            Err(_) => format!("{}: no answer within {} ms", self.server, self.limit.as_millis()),
        };
        Err(SendError::Unreachable { channel, detail })
    }

    fn mail(&self, outgoing: &Outgoing) -> Result<Message, String> {
        let to: Mailbox = outgoing
            .address
            .parse()
            .map_err(|_| format!("`{}` is not a mail address", outgoing.address))?;
        let part = |kind: ContentType, body: &str| SinglePart::builder().header(kind).body(body.to_owned());
        Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(&outgoing.message.subject)
            .date(UNIX_EPOCH + Duration::from_millis(u64::try_from(outgoing.at.0).unwrap_or(0)))
            .message_id(Some(format!("<{}@plume>", outgoing.key)))
            .multipart(
                MultiPart::alternative()
                    .singlepart(part(ContentType::TEXT_PLAIN, &outgoing.message.text))
                    .singlepart(part(ContentType::TEXT_HTML, &outgoing.message.html)),
            )
            .map_err(|error| error.to_string())
    }
}

/// The certificate of the configured server as DER; `None` where it is not asked for one, or cannot be.
pub async fn certificate(config: &MailConfig) -> Option<Vec<u8>> {
    let limit = Duration::from_millis(u64::from(config.timeout_ms));
    let server = (config.host.clone(), config.port);
    let hello = ClientId::default();
    let shown = async {
        let connect = |tls| AsyncSmtpConnection::connect_tokio1(server, Some(limit), &hello, tls, None);
        let connection = match config.tls {
            MailTls::None => return None,
            MailTls::Tls => connect(Some(tls(config).ok()?)).await.ok()?,
            MailTls::Starttls => {
                let mut connection = connect(None).await.ok()?;
                connection.starttls(tls(config).ok()?, &hello).await.ok()?;
                connection
            }
        };
        connection.peer_certificate().ok()
    };
    tokio::time::timeout(limit, shown).await.ok().flatten()
}

/// The error with its causes: lettre names the cause only in the source.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl std::fmt::Debug for EmailSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EmailSink({})", self.server)
    }
}
