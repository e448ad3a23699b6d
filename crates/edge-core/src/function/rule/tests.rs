//! The rule against requests by hand, and its promises against requests nobody thought of.

use proptest::prelude::*;

use super::*;
use crate::viewer::device::Os;
use crate::viewer::{Body, Scheme};

const ID: HeaderValue = HeaderValue::from_static("4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==");

fn names(names: &[&str]) -> Vec<NameOrPrefix> {
    names.iter().map(|name| NameOrPrefix::from((*name).to_owned())).collect()
}

/// Some of everything.
fn rule() -> Rule {
    Rule {
        drop_query: names(&["utm_*", "gclid"]),
        keep_query: names(&["utm_keep"]),
        sort_query: true,
        session_cookies: names(&["wordpress_logged_in_*", "wp-postpass_*", "PHPSESSID"]),
        session_query: names(&["add-to-cart", "customize_*"]),
        shared_headers: Some(vec!["Authorization".to_owned(), "origin".to_owned()]),
        device: DeviceClasses::Three,
    }
}

fn request(method: Method, target: &str, headers: &[(&str, &str)]) -> Request {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    Request {
        method,
        scheme: Scheme::Https,
        version: http::Version::HTTP_11,
        host: HeaderValue::from_static("blog.example.com"),
        target: target.parse().unwrap(),
        headers: map,
        body: Body::None,
        traffic: crate::viewer::traffic::Traffic::Messages,
        location: None,
        tls: None,
        fields_sent: None,
        peer: "192.0.2.1:1".parse().unwrap(),
    }
}

fn device(class: Class) -> Device {
    Device { class, os: Os::Other }
}

fn apply(rule: &Rule, request: &mut Request) -> Applied {
    rule.apply(request, device(Class::Desktop), &ID)
}

fn visitor(cookies: &str) -> Visitor {
    apply(&rule(), &mut request(Method::GET, "/", &[("cookie", cookies)])).visitor
}

#[test]
fn a_session_cookie_anywhere_marks_a_session() {
    for cookies in [
        "wordpress_logged_in_abc=1",
        "_ga=1; wordpress_logged_in_abc=1",
        "a=1;wp-postpass_x=y;b=2",
        "a=\"x; PHPSESSID=1; y\"",
        "PHPSESSID=",
        "  PHPSESSID=1 ",
    ] {
        assert_eq!(visitor(cookies), Visitor::Session, "{cookies}");
    }
    // Over several lines too, though the door joins them (threats M8).
    let mut split = request(Method::GET, "/", &[("cookie", "a=1"), ("cookie", "PHPSESSID=1")]);
    assert_eq!(apply(&rule(), &mut split).visitor, Visitor::Session);
}

#[test]
fn a_session_keeps_everything_and_has_a_key_of_its_own() {
    let headers = [("cookie", "_ga=1; PHPSESSID=2"), ("referer", "https://a/"), ("user-agent", "x")];
    let mut session = request(Method::GET, "/?b=1&a=2", &headers);
    apply(&rule(), &mut session);
    assert_eq!(session.headers[SESSION_HEADER], ID);
    for (name, value) in headers {
        assert_eq!(session.headers[name], value);
    }
}

#[test]
fn others_are_anonymous_and_lose_their_cookies() {
    for cookies in [
        "_ga=GA1.2; wordpress_test_cookie=WP%20Cookie%20check; wp-settings-1=x; wp-settings-time-1=1",
        "xwordpress_logged_in_abc=1", // the name, not a part of it
        "WORDPRESS_LOGGED_IN_abc=1",  // names are case-sensitive (§4.3)
        "a=1, PHPSESSID=2",           // `;` is the only delimiter, to PHP too
        "a=wordpress_logged_in_abc=1",
        "PHPSESSIDX=1",
        "$PHPSESSID=1; a=1",
    ] {
        let mut anonymous = request(Method::GET, "/", &[("cookie", cookies)]);
        assert_eq!(apply(&rule(), &mut anonymous).visitor, Visitor::Anonymous, "{cookies}");
        assert!(!anonymous.headers.contains_key(COOKIE) && !anonymous.headers.contains_key(SESSION_HEADER));
    }
    // Without a pair there is nothing a function could take out, and nothing that goes on (§4.3).
    for cookies in ["$PHPSESSID=1", "", ";;; =; "] {
        assert_eq!(visitor(cookies), Visitor::Anonymous, "{cookies}");
        assert!(!cookie::is_standard(cookies.as_bytes()), "{cookies}");
    }
}

