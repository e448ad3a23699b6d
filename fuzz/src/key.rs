//! Two requests have one key exactly if all that is in the key is equal, and a key's parts are all there is to it.

use std::sync::LazyLock;
use std::time::SystemTime;

use edge_core::cache::Key;
use edge_core::cache::key::Kind;
use edge_core::cache::storing::Guard;
use edge_core::distribution::{Distribution, Glob, KeySettings, Name, Names, load};
use edge_core::header::encoding::AcceptEncoding;
use edge_core::header::{cookie, query};
use edge_core::viewer::device::Device;
use edge_core::viewer::gate::{self, Admitted};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::viewer_head::{parts, read};

static DISTRIBUTION: LazyLock<Distribution> = LazyLock::new(|| {
    let minimal = include_str!("../../fixtures/distributions/minimal.json");
    load(minimal).expect("the fixture loads").distribution
});

static SETTINGS: LazyLock<[KeySettings; 2]> = LazyLock::new(|| {
    let literal = |name: &str| Name::Literal(name.to_owned());
    let some = KeySettings {
        gzip: true,
        brotli: true,
        headers: vec![HeaderName::from_static("accept"), HeaderName::from_static("x-viewer-device")],
        cookies: Names::Only(vec![literal("a"), Name::Pattern(Glob::new("wp_*"))]),
        query: Names::AllExcept(vec![literal("utm")]),
    };
    let most = KeySettings { cookies: Names::All, query: Names::All, ..some.clone() };
    [some, most]
});

/// Two heads, an empty line between them.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (first, second) = text.split_once("\n\n").unwrap_or((text, text));
    let (Some(first), Some(second)) = (admitted(first), admitted(second)) else { return };
    for settings in SETTINGS.iter() {
        let (a, b) = (key(&first, settings), key(&second, settings));
        assert_eq!(a == b, naive(&first, settings) == naive(&second, settings), "{a:?} and {b:?}");
        for (request, key) in [(&first, a), (&second, b)] {
            let parts: Vec<_> = key.parts().collect();
            assert_eq!(parts.iter().map(|(_, part)| 5 + part.len()).sum::<usize>(), key.size());
            let path = parts.iter().find(|(kind, _)| *kind == Kind::Path);
            assert_eq!(path.map(|(_, path)| *path), Some(request.request().target.path().as_bytes()));
        }
    }
}

fn admitted(head: &str) -> Option<Admitted> {
    let mut parts = parts(head)?;
    let here = HeaderValue::from_str(&DISTRIBUTION.domain_name).expect("a domain name is a value");
    parts.headers.insert(http::header::HOST, here);
    parts.uri = parts.uri.path_and_query()?.as_str().parse().ok()?;
    gate::admit(&DISTRIBUTION, read(parts).ok()?, SystemTime::UNIX_EPOCH).ok()
}

fn accepted(admitted: &Admitted, settings: &KeySettings) -> AcceptEncoding {
    let request = admitted.request();
    AcceptEncoding::normalise(&request.headers, request.version, settings.gzip, settings.brotli)
}

fn key(admitted: &Admitted, settings: &KeySettings) -> Key {
    let path = admitted.request().target.path();
    Key::of(
        (&DISTRIBUTION, Guard::On),
        settings,
        admitted,
        path,
        accepted(admitted, settings),
        Device::UNKNOWN,
    )
}

/// What is in the key, as a value that compares.
fn naive(admitted: &Admitted, settings: &KeySettings) -> impl PartialEq {
    let request = admitted.request();
    let headers: Vec<_> = settings.headers.iter().map(|name| joined(&request.headers, name)).collect();
    let cookies = request.headers.get(http::header::COOKIE).map(HeaderValue::as_bytes).unwrap_or_default();
    let mut selected: Vec<_> = cookie::pairs(cookies)
        .filter(|pair| cookie::is_standard(cookies) && settings.cookies.select(pair.name))
        .map(|pair| (pair.name.to_vec(), pair.raw.to_vec()))
        .collect();
    selected.sort_by(|(a, _), (b, _)| a.cmp(b));
    let text = request.target.query().unwrap_or_default();
    let query = match settings.query {
        Names::All => text.to_owned(),
        _ => {
            let kept = query::parameters(text).filter(|one| settings.query.select(one.name.as_bytes()));
            kept.map(|one| one.raw).collect::<Vec<_>>().join("&")
        }
    };
    let method = Some(request.method.clone()).filter(|method| !matches!(*method, Method::GET | Method::HEAD));
    let path = request.target.path().to_owned();
    (method, path, accepted(admitted, settings).key_part(), headers, selected, query)
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    (!lines.is_empty()).then(|| lines.join(&b","[..]))
}

/// Pairs that differ in what counts, and in what does not.
pub const SEEDS: &[&str] = &[
    "GET /?utm=1&b=2 1.1\ncookie: a=1; b=2\naccept: x\n\nGET /?b=2 1.1\ncookie: b=3; a=1\naccept: x",
    "GET /a 1.1\naccept:\n\nHEAD /a 1.1",
    "GET /a 2\naccept: x\naccept: y\naccept-encoding: br, gzip\n\nGET /a 2\naccept: x,y\naccept-encoding: gzip, br;q=1",
    "GET / 1.1\ncookie: wp_1=a; wp_2=b; a=c\nx-viewer-device: mobile\n\nGET / 1.1\ncookie: a=c; wp_2=b; wp_1=a",
];
