//! Cache policies (§1.2.5) and origin request policies (§1.2.6).

use std::time::Duration;

use super::super::check::{self, Quota, quotas};
use super::super::policy::{CachePolicy, OriginRequestPolicy};
use super::super::problem::codes::INVALID_ARGUMENT;
use super::super::{ForwardSettings, HeaderDefaults, HeaderForwarding, KeySettings, Names, Ttl};
use super::names::{self, Selecting, Wildcards, header_names};
use super::node::Node;

/// DefaultTTL where a document does not say, unless MinTTL is more (§1.2.5).
const DEFAULT_TTL: u64 = 86_400;
/// MaxTTL where a document does not say, unless DefaultTTL is more.
const MAX_TTL: u64 = 31_536_000;

/// Reads a `CachePolicyConfig`.
pub(super) fn cache_policy(config: &Node<'_>) -> CachePolicy {
    let name = config.required_text("Name").to_owned();
    config.text("Comment");
    config.required("MinTTL");
    let ttl = ttl(config);
    let parameters = config.at("ParametersInCacheKeyAndForwardedToOrigin");
    let key = if parameters.is_present() { key_settings(&parameters) } else { no_parameters() };
    if ttl.caching_disabled() && parameters.is_present() {
        check_caching_disabled(&parameters, &key);
    }
    CachePolicy { name, ttl, key }
}

/// MinTTL, DefaultTTL and MaxTTL of a policy or, in the legacy form, of a behavior.
pub(super) fn ttl(node: &Node<'_>) -> Ttl {
    let read = |key| {
        let field = node.at(key);
        let seconds = field.as_integer()?;
        if seconds > check::TTL_MAX {
            field.error(INVALID_ARGUMENT, format!("{seconds} s is more than a hundred years"));
        }
        Some(seconds.min(check::TTL_MAX))
    };
    let min = read("MinTTL").unwrap_or_default();
    let default = read("DefaultTTL").unwrap_or(DEFAULT_TTL.max(min));
    let max = read("MaxTTL").unwrap_or(MAX_TTL.max(default));
    if min > default {
        let message = format!("DefaultTTL {default} is less than MinTTL {min}");
        node.at("DefaultTTL").error_with("InvalidTTLOrder", message, "MinTTL ≤ DefaultTTL ≤ MaxTTL");
    }
    if default > max {
        let message = format!("MaxTTL {max} is less than DefaultTTL {default}");
        node.at("MaxTTL").error_with("InvalidTTLOrder", message, "MinTTL ≤ DefaultTTL ≤ MaxTTL");
    }
    let [min, default, max] = [min, default, max].map(Duration::from_secs);
    Ttl { min, default, max }
}

fn no_parameters() -> KeySettings {
    KeySettings { gzip: false, brotli: false, headers: Vec::new(), cookies: Names::None, query: Names::None }
}

fn key_settings(node: &Node<'_>) -> KeySettings {
    let gzip = node.required_boolean("EnableAcceptEncodingGzip");
    let brotli = node.boolean("EnableAcceptEncodingBrotli").unwrap_or_default();
    let config = node.required("HeadersConfig");
    let takes_list = config.required_choice("HeaderBehavior", &[("none", false), ("whitelist", true)]);
    let list = config.at("Headers");
    let items = list.items();
    list.within(&quotas::KEY_HEADERS, items.len());
    if let Some(takes_list) = takes_list {
        names::check_list(takes_list, &list, &items);
    }
    let mut headers = header_names(&items, check::cache_key_header);
    if gzip || brotli {
        refuse_accept_encoding(&items);
    }
    if takes_list != Some(true) {
        headers.clear();
    }
    let (cookies, cookie_chars) = selection(node, &COOKIES, &quotas::KEY_COOKIES);
    let (query, query_chars) = selection(node, &QUERY, &quotas::KEY_QUERY);
    node.within(&quotas::POLICY_NAMES_TOTAL, names::total_chars(&items) + cookie_chars + query_chars);
    KeySettings { gzip, brotli, headers, cookies, query }
}