/// PHP turns `.`, ` ` and `[` of a cookie's name into `_`, so WordPress would see a session where the rule sees none.
/// It never gets the chance: an anonymous viewer's cookies do not reach the origin, mangled or not.
#[test]
fn names_that_php_would_mangle_never_reach_the_origin() {
    for mangled in
        ["wordpress.logged_in_abc", "wordpress logged in_abc", "wordpress_logged[in_abc", "wp-postpass.x"]
    {
        let mut anonymous = request(Method::GET, "/", &[("cookie", &format!("{mangled}=1"))]);
        assert_eq!(apply(&rule(), &mut anonymous).visitor, Visitor::Anonymous);
        assert!(!anonymous.headers.contains_key(COOKIE), "{mangled}");
    }
}

#[test]
fn some_arguments_mark_a_session_without_a_cookie() {
    for target in ["/?add-to-cart=5", "/shop/?a=1&add-to-cart", "/?customize_theme=x"] {
        let mut viewer = request(Method::GET, target, &[("cookie", "currency=EUR")]);
        assert_eq!(apply(&rule(), &mut viewer).visitor, Visitor::Session, "{target}");
        assert_eq!(viewer.headers[COOKIE], "currency=EUR");
    }
    for target in ["/", "/?add-to-cart2=1", "/?x=add-to-cart", "/add-to-cart"] {
        assert_eq!(
            apply(&rule(), &mut request(Method::GET, target, &[])).visitor,
            Visitor::Anonymous,
            "{target}"
        );
    }
}

#[test]
fn what_is_shared_carries_the_listed_headers_and_http_s_own() {
    let mut anonymous = request(
        Method::HEAD,
        "/",
        &[
            ("accept", "*/*"),
            ("accept-encoding", "gzip"),
            ("authorization", "Basic eDp5"),
            ("if-none-match", "\"x\""),
            ("origin", "https://a"),
            ("range", "bytes=0-1"),
            ("referer", "https://evil/"),
            ("sec-fetch-mode", "navigate"),
            ("user-agent", "x"),
            ("via", "1.1 proxy"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-host", "evil2"),
            ("x-http-method-override", "DELETE"),
            ("x-real-ip", "10.0.0.1"),
            ("x-requested-with", "XMLHttpRequest"),
        ],
    );
    apply(&rule(), &mut anonymous);
    let mut left: Vec<&str> = anonymous.headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            "accept-encoding",
            "authorization",
            "if-none-match",
            "origin",
            "range",
            "via",
            "x-real-ip", // no function sees it, and no origin
            "x-viewer-device"
        ]
    );
}

/// The short way to say no says it of none that stays.
#[test]
fn what_stays_is_known_by_its_first_letter() {
    let unseen = [
        "connection",
        "expect",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "trailer",
        "upgrade",
        "x-accel-redirect",
        "x-amzn-auth",
        "x-amz-cf-id",
        "x-cache",
        "x-edge-location",
        "x-forwarded-proto",
        "x-real-ip",
        "cloudfront-viewer-country",
    ];
    for name in TRANSPORT.iter().chain(&unseen) {
        assert!(is_transport(&HeaderName::from_static(name)), "{name}");
    }
    for name in ["accept", "cookie", "user-agent", "te", "x-forwarded-for", "sec-fetch-mode", "hosts", "vias"]
    {
        assert!(!is_transport(&HeaderName::from_static(name)), "{name}");
    }
}

#[test]
fn a_rule_that_lists_no_headers_leaves_them_alone() {
    let rule = Rule { shared_headers: None, ..rule() };
    let mut anonymous = request(Method::GET, "/", &[("referer", "https://a/"), ("cookie", "a=1")]);
    apply(&rule, &mut anonymous);
    assert!(anonymous.headers.contains_key("referer") && !anonymous.headers.contains_key(COOKIE));
}

