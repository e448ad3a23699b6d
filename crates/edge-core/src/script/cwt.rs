//! CBOR Web Tokens, `cf.cwt` (§14.5): COSE_Mac0 (RFC 9052 §6) with HMAC 256/256 (RFC 9053 §3.1), maybe in a tag that
//! says so (RFC 8392 §6).
//!
//! A token is valid where its structure and its code are; what it claims is the function's to judge. Bytes of a token
//! mean nothing before its code is checked, the payload above all. JSON crosses to the script (`prelude.js`), where what
//! JSON lacks is a list that begins with its kind: `["bytes", …]`, `["array", …]`, `["number", "NaN"]`, `["undefined"]`.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value as Json, json};
use sha2::Sha256;

pub(super) use super::cbor::DEPTH_MAX;
use super::cbor::{self, Item, Label};
use super::host;

/// The longest token, in bytes.
pub(super) const TOKEN_BYTES_MAX: usize = 1024;
/// HMAC 256/256, among the algorithms of COSE.
const HS256: i64 = 5;
/// Header labels (RFC 9052 §3.1).
const ALGORITHM: Label = Label::Integer(1);
const CRITICAL: Label = Label::Integer(2);
/// Tags.
const CWT: u64 = 61;
const COSE_MAC0: u64 = 17;

/// Why there is no token.
type Refused = String;

/// `{"token": {…}}` or `{"error": "…"}`.
pub(super) fn validate(token: &str, key: &str) -> String {
    match checked(&host::bytes(token), &host::bytes(key)) {
        Ok([protected, unprotected, payload]) => json!({ "token": {
            "protectedHeaders": shown(protected),
            "unprotectedHeaders": shown(unprotected),
            "payload": shown(payload),
        } })
        .to_string(),
        Err(refused) => json!({ "error": refused }).to_string(),
    }
}

/// `{"token": "…"}`, bytes as characters, or `{"error": "…"}`. `parts` is JSON: protected, unprotected and payload.
pub(super) fn generate(parts: &str, key: &str, is_tagged: bool) -> String {
    match made(parts, &host::bytes(key), is_tagged) {
        Ok(token) => json!({ "token": host::characters(&token) }).to_string(),
        Err(refused) => json!({ "error": refused }).to_string(),
    }
}

/// Protected and unprotected headers and payload of a token whose code is right.
fn checked(token: &[u8], key: &[u8]) -> Result<[Item; 3], Refused> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err("the token is longer than 1 KB".to_owned());
    }
    let mut item = cbor::read(token).map_err(|wrong| format!("the token is not CBOR: {wrong}"))?;
    if let Item::Tagged(CWT, inner) = item {
        item = *inner;
    }
    let Item::Tagged(COSE_MAC0, inner) = item else {
        return Err("the token has no tag COSE_Mac0".to_owned());
    };
    let parts: Result<[Item; 4], _> = match *inner {
        Item::Array(parts) => parts.try_into(),
        _ => Err(Vec::new()),
    };
    let Ok([Item::Bytes(protected), unprotected @ Item::Map(_), Item::Bytes(payload), Item::Bytes(code)]) =
        parts
    else {
        return Err("the token is no COSE_Mac0".to_owned());
    };
    let headers =
        cbor::read(&protected).map_err(|wrong| format!("the protected headers are not CBOR: {wrong}"))?;
    check_headers(&headers, &unprotected)?;
    let mut mac = mac(key)?;
    mac.update(&to_mac(&protected, &payload));
    // It takes as long whatever differs.
    mac.verify_slice(&code).map_err(|_| "the code of the token is wrong".to_owned())?;
    let payload = cbor::read(&payload).map_err(|wrong| format!("the payload is not CBOR: {wrong}"))?;
    if !matches!(payload, Item::Map(_)) {
        return Err("the payload is no map of claims".to_owned());
    }
    Ok([headers, unprotected, payload])
}

