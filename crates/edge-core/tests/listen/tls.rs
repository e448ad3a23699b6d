//! TLS: which certificate a name gets, what is spoken, and the local CA's files.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edge_core::proxy::clock::Clock;
use edge_core::proxy::listen::Limits;
use edge_core::proxy::local_ca::{CaError, LocalCa};
use edge_core::proxy::tls::{Certificates, Protocols, Sites, Tls};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{PATIENCE, Running, SOON, ask, in_time, read_answer, read_to_end, start_with, statuses};

pub(crate) fn now() -> SystemTime {
    Clock::system().now()
}

pub(crate) fn empty_directory(name: &str) -> PathBuf {
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("listen-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

pub(crate) fn trusting(roots: &[CertificateDer<'static>], alpn: &[&str]) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub(crate) async fn connect(
    running: &Running,
    config: &Arc<ClientConfig>,
    name: &'static str,
) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
    let stream = running.connect().await;
    in_time(TlsConnector::from(Arc::clone(config)).connect(ServerName::try_from(name).unwrap(), stream)).await
}

/// A listener for `www.example.com` and all under `example.org`, with the CA to trust.
fn start_minting(name: &str, limits: Limits, protocols: Protocols) -> (Running, CertificateDer<'static>) {
    let ca = LocalCa::open(&empty_directory(name), now()).unwrap();
    let root = ca.certificate().clone();
    let mut certificates = Certificates::new();
    certificates.mint_with(ca, Clock::system(), "www.example.com", |name| {
        name == "www.example.com" || name.ends_with(".example.org")
    });
    let tls = Tls::new(certificates, protocols).unwrap();
    (start_with(limits, Some(Arc::new(tls))), root)
}

#[tokio::test]
async fn names_the_site_answers_for_get_a_certificate() {
    let (running, root) = start_minting("names", Limits::default(), Protocols::default());
    let config = trusting(&[root], &["http/1.1"]);
    for name in ["www.example.com", "a.example.org", "b.c.example.org", "localhost", "127.0.0.1", "::1"] {
        let mut stream = connect(&running, &config, name).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let answered = ask(&mut stream, "/peer").await;
        assert!(answered.contains("scheme: Https"), "{answered}");
        assert!(answered.contains("version: \"TLSv1.3\", cipher: \"TLS_AES_"), "{answered}");
        if name.ends_with("example.org") {
            assert!(answered.contains(&format!("sni: Some({name:?})")), "{answered}");
        }
    }
    // Strangers meet the certificate of the default name, which does not fit.
    assert!(connect(&running, &config, "stranger.example").await.is_err());
}

#[tokio::test]
async fn http2_is_chosen_by_alpn() {
    let (running, root) = start_minting("alpn", Limits::default(), Protocols::default());
    let config = trusting(&[root], &["h2", "http/1.1"]);
    let stream = connect(&running, &config, "www.example.com").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://www.example.com/a").body(()).unwrap();
    let (response, _) = sender.ready().await.unwrap().send_request(request, true).unwrap();
    assert_eq!(in_time(response).await.unwrap().status(), 200);
}

#[tokio::test]
async fn http2_can_be_turned_off() {
    let (running, root) = start_minting("no-h2", Limits::default(), Protocols::Http1);
    let config = trusting(&[root], &["h2", "http/1.1"]);
    let mut stream = connect(&running, &config, "www.example.com").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(statuses(&ask(&mut stream, "/a").await), [200]);
}

#[tokio::test]
async fn sessions_resume() {
    let (running, root) = start_minting("resume", Limits::default(), Protocols::default());
    let config = trusting(&[root], &[]);
    for session in ["Full", "Resumed"] {
        let mut stream = connect(&running, &config, "www.example.com").await.unwrap();
        let answered = ask(&mut stream, "/peer").await;
        assert!(answered.contains(&format!("session: {session}")), "{answered}");
    }
}

#[tokio::test]
async fn slow_handshakes_are_cut() {
    let limits = Limits { handshake_timeout: SOON, head_timeout: PATIENCE, ..Limits::default() };
    let (running, _) = start_minting("slow", limits, Protocols::default());
    let mut stream = running.connect().await;
    stream.write_all(&[22, 3, 1]).await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
    assert_eq!(running.counters.handshakes_failed.load(Relaxed), 1);
}

#[tokio::test]
async fn a_stop_finishes_a_request_over_tls() {
    let (mut running, root) = start_minting("stop", Limits::default(), Protocols::default());
    let mut stream = connect(&running, &trusting(&[root], &[]), "www.example.com").await.unwrap();
    stream.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(running.next_seen().await, "GET /wait");
    running.stop.ask();
    running.gate.add_permits(1);
    assert!(read_to_end(&mut stream).await.ends_with("waited"));
    in_time(running.ended).await.unwrap();
}

/// A self-signed certificate in two files.
fn certificate_files(directory: &str, names: &[&str]) -> (PathBuf, PathBuf, CertificateDer<'static>) {
    let path = empty_directory(directory);
    fs::create_dir_all(&path).unwrap();
    let made =
        rcgen::generate_simple_self_signed(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    let made = made.unwrap();
    let (chain, key) = (path.join("chain.pem"), path.join("key.pem"));
    fs::write(&chain, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (chain, key, made.cert.der().clone())
}

#[tokio::test]
async fn certificates_from_files_are_chosen_by_name_and_can_be_replaced() {
    let (chain, key, first) = certificate_files("first", &["Shop.example", "*.shop.example"]);
    let (other_chain, other_key, other) = certificate_files("other", &["www.shop.example", "blog.example"]);
    let mut certificates = Certificates::new();
    certificates.add_files(&chain, &key).unwrap();
    certificates.add_files(&other_chain, &other_key).unwrap();
    let tls = Arc::new(Tls::new(certificates, Protocols::default()).unwrap());
    let running = start_with(Limits::default(), Some(Arc::clone(&tls)));

    let (trusts_first, trusts_other) = (trusting(&[first], &[]), trusting(&[other], &[]));
    for (config, name, good) in [
        (&trusts_first, "shop.example", true),
        (&trusts_first, "cdn.shop.example", true),
        // An exact name wins over a wildcard, and a wildcard is one level.
        (&trusts_first, "www.shop.example", false),
        (&trusts_other, "www.shop.example", true),
        (&trusts_other, "blog.example", true),
        (&trusts_first, "a.b.shop.example", false),
    ] {
        assert_eq!(connect(&running, config, name).await.is_ok(), good, "{name}");
    }

    let mut old = connect(&running, &trusts_first, "shop.example").await.unwrap();
    let mut certificates = Certificates::new();
    certificates.add_files(&other_chain, &other_key).unwrap();
    tls.replace(certificates, Sites::anybody(Protocols::default())).unwrap();
    assert_eq!(statuses(&ask(&mut old, "/still").await), [200]);
    assert!(connect(&running, &trusting(&[], &[]), "blog.example").await.is_err());
    assert!(connect(&running, &trusts_other, "blog.example").await.is_ok());

    assert!(tls.replace(Certificates::new(), Sites::anybody(Protocols::default())).is_err());
    assert!(Certificates::new().add_files(&chain, &other_key).is_err());
    let missing = Certificates::new().add_files(&chain.with_extension("gone"), &key).unwrap_err();
    assert!(missing.to_string().contains("chain.gone"), "{missing}");
}

fn mode(path: PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_ca_is_made_once_and_its_key_is_private() {
    let directory = empty_directory("modes");
    let first = LocalCa::open(&directory, now()).unwrap();
    assert_eq!(mode(directory.clone()), 0o700);
    assert_eq!(mode(directory.join("ca.key")), 0o600);
    assert_eq!(first.certificate_path(), directory.join("ca.pem"));
    let second = LocalCa::open(&directory, now()).unwrap();
    assert_eq!(first.certificate(), second.certificate());
}

#[test]
fn first_starts_at_once_agree() {
    let directory = empty_directory("at-once");
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let directory = directory.clone();
            std::thread::spawn(move || LocalCa::open(&directory, now()).unwrap().certificate().clone())
        })
        .collect();
    let certificates: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
    assert!(certificates.iter().all(|certificate| *certificate == certificates[0]));
}

#[test]
fn a_first_start_that_was_cut_off_is_completed() {
    let directory = empty_directory("cut-off");
    LocalCa::open(&directory, now()).unwrap();
    fs::remove_file(directory.join("ca.pem")).unwrap();
    fs::write(directory.join("ca.new"), "half a file").unwrap();
    LocalCa::open(&directory, now()).unwrap();
}

#[test]
fn what_is_damaged_or_open_is_refused_with_what_to_do() {
    let refused = |name: &str, damage: &dyn Fn(&PathBuf)| {
        let directory = empty_directory(name);
        LocalCa::open(&directory, now()).unwrap();
        damage(&directory);
        let before = fs::read(directory.join("ca.key")).ok();
        let error = LocalCa::open(&directory, now()).unwrap_err();
        assert_eq!(fs::read(directory.join("ca.key")).ok(), before, "{name}: nothing is repaired in silence");
        error
    };
    let open = refused("open", &|path| {
        fs::set_permissions(path.join("ca.key"), fs::Permissions::from_mode(0o640)).unwrap();
    });
    assert!(matches!(open, CaError::KeyIsReadableByOthers(_, 0o640)));
    assert!(open.to_string().contains("chmod 600 ") && open.to_string().contains("ca.key"), "{open}");
    let key = refused("key", &|path| fs::write(path.join("ca.key"), "junk").unwrap());
    assert!(matches!(key, CaError::Damaged(..)), "{key}");
    let certificate = refused("certificate", &|path| fs::write(path.join("ca.pem"), "junk").unwrap());
    assert!(matches!(certificate, CaError::Damaged(..)), "{certificate}");
    let missing = refused("missing", &|path| fs::remove_file(path.join("ca.key")).unwrap());
    assert!(matches!(missing, CaError::KeyIsMissing(_)), "{missing}");
    let swapped = refused("swapped", &|path| {
        let other = empty_directory("swapped-other");
        LocalCa::open(&other, now()).unwrap();
        fs::copy(other.join("ca.pem"), path.join("ca.pem")).unwrap();
    });
    assert!(swapped.to_string().contains("not the certificate of ca.key"), "{swapped}");
}

#[test]
fn leaves_are_renewed_before_they_end() {
    let start = UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    let ca = LocalCa::open(&empty_directory("renewal"), start).unwrap();
    let leaf = ca.leaf(&["www.example.com"], start).unwrap();
    assert_eq!(leaf.renew_at, start + Duration::from_secs(80 * 24 * 60 * 60));
    assert!(ca.leaf(&["not a name\u{e9}"], start).is_err());
}

#[tokio::test]
async fn interim_responses_do_not_wait_for_the_answer() {
    let (running, root) = start_minting("interim", Limits::default(), Protocols::Http1);
    let mut stream = connect(&running, &trusting(&[root], &["http/1.1"]), "www.example.com").await.unwrap();
    assert!(ask(&mut stream, "/hints").await.starts_with("HTTP/1.1 103 Early Hints\r\n"));
    assert_eq!(read_answer(&mut stream).await, "HTTP/1.1 102 Processing\r\n\r\n");
    assert_eq!(statuses(&read_answer(&mut stream).await), [200]);
}
