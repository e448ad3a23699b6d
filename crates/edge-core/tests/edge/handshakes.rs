//! What the origin is told of the viewer's handshake: a full one, one that was resumed, one of a request before; and whose.

use std::path::Path;

use edge_core::distribution::HeaderForwarding;
use http::HeaderName;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

/// The body of the answer to one GET; it is as long as its head says.
async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize = field(head, "content-length").unwrap().parse().unwrap();
            if body.len() >= length {
                return body.to_owned();
            }
        }
        assert_ne!(soon("an answer", stream.read_buf(&mut read)).await.unwrap(), 0, "{text}");
    }
}

#[tokio::test]
async fn each_request_tells_of_its_handshake() {
    let name = HeaderName::from_static("cloudfront-viewer-tls");
    let fingerprint = HeaderName::from_static("cloudfront-viewer-ja4-fingerprint");
    let told = [name.clone(), fingerprint.clone()];
    let origin = Origin::answering(move |head, _| {
        ok("", told.each_ref().map(|name| field(head, name.as_str()).unwrap_or("none")).join(" "))
    })
    .await;
    let world = World::with(&origin, |settings| {
        settings.https.push("127.0.0.1:0".parse().unwrap());
        settings.local_ca = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge-handshakes-ca"));
        let behavior = &mut settings.distribution.default_behavior;
        behavior.forward.headers = HeaderForwarding::Only(vec![name, fingerprint]);
        behavior.ttl = Ttl { min: Duration::ZERO, default: Duration::ZERO, max: Duration::ZERO };
    })
    .await;
    let authority = CertificateDer::from_pem_file(world.server.local_ca().unwrap()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    for handshake in ["fullHandshake", "sessionResumed"] {
        let stream = TcpStream::connect(world.server.https()[0]).await.unwrap();
        let mut stream = connector.connect(ServerName::try_from(HOST).unwrap(), stream).await.unwrap();
        for expected in [handshake, "connectionReused"] {
            let told = ask(&mut stream).await;
            let (facts, fingerprint) = told.split_once(' ').unwrap();
            assert_eq!(facts, format!("TLSv1.3:TLS_AES_128_GCM_SHA256:{expected}"));
            assert!(fingerprint.starts_with("t13d") && fingerprint.len() == 36, "{fingerprint}");
        }
    }
    assert_eq!(world.get("/").await.is(), (200, "Miss", "none none"));
}
