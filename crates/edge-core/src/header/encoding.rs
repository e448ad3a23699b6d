//! `Accept-Encoding` normalised (§4.4), and whether a response is compressed (§9).
//!
//! It decides which coding; it refuses to know how to compress, and leaves to the caller what cannot be seen in a
//! head: that the response comes from the origin now (condition 11), has a body, and is not cached at TTL 0.

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode, Version};

use super::{decimal, trim};

/// What remains of a viewer's `Accept-Encoding` under a policy with a compression flag on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AcceptEncoding {
    /// The viewer sent none, or speaks HTTP/1.0.
    Absent,
    /// Neither coding, among those the policy allows.
    Identity,
    /// gzip.
    Gzip,
    /// Brotli.
    Br,
    /// Both.
    BrGzip,
}

impl AcceptEncoding {
    /// The viewer's header under the policy's flags, of which at least one is on (§4.4): with none the header is an
    /// ordinary one and nobody should ask.
    ///
    /// `q=0` refuses a coding, also where another line accepts it (unsure); `*` is not expanded.
    pub fn normalise(headers: &HeaderMap, version: Version, gzip: bool, brotli: bool) -> Self {
        if version < Version::HTTP_11 || !headers.contains_key(ACCEPT_ENCODING) {
            return Self::Absent;
        }
        let (mut gzip_says, mut br_says) = (Says::Nothing, Says::Nothing);
        for line in headers.get_all(ACCEPT_ENCODING) {
            for member in line.as_bytes().split(|byte| *byte == b',') {
                let (coding, parameters) = split_once(member, b';');
                let coding = trim(coding);
                if coding.eq_ignore_ascii_case(b"gzip") {
                    gzip_says = gzip_says.and(parameters);
                } else if coding.eq_ignore_ascii_case(b"br") {
                    br_says = br_says.and(parameters);
                }
            }
        }
        match (gzip && gzip_says == Says::Accepted, brotli && br_says == Says::Accepted) {
            (true, true) => Self::BrGzip,
            (true, false) => Self::Gzip,
            (false, true) => Self::Br,
            (false, false) => Self::Identity,
        }
    }

    /// The part of the cache key; absent and identity share the uncompressed variant.
    pub fn key_part(self) -> &'static [u8] {
        match self {
            Self::Absent | Self::Identity => b"",
            Self::Gzip => b"gzip",
            Self::Br => b"br",
            Self::BrGzip => b"br,gzip",
        }
    }

    /// The header sent to the origin; `None` is no header.
    pub fn to_origin(self) -> Option<HeaderValue> {
        let value = match self {
            Self::Absent => return None,
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Br => "br",
            Self::BrGzip => "br,gzip",
        };
        Some(HeaderValue::from_static(value))
    }
}

/// What a viewer says about one coding.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Nothing,
    Accepted,
    Refused,
}

impl Says {
    fn and(self, parameters: &[u8]) -> Self {
        let refused = parameters.split(|byte| *byte == b';').any(is_zero_weight);
        if refused || self == Self::Refused { Self::Refused } else { Self::Accepted }
    }
}

/// `q=0`, `q=0.`, `q=0.000` (RFC 9110 §12.4.2).
fn is_zero_weight(parameter: &[u8]) -> bool {
    let (name, value) = split_once(parameter, b'=');
    let value = trim(value);
    trim(name).eq_ignore_ascii_case(b"q")
        && value.first() == Some(&b'0')
        && value.iter().all(|byte| matches!(byte, b'0' | b'.'))
}

/// A content coding the edge applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Coding {
    /// The value of `Content-Encoding`.
    pub fn content_encoding(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        })
    }
}

/// Why a response is not compressed (§9), in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCompression {
    /// The behavior does not compress.
    NotConfigured,
    /// The viewer takes no coding that the policy allows, or speaks HTTP/1.0.
    NotAccepted,
    /// The origin sent a `Content-Encoding`, whichever.
    AlreadyEncoded,
    /// No valid `Content-Length`.
    NoLength,
    /// Under [`LENGTH_MIN`].
    TooSmall,
    /// Over [`LENGTH_MAX`].
    TooLarge,
    /// Not 200, 403 or 404.
    Status,
    /// Not in [`COMPRESSIBLE`].
    ContentType,
}

