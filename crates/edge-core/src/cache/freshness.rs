//! Whether a response is stored, for how long, and why (§7.1–7.3, 7.5).
//!
//! Values in, verdict out: every verdict names the header or the setting it came from, and `explain` prints that. It
//! refuses to know the request, the guard and `Vary`: who may share a response, and whether `Vary: *` lets it be
//! revalidated (§7.7), is decided by those who see both.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, EXPIRES};
use http::{HeaderMap, StatusCode};

use crate::distribution::Ttl;
use crate::header::cache_control::{AGE_MAX, CacheControl, NoCache};
use crate::header::{date, decimal, only_date, trim};

/// What becomes of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// It is stored.
    Store {
        /// Fresh while younger than this; zero is never fresh, but may be revalidated.
        ttl: Duration,
        /// Where `ttl` comes from.
        rule: Rule,
        /// Whether it may be reused within `ttl`.
        reuse: Reuse,
    },
    /// It is passed on and forgotten.
    DoNotStore {
        /// Why.
        because: NotStored,
    },
}

/// How a stored response is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Without asking, while it is fresh.
    WhileFresh,
    /// Only after asking the origin: `no-cache` with MinTTL 0.
    RevalidateEachTime,
}

/// Where the lifetime of a stored response comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The origin said how long.
    Origin {
        /// Where it said so.
        by: Source,
        /// Which setting changed it.
        limit: Limit,
    },
    /// The origin said nothing: DefaultTTL.
    Default,
    /// The origin forbade it (`no-store`, `private` or `no-cache`) and MinTTL is above zero: stored for MinTTL all the
    /// same. The guard wants to know.
    MinimumOverrides,
    /// `no-cache` with MinTTL 0.
    NoCache,
    /// An error about which the origin said nothing: ErrorCachingMinTTL.
    ErrorMinimum,
    /// An error that the origin forbade to store, of a status where CloudFront ignores that: ErrorCachingMinTTL. The
    /// guard wants to know.
    ErrorMinimumOverrides,
}

impl Rule {
    /// Whether the response is stored although its `Cache-Control` forbids it.
    pub fn overrides_origin(self) -> bool {
        matches!(self, Self::MinimumOverrides | Self::ErrorMinimumOverrides)
    }
}

/// The header a lifetime was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `Cache-Control: s-maxage`.
    SharedMaxAge,
    /// `Cache-Control: max-age`.
    MaxAge,
    /// `Expires`.
    Expires,
    /// An `Expires` that is no date, such as `0` or `-1`: in the past (RFC 9111 §5.3).
    ExpiresUnreadable,
}

/// What was done to the origin's lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Nothing.
    AsSaid,
    /// Raised to MinTTL.
    Minimum,
    /// Lowered to MaxTTL.
    Maximum,
    /// Raised to ErrorCachingMinTTL.
    ErrorMinimum,
}

/// Why a response is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStored {
    /// All TTLs of the policy are zero (§7.1).
    CachingDisabled,
    /// `Cache-Control: no-store`.
    NoStore,
    /// `Cache-Control: private`.
    Private,
    /// 206: a part never stands in for the whole (threats.md S2).
    PartialContent,
    /// 304: refreshes a stored response and is none itself.
    NotModified,
    /// 307 and 308 need a `Cache-Control` (§7.2).
    NoCacheControl(StatusCode),
    /// A status nobody documents needs an explicit lifetime.
    NoLifetime(StatusCode),
    /// This error needs `max-age` or `s-maxage` (§7.2).
    ErrorWithoutMaxAge(StatusCode),
    /// This error respects `no-store`, `no-cache` and `private` (§7.3).
    ErrorForbidden(StatusCode),
    /// ErrorCachingMinTTL is zero and the origin names no longer time.
    ErrorMinimumZero,
    /// Not among the statuses that are stored (§7.2).
    Status(StatusCode),
}

/// How long a response is fresh, by its headers and the policy (§7.1–7.3).
///
/// That is the lifetime of a response that comes straight from its origin. For one that has spent time in another
/// cache, [`remaining`] is the question to ask: it also gives the right answer for the first.
pub fn lifetime(
    status: StatusCode,
    headers: &HeaderMap,
    cc: &CacheControl,
    ttl: &Ttl,
    error_caching_min: Duration,
    now: SystemTime,
) -> Lifetime {
    remaining(status, headers, cc, ttl, error_caching_min, now, Duration::ZERO)
}

