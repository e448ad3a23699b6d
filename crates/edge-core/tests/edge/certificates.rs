//! Viewers' certificates from the handshake to the origin, and that they prove nothing to anybody else (§11.6).

use std::path::{Path, PathBuf};

use edge_core::distribution::HeaderForwarding;
use edge_core::distribution::viewer_tls::{AuthorityNames, Expiry, TrustStore, ViewerMtls, Wanted};
use http::HeaderName;
use rustls::crypto::ring;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;

const OTHER: &str = "other.test";

/// An authority's PEM, and a viewer's certificate by it.
fn viewer() -> (String, CertificateDer<'static>, PrivateKeyDer<'static>) {
    let name = |name: &str| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params
    };
    let (key, own_key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let mut authority = name("authority");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, key);
    let certificate = name("alice").signed_by(&own_key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(own_key.serialize_der()).unwrap();
    (pem, certificate.der().clone(), key)
}

fn required(bundle: Option<&str>) -> Option<ViewerMtls> {
    let trust_store = TrustStore {
        id: "ts".to_owned(),
        bundle: bundle.map(Into::into),
        names: AuthorityNames::Kept,
        expiry: Expiry::Matters,
    };
    Some(ViewerMtls::Verified { wanted: Wanted::Always, trust_store })
}

fn authority_directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge-certificates-ca")
}

/// One GET for `host` on a connection of its own for `name`; `None` where the handshake fails.
async fn get(world: &World, config: &Arc<rustls::ClientConfig>, name: &str, host: &str) -> Option<String> {
    let stream = TcpStream::connect(world.server.https()[0]).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.ok()?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    soon("an answer", stream.read_to_end(&mut answer)).await.ok()?;
    Some(String::from_utf8(answer).unwrap()).filter(|answer| !answer.is_empty())
}

#[tokio::test]
async fn a_certificate_is_told_to_the_origin_and_to_nobody_else() {
    let subject = HeaderName::from_static("cloudfront-viewer-cert-subject");
    let told = subject.clone();
    let origin = Origin::answering(move |head, _| ok("", field(head, told.as_str()).unwrap_or("none"))).await;
    let (pem, certificate, key) = viewer();
    let world = World::with(&origin, |settings| {
        settings.https.push("127.0.0.1:0".parse().unwrap());
        settings.local_ca = Some(authority_directory());
        let mut other = distribution();
        other.domain_name = OTHER.to_owned();
        for one in [&mut settings.distribution, &mut other] {
            one.default_behavior.forward.headers = HeaderForwarding::Only(vec![subject.clone()]);
        }
        settings.distribution.viewer_tls.mtls = required(Some(&pem));
        settings.others.push(other);
    })
    .await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(world.server.local_ca().unwrap()).unwrap()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let known = Arc::new(client.clone().with_client_auth_cert(vec![certificate], key).unwrap());
    let unknown = Arc::new(client.with_no_client_auth());

    let answer = get(&world, &known, HOST, HOST).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nCN=alice"), "{answer}");
    assert_eq!(get(&world, &unknown, HOST, HOST).await, None, "no handshake");
    // The other distribution asks nobody; a connection that was made for it is worth nothing here, and the other way round.
    for config in [&known, &unknown] {
        assert!(get(&world, config, OTHER, OTHER).await.unwrap().ends_with("\r\n\r\nnone"));
        assert!(get(&world, config, OTHER, HOST).await.unwrap().starts_with("HTTP/1.1 421 "));
    }
    assert!(get(&world, &known, HOST, OTHER).await.unwrap().ends_with("\r\n\r\nnone"));
    assert_eq!(world.get("/").await.status, 403, "there is no TLS");
}

#[tokio::test]
async fn what_an_origin_wants_to_see_is_there() {
    let origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut settings = world.settings.clone();
    settings.distribution.origins[0].client_certificate = Some("arn:aws:acm".to_owned());
    // Its server speaks plain HTTP, and is shown nothing.
    world.server.reload(&settings).unwrap();
    settings.servers.insert(ORIGIN.to_owned(), vec!["https://127.0.0.1:1".to_owned()]);
    let error = world.server.reload(&settings).unwrap_err().to_string();
    assert!(error.contains("--origin-certificate arn:aws:acm=FILE.pem"), "{error}");
}

#[tokio::test]
async fn without_its_trust_store_nothing_starts() {
    let origin = Origin::start().await;
    let world = World::with(&origin, |settings| {
        settings.https.push("127.0.0.1:0".parse().unwrap());
        settings.local_ca = Some(authority_directory());
    })
    .await;
    let mut settings = world.settings.clone();
    settings.distribution.viewer_tls.mtls = required(None);
    let error = Server::start(settings.clone()).await.unwrap_err().to_string();
    assert!(error.contains("--trust-store ts=FILE.pem"), "{error}");
    assert!(world.server.reload(&settings).is_err());
    // Where a file has it, a reload puts it in force.
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge-certificates.pem");
    std::fs::write(&file, viewer().0).unwrap();
    settings.trust_stores.insert("ts".to_owned(), file);
    world.server.reload(&settings).unwrap();
    assert_eq!(world.get("/").await.status, 403);
}