impl std::fmt::Display for NoCompression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotConfigured => "the behavior does not compress",
            Self::NotAccepted => "the viewer accepts no coding the policy allows",
            Self::AlreadyEncoded => "the origin sent a Content-Encoding",
            Self::NoLength => "the origin sent no valid Content-Length",
            Self::TooSmall => "Content-Length is under 1,000",
            Self::TooLarge => "Content-Length is over 10,000,000",
            Self::Status => "the status is not 200, 403 or 404",
            Self::ContentType => "the Content-Type is not one CloudFront compresses",
        })
    }
}

/// The smallest body that is compressed (§9, condition 6).
pub const LENGTH_MIN: u64 = 1_000;
/// The largest.
pub const LENGTH_MAX: u64 = 10_000_000;

/// Which coding to apply to an origin's response with this head, or why none (§9, conditions 1–7 and 9).
pub fn compression(
    accept: AcceptEncoding,
    compress: bool,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Coding, NoCompression> {
    if !compress {
        return Err(NoCompression::NotConfigured);
    }
    let coding = match accept {
        AcceptEncoding::Absent | AcceptEncoding::Identity => return Err(NoCompression::NotAccepted),
        AcceptEncoding::Gzip => Coding::Gzip,
        AcceptEncoding::Br | AcceptEncoding::BrGzip => Coding::Brotli,
    };
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(NoCompression::AlreadyEncoded);
    }
    match content_length(headers).ok_or(NoCompression::NoLength)? {
        ..LENGTH_MIN => return Err(NoCompression::TooSmall),
        LENGTH_MIN..=LENGTH_MAX => {}
        _ => return Err(NoCompression::TooLarge),
    }
    if !matches!(status, StatusCode::OK | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
        return Err(NoCompression::Status);
    }
    if !compressible(headers) {
        return Err(NoCompression::ContentType);
    }
    Ok(coding)
}

/// One line of nothing but digits, and no chunks instead.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let first = lines.next()?;
    if lines.next().is_some() || headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    decimal(trim(first.as_bytes()))
}

/// Whether the Content-Type is in the table: without parameters, in any case (§9, condition 9).
fn compressible(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let essence = trim(split_once(value.as_bytes(), b';').0);
        let lower = || essence.iter().map(u8::to_ascii_lowercase);
        COMPRESSIBLE.binary_search_by(|listed| listed.bytes().cmp(lower())).is_ok()
    })
}

fn split_once(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == at) {
        Some(position) => (&bytes[..position], &bytes[position + 1..]),
        None => (bytes, b""),
    }
}

/// The content types CloudFront compresses (§9), sorted.
pub const COMPRESSIBLE: [&str; 48] = [
    "application/dash+xml",
    "application/eot",
    "application/font",
    "application/font-sfnt",
    "application/javascript",
    "application/json",
    "application/opentype",
    "application/otf",
    "application/pdf",
    "application/pkcs7-mime",
    "application/protobuf",
    "application/rss+xml",
    "application/truetype",
    "application/ttf",
    "application/vnd.apple.mpegurl",
    "application/vnd.mapbox-vector-tile",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-font-opentype",
    "application/x-font-truetype",
    "application/x-font-ttf",
    "application/x-httpd-cgi",
    "application/x-javascript",
    "application/x-mpegurl",
    "application/x-opentype",
    "application/x-otf",
    "application/x-perl",
    "application/x-ttf",
    "application/xhtml+xml",
    "application/xml",
    "font/eot",
    "font/opentype",
    "font/otf",
    "font/ttf",
    "image/svg+xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
    "text/js",
    "text/plain",
    "text/richtext",
    "text/tab-separated-values",
    "text/x-component",
    "text/x-java-source",
    "text/x-script",
    "text/xml",
    "vnd.apple.mpegurl",
];
