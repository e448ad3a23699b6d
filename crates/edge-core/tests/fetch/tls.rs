//! Whom a certificate speaks for.

use super::*;
use edge_core::viewer::traffic::Traffic;

/// A TLS server's end with a certificate for `names`, signed by `authority` or by itself.
fn acceptor(
    names: &[&str],
    authority: Option<&rcgen::Issuer<'static, rcgen::KeyPair>>,
) -> tokio_rustls::TlsAcceptor {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let params = rcgen::CertificateParams::new(names).unwrap();
    let certificate = match authority {
        Some(authority) => params.signed_by(&key, authority).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Arc::new(config).into()
}

/// A server that tells the SNI it was asked for, and how many connections it has had.
async fn tls(
    names: &[&str],
    authority: Option<&rcgen::Issuer<'static, rcgen::KeyPair>>,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let acceptor = acceptor(names, authority);
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let address = listen(move |_, origin| {
        let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
        async move {
            let Ok(stream) = acceptor.accept(origin.stream).await else { return };
            count.fetch_add(1, Ordering::SeqCst);
            let sni = stream.get_ref().1.server_name().unwrap_or("-").to_owned();
            let wire = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Sni: {sni}\r\n\r\n");
            Wire::new(stream).answer_all(wire.as_bytes()).await;
        }
    });
    (address.await, connections)
}

fn authority() -> (rcgen::Issuer<'static, rcgen::KeyPair>, rustls_pki_types::CertificateDer<'static>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "a private authority");
    let certificate = params.self_signed(&key).unwrap();
    (rcgen::Issuer::new(params, key), certificate.der().clone())
}

async fn get_as(origins: &Origins, host: &str) -> Result<OriginResponse, OriginFailure> {
    let (origin, headers) = (origin(), headers(host));
    let call = Call {
        origin: &origin,
        scheme: Scheme::Https,
        method: &Method::GET,
        target: "/",
        headers: &headers,
        body: RequestBody::None,
        traffic: Traffic::Messages,
    };
    origins.fetch(call, Empty::new()).await
}

fn secure(address: SocketAddr, verification: Verification) -> Server {
    Server { scheme: Scheme::Https, verification, ..plain(address) }
}

#[tokio::test]
async fn certificates_are_for_the_forwarded_host_or_the_origin() {
    let (issuer, root) = authority();
    for (names, host, good) in [
        (["www.example.com"], "www.example.com", true),
        (["www.example.com"], "www.example.com:8443", true),
        (["*.example.com"], "www.example.com", true),
        ([NAME], "www.example.com", true),
        (["other.example.com"], "www.example.com", false),
    ] {
        let (address, connections) = tls(&names, Some(&issuer)).await;
        let config = config([secure(address, Verification::Strict)]);
        let origins = Origins::new(OriginsConfig { extra_roots: vec![root.clone()], ..config }).unwrap();
        match get_as(&origins, host).await {
            Ok(response) if good => assert_eq!(response.headers["x-sni"], "www.example.com"),
            Err(OriginFailure::Tls(_)) if !good => continue,
            other => panic!("{names:?} {host}: {other:?}"),
        }
        // The same again on the same connection; another name needs another.
        get_as(&origins, host).await.unwrap();
        assert_eq!(connections.load(Ordering::SeqCst), 1);
        if get_as(&origins, "another.example.com").await.is_ok() {
            assert_eq!(connections.load(Ordering::SeqCst), 2);
        }
    }
}

#[tokio::test]
async fn nobody_vouches_for_a_self_signed_certificate() {
    let (address, _) = tls(&[NAME], None).await;
    let strict = origins([secure(address, Verification::Strict)]);
    let failure = get_as(&strict, NAME).await.unwrap_err();
    assert!(matches!(failure, OriginFailure::Tls(_)), "{failure}");
    // Nor does an authority that did not sign it, nor a Host that cannot be a name.
    let (_, root) = authority();
    let config = config([secure(address, Verification::Strict)]);
    let other = Origins::new(OriginsConfig { extra_roots: vec![root], ..config }).unwrap();
    for host in [NAME, "", "not a name"] {
        assert!(matches!(get_as(&other, host).await, Err(OriginFailure::Tls(_))), "{host:?}");
    }
    // Only whoever says so goes without.
    let off = origins([secure(address, Verification::Off)]);
    assert_eq!(get_as(&off, "www.example.com").await.unwrap().status, 200);
}

