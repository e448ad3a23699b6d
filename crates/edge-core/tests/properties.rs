//! What holds for every input: the key is the identity, TTLs stay within their clamps, nothing panics, and the guard
//! shares nobody's page.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::result_large_err,
    reason = "the helpers of tests are tests"
)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge_core::cache::storing::Guard;
use edge_core::cache::{Epoch, Held, Key, Stored};
use edge_core::distribution::{
    self, Distribution, ForwardSettings, HeaderDefaults, HeaderForwarding, KeySettings, Name, Names, Ttl,
    document,
};
use edge_core::exchange::{self, Answer, Ask, Ending, Outcome, Rules, Step, Storing};
use edge_core::response::{Place, Source};
use edge_core::viewer::device::Memo;
use edge_core::viewer::{Request, Scheme, Stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const HEADERS: [&str; 4] = ["accept-language", "authorization", "x-a", "x-b"];
const NAMES: [&str; 3] = ["a", "b", "c"];
/// Values that try to look like other parts, separators and lengths.
const VALUES: [&str; 7] = ["", "1", "2", "a=1", "x-b", "=", "\u{1}1"];

/// A request in parts, small enough that two of them are often alike.
#[derive(Debug, Clone)]
struct Viewer {
    head: bool,
    path: &'static str,
    query: Vec<(&'static str, &'static str)>,
    cookies: Vec<(&'static str, &'static str)>,
    headers: Vec<(&'static str, &'static str)>,
    accept_encoding: Option<&'static str>,
}

fn viewer() -> impl Strategy<Value = Viewer> {
    let pair = || (select(&NAMES[..]), select(&["", "1", "2", "11"][..]));
    let header = (select(&HEADERS[..]), select(&VALUES[..6]));
    (
        any::<bool>(),
        select(&["/", "/p", "/p/", "/%70"][..]),
        vec(pair(), 0..4),
        vec(pair(), 0..4),
        vec(header, 0..3),
        option::of(select(&["gzip", "br", "gzip, br", "br;q=0, gzip", "identity"][..])),
    )
        .prop_map(|(head, path, query, cookies, headers, accept_encoding)| Viewer {
            head,
            path,
            query,
            cookies,
            headers,
            accept_encoding,
        })
}

impl Viewer {
    fn request(&self) -> Request {
        let pairs = |pairs: &[(&str, &str)], by: &str| {
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(by)
        };
        let mut target = self.path.to_owned();
        if !self.query.is_empty() {
            target = format!("{target}?{}", pairs(&self.query, "&"));
        }
        let mut request = http::Request::builder()
            .method(if self.head { Method::HEAD } else { Method::GET })
            .uri(target)
            .header("host", "www.example.com");
        if !self.cookies.is_empty() {
            request = request.header("cookie", pairs(&self.cookies, "; "));
        }
        for (name, value) in
            self.headers.iter().chain(self.accept_encoding.map(|value| ("accept-encoding", value)).iter())
        {
            request = request.header(*name, *value);
        }
        read(request.body(()).unwrap()).unwrap()
    }

    /// What the key is to tell apart, written down a second time.
    fn identity(&self, settings: &KeySettings) -> impl PartialEq + std::fmt::Debug + use<> {
        let selected =
            |pairs: &[(&'static str, &'static str)], names: &Names| -> Vec<(&'static str, &'static str)> {
                pairs.iter().copied().filter(|(name, _)| names.select(name.as_bytes())).collect()
            };
        let mut cookies = selected(&self.cookies, &settings.cookies);
        cookies.sort_by_key(|(name, _)| *name);
        let query = selected(&self.query, &settings.query);
        let headers: Vec<(String, Option<String>)> = settings
            .headers
            .iter()
            .map(|name| {
                let values: Vec<&str> =
                    self.headers.iter().filter(|(known, _)| name == known).map(|(_, value)| *value).collect();
                (name.to_string(), (!values.is_empty()).then(|| values.join(",")))
            })
            .collect();
        let accepts = |coding: &str| {
            self.accept_encoding.is_some_and(|value| value.split(", ").any(|member| member == coding))
        };
        (
            self.path,
            cookies,
            query,
            headers,
            settings.gzip && accepts("gzip"),
            settings.brotli && accepts("br"),
        )
    }
}

fn names() -> impl Strategy<Value = Names> {
    let list = || {
        subsequence(&NAMES[..], 0..=2)
            .prop_map(|names| names.into_iter().map(|name| Name::Literal(name.to_owned())).collect())
    };
    prop_oneof![
        Just(Names::None),
        Just(Names::All),
        list().prop_map(Names::Only),
        list().prop_map(Names::AllExcept)
    ]
}

fn key_settings() -> impl Strategy<Value = KeySettings> {
    let headers = subsequence(&HEADERS[..], 0..=4)
        .prop_map(|names| names.into_iter().map(HeaderName::from_static).collect::<Vec<_>>());
    (any::<bool>(), any::<bool>(), headers, names(), names()).prop_map(
        |(gzip, brotli, headers, cookies, query)| KeySettings { gzip, brotli, headers, cookies, query },
    )
}

fn forward_settings() -> impl Strategy<Value = ForwardSettings> {
    let headers = prop_oneof![
        Just(HeaderForwarding::Defaults),
        Just(HeaderForwarding::Only(vec![HeaderName::from_static("x-b")])),
        Just(HeaderForwarding::AllViewer { plus: Vec::new() }),
        Just(HeaderForwarding::AllExcept { names: vec![HeaderName::from_static("x-a")], plus: Vec::new() }),
    ];
    let defaults = select(&[HeaderDefaults::Policy, HeaderDefaults::Legacy][..]);
    (defaults, headers, names(), names()).prop_map(|(defaults, headers, cookies, query)| ForwardSettings {
        defaults,
        headers,
        cookies,
        query,
    })
}

fn ttl() -> impl Strategy<Value = Ttl> {
    vec(0..500_u64, 3).prop_map(|mut seconds| {
        seconds.sort_unstable();
        let [min, default, max] = [0, 1, 2].map(|at| Duration::from_secs(seconds[at]));
        Ttl { min, default, max }
    })
}

const DAY: Ttl =
    Ttl { min: Duration::ZERO, default: Duration::from_secs(86_400), max: Duration::from_secs(86_400) };

fn base() -> Distribution {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/distributions/minimal.json");
    let mut distribution = document::load(&std::fs::read_to_string(path).unwrap()).unwrap().distribution;
    distribution.aliases = vec![distribution::Alias::Name("www.example.com".to_owned())];
    distribution
}

fn rules(guard: Guard, change: impl FnOnce(&mut Distribution)) -> Arc<Rules> {
    let mut distribution = base();
    change(&mut distribution);
    Arc::new(Rules { distribution, guard, place: Place::new(7, None), devices: Memo::new(4) })
}

fn with_key(settings: KeySettings) -> Arc<Rules> {
    rules(Guard::On, |distribution| {
        distribution.default_behavior.ttl = DAY;
        distribution.default_behavior.key = settings;
    })
}

fn read(request: http::Request<()>) -> Option<Request> {
    let (parts, ()) = request.into_parts();
    Request::read(parts, Scheme::Https, Stream::Ended, "192.0.2.2:40000".parse().unwrap()).ok()
}

fn begin(rules: &Arc<Rules>, request: Request, id: &'static str) -> Step {
    exchange::begin(rules, request, HeaderValue::from_static(id), now())
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

fn key(rules: &Arc<Rules>, viewer: &Viewer, id: &'static str) -> Key {
    match begin(rules, viewer.request(), id) {
        Step::LookUp(look_up) => look_up.key().clone(),
        other => panic!("not looked up: {other:?}"),
    }
}

/// Begins, finds `held`, and stops where the origin is asked.
fn ask(rules: &Arc<Rules>, request: Request, held: Option<&Arc<Stored>>) -> Result<Ask, Answer> {
    let step = match begin(rules, request, "id==") {
        Step::LookUp(look_up) => look_up.found(held.map(whole), Epoch::default(), now()),
        step => step,
    };
    match step {
        Step::Ask(ask) => Ok(*ask),
        step => Err(end(step)),
    }
}

/// As a store with a body of this length has it.
fn whole(head: &Arc<Stored>) -> Held<'_> {
    Held { head, length: Some(1_000) }
}

fn end(step: Step) -> Answer {
    step.into_answer().unwrap() // no further step is configured
}

/// §4.1: the distribution is part of the key, so one store may serve many.
#[test]
fn two_distributions_never_share() {
    let [one, other] = ["d1.cloudfront.net", "d2.cloudfront.net"].map(|name| {
        let rules = rules(Guard::On, |distribution| {
            name.clone_into(&mut distribution.domain_name);
            distribution.default_behavior.ttl = DAY;
        });
        let request = http::Request::get("/").header("host", "www.example.com").body(()).unwrap();
        match begin(&rules, read(request).unwrap(), "id==") {
            Step::LookUp(look_up) => look_up.key().clone(),
            step => panic!("not looked up: {step:?}"),
        }
    });
    assert_ne!(one, other);
}

/// §5.1: `<32 hex>.cloudfront.net`, whatever it is made of.
#[test]
fn pseudonyms_are_32_hexadecimal_digits() {
    for seed in [0, 1, 7, u64::MAX] {
        let place = Place::new(seed, None);
        let digits = place.via_pseudonym.strip_suffix(".cloudfront.net").unwrap();
        assert!(digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{digits}");
        assert_eq!(place.via, format!("1.1 {digits}.cloudfront.net (CloudFront)"));
    }
}

/// §10.4: the id on the page is the one in the header.
#[test]
fn pages_of_our_own_name_their_request() {
    let rules = rules(Guard::On, |_| {});
    let request = http::Request::get("/").header("host", "nobody.example.com").body(()).unwrap();
    let Step::Answer(answer) = begin(&rules, read(request).unwrap(), "an-id==") else {
        panic!("not refused")
    };
    assert_eq!(answer.response.headers["x-amz-cf-id"], "an-id==");
    let Source::Text(page) = answer.response.body else { panic!("no page") };
    assert!(String::from_utf8_lossy(&page).contains("\nRequest ID: an-id==\n"));
}

fn answer(status: StatusCode, headers: HeaderMap) -> Outcome {
    Outcome::Response { status, headers, ending: Ending::Provable }
}

fn stored(answer: &Answer) -> Option<&Arc<Stored>> {
    match answer.storing.as_ref()? {
        Storing::Whole { stored, .. } | Storing::Head { stored, .. } => Some(stored),
        Storing::Forget { .. } => None,
    }
}

/// Response headers that ask for trouble.
fn origin_headers() -> impl Strategy<Value = HeaderMap> {
    let line = prop_oneof![
        Just(("cache-control", "private")),
        Just(("cache-control", "No-Store")),
        Just(("cache-control", "max-age=60")),
        Just(("cache-control", "no-cache=\"set-cookie\", s-maxage=60")),
        Just(("cache-control", "public, max-age=60, private=\"x\"")),
        Just(("cache-control", "no-cache")),
        Just(("set-cookie", "s=1")),
        Just(("vary", "Cookie")),
        Just(("vary", "X-A, Accept-Encoding")),
        Just(("vary", "*")),
        Just(("vary", "Authorization")),
        Just(("etag", "\"a\"")),
        Just(("expires", "0")),
    ];
    vec(line, 0..4).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    })
}

