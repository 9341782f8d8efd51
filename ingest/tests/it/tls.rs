//! The TLS listener, with a client of rustls: packets are answered as in clear, and whoever cannot shake hands is
//! turned away and counted. The certificate was made for these tests:
//! `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=plume.test …`.

use std::net::SocketAddr;
use std::sync::Arc;

use plume_bus::Bus;
use plume_ingest::config::IngestConfig;
use plume_ingest::{Ingest, IngestError};
use plume_schemas::time::Clock;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::bench::{catalogue, config, example_registry, time};
use crate::house::{House, OPEN, vector};

fn file(name: &str) -> String {
    format!("{}/tests/data/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn by_tls() -> IngestConfig {
    IngestConfig {
        tls_listen: "127.0.0.1:0".to_owned(),
        tls_certificate: file("certificate.pem"),
        tls_key: file("key.pem"),
        ..config()
    }
}

async fn shake(at: SocketAddr, trusts: bool) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    if trusts {
        roots
            .add(CertificateDer::from_pem_file(file("certificate.pem")).unwrap())
            .unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("plume.test").unwrap();
    let stream = TcpStream::connect(at).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn refused(config: IngestConfig) -> IngestError {
    let (_registry, seen) = watch::channel(Arc::new(example_registry()));
    let clock = Clock::new(|| time("20160802001000"));
    let (metrics, never) = (prometheus::Registry::new(), std::future::pending());
    let started = Ingest::start(config, Bus::memory(1), clock, seen, catalogue(), &metrics, never).await;
    started.unwrap_err()
}

#[tokio::test]
async fn packets_over_tls_are_answered_as_in_clear() {
    let house = House::open(by_tls(), OPEN).await;
    let mut device = shake(house.handle.tls_addr.unwrap(), true).await.unwrap();
    let mut in_clear = house.device().await;
    in_clear.send(&vector(24)).await;
    let expected = in_clear.answer().await;
    // Cut anywhere: records of TLS are not packets.
    for part in vector(24).chunks(7) {
        device.write_all(part).await.unwrap();
        device.flush().await.unwrap();
    }
    let mut answer = vec![0; expected.len()];
    device.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, expected.as_bytes());
    device.shutdown().await.unwrap();
    assert_eq!(device.read(&mut answer).await.unwrap_or(0), 0, "the link ends in order");
    house.close().await;
}

#[tokio::test]
async fn who_cannot_shake_hands_is_turned_away_and_the_others_are_served() {
    let house = House::open(by_tls(), OPEN).await;
    let at = house.handle.tls_addr.unwrap();
    let mut plain = TcpStream::connect(at).await.unwrap();
    plain.write_all(&vector(24)).await.unwrap();
    let mut told = Vec::new();
    drop(plain.read_to_end(&mut told).await);
    assert!(!told.starts_with(b"##"), "a packet in clear is not answered here");
    assert!(
        shake(at, false).await.is_err(),
        "a device that does not trust the certificate does not go on"
    );
    let mut device = shake(at, true).await.unwrap();
    device.write_all(&vector(24)).await.unwrap();
    assert_eq!(device.read_u8().await.unwrap(), b'#');
    assert!(house.metric("plume_ingest_links_turned_away_total", "handshake") >= 1);
    house.close().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named_without_what_is_in_it() {
    for (certificate, key, said) in [
        ("none.pem", "key.pem", "tls_certificate"),
        ("certificate.pem", "none.pem", "tls_key"),
        ("certificate.pem", "certificate.pem", "tls_key"),
    ] {
        let config = IngestConfig {
            tls_certificate: file(certificate),
            tls_key: file(key),
            ..by_tls()
        };
        let error = refused(config).await;
        assert!(error.to_string().contains(said) && !error.hint().is_empty(), "{error}");
    }
}
