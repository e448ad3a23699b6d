//! The rows of §7.1–7.3 and 7.5, the vectors of §18 about them, and what holds for every input.

use std::time::UNIX_EPOCH;

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

const ERROR_MIN: Duration = Duration::from_secs(10);

fn now() -> SystemTime {
    // A moment within a second, as moments are.
    UNIX_EPOCH + Duration::from_millis(1_800_000_000_250)
}

fn at(seconds: i64) -> String {
    let from = UNIX_EPOCH + Duration::from_secs(1_800_000_000u64.saturating_add_signed(seconds));
    date::format(from).to_str().unwrap().to_owned()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ttl(min: u64, default: u64, max: u64) -> Ttl {
    Ttl { min: secs(min), default: secs(default), max: secs(max) }
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    map
}

fn judge(status: u16, ttl: Ttl, lines: &[(&str, &str)]) -> Lifetime {
    let headers = headers(lines);
    let status = StatusCode::from_u16(status).unwrap();
    lifetime(status, &headers, &CacheControl::of(&headers), &ttl, ERROR_MIN, now())
}

fn page(ttl: Ttl, cache_control: &str) -> Lifetime {
    judge(200, ttl, &[("cache-control", cache_control)])
}

fn fresh(seconds: u64, rule: Rule) -> Lifetime {
    store(secs(seconds), rule)
}

fn origin(seconds: u64, by: Source, limit: Limit) -> Lifetime {
    store(secs(seconds), Rule::Origin { by, limit })
}

fn not(because: NotStored) -> Lifetime {
    because.into()
}

const YEAR: u64 = 31_536_000;

#[test]
fn the_table_with_min_zero() {
    let policy = ttl(0, 50, 100);
    assert_eq!(page(policy, "max-age=3600"), origin(100, Source::MaxAge, Limit::Maximum), "§18 vector 12");
    assert_eq!(page(policy, "max-age=99"), origin(99, Source::MaxAge, Limit::AsSaid));
    assert_eq!(
        page(policy, "max-age=10, s-maxage=20"),
        origin(20, Source::SharedMaxAge, Limit::AsSaid),
        "15"
    );
    assert_eq!(page(policy, "s-maxage=0, max-age=60"), origin(0, Source::SharedMaxAge, Limit::AsSaid));
    assert_eq!(page(policy, "max-age=0"), origin(0, Source::MaxAge, Limit::AsSaid));
    assert_eq!(page(policy, "no-store"), not(NotStored::NoStore));
    assert_eq!(page(policy, "private"), not(NotStored::Private));
    assert_eq!(page(policy, "private=\"x-a\", max-age=60"), not(NotStored::Private));
    assert_eq!(page(policy, "no-store, private, no-cache, max-age=60"), not(NotStored::NoStore));
    let kept = Lifetime::Store { ttl: Duration::ZERO, rule: Rule::NoCache, reuse: Reuse::RevalidateEachTime };
    assert_eq!(page(policy, "no-cache"), kept);
    assert_eq!(page(policy, "max-age=600, no-cache"), kept);
    assert_eq!(
        page(policy, "no-cache=\"set-cookie\", max-age=60"),
        origin(60, Source::MaxAge, Limit::AsSaid)
    );
    for nothing in
        ["public", "must-revalidate", "immutable", "max-age=abc", "max-age='3600'", "max-age =60", ""]
    {
        assert_eq!(page(policy, nothing), fresh(50, Rule::Default), "{nothing}");
    }
    assert_eq!(judge(200, ttl(0, 30, 100), &[]), fresh(30, Rule::Default), "§18 vector 17");
}

#[test]
fn the_table_with_min_above_zero() {
    let policy = ttl(60, 80, 100);
    assert_eq!(page(policy, "max-age=3600"), origin(100, Source::MaxAge, Limit::Maximum));
    assert_eq!(page(policy, "max-age=70"), origin(70, Source::MaxAge, Limit::AsSaid));
    assert_eq!(page(policy, "max-age=5"), origin(60, Source::MaxAge, Limit::Minimum));
    assert_eq!(page(policy, "max-age=90, s-maxage=5"), origin(60, Source::SharedMaxAge, Limit::Minimum));
    assert_eq!(page(policy, "public"), fresh(80, Rule::Default));
    for forbidden in ["no-store", "private", "no-cache", "no-store, max-age=90", "private=\"a\"", "NO-STORE"]
    {
        assert_eq!(page(policy, forbidden), fresh(60, Rule::MinimumOverrides), "{forbidden}");
    }
    assert!(Rule::MinimumOverrides.overrides_origin());
    assert_eq!(page(ttl(60, 60, 100), "no-store"), fresh(60, Rule::MinimumOverrides), "§18 vector 14");
    let caching_optimized = ttl(1, 86_400, YEAR);
    assert_eq!(page(caching_optimized, "no-cache"), fresh(1, Rule::MinimumOverrides), "§18 vector 18");
}

#[test]
fn caching_disabled_stores_nothing() {
    for status in [200, 301, 403, 404, 500, 502] {
        let verdict = judge(status, ttl(0, 0, 0), &[("cache-control", "public, max-age=60")]);
        assert_eq!(verdict, not(NotStored::CachingDisabled), "{status}");
    }
}

#[test]
fn expires() {
    let policy = ttl(0, 50, 7200);
    let only = |value: &str| judge(200, policy, &[("expires", value)]);
    let Lifetime::Store { ttl: hour, rule, .. } = only(&at(3600)) else { panic!("stored") };
    assert_eq!(hour, Duration::from_millis(3_599_750), "by our clock, to the millisecond");
    assert_eq!(rule, Rule::Origin { by: Source::Expires, limit: Limit::AsSaid });
    assert_eq!(only(&at(86_400)), origin(7200, Source::Expires, Limit::Maximum));
    assert_eq!(only(&at(-1)), origin(0, Source::Expires, Limit::AsSaid));
    for not_a_date in ["0", "-1", "", "never", "Thu, 18 Aug 2050 02:01:18 UTC"] {
        assert_eq!(only(not_a_date), origin(0, Source::ExpiresUnreadable, Limit::AsSaid), "{not_a_date}");
    }
    assert_eq!(
        judge(200, ttl(60, 80, 100), &[("expires", "0")]),
        origin(60, Source::ExpiresUnreadable, Limit::Minimum)
    );
    // §18 vector 16
    let both = [("cache-control", "max-age=10"), ("expires", &at(3600))];
    assert_eq!(judge(200, policy, &both), origin(10, Source::MaxAge, Limit::AsSaid));
    // A number that is none leaves the field to Expires.
    let unreadable = [("cache-control", "max-age=x"), ("expires", "0")];
    assert_eq!(judge(200, policy, &unreadable), origin(0, Source::ExpiresUnreadable, Limit::AsSaid));
    // Two lines: the earlier one; or none at all.
    let two = [("expires", at(3600)), ("expires", at(-5))];
    let two: Vec<_> = two.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(judge(200, policy, &two), origin(0, Source::Expires, Limit::AsSaid));
    let one_unreadable = [("expires", at(3600)), ("expires", "0".to_owned())];
    let one_unreadable: Vec<_> = one_unreadable.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(judge(200, policy, &one_unreadable), origin(0, Source::ExpiresUnreadable, Limit::AsSaid));
}

/// What is left on arrival, as the data path asks: age and lifetime by the same headers.
fn left(policy: Ttl, lines: &[(&str, &str)]) -> u64 {
    let headers = headers(lines);
    let age = initial_age(&headers, now(), now());
    match remaining(StatusCode::OK, &headers, &CacheControl::of(&headers), &policy, ERROR_MIN, now(), age) {
        Lifetime::Store { ttl, .. } => ttl.as_millis().div_ceil(1000) as u64,
        Lifetime::DoNotStore { because } => panic!("{because}"),
    }
}

#[test]
fn clocks_that_differ() {
    let policy = ttl(0, 0, YEAR);
    let left = |lines: &[(&str, &str)]| left(policy, lines);
    let (past, soon, later) = (at(-10), at(10), at(20));
    // Cut to the part of a second that had passed.
    assert_eq!(left(&[("date", &at(0)), ("expires", &soon)]), 10);
    assert_eq!(left(&[("date", "foo"), ("expires", &soon)]), 10, "freshness-expires-invalid-date");
    assert_eq!(left(&[("date", &at(400)), ("expires", &at(300))]), 0, "freshness-expires-old-date");
    assert_eq!(
        left(&[("date", &past), ("expires", &soon), ("age", "25")]),
        0,
        "freshness-expires-age-slow-date"
    );
    assert_eq!(
        left(&[("date", &soon), ("expires", &later), ("age", "15")]),
        0,
        "freshness-expires-age-fast-date"
    );
    assert_eq!(left(&[("date", &past), ("expires", &soon)]), 10, "the age by Date is not counted twice");
    let forty_minutes_ago = at(-2400);
    let upstream = [("date", forty_minutes_ago.as_str()), ("expires", &at(1200)), ("age", "2400")];
    assert_eq!(left(&upstream), 1200, "another cache held it for its first forty minutes");
}

#[test]
fn age_shortens_what_the_origin_said_and_nothing_else() {
    let day = ttl(0, 86_400, YEAR);
    assert_eq!(left(day, &[("cache-control", "max-age=10"), ("age", "15")]), 0, "freshness-max-age-age");
    assert_eq!(left(day, &[("cache-control", "max-age=3600"), ("age", "600")]), 3000);
    assert_eq!(left(day, &[("cache-control", "max-age=3600"), ("date", &at(-7200))]), 0);
    assert_eq!(left(day, &[("age", "100000")]), 86_400, "DefaultTTL counts from arrival");
    assert_eq!(
        left(ttl(60, 60, 100), &[("cache-control", "max-age=70"), ("age", "69")]),
        60,
        "MinTTL does too"
    );
    assert_eq!(
        left(ttl(0, 50, 100), &[("cache-control", "max-age=3600"), ("age", "2400")]),
        100,
        "and MaxTTL"
    );
}

#[test]
fn ages() {
    let age = |lines: &[(&str, &str)], delay: u64| initial_age(&headers(lines), now() - secs(delay), now());
    for (value, expected) in [
        ("7200", 7200),
        ("7200,0", 7200),
        ("0,7200", 0),
        ("0, 0", 0),
        ("7200, 7200", 7200),
        (" 5 ", 5),
        ("005", 5),
    ] {
        assert_eq!(age(&[("age", value)], 0), secs(expected), "{value}");
    }
    for ignored in ["", "abc", "-7200", "+5", "7200.0", "1e3", "5s", ",7200", "\"5\""] {
        assert_eq!(age(&[("age", ignored)], 0), Duration::ZERO, "{ignored}");
        assert_eq!(age(&[("age", ignored)], 9), Duration::ZERO, "{ignored}");
    }
    assert_eq!(age(&[("age", "7200"), ("age", "0")], 0), secs(7200), "the first line");
    assert_eq!(age(&[("age", "0"), ("age", "7200")], 0), Duration::ZERO);
    assert_eq!(age(&[("age", "99999999999999999999999")], 9), AGE_MAX);
    assert_eq!(age(&[("age", "5")], 3), secs(8), "the time it took counts on top");
    assert_eq!(age(&[], 3), Duration::ZERO, "but not for a new page");
    assert_eq!(age(&[("date", &at(0))], 0), Duration::ZERO);
    assert_eq!(age(&[("date", &at(-1))], 0), Duration::from_millis(250));
    assert_eq!(age(&[("date", &at(-100)), ("age", "5")], 0), Duration::from_millis(99_250));
    assert_eq!(age(&[("date", &at(100)), ("age", "5")], 0), secs(5), "a fast clock is no age");
    assert_eq!(age(&[("date", "foo")], 0), Duration::ZERO);
}

#[test]
fn statuses_without_headers() {
    let policy = ttl(0, 50, 100);
    for status in [200, 203, 204, 300, 301, 302, 303] {
        assert_eq!(judge(status, policy, &[]), fresh(50, Rule::Default), "{status}");
    }
    for status in [404, 410, 414, 500, 501, 502, 503, 504] {
        assert_eq!(judge(status, policy, &[]), fresh(10, Rule::ErrorMinimum), "{status}: §18 vector 19");
    }
    let code = |status| StatusCode::from_u16(status).unwrap();
    for status in [307, 308] {
        assert_eq!(judge(status, policy, &[]), not(NotStored::NoCacheControl(code(status))));
    }
    for status in [201, 202, 205, 207, 226, 299, 305, 306, 399] {
        assert_eq!(judge(status, policy, &[]), not(NotStored::NoLifetime(code(status))));
    }
    for status in [400, 403, 405, 412, 415] {
        let because = NotStored::ErrorWithoutMaxAge(code(status));
        assert_eq!(judge(status, policy, &[]), not(because), "{status}: §18 vector 20");
        assert_eq!(
            judge(status, policy, &[("expires", &at(60))]),
            not(because),
            "{status}: Expires is not enough"
        );
        assert_eq!(judge(status, policy, &[("cache-control", "public, max-age=x")]), not(because));
    }
}

#[test]
fn statuses_with_a_lifetime() {
    let policy = ttl(0, 50, 100);
    let said = [("cache-control", "max-age=60")];
    let minute = origin(60, Source::MaxAge, Limit::AsSaid);
    let storable =
        [200, 203, 204, 299, 300, 301, 302, 303, 307, 308, 399, 400, 403, 404, 405, 410, 412, 414, 415]
            .into_iter()
            .chain(500..=504);
    for status in storable {
        assert_eq!(judge(status, policy, &said), minute, "{status}");
    }
    let never =
        [100, 101, 199, 401, 402, 406, 407, 408, 409, 411, 413, 416, 417, 421, 429, 451, 499, 505, 511, 599];
    for status in never.into_iter().chain(600..=999) {
        let code = StatusCode::from_u16(status).unwrap();
        assert_eq!(judge(status, policy, &said), not(NotStored::Status(code)), "{status}");
    }
    assert_eq!(judge(206, policy, &said), not(NotStored::PartialContent));
    assert_eq!(judge(304, policy, &said), not(NotStored::NotModified));
    for status in [307, 308] {
        assert_eq!(judge(status, policy, &[("cache-control", "public")]), fresh(50, Rule::Default));
        assert_eq!(judge(status, policy, &[("cache-control", "no-store")]), not(NotStored::NoStore));
        assert_eq!(
            judge(status, policy, &[("expires", &at(60))]),
            not(NotStored::NoCacheControl(StatusCode::from_u16(status).unwrap()))
        );
    }
}

#[test]
fn errors() {
    let policy = ttl(0, 50, 100);
    let error = |status, cache_control| judge(status, policy, &[("cache-control", cache_control)]);
    assert_eq!(error(403, "max-age=5"), origin(10, Source::MaxAge, Limit::ErrorMinimum), "§18 vector 21");
    assert_eq!(error(404, "max-age=60"), origin(60, Source::MaxAge, Limit::AsSaid));
    assert_eq!(error(404, "max-age=3600"), origin(100, Source::MaxAge, Limit::Maximum));
    assert_eq!(error(500, "s-maxage=20, max-age=90"), origin(20, Source::SharedMaxAge, Limit::AsSaid));
    assert_eq!(
        judge(500, policy, &[("expires", "0")]),
        origin(10, Source::ExpiresUnreadable, Limit::ErrorMinimum)
    );
    assert_eq!(judge(404, policy, &[("expires", &at(3600))]), origin(100, Source::Expires, Limit::Maximum));
    for directive in ["no-store", "no-cache", "private", "no-store, max-age=60"] {
        for status in [404, 410, 414, 501] {
            let code = StatusCode::from_u16(status).unwrap();
            assert_eq!(error(status, directive), not(NotStored::ErrorForbidden(code)), "§18 vector 22");
            let min = judge(status, ttl(60, 60, 100), &[("cache-control", directive)]);
            assert_eq!(min, not(NotStored::ErrorForbidden(code)), "MinTTL is not for errors");
        }
        for status in [500, 502, 503, 504] {
            assert_eq!(error(status, directive), fresh(10, Rule::ErrorMinimumOverrides), "§18 vector 23");
        }
    }
    assert_eq!(error(403, "private, max-age=60"), fresh(10, Rule::ErrorMinimumOverrides));
    assert_eq!(error(403, "private"), not(NotStored::ErrorWithoutMaxAge(StatusCode::FORBIDDEN)));
    assert_eq!(error(500, "no-cache=\"set-cookie\""), fresh(10, Rule::ErrorMinimum));
    assert!(Rule::ErrorMinimumOverrides.overrides_origin());
    // MinTTL is not for errors, and neither is DefaultTTL.
    assert_eq!(judge(404, ttl(60, 70, 100), &[]), fresh(10, Rule::ErrorMinimum));
    // ErrorCachingMinTTL may be longer than MaxTTL; MaxTTL limits the header only.
    assert_eq!(judge(404, ttl(0, 0, 5), &[("cache-control", "max-age=60")]), {
        origin(10, Source::MaxAge, Limit::ErrorMinimum)
    });
    let zero = |cache_control: &str| {
        let headers = headers(&[("cache-control", cache_control)]);
        let cc = CacheControl::of(&headers);
        lifetime(StatusCode::NOT_FOUND, &headers, &cc, &policy, Duration::ZERO, now())
    };
    assert_eq!(zero("public"), not(NotStored::ErrorMinimumZero));
    assert_eq!(zero("max-age=0"), not(NotStored::ErrorMinimumZero));
    assert_eq!(zero("max-age=7"), origin(7, Source::MaxAge, Limit::AsSaid));
}

#[test]
fn stale_directives() {
    let says = |text: &str, ttl: Ttl| stale(&CacheControl::of(&headers(&[("cache-control", text)])), &ttl);
    let policy = ttl(0, 50, 100);
    let expect = |seconds, on_error| Stale { while_revalidate: secs(seconds), on_error };
    let silent = OnError::UntilMaximum(secs(100));
    assert_eq!(says("max-age=10", policy), expect(0, silent));
    assert_eq!(says("stale-while-revalidate=30", policy), expect(30, silent));
    assert_eq!(says("stale-while-revalidate=300", policy), expect(100, silent));
    assert_eq!(says("stale-if-error=30", policy), expect(0, OnError::AfterExpiry(secs(30))));
    assert_eq!(says("stale-if-error=300", policy), expect(0, OnError::AfterExpiry(secs(100))));
    assert_eq!(says("stale-if-error=0", policy), expect(0, OnError::AfterExpiry(secs(0))));
    assert_eq!(says("stale-while-revalidate=5, stale-if-error=7", policy), {
        expect(5, OnError::AfterExpiry(secs(7)))
    });
    for must in ["must-revalidate", "proxy-revalidate"] {
        let all = format!("{must}, stale-while-revalidate=5, stale-if-error=7");
        assert_eq!(says(&all, policy), expect(0, OnError::Never));
    }
    assert_eq!(says("no-cache, stale-while-revalidate=5", policy), expect(0, silent));
    assert_eq!(says("no-cache, stale-while-revalidate=5", ttl(1, 50, 100)), expect(5, silent));
}

#[test]
fn stale_on_error() {
    let year = secs(YEAR);
    assert!(OnError::UntilMaximum(secs(100)).allows(secs(99), year));
    assert!(!OnError::UntilMaximum(secs(100)).allows(secs(100), secs(0)));
    assert!(OnError::AfterExpiry(secs(30)).allows(year, secs(29)));
    assert!(!OnError::AfterExpiry(secs(30)).allows(secs(31), secs(30)));
    assert!(!OnError::AfterExpiry(secs(0)).allows(secs(0), secs(0)));
    assert!(!OnError::Never.allows(secs(0), secs(0)));
}

#[test]
fn every_verdict_says_where_it_comes_from() {
    let policy = ttl(0, 50, 100);
    for (verdict, line) in [
        (page(policy, "s-maxage=3600"), "stored for 100 s: s-maxage in Cache-Control, lowered to MaxTTL"),
        (page(policy, "no-store"), "not stored: no-store in Cache-Control"),
        (page(ttl(60, 60, 100), "max-age=1"), "stored for 60 s: max-age in Cache-Control, raised to MinTTL"),
        (judge(200, policy, &[]), "stored for 50 s: no max-age, s-maxage or Expires, so DefaultTTL"),
        (judge(403, policy, &[]), "not stored: 403 without max-age or s-maxage"),
        (
            page(ttl(60, 60, 100), "private"),
            "stored for 60 s: MinTTL, in spite of no-store, private or no-cache in Cache-Control",
        ),
    ] {
        assert_eq!(verdict.to_string(), line);
    }
}

/// Lines that may be anything, and often are nearly right.
fn any_headers() -> impl Strategy<Value = HeaderMap> {
    let name = prop::sample::select(vec!["cache-control", "expires", "age", "date"]);
    let piece = prop::sample::select(vec![
        "max-age=",
        "s-maxage=",
        "no-store",
        "no-cache",
        "private",
        "=",
        "\"",
        "\\",
        ", ",
        ";",
        " ",
        "0",
        "60",
        "99999999999999999999",
        "-1",
        "1.5",
        "set-cookie",
        "Thu, 18 Aug 2050 02:01:18 GMT",
        "stale-if-error=",
    ]);
    let nearly = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat().into_bytes());
    let value = prop_oneof![nearly, any::<Vec<u8>>()];
    prop::collection::vec((name, value), 0..6).prop_map(|lines| {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                map.append(name, value);
            }
        }
        map
    })
}

