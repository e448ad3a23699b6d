//! What a viewer's certificate says, as the core wants to know it (§6).
//!
//! It refuses to judge: whether the certificate is any good was decided before.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use x509_parser::der_parser::asn1_rs::ToDer as _;
use x509_parser::prelude::{ASN1Time, AttributeTypeAndValue, FromDer as _, X509Certificate, X509Name};

use crate::viewer::Certificate;

/// Reads a certificate in DER that was shown to the distribution with this domain name.
pub(super) fn read(der: &[u8], shown_to: &str) -> Certificate {
    let mut told = Certificate {
        shown_to: shown_to.to_owned(),
        sha256: Some(hex(digest(&SHA256, der).as_ref(), "")),
        pem: Some(pem(der)),
        ..Certificate::default()
    };
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return told };
    told.serial_number = Some(hex(serial_number(certificate.raw_serial()), ":"));
    told.issuer = Some(name(certificate.issuer()));
    told.subject = Some(name(certificate.subject()));
    let validity = certificate.validity();
    let dates = [("NotBefore", validity.not_before), ("NotAfter", validity.not_after)];
    told.validity = Some(dates.map(|(name, at)| format!("{name}={}", time(at))).join(";"));
    told
}

/// The zero that only says that the number is positive is no part of it.
fn serial_number(raw: &[u8]) -> &[u8] {
    match raw {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    }
}

fn hex(bytes: &[u8], between: &str) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(between)
}

/// ISO 8601, to the second.
fn time(at: ASN1Time) -> String {
    let at = at.to_datetime();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// Lines of 64 characters (RFC 7468), percent-encoded but for what RFC 3986 leaves alone.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = vec!["-----BEGIN CERTIFICATE-----"];
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        lines.push(line);
        rest = after;
    }
    lines.push("-----END CERTIFICATE-----\n");
    let mut out = String::new();
    for byte in lines.join("\n").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The types of attributes that RFC 2253 §2.3 has a word for.
const WORDS: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// The last part first (RFC 2253 §2.1).
fn name(name: &X509Name<'_>) -> String {
    let parts: Vec<String> =
        name.iter().map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let kind = attribute.attr_type().to_id_string();
    let word = WORDS.iter().find(|(id, _)| *id == kind).map(|(_, word)| *word);
    match (word, attribute.as_str()) {
        (Some(word), Ok(text)) => format!("{word}={}", escaped(text)),
        // RFC 2253 §2.4: what has no text is written as the bytes it is encoded in.
        (word, _) => {
            let bytes = attribute.attr_value().to_der_vec_raw().unwrap_or_default();
            format!("{}=#{}", word.unwrap_or(&kind), hex(&bytes, ""))
        }
    }
}

/// RFC 2253 §2.4. Bytes that are not printable ASCII are escaped too, which it allows: the result is a header's value.
fn escaped(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut out = String::new();
    for (at, byte) in text.bytes().enumerate() {
        let at_an_end = byte == b' ' && (at == 0 || at == last) || byte == b'#' && at == 0;
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                out.push('\\');
                out.push(byte as char);
            }
            b' '..=b'~' if at_an_end => {
                out.push('\\');
                out.push(byte as char);
            }
            b' '..=b'~' => out.push(byte as char),
            _ => {
                let _ = write!(out, "\\{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SerialNumber};

    use super::*;

    #[test]
    fn a_certificate_is_told() {
        let mut params = CertificateParams::default();
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CountryName, "US");
        subject.push(DnType::OrganizationName, "Some, Ltd. \"x\"");
        subject.push(DnType::CommonName, DnValue::Utf8String(" ä#1 ".to_owned()));
        subject.push(DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), "a@example.com");
        params.distinguished_name = subject;
        params.serial_number = Some(SerialNumber::from_slice(&[0x9a, 0x3f, 0x05]));
        params.not_before = rcgen::date_time_ymd(2023, 9, 21);
        params.not_after = rcgen::date_time_ymd(2024, 9, 20);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let told = read(certificate.der(), "d1.cloudfront.net");
        assert_eq!(told.shown_to, "d1.cloudfront.net");
        assert_eq!(told.serial_number.as_deref(), Some("9a:3f:05"));
        let name = r#"1.2.840.113549.1.9.1=#0c0d61406578616d706c652e636f6d,CN=\ \C3\A4#1\ ,O=Some\, Ltd. \"x\",C=US"#;
        assert_eq!(told.subject.as_deref(), Some(name));
        assert_eq!(told.issuer, told.subject);
        let validity = "NotBefore=2023-09-21T00:00:00Z;NotAfter=2024-09-20T00:00:00Z";
        assert_eq!(told.validity.as_deref(), Some(validity));
        let pem = told.pem.unwrap();
        assert!(pem.starts_with("-----BEGIN%20CERTIFICATE-----%0AMII"), "{pem}");
        assert!(pem.ends_with("%0A-----END%20CERTIFICATE-----%0A"), "{pem}");
        assert!(pem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-%".contains(&byte)), "{pem}");
        let expected = hex(digest(&SHA256, certificate.der()).as_ref(), "");
        assert_eq!(told.sha256, Some(expected));
    }

    /// A certificate nobody here can read has the headers that need no reading.
    #[test]
    fn what_cannot_be_read_is_absent() {
        let told = read(b"junk", "d1.cloudfront.net");
        assert_eq!((told.subject, told.serial_number, told.validity), (None, None, None));
        assert_eq!(told.sha256.unwrap().len(), 64);
    }
}
