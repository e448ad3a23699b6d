//! Fields that belong to one connection and never travel on (RFC 9110 §7.6.1, threats.md M4).
//!
//! It refuses to know which side it works for: the same fields go from a viewer's request and an origin's response.

use http::header::{
    AGE, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, DATE, EXPIRES, HOST, SET_COOKIE, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, VARY,
};
use http::{HeaderMap, HeaderName};

/// Fields that `Connection` cannot take away: they are meant for every recipient (RFC 9110 §7.6.1 names
/// `Cache-Control`), and a response that lost them would look more cacheable, or differently long, than it is.
const KEPT: [HeaderName; 9] =
    [AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, DATE, EXPIRES, HOST, SET_COOKIE, VARY];

/// Removes `Connection`, every field it names, and the fields that are hop-by-hop by definition.
///
/// To be called before anything else reads or adds a field: a viewer may name any field in `Connection`, and what is
/// keyed on must be what the origin sees.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let lines = headers.get_all(CONNECTION).iter();
        let names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        let named: Vec<HeaderName> = names
            .filter_map(|name| HeaderName::from_bytes(super::trim(name)).ok())
            .filter(|name| !KEPT.contains(name) && headers.contains_key(name))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    // Not in `http`'s table of names: looked for only if there is one at all.
    if headers.keys().any(is_hop_by_hop) {
        let rest: Vec<HeaderName> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
        for name in rest {
            headers.remove(name);
        }
    }
}

/// Whether a field of this name is hop-by-hop by definition: `Connection`, `Keep-Alive`, `Proxy-*`, `TE`, `Trailer`,
/// `Transfer-Encoding`, `Upgrade`.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(name.as_str(), "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade")
        || name.as_str().starts_with("proxy-")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn left(lines: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        remove_hop_by_hop(&mut headers);
        let mut names: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn by_definition() {
        for name in [
            "connection",
            "keep-alive",
            "proxy-connection",
            "proxy-authorization",
            "proxy-authenticate",
            "proxy-authentication-info",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ] {
            assert!(is_hop_by_hop(&HeaderName::from_static(name)), "{name}");
            let value = if name == "connection" { "close" } else { "x" };
            assert_eq!(left(&[(name, value), ("accept", "x")]), ["accept"], "{name}");
        }
        for name in ["accept", "content-length", "x-proxy-a", "expect", "via", "host", "trailers"] {
            assert!(!is_hop_by_hop(&HeaderName::from_static(name)), "{name}");
            assert_eq!(left(&[(name, "x")]), [name]);
        }
    }

    #[test]
    fn by_name() {
        let fields = [("x-a", "1"), ("x-b", "1"), ("x-b", "2"), ("cookie", "a=1"), ("x-c", "1")];
        let with = |connection: &[(&'static str, &'static str)]| left(&[connection, &fields].concat());
        assert_eq!(with(&[("connection", "X-A, x-b")]), ["cookie", "x-c"]);
        assert_eq!(with(&[("connection", "x-a"), ("connection", " cookie ,,")]), ["x-b", "x-c"]);
        assert_eq!(with(&[("connection", "close, x-none, n o, \"x-a\"")]), ["cookie", "x-a", "x-b", "x-c"]);
    }

    #[test]
    fn what_decides_about_storing_cannot_be_named_away() {
        let fields =
            [("cache-control", "private"), ("set-cookie", "a=1"), ("vary", "*"), ("content-length", "1")];
        let names = ("connection", "cache-control, set-cookie, vary, content-length");
        let all = [&fields[..], &[names]].concat();
        assert_eq!(left(&all), ["cache-control", "content-length", "set-cookie", "vary"]);
    }
}
