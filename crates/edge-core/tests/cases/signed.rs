//! The signatures and keys of `fixtures/signing`, for cases to name.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

/// Each key by its id. The private halves lie beside them: they are of this test and nothing else.
const KEYS: [(&str, &str); 2] = [
    ("K2RSATESTKEY01", include_str!("../../../../fixtures/signing/rsa.pub.pem")),
    ("K3ECDSATESTKEY", include_str!("../../../../fixtures/signing/ecdsa.pub.pem")),
];

/// By name: `url` and `cookies`.
static SIGNED: LazyLock<HashMap<String, HashMap<String, String>>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../../fixtures/signing/signed.json")).unwrap());

/// A part of the signature called so: `url`, its `target`, its `query`, the `cookies`, or the value of one cookie by what
/// is behind `CloudFront-`. What looks like such a name and is none is a mistake in the case.
pub(crate) fn part(name: &str, part: &str) -> Option<String> {
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_word(name) || !is_word(part) {
        return None;
    }
    let found = SIGNED.get(name).and_then(|signed| part_of(signed, part));
    assert!(found.is_some(), "fixtures/signing has no {name}.{part}");
    found
}

fn part_of(signed: &HashMap<String, String>, part: &str) -> Option<String> {
    let (url, cookies) = (&signed["url"], &signed["cookies"]);
    let value = match part {
        "url" => url,
        "target" => &url[url.match_indices('/').nth(2)?.0..],
        "query" => url.split_once('?')?.1,
        "cookies" => cookies,
        name => cookies
            .split("; ")
            .find_map(|pair| pair.strip_prefix("CloudFront-")?.strip_prefix(name)?.strip_prefix('='))?,
    };
    Some(value.to_owned())
}

/// `PublicKeys` of every case.
pub(crate) fn public_keys() -> Value {
    let key = |(id, pem): (&str, &str)| {
        let config = json!({ "CallerReference": id, "Name": id, "EncodedKey": pem });
        json!({ "Id": id, "PublicKeyConfig": config })
    };
    KEYS.into_iter().map(key).collect()
}
