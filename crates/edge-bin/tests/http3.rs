//! The program over HTTP/3, asked by aioquic, which reads RFC 9000, RFC 9114 and RFC 9204 in its own way.
//!
//! `tools/python-tools` installs it when it is not there yet.

#![cfg(feature = "http3")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{DISTRIBUTION, Directory, Running, installed_list, origin, serve};

fn document(version: &str, alias: &str) -> String {
    let mut config: Value = serde_json::from_str(DISTRIBUTION).unwrap();
    config["CallerReference"] = json!(alias);
    config["HttpVersion"] = json!(version);
    config["Aliases"] = json!({ "Quantity": 1, "Items": [alias] });
    config.to_string()
}

/// What the viewer was answered, or that the connection came to nothing.
fn asked(running: &Running, name: &str, requests: &Value) -> Value {
    let ca = running.said.iter().find_map(|line| line.strip_prefix("local CA ")).unwrap();
    let ca = ca.split(" (").next().unwrap();
    let port = running.address("https").port();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http3/viewer.py");
    let mut child = Command::new(installed_list("python-tools", &["http3"]).join("python"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let orders = json!({ "name": name, "port": port, "ca": ca,
        "requests": requests });
    child.stdin.take().unwrap().write_all(orders.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the viewer failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn another_client_is_served() {
    let page: &str = Box::leak("0123456789abcdef".repeat(1 << 16).into_boxed_str());
    let directory = Directory::new("http3");
    let three = directory.write("three.json", &document("http2and3", "three.example.com"));
    let two = directory.write("two.json", &document("http2", "two.example.com"));
    let mut command = serve(&directory, &three, origin(page));
    let running = Running::start(command.arg(&two));
    assert_eq!(running.address("http3"), running.address("https"));

    let (host, agent) = ("three.example.com", "a".repeat(300));
    let get = json!({ "method": "GET", "host": host, "path": "/", "fields": { "user-agent": agent } });
    let answers = asked(
        &running,
        host,
        &json!([
            get,
            get,
            { "method": "GET", "host": host, "path": "/", "fields": { "range": "bytes=16-31" } },
            { "method": "POST", "host": host, "path": "/", "body": "x".repeat(100_000) },
            { "method": "GET", "host": host, "path": format!("/{}", "long".repeat(3_000)) },
        ]),
    );
    // HEAD is not asked: aioquic takes a length without a body for a mistake, whatever the method.
    let is = |at: usize| {
        let answer = &answers[at];
        (answer["fields"][":status"].as_str().unwrap(), answer["length"].as_u64().unwrap())
    };
    assert_eq!([is(0), is(1), is(2)], [("200", 1 << 20), ("200", 1 << 20), ("206", 16)]);
    assert_eq!((is(3).0, is(4).0), ("403", "414"));
    assert_eq!(answers[0]["sha256"], answers[1]["sha256"]);
    assert_eq!(answers[0]["fields"]["x-cache"], "Miss from cloudfront");
    assert_eq!(answers[1]["fields"]["x-cache"], "Hit from cloudfront");
    let offer = format!("h3=\":{}\"; ma=86400", running.address("https").port());
    assert_eq!(answers[1]["fields"]["alt-svc"], offer);

    let refused = asked(&running, "two.example.com", &json!([get]));
    assert!(refused["refused"].is_string(), "{refused}");
    running.signal("-TERM");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn it_can_be_left_out() {
    let directory = Directory::new("no-http3");
    let config = directory.write("three.json", &document("http3", "three.example.com"));
    let running = Running::start(serve(&directory, &config, origin("page")).arg("--no-http3"));
    assert!(!running.said.iter().any(|line| line.starts_with("listening http3")), "{:?}", running.said);
    // The port is free for others.
    std::net::UdpSocket::bind(running.address("https")).unwrap();
}
