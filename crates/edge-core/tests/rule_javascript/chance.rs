//! Rules and requests nobody thought of, near each other: each is made of a seed, so what fails can be had again.

use std::fmt;

use edge_core::distribution::Rule;
use serde_json::{Value, json};

/// The exchange's.
pub(super) const ID: &str = "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==";

/// Splitmix64.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

/// Names that arguments and cookies have, and rules know; some of them mean something to JavaScript or to patterns.
const NAMES: [&str; 32] = [
    "a",
    "b",
    "aa",
    "ab",
    "A",
    "utm_source",
    "utm_",
    "utm",
    "gclid",
    "PHPSESSID",
    "wordpress_logged_in_x",
    "add-to-cart",
    "constructor",
    "__proto__",
    "toString",
    "hasOwnProperty",
    "length",
    "a.b",
    "a+b",
    "a[]",
    "a%5B%5D",
    "%61",
    "a|b",
    "^a",
    "a$",
    "(a)",
    "a*",
    "a\\d",
    "a/b",
    "~",
    "!",
    "0",
];

/// Values, evil ones among them.
const VALUES: [&str; 20] = [
    "",
    "1",
    "2",
    "x=y",
    "%",
    "%zz",
    "%2f",
    "%2F",
    "+",
    "?",
    "??",
    "/",
    "a;b",
    "%00",
    "%C3%A9",
    "{\"a\":1}",
    "'",
    "~",
    ",",
    "1,2",
];

fn entries(chance: &mut Chance) -> Vec<String> {
    let count = chance.below(6);
    let mut entries: Vec<String> = (0..count)
        .map(|_| {
            let name = chance.of(&NAMES);
            if chance.one_in(3) {
                format!("{}*", &name[..chance.below(name.len() + 1)])
            } else {
                name.to_owned()
            }
        })
        .collect();
    if chance.one_in(40) {
        entries.push(String::new()); // the name that is empty
    }
    if chance.one_in(4) {
        entries.extend((0..50).map(|n| format!("tracker_{n}")));
    }
    entries
}

/// Any rule.
pub(super) fn rule(chance: &mut Chance) -> Rule {
    const HEADERS: [&str; 8] =
        ["Authorization", "origin", "Accept", "X-A", "__proto__", "x-viewer-session", "CloudFront-X", "x.y"];
    let shared = if chance.one_in(3) {
        Value::Null
    } else {
        json!((0..chance.below(4)).map(|_| chance.of(&HEADERS)).collect::<Vec<_>>())
    };
    let mut document = json!({
        "DropQuery": entries(chance), "KeepQuery": entries(chance), "SortQuery": !chance.one_in(3),
        "SessionCookies": entries(chance), "SessionQuery": entries(chance),
        "Device": chance.of(&["None", "Two", "Three", "Four"]),
    });
    if !shared.is_null() {
        document["SharedHeaders"] = shared;
    }
    serde_json::from_value(document).unwrap()
}

/// A request before it is read.
#[derive(Clone)]
pub(super) struct Raw {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.method, self.target)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", value.escape_ascii())?;
        }
        Ok(())
    }
}

/// Any request that the door lets in.
pub(super) fn request(chance: &mut Chance) -> Raw {
    let method = if chance.one_in(6) { chance.of(&["POST", "OPTIONS"]) } else { chance.of(&["GET", "HEAD"]) };
    let mut target = chance.of(&["/", "/p", "/a//b/%2e/;x"]).to_owned();
    if !chance.one_in(5) {
        target.push('?');
        target.push_str(&query(chance));
    }
    let mut headers = Vec::new();
    for _ in 0..chance.below(3) {
        headers.push((chance.of(&["cookie", "Cookie"]).to_owned(), cookies(chance)));
    }
    for _ in 0..chance.below(8) {
        headers.push(header(chance));
    }
    Raw { method, target, headers }
}

fn query(chance: &mut Chance) -> String {
    let count = if chance.one_in(20) { 100 } else { chance.below(7) };
    let mut query = String::new();
    for index in 0..count {
        if index > 0 {
            query.push_str(chance.of(&["&", "&", "&", "&&", ";", "&?"]));
        } else if chance.one_in(10) {
            query.push_str(chance.of(&["?", "&", "&&", "="]));
        }
        if chance.one_in(20) {
            query.push_str(&format!("tracker_{}", chance.below(60)));
            continue;
        }
        query.push_str(chance.of(&NAMES));
        if !chance.one_in(3) {
            query.push('=');
            query.push_str(chance.of(&VALUES));
        }
    }
    // What no target holds as it is.
    query.chars().filter(|c| !matches!(c, '^' | '\\' | '|' | '{' | '}' | '"' | '<' | '>' | '`')).collect()
}

fn cookies(chance: &mut Chance) -> Vec<u8> {
    let mut line = Vec::new();
    for _ in 0..chance.below(6) {
        line.extend_from_slice(chance.of(&["", " ", "\t", "$"]).as_bytes());
        line.extend_from_slice(chance.of(&NAMES).as_bytes());
        if chance.one_in(8) {
            // UTF-8, and what is none.
            line.extend_from_slice(chance.of(&[&b"\xc3\xa9"[..], b"\xe9", b"\xff\xfe"]));
        }
        line.extend_from_slice(chance.of(&["=", "=", "=", "", " = "]).as_bytes());
        line.extend_from_slice(chance.of(&VALUES).as_bytes());
        line.extend_from_slice(chance.of(&["; ", ";", "; ; ", ", "]).as_bytes());
    }
    line
}

fn header(chance: &mut Chance) -> (String, Vec<u8>) {
    const NAMES: [&str; 36] = [
        "Accept",
        "accept",
        "ACCEPT-Encoding",
        "Authorization",
        "Origin",
        "origin",
        "Referer",
        "User-Agent",
        "user-agent",
        "X-Viewer-Session",
        "x-viewer-device",
        "X_Viewer_Device",
        "X-A",
        "x-a",
        "x.y",
        "__proto__",
        "constructor",
        "via",
        "CDN-Loop",
        "Range",
        "If-None-Match",
        "if-modified-since",
        "If-Range",
        "X-Real-IP",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Edge-A",
        "X-Cache",
        "x-amz-cf-id",
        "CloudFront-Is-Mobile-Viewer",
        "CloudFront-X",
        "Cloudfront-Viewer-Country",
        "TE",
        "Proxy-Foo",
        "X-Amzn-Auth",
        "Cache-Control",
    ];
    let name = chance.of(&NAMES).to_owned();
    let value: &[u8] = match name.to_ascii_lowercase().as_str() {
        "user-agent" => chance
            .of(&[
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1",
                "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 Version/16.0 Safari/604.1",
                "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 Version/6.0 TV Safari/537.36",
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "",
            ])
            .as_bytes(),
        "range" => b"bytes=0-1",
        _ => chance.of(&[&b"1"[..], b"", b"a, b", b"true", b"\xe9", b"\xc3\xa9", b"\"x\"", b"{}"]),
    };
    (name, value.to_vec())
}
