//! `edge-bin load` against a server that misbehaves on request: every request must end in the right count.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests too")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A server on a port of its own, stopped when dropped.
struct Origin {
    address: SocketAddr,
    /// What each request asked for, in the order of arrival: the path, and a few of its headers.
    seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Origin {
    /// HTTP/1.1 and HTTP/2, with TLS if there is an acceptor.
    fn http(tls: Option<TlsAcceptor>) -> Origin {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let for_requests = seen.clone();
        let mut origin = Origin::tcp(move |stream| {
            let (tls, seen) = (tls.clone(), for_requests.clone());
            async move {
                let Some(tls) = tls else {
                    let mut start = [0; 3];
                    let is_h2 = stream.peek(&mut start).await.is_ok() && start == *b"PRI";
                    return serve(stream, is_h2, seen).await;
                };
                // What the viewer makes of a failed handshake is the test's business.
                if let Ok(stream) = tls.accept(stream).await {
                    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    serve(stream, is_h2, seen).await;
                }
            }
        });
        origin.seen = seen;
        origin
    }

    /// Whatever `answer` does with each connection.
    fn tcp<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> Origin
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
        Origin { address, seen: Arc::default(), _runtime: runtime }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }
}

async fn serve<S>(stream: S, is_h2: bool, seen: Arc<Mutex<Vec<(String, HeaderMap)>>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |request: Request<Incoming>| {
        seen.lock().unwrap().push((request.uri().path().to_owned(), request.headers().clone()));
        answer(request)
    });
    let io = TokioIo::new(stream);
    let _ = match is_h2 {
        true => http2::Builder::new(TokioExecutor::new()).serve_connection(io, answer).await,
        false => http1::Builder::new().serve_connection(io, answer).await,
    };
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = Response::builder();
    let body = |text: &str| Full::new(Bytes::copy_from_slice(text.as_bytes()));
    Ok(match request.uri().path() {
        // hyper would send the body after all: on HTTP/2 it leaves HEAD to the service.
        "/hit" if request.method() == Method::HEAD => response.header("content-length", "5").body(body("")),
        "/hit" => response.header("x-cache", "Hit from cloudfront").body(body("12345")),
        "/miss" => response.header("x-cache", "Miss from cloudfront").body(body("123")),
        "/500" => response.status(500).body(body("oops")),
        "/304" => response.status(304).header("content-length", "5").body(body("")),
        "/echo" => {
            let sent = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
            response.body(Full::new(sent))
        }
        "/never" => std::future::pending().await,
        _ => response.body(body("12")),
    }
    .unwrap())
}

fn load(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_edge-bin")).arg("load").args(args).output().unwrap()
}

/// The report and the exit code of a run that must print a report.
fn report(args: &[&str]) -> (Value, i32) {
    let output = load(&[&["--json"], args].concat());
    let report = serde_json::from_slice(&output.stdout);
    let report = report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code().unwrap())
}

