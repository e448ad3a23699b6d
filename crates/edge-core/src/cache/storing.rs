//! Whether a response may be stored, and the guard that is stricter than CloudFront (design: "The guard").
//!
//! CloudFront's own answer is computed first, always; the guard then withholds and says what CloudFront would have
//! done. Bodies are not known here: whether one arrived whole is the store's to see (threats S1).

use std::fmt;
use std::time::Duration;

use http::header::{SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::distribution::KeySettings;
use crate::header::cache_control::CacheControl;

/// Whether the edge is safer than CloudFront, or CloudFront to the letter (`--exact`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Guard {
    /// The default.
    #[default]
    On,
    /// Exactly what CloudFront does.
    Off,
}

/// Why the guard kept a response from being shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unshareable {
    /// The response sets a cookie.
    SetsCookie,
    /// The request's Cookie went to the origin and is not in the key.
    CookieOutsideKey,
    /// The request's Authorization went to the origin and is not in the key.
    AuthorizationOutsideKey,
    /// What the viewer's certificate says went to the origin and is not in the key.
    CertificateOutsideKey,
    /// `private` or `no-store`, which a minimum TTL or error caching would override.
    Private,
    /// `Vary` names a field that is not in the key.
    Vary(String),
    /// 412 to a condition that only this viewer made.
    ViewersCondition,
    /// The body ends with the connection, so nobody can tell whether it is whole.
    EndUnknown,
}

impl fmt::Display for Unshareable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetsCookie => write!(f, "the response sets a cookie"),
            Self::CookieOutsideKey => {
                write!(f, "the viewer's cookies went to the origin without being in the key")
            }
            Self::AuthorizationOutsideKey => {
                write!(f, "the viewer's Authorization went to the origin without being in the key")
            }
            Self::CertificateOutsideKey => {
                write!(f, "the viewer's certificate went to the origin without being in the key")
            }
            Self::Private => write!(f, "the response says private or no-store"),
            Self::ViewersCondition => write!(f, "the response is about a condition of the viewer's"),
            Self::EndUnknown => write!(f, "the body ends with the connection and may be cut"),
            Self::Vary(name) => write!(f, "Vary names {name}, which is not in the key"),
        }
    }
}

/// What the guard did, for the trace, the log and the counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// Why.
    pub because: Unshareable,
    /// What CloudFront would have stored it for.
    pub cloudfront_ttl: Duration,
}

impl Withheld {
    /// Whether it was for what one viewer sent, and says nothing of the response.
    pub fn is_about_the_viewer(&self) -> bool {
        matches!(
            self.because,
            Unshareable::CookieOutsideKey
                | Unshareable::AuthorizationOutsideKey
                | Unshareable::CertificateOutsideKey
                | Unshareable::ViewersCondition
        )
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not stored: {}; CloudFront would share this with everybody who has the same key for {} s",
            self.because,
            self.cloudfront_ttl.as_secs()
        )
    }
}

/// Whether the end of a body can be told from a broken connection (threats S1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A length, a last chunk, or no body at all.
    Provable,
    /// The connection closes: CloudFront stores such a body although it may be cut (§7.10).
    ByClose,
}

/// What of one viewer's went to the origin without being in the key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unkeyed {
    /// A cookie did.
    pub cookie: bool,
    /// Authorization did.
    pub authorization: bool,
    /// What the viewer's certificate says did.
    pub certificate: bool,
    /// Accept-Encoding did, as the viewer wrote it or half so.
    pub accept_encoding: bool,
    /// A condition of the viewer's did (RFC 9110 §13.1).
    pub condition: bool,
}

/// The guard's question: may everybody with this key see this response?
pub fn unshareable(
    status: StatusCode,
    headers: &HeaderMap,
    cache_control: &CacheControl,
    unkeyed: Unkeyed,
    key: &KeySettings,
    ending: Ending,
) -> Option<Unshareable> {
    if status == StatusCode::PRECONDITION_FAILED && unkeyed.condition {
        return Some(Unshareable::ViewersCondition); // threats S5
    }
    if ending == Ending::ByClose {
        return Some(Unshareable::EndUnknown);
    }
    if headers.contains_key(SET_COOKIE) {
        return Some(Unshareable::SetsCookie);
    }
    if cache_control.private || cache_control.no_store {
        return Some(Unshareable::Private);
    }
    if unkeyed.cookie {
        return Some(Unshareable::CookieOutsideKey);
    }
    if unkeyed.authorization {
        return Some(Unshareable::AuthorizationOutsideKey);
    }
    if unkeyed.certificate {
        return Some(Unshareable::CertificateOutsideKey);
    }
    vary_names(headers).find(|name| !varies_by_key(name, key, unkeyed)).map(Unshareable::Vary)
}

/// The names in all `Vary` lines, lower case; `*` as itself.
pub fn vary_names(headers: &HeaderMap) -> impl Iterator<Item = String> {
    headers
        .get_all(VARY)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
        .filter(|name| !name.is_empty())
}

/// Whether requests that differ in the field have different keys. Accept-Encoding counts unless the viewer's own went
/// out: it is in the key in its normal form, or nobody's is sent (§4.4). Cookie counts when all cookies are keyed.
fn varies_by_key(name: &str, key: &KeySettings, unkeyed: Unkeyed) -> bool {
    match name {
        "accept-encoding" => !unkeyed.accept_encoding,
        "cookie" => key.cookies == crate::distribution::Names::All,
        _ => HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| key.headers.contains(&name)),
    }
}