/// Like [`lifetime`], counted from arrival (`now`) of a response that was `initial_age` old by then.
///
/// What the origin promised is shortened by the age (RFC 9111 §4.2: AWS documents nothing, so the RFC holds); the
/// settings of the policy are about time spent in this cache and are not. Compare the result with the time since
/// arrival, not with the age: that would count the age twice.
pub fn remaining(
    status: StatusCode,
    headers: &HeaderMap,
    cc: &CacheControl,
    ttl: &Ttl,
    error_caching_min: Duration,
    now: SystemTime,
    initial_age: Duration,
) -> Lifetime {
    if ttl.caching_disabled() {
        return NotStored::CachingDisabled.into();
    }
    let said = || Said::of(headers, cc, now, initial_age);
    // §7.2
    match status.as_u16() {
        // 203, 204, 300 and 303 are certain for nobody (unsure); the RFC lets them be stored like 200 and 302.
        200 | 203 | 204 | 300..=303 => stored(said(), cc, ttl),
        206 => NotStored::PartialContent.into(),
        304 => NotStored::NotModified.into(),
        307 | 308 if !cc.present => NotStored::NoCacheControl(status).into(),
        307 | 308 => stored(said(), cc, ttl),
        // Undocumented: RFC 9111 §3 lets a final status be stored that says for how long (unsure).
        200..=399 => match said() {
            None => NotStored::NoLifetime(status).into(),
            said => stored(said, cc, ttl),
        },
        // 410 is on neither list (unsure): like 404.
        404 | 410 | 414 | 500..=504 => stored_error(status, said(), cc, ttl, error_caching_min),
        400 | 403 | 405 | 412 | 415 if cc.max_age.is_none() && cc.s_maxage.is_none() => {
            NotStored::ErrorWithoutMaxAge(status).into()
        }
        400 | 403 | 405 | 412 | 415 => stored_error(status, said(), cc, ttl, error_caching_min),
        _ => NotStored::Status(status).into(),
    }
}

/// The table of §7.1.
fn stored(said: Option<Said>, cc: &CacheControl, ttl: &Ttl) -> Lifetime {
    if forbids(cc) {
        // `max-age` next to them changes nothing (unsure).
        return if !ttl.min.is_zero() {
            store(ttl.min, Rule::MinimumOverrides)
        } else if cc.no_store {
            NotStored::NoStore.into()
        } else if cc.private {
            NotStored::Private.into()
        } else {
            Lifetime::Store { ttl: Duration::ZERO, rule: Rule::NoCache, reuse: Reuse::RevalidateEachTime }
        };
    }
    let Some(Said { by, time }) = said else {
        return store(ttl.default.max(ttl.min), Rule::Default);
    };
    let (time, limit) = match time {
        long if long > ttl.max => (ttl.max, Limit::Maximum),
        short if short < ttl.min => (ttl.min, Limit::Minimum),
        time => (time, Limit::AsSaid),
    };
    store(time, Rule::Origin { by, limit })
}

/// The table of §7.3. MinTTL is not for errors (unsure): ErrorCachingMinTTL stands in its place.
fn stored_error(
    status: StatusCode,
    said: Option<Said>,
    cc: &CacheControl,
    ttl: &Ttl,
    error_caching_min: Duration,
) -> Lifetime {
    let forbidden = forbids(cc);
    if forbidden && matches!(status.as_u16(), 404 | 410 | 414 | 501) {
        return NotStored::ErrorForbidden(status).into();
    }
    let lifetime = match said {
        _ if forbidden => store(error_caching_min, Rule::ErrorMinimumOverrides),
        None => store(error_caching_min, Rule::ErrorMinimum),
        Some(Said { by, time }) => {
            let (time, limit) = match time.min(ttl.max) {
                short if short < error_caching_min => (error_caching_min, Limit::ErrorMinimum),
                limited if limited < time => (limited, Limit::Maximum),
                time => (time, Limit::AsSaid),
            };
            store(time, Rule::Origin { by, limit })
        }
    };
    match lifetime {
        // An error nobody wants to keep is not even worth revalidating.
        Lifetime::Store { ttl: Duration::ZERO, .. } => NotStored::ErrorMinimumZero.into(),
        lifetime => lifetime,
    }
}