#[test]
fn arguments_are_dropped_sorted_and_kept_byte_exact() {
    for (from, to) in [
        ("/?utm_source=a", "/"),
        ("/p?utm_source=a&gclid=b&utm_=", "/p"),
        ("/p?b=2&a=1", "/p?a=1&b=2"),
        ("/p?a=2&a=1&a", "/p?a=2&a=1&a"), // what repeats keeps its order
        ("/p?b&a[]=2&utm_x&a[]=1", "/p?a[]=2&a[]=1&b"),
        ("/p?%75tm_source=1&A=%2f&a=+", "/p?%75tm_source=1&A=%2f&a=+"), // nothing is decoded
        ("/p?UTM_source=1", "/p?UTM_source=1"),
        ("/p?a=1;utm_x=2", "/p?a=1;utm_x=2"), // `;` is part of a value (§4.2)
        ("/p?utm_keep=1&utm_other=2", "/p?utm_keep=1"),
        ("/p?", "/p?"), // as good as none to key and origin
        ("/p?&", "/p"),
        ("/p?a&&b", "/p?a&b"),
        ("/p?a=1?utm_x=2", "/p?a=1?utm_x=2"),
        ("/p??a", "/p??a"),
        ("/p?b&?a&utm_x", "/p?&?a&b"), // a function cannot return what begins with another `?`
        ("/p?=1&a==&a=1=2", "/p?=1&a==&a=1=2"),
        ("/p", "/p"),
    ] {
        let mut viewer = request(Method::GET, from, &[]);
        let changed = apply(&rule(), &mut viewer).query_changed;
        assert_eq!((viewer.target.as_str(), changed), (to, from != to), "{from}");
    }
    let unsorted = Rule { sort_query: false, ..rule() };
    let mut viewer = request(Method::GET, "/?b=1&gclid=2&a=3", &[]);
    apply(&unsorted, &mut viewer);
    assert_eq!(viewer.target, "/?b=1&a=3");
}

#[test]
fn the_path_is_never_touched() {
    let mut viewer = request(Method::GET, "/a//b/../%2e/utm_x;gclid?gclid=1", &[]);
    apply(&rule(), &mut viewer);
    assert_eq!(viewer.target, "/a//b/../%2e/utm_x;gclid");
}

#[test]
fn other_methods_keep_all_but_what_is_ours() {
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        let headers = [("cookie", "a=1"), ("referer", "https://a/"), ("stripe-signature", "t=1")];
        let mut form = request(method, "/?wc-api=wc_stripe&utm_source=x&a", &headers);
        form.headers.insert(SESSION_HEADER, HeaderValue::from_static("forged"));
        let applied = apply(&rule(), &mut form);
        assert_eq!(applied, Applied { device: Some("desktop"), ..Applied::default() });
        assert_eq!(form.target, "/?wc-api=wc_stripe&utm_source=x&a");
        assert!(!form.headers.contains_key(SESSION_HEADER));
        for (name, value) in headers {
            assert_eq!(form.headers[name], value);
        }
    }
}

#[test]
fn forged_headers_never_survive() {
    let forged = [("x-viewer-session", "mine"), ("X-Viewer-Session", "too"), ("x-viewer-device", "tv")];
    for method in [Method::GET, Method::HEAD, Method::POST] {
        for rule in [rule(), Rule::default(), Rule { shared_headers: None, ..rule() }] {
            let mut viewer = request(method.clone(), "/", &forged);
            apply(&rule, &mut viewer);
            assert!(!viewer.headers.contains_key(SESSION_HEADER));
            let classes: Vec<_> = viewer.headers.get_all(DEVICE_HEADER).iter().collect();
            assert_eq!(classes, if rule.needs_device() { vec!["desktop"] } else { vec![] });
        }
    }
    let mut session = request(Method::GET, "/", &[("x-viewer-session", "mine"), ("cookie", "PHPSESSID=1")]);
    apply(&rule(), &mut session);
    assert_eq!(session.headers.get_all(SESSION_HEADER).iter().collect::<Vec<_>>(), [ID]);
}

#[test]
fn the_empty_rule_changes_nothing() {
    let headers = [("cookie", "PHPSESSID=1"), ("referer", "https://a/")];
    let mut viewer = request(Method::GET, "/?b&&a&utm_x=1", &headers);
    assert_eq!(apply(&Rule::default(), &mut viewer), Applied::default());
    assert_eq!((viewer.target.as_str(), viewer.headers.len()), ("/?b&&a&utm_x=1", 2));
}

#[test]
fn devices_fold_into_the_classes() {
    use DeviceClasses::{Four, None, Three, Two};
    for (classes, [mobile, tablet, tv, desktop]) in [
        (None, [Option::None; 4]),
        (Two, ["mobile", "mobile", "desktop", "desktop"].map(Some)),
        (Three, ["mobile", "tablet", "desktop", "desktop"].map(Some)),
        (Four, ["mobile", "tablet", "tv", "desktop"].map(Some)),
    ] {
        assert_eq!(class_name(classes, Class::Mobile), mobile);
        assert_eq!(class_name(classes, Class::Tablet), tablet);
        assert_eq!(class_name(classes, Class::SmartTv), tv);
        assert_eq!(class_name(classes, Class::Desktop), desktop);
    }
}

