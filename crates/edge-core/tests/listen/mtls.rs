//! Viewers who show a certificate: who is let in, who is told what, and for how long (§11.6).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use edge_core::distribution::Distribution;
use edge_core::proxy::listen::Limits;
use edge_core::proxy::tls::{Sites, Tls};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use tokio::io::AsyncWriteExt as _;

use crate::policies::{certificates, distribution_with};
use crate::support::{Running, ask, read_to_end, start_with};
use crate::tls::connect;

/// Somebody who vouches.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority(name);
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// An authority this one vouches for, within these years.
    fn below(&self, name: &str, years: (i32, i32)) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = between(authority(name), years);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for servers alone.
    pub(crate) fn server(&self, name: &str) -> Shows {
        let mut params = between(CertificateParams::default(), NOW);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.signed(name, params)
    }

    pub(crate) fn viewer(&self, name: &str, years: (i32, i32)) -> Shows {
        self.signed(name, between(CertificateParams::default(), years))
    }

    fn signed(&self, name: &str, mut params: CertificateParams) -> Shows {
        let key = KeyPair::generate().unwrap();
        params.distinguished_name = named(name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Shows { chain: vec![certificate.der().clone()], key: Arc::new(key) }
    }
}

/// What a viewer has to show.
#[derive(Clone)]
pub(crate) struct Shows {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: Arc<KeyPair>,
}

impl Shows {
    /// With the certificate of whoever vouches for it.
    fn and(mut self, authority: &Authority) -> Self {
        self.chain.push(authority.certificate.der().clone());
        self
    }

    fn by_itself() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = named("self");
        let certificate = params.self_signed(&key).unwrap();
        Self { chain: vec![certificate.der().clone()], key: Arc::new(key) }
    }

    fn certified(&self) -> Arc<CertifiedKey> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let key = ring::sign::any_supported_type(&key).unwrap();
        Arc::new(CertifiedKey::new(self.chain.clone(), key))
    }
}