fn store(ttl: Duration, rule: Rule) -> Lifetime {
    Lifetime::Store { ttl, rule, reuse: Reuse::WhileFresh }
}

/// `no-store`, `private`, or `no-cache` for the whole response.
fn forbids(cc: &CacheControl) -> bool {
    cc.no_store || cc.private || cc.no_cache == NoCache::Whole
}

/// What the origin says about the lifetime of its response.
struct Said {
    by: Source,
    /// What is left of it.
    time: Duration,
}

impl Said {
    /// `s-maxage` before `max-age` before `Expires` (§7.1, RFC 9111 §4.2.1).
    fn of(headers: &HeaderMap, cc: &CacheControl, now: SystemTime, age: Duration) -> Option<Self> {
        if let Some(time) = cc.s_maxage {
            return Some(Self { by: Source::SharedMaxAge, time: time.saturating_sub(age) });
        }
        if let Some(time) = cc.max_age {
            return Some(Self { by: Source::MaxAge, time: time.saturating_sub(age) });
        }
        // Of several the earliest holds, and one that is no date makes all of them past (threats.md S3).
        let mut earliest: Option<SystemTime> = None;
        for line in headers.get_all(EXPIRES) {
            let Some(expires) = date::parse(line.as_bytes()) else {
                return Some(Self { by: Source::ExpiresUnreadable, time: Duration::ZERO });
            };
            earliest = Some(earliest.map_or(expires, |known| known.min(expires)));
        }
        let expires = earliest?;
        // §7.1: compared with our clock. RFC 9111 §4.2.1: what had expired when it was sent is no good, and what has an
        // age has it by its origin's clock.
        let until = |from| expires.duration_since(from).unwrap_or_default();
        let promised = until(only_date(headers, &DATE).unwrap_or(now));
        let time = match (promised, age) {
            (Duration::ZERO, _) => Duration::ZERO,
            (_, Duration::ZERO) => until(now),
            (promised, age) => until(now).min(promised.saturating_sub(age)),
        };
        Some(Self { by: Source::Expires, time })
    }
}

/// How old a response was when it arrived, by `Age` and `Date` (RFC 9111 §4.2.3).
///
/// - Of a list of ages the first counts, of several lines the first; what is not a number of seconds (negative, with
///   a fraction, empty) is ignored (RFC 9111 §5.1).
/// - The time the origin took counts only on top of an `Age`: without one the response is new, and a slow page with a
///   short lifetime would otherwise never be fresh.
/// - `Date` names a whole second, so that second itself is no age; otherwise `max-age=1` would be luck.
pub fn initial_age(headers: &HeaderMap, request_time: SystemTime, response_time: SystemTime) -> Duration {
    let since = |from| response_time.duration_since(from).unwrap_or_default();
    let by_age = said_age(headers).map_or(Duration::ZERO, |age| age.saturating_add(since(request_time)));
    let by_date =
        only_date(headers, &DATE).map_or(Duration::ZERO, since).saturating_sub(Duration::from_secs(1));
    by_age.max(by_date).min(AGE_MAX)
}

fn said_age(headers: &HeaderMap) -> Option<Duration> {
    let line = headers.get(AGE)?.as_bytes();
    let first = line.split(|byte| *byte == b',').next().unwrap_or(line);
    decimal(trim(first)).map(|seconds| Duration::from_secs(seconds).min(AGE_MAX))
}

/// How long a stored response serves on after it has expired (§7.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale {
    /// At once, while it is refreshed behind the viewer's back.
    pub while_revalidate: Duration,
    /// When the origin is asked and fails.
    pub on_error: OnError,
}

/// Whether an expired response stands in for an origin that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The origin says nothing: until MaxTTL has passed since it was stored (§7.4).
    UntilMaximum(Duration),
    /// `stale-if-error`, at most MaxTTL: this long after it expired. Zero is never.
    AfterExpiry(Duration),
    /// `must-revalidate`.
    Never,
}

