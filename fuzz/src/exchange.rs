//! A whole exchange: whatever viewer and origin say, the steps end in an answer, and with the guard on nothing that
//! is personal is stored for all.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use edge_core::cache::storing::Guard;
use edge_core::cache::{Epoch, Held};
use edge_core::distribution::load;
use edge_core::exchange::{Ending, Outcome, Rules, Step, Storing, begin};
use edge_core::response::Place;
use edge_core::viewer::device::Memo;
use http::header::{CACHE_CONTROL, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::first_line;
use crate::viewer_head::{parts, read};

static RULES: LazyLock<[Arc<Rules>; 2]> = LazyLock::new(|| {
    let full = include_str!("../../fixtures/distributions/full.json");
    let legacy = include_str!("../../fixtures/distributions/legacy-wordpress.json");
    [full, legacy].map(|text| {
        let distribution = load(text).expect("the fixture loads").distribution;
        let place = Place::new(1, None);
        Arc::new(Rules { distribution, guard: Guard::On, place, devices: Memo::new(64) })
    })
});

/// A viewer's head, an empty line, a status on a line, and the origin's fields.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (viewer, origin) = text.split_once("\n\n").unwrap_or((text, ""));
    for rules in RULES.iter() {
        run(rules, viewer, origin);
    }
}

fn run(rules: &Arc<Rules>, viewer: &str, origin: &str) -> Option<()> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let id = HeaderValue::from_static("id");
    let request = || {
        let mut parts = parts(viewer)?;
        parts.headers.insert(HOST, HeaderValue::from_str(&rules.distribution.domain_name).ok()?);
        parts.uri = parts.uri.path_and_query()?.as_str().parse().ok()?;
        read(parts).ok()
    };
    let (status, headers) = answer(origin)?;
    let ask = match begin(rules, request()?, id.clone(), now) {
        Step::LookUp(look_up) => match look_up.found(None, Epoch::default(), now) {
            Step::Ask(ask) => ask,
            other => panic!("nothing is held, so the origin is asked: {other:?}"),
        },
        Step::Ask(ask) => ask,
        Step::Answer(_) => return None,
        Step::Instead { .. } | Step::Invoke(_) => return None,
    };
    let bans = headers.get_all(CACHE_CONTROL).iter().any(|line| line == "private" || line == "no-store");
    let sets_cookie = headers.contains_key(SET_COOKIE);
    let answer = ask.answered(Outcome::Response { status, headers, ending: Ending::Provable }, now);
    let Storing::Whole { key, stored } = answer.into_answer()?.storing? else { return None };
    assert!(!sets_cookie && !bans, "stored for all: {:?}", stored.headers);
    // What was just stored answers the same request, or is asked about; it is never lost.
    let Step::LookUp(look_up) = begin(rules, request()?, id, now) else {
        panic!("what is stored is looked up")
    };
    if look_up.key() == &key {
        let later = now + stored.ttl + Duration::from_secs(1);
        for moment in [now, later] {
            let Step::LookUp(again) = begin(rules, request()?, HeaderValue::from_static("id"), moment) else {
                panic!("the time changes no look-up");
            };
            _ = again.found(Some(Held { head: &stored, length: Some(100) }), Epoch::default(), moment);
        }
    }
    Some(())
}

fn answer(text: &str) -> Option<(StatusCode, HeaderMap)> {
    let (status, fields) = first_line(text);
    let mut headers = HeaderMap::new();
    for field in fields.lines() {
        let (name, value) = field.split_once(':')?;
        let (name, value) = (HeaderName::try_from(name).ok()?, HeaderValue::from_str(value.trim()).ok()?);
        headers.append(name, value);
    }
    Some((status.parse().ok()?, headers))
}

/// Exchanges that are stored, and others.
pub const SEEDS: &[&str] = &[
    "GET /?a=1 1.1\ncookie: a=1\nuser-agent: iPhone\n\n200\ncache-control: max-age=60\netag: \"1\"\nvary: accept",
    "GET /wp-content/a.css 2\naccept-encoding: br\n\n200\nlast-modified: Tue, 14 Nov 2023 22:13:20 GMT",
    "GET /api/x 1.1\nauthorization: Basic x\n\n404\nset-cookie: a=1\ncache-control: private",
    "POST /wp-login.php 1.1\ncontent-length: 3\n\n302\nlocation: /",
    "GET /a.jpg 1.1\nrange: bytes=0-1\n\n206\ncontent-range: bytes 0-1/9\nage: 5\nexpires: 0",
];