fn file(name: &str, content: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn counts_by_x_cache_status_and_protocol() {
    for (protocol, flag) in [("h1", "--h1"), ("h2", "--h2")] {
        let origin = Origin::http(None);
        let (hit, miss, other) = (origin.url("/hit"), origin.url("/miss"), origin.url("/"));
        let (report, code) = report(&[flag, "-c2", "-n400", &hit, &hit, &miss, &other]);
        assert_eq!(code, 0);
        assert_eq!(report["responses"], 400);
        assert_eq!(report["requests"], 400);
        assert_eq!(report["x_cache"], json!({"Hit": 200, "Miss": 100, "none": 100}));
        assert_eq!(report["status"], json!({"200": 400}));
        assert_eq!(report["body_bytes"], 200 * 5 + 100 * 3 + 100 * 2);
        assert_eq!(report["protocol"][protocol], 400);
        assert_eq!(report["connects"], 2);
        assert_eq!(report["failed"], 0);
        assert_eq!(origin.paths().len(), 400);
        let latency = &report["latency_us"];
        let times = ["min", "p50", "p90", "p99", "p99_9", "max"].map(|name| latency[name].as_u64().unwrap());
        assert!(times.is_sorted(), "{latency}");
    }
}

#[test]
fn threads_share_the_requests() {
    let origin = Origin::http(None);
    let (report, code) = report(&["--threads=3", "-c7", "-n500", &origin.url("/hit")]);
    assert_eq!((&report["responses"], &report["threads"], code), (&json!(500), &json!(3), 0));
}

#[test]
fn a_5xx_fails_only_when_asked() {
    let origin = Origin::http(None);
    let (hit, broken) = (origin.url("/hit"), origin.url("/500"));
    let (report_one, code) = report(&["-c1", "-n10", &hit, &broken]);
    assert_eq!((code, &report_one["failed"]), (0, &json!(0)));
    assert_eq!(report_one["status"], json!({"200": 5, "500": 5}));
    let (report_two, code) = report(&["-c1", "-n10", "--fail-on-status", &hit, &broken]);
    assert_eq!((code, &report_two["failed"]), (1, &json!(5)));
}

#[test]
fn a_length_without_a_body_is_no_short_body() {
    let origin = Origin::http(None);
    for flag in ["--h1", "--h2"] {
        assert_eq!(report(&[flag, "-n5", &origin.url("/304")]).0["status"], json!({"304": 5}));
        let (head, code) = report(&[flag, "-n5", "--method=HEAD", &origin.url("/hit")]);
        assert_eq!((&head["responses"], &head["body_bytes"], code), (&json!(5), &json!(0), 0), "{head}");
    }
}

/// A server of bytes: reads a request's head, writes `answer`, closes.
fn bytes_origin(answer: &'static [u8]) -> Origin {
    Origin::tcp(move |mut stream| async move {
        let mut head = [0; 4096];
        if stream.read(&mut head).await.is_ok_and(|length| length > 0) {
            let _ = stream.write_all(answer).await;
        }
    })
}

#[test]
fn errors_have_kinds() {
    let cases: [(&[u8], &str); 5] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "short_body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-", "closed"),
        (b"", "closed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "protocol"),
    ];
    for (answer, kind) in cases {
        let origin = bytes_origin(answer);
        let (report, code) = report(&["-c1", "-n3", &origin.url("/")]);
        assert_eq!(report["errors"][kind], 3, "{report}");
        assert_eq!((&report["failed"], &report["responses"], code), (&json!(3), &json!(0), 1));
        assert!(report["error_examples"][kind].as_str().is_some_and(|text| !text.is_empty()));
    }
}

/// HTTP/2 by hand: the empty SETTINGS, then what follows the viewer's first bytes.
fn h2_origin(frames: &'static [u8]) -> Origin {
    Origin::tcp(move |mut stream| async move {
        let mut buffer = [0; 4096];
        let _ = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
        // The request's stream is 1; wait for its HEADERS so that answering it is allowed.
        let mut seen = Vec::new();
        while !seen.windows(9).any(|head| head[3] == 1 && head[5..9] == [0, 0, 0, 1]) {
            match stream.read(&mut buffer).await {
                Ok(length) if length > 0 => seen.extend_from_slice(&buffer[..length]),
                _ => return,
            }
        }
        let _ = stream.write_all(frames).await;
        while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
    })
}