/// A certificate in PEM with its key, for a client, by `authority`.
fn client_pem(authority: &rcgen::Issuer<'static, rcgen::KeyPair>) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().signed_by(&key, authority).unwrap();
    certificate.pem() + &key.serialize_pem()
}

fn written(name: &str, pem: &str) -> std::path::PathBuf {
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{name}-{}.pem", std::process::id()));
    std::fs::write(&path, pem).unwrap();
    path
}

#[tokio::test]
async fn an_origin_may_want_to_see_a_certificate() {
    let (issuer, root) = authority();
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let mut wanted = rustls::RootCertStore::empty();
        wanted.add(root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(wanted),
            Arc::clone(&provider),
        );
        let key = rcgen::KeyPair::generate().unwrap();
        let own =
            rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![own.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        let address = listen(move |_, origin| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(stream) = acceptor.accept(origin.stream).await else { return };
                Wire::new(stream).answer_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        })
        .await;
        let mut config = config([secure(address, Verification::Strict)]);
        config.extra_roots = vec![root.clone()];
        let file = written("client", &client_pem(&issuer));
        config.client_certificates =
            HashMap::from([("arn".to_owned(), ClientCertificate::read(&file).unwrap())]);
        let origins = Origins::new(config).unwrap();
        let ask = async |arn: Option<&str>| {
            let origin = Origin { client_certificate: arn.map(str::to_owned), ..origin() };
            let (method, headers) = (Method::GET, headers(NAME));
            let (scheme, target, body) = (Scheme::Https, "/", RequestBody::None);
            let traffic = Traffic::Messages;
            let call =
                Call { origin: &origin, scheme, method: &method, target, headers: &headers, body, traffic };
            origins.fetch(call, Empty::new()).await
        };
        assert_eq!(ask(Some("arn")).await.unwrap().status, 200);
        // Neither a connection that was made with it nor one without gets an answer for who has none.
        assert!(ask(None).await.is_err());
        let failure = ask(Some("another")).await.unwrap_err();
        assert!(failure.to_string().contains("no client certificate another"), "{failure}");
        assert_eq!(ask(Some("arn")).await.unwrap().status, 200);
    }
}

#[test]
fn a_client_certificate_is_checked_when_it_is_read() {
    let (issuer, _) = authority();
    let pem = client_pem(&issuer);
    let refused =
        |name: &str, text: &str| ClientCertificate::read(&written(name, text)).unwrap_err().to_string();
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let certificate = pem.split("-----BEGIN PRIVATE").next().unwrap();
    assert!(ClientCertificate::read(&written("good", &pem)).is_ok());
    assert!(refused("no-key", certificate).contains("no key"));
    assert!(refused("no-certificate", &key).contains("no certificate"));
    assert!(refused("other-key", &format!("{certificate}{key}")).contains("not the certificate's"));
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(refused("junk", &format!("{junk}{key}")).contains("junk-"));
}

#[tokio::test]
async fn both_directions_at_once_over_tls() {
    const MIB: usize = 1 << 20;
    let (issuer, root) = authority();
    let acceptor = acceptor(&[NAME], Some(&issuer));
    let address = listen(move |_, origin| {
        let acceptor = acceptor.clone();
        async move {
            let mut origin = Wire::new(acceptor.accept(origin.stream).await.unwrap());
            origin.head().await;
            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n").await;
            for _ in 0..8 {
                let echo = origin.bytes(MIB).await;
                origin.send(echo).await;
            }
            origin.wait_closed().await;
        }
    });
    let config = config([secure(address.await, Verification::Strict)]);
    let origins = Origins::new(OriginsConfig { extra_roots: vec![root], ..config }).unwrap();
    let pieces = (0..128).map(|_| Ok([5u8; 65_536].as_slice()));
    let announced = RequestBody::Length(8 * MIB as u64);
    let mut response = post(&origins, &origin(), announced, frames(pieces)).await.unwrap();
    let body = read(&mut response).await.unwrap();
    assert!(body.len() == 8 * MIB && body.iter().all(|&byte| byte == 5));
}
