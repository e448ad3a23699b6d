//! What botocore and the AWS SDK for JavaScript signed is taken, and with any one byte changed it is not.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::distribution::PublicKey;
use crate::viewer::{Scheme, Stream};

/// The second cases begin at; everything is signed for an hour from then on.
const START: u64 = 1_767_225_600;

fn trusted() -> Trusted {
    let key = |id: &str, pem| (id.to_owned(), PublicKey::from_pem(pem).unwrap());
    Trusted::new(vec![
        key("K2RSATESTKEY01", include_str!("../../../../../fixtures/signing/rsa.pub.pem")),
        key("K3ECDSATESTKEY", include_str!("../../../../../fixtures/signing/ecdsa.pub.pem")),
    ])
}

/// `url` and `cookies` of each, by its name.
fn signed() -> BTreeMap<String, BTreeMap<String, String>> {
    serde_json::from_str(include_str!("../../../../../fixtures/signing/signed.json")).unwrap()
}

/// A request for a URL of the site; `None` where it is none.
fn request(target: &[u8], cookies: &[u8]) -> Option<Request> {
    let target = PathAndQuery::try_from(target).ok()?;
    let mut build = http::Request::get(target.as_str()).header("host", "www.example.com");
    if !cookies.is_empty() {
        build = build.header(COOKIE, HeaderValue::from_bytes(cookies).ok()?);
    }
    let (parts, ()) = build.body(()).ok()?.into_parts();
    Request::read(parts, Scheme::Https, Stream::Ended, "192.0.2.2:40000".parse().unwrap()).ok()
}

fn judge(trusted: &Trusted, request: &Request) -> Result<Signed, Denied> {
    check(trusted, request, UNIX_EPOCH + Duration::from_secs(START))
}

/// Those of real clients that are good for `/film.mp4` at the start: where botocore and the SDK say so.
const CLIENTS: [&str; 14] = [
    "canned",
    "canned-query",
    "canned-sha256",
    "canned-ecdsa",
    "canned-ecdsa-sha256",
    "custom",
    "custom-sha256",
    "custom-ecdsa",
    "js-canned",
    "js-canned-query",
    "js-canned-sha256",
    "js-custom",
    "js-ecdsa",
    "js-folder",
];

fn target(url: &str) -> &str {
    url.strip_prefix("https://www.example.com").unwrap()
}

#[test]
fn what_clients_sign_is_taken() {
    let (trusted, signed) = (trusted(), signed());
    for name in CLIENTS {
        let (url, cookies) = (&signed[name]["url"], &signed[name]["cookies"]);
        let by_url = judge(&trusted, &request(target(url).as_bytes(), b"").unwrap()).expect(name);
        assert_eq!(by_url.carrier, Carrier::Url, "{name}");
        let unsigned = format!("/film.mp4{}", if url.contains("size=large") { "?size=large" } else { "" });
        let by_cookies = request(unsigned.as_bytes(), cookies.as_bytes()).unwrap();
        let by_cookies = judge(&trusted, &by_cookies).expect(name);
        assert_eq!(by_cookies, Signed { carrier: Carrier::Cookies, ..by_url }, "{name}");
    }
}

/// What is put in the place of a byte: four of these, by its place, and what comes after it in the alphabet, which in
/// the last letter of base64 differs in bits nobody reads.
fn others(byte: u8, at: usize) -> impl Iterator<Item = u8> {
    const OTHERS: &[u8] = b"Aa0-_~+/=%&;?.\"{";
    let some = OTHERS.iter().copied().skip(at % 4).step_by(4);
    some.chain([byte + 1]).filter(move |&other| other != byte)
}

/// In a Cookie field these make no difference: what stands between two pairs is white space or nothing.
fn means_the_same(cookies: &[u8], at: usize, other: u8) -> bool {
    cookies[at] == b' ' && at > 0 && cookies[at - 1] == b';' && matches!(other, b';' | b'\t')
}