#[test]
fn h2_bodies_are_checked_too() {
    // HEADERS with :status 200 and content-length 10 (literal, indexed name 28), then half a body.
    const HEAD: [u8; 14] = [0, 0, 5, 1, 4, 0, 0, 0, 1, 0x88, 0x5c, 2, b'1', b'0'];
    let short: &[u8] = &[&HEAD[..], b"\x00\x00\x05\x00\x01\x00\x00\x00\x01short"].concat();
    let reset: &[u8] = &[
        &HEAD[..],
        b"\x00\x00\x05\x00\x00\x00\x00\x00\x01short\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x02",
    ]
    .concat();
    let unsized_head = b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\x88";
    let cancelled: &[u8] = &[
        &unsized_head[..],
        b"\x00\x00\x05\x00\x00\x00\x00\x00\x01short\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08",
    ]
    .concat();
    for (frames, kind) in [(short, "short_body"), (reset, "closed"), (cancelled, "closed")] {
        let origin = h2_origin(frames.to_vec().leak());
        let (report, code) = report(&["--h2", "--streams=1", "-c1", "-n1", &origin.url("/")]);
        assert_eq!((&report["errors"][kind], code), (&json!(1), 1), "{report}");
    }
}

#[test]
fn a_server_that_never_answers_is_a_timeout() {
    let origin = Origin::http(None);
    for flag in ["--h1", "--h2"] {
        let args = [flag, "-c2", "--streams=1", "-n2", "--timeout=100ms", &origin.url("/never")];
        let (report, code) = report(&args);
        assert_eq!((&report["errors"]["timeout"], code), (&json!(2), 1), "{report}");
    }
}

#[test]
fn nobody_listening_ends_the_run() {
    let bound = tokio::net::TcpSocket::new_v4().unwrap(); // and never listening: the port stays ours
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", bound.local_addr().unwrap());
    let (report, code) = report(&["-c1", "-d1h", &url]);
    assert_eq!((&report["gave_up"], code), (&json!(true), 1));
    assert_eq!(report["errors"]["connect"], report["failed"]);
}

