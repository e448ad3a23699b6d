//! The certificate a viewer showed, as far as anything depends on it: the values of `CloudFront-Viewer-Cert-…` (§6).
//!
//! It refuses to know how certificates are read and verified: the listener does that, and tells which distribution the
//! certificate was shown to.

use std::sync::Arc;

use http::HeaderValue;

use super::Request;
use crate::distribution::Distribution;

/// A certificate the listener let pass. What could not be read is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The domain name of the distribution that asked for it: to others it proves nothing.
    pub shown_to: String,
    /// Hexadecimal, in pairs with colons between.
    pub serial_number: Option<String>,
    /// As RFC 2253 writes names; ASCII.
    pub issuer: Option<String>,
    /// Likewise.
    pub subject: Option<String>,
    /// 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// `NotBefore=2023-09-21T01:50:17Z;NotAfter=2024-09-20T01:50:17Z`.
    pub validity: Option<String>,
    /// In PEM, percent-encoded.
    pub pem: Option<String>,
}

impl Certificate {
    /// The serial number as connection functions and connection logs have it: signed, with the zero that says that it is
    /// positive where its first bit would say otherwise.
    pub(crate) fn signed_serial_number(&self) -> Option<String> {
        let number = self.serial_number.as_deref()?;
        let is_high = number.starts_with(|c: char| c >= '8');
        Some(if is_high { format!("00:{number}") } else { number.to_owned() })
    }
}

/// What a viewer showed to the distribution that answers him.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Shown {
    /// The distribution does not ask, or there was no handshake.
    #[default]
    NotAsked,
    /// Nothing.
    Nothing,
    /// This.
    Certificate(Arc<Certificate>),
}

impl Shown {
    /// What came with the request, for this distribution. A certificate that was shown to another, on a connection that
    /// is used for both, is none.
    pub(crate) fn to(distribution: &Distribution, request: &Request) -> Self {
        let (Some(_), Some(tls)) = (&distribution.viewer_tls.mtls, &request.tls) else {
            return Self::NotAsked;
        };
        match &tls.certificate {
            Some(certificate) if distribution.answers_for(&certificate.shown_to) => {
                Self::Certificate(Arc::clone(certificate))
            }
            _ => Self::Nothing,
        }
    }

    /// The value of one of the seven headers (§6).
    pub(super) fn header(&self, name: &str) -> Option<HeaderValue> {
        let certificate = match self {
            Self::NotAsked => return None,
            Self::Nothing => {
                return (name == PRESENT).then_some(HeaderValue::from_static("0"));
            }
            Self::Certificate(certificate) => certificate,
        };
        let text = match name {
            PRESENT => return Some(HeaderValue::from_static("1")),
            "cloudfront-viewer-cert-serial-number" => &certificate.serial_number,
            "cloudfront-viewer-cert-issuer" => &certificate.issuer,
            "cloudfront-viewer-cert-subject" => &certificate.subject,
            "cloudfront-viewer-cert-sha256" => &certificate.sha256,
            "cloudfront-viewer-cert-validity" => &certificate.validity,
            "cloudfront-viewer-cert-pem" => &certificate.pem,
            _ => return None,
        };
        HeaderValue::from_str(text.as_deref()?).ok()
    }
}

const PRESENT: &str = "cloudfront-viewer-cert-present";
