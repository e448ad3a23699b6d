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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normalise(lines: &[&str], gzip: bool, brotli: bool) -> AcceptEncoding {
        let lines = lines.iter().map(|line| (ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        AcceptEncoding::normalise(&headers, Version::HTTP_11, gzip, brotli)
    }

    use AcceptEncoding::{Absent, Br, BrGzip, Gzip, Identity};

    #[test]
    fn the_table() {
        // §18 vectors 9–11 are the first rows of each.
        for (line, both, gzip, brotli) in [
            ("deflate, gzip, br", BrGzip, Gzip, Br),
            ("deflate", Identity, Identity, Identity),
            ("br", Br, Identity, Br),
            ("gzip", Gzip, Gzip, Identity),
            ("gzip, deflate, br, zstd", BrGzip, Gzip, Br),
            ("", Identity, Identity, Identity),
            ("*", Identity, Identity, Identity),
            ("identity", Identity, Identity, Identity),
            ("GZIP,Br", BrGzip, Gzip, Br),
            ("gzip;q=0, br", Br, Identity, Br),
            ("gzip ; q=0.000 ,br;Q=0.0", Identity, Identity, Identity),
            ("gzip;q=0.001, br;q=1", BrGzip, Gzip, Br),
            ("gzip;q=nonsense", Gzip, Gzip, Identity),
            ("gzip, gzip;q=0", Identity, Identity, Identity),
            ("x-gzip, brotli, gzipped", Identity, Identity, Identity),
        ] {
            assert_eq!(normalise(&[line], true, true), both, "{line}");
            assert_eq!(normalise(&[line], true, false), gzip, "{line}");
            assert_eq!(normalise(&[line], false, true), brotli, "{line}");
        }
        assert_eq!(normalise(&[], true, true), Absent);
        assert_eq!(normalise(&["gzip", "br"], true, true), BrGzip);
    }

    #[test]
    fn http_1_0_is_not_asked() {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"))]);
        for (version, expected) in [
            (Version::HTTP_09, Absent),
            (Version::HTTP_10, Absent),
            (Version::HTTP_11, BrGzip),
            (Version::HTTP_2, BrGzip),
            (Version::HTTP_3, BrGzip),
        ] {
            assert_eq!(AcceptEncoding::normalise(&headers, version, true, true), expected);
        }
    }

    #[test]
    fn in_the_key_and_to_the_origin() {
        for (accept, key, header) in [
            (Absent, "", None),
            (Identity, "", Some("identity")),
            (Gzip, "gzip", Some("gzip")),
            (Br, "br", Some("br")),
            (BrGzip, "br,gzip", Some("br,gzip")),
        ] {
            assert_eq!(accept.key_part(), key.as_bytes());
            assert_eq!(accept.to_origin(), header.map(HeaderValue::from_static));
        }
    }

    #[test]
    fn the_list_is_sorted_and_lower_case() {
        assert!(COMPRESSIBLE.is_sorted_by(|a, b| a < b));
        assert!(COMPRESSIBLE.iter().all(|entry| !entry.bytes().any(|byte| byte.is_ascii_uppercase())));
    }

    fn head(content_type: &'static str, length: &'static str) -> HeaderMap {
        HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (CONTENT_LENGTH, HeaderValue::from_static(length)),
        ])
    }

    fn check(headers: &HeaderMap) -> Result<Coding, NoCompression> {
        compression(BrGzip, true, StatusCode::OK, headers)
    }

    #[test]
    fn which_coding() {
        let page = head("text/html; charset=UTF-8", "5000");
        let with = |accept, compress| compression(accept, compress, StatusCode::OK, &page);
        assert_eq!(with(BrGzip, true), Ok(Coding::Brotli));
        assert_eq!(with(Br, true), Ok(Coding::Brotli));
        assert_eq!(with(Gzip, true), Ok(Coding::Gzip));
        assert_eq!(with(Identity, true), Err(NoCompression::NotAccepted));
        assert_eq!(with(Absent, true), Err(NoCompression::NotAccepted));
        assert_eq!(with(BrGzip, false), Err(NoCompression::NotConfigured));
        assert_eq!(check(&head("application/pdf", "5000")), Ok(Coding::Brotli), "§18 vector 32");
        assert_eq!(Coding::Brotli.content_encoding(), "br");
        assert_eq!(Coding::Gzip.content_encoding(), "gzip");
    }

    #[test]
    fn lengths() {
        for (length, expected) in [
            ("999", Err(NoCompression::TooSmall)), // §18 vector 33
            ("1000", Ok(Coding::Brotli)),
            ("10000000", Ok(Coding::Brotli)),
            ("10000001", Err(NoCompression::TooLarge)),
            ("99999999999999999999999", Err(NoCompression::TooLarge)),
            ("0", Err(NoCompression::TooSmall)),
            ("", Err(NoCompression::NoLength)),
            ("-5000", Err(NoCompression::NoLength)),
            ("5000, 5000", Err(NoCompression::NoLength)),
        ] {
            assert_eq!(check(&head("text/html", length)), expected, "{length}");
        }
        let mut headers = head("text/html", "5000");
        headers.append(CONTENT_LENGTH, HeaderValue::from_static("5000"));
        assert_eq!(check(&headers), Err(NoCompression::NoLength));
        let mut headers = head("text/html", "5000");
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        assert_eq!(check(&headers), Err(NoCompression::NoLength));
        headers.remove(CONTENT_LENGTH);
        assert_eq!(check(&headers), Err(NoCompression::NoLength), "§18 vector 31");
    }

    #[test]
    fn what_else_stands_in_the_way() {
        for coding in ["gzip", "identity", ""] {
            let mut headers = head("text/html", "5000");
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
            assert_eq!(check(&headers), Err(NoCompression::AlreadyEncoded), "{coding}");
        }
        for status in 100..1000 {
            let code = StatusCode::from_u16(status).unwrap();
            let verdict = compression(Gzip, true, code, &head("text/css", "5000"));
            let listed = matches!(status, 200 | 403 | 404);
            assert_eq!(verdict, if listed { Ok(Coding::Gzip) } else { Err(NoCompression::Status) });
        }
        for content_type in
            ["TEXT/HTML", "Application/Json;charset=utf-8", " text/css ;x", "vnd.apple.mpegurl"]
        {
            assert_eq!(check(&head(content_type, "5000")), Ok(Coding::Brotli), "{content_type}");
        }
        for content_type in
            ["font/woff", "font/woff2", "image/png", "application/ld+json", "text/markdown", "text", ""]
        {
            assert_eq!(check(&head(content_type, "5000")), Err(NoCompression::ContentType), "{content_type}");
        }
        let mut headers = head("text/html", "5000");
        headers.remove(CONTENT_TYPE);
        assert_eq!(check(&headers), Err(NoCompression::ContentType));
    }

    proptest! {
        #[test]
        fn normalising_again_changes_nothing(line in "((gzip|br|deflate|\\*|identity)(;q=(0|1|0\\.5))?[, ]{0,2}){0,4}") {
            for (gzip, brotli) in [(true, true), (true, false), (false, true)] {
                let once = normalise(&[&line], gzip, brotli);
                let sent = once.to_origin().unwrap();
                prop_assert_eq!(normalise(&[sent.to_str().unwrap()], gzip, brotli), once);
                prop_assert!(gzip || !matches!(once, Gzip | BrGzip));
                prop_assert!(brotli || !matches!(once, Br | BrGzip));
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let Ok(value) = HeaderValue::from_bytes(&bytes) else { return Ok(()) };
            let names = [ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE];
            let headers = HeaderMap::from_iter(names.map(|name| (name, value.clone())));
            AcceptEncoding::normalise(&headers, Version::HTTP_2, true, true);
            let _ = check(&headers);
        }
    }
}
