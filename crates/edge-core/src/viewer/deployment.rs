//! Which distribution answers a request where a continuous deployment policy is in force (§17.1).
//!
//! The choice is a function of the policy, the request, its id and the time: chance is drawn from the id, and what is
//! known of a session is in its cookie. It refuses to know the distributions themselves.

use std::hash::{DefaultHasher, Hasher as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use http::header::COOKIE;

use super::Request;
use crate::distribution::Distribution;
use crate::distribution::deployment::{Deployment, Sessions, Traffic};
use crate::header::cookie;

/// The cookie that keeps a session where it began *(unsure: its name is not documented)*.
pub const COOKIE_NAME: &str = "AWS-CF-CD-Session";

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The primary distribution.
    Primary,
    /// The staging distribution.
    Staging,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Who answers.
    pub side: Side,
    /// What keeps the session there: a `Set-Cookie` for the viewer, whoever answers.
    pub set_cookie: Option<HeaderValue>,
}

/// A session as its cookie tells it: `side.began.seen`, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Session {
    side: Side,
    began: u64,
    seen: u64,
}

/// Who answers a request to this distribution: the staging distribution of its policy, if that says so. What is meant for
/// this choice alone is taken out of the request. A host that is nobody's leads nowhere.
pub fn choose(
    distribution: &Distribution,
    request: &mut Request,
    id: &HeaderValue,
    now: SystemTime,
) -> Choice {
    match &distribution.deployment {
        Some(deployment) if distribution.answers_for(request.host_name()) => {
            deployment.choose(request, id, now)
        }
        _ => Choice { side: Side::Primary, set_cookie: None },
    }
}

impl Deployment {
    fn choose(&self, request: &mut Request, id: &HeaderValue, now: SystemTime) -> Choice {
        match &self.traffic {
            Traffic::Header { name, value } => {
                let mut given = request.headers.get_all(name).iter();
                let side = match (given.next(), given.next()) {
                    (Some(given), None) if given == value => Side::Staging,
                    _ => Side::Primary,
                };
                Choice { side, set_cookie: None }
            }
            Traffic::Weight { share, sessions: None } => Choice { side: drawn(id, *share), set_cookie: None },
            Traffic::Weight { share, sessions: Some(sessions) } => {
                let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
                let session = taken(request).filter(|session| session.goes_on(*sessions, now));
                let begin = || Session { side: drawn(id, *share), began: now, seen: now };
                let session = Session { seen: now, ..session.unwrap_or_else(begin) };
                Choice { side: session.side, set_cookie: session.cookie(*sessions) }
            }
        }
    }
}

/// Chance, the same for the same request.
fn drawn(id: &HeaderValue, share: f64) -> Side {
    const STEPS: u32 = 1 << 24;
    let mut hasher = DefaultHasher::new();
    hasher.write(id.as_bytes());
    let step = u32::try_from(hasher.finish() >> 40).unwrap_or_default();
    if f64::from(step) < share * f64::from(STEPS) { Side::Staging } else { Side::Primary }
}

/// The session of the request. Its cookie is in neither key nor origin request.
fn taken(request: &mut Request) -> Option<Session> {
    let header = request.headers.get(COOKIE)?;
    let is_ours = |pair: &cookie::Pair<'_>| pair.name == COOKIE_NAME.as_bytes();
    let ours = cookie::pairs(header.as_bytes()).find(is_ours)?;
    let session = Session::read(ours.value);
    let rest: Vec<&[u8]> =
        cookie::pairs(header.as_bytes()).filter(|pair| !is_ours(pair)).map(|pair| pair.raw).collect();
    match HeaderValue::from_bytes(&rest.join(&b"; "[..])) {
        Ok(rest) if !rest.is_empty() => _ = request.headers.insert(COOKIE, rest),
        _ => _ = request.headers.remove(COOKIE),
    }
    session
}