fn any_ttl() -> impl Strategy<Value = Ttl> {
    let seconds = || prop_oneof![Just(0), 0u64..100, 0..3_153_600_000u64];
    [seconds(), seconds(), seconds()].prop_map(|mut three| {
        three.sort_unstable();
        ttl(three[0], three[1], three[2])
    })
}

proptest! {
    #[test]
    fn lifetimes_stay_within_their_clamps(
        headers in any_headers(), ttl in any_ttl(), status in 100u16..1000, error_min in 0u64..1000,
        now in 0u64..1 << 40, age in 0u64..1 << 40,
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        let cc = CacheControl::of(&headers);
        let now = UNIX_EPOCH + secs(now);
        let ask = |age| remaining(status, &headers, &cc, &ttl, secs(error_min), now, secs(age));
        let verdict = ask(age);
        prop_assert!(!verdict.to_string().is_empty());
        let Lifetime::Store { ttl: fresh, rule, reuse } = verdict else { return Ok(()) };
        prop_assert!(!ttl.caching_disabled());
        if status.as_u16() < 400 {
            prop_assert!(ttl.min <= fresh && fresh <= ttl.max);
            prop_assert_eq!(rule == Rule::MinimumOverrides, forbids(&cc) && !ttl.min.is_zero());
        } else {
            prop_assert!(secs(error_min) <= fresh && fresh <= ttl.max.max(secs(error_min)));
        }
        if forbids(&cc) {
            prop_assert!(rule.overrides_origin() || reuse == Reuse::RevalidateEachTime);
        }
        // What is older is never fresh for longer.
        if let Lifetime::Store { ttl: new, .. } = ask(0) {
            prop_assert!(fresh <= new);
        }
    }

    #[test]
    fn ages_are_bounded(headers in any_headers(), sent in 0u64..1 << 40, took in 0u64..1 << 40) {
        let sent = UNIX_EPOCH + secs(sent);
        prop_assert!(initial_age(&headers, sent, sent + secs(took)) <= AGE_MAX);
        // A clock that was set back in between is survived as well.
        prop_assert!(initial_age(&headers, sent + secs(took), sent) <= AGE_MAX);
    }

    #[test]
    fn stale_time_is_bounded(headers in any_headers(), ttl in any_ttl()) {
        let stale = stale(&CacheControl::of(&headers), &ttl);
        prop_assert!(stale.while_revalidate <= ttl.max);
        if let OnError::UntilMaximum(limit) | OnError::AfterExpiry(limit) = stale.on_error {
            prop_assert!(limit <= ttl.max);
        }
    }
}
