//! What is stored and for whom: pages that leak, and keys that split one page into thousands.
//!
//! Where a viewer-request rule of ours sorts sessions out, the key is made after it, and these rules are quiet.

use http::HeaderName;
use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, ORIGIN, SET_COOKIE, USER_AGENT};

use super::facts::{EVERYBODYS_COOKIES, Service, Site, Subject, TRACKERS, View, described, listed, service};
use super::{Doubt, Found};
use crate::distribution::rule::NameOrPrefix;
use crate::distribution::{HeaderDefaults, HeaderForwarding, Names, OriginKind};

fn header(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// MinTTL keeps what the origin calls private, and the origin can tell viewers apart.
pub(super) fn min_ttl_over_private(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let seconds = view.behavior.ttl.min.as_secs();
    let shared = seconds > 0 && view.identity_beyond_key() && !view.sorts_sessions();
    shared.then(|| {
        Found::new(
            &min_ttl_place(view),
            format!("MinTTL {seconds}"),
            format!(
                "answers marked private or no-store are kept for {seconds} s all the same, and cookies or \
                 Authorization reach the origin without being in the key"
            ),
        )
        .note_where(view.opaque_function())
    })
}

pub(super) fn min_ttl_place<'a>(view: &'a View<'_>) -> super::place::Place<'a> {
    if view.is_legacy() { view.place.at("MinTTL") } else { view.key_place() }
}

/// Cookies reach the origin, are not in the key, and answers are stored.
pub(super) fn cookies_not_in_key(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let cookies = view.cookies_beyond_key()?;
    let shared = view.stores_by_default() && !view.sorts_sessions() && !view.is_static();
    shared.then(|| {
        Found::new(
            &view.forward_place(),
            format!("cookies: {cookies}"),
            "cookies go to the origin and are not in the key: one viewer's page is stored for all",
        )
        .note_where(view.opaque_function())
    })
}

/// The same where the pattern is about files: the page is everybody's, but the Set-Cookie with it is not.
pub(super) fn static_forwards_cookies(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let cookies = view.cookies_beyond_key()?;
    (view.is_static() && view.stores_by_default() && !view.sorts_sessions()).then(|| {
        Found::new(
            &view.forward_place(),
            format!("cookies: {cookies}"),
            "files get the viewer's cookies, and a Set-Cookie beside a file is stored for all",
        )
        .note_where(view.opaque_function())
    })
}

/// Authorization reaches the origin, is not in the key, and answers are stored.
pub(super) fn authorization_not_in_key(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let forwarded = view.forwards(&AUTHORIZATION) && !view.keys(&AUTHORIZATION);
    (forwarded && view.stores_by_default() && !view.sorts_sessions()).then(|| {
        Found::new(
            &view.forward_place(),
            "Authorization",
            "Authorization goes to the origin and is not in the key: what one viewer may see is stored for all",
        )
        .note_where(view.opaque_function())
    })
}

/// Query strings reach the origin, are not in the key, and answers are stored. Legacy `QueryStringCacheKeys` forward
/// the whole string by design.
pub(super) fn query_not_in_key(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let query = view.query_beyond_key()?;
    let wrong = view.stores_by_default()
        && view.behavior.forward.defaults == HeaderDefaults::Policy
        && !view.is_static()
        && !view.is_towards_s3();
    wrong.then(|| {
        Found::new(
            &view.forward_place(),
            format!("query strings: {query}"),
            "query strings go to the origin and are not in the key: the page of one is stored for every other",
        )
        .note_where(view.opaque_function())
    })
}

/// Headers that a policy names because the answer goes by them, and that are not in the key.
pub(super) fn variant_not_in_key(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let named: &[HeaderName] = match &view.behavior.forward.headers {
        HeaderForwarding::Defaults => &[],
        HeaderForwarding::Only(names) => names,
        HeaderForwarding::AllViewer { plus } | HeaderForwarding::AllExcept { plus, .. } => plus,
    };
    let varies = |name: &&HeaderName| {
        let name = name.as_str();
        name == ACCEPT_LANGUAGE
            || name.starts_with("cloudfront-is-")
            || matches!(name, "cloudfront-viewer-country" | "cloudfront-viewer-country-region")
    };
    let missing: Vec<&str> =
        named.iter().filter(varies).filter(|name| !view.keys(name)).map(HeaderName::as_str).collect();
    let wrong = !missing.is_empty()
        && view.stores_by_default()
        && view.behavior.rule().is_none()
        && !view.is_static();
    wrong.then(|| {
        Found::new(
            &view.forward_place(),
            missing.join(", "),
            "the origin is told device, country or language, and the key is not: the first viewer's variant is everybody's",
        )
        .note_where(view.opaque_function())
    })
}

/// Every cookie splits the key.
pub(super) fn all_cookies_in_key(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let cookies = &view.behavior.key.cookies;
    let all = matches!(cookies, Names::All | Names::AllExcept(_));
    (all && view.stores_by_default() && !view.has_managed_key()).then(|| {
        Found::new(
            &view.key_place(),
            format!("cookies in the key: {}", described(cookies)),
            "every visitor has cookies of analytics: each gets copies of his own, and hardly anything is a hit",
        )
        .note_where(view.opaque_function())
    })
}

/// A list of cookies in the key that names one everybody has.
pub(super) fn everybodys_cookie_in_key(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let Names::Only(_) = view.behavior.key.cookies else { return None };
    let selected = |name: &&&str| view.behavior.key.cookies.select(name.as_bytes());
    let found: Vec<&str> = EVERYBODYS_COOKIES.iter().filter(selected).copied().collect();
    (!found.is_empty() && view.can_store()).then(|| {
        Found::new(
            &view.key_place(),
            found.join(", "),
            format!(
                "the key's cookies ({}) select one that every visitor has with a value of his own",
                listed(&view.behavior.key.cookies).join(", ")
            ),
        )
    })
}

/// `Headers: ["*"]`: nothing is cached. It was the way to say so before there were policies, where no TTL says otherwise.
pub(super) fn all_headers_forwarded(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let list = view.place.at("ForwardedValues").at("Headers");
    let star = list.items().iter().any(|item| item.text() == Some("*"));
    let contradicted = view.is_static() || view.place.at("DefaultTTL").is_number_above_zero();
    let doubt =
        if contradicted { Doubt::None } else { Doubt::Because("without a DefaultTTL it may be meant so") };
    star.then(|| {
        Found::new(&list, "*", "all headers are forwarded: nothing of this behavior is ever cached")
            .note_where(doubt)
    })
}

/// The value differs from browser to browser.
pub(super) fn user_agent_in_key(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    (view.keys(&USER_AGENT) && view.can_store()).then(|| {
        Found::new(
            &view.key_place(),
            "User-Agent",
            "there are thousands of User-Agents: each gets copies of its own",
        )
    })
}

/// Headers whose value is another in each request.
const PER_REQUEST: [&str; 14] = [
    "traceparent",
    "tracestate",
    "baggage",
    "sentry-trace",
    "x-request-id",
    "x-correlation-id",
    "request-id",
    "x-amzn-trace-id",
    "x-b3-traceid",
    "x-b3-spanid",
    "b3",
    "x-datadog-trace-id",
    "x-cloud-trace-context",
    "newrelic",
];

/// The value differs from request to request: nothing is ever a hit.
pub(super) fn request_id_in_key(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let found: Vec<&str> = in_key(view, &PER_REQUEST);
    (!found.is_empty() && view.can_store()).then(|| {
        Found::new(
            &view.key_place(),
            found.join(", "),
            "the value is another in each request: nothing is ever a hit for whoever sends it",
        )
    })
}

/// Headers with nearly as many values as viewers.
const NEARLY_PER_VIEWER: [&str; 10] = [
    "referer",
    "x-forwarded-for",
    "accept-language",
    "cloudfront-viewer-city",
    "cloudfront-viewer-latitude",
    "cloudfront-viewer-longitude",
    "cloudfront-viewer-postal-code",
    "cloudfront-viewer-header-order",
    "cloudfront-viewer-header-count",
    "cloudfront-viewer-metro-code",
];

/// The value differs from viewer to viewer.
pub(super) fn fine_header_in_key(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let found = in_key(view, &NEARLY_PER_VIEWER);
    (!found.is_empty() && view.can_store()).then(|| {
        Found::new(
            &view.key_place(),
            found.join(", "),
            "there are nearly as many values as viewers: copies are made that nobody else is served",
        )
    })
}

fn in_key(view: &View<'_>, names: &[&'static str]) -> Vec<&'static str> {
    names.iter().copied().filter(|name| view.keys(&header(name))).collect()
}

