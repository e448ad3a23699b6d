//! Security policies: what may be spoken with whom, several distributions behind one listener, and sessions that do not
//! outlive the policy they were made under (§11.3).

use std::collections::HashMap;
use std::sync::Arc;

use edge_core::distribution::{Distribution, HttpVersion, load};
use edge_core::proxy::clock::Clock;
use edge_core::proxy::listen::Limits;
use edge_core::proxy::local_ca::LocalCa;
use edge_core::proxy::tls::{Certificates, Sites, Tls};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use crate::support::{Running, ask, start_with};
use crate::tls::{connect, empty_directory, now, trusting};

/// A distribution for `alias`; `certificate` is the inside of its ViewerCertificate.
fn distribution(alias: &str, certificate: &str) -> Distribution {
    distribution_with(alias, &format!(r#""ViewerCertificate": {{{certificate}}},"#))
}

/// A distribution for `alias` with these fields, each with a comma behind it.
pub(crate) fn distribution_with(alias: &str, fields: &str) -> Distribution {
    let text = format!(
        r#"{{"CallerReference": "{alias}", "Comment": "", "Enabled": true,
        "Aliases": {{"Quantity": 1, "Items": ["{alias}"]}}, {fields}
        "Origins": {{"Quantity": 1, "Items": [{{"Id": "o", "DomainName": "origin.test",
            "CustomOriginConfig": {{"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}}}]}},
        "DefaultCacheBehavior": {{"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}}}}"#
    );
    load(&text).unwrap().distribution
}

pub(crate) fn with_policy(alias: &str, policy: &str, method: &str) -> Distribution {
    let certificate = r#""ACMCertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/a""#;
    let more = format!(r#", "SSLSupportMethod": "{method}", "MinimumProtocolVersion": "{policy}""#);
    distribution(alias, &format!("{certificate}{more}"))
}

pub(crate) fn certificates(name: &str) -> (Certificates, CertificateDer<'static>) {
    let ca = LocalCa::open(&empty_directory(name), now()).unwrap();
    let root = ca.certificate().clone();
    let mut certificates = Certificates::new();
    certificates.mint_with(ca, Clock::system(), "www.example.com", |name| name.ends_with(".example.com"));
    (certificates, root)
}

pub(crate) fn start(name: &str, distributions: Vec<Distribution>) -> (Running, CertificateDer<'static>) {
    let (certificates, root) = certificates(name);
    let tls = Tls::of(certificates, Sites::of(distributions, &HashMap::new()).unwrap()).unwrap();
    (start_with(Limits::default(), Some(Arc::new(tls))), root)
}

/// A viewer who speaks these versions, and of all ciphers those for whose name `has` is true.
fn viewer(
    root: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    has: impl Fn(&str) -> bool,
) -> Arc<ClientConfig> {
    let mut provider = ring::default_provider();
    provider.cipher_suites.retain(|suite| has(suite.suite().as_str().unwrap()));
    Arc::new(client(provider, root, versions))
}

fn client(
    provider: CryptoProvider,
    root: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// What was agreed on: `TLSv1.3 TLS_AES_128_GCM_SHA256`.
async fn agreed(running: &Running, config: &Arc<ClientConfig>, name: &'static str) -> Option<String> {
    let mut stream = connect(running, config, name).await.ok()?;
    let answered = ask(&mut stream, "/peer").await;
    let quoted = |field: &str| answered.split(field).nth(1).unwrap().split('"').nth(1).unwrap().to_owned();
    Some(format!("{} {}", quoted("version: "), quoted("cipher: ")))
}

#[tokio::test]
async fn each_name_has_its_policy() {
    let (running, root) = start(
        "policies",
        vec![
            with_policy("a.example.com", "TLSv1.2_2021", "sni-only"),
            with_policy("b.example.com", "TLSv1.3_2025", "sni-only"),
            with_policy("c.example.com", "TLSv1.2_2025", "sni-only"),
            with_policy("d.example.com", "TLSv1_2016", "sni-only"),
        ],
    );
    let both: Vec<_> = TLS12.iter().chain(TLS13).copied().collect();
    let any = |_: &str| true;
    let chacha = |name: &str| name.contains("CHACHA");
    for (name, versions, has, expected) in [
        (
            "a.example.com",
            TLS12,
            &any as &dyn Fn(&str) -> bool,
            Some("TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"),
        ),
        ("a.example.com", TLS12, &chacha, Some("TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305")),
        ("a.example.com", &both, &any, Some("TLSv1.3 TLS_AES_128_GCM_SHA256")),
        ("b.example.com", TLS12, &any, None),
        ("b.example.com", TLS13, &chacha, None),
        ("b.example.com", &both, &any, Some("TLSv1.3 TLS_AES_128_GCM_SHA256")),
        ("c.example.com", TLS12, &chacha, None),
        ("c.example.com", TLS13, &chacha, Some("TLSv1.3 TLS_CHACHA20_POLY1305_SHA256")),
        ("c.example.com", TLS12, &any, Some("TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256")),
        ("d.example.com", TLS12, &chacha, Some("TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305")),
    ] {
        let config = viewer(&root, versions, has);
        assert_eq!(agreed(&running, &config, name).await.as_deref(), expected, "{name} {versions:?}");
    }
}

#[tokio::test]
async fn each_name_has_its_versions_of_http() {
    let [mut one, other] =
        ["a.example.com", "b.example.com"].map(|alias| with_policy(alias, "TLSv1.2_2021", "sni-only"));
    one.http_version = HttpVersion::Http1;
    let (running, root) = start("versions", vec![one, other]);
    let config = trusting(&[root], &["h2", "http/1.1"]);
    for (name, expected) in [("a.example.com", &b"http/1.1"[..]), ("b.example.com", b"h2")] {
        let stream = connect(&running, &config, name).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(expected), "{name}");
    }
}

/// The viewer would rather have the longer key.
#[tokio::test]
async fn the_order_of_ciphers_is_cloudfronts() {
    let (running, root) = start("order", vec![with_policy("a.example.com", "TLSv1.2_2021", "sni-only")]);
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| !suite.suite().as_str().unwrap().contains("256_GCM"));
    let config = Arc::new(client(provider, &root, TLS12));
    let expected = Some("TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_eq!(agreed(&running, &config, "a.example.com").await.as_deref(), expected);
}

/// Whatever stands beside it.
#[tokio::test]
async fn the_default_certificate_comes_with_a_policy() {
    let inside = r#""CloudFrontDefaultCertificate": true, "MinimumProtocolVersion": "TLSv1.3_2025""#;
    let (running, root) = start("default-policy", vec![distribution("a.example.com", inside)]);
    let config = viewer(&root, TLS12, |_| true);
    assert!(agreed(&running, &config, "a.example.com").await.is_some());
}

#[tokio::test]
async fn who_names_nobody_is_dropped_where_names_are_needed() {
    let default = r#""CloudFrontDefaultCertificate": true"#;
    for (name, distribution, served) in [
        ("sni-only", with_policy("a.example.com", "TLSv1.2_2021", "sni-only"), false),
        ("vip", with_policy("a.example.com", "TLSv1", "vip"), true),
        ("default", distribution("a.example.com", default), true),
    ] {
        let (running, root) = start(&format!("nameless-{name}"), vec![distribution]);
        let mut nameless = ClientConfig::clone(&trusting(std::slice::from_ref(&root), &[]));
        nameless.enable_sni = false;
        let got = connect(&running, &Arc::new(nameless), "www.example.com").await;
        assert_eq!(got.is_ok(), served, "{name}");
        assert!(connect(&running, &trusting(&[root], &[]), "a.example.com").await.is_ok(), "{name}");
    }
}

async fn session(running: &Running, config: &Arc<ClientConfig>) -> &'static str {
    let mut stream = connect(running, config, "a.example.com").await.unwrap();
    let answered = ask(&mut stream, "/peer").await;
    if answered.contains("session: Resumed") { "resumed" } else { "full" }
}

#[tokio::test]
async fn sessions_do_not_outlive_a_policy() {
    for versions in [TLS12, TLS13] {
        let (first, root) = certificates("outlive");
        let sites = |policy| {
            let distribution = with_policy("a.example.com", policy, "sni-only");
            Sites::of(vec![distribution], &HashMap::new()).unwrap()
        };
        let tls = Arc::new(Tls::of(first, sites("TLSv1.2_2019")).unwrap());
        let running = start_with(Limits::default(), Some(Arc::clone(&tls)));
        let config = viewer(&root, versions, |_| true);
        assert_eq!([session(&running, &config).await, session(&running, &config).await], ["full", "resumed"]);

        let again = || {
            let ca = LocalCa::open(&kept("outlive"), now()).unwrap();
            let mut certificates = Certificates::new();
            certificates.mint_with(ca, Clock::system(), "www.example.com", |_| true);
            certificates
        };
        tls.replace(again(), sites("TLSv1.2_2019")).unwrap();
        assert_eq!(session(&running, &config).await, "resumed", "nothing is new");
        tls.replace(again(), sites("TLSv1.2_2021")).unwrap();
        assert_eq!([session(&running, &config).await, session(&running, &config).await], ["full", "resumed"]);
    }
}

/// The folder of a CA that is there.
fn kept(name: &str) -> std::path::PathBuf {
    std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("listen-{name}-{}", std::process::id()))
}
