//! A site policy at work: its bundle loads, and the core's own steps say what becomes of a request.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge_core::cache::Epoch;
use edge_core::cache::key::Key;
use edge_core::cache::storing::Guard;
use edge_core::distribution::document;
use edge_core::exchange::{Rules, Step, begin};
use edge_core::origin::Call;
use edge_core::response::Place;
use edge_core::site::{self, compile};
use edge_core::viewer::device::Memo;
use edge_core::viewer::{Request, Scheme, Stream};
use http::{HeaderValue, Method};

pub(crate) fn load(document: &serde_json::Value) -> document::Loaded {
    document::load(&document.to_string()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What a policy's text comes to.
pub(crate) fn rules(text: &str) -> Arc<Rules> {
    let policy = site::toml::read(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    Arc::new(Rules {
        distribution: load(&compile(&policy).document).distribution,
        guard: Guard::On,
        place: Place::new(0, None),
        devices: Memo::new(16),
    })
}

pub(crate) fn request(method: Method, host: &str, target: &str, headers: &[(String, String)]) -> Request {
    let mut builder = http::Request::builder().method(method).uri(target).header("host", host);
    for (name, value) in headers {
        builder = builder.header(name.as_str(), value.as_str());
    }
    let (parts, ()) = builder.body(()).unwrap().into_parts();
    Request::read(parts, Scheme::Https, Stream::Ended, "192.0.2.1:1".parse().unwrap()).unwrap()
}

/// The key a request is looked up under, if it is, and what the origin would get.
pub(crate) fn journey(rules: &Arc<Rules>, id: &'static str, request: Request) -> (Option<Key>, Call) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let (key, step) = match begin(rules, request, HeaderValue::from_static(id), now) {
        Step::LookUp(look_up) => (Some(look_up.key().clone()), look_up.found(None, Epoch::default(), now)),
        step => (None, step),
    };
    let Step::Ask(ask) = step else { panic!("the origin is asked") };
    (key, ask.call().clone())
}
