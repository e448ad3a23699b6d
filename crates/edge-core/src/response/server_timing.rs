//! `Server-Timing`: what CloudFront tells of how it came to a response (§8.5).
//!
//! It writes down what it is given: durations are measured by whoever drives the core, chance is the request's id. It
//! refuses to know clocks.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

use http::header::PRAGMA;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Place, XCache};
use crate::viewer::Request;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The one cache there is here; CloudFront has regional ones and Origin Shield behind it.
const LAYER: &str = "EDGE";

/// How the last metric ends in a response that took no time.
const AT_ONCE: &str = "cdn-downstream-fbl;dur=0";

/// How long the parts of a request to an origin took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upstream {
    /// Finding its address; zero where that was known.
    pub dns: Duration,
    /// TCP and TLS; zero on a kept connection.
    pub connect: Duration,
    /// From the request's first byte to the end of the response's head.
    pub first_byte: Duration,
}

/// What the metrics are about.
pub(crate) struct Facts<'a> {
    pub(crate) place: &'a Place,
    pub(crate) id: &'a HeaderValue,
    pub(crate) x_cache: XCache,
    /// `None` where no origin answered.
    pub(crate) upstream: Option<Upstream>,
}

/// Adds the header where this response is in the sample of `percent`, or the viewer asks for it. What the origin said
/// itself stays on a miss, among ours; on a hit it is about another request.
pub(super) fn apply(headers: &mut HeaderMap, percent: f64, request: &Request, facts: &Facts<'_>) {
    if !(is_sampled(facts.id, percent) || is_asked_for(request)) {
        return;
    }
    let mut value = metrics(facts);
    if !matches!(facts.x_cache, XCache::Hit | XCache::RefreshHit) {
        for own in headers.get_all(SERVER_TIMING).iter().filter_map(|own| own.to_str().ok()) {
            _ = write!(value, ",{own}");
        }
    }
    _ = write!(value, ",{AT_ONCE}");
    headers.remove(SERVER_TIMING);
    headers.extend(HeaderValue::from_str(&value).ok().map(|value| (SERVER_TIMING, value)));
}

/// Says in the last metric that the first byte of the response left so long after the request came.
pub fn sent_after(headers: &mut HeaderMap, elapsed: impl FnOnce() -> Duration) {
    let Some(value) = headers.get(SERVER_TIMING).and_then(|value| value.to_str().ok()) else { return };
    let Some(before) = value.strip_suffix(AT_ONCE) else { return };
    if let Ok(value) =
        HeaderValue::from_str(&format!("{before}cdn-downstream-fbl;dur={}", elapsed().as_millis()))
    {
        headers.insert(SERVER_TIMING, value);
    }
}

/// All but the last, in the order of the guide's examples.
fn metrics(facts: &Facts<'_>) -> String {
    let Facts { place, id, x_cache, upstream } = facts;
    let (pop, id) = (place.pop.to_str().unwrap_or_default(), id.to_str().unwrap_or_default());
    let mut out = String::with_capacity(256);
    // Writing to a String cannot fail.
    _ = match x_cache {
        XCache::Hit => {
            write!(
                out,
                "cdn-cache-hit,cdn-pop;desc=\"{pop}\",cdn-rid;desc=\"{id}\",cdn-hit-layer;desc=\"{LAYER}\""
            )
        }
        XCache::RefreshHit => {
            write!(out, "cdn-cache-refresh,cdn-pop;desc=\"{pop}\",cdn-rid;desc=\"{id}\"")
        }
        _ => {
            if let Some(Upstream { dns, connect, first_byte }) = upstream {
                let [dns, connect, first_byte] = [dns, connect, first_byte].map(Duration::as_millis);
                _ = write!(
                    out,
                    "cdn-upstream-layer;desc=\"{LAYER}\",cdn-upstream-dns;dur={dns},\
                     cdn-upstream-connect;dur={connect},cdn-upstream-fbl;dur={first_byte},"
                );
            }
            write!(out, "cdn-cache-miss,cdn-pop;desc=\"{pop}\",cdn-rid;desc=\"{id}\"")
        }
    };
    out
}

/// Ids are drawn at random, so a number made of one is as good as a number drawn.
fn is_sampled(id: &HeaderValue, percent: f64) -> bool {
    let mut hasher = DefaultHasher::new();
    hasher.write(id.as_bytes());
    // 32 bits are far more than the four decimals a rate may have.
    let drawn = f64::from((hasher.finish() >> 32) as u32) / f64::from(u32::MAX);
    percent > 0.0 && drawn * 100.0 <= percent
}

/// `Pragma: server-timing`, which works at a rate of 0 too.
fn is_asked_for(request: &Request) -> bool {
    let lines = request.headers.get_all(PRAGMA).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|word| word.trim().eq_ignore_ascii_case("server-timing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(place: &Place, id: &'static str, x_cache: XCache) -> String {
        let id = HeaderValue::from_static(id);
        let upstream = Upstream {
            dns: Duration::from_millis(3),
            connect: Duration::from_micros(114_900),
            first_byte: Duration::from_millis(177),
        };
        metrics(&Facts { place, id: &id, x_cache, upstream: Some(upstream) })
    }

    /// The guide's examples (§8.5), with the times that were given.
    #[test]
    fn metrics_are_in_the_order_of_the_guide() {
        let place = Place::new(1, None);
        assert_eq!(
            facts(&place, "id==", XCache::Miss),
            "cdn-upstream-layer;desc=\"EDGE\",cdn-upstream-dns;dur=3,cdn-upstream-connect;dur=114,\
             cdn-upstream-fbl;dur=177,cdn-cache-miss,cdn-pop;desc=\"LOC50-P1\",cdn-rid;desc=\"id==\""
        );
        assert_eq!(
            facts(&place, "id==", XCache::Hit),
            "cdn-cache-hit,cdn-pop;desc=\"LOC50-P1\",cdn-rid;desc=\"id==\",cdn-hit-layer;desc=\"EDGE\""
        );
    }

    #[test]
    fn the_last_metric_tells_when_the_response_left() {
        let mut headers = HeaderMap::new();
        sent_after(&mut headers, || Duration::from_secs(1));
        assert!(headers.is_empty());
        let value = |headers: &HeaderMap| headers[SERVER_TIMING].to_str().unwrap().to_owned();
        headers.insert(SERVER_TIMING, HeaderValue::from_static("cdn-cache-hit,cdn-downstream-fbl;dur=0"));
        sent_after(&mut headers, || Duration::from_micros(137_800));
        assert_eq!(value(&headers), "cdn-cache-hit,cdn-downstream-fbl;dur=137");
        sent_after(&mut headers, || Duration::from_millis(5));
        assert_eq!(value(&headers), "cdn-cache-hit,cdn-downstream-fbl;dur=137");
    }

    /// Of many ids about as many as the rate says.
    #[test]
    fn the_sample_is_as_large_as_the_rate() {
        let sampled = |percent: f64| {
            let ids = (0..20_000).map(|number| HeaderValue::from_str(&format!("id-{number}")).unwrap());
            ids.filter(|id| is_sampled(id, percent)).count()
        };
        assert_eq!((sampled(0.0), sampled(100.0)), (0, 20_000));
        for (percent, expected) in [(50.0, 9_700..10_300), (1.5, 230..370), (0.01, 0..12)] {
            assert!(expected.contains(&sampled(percent)), "{percent}: {}", sampled(percent));
        }
    }
}