/// The raw header has dozens of values for two codings.
pub(super) fn raw_accept_encoding(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    (view.keys(&ACCEPT_ENCODING) && view.can_store()).then(|| {
        Found::new(
            &view.key_place(),
            "Accept-Encoding",
            "browsers write Accept-Encoding in dozens of ways: each is a copy of its own",
        )
    })
}

/// Towards a bucket the header is CloudFront's own signature, or none.
pub(super) fn authorization_towards_s3(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    (view.keys(&AUTHORIZATION) && view.is_towards_s3()).then(|| {
        Found::new(
            &view.key_place(),
            "Authorization",
            "S3 takes a viewer's Authorization for a signature and refuses it, and signing by CloudFront replaces it",
        )
    })
}

/// Each click on an advertisement is a key of its own.
pub(super) fn trackers_in_key(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let dropped = |name: &str| {
        view.behavior.rule().is_some_and(|rule| {
            let by = |list: &[NameOrPrefix]| list.iter().any(|entry| entry.matches(name.as_bytes()));
            by(&rule.drop_query) && !by(&rule.keep_query)
        })
    };
    let splits = |name: &&&str| view.behavior.key.query.select(name.as_bytes()) && !dropped(name);
    let found: Vec<&str> = TRACKERS.iter().take(4).filter(splits).copied().collect();
    let matters =
        !found.is_empty() && view.stores_by_default() && !view.is_static() && !view.has_managed_key();
    matters.then(|| {
        Found::new(
            &view.key_place(),
            format!("query strings in the key: {}", described(&view.behavior.key.query)),
            format!("each click on an advertisement has {} of its own, and is a miss", found.join(", ")),
        )
        .note_where(view.opaque_function())
    })
}