fn named(name: &str) -> rcgen::DistinguishedName {
    let mut distinguished_name = rcgen::DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn between(mut params: CertificateParams, (from, to): (i32, i32)) -> CertificateParams {
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    params
}

pub(crate) const NOW: (i32, i32) = (2020, 4000);
pub(crate) const LONG_AGO: (i32, i32) = (2001, 2002);
pub(crate) const ONE_DAY: (i32, i32) = (3998, 3999);

/// What is in `TrustStoreConfig`.
pub(crate) fn store(more: &str) -> String {
    format!(r#""TrustStoreConfig": {{"TrustStoreId": "ts"{more}}}"#)
}

pub(crate) fn wants(mode: &str, store: &str) -> Distribution {
    let gap = if store.is_empty() { "" } else { ", " };
    distribution_with("a.example.com", &format!(r#""ViewerMtlsConfig": {{"Mode": "{mode}"{gap}{store}}},"#))
}

pub(crate) struct World {
    pub(crate) running: Running,
    tls: Arc<Tls>,
    root: CertificateDer<'static>,
}

impl World {
    pub(crate) fn new(name: &str, trusted: &[&Authority], distributions: Vec<Distribution>) -> Self {
        Self::with(name, trusted, Limits::default(), distributions, |tls| tls)
    }

    pub(crate) fn with(
        name: &str,
        trusted: &[&Authority],
        limits: Limits,
        distributions: Vec<Distribution>,
        more: impl FnOnce(Tls) -> Tls,
    ) -> Self {
        let file = file(name, trusted);
        let (certificates, root) = certificates(name);
        let sites = Sites::of(distributions, &HashMap::from([("ts".to_owned(), file)])).unwrap();
        let tls = Arc::new(more(Tls::of(certificates, sites).unwrap()));
        Self { running: start_with(limits, Some(Arc::clone(&tls))), tls, root }
    }

    /// Puts other distributions in force.
    pub(crate) fn replace(&mut self, name: &str, trusted: &[&Authority], distributions: Vec<Distribution>) {
        let file = file(name, trusted);
        let sites = Sites::of(distributions, &HashMap::from([("ts".to_owned(), file)])).unwrap();
        let (certificates, root) = certificates(name);
        self.tls.replace(certificates, sites).unwrap();
        self.root = root;
    }

    pub(crate) fn viewer(&self, shows: Option<&Shows>) -> Viewer {
        let resolver = Arc::new(Resolver { shows: shows.map(Shows::certified), told: Mutex::default() });
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::clone(&resolver) as Arc<dyn ResolvesClientCert>);
        Viewer { config: Arc::new(config), resolver }
    }

    /// What the listener knows of a viewer, if it lets him in: with TLS 1.3 he learns of a refusal when he reads.
    pub(crate) async fn seen(&self, viewer: &Viewer, name: &'static str) -> Option<String> {
        let mut stream = connect(&self.running, &viewer.config, name).await.ok()?;
        stream.write_all(b"GET /peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.ok()?;
        Some(read_to_end(&mut stream).await).filter(|answer| answer.starts_with("HTTP/1.1 200 "))
    }

    pub(crate) async fn lets_in(&self, shows: Option<&Shows>) -> bool {
        self.seen(&self.viewer(shows), "a.example.com").await.is_some()
    }
}

pub(crate) struct Viewer {
    pub(crate) config: Arc<ClientConfig>,
    resolver: Arc<Resolver>,
}

/// Shows what it has, whoever asks, and remembers whose certificates were wanted.
#[derive(Debug)]
struct Resolver {
    shows: Option<Arc<CertifiedKey>>,
    told: Mutex<Vec<usize>>,
}

impl ResolvesClientCert for Resolver {
    fn resolve(&self, authorities: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.told.lock().unwrap().push(authorities.len());
        self.shows.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn file(name: &str, trusted: &[&Authority]) -> PathBuf {
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("trust-{name}-{}.pem", std::process::id()));
    let pem: String = trusted.iter().map(|authority| authority.certificate.pem()).collect();
    std::fs::write(&path, pem).unwrap();
    path
}

#[tokio::test]
async fn who_is_let_in() {
    let (one, two, stranger) = (Authority::new("one"), Authority::new("two"), Authority::new("stranger"));
    let below = one.below("below", NOW);
    let expired = one.viewer("a", LONG_AGO);
    for (mode, table) in [
        ("required", [false, true, true, true, false, false, false, false]),
        ("optional", [true, true, true, true, false, false, false, false]),
        ("passthrough", [true, true, true, true, true, true, true, true]),
    ] {
        let store = if mode == "passthrough" { String::new() } else { store("") };
        let world = World::new(&format!("in-{mode}"), &[&one, &two], vec![wants(mode, &store)]);
        let shown = [
            None,
            Some(one.viewer("a", NOW)),
            Some(two.viewer("a", NOW)),
            Some(below.viewer("a", NOW).and(&below)),
            // Nobody knows who vouches for it.
            Some(below.viewer("a", NOW)),
            Some(stranger.viewer("a", NOW)),
            Some(expired.clone()),
            Some(Shows::by_itself()),
        ];
        for (number, (shows, expected)) in shown.iter().zip(table).enumerate() {
            assert_eq!(world.lets_in(shows.as_ref()).await, expected, "{mode}, {number}");
        }
    }
}

/// A certificate alone is nothing: whoever saw one has it.
#[tokio::test]
async fn a_certificate_needs_its_key() {
    let one = Authority::new("one");
    for (mode, store) in [("required", store("")), ("passthrough", String::new())] {
        let world = World::new(&format!("key-{mode}"), &[&one], vec![wants(mode, &store)]);
        let stolen = Shows { key: Arc::new(KeyPair::generate().unwrap()), ..one.viewer("a", NOW) };
        assert!(!world.lets_in(Some(&stolen)).await, "{mode}");
    }
}

#[tokio::test]
async fn a_certificate_is_shown_to_who_asks() {
    let one = Authority::new("one");
    let world = World::new(
        "asks",
        &[&one],
        vec![wants("required", &store("")), { distribution_with("b.example.com", "") }],
    );
    let viewer = world.viewer(Some(&one.viewer("some body", NOW)));
    let seen = world.seen(&viewer, "a.example.com").await.unwrap();
    assert!(seen.contains(r#"subject: Some("CN=some body")"#), "{seen}");
    assert!(seen.contains(r#"issuer: Some("CN=one")"#), "{seen}");
    assert!(seen.contains(r#"shown_to: "dlocal"#), "{seen}");
    let seen = world.seen(&viewer, "b.example.com").await.unwrap();
    assert!(seen.contains("certificate: None"), "{seen}");
    assert_eq!(viewer.resolver.told.lock().unwrap().len(), 1, "the second does not ask");
}

#[tokio::test]
async fn authorities_are_named_where_that_is_wanted() {
    let (one, two) = (Authority::new("one"), Authority::new("two"));
    for (more, count) in [("", 0), (r#", "AdvertiseTrustStoreCaNames": true"#, 2)] {
        let world =
            World::new(&format!("named-{count}"), &[&one, &two], vec![wants("required", &store(more))]);
        let viewer = world.viewer(Some(&one.viewer("a", NOW)));
        assert!(world.seen(&viewer, "a.example.com").await.is_some());
        assert_eq!(*viewer.resolver.told.lock().unwrap(), [count]);
    }
}

#[tokio::test]
async fn dates_may_be_left_out_of_it() {
    let (one, stranger) = (Authority::new("one"), Authority::new("stranger"));
    let old = one.below("old", (2000, 2010));
    let more = r#", "IgnoreCertificateExpiry": true"#;
    let world = World::new("dates", &[&one], vec![wants("required", &store(more))]);
    for (shows, expected) in [
        (one.viewer("a", NOW), true),
        (one.viewer("a", LONG_AGO), true),
        (one.viewer("a", ONE_DAY), true),
        (old.viewer("a", LONG_AGO).and(&old), true),
        (stranger.viewer("a", LONG_AGO), false),
        (Shows::by_itself(), false),
    ] {
        assert_eq!(world.lets_in(Some(&shows)).await, expected);
    }
    let stolen = Shows { key: Arc::new(KeyPair::generate().unwrap()), ..one.viewer("a", LONG_AGO) };
    assert!(!world.lets_in(Some(&stolen)).await);
    assert!(!world.lets_in(None).await);
}

#[tokio::test]
async fn sessions_do_not_carry_a_certificate() {
    let one = Authority::new("one");
    for mode in ["required", "optional"] {
        let world = World::new(&format!("sessions-{mode}"), &[&one], vec![wants(mode, &store(""))]);
        let viewer = world.viewer(Some(&one.viewer("a", NOW)));
        for _ in 0..2 {
            let mut stream = connect(&world.running, &viewer.config, "a.example.com").await.unwrap();
            let seen = ask(&mut stream, "/peer").await;
            assert!(seen.contains("session: Full") && seen.contains("CN=a"), "{seen}");
        }
    }
}

#[test]
fn a_trust_store_is_there_and_good() {
    let wanted = || vec![wants("required", &store(""))];
    let refused = |files: HashMap<String, PathBuf>| match Sites::of(wanted(), &files) {
        Ok(_) => panic!("it is taken"),
        Err(error) => error.to_string(),
    };
    let missing = refused(HashMap::new());
    assert!(missing.contains(r#"trust store "ts": its certificates are not in the document"#), "{missing}");
    assert!(missing.contains("--trust-store ts=FILE.pem"), "{missing}");
    let path = file("none", &[]);
    let files = HashMap::from([("ts".to_owned(), path.clone())]);
    assert!(refused(files.clone()).contains("no certificate in it"));
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&path, junk).unwrap();
    assert!(refused(files.clone()).contains("certificate 1: "));
    std::fs::remove_file(&path).unwrap();
    assert!(refused(files).contains("trust-none"));
    // A bundle may carry it.
    let mut carried = wants("required", &store(""));
    let pem = Authority::new("one").certificate.pem();
    if let Some(edge_core::distribution::ViewerMtls::Verified { trust_store, .. }) =
        &mut carried.viewer_tls.mtls
    {
        trust_store.bundle = Some(pem.into());
    }
    assert!(Sites::of(vec![carried], &HashMap::new()).is_ok());
}