fn refuse_accept_encoding(items: &[Node<'_>]) {
    for item in items {
        if item
            .value()
            .and_then(|value| value.as_str())
            .is_some_and(|name| name.eq_ignore_ascii_case("accept-encoding"))
        {
            item.error_with(
                INVALID_ARGUMENT,
                "The parameter Headers contains Accept-Encoding that is not allowed",
                "the EnableAcceptEncoding flags put the normalised header into the key already",
            );
        }
    }
}

/// With all TTLs 0 nothing may be in the key (§1.2.5), in the API's words.
fn check_caching_disabled(parameters: &Node<'_>, key: &KeySettings) {
    let config = |key, behavior| parameters.at(key).at(behavior);
    for (field, offends) in [
        (config("HeadersConfig", "HeaderBehavior"), !key.headers.is_empty()),
        (config("CookiesConfig", "CookieBehavior"), !key.cookies.is_none()),
        (config("QueryStringsConfig", "QueryStringBehavior"), !key.query.is_none()),
        (parameters.at("EnableAcceptEncodingGzip"), key.gzip),
        (parameters.at("EnableAcceptEncodingBrotli"), key.brotli),
    ] {
        if offends {
            let name = field.place().rsplit('.').next().unwrap_or_default().to_owned();
            field.error_with(
                INVALID_ARGUMENT,
                format!("The parameter {name} is invalid for policy with caching disabled"),
                "forward it with an origin request policy, or set MaxTTL above 0",
            );
        }
    }
}

/// Where a selection of names stands.
struct Dimension {
    config: &'static str,
    behavior: &'static str,
    list: &'static str,
    wildcards: Wildcards,
}

const COOKIES: Dimension = Dimension {
    config: "CookiesConfig",
    behavior: "CookieBehavior",
    list: "Cookies",
    wildcards: Wildcards::Meant,
};

const QUERY: Dimension = Dimension {
    config: "QueryStringsConfig",
    behavior: "QueryStringBehavior",
    list: "QueryStrings",
    wildcards: Wildcards::Literal,
};

/// The selected names, and how long the listed ones are together.
fn selection(node: &Node<'_>, dimension: &Dimension, quota: &Quota) -> (Names, usize) {
    let config = node.required(dimension.config);
    let selecting = config.required_choice(dimension.behavior, names::BEHAVIORS);
    let list = config.at(dimension.list);
    let items = list.items();
    list.within(quota, items.len());
    if let Some(selecting) = selecting {
        selecting.check_list(&list, &items);
    }
    let selecting = selecting.unwrap_or(Selecting::None);
    (selecting.of(names::names(&items, dimension.wildcards)), names::total_chars(&items))
}

/// `HeaderBehavior` of an origin request policy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forwarding {
    None,
    Whitelist,
    AllViewer,
    AllViewerAndCloudFront,
    AllExcept,
}

const FORWARDING: &[(&str, Forwarding)] = &[
    ("none", Forwarding::None),
    ("whitelist", Forwarding::Whitelist),
    ("allViewer", Forwarding::AllViewer),
    ("allViewerAndWhitelistCloudFront", Forwarding::AllViewerAndCloudFront),
    ("allExcept", Forwarding::AllExcept),
];

/// Reads an `OriginRequestPolicyConfig`.
pub(super) fn origin_request_policy(config: &Node<'_>) -> OriginRequestPolicy {
    let name = config.required_text("Name").to_owned();
    config.text("Comment");
    let (headers, header_chars) = header_forwarding(&config.required("HeadersConfig"));
    let (cookies, cookie_chars) = selection(config, &COOKIES, &quotas::FORWARD_COOKIES);
    let (query, query_chars) = selection(config, &QUERY, &quotas::FORWARD_QUERY);
    config.within(&quotas::POLICY_NAMES_TOTAL, header_chars + cookie_chars + query_chars);
    let forward = ForwardSettings { defaults: HeaderDefaults::Policy, headers, cookies, query };
    OriginRequestPolicy { name, forward }
}

fn header_forwarding(config: &Node<'_>) -> (HeaderForwarding, usize) {
    let behavior = config.required_choice("HeaderBehavior", FORWARDING);
    let list = config.at("Headers");
    let items = list.items();
    list.within(&quotas::FORWARD_HEADERS, items.len());
    if let Some(behavior) = behavior {
        names::check_list(!matches!(behavior, Forwarding::None | Forwarding::AllViewer), &list, &items);
    }
    let chars = names::total_chars(&items);
    let forwarding = match behavior.unwrap_or(Forwarding::None) {
        Forwarding::None => HeaderForwarding::Defaults,
        Forwarding::AllViewer => HeaderForwarding::AllViewer { plus: Vec::new() },
        Forwarding::Whitelist => HeaderForwarding::Only(header_names(&items, check::origin_request_header)),
        Forwarding::AllViewerAndCloudFront => {
            HeaderForwarding::AllViewer { plus: header_names(&items, check::cloudfront_header) }
        }
        Forwarding::AllExcept => {
            HeaderForwarding::AllExcept { names: header_names(&items, |_| Ok(())), plus: Vec::new() }
        }
    };
    (forwarding, chars)
}