/// Cookies split the key, so an answer that sets one is stored: for whoever has none, it is the same.
pub(super) fn set_cookie_stored(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let cookies = &view.behavior.key.cookies;
    let stored =
        !cookies.is_none() && view.stores_by_default() && !view.sorts_sessions() && !view.has_managed_key();
    let doubt = if view.behavior.ttl.min.is_zero() {
        Doubt::Because("with MinTTL 0 the origin prevents it by private, no-store or no-cache=\"Set-Cookie\"")
    } else {
        view.opaque_function()
    };
    stored.then(|| {
        Found::new(
            &view.key_place(),
            format!("cookies in the key: {}", described(cookies)),
            format!(
                "an answer with {SET_COOKIE} is stored: whoever comes without a cookie gets the session of the first"
            ),
        )
        .note_where(doubt)
    })
}

/// Cookies of WordPress that change pages, each by an example.
const WORDPRESS_COOKIES: [(&str, &str); 3] = [
    ("wordpress_logged_in_*", "wordpress_logged_in_0"),
    ("wp-postpass_*", "wp-postpass_0"),
    ("comment_author_*", "comment_author_0"),
];
/// And of WooCommerce.
const SHOP_COOKIES: [(&str, &str); 3] = [
    ("woocommerce_items_in_cart", "woocommerce_items_in_cart"),
    ("woocommerce_cart_hash", "woocommerce_cart_hash"),
    ("wp_woocommerce_session_*", "wp_woocommerce_session_0"),
];