#[test]
fn a_connection_closed_between_requests_costs_no_request() {
    // One response for each connection, closed without a word in its header.
    let origin = Origin::tcp(|mut stream| async move {
        let mut head = [0; 4096];
        for answers_left in [true, false] {
            if !stream.read(&mut head).await.is_ok_and(|length| length > 0) || !answers_left {
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    });
    let (report, code) = report(&["-c1", "-n5", &origin.url("/")]);
    assert_eq!((&report["responses"], &report["retried"], code), (&json!(5), &json!(4), 0), "{report}");
}

#[test]
fn rate_and_duration_bound_the_requests() {
    let origin = Origin::http(None);
    let (by_number, code) = report(&["--rate=100", "-n20", "-c3", &origin.url("/hit")]);
    assert_eq!((&by_number["responses"], code), (&json!(20), 0));
    assert!(by_number["elapsed_s"].as_f64().unwrap() >= 0.19, "the last one is due after 190 ms");
    let (by_time, code) = report(&["--rate=100", "-d200ms", "-c3", &origin.url("/hit")]);
    assert_eq!(code, 0);
    assert!((1..=20).contains(&by_time["responses"].as_u64().unwrap()), "{by_time}");
}

#[test]
fn headers_and_bodies_are_sent() {
    let origin = Origin::http(None);
    let agents = file("agents.txt", "phone\n\n# a comment\ntablet\n");
    let body = file("body.txt", "payload");
    let (agents, body) = (agents.to_str().unwrap(), body.to_str().unwrap());
    for flag in ["--h1", "--h2"] {
        origin.seen.lock().unwrap().clear();
        let args =
            [flag, "-c1", "--streams=1", "-n4", "--vary-header", "User-Agent", agents, "-H", "X-One: 1"];
        let (report, code) = report(&[&args[..], &["--body", body, &origin.url("/echo")]].concat());
        assert_eq!((&report["body_bytes"], code), (&json!(4 * 7), 0));
        let seen = origin.seen.lock().unwrap();
        let sent: Vec<_> = seen.iter().map(|(_, headers)| headers["user-agent"].to_str().unwrap()).collect();
        assert_eq!(sent, ["phone", "tablet", "phone", "tablet"]);
        assert!(seen.iter().all(|(_, headers)| headers["x-one"] == "1"));
    }
}

#[test]
fn a_seed_draws_the_same_urls_again() {
    let urls = |seed: &str| {
        let origin = Origin::http(None);
        let list: String = (0..10).map(|n| origin.url(&format!("/{n}\n"))).collect();
        let list = file(&format!("urls-{}.txt", origin.address.port()), &list);
        report(&["-c1", "-n20", seed, "--urls", list.to_str().unwrap()]);
        origin.paths()
    };
    let first = urls("--seed=1");
    assert_eq!(first, urls("--seed=1"));
    assert_ne!(first, urls("--seed=2"));
}

#[test]
fn names_lead_where_told() {
    let origin = Origin::http(None);
    let address = origin.address.to_string();
    let (_, code) = report(&["-n2", "-c1", "--connect-to", &address, "http://www.example.com/hit"]);
    assert_eq!(code, 0);
    let port = origin.address.port();
    let route = format!("shop.example.com:{port}:127.0.0.1");
    let url = format!("http://shop.example.com:{port}/hit");
    assert_eq!(report(&["-n1", "-c1", "--resolve", &route, &url]).1, 0);
    let hosts: Vec<_> =
        origin.seen.lock().unwrap().iter().map(|(_, headers)| headers["host"].clone()).collect();
    assert_eq!(hosts, ["www.example.com", "www.example.com", &format!("shop.example.com:{port}")]);
}

#[test]
fn tls_is_verified_and_negotiated() {
    let key = rcgen::generate_simple_self_signed(["www.example.com".to_owned()]).unwrap();
    let pem = file("ca.pem", &key.cert.pem());
    let secret = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], secret)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let origin = Origin::http(Some(TlsAcceptor::from(Arc::new(config))));
    let address = origin.address.to_string();
    let ask = |args: &[&str]| {
        report(&[args, &["-c1", "-n10", "--connect-to", &address, "https://www.example.com/hit"]].concat())
    };
    let cacert = ["--cacert", pem.to_str().unwrap()];
    assert_eq!(ask(&cacert).0["protocol"], json!({"h1": 0, "h2": 10}));
    assert_eq!(ask(&["--insecure", "--h2"]).0["protocol"], json!({"h1": 0, "h2": 10}));
    assert_eq!(ask(&["--insecure", "--h1"]).0["protocol"], json!({"h1": 10, "h2": 0}));
    let unknown =
        file("other.pem", &rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap().cert.pem());
    let (report, code) = ask(&["--cacert", unknown.to_str().unwrap()]);
    assert_eq!((&report["errors"]["tls"], code), (&report["failed"], 1), "{report}");
}

#[test]
fn text_names_what_went_wrong_and_what_to_try() {
    let origin = bytes_origin(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort");
    let output = load(&["-c1", "-n2", &origin.url("/")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("short_body × 2") && text.contains("hint: "), "{text}");
    assert!(output.stderr.is_empty(), "no progress without a terminal");
}

#[test]
fn bad_usage_is_2() {
    let cases: [&[&str]; 5] =
        [&[], &["127.0.0.1"], &["-c0", "http://a/"], &["--h1", "--h2", "http://a/"], &["--urls=/nowhere"]];
    for args in cases {
        let output = load(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{args:?}");
    }
}

/// The signal is sent by the shell's own kill, once the server has seen a request.
#[cfg(unix)]
#[test]
fn ctrl_c_still_reports() {
    let origin = Origin::http(None);
    let child = Command::new(env!("CARGO_BIN_EXE_edge-bin"))
        .args(["load", "--json", "-c1", "-d1h", "--timeout=1h", &origin.url("/hit"), &origin.url("/never")])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while origin.paths().len() < 2 {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["interrupted"], true);
    assert_eq!((&report["responses"], &report["unfinished"]), (&json!(1), &json!(1)));
    assert_eq!(output.status.code(), Some(0));
}