#[test]
fn it_survives_its_json() {
    let text = serde_json::to_string(&rule()).unwrap();
    assert!(text.contains(r#""DropQuery":["utm_*","gclid"]"#) && text.contains(r#""Device":"Three""#));
    assert_eq!(serde_json::from_str::<Rule>(&text).unwrap(), rule());
    assert_eq!(serde_json::from_str::<Rule>("{}").unwrap(), Rule::default());
    assert!(serde_json::from_str::<Rule>(r#"{"DropQeury":[]}"#).is_err());
}

/// Text that query strings, cookies and headers are made of, near the names the rule looks for.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-c=%+;.,?$\\[\\]]{0,3}",
        1 => prop::sample::select(vec![
            "utm_source=1", "utm_keep=2", "gclid", "PHPSESSID=1", "wordpress_logged_in_x=2", "add-to-cart=1", "a=1", "b",
        ]).prop_map(str::to_owned),
    ]
}

fn viewer() -> impl Strategy<Value = Request> {
    let names =
        ["cookie", "referer", "origin", "accept", "x-viewer-session", "x-viewer-device", "x-other", "via"];
    let header = (prop::sample::select(names.to_vec()), prop::collection::vec(word(), 0..4));
    let headers = prop::collection::vec(header, 0..8);
    let query = prop::option::of(prop::collection::vec(word(), 0..6));
    let method = prop::sample::select(vec![Method::GET, Method::HEAD, Method::POST]);
    (method, query, headers).prop_map(|(method, query, headers)| {
        let target = query.map_or_else(|| "/p".to_owned(), |parts| format!("/p?{}", parts.join("&")));
        let headers: Vec<(&str, String)> =
            headers.into_iter().map(|(name, parts)| (name, parts.join("; "))).collect();
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        request(method, &target, &headers)
    })
}

fn raws(request: &Request) -> Vec<String> {
    query::parameters(request.target.query().unwrap_or_default())
        .map(|parameter| parameter.raw.to_owned())
        .collect()
}

proptest! {
    #[test]
    fn twice_is_once(mut viewer in viewer()) {
        let first = apply(&rule(), &mut viewer);
        let once = viewer.clone();
        let second = apply(&rule(), &mut viewer);
        prop_assert_eq!(&viewer.target, &once.target);
        prop_assert_eq!(&viewer.headers, &once.headers);
        prop_assert_eq!(second, Applied { query_changed: false, ..first });
    }

    #[test]
    fn arguments_go_by_name_and_nothing_else_changes(viewer in viewer(), sort_query: bool) {
        let rule = Rule { sort_query, ..rule() };
        let before = raws(&viewer);
        let mut after = viewer;
        apply(&rule, &mut after);
        let mut expected: Vec<String> = before
            .into_iter()
            .filter(|raw| after.method == Method::POST || !rule.drops(raw.split('=').next().unwrap()))
            .collect();
        if sort_query && after.method != Method::POST {
            expected.sort_by(|a, b| a.split('=').next().cmp(&b.split('=').next()));
        }
        prop_assert_eq!(raws(&after), expected);
        prop_assert_eq!(after.target.path(), "/p");
        if after.method != Method::POST && raws(&after).is_empty() {
            prop_assert_eq!(after.target.query().unwrap_or_default(), "");
        }
    }

    /// The promise the cache rests on: two anonymous requests that look the same to the key are the same to the origin.
    #[test]
    fn what_is_shared_says_nothing_about_its_viewer(mut viewer in viewer()) {
        let applied = apply(&rule(), &mut viewer);
        if applied.visitor == Visitor::Anonymous {
            for name in viewer.headers.keys() {
                prop_assert!(
                    is_transport(name) || *name == DEVICE_HEADER || name == "origin" || name == COOKIE,
                    "{}", name
                );
            }
            let cookies = viewer.headers.get(COOKIE).map_or(&b""[..], HeaderValue::as_bytes);
            prop_assert!(!cookie::is_standard(cookies));
        }
        prop_assert_eq!(viewer.headers.contains_key(SESSION_HEADER), applied.visitor == Visitor::Session);
        prop_assert_eq!(viewer.headers.get_all(DEVICE_HEADER).iter().count(), 1);
    }

    #[test]
    fn a_session_cookie_among_any_others(before in prop::collection::vec("[a-z]{1,4}=[a-z,= ]{0,4}", 0..4),
                                         after in prop::collection::vec("[a-z]{1,4}", 0..4)) {
        let all = [before, vec!["wordpress_logged_in_0=u".to_owned()], after].concat().join(";");
        prop_assert_eq!(visitor(&all), Visitor::Session);
    }
}