/// Pages are stored, and the key does not know who is logged in.
pub(super) fn session_cookies_not_in_key(subject: &Subject<'_>) -> Vec<Found> {
    let Some(view) = pages_of_wordpress(subject) else { return Vec::new() };
    let names = match subject.site {
        Site::Unknown => return Vec::new(),
        Site::WordPress => WORDPRESS_COOKIES.to_vec(),
        Site::Shop => [WORDPRESS_COOKIES, SHOP_COOKIES].concat(),
    };
    let missing: Vec<&str> = names
        .iter()
        .filter(|(_, example)| !view.behavior.key.cookies.select(example.as_bytes()))
        .map(|(pattern, _)| *pattern)
        .collect();
    if missing.is_empty() || view.sorts_sessions() {
        return Vec::new();
    }
    let found = Found::new(
        &view.key_place(),
        missing.join(", "),
        "pages are stored, and the key does not tell these sessions from visitors: the logged-in get visitors' pages, or the reverse",
    );
    vec![found.of(view).note_where(view.opaque_function())]
}

/// The behavior of WordPress's pages, where it stores any.
fn pages_of_wordpress<'s, 'a>(subject: &'s Subject<'a>) -> Option<&'s View<'a>> {
    let view = subject.serving("/a-page/").filter(|_| subject.is_wordpress())?;
    (view.stores_by_default() && !view.is_towards_s3()).then_some(view)
}

/// Arguments of WordPress that change the page at one path.
const WORDPRESS_ARGUMENTS: [&str; 6] = ["s", "p", "page_id", "preview", "paged", "replytocom"];

/// Pages are stored, and the key does not know what was searched.
pub(super) fn page_arguments_not_in_key(subject: &Subject<'_>) -> Vec<Found> {
    let Some(view) = pages_of_wordpress(subject) else { return Vec::new() };
    let missing: Vec<&str> = WORDPRESS_ARGUMENTS
        .iter()
        .copied()
        .filter(|name| !view.behavior.key.query.select(name.as_bytes()))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let found = Found::new(
        &view.key_place(),
        missing.join(", "),
        "one page is stored for every search, preview and page number: these arguments change it and are not in the key",
    );
    vec![found.of(view).note_where(view.opaque_function())]
}

/// Files with cookies in their key.
pub(super) fn static_keyed_on_cookies(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let cookies = &view.behavior.key.cookies;
    (view.is_static() && !cookies.is_none() && view.can_store()).then(|| {
        Found::new(
            &view.key_place(),
            format!("cookies in the key: {}", described(cookies)),
            "a file is the same whoever asks: cookies in its key make a copy for each session",
        )
    })
}

/// Origin is forwarded, not keyed, and nobody but the origin answers CORS.
pub(super) fn origin_not_in_key(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let HeaderForwarding::Only(names) = &view.behavior.forward.headers else { return None };
    let custom = view.origins.iter().any(|origin| {
        matches!(origin.kind, OriginKind::Custom { .. }) && service(origin) != Service::Website
    });
    let by_policy = view.behavior.response_headers.as_ref().is_some_and(|policy| policy.cors.is_some());
    let echoed = names.contains(&ORIGIN) && !view.keys(&ORIGIN) && custom && !by_policy;
    (echoed && view.stores_by_default()).then(|| {
        Found::new(
            &view.forward_place(),
            "Origin",
            "an origin that echoes Origin in Access-Control-Allow-Origin is stored with the first one's",
        )
    })
}

/// Named in the origin request policy, and sent without it.
pub(super) fn forwarded_twice(view: &View<'_>, _: &Subject<'_>) -> Option<Found> {
    let HeaderForwarding::Only(names) = &view.behavior.forward.headers else { return None };
    let twice = |name: &&HeaderName| {
        view.keys(name)
            || view.origins.iter().any(|origin| origin.custom_headers.iter().any(|(own, _)| own == *name))
    };
    let found: Vec<&str> = names.iter().filter(twice).map(HeaderName::as_str).collect();
    (!found.is_empty()).then(|| {
        Found::new(
            &view.forward_place(),
            found.join(", "),
            "the origin gets these already, from the key or as the origin's custom headers: the origin request policy need not name them",
        )
    })
}