/// Changes each byte of what carries a signature, from one on; how many requests that were.
fn change(name: &str, text: &[u8], from: usize, request: impl Fn(&[u8]) -> Option<Request>) -> usize {
    let trusted = trusted();
    let mut tried = 0;
    for at in from..text.len() {
        for other in others(text[at], at) {
            let mut changed = text.to_vec();
            changed[at] = other;
            let Some(request) = request(&changed) else { continue };
            tried += 1;
            let taken = judge(&trusted, &request).is_ok();
            let changed = String::from_utf8_lossy(&changed);
            assert_eq!(taken, means_the_same(text, at, other), "{name}, byte {at}: {changed}");
        }
    }
    tried
}

#[test]
fn no_byte_can_be_changed() {
    let signed = signed();
    let mut tried = 0;
    for name in CLIENTS {
        let (url, cookies) = (target(&signed[name]["url"]).as_bytes(), signed[name]["cookies"].as_bytes());
        let unsigned: &[u8] =
            if url.windows(5).any(|at| at == b"size=") { b"/film.mp4?size=large" } else { b"/film.mp4" };
        // The path of a policy for a folder may be another.
        let from = if name == "js-folder" { b"/film.mp4".len() } else { 1 };
        tried += change(name, url, from, |url| request(url, b""));
        tried += change(name, cookies, 0, |cookies| request(unsigned, cookies));
    }
    assert!(tried > 50_000, "{tried} is too few");
}

#[test]
fn nothing_can_be_left_out() {
    let (trusted, signed) = (trusted(), signed());
    for name in CLIENTS {
        let (url, cookies) = (target(&signed[name]["url"]), &signed[name]["cookies"]);
        for (separator, text) in [("&", url), ("; ", cookies)] {
            let (head, fields) =
                text.split_once('?').map_or(("", text), |(_, fields)| ("/film.mp4?", fields));
            let fields: Vec<&str> = fields.split(separator).collect();
            for at in 0..fields.len() {
                let mut fewer = fields.clone();
                fewer.remove(at);
                let fewer = fewer.join(separator);
                let request = match head {
                    "" => request(b"/film.mp4", fewer.as_bytes()),
                    _ => request(format!("{head}{fewer}").as_bytes(), b""),
                };
                assert!(judge(&trusted, &request.unwrap()).is_err(), "{name} without {}", fields[at]);
            }
        }
    }
}

#[test]
fn seconds_are_whole() {
    let (trusted, signed) = (trusted(), signed());
    let after = request(target(&signed["after"]["url"]).as_bytes(), b"").unwrap();
    let at = |milliseconds: u64| check(&trusted, &after, UNIX_EPOCH + Duration::from_millis(milliseconds));
    let (from, until) = ((START + 60) * 1000, (START + 3600) * 1000);
    assert_eq!(at(from).unwrap_err(), Denied::NotYet);
    assert_eq!(at(from + 999).unwrap_err(), Denied::NotYet, "the second lasts");
    assert!(at(from + 1000).is_ok() && at(until - 1).is_ok());
    assert_eq!(at(until).unwrap_err(), Denied::Expired);
    let before_1970 = check(&trusted, &after, UNIX_EPOCH - Duration::from_secs(1));
    assert_eq!(before_1970.unwrap_err(), Denied::NotYet);
}

#[test]
fn what_signed_a_request_is_gone() {
    let stripped = |target: &str, cookies: &str| {
        let mut request = request(target.as_bytes(), cookies.as_bytes()).unwrap();
        strip(&mut request);
        let cookies = request.headers.get(COOKIE).map(|value| value.to_str().unwrap().to_owned());
        (request.target.to_string(), cookies)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(stripped("/a?Expires=1&Signature=2", "CloudFront-Policy=1"), ("/a".to_owned(), None));
    assert_eq!(
        stripped("/a?b=1&Policy=1&c", "a=1; CloudFront-Signature=1;b=2; CloudFront-Other=3"),
        ("/a?b=1&c".to_owned(), some("a=1; b=2; CloudFront-Other=3"))
    );
    assert_eq!(stripped("/a?b=%41&&", "a=1;; $b = 2"), ("/a?b=%41&&".to_owned(), some("a=1;; $b = 2")));
}
