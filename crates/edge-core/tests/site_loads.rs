//! The wordpress preset at work: its bundle loads, and the core's own steps say what becomes of requests.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]

#[path = "site_journey/mod.rs"]
mod site_journey;

use std::sync::{Arc, LazyLock};

use edge_core::exchange::Rules;
use edge_core::origin::Call;
use edge_core::site::preset::PRESETS;
use edge_core::site::{self, Policy, Style, compile};
use edge_core::viewer::Request;
use edge_core::viewer::gate::BehaviorId;
use http::{HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use site_journey::{journey, load, request, rules};

fn with(lines: &str) -> Arc<Rules> {
    rules(&format!("preset = 'wordpress'\norigin.name = 'alb.example.com'\n{lines}"))
}

fn wordpress() -> Arc<Rules> {
    with("domains = ['blog.example.com', 'www.example.com']")
}

#[test]
fn bundles_load_without_a_word_of_warning() {
    let example =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/site/wordpress.toml"));
    let mut policies = vec![site::toml::read(&example.unwrap()).unwrap()];
    for preset in PRESETS {
        for style in [Style::Function, Style::Policy] {
            let mut policy = Policy::from_preset(preset.name, &["http://127.0.0.1:8000"]).unwrap();
            policy.set_style(style).unwrap();
            policies.push(policy);
        }
    }
    for preset in ["static", "spa"] {
        let text = format!("preset = '{preset}'\norigin.name = 'files.s3.eu-central-1.amazonaws.com'");
        policies.push(site::toml::read(&text).unwrap());
    }
    for policy in policies {
        let loaded = load(&compile(&policy).document);
        let said: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        let quiet = |text: &String| text.contains("(NoLocalEffect)") || text.contains("(NeedsCredentials)");
        assert!(said.iter().all(quiet), "{said:#?}");
        assert_eq!(loaded.distribution.behaviors.len(), policy.behaviors.len());
    }
}

/// Which behavior a path belongs to.
#[test]
fn paths_have_their_behaviors() {
    let rules = wordpress();
    for (path, pattern) in [
        ("/", "*"),
        ("/2026/11/hello-world/", "*"),
        ("/feed/", "*"),
        ("/index.php/2026/hello/", "*"), // permalinks without rewriting
        ("/how-to-use-wp-admin/", "*"),
        ("/cart-of-goods/", "*"),
        ("/robots.txt", "*"),
        ("/wp-admin/", "wp-admin/*"),
        ("/wp-admin/admin-ajax.php", "wp-admin/*"),
        ("/wp-admin/css/x.css", "wp-admin/*"), // no extension makes a private page public
        ("//wp-admin/./x", "wp-admin/*"),
        ("/wp-json/wp/v2/posts", "wp-json/*"),
        ("/wp-login.php", "*.php"),
        ("/wp-signup.php", "*.php"),
        ("/wp-activate.php", "*.php"),
        ("/wp-cron.php", "*.php"),
        ("/xmlrpc.php", "*.php"),
        ("/wp-comments-post.php", "*.php"),
        ("/wp-trackback.php", "*.php"),
        ("/index.php", "*.php"),
        ("/blog/wp-login.php", "*.php"),
        ("/wp-content/plugins/x/download.php", "*.php"),
        ("/cart/", "cart/*"),
        ("/checkout/order-received/1/", "checkout/*"),
        ("/my-account/orders/", "my-account/*"),
        ("/wc-api/v3/", "wc-api/*"),
        ("/wp-content/uploads/a.jpg", "wp-content/*"),
        ("/wp-includes/js/x.js", "wp-includes/*"),
    ] {
        let distribution = &rules.distribution;
        let id = distribution.behavior_for(path);
        let found =
            if id == BehaviorId::Default { "*" } else { distribution.behavior(id).path_pattern.as_str() };
        assert_eq!(found, pattern, "{path}");
    }
}

fn get(target: &str, headers: &[(&str, &str)]) -> Request {
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    request(Method::GET, "blog.example.com", target, &headers)
}

#[test]
fn anonymous_viewers_share_and_sessions_do_not() {
    let rules = wordpress();
    let plain = journey(&rules, "1", get("/p/?a=1", &[])).0;
    for (target, headers) in [
        ("/p/?a=1", &[("cookie", "_ga=1; wordpress_test_cookie=x; wp-settings-time-1=1")][..]),
        ("/p/?utm_source=x&a=1&fbclid=y", &[("referer", "https://evil.example/")]),
        (
            "/p/?a=1",
            &[("x-viewer-session", "1"), ("x-viewer-device", "tv"), ("cloudfront-forwarded-proto", "http")],
        ),
        (
            "/p/?a=1",
            &[("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")],
        ),
    ] {
        assert_eq!(journey(&rules, "2", get(target, headers)).0, plain, "{target} {headers:?}");
    }
    for cookie in [
        "wordpress_logged_in_0=ada",
        "wordpress_sec_0=x",
        "wp-postpass_0=x",
        "comment_author_email_0=x",
        "woocommerce_items_in_cart=1",
        "wp_woocommerce_session_0=x",
        "_ga=1; PHPSESSID=x",
    ] {
        let (one, call) = journey(&rules, "1", get("/p/?a=1", &[("cookie", cookie)]));
        let (two, _) = journey(&rules, "2", get("/p/?a=1", &[("cookie", cookie)]));
        assert!(one != two && one != plain, "{cookie}");
        assert!(call.headers.contains_key("cookie"));
    }
    for target in [
        "/?add-to-cart=1",
        "/?rest_route=/wp/v2/posts",
        "/?preview=true&p=1",
        "/?wc-ajax=get_refreshed_fragments",
    ] {
        let (one, _) = journey(&rules, "1", get(target, &[]));
        assert_ne!(one, journey(&rules, "2", get(target, &[])).0, "{target}");
    }
}

fn by_policies() -> Arc<Rules> {
    with("style = 'policy'\ndomains = ['blog.example.com', 'www.example.com']")
}

/// Without a function a session's key holds its cookies: his own copies, and nobody else's.
#[test]
fn policies_alone_keep_sessions_apart() {
    let rules = by_policies();
    let key = |target: &str, cookie: &str| journey(&rules, "1", get(target, &[("cookie", cookie)])).0;
    let plain = journey(&rules, "1", get("/p/?a=1", &[])).0;
    let everybody = "_ga=1; wordpress_test_cookie=x; wp-settings-time-1=1; woocommerce_recently_viewed=3";
    assert_eq!(key("/p/?a=1&utm_source=x&fbclid=y", everybody), plain);
    for cookie in [
        "wordpress_logged_in_0=ada",
        "wp-postpass_0=x",
        "comment_author_email_0=x",
        "woocommerce_cart_hash=1",
        "wp_woocommerce_session_0=x",
        "_ga=1; PHPSESSID=x",
    ] {
        let (one, call) = journey(&rules, "1", get("/p/?a=1", &[("cookie", cookie)]));
        assert_eq!(one, key("/p/?a=1", cookie), "{cookie}");
        assert!(one != plain && one != key("/p/?a=1", &format!("{cookie}2")), "{cookie}");
        assert_eq!(call.headers["cookie"], cookie.trim_start_matches("_ga=1; "));
    }
    let (_, call) = journey(&rules, "1", get("/", &[("cookie", everybody), ("referer", "https://a/")]));
    assert!(!call.headers.contains_key("cookie") && !call.headers.contains_key("referer"));
    assert_eq!(call.headers["cloudfront-is-mobile-viewer"], "false");
}

#[test]
fn what_changes_a_page_is_in_its_key() {
    let rules = wordpress();
    let plain = journey(&rules, "1", get("/", &[])).0;
    let www = request(Method::GET, "www.example.com", "/", &[]);
    assert_ne!(journey(&rules, "1", www).0, plain);
    let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1";
    for headers in
        [("authorization", "Basic eDp5"), ("origin", "https://other.example"), ("user-agent", phone)]
    {
        assert_ne!(journey(&rules, "1", get("/", &[headers])).0, plain, "{headers:?}");
    }
    assert_ne!(journey(&rules, "1", get("/?s=x", &[])).0, plain);
}

#[test]
fn the_origin_gets_what_it_needs() {
    let rules = wordpress();
    let (_, page) = journey(&rules, "1", get("/", &[("cookie", "_ga=1"), ("user-agent", "x")]));
    assert_eq!(page.headers["host"], "blog.example.com");
    assert_eq!(page.headers["cloudfront-forwarded-proto"], "https");
    assert_eq!(page.headers["x-viewer-device"], "desktop");
    assert_eq!(page.headers["user-agent"], "Amazon CloudFront");
    assert!(!page.headers.contains_key("cookie"));

    // A payment's call-back is known by its headers; a form by its cookies and where it came from.
    let headers =
        [("stripe-signature", "t=1"), ("cookie", "a=1"), ("referer", "https://x/"), ("user-agent", "Stripe")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (key, form) =
        journey(&rules, "1", request(Method::POST, "blog.example.com", "/?wc-api=wc_stripe", &headers));
    assert_eq!((key, form.target.as_str()), (None, "/?wc-api=wc_stripe"));
    for (name, value) in &headers {
        assert_eq!(form.headers[name.as_str()], value.as_str());
    }

    let (_, log_in) =
        journey(&rules, "1", get("/wp-login.php?redirect_to=x", &[("cookie", "wordpress_test_cookie=x")]));
    assert_eq!(log_in.headers["cookie"], "wordpress_test_cookie=x");
    assert_eq!(log_in.headers["cloudfront-forwarded-proto"], "https");

    let (_, asset) = journey(
        &rules,
        "1",
        get("/wp-content/a.css?x=1&ver=2&utm_source=3", &[("cookie", "a=1"), ("referer", "r")]),
    );
    assert_eq!(
        (asset.target.as_str(), &asset.headers["host"]),
        ("/wp-content/a.css?ver=2", &HeaderValue::from_static("blog.example.com"))
    );
    assert!(!asset.headers.contains_key("cookie") && !asset.headers.contains_key("referer"));
}

/// Header names of pages' requests, those that matter to somebody's origin among them.
const NAMES: [&str; 18] = [
    "accept",
    "accept-language",
    "authorization",
    "cache-control",
    "cf-ipcountry",
    "cookie",
    "dnt",
    "forwarded",
    "origin",
    "referer",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-http-method-override",
    "x-original-url",
    "x-requested-with",
    "x-wp-nonce",
];

fn any_request() -> impl Strategy<Value = Request> {
    let value = prop::sample::select(vec![
        "",
        "a=1",
        "https://evil.example",
        "en",
        "gzip",
        "1.2.3.4",
        "PHPSESSID=1; b=2",
        "SSESSa=1",
        "_ga=1; laravel_session=2",
    ]);
    let headers = prop::collection::vec((prop::sample::select(NAMES.to_vec()), value), 0..8);
    let target = prop::sample::select(vec![
        "/",
        "/?a=1&utm_x=2",
        "/?b&a",
        "/?add-to-cart=1",
        "/?fbclid=1&a=1",
        "/wp-content/a.css?ver=1&x=2",
        "/core/a.css?delta=1&fbclid=2",
        "/assets/a.js?v=1",
        "/build/a.js",
        "/answers/list?page=1",
    ]);
    (target, headers).prop_map(|(target, headers)| get(target, &headers))
}

/// Every preset in both styles, with some answers beside.
static EVERY: LazyLock<Vec<Arc<Rules>>> = LazyLock::new(|| {
    let texts = PRESETS.iter().flat_map(|preset| {
        Style::WORDS.map(|(style, _)| {
            format!(
                "preset = '{}'\nstyle = '{style}'\norigin.name = 'alb.example.com'\ndomains = ['blog.example.com']\n\
                 behavior = [{{ path = 'answers/*', cache = 'answers' }}]",
                preset.name
            )
        })
    });
    texts.map(|text| rules(&text)).collect()
});

proptest! {
    /// The promise, of every preset and in both styles: whoever finds a copy under a key would have had the same from the
    /// origin.
    #[test]
    fn equal_keys_are_equal_origin_requests(requests in prop::collection::vec(any_request(), 2..6)) {
        let ids = ["1", "2", "3", "4", "5", "6"];
        for rules in EVERY.iter() {
            let journeys: Vec<_> = requests
                .iter()
                .zip(ids)
                .map(|(request, id)| {
                    let behavior = rules.distribution.behavior(rules.distribution.behavior_for(request.target.path()));
                    (journey(rules, id, request.clone()), behavior.viewer_request.is_some())
                })
                .collect();
            for (index, ((key, call), by_function)) in journeys.iter().enumerate() {
                for ((other_key, other), _) in &journeys[index + 1..] {
                    if key.is_some() && key == other_key {
                        prop_assert_eq!(&call.target, &other.target);
                        let runs = if *by_function { Runs::Function } else { Runs::Nothing };
                        prop_assert_eq!(but_for_the_id(call, runs), but_for_the_id(other, runs));
                    }
                }
            }
        }
    }
}

/// What runs before the cache.
#[derive(Clone, Copy, PartialEq)]
enum Runs {
    Function,
    Nothing,
}

fn but_for_the_id(call: &Call, runs: Runs) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = call
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-amz-cf-id")
        // CloudFront sends what the viewer wrote there, always (§5.1); only a function can take it away.
        .filter(|(name, _)| *name != "x-forwarded-for" || runs == Runs::Function)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    headers.sort_by(|a, b| (a.0.as_str(), &a.1).cmp(&(b.0.as_str(), &b.1)));
    headers
}
