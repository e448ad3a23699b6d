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