impl Session {
    fn read(value: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(value).ok()?.split('.');
        let side = match parts.next()? {
            "p" => Side::Primary,
            "s" => Side::Staging,
            _ => return None,
        };
        let (began, seen) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self { side, began, seen })
    }

    /// Whether it has not ended. One from the future never began.
    fn goes_on(self, sessions: Sessions, now: u64) -> bool {
        let within =
            |since: u64, limit: Duration| now.checked_sub(since).is_some_and(|age| age < limit.as_secs());
        self.began <= self.seen && within(self.seen, sessions.idle) && within(self.began, sessions.maximum)
    }

    fn cookie(self, sessions: Sessions) -> Option<HeaderValue> {
        let side = match self.side {
            Side::Primary => 'p',
            Side::Staging => 's',
        };
        let left = sessions.maximum.as_secs().saturating_sub(self.seen - self.began);
        let age = left.min(sessions.idle.as_secs());
        let (began, seen) = (self.began, self.seen);
        let text = format!("{COOKIE_NAME}={side}.{began}.{seen}; Path=/; Max-Age={age}; HttpOnly");
        HeaderValue::from_str(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Scheme, Stream};
    use super::*;

    fn request(cookie: &str) -> Request {
        let build = http::Request::get("/").header("host", "a").header("cookie", cookie);
        let (parts, ()) = build.body(()).unwrap().into_parts();
        Request::read(parts, Scheme::Http, Stream::Ended, "127.0.0.1:1".parse().unwrap()).unwrap()
    }

    fn id(number: u32) -> HeaderValue {
        HeaderValue::from_str(&format!("id-{number}==")).unwrap()
    }

    fn weight(share: f64) -> Deployment {
        let sessions = Some(Sessions { idle: Duration::from_secs(300), maximum: Duration::from_secs(600) });
        Deployment { staging: "d".to_owned(), traffic: Traffic::Weight { share, sessions } }
    }

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn the_share_is_what_was_asked_for() {
        for share in [0.0, 0.01, 0.15] {
            let staged = (0..100_000).filter(|number| drawn(&id(*number), share) == Side::Staging).count();
            let expected = share * 100_000.0;
            let staged = f64::from(u32::try_from(staged).unwrap());
            assert!((staged - expected).abs() <= 4.0 * expected.sqrt(), "{share}: {staged}");
        }
    }

    /// The cookie of a choice, as the viewer sends it back.
    fn kept(choice: &Choice) -> String {
        let text = choice.set_cookie.as_ref().unwrap().to_str().unwrap();
        text.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_session_stays_where_it_began() {
        let policy = weight(0.15);
        let first = (0..100).map(|number| policy.choose(&mut request("a=1"), &id(number), at(1_000)));
        let staged = first.into_iter().find(|choice| choice.side == Side::Staging).unwrap();
        assert_eq!(kept(&staged), "AWS-CF-CD-Session=s.1000.1000");
        for number in 0..100 {
            let choice = policy.choose(&mut request(&kept(&staged)), &id(number), at(1_299));
            assert_eq!(
                (choice.side, kept(&choice).as_str()),
                (Side::Staging, "AWS-CF-CD-Session=s.1000.1299")
            );
        }
    }

    #[test]
    fn sessions_end() {
        let policy = weight(0.0);
        let side = |cookie: &str, now| {
            policy.choose(&mut request(&format!("{COOKIE_NAME}={cookie}")), &id(0), at(now)).side
        };
        assert_eq!(side("s.1000.1000", 1_299), Side::Staging);
        assert_eq!(side("s.1000.1000", 1_300), Side::Primary, "idle");
        assert_eq!(side("s.1000.1500", 1_599), Side::Staging);
        assert_eq!(side("s.1000.1500", 1_600), Side::Primary, "the maximum");
        for wrong in
            ["", "s", "s.1", "x.1000.1000", "s.1000.1000.1", "s.2000.2000", "s.1100.1000", "s.-1.1000"]
        {
            assert_eq!(side(wrong, 1_100), Side::Primary, "{wrong}");
        }
    }

    #[test]
    fn its_cookie_goes_no_further() {
        let policy = weight(0.0);
        let left = |cookie: &str| {
            let mut request = request(cookie);
            policy.choose(&mut request, &id(0), at(1_000));
            request.headers.get(COOKIE).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(left("a=1; AWS-CF-CD-Session=s.1.1; b=2").as_deref(), Some("a=1; b=2"));
        assert_eq!(left("AWS-CF-CD-Session=s.1.1"), None);
        assert_eq!(left("a=1").as_deref(), Some("a=1"));
    }
}
