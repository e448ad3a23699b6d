//! `Cache-Control` of an origin: any lines are read, a ban is never lost, and a lifetime stays within its clamps.

use std::time::{Duration, SystemTime};

use edge_core::cache::freshness::{self, Lifetime};
use edge_core::distribution::Ttl;
use edge_core::header::cache_control::{AGE_MAX, CacheControl};
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, StatusCode};

/// Each line is a field line.
pub fn check(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|&byte| byte == b'\n').take(100) {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(CACHE_CONTROL, value);
    }
    let said = CacheControl::of(&headers);
    let ages = [said.max_age, said.s_maxage, said.stale_if_error, said.stale_while_revalidate];
    assert!(ages.into_iter().flatten().all(|age| age <= AGE_MAX));
    // What bans, bans wherever it stands.
    headers.append(CACHE_CONTROL, HeaderValue::from_static("no-store, private, max-age=0"));
    let banned = CacheControl::of(&headers);
    assert!(banned.no_store && banned.private && banned.max_age == Some(Duration::ZERO));
    clamped(&said);
}

/// What is stored lives at most `max`, and at least `min` where that is not zero.
fn clamped(said: &CacheControl) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let seconds = Duration::from_secs;
    for ttl in [
        Ttl { min: seconds(0), default: seconds(50), max: seconds(100) },
        Ttl { min: seconds(10), default: seconds(50), max: seconds(100) },
    ] {
        let lifetime = freshness::remaining(
            StatusCode::OK,
            &HeaderMap::new(),
            said,
            &ttl,
            seconds(10),
            now,
            Duration::ZERO,
        );
        match lifetime {
            Lifetime::Store { ttl: given, .. } => {
                assert!((ttl.min..=ttl.max).contains(&given), "{given:?} of {said:?}");
            }
            Lifetime::DoNotStore { .. } => assert!(ttl.min.is_zero(), "a minimum stores all: {said:?}"),
        }
    }
}

/// Directives rightly and wrongly written.
pub const SEEDS: &[&str] = &[
    "max-age=60, s-maxage=\"70\"",
    "private, no-cache=\"set-cookie, x\"",
    "no-store\nmax-age=99999999999999999999",
    "public;max-age=1,stale-if-error=5, STALE-WHILE-REVALIDATE=6",
    "no-cache=\"unended, max-age=3",
];
