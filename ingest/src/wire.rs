//! The bytes of a link: TCP as it is, or TLS over it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// One link.
#[derive(Debug)]
pub(crate) enum Wire {
    /// In clear.
    Plain(TcpStream),
    /// Encrypted. Apart, so that the links in clear do not pay for its size.
    Tls(Box<TlsStream<TcpStream>>),
}

/// TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing, or holds no such thing.
    #[error("[ingest] {key} = {file} holds no {expected}")]
    File {
        /// Which setting.
        key: &'static str,
        /// As configured.
        file: String,
        /// What it should hold.
        expected: &'static str,
        /// The reader's answer.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not fit, or are of a kind that is not known.
    #[error("the certificate in {file} cannot be used with its key")]
    Unfit {
        /// The certificate's file.
        file: String,
        /// The library's answer.
        source: rustls::Error,
    },
}

impl TlsError {
    /// What to try.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { .. } => "name a PEM file that this user can read, or empty [ingest] tls_listen",
            Self::Unfit { .. } => "name the certificate that was made for this key, as PEM, the server's own first",
        }
    }
}

/// Reads certificates and key. Errors name the file and never what is in it.
pub(crate) fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor, TlsError> {
    let wrong = |key: &'static str, file: &str, expected| {
        let file = file.to_owned();
        move |source| TlsError::File {
            key,
            file,
            expected,
            source,
        }
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(wrong("tls_certificate", certificate, "certificates"))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(wrong("tls_key", key, "private key"))?;
    let unfit = |source| TlsError::Unfit {
        file: certificate.to_owned(),
        source,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unfit)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