fn made(parts: &str, key: &[u8], is_tagged: bool) -> Result<Vec<u8>, Refused> {
    let no_text = "the token holds a string that is no text";
    let mut parts: Json = serde_json::from_str(parts).map_err(|_| no_text.to_owned())?;
    let mut part = |name: &str| item(parts.get_mut(name).map(Json::take).unwrap_or_default());
    let (mut protected, unprotected, payload) = (part("protected"), part("unprotected"), part("payload"));
    let Item::Map(headers) = &mut protected else { return Err("protected is no object".to_owned()) };
    match headers.iter_mut().find(|(label, _)| *label == ALGORITHM) {
        // AWS's example has "5".
        Some((_, algorithm)) if *algorithm == Item::Text(HS256.to_string()) => {
            *algorithm = Item::Integer(HS256);
        }
        Some(_) => {}
        None => headers.insert(0, (ALGORITHM, Item::Integer(HS256))),
    }
    check_headers(&protected, &unprotected)?;
    if !matches!(payload, Item::Map(_)) {
        return Err("payload is no object".to_owned());
    }
    let (protected, payload) = (cbor::write(&protected), cbor::write(&payload));
    let mut mac = mac(key)?;
    mac.update(&to_mac(&protected, &payload));
    let code = mac.finalize().into_bytes().to_vec();
    let token =
        Item::Array(vec![Item::Bytes(protected), unprotected, Item::Bytes(payload), Item::Bytes(code)]);
    let token = Item::Tagged(COSE_MAC0, Box::new(token));
    let token = cbor::write(&if is_tagged { Item::Tagged(CWT, Box::new(token)) } else { token });
    // Nothing is made that would not be taken: too long, too much nested.
    checked(&token, key).map(|_| token)
}

/// The algorithm is ours and protected, no label is in both, and nothing is critical: nothing would heed it.
fn check_headers(protected: &Item, unprotected: &Item) -> Result<(), Refused> {
    let (Item::Map(protected), Item::Map(unprotected)) = (protected, unprotected) else {
        return Err("the headers are no maps".to_owned());
    };
    let has = |headers: &[(Label, Item)], label: &Label| headers.iter().any(|(known, _)| known == label);
    if !protected.contains(&(ALGORITHM, Item::Integer(HS256))) {
        return Err("the algorithm is not HS256".to_owned());
    }
    if has(protected, &CRITICAL) || has(unprotected, &CRITICAL) {
        return Err("the token has critical headers".to_owned());
    }
    if protected.iter().any(|(label, _)| has(unprotected, label)) {
        return Err("a header is both protected and not".to_owned());
    }
    Ok(())
}

fn mac(key: &[u8]) -> Result<Hmac<Sha256>, Refused> {
    if key.is_empty() {
        return Err("the key is empty".to_owned());
    }
    Hmac::new_from_slice(key).map_err(|_| "the key does not do".to_owned())
}

/// What the code is made over (RFC 9052 §6.3), with no data from outside.
fn to_mac(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    cbor::write(&Item::Array(vec![
        Item::Text("MAC0".to_owned()),
        Item::Bytes(protected.to_vec()),
        Item::Bytes(Vec::new()),
        Item::Bytes(payload.to_vec()),
    ]))
}

/// An item for the script. Of what is tagged it sees the content.
fn shown(item: Item) -> Json {
    match item {
        Item::Integer(number) => number.into(),
        Item::Float(number) if number.is_finite() => number.into(),
        Item::Float(number) if number.is_nan() => json!(["number", "NaN"]),
        Item::Float(number) => json!(["number", if number > 0.0 { "Infinity" } else { "-Infinity" }]),
        Item::Bytes(bytes) => json!(["bytes", host::characters(&bytes)]),
        Item::Text(text) => text.into(),
        Item::Array(items) => std::iter::once("array".into()).chain(items.into_iter().map(shown)).collect(),
        Item::Map(entries) => Json::Object(
            entries.into_iter().map(|(label, item)| (label.to_string(), shown(item))).collect::<Map<_, _>>(),
        ),
        Item::Tagged(_, item) => shown(*item),
        Item::Bool(value) => value.into(),
        Item::Null => Json::Null,
        Item::Undefined => json!(["undefined"]),
    }
}

/// And of the script, whose lists are none of ours but for these.
fn item(json: Json) -> Item {
    match json {
        Json::Null => Item::Null,
        Json::Bool(value) => Item::Bool(value),
        Json::Number(number) => cbor::number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Item::Text(text),
        Json::Object(entries) => {
            Item::Map(entries.into_iter().map(|(name, value)| (Label::of(&name), item(value))).collect())
        }
        Json::Array(list) => {
            let mut list = list.into_iter();
            let kind = list.next();
            match kind.as_ref().and_then(Json::as_str) {
                Some("bytes") => {
                    Item::Bytes(list.next().and_then(|s| s.as_str().map(host::bytes)).unwrap_or_default())
                }
                Some("number") => Item::Float(
                    list.next().and_then(|s| s.as_str().and_then(|s| s.parse().ok())).unwrap_or(f64::NAN),
                ),
                Some("undefined") => Item::Undefined,
                _ => Item::Array(list.map(item).collect()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
