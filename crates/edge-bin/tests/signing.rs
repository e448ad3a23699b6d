//! AWS's own signers against a running edge: botocore's `CloudFrontSigner` and the AWS SDK for JavaScript's
//! `@aws-sdk/cloudfront-signer`, with the key of `fixtures/signing`. What they sign is served; with any byte changed it
//! is not.
//!
//! `tools/node-tools` and `tools/python-tools` install both when they are not there yet.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use edge_core::proxy::clock::Clock;

use serde_json::{Value, json};
use support::{DISTRIBUTION, Directory, Running, ask, edge, installed, origin, serve};

const KEY_ID: &str = "K2RSATESTKEY01";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/signing").join(name)
}

/// A site that wants signatures of everything.
fn document() -> String {
    let mut config: Value = serde_json::from_str(DISTRIBUTION).unwrap();
    config["DefaultCacheBehavior"]["TrustedKeyGroups"] =
        json!({ "Enabled": true, "Quantity": 1, "Items": ["group"] });
    let pem = std::fs::read_to_string(fixture("rsa.pub.pem")).unwrap();
    let key = json!({ "CallerReference": "key", "Name": "key", "EncodedKey": pem });
    json!({
        "DistributionConfig": config,
        "KeyGroups": [{ "Id": "group", "KeyGroupConfig": { "Name": "group", "Items": [KEY_ID] } }],
        "PublicKeys": [{ "Id": KEY_ID, "PublicKeyConfig": key }],
    })
    .to_string()
}

/// What a program makes of these orders.
fn signed_by(command: &mut Command, orders: &[Value]) -> Vec<Value> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(json!(orders).to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signing").join(name)
}

/// In what a request carries its signature.
#[derive(Clone, Copy)]
enum Carrier {
    Url,
    Cookies,
}

/// The answer to a request for the film.
fn film(addr: SocketAddr, carrier: Carrier, text: &str) -> String {
    match carrier {
        Carrier::Url => ask(addr, "GET", &format!("/film.mp4?{text}"), "Host: localhost\r\n", ""),
        Carrier::Cookies => {
            ask(addr, "GET", "/film.mp4", &format!("Host: localhost\r\nCookie: {text}\r\n"), "")
        }
    }
}

/// It is served as it is, and with no byte of it changed.
fn holds(addr: SocketAddr, who: &str, carrier: Carrier, text: &str) {
    let response = film(addr, carrier, text);
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("hello"), "{who}: {response}");
    for (at, &byte) in text.as_bytes().iter().enumerate() {
        let is_between = |c: u8| c == b' ';
        // Any letter but the one that is there; none is white space, which between two cookies is as good as another.
        let other = if byte == b'A' || is_between(byte) { b'B' } else { b'A' };
        let mut changed = text.as_bytes().to_vec();
        changed[at] = other;
        let changed = String::from_utf8(changed).unwrap();
        let response = film(addr, carrier, &changed);
        assert!(response.starts_with("HTTP/1.1 403 "), "{who}, byte {at}: {changed}: {response}");
    }
}

#[test]
fn what_the_signers_of_aws_sign_is_served_and_nothing_else() {
    let (node, python) = (installed("node-tools"), installed("python-tools"));
    let directory = Directory::new("signing");
    let config = directory.write("d.json", &document());
    let running = Running::start(&mut serve(&directory, &config, origin("hello")));
    let http = running.address("http");
    let unsigned = film(http, Carrier::Url, "");
    assert!(
        unsigned.starts_with("HTTP/1.1 403 ") && unsigned.contains("<Code>MissingKey</Code>"),
        "{unsigned}"
    );

    // The address is loopback's, and the clock the machine's.
    let now = Clock::system().now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (url, key) = ("http://localhost/film.mp4", fixture("rsa.pem"));
    let orders = [
        json!({ "url": url, "until": now + 3600, "key": key, "id": KEY_ID }),
        json!({ "url": url, "until": now + 3600, "after": now - 60, "ip": "127.0.0.0/8", "key": key, "id": KEY_ID, "hash": "SHA256" }),
        json!({ "url": url, "until": now - 1, "key": key, "id": KEY_ID }),
        json!({ "url": url, "until": now + 3600, "ip": "192.0.2.1", "key": key, "id": KEY_ID }),
    ];
    let botocore = signed_by(Command::new(python.join("python3")).arg(script("with_botocore.py")), &orders);
    let sdk =
        signed_by(Command::new(python.join("node")).arg(script("with_aws_sdk.mjs")).arg(&node), &orders);
    for (who, signed) in [("botocore", botocore), ("the AWS SDK for JavaScript", sdk)] {
        let carried = |order: usize| {
            let url = signed[order]["url"].as_str().unwrap();
            let query = url.split_once('?').unwrap().1.to_owned();
            [(Carrier::Url, query), (Carrier::Cookies, signed[order]["cookies"].as_str().unwrap().to_owned())]
        };
        for (carrier, text) in carried(0).into_iter().chain(carried(1)) {
            holds(http, who, carrier, &text);
        }
        for (carrier, text) in carried(2).into_iter().chain(carried(3)) {
            let response = film(http, carrier, &text);
            assert!(response.contains("<Code>AccessDenied</Code>"), "{who}: {response}");
        }
    }
}

#[test]
fn explain_tells_the_verdict() {
    let directory = Directory::new("signing-explained");
    let config = directory.write("d.json", &document());
    let signed: Value =
        serde_json::from_str(&std::fs::read_to_string(fixture("signed.json")).unwrap()).unwrap();
    let explained = |name: &str| {
        let url = signed[name]["url"].as_str().unwrap().replace("www.example.com", "localhost");
        let output = edge().arg("explain").arg(&config).args(["--url", &url]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let good = explained("everything-for-long");
    assert!(
        good.contains("a signed URL with a custom policy, key K2RSATESTKEY01, SHA1: good before"),
        "{good}"
    );
    assert!(
        good.contains("GET http://site.example.com/film.mp4   <-"),
        "the origin sees nothing of it: {good}"
    );
    let bad = explained("canned-end");
    assert!(bad.contains("403 AccessDenied: the key's holder did not sign this"), "{bad}");
}