fn status() -> impl Strategy<Value = StatusCode> {
    select(&[200, 200, 200, 203, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 412, 416, 500, 503][..])
        .prop_map(|code| StatusCode::from_u16(code).unwrap())
}

/// The Cookie and Authorization an origin sees.
fn credentials(ask: &Ask) -> [Option<HeaderValue>; 2] {
    ["cookie", "authorization"].map(|name| ask.call().headers.get(name).cloned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn keys_are_equal_exactly_where_identities_are(one in viewer(), other in viewer(), settings in key_settings()) {
        let rules = with_key(settings.clone());
        let equal = one.identity(&settings) == other.identity(&settings);
        prop_assert_eq!(key(&rules, &one, "1==") == key(&rules, &other, "2=="), equal);
    }

    /// Two that differ in one place only, so that near misses are tried and not just strangers.
    #[test]
    fn one_changed_part_changes_the_key_where_it_is_keyed(
        one in viewer(), other in viewer(), part in 0..6_usize, settings in key_settings()
    ) {
        let mut changed = one.clone();
        match part {
            0 => changed.path = other.path,
            1 => changed.query = other.query,
            2 => changed.cookies = other.cookies,
            3 => changed.headers = other.headers,
            4 => changed.accept_encoding = other.accept_encoding,
            _ => changed.head = other.head,
        }
        let rules = with_key(settings.clone());
        let equal = one.identity(&settings) == changed.identity(&settings);
        prop_assert_eq!(key(&rules, &one, "1==") == key(&rules, &changed, "2=="), equal);
    }

    /// The parts of a key are all of its bytes: whoever reads them reads what was written.
    #[test]
    fn keys_decode_to_what_was_pushed(one in viewer(), settings in key_settings()) {
        let key = key(&with_key(settings.clone()), &one, "1==");
        let mut again = Vec::new();
        for (kind, part) in key.parts() {
            again.push(kind as u8);
            again.extend_from_slice(&u32::try_from(part.len()).unwrap().to_le_bytes());
            again.extend_from_slice(part);
        }
        let bytes: &[u8] = std::borrow::Borrow::borrow(&key);
        prop_assert_eq!(bytes, again.as_slice());
        let named = key.parts().filter(|(kind, _)| *kind == edge_core::cache::key::Kind::HeaderName).count();
        prop_assert_eq!(named, settings.headers.len());
    }

    /// From the origin's head to the last fresh second (§7.1).
    #[test]
    fn ttls_stay_within_their_clamps(
        ttl in ttl(), max_age in option::of(0..1_000_u64), s_maxage in option::of(0..1_000_u64), age in 0..50_u64
    ) {
        prop_assume!(!ttl.max.is_zero());
        let rules = rules(Guard::Off, |distribution| distribution.default_behavior.ttl = ttl);
        let mut headers = HeaderMap::new();
        for (name, value) in [("max-age", max_age), ("s-maxage", s_maxage)] {
            if let Some(seconds) = value {
                headers.append("cache-control", HeaderValue::from_str(&format!("{name}={seconds}")).unwrap());
            }
        }
        headers.insert("age", HeaderValue::from(age));
        let request = || read(http::Request::get("/").header("host", "www.example.com").body(()).unwrap()).unwrap();
        let answered = end(ask(&rules, request(), None).unwrap().answered(answer(StatusCode::OK, headers), now()));
        let stored = stored(&answered).unwrap();
        match s_maxage.or(max_age) {
            Some(said) => {
                let left = Duration::from_secs(said.saturating_sub(age));
                prop_assert_eq!(stored.ttl, left.clamp(ttl.min, ttl.max));
            }
            None => prop_assert_eq!(stored.ttl, ttl.default.max(ttl.min)),
        }
        let at = |seconds: Duration| {
            let Step::LookUp(look_up) = begin(&rules, request(), "id==") else { panic!() };
            matches!(look_up.found(Some(whole(stored)), Epoch::default(), now() + seconds), Step::Answer(_))
        };
        prop_assert!(!at(stored.ttl));
        prop_assert!(stored.ttl.is_zero() || at(stored.ttl - Duration::from_secs(1)));
    }

    /// Any head that can be read gets an answer, whatever the settings and whatever the origin says then.
    #[test]
    fn nothing_panics(
        method in "[A-Z]{1,8}|GET|HEAD|POST|OPTIONS|get",
        target in "/[!-~]{0,40}",
        version in select(&[Version::HTTP_10, Version::HTTP_11, Version::HTTP_2][..]),
        lines in vec((select(&["cookie", "host", "connection", "if-none-match", "range", "accept-encoding",
            "content-length", "transfer-encoding", "x-forwarded-for", "via", "user-agent", "x_a", "authorization",
            "cloudfront-viewer-address", "if-modified-since"][..]), vec(any::<u8>(), 0..24)), 0..6),
        scheme in select(&[Scheme::Http, Scheme::Https][..]),
        settings in key_settings(), forward in forward_settings(), ttl in ttl(),
        status in 100..=999_u16, headers in origin_headers(), guard in select(&[Guard::On, Guard::Off][..]),
    ) {
        let mut request = http::Request::builder().method(method.as_str()).uri(target).version(version);
        request = request.header("host", "www.example.com");
        for (name, value) in lines {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request = request.header(name, value);
            }
        }
        let Ok(request) = request.body(()) else { return Ok(()) };
        let (parts, ()) = request.into_parts();
        let peer = "[2001:db8::1]:1".parse().unwrap();
        let Ok(request) = Request::read(parts, scheme, Stream::Open, peer) else { return Ok(()) };
        let rules = rules(guard, |distribution| {
            distribution.default_behavior.ttl = ttl;
            distribution.default_behavior.key = settings;
            distribution.default_behavior.forward = forward;
            distribution.default_behavior.allowed_methods = distribution::AllowedMethods::All;
        });
        let Ok(asked) = ask(&rules, request.clone(), None) else { return Ok(()) };
        let first = end(asked.answered(answer(StatusCode::from_u16(status).unwrap(), headers.clone()), now()));
        if let Some(held) = stored(&first)
            && let Ok(asked) = ask(&rules, request, Some(held))
        {
            asked.answered(answer(StatusCode::NOT_MODIFIED, headers), now());
        }
    }

    /// threats S4: what the guard lets into the store is no one's.
    #[test]
    fn the_guard_stores_nobodys_page(
        viewer in viewer(), settings in key_settings(), forward in forward_settings(), ttl in ttl(),
        status in status(), headers in origin_headers(),
    ) {
        let rules = rules(Guard::On, |distribution| {
            distribution.default_behavior.ttl = ttl;
            distribution.default_behavior.key = settings.clone();
            distribution.default_behavior.forward = forward;
        });
        let asked = ask(&rules, viewer.request(), None).unwrap();
        let [cookie, authorization] = credentials(&asked);
        let keyed_header = |name: &str| settings.headers.iter().any(|keyed| keyed == name);
        let answered = end(asked.answered(answer(status, headers.clone()), now()));
        let Some(stored) = stored(&answered) else { return Ok(()) };
        prop_assert!(!stored.headers.contains_key("set-cookie") && !headers.contains_key("set-cookie"));
        for line in headers.get_all("cache-control") {
            let line = line.to_str().unwrap().to_ascii_lowercase();
            prop_assert!(!line.contains("private") && !line.contains("no-store"), "{line}");
        }
        if let Some(cookie) = cookie {
            for pair in cookie.to_str().unwrap().split("; ") {
                let name = pair.split('=').next().unwrap();
                prop_assert!(settings.cookies.select(name.as_bytes()), "{pair} went out and is not keyed");
            }
        }
        prop_assert!(authorization.is_none() || keyed_header("authorization"));
        for line in headers.get_all("vary") {
            for name in line.to_str().unwrap().to_ascii_lowercase().split(", ") {
                let keyed = match name {
                    "cookie" => settings.cookies == Names::All,
                    "accept-encoding" => true, // its own case
                    name => keyed_header(name),
                };
                prop_assert!(keyed, "Vary: {name}");
            }
        }
    }

    /// The rule above the others: a viewer is served another's copy only if he brings every credential the origin saw
    /// when it made that copy. What else he brings, the copy knows nothing of.
    #[test]
    fn the_guard_shows_nobody_anothers_page(
        alice in viewer(), other in viewer(), settings in key_settings(), forward in forward_settings(),
        ttl in select(vec![DAY, Ttl { min: Duration::from_secs(9), ..DAY }]), status in status(),
        headers in prop_oneof![Just(HeaderMap::new()), origin_headers()],
    ) {
        let alice = Viewer { head: false, ..alice };
        let bob = Viewer { cookies: other.cookies, headers: other.headers, ..alice.clone() };
        let rules = rules(Guard::On, |distribution| {
            distribution.default_behavior.ttl = ttl;
            distribution.default_behavior.key = settings;
            distribution.default_behavior.forward = forward;
        });
        let hers = ask(&rules, alice.request(), None).unwrap();
        let her_credentials = credentials(&hers);
        let answered = end(hers.answered(answer(status, headers), now()));
        let Some(Storing::Whole { key: her_key, stored }) = &answered.storing else { return Ok(()) };
        let Step::LookUp(his) = begin(&rules, bob.request(), "bob==") else { panic!() };
        if his.key() != her_key {
            return Ok(());
        }
        if let Step::Answer(_) = his.found(Some(whole(stored)), Epoch::default(), now()) {
            let his_credentials = credentials(&ask(&rules, bob.request(), None).unwrap());
            let [her_cookies, her_authorization] = her_credentials;
            let [his_cookies, his_authorization] = his_credentials;
            let pairs = |cookies: &Option<HeaderValue>| -> Vec<String> {
                let text = cookies.as_ref().map_or("", |value| value.to_str().unwrap());
                text.split("; ").filter(|pair| !pair.is_empty()).map(str::to_owned).collect()
            };
            let his = pairs(&his_cookies);
            prop_assert!(pairs(&her_cookies).iter().all(|pair| his.contains(pair)), "{her_cookies:?} for {his:?}");
            prop_assert!(her_authorization.is_none() || her_authorization == his_authorization);
        }
    }
}
