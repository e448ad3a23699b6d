//! A WordPress site behind its edge, and viewers whose pages the cache holds: what the decision's bench and the test of
//! its allocations have in common.

#![allow(clippy::panic, clippy::expect_used, reason = "a bench that cannot start says so")]
#![expect(clippy::expect_used, reason = "the documents are part of the repository")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge_core::cache::storing::Guard;
use edge_core::cache::{Epoch, Held, Key, Stored};
use edge_core::distribution;
use edge_core::exchange::{Answer, Ending, Outcome, Rules, Step, Storing, begin};
use edge_core::response::Place;
use edge_core::viewer::device::Memo;
use edge_core::viewer::{Request, Scheme, Stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Eleven behaviors and a rule, as the generator writes them.
const SITE: &str = include_str!("../../../../fixtures/site/wordpress.bundle.json");

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                     Version/18.0 Mobile/15E148 Safari/604.1";

/// A viewer's request, and what the cache holds for it.
pub(crate) struct Hit {
    /// What is special about it.
    pub(crate) name: &'static str,
    rules: Arc<Rules>,
    request: Request,
    id: HeaderValue,
    stored: Arc<Stored>,
    now: SystemTime,
}

/// The viewers.
pub(crate) fn hits() -> [Hit; 3] {
    let distribution = distribution::load(SITE).expect("the fixture loads").distribution;
    let place = Place::new(1, None);
    let rules = Arc::new(Rules { distribution, guard: Guard::On, place, devices: Memo::new(1024) });
    [
        Hit::new("page", &rules, "/2024/05/a-post/", ""),
        Hit::new(
            "page, from a newsletter, with analytics cookies",
            &rules,
            "/2024/05/a-post/?utm_source=letter&utm_medium=mail&fbclid=x",
            "_ga=GA1.1.1; _ga_X=GS1.1; consent=yes",
        ),
        Hit::new("asset", &rules, "/wp-includes/js/jquery/jquery.min.js?ver=3.7.1", "_ga=GA1.1.1"),
    ]
}

impl Hit {
    fn new(name: &'static str, rules: &Arc<Rules>, target: &str, cookie: &str) -> Self {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let id = HeaderValue::from_static("hM9rV4SxXZkgHjJlcYjnGBvPqdZnWNM9KZQfDcaUxKIRAZHhOOIeJQ==");
        let request = request(target, cookie);
        let Step::LookUp(look_up) = begin(rules, request.clone(), id.clone(), now) else {
            panic!("a GET is looked up")
        };
        let Step::Ask(ask) = look_up.found(None, Epoch::default(), now) else { panic!("nothing is held") };
        let outcome = Outcome::Response { status: StatusCode::OK, headers: page(), ending: Ending::Provable };
        let Some(Storing::Whole { stored, .. }) =
            ask.answered(outcome, now).into_answer().and_then(|answer| answer.storing)
        else {
            panic!("it is stored")
        };
        Self { name, rules: Arc::clone(rules), request, id, stored, now: now + Duration::from_secs(5) }
    }

    /// The request, to be decided on.
    pub(crate) fn request(&self) -> Request {
        self.request.clone()
    }

    /// From the request to the key.
    #[inline(never)] // a profiler finds it
    pub(crate) fn look_up(&self, request: Request) -> edge_core::exchange::LookUp {
        let Step::LookUp(look_up) = begin(&self.rules, request, self.id.clone(), self.now) else {
            panic!("a GET is looked up")
        };
        look_up
    }

    /// From the object to the answer.
    #[inline(never)] // a profiler finds it
    pub(crate) fn answer(&self, look_up: edge_core::exchange::LookUp) -> Answer {
        let held = Held { head: &self.stored, length: Some(10_240) };
        let Step::Answer(answer) = look_up.found(Some(held), Epoch::default(), self.now) else {
            panic!("it is fresh")
        };
        answer
    }

    /// The key alone.
    pub(crate) fn key(&self) -> Key {
        self.look_up(self.request()).key().clone()
    }
}

fn request(target: &str, cookie: &str) -> Request {
    let mut head = http::Request::get(target)
        .header("host", "blog.example.com")
        .header("user-agent", PHONE)
        .header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("accept-language", "en-GB,en;q=0.9")
        .header("accept-encoding", "gzip, deflate, br")
        .header("referer", "https://blog.example.com/")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-site", "same-origin");
    if !cookie.is_empty() {
        head = head.header("cookie", cookie);
    }
    let (parts, ()) = head.body(()).expect("a good head").into_parts();
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    Request::read(parts, Scheme::Https, Stream::Ended, peer).expect("a good request")
}

/// What an origin says of a page.
fn page() -> HeaderMap {
    let fields = [
        ("content-type", "text/html; charset=UTF-8"),
        ("content-length", "10240"),
        ("cache-control", "max-age=300"),
        ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ("etag", "\"65539f\""),
        ("last-modified", "Tue, 14 Nov 2023 20:00:00 GMT"),
        ("server", "nginx"),
        ("link", "<https://blog.example.com/wp-json/>; rel=\"https://api.w.org/\""),
    ];
    fields
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .into_iter()
        .collect()
}
