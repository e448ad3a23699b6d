//! `ForwardedValues` (§4.6): key and forwarding in one, from before there were policies.

use std::time::Duration;

use super::super::check::{self, quotas};
use super::super::problem::codes::INVALID_ARGUMENT;
use super::super::{ForwardSettings, HeaderDefaults, HeaderForwarding, KeySettings, Names, Ttl};
use super::names::{self, Selecting, Wildcards, header_names};
use super::node::Node;
use super::policies;

/// What a cache policy and an origin request policy would say.
pub(super) struct Legacy {
    pub(super) ttl: Ttl,
    pub(super) key: KeySettings,
    pub(super) forward: ForwardSettings,
}

/// Reads `ForwardedValues` and the TTLs beside it. `compress` is the behavior's: it normalises Accept-Encoding to
/// gzip, Brotli is for policies only (§4.4).
pub(super) fn settings(behavior: &Node<'_>, forwarded: &Node<'_>, compress: bool) -> Legacy {
    let mut ttl = policies::ttl(behavior);
    let list = forwarded.at("Headers");
    let items = list.items();
    let all_headers = items.iter().any(|item| item.value().and_then(|value| value.as_str()) == Some("*"));
    let (headers, forwarding) = if all_headers {
        check_all_headers(behavior, &list, items.len(), ttl);
        ttl = Ttl { min: Duration::ZERO, default: Duration::ZERO, max: Duration::ZERO };
        (Vec::new(), HeaderForwarding::AllViewer { plus: Vec::new() })
    } else {
        list.within(&quotas::LEGACY_HEADERS, items.len());
        (header_names(&items, check::cache_key_header), HeaderForwarding::Defaults)
    };
    let (query, forwarded_query) = query(forwarded);
    Legacy {
        ttl,
        key: KeySettings { gzip: compress, brotli: false, headers, cookies: cookies(forwarded), query },
        forward: ForwardSettings {
            defaults: HeaderDefaults::Legacy,
            headers: forwarding,
            cookies: Names::None, // What is in the key is forwarded anyway.
            query: forwarded_query,
        },
    }
}

/// `["*"]` turns caching off, which contradicts a MinTTL.
fn check_all_headers(behavior: &Node<'_>, list: &Node<'_>, count: usize, ttl: Ttl) {
    if count > 1 {
        list.error(INVALID_ARGUMENT, "* stands alone");
    }
    if !ttl.min.is_zero() {
        let field = behavior.at("MinTTL");
        field.error_with(
            INVALID_ARGUMENT,
            "MinTTL is 0 where all headers are forwarded: nothing is cached",
            "list the headers answers depend on, or set MinTTL to 0",
        );
    }
}

/// In the key, and forwarded.
fn query(forwarded: &Node<'_>) -> (Names, Names) {
    let code = "InvalidQueryStringParameters";
    let whole = forwarded.required_boolean("QueryString");
    let list = forwarded.at("QueryStringCacheKeys");
    let items = list.items();
    list.within(&quotas::LEGACY_QUERY, items.len());
    list.within(&quotas::LEGACY_QUERY_TOTAL, names::total_chars(&items));
    for item in &items {
        item.within(&quotas::LEGACY_QUERY_KEY, names::total_chars(std::slice::from_ref(item)));
    }
    let keys = names::names(&items, Wildcards::Literal);
    match (whole, keys.is_empty()) {
        (false, true) => (Names::None, Names::None),
        (false, false) => {
            list.error_with(
                code,
                "no query string is forwarded, so no key can be in it",
                "set QueryString to true",
            );
            (Names::None, Names::None)
        }
        (true, true) => (Names::All, Names::None),
        // The origin gets the whole query string; only the keys tell objects apart.
        (true, false) => (Names::Only(keys), Names::All),
    }
}

fn cookies(forwarded: &Node<'_>) -> Names {
    let code = "InvalidForwardCookies";
    let node = forwarded.required("Cookies");
    let words = [("none", Selecting::None), ("whitelist", Selecting::Listed), ("all", Selecting::All)];
    let selecting = node.required_choice("Forward", &words);
    let list = node.at("WhitelistedNames");
    let items = list.items();
    list.within(&quotas::LEGACY_COOKIES, items.len());
    // §1.3: 512 bytes, less one for each name.
    let chars = names::total_chars(&items);
    if chars + items.len() > 512 {
        list.error(INVALID_ARGUMENT, format!("{chars} characters in all names are too many"));
    }
    match selecting {
        Some(Selecting::Listed) if items.is_empty() => {
            list.error(code, "Forward is whitelist, but no name is listed");
        }
        Some(Selecting::None | Selecting::All) if !items.is_empty() => {
            list.error(code, "names are listed, but Forward is not whitelist");
        }
        _ => {}
    }
    selecting.unwrap_or(Selecting::None).of(names::names(&items, Wildcards::Meant))
}