impl OnError {
    /// Whether a response may be served that was stored `stored_for` ago and expired `expired_for` ago.
    pub fn allows(self, stored_for: Duration, expired_for: Duration) -> bool {
        match self {
            Self::UntilMaximum(limit) => stored_for < limit,
            Self::AfterExpiry(limit) => expired_for < limit,
            Self::Never => false,
        }
    }
}

/// What the origin allows once its response has expired.
///
/// §7.1 leaves open whether `must-revalidate` has an effect (unsure); RFC 9111 §5.2.2.2 does not, and forbids both.
pub fn stale(cc: &CacheControl, ttl: &Ttl) -> Stale {
    if cc.must_revalidate {
        return Stale { while_revalidate: Duration::ZERO, on_error: OnError::Never };
    }
    // RFC 9111 §5.2.2.4: what is revalidated each time has no time to be served without.
    let asked_each_time = cc.no_cache == NoCache::Whole && ttl.min.is_zero();
    let while_revalidate =
        cc.stale_while_revalidate.filter(|_| !asked_each_time).unwrap_or_default().min(ttl.max);
    let on_error = match cc.stale_if_error {
        Some(time) => OnError::AfterExpiry(time.min(ttl.max)),
        None => OnError::UntilMaximum(ttl.max),
    };
    Stale { while_revalidate, on_error }
}

impl From<NotStored> for Lifetime {
    fn from(because: NotStored) -> Self {
        Self::DoNotStore { because }
    }
}

impl Display for Lifetime {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store { ttl, rule, .. } => write!(f, "stored for {} s: {rule}", ttl.as_secs()),
            Self::DoNotStore { because } => write!(f, "not stored: {because}"),
        }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin { by, limit } => write!(f, "{by}{limit}"),
            Self::Default => f.write_str("no max-age, s-maxage or Expires, so DefaultTTL"),
            Self::MinimumOverrides => {
                f.write_str("MinTTL, in spite of no-store, private or no-cache in Cache-Control")
            }
            Self::NoCache => f.write_str("no-cache in Cache-Control, revalidated each time"),
            Self::ErrorMinimum => {
                f.write_str("an error without max-age, s-maxage or Expires, so ErrorCachingMinTTL")
            }
            Self::ErrorMinimumOverrides => {
                f.write_str("ErrorCachingMinTTL, in spite of no-store, private or no-cache in Cache-Control")
            }
        }
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SharedMaxAge => "s-maxage in Cache-Control",
            Self::MaxAge => "max-age in Cache-Control",
            Self::Expires => "Expires",
            Self::ExpiresUnreadable => "Expires, which is not a date and so in the past",
        })
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsSaid => "",
            Self::Minimum => ", raised to MinTTL",
            Self::Maximum => ", lowered to MaxTTL",
            Self::ErrorMinimum => ", raised to ErrorCachingMinTTL",
        })
    }
}

impl Display for NotStored {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::CachingDisabled => f.write_str("MinTTL, DefaultTTL and MaxTTL are 0, caching is off"),
            Self::NoStore => f.write_str("no-store in Cache-Control"),
            Self::Private => f.write_str("private in Cache-Control"),
            Self::PartialContent => f.write_str("206 is only a part"),
            Self::NotModified => f.write_str("304 has nothing to store"),
            Self::NoCacheControl(status) => write!(f, "{} without Cache-Control", status.as_str()),
            Self::NoLifetime(status) => write!(f, "{} without max-age, s-maxage or Expires", status.as_str()),
            Self::ErrorWithoutMaxAge(status) => write!(f, "{} without max-age or s-maxage", status.as_str()),
            Self::ErrorForbidden(status) => {
                write!(f, "{} with no-store, private or no-cache in Cache-Control", status.as_str())
            }
            Self::ErrorMinimumZero => f.write_str("an error, and ErrorCachingMinTTL is 0"),
            Self::Status(status) => write!(f, "{} is not a status that is stored", status.as_str()),
        }
    }
}

#[cfg(test)]
mod tests;
