//! The engine's side of what functions are given: digests and encodings. Text in, text out; bytes are strings of one
//! character each.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Padding is written, and may be missing.
const PADDED: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PADDED);
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, PADDED.with_encode_padding(false));

/// The digest of `data`, or its keyed one. An unknown algorithm is the prelude's to refuse: it has none here.
pub(super) fn hash(algorithm: &str, key: Option<&str>, data: &str) -> String {
    let (key, data) = (key.map(bytes), bytes(data));
    let digest = match algorithm {
        "md5" => digest::<Md5, Hmac<Md5>>(key, &data),
        "sha1" => digest::<Sha1, Hmac<Sha1>>(key, &data),
        "sha256" => digest::<Sha256, Hmac<Sha256>>(key, &data),
        _ => Vec::new(),
    };
    characters(&digest)
}

fn digest<H: Digest, K: Mac + KeyInit>(key: Option<Vec<u8>>, data: &[u8]) -> Vec<u8> {
    let Some(key) = key else { return H::digest(data).to_vec() };
    match <K as KeyInit>::new_from_slice(&key) {
        Ok(mut keyed) => {
            keyed.update(data);
            keyed.finalize().into_bytes().to_vec()
        }
        Err(_) => Vec::new(), // a key of any length does
    }
}

/// Bytes as text.
pub(super) fn encode(encoding: &str, data: &str) -> String {
    let data = bytes(data);
    match encoding {
        "hex" => data.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect(),
        "base64" => BASE64.encode(data),
        "base64url" => BASE64URL.encode(data),
        _ => String::from_utf8_lossy(&data).into_owned(),
    }
}

/// Text as bytes. As lenient as what functions are written against: what is no digit ends it.
pub(super) fn decode(encoding: &str, text: &str) -> String {
    match encoding {
        "hex" => {
            let digits: Vec<u8> =
                text.chars().map_while(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
            digits.chunks_exact(2).map(|pair| char::from(pair[0] << 4 | pair[1])).collect()
        }
        "base64" | "base64url" => {
            let plain: String = text
                .chars()
                .map(|c| match c {
                    '-' => '+',
                    '_' => '/',
                    c => c,
                })
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/'))
                .collect();
            // A last character alone is worth no byte.
            let whole = if plain.len() % 4 == 1 { &plain[..plain.len() - 1] } else { plain.as_str() };
            characters(&BASE64.decode(whole).unwrap_or_default())
        }
        _ => characters(text.as_bytes()),
    }
}

fn digit(value: u8) -> char {
    char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 })
}

pub(super) fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c) & 0xff).unwrap_or_default()).collect()
}

pub(super) fn characters(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
