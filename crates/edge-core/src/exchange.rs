//! The conductor: begin, found, answered. The only place that branches over the whole life of a request.
//!
//! "What would CloudFront do?" is a function of five values: the distribution, the viewer's request, what the cache
//! holds, what the origin said, and now. The steps ask for the middle two and decide; each consumes the last, so the
//! compiler checks the order. The proxy, `explain`, the fixtures and the fuzzers drive these same steps. Nothing here
//! connects, waits, or reads a clock.
//!
//! ```text
//! begin ─→ LookUp ─ found ─→ Answer (fresh)
//!   │         └────────────→ Ask ─ answered ─→ Answer (and what to store)
//!   │                          └─ joined ───→ Answer (another's fill has it)
//!   ├─→ Ask (nothing to look up)
//!   └─→ Answer (CloudFront answers by itself)
//! ```

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{AGE, AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::cache::freshness::{self, Lifetime};
use crate::cache::reuse::{self, Revalidation, Verdict};
pub use crate::cache::storing::Ending;
use crate::cache::storing::{self, Guard, Unkeyed, Withheld};
use crate::cache::{Key, Reuse, Stored};
use crate::distribution::{Behavior, Distribution, OptionsCaching, OriginKind, Target};
use crate::function::rule::{Applied, SESSION_HEADER, Visitor};
use crate::header::cache_control::{CacheControl, NoCache};
use crate::header::conditional::{self, Precondition};
use crate::header::encoding::{self, AcceptEncoding, Coding};
use crate::origin::{self, Call, Failure, REQUEST_ID};
use crate::response::{self, Connection, Place, Response, Source, X_CACHE, XCache};
use crate::viewer::device::{Device, Memo};
use crate::viewer::gate::{self, Admitted, BehaviorId, Refused};
use crate::viewer::{Refusal, Request};

/// `ErrorCachingMinTTL` where no custom error response says otherwise (§7.3).
pub const ERROR_CACHING_MIN_DEFAULT: Duration = Duration::from_secs(10);

/// What S3's errors are kept for where the configured minimum is zero (§7.3).
const S3_ERROR_CACHING_MIN: Duration = Duration::from_secs(1);

/// How long a viewer waits for the origin while something stale is at hand, with the guard on (threats U1, U4) …
const PATIENCE: Duration = Duration::from_secs(5);
/// … and where the origin failed the last time: long enough for one that is back to show it.
const PATIENCE_AFTER_FAILURE: Duration = Duration::from_millis(40);

/// What an edge decides by; shared by all its requests until the next reload.
#[derive(Debug)]
pub struct Rules {
    /// The distribution.
    pub distribution: Distribution,
    /// Safer than CloudFront, or to the letter.
    pub guard: Guard,
    /// Who answers.
    pub place: Place,
    /// Devices by User-Agent.
    pub devices: Memo,
}

/// What the conductor asks for, or its answer.
#[derive(Debug)]
pub enum Step {
    /// What do you hold under this key?
    LookUp(LookUp),
    /// Send this to that origin.
    Ask(Ask),
    /// Done.
    Answer(Answer),
}

/// The end of an exchange.
#[derive(Debug)]
pub struct Answer {
    /// For the viewer.
    pub response: Response,
    /// For the cache.
    pub storing: Option<Storing>,
    /// How the body is to be compressed on its way, for the viewer and the cache alike.
    pub compress: Option<Coding>,
    /// Why.
    pub trace: Trace,
}

/// What to do with the store.
#[derive(Debug)]
pub enum Storing {
    /// Keep this head with the body the answer carries, once it arrived whole.
    Whole {
        /// Under this key.
        key: Key,
        /// The head.
        stored: Arc<Stored>,
    },
    /// Replace the head of what is held; the body stays.
    Head {
        /// Under this key.
        key: Key,
        /// The new head.
        stored: Arc<Stored>,
    },
}

/// What was decided and why. Small facts, no text: text is made when somebody asks.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Which behavior, if the request got that far.
    pub behavior: Option<BehaviorId>,
    /// The gate's refusal.
    pub refused: Option<Refused>,
    /// What the viewer-request rule did.
    pub applied: Option<Applied>,
    /// What the viewer's device is taken for, where anything needed to know.
    pub device: Option<Device>,
    /// The verdict on the look-up.
    pub found: Option<Verdict>,
    /// How the origin failed.
    pub failure: Option<Failure>,
    /// What CloudFront's rules say of storing the response.
    pub lifetime: Option<Lifetime>,
    /// What the guard withheld.
    pub withheld: Option<Withheld>,
    /// A stale object stood in for the origin's error.
    pub stood_in: Option<StoodIn>,
}

/// Why a stale object was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoodIn {
    /// The origin failed just now.
    ForFailure,
    /// It failed a moment ago and is not asked again yet (§7.4).
    WithoutAsking,
}

/// A question to the store.
#[derive(Debug)]
pub struct LookUp {
    passage: Passage,
    key: Key,
}

/// A question to an origin.
#[derive(Debug)]
pub struct Ask {
    passage: Passage,
    key: Option<Key>,
    held: Option<Arc<Stored>>,
    call: Call,
    unkeyed: Unkeyed,
    sharing: Sharing,
}

/// Whether others who want the same may wait for this answer (§7.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Everybody asks for himself.
    Alone,
    /// One request, its answer for all who wait.
    Collapsed,
}

/// What an origin did.
#[derive(Debug)]
pub enum Outcome {
    /// It answered with this head.
    Response {
        /// Its status.
        status: StatusCode,
        /// Its headers.
        headers: HeaderMap,
        /// How its body ends.
        ending: Ending,
    },
    /// It did not.
    Failed(Failure),
}

/// What every step after the gate carries.
#[derive(Debug, Clone)]
struct Passage {
    rules: Arc<Rules>,
    admitted: Admitted,
    id: HeaderValue,
    /// What `/` became, if the default root object stands for it.
    root: Option<String>,
    accept: AcceptEncoding,
    device: Device,
    trace: Trace,
}

impl Passage {
    fn behavior(&self) -> &Behavior {
        self.rules.distribution.behavior(self.admitted.behavior)
    }

    fn request(&self) -> &Request {
        &self.admitted.request
    }

    fn path(&self) -> &str {
        self.root.as_deref().unwrap_or_else(|| self.admitted.request.target.path())
    }

    /// A session's key holds the request's own id, so what is stored under it is never found again: it is not worth
    /// the memory, here or in CloudFront, and the guard has nobody to keep it from.
    fn is_alone(&self) -> bool {
        matches!(self.trace.applied, Some(Applied { visitor: Visitor::Session, .. }))
            && self.behavior().key.headers.contains(&SESSION_HEADER)
    }

    /// The edge shares and revalidates where CloudFront does: no cookies forwarded (§7.8, §7.11). With the guard on
    /// it also does so where a behavior forwards cookies but this request has none, and no Authorization.
    fn may_share(&self) -> bool {
        let carries = |name| self.request().headers.contains_key(name);
        !response::forwards_cookies(self.behavior())
            || self.rules.guard == Guard::On && !carries(COOKIE) && !carries(AUTHORIZATION)
    }
}

/// The first step. `id` is the exchange's `X-Amz-Cf-Id`, different for each.
pub fn begin(rules: &Arc<Rules>, request: Request, id: HeaderValue, now: SystemTime) -> Step {
    let mut admitted = match gate::admit(&rules.distribution, request) {
        Ok(admitted) => admitted,
        Err((refused, request)) => return Step::Answer(refuse(rules, refused, &request, &id, now)),
    };
    let behavior = rules.distribution.behavior(admitted.behavior);
    let mut trace = Trace { behavior: Some(admitted.behavior), ..Trace::default() };
    let device = if needs_device(behavior) {
        let agent = admitted.request.headers.get(http::header::USER_AGENT);
        let device = rules.devices.device(agent.map_or(b"", HeaderValue::as_bytes));
        trace.device = Some(device);
        device
    } else {
        Device::UNKNOWN
    };
    if let Some(rule) = &behavior.viewer_request {
        trace.applied = Some(rule.apply(&mut admitted.request, device, &id));
    }
    let root = match &rules.distribution.default_root_object {
        Some(object) if admitted.request.target.path() == "/" => Some(format!("/{object}")),
        _ => None,
    };
    let accept = if behavior.key.gzip || behavior.key.brotli {
        let Request { headers, version, .. } = &admitted.request;
        AcceptEncoding::normalise(headers, *version, behavior.key.gzip, behavior.key.brotli)
    } else {
        AcceptEncoding::Absent
    };
    let passage = Passage { rules: Arc::clone(rules), admitted, id, root, accept, device, trace };
    if !is_looked_up(passage.behavior(), passage.request()) {
        return Step::Ask(Ask::new(passage, None, None, None));
    }
    let key = Key::of(
        (&rules.distribution, rules.guard),
        &passage.behavior().key,
        &passage.admitted,
        passage.path(),
        accept,
        device,
    );
    Step::LookUp(LookUp { passage, key })
}

/// Which requests are ever answered from the cache (§3, §7.1).
fn is_looked_up(behavior: &Behavior, request: &Request) -> bool {
    !behavior.ttl.caching_disabled()
        && match request.method {
            Method::GET | Method::HEAD => true,
            // A body goes to the origin and is in no key (threats K4).
            Method::OPTIONS => behavior.options == OptionsCaching::On && request.body == crate::viewer::Body::None,
            _ => false,
        }
}

/// A User-Agent is parsed only where something depends on it.
fn needs_device(behavior: &Behavior) -> bool {
    use crate::distribution::HeaderForwarding::{AllExcept, AllViewer, Defaults, Only};
    let asks = |name: &http::HeaderName| name.as_str().starts_with("cloudfront-is-");
    behavior.viewer_request.as_ref().is_some_and(|rule| rule.needs_device())
        || behavior.key.headers.iter().any(asks)
        || match &behavior.forward.headers {
            Defaults => false,
            Only(names) | AllViewer { plus: names } | AllExcept { plus: names, .. } => names.iter().any(asks),
        }
}

impl LookUp {
    /// What to look for.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What was decided so far.
    pub fn trace(&self) -> &Trace {
        &self.passage.trace
    }

    /// The store holds this, or nothing.
    pub fn found(mut self, held: Option<&Arc<Stored>>, now: SystemTime) -> Step {
        let revalidation = if self.passage.may_share() { Revalidation::Allowed } else { Revalidation::Off };
        let verdict = reuse::judge(held.map(|stored| &**stored), revalidation, now);
        match (held, verdict) {
            (Some(stored), verdict @ (Verdict::Fresh { .. } | Verdict::HeldOver { .. })) => {
                if matches!(verdict, Verdict::HeldOver { .. }) {
                    self.passage.trace.stood_in = Some(StoodIn::WithoutAsking);
                }
                self.passage.trace.found = Some(verdict);
                Step::Answer(self.passage.serve(stored, XCache::Hit, None, now))
            }
            (held, verdict) => {
                let conditions = match &verdict {
                    Verdict::Stale { conditions, .. } => conditions.clone(),
                    _ => None,
                };
                self.passage.trace.found = Some(verdict);
                Step::Ask(Ask::new(self.passage, Some(self.key), held.cloned(), conditions))
            }
        }
    }
}

impl Passage {
    /// Answers from a stored object: conditional requests are evaluated here (§7.8).
    fn serve(self, stored: &Stored, x_cache: XCache, storing: Option<Storing>, now: SystemTime) -> Answer {
        let mut headers = stored.headers.clone();
        headers.insert(REQUEST_ID, self.id.clone());
        if x_cache == XCache::Hit {
            headers.insert(AGE, HeaderValue::from(stored.age(now).as_secs()));
        } else {
            headers.remove(AGE);
            headers.insert(X_CACHE, x_cache.of(stored.status).value());
        }
        let precondition = if stored.status.is_success() {
            conditional::evaluate(&self.request().headers, &headers)
        } else {
            Precondition::Proceed
        };
        if let Some(policy) = &self.behavior().response_headers {
            response::apply_policy(&mut headers, policy, now);
        }
        let (status, body) = match precondition {
            Precondition::Proceed if self.request().method == Method::HEAD => (stored.status, Source::Empty),
            Precondition::Proceed => (stored.status, Source::Stored),
            Precondition::NotModified => {
                response::not_modified(&mut headers);
                (StatusCode::NOT_MODIFIED, Source::Empty)
            }
            Precondition::Failed => {
                let response = page(&self.rules.place, StatusCode::PRECONDITION_FAILED, BAD_REQUEST, &self.id, now);
                return Answer { response, storing, compress: None, trace: self.trace };
            }
        };
        let response = Response { status, headers, body, connection: Connection::Kept };
        Answer { response, storing, compress: None, trace: self.trace }
    }
}

impl Ask {
    fn new(
        passage: Passage,
        key: Option<Key>,
        held: Option<Arc<Stored>>,
        conditions: Option<conditional::Validators>,
    ) -> Self {
        let behavior = passage.behavior();
        let distribution = &passage.rules.distribution;
        let index = match behavior.target {
            Target::Origin(index) => index,
            Target::Group(group) => distribution.origin_groups.get(group).map_or(0, |group| group.primary),
        };
        let (call, unkeyed) = origin::write(&origin::Sources {
            admitted: &passage.admitted,
            behavior,
            origin: (index, &distribution.origins[index]),
            path: passage.path(),
            accept: passage.accept,
            device: passage.device,
            request_id: &passage.id,
            via_pseudonym: &passage.rules.place.via_pseudonym,
            conditions: conditions.as_ref(),
        });
        let whole = passage.request().method == Method::GET && !passage.request().is_conditional();
        let guarded = passage.rules.guard == Guard::On && (unkeyed.cookie || unkeyed.authorization);
        let sharing = if key.is_some() && whole && passage.may_share() && !guarded {
            Sharing::Collapsed
        } else {
            Sharing::Alone
        };
        Self { passage, key, held, call, unkeyed, sharing }
    }

    /// What to send, and where.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The rules this exchange goes by, from begin to end.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.passage.rules
    }

    /// What was decided so far.
    pub fn trace(&self) -> &Trace {
        &self.passage.trace
    }

    /// The key, where the answer may be kept.
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Whether to join others who ask for the same, or be joined.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Another request's fill brought this object: collapsed waiters are Hits (§7.11). `None`: it cannot be shared
    /// with this request, which asks for itself.
    pub fn joined(self, stored: &Arc<Stored>, now: SystemTime) -> Answer {
        self.passage.serve(stored, XCache::Hit, None, now)
    }

    /// How long the viewer waits while something stale is at hand that may answer instead; `None`: as long as it
    /// takes. CloudFront waits until the attempt has failed (§7.5), which may take minutes.
    pub fn patience(&self, now: SystemTime) -> Option<Duration> {
        let held = self.held_for_errors(now).filter(|held| held.reuse == Reuse::WhileFresh)?;
        match (self.passage.rules.guard, held.held_over_until) {
            (Guard::Off, _) => None,
            (Guard::On, None) => Some(PATIENCE),
            (Guard::On, Some(_)) => Some(PATIENCE_AFTER_FAILURE),
        }
    }

    /// The patience is over: what is stale answers, as for an origin that failed. The request goes on, and what it
    /// brings is for [`Ask::answered`].
    pub fn unanswered(&self, now: SystemTime) -> Option<Answer> {
        let held = self.held_for_errors(now)?;
        Some(stand_in(self.passage.clone(), self.key.clone(), &held, StatusCode::GATEWAY_TIMEOUT, now))
    }

    /// The origin answered, or did not.
    pub fn answered(self, outcome: Outcome, now: SystemTime) -> Answer {
        match outcome {
            Outcome::Failed(failure) => self.failed(failure, now),
            Outcome::Response { status: StatusCode::NOT_MODIFIED, headers, .. }
                if self.held.is_some() && self.call_is_ours() =>
            {
                self.confirmed(headers, now)
            }
            Outcome::Response { status, headers, ending } => match self.held_for_errors(now) {
                Some(held) if status.is_server_error() => stand_in(self.passage, self.key, &held, status, now),
                _ => self.deliver(status, headers, ending, now),
            },
        }
    }

    /// The stale object, if it may stand in for an origin that fails (§7.4).
    fn held_for_errors(&self, now: SystemTime) -> Option<Arc<Stored>> {
        self.held.clone().filter(|held| reuse::stands_in(held, now))
    }

    fn failed(mut self, failure: Failure, now: SystemTime) -> Answer {
        self.passage.trace.failure = Some(failure);
        let (status, reason) = failure.answer();
        if let Some(held) = self.held_for_errors(now) {
            return stand_in(self.passage, self.key, &held, status, now);
        }
        let mut response = page(&self.passage.rules.place, status, reason, &self.passage.id, now);
        // An error CloudFront makes of an origin's failure is stored like the origin's own (§7.2).
        let storing = self.storing(status, &HeaderMap::new(), &response.headers, Ending::Provable, now);
        if let Some(policy) = &self.passage.behavior().response_headers {
            response::apply_policy(&mut response.headers, policy, now); // §0.12, as on its copy
        }
        Answer { response, storing, compress: None, trace: self.passage.trace }
    }

    /// A 304 to the edge's own validators: the stored object lives on with the new headers (RFC 9111 §4.3.4).
    fn confirmed(mut self, fresh: HeaderMap, now: SystemTime) -> Answer {
        let (Some(held), behavior) = (self.held.take(), self.passage.behavior()) else {
            return self.deliver(StatusCode::NOT_MODIFIED, fresh, Ending::Provable, now);
        };
        let place = &self.passage.rules.place;
        let mut ready = response::for_viewers(fresh.clone(), held.status, &Method::GET, behavior, place, now);
        self.remove_s3_ids(&mut ready);
        let mut headers = held.headers.clone();
        for name in ready.keys().filter(|name| fresh.contains_key(*name) && !is_about_the_body(name)) {
            headers.remove(name);
            for value in ready.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        let lifetime = self.lifetime(held.status, &headers, &fresh, now);
        let withheld = self.withheld_on_confirmation(&lifetime, &headers, &fresh);
        let storing = match (&lifetime, self.key.take()) {
            (Lifetime::Store { ttl, reuse, .. }, Some(key)) if withheld.is_none() => {
                let stored = self.stored(held.status, headers, &fresh, (*ttl, *reuse), now);
                Some(Storing::Head { key, stored: Arc::new(stored) })
            }
            _ => None,
        };
        self.passage.trace.lifetime = Some(lifetime);
        self.passage.trace.withheld = withheld;
        let served = match &storing {
            Some(Storing::Head { stored, .. }) => Arc::clone(stored),
            _ => held,
        };
        self.passage.serve(&served, XCache::RefreshHit, storing, now)
    }

    /// The guard's verdict on what a 304 confirms. A cookie it sets is this viewer's and never enters the copy; what
    /// else it says is about the copy.
    fn withheld_on_confirmation(&self, lifetime: &Lifetime, merged: &HeaderMap, fresh: &HeaderMap) -> Option<Withheld> {
        let Lifetime::Store { ttl, .. } = lifetime else { return None };
        if self.passage.rules.guard == Guard::Off {
            return None;
        }
        let mut said = fresh.clone();
        said.remove(http::header::SET_COOKIE);
        let key = &self.passage.behavior().key;
        let (cache_control, status) = (CacheControl::of(merged), StatusCode::NOT_MODIFIED);
        let because =
            storing::unshareable(status, &said, &cache_control, self.unkeyed, key, Ending::Provable)?;
        Some(Withheld { because, cloudfront_ttl: *ttl })
    }

    /// A full response of the origin goes to the viewer, and into the cache if it may.
    fn deliver(mut self, status: StatusCode, origin: HeaderMap, ending: Ending, now: SystemTime) -> Answer {
        let behavior = self.passage.behavior();
        let method = self.passage.request().method.clone();
        let place = &self.passage.rules.place;
        let has_body = method != Method::HEAD && status != StatusCode::NOT_MODIFIED && status != StatusCode::NO_CONTENT;
        let mut headers = response::for_viewers(origin.clone(), status, &method, behavior, place, now);
        self.remove_s3_ids(&mut headers);
        let compress = if has_body && !behavior.ttl.caching_disabled() {
            encoding::compression(self.passage.accept, behavior.compress, status, &origin).ok()
        } else {
            None
        };
        if let Some(coding) = compress {
            response::compressed(&mut headers, coding.content_encoding());
        }
        let storing = self.storing(status, &origin, &headers, ending, now);
        headers.insert(REQUEST_ID, self.passage.id.clone());
        if let Some(policy) = &self.passage.behavior().response_headers {
            response::apply_policy(&mut headers, policy, now);
        }
        let body = if has_body { Source::Origin } else { Source::Empty };
        let response = Response { status, headers, body, connection: Connection::Kept };
        Answer { response, storing, compress, trace: self.passage.trace }
    }

    /// CloudFront's verdict on storing, then the guard's. `origin` is what the origin sent, `ready` what viewers get.
    fn storing(
        &mut self,
        status: StatusCode,
        origin: &HeaderMap,
        ready: &HeaderMap,
        ending: Ending,
        now: SystemTime,
    ) -> Option<Storing> {
        let key = self.key.take()?;
        if self.passage.request().method == Method::HEAD {
            return None; // an answer to HEAD never stands in for the whole (threats S2)
        }
        let cache_control = CacheControl::of(origin);
        let lifetime = self.lifetime(status, origin, origin, now);
        let keep = match &lifetime {
            Lifetime::Store { ttl, reuse, .. } => Some((*ttl, *reuse)),
            Lifetime::DoNotStore { .. } => None,
        };
        self.passage.trace.lifetime = Some(lifetime);
        let (ttl, reuse) = keep?;
        if self.passage.is_alone() {
            return None;
        }
        let behavior = self.passage.behavior();
        if self.passage.rules.guard == Guard::On
            && let Some(because) = storing::unshareable(status, origin, &cache_control, self.unkeyed, &behavior.key, ending)
        {
            self.passage.trace.withheld = Some(Withheld { because, cloudfront_ttl: ttl });
            return None;
        }
        if behavior.ttl.min.is_zero() && storing::vary_names(origin).any(|name| name == "*") {
            return None; // §7.7: the origin is asked in full each time, so a copy would never be read
        }
        let mut headers = ready.clone();
        if let NoCache::Fields(fields) = &cache_control.no_cache {
            for field in fields {
                headers.remove(field); // `no-cache="Set-Cookie"` (§7.1)
            }
        }
        let stored = self.stored(status, headers, origin, (ttl, reuse), now);
        Some(Storing::Whole { key, stored: Arc::new(stored) })
    }

    /// `arrived` is what came just now, so a 304's own `Date` and `Age` count, not those of what it confirms.
    fn lifetime(&self, status: StatusCode, headers: &HeaderMap, arrived: &HeaderMap, now: SystemTime) -> Lifetime {
        let mut error_min = error_caching_min(&self.passage.rules.distribution, status);
        if self.asks_s3() {
            error_min = error_min.max(S3_ERROR_CACHING_MIN);
        }
        let initial_age = freshness::initial_age(arrived, now, now);
        let cache_control = CacheControl::of(headers);
        let ttl = &self.passage.behavior().ttl;
        freshness::remaining(status, headers, &cache_control, ttl, error_min, now, initial_age)
    }

    fn stored(
        &self,
        status: StatusCode,
        mut headers: HeaderMap,
        arrived: &HeaderMap,
        (ttl, reuse): (Duration, Reuse),
        now: SystemTime,
    ) -> Stored {
        let stale = freshness::stale(&CacheControl::of(&headers), &self.passage.behavior().ttl);
        headers.insert(X_CACHE, XCache::Hit.of(status).value());
        headers.insert(AGE, HeaderValue::from_static("0"));
        headers.insert(REQUEST_ID, self.passage.id.clone());
        let initial_age = freshness::initial_age(arrived, now, now);
        Stored { status, headers, stored_at: now, initial_age, ttl, reuse, stale, held_over_until: None }
    }

    fn asks_s3(&self) -> bool {
        let origins = &self.passage.rules.distribution.origins;
        origins.get(self.call.origin).is_some_and(|origin| origin.kind == OriginKind::S3)
    }

    /// What S3 calls its own exchange is not for viewers (§8.3).
    fn remove_s3_ids(&self, headers: &mut HeaderMap) {
        if self.asks_s3() {
            headers.remove("x-amz-id-2");
            headers.remove("x-amz-request-id");
        }
    }

    /// Whether the conditions on the call were the edge's own, not the viewer's.
    fn call_is_ours(&self) -> bool {
        matches!(&self.passage.trace.found, Some(Verdict::Stale { conditions: Some(_), .. }))
    }
}

const BAD_REQUEST: &str = "Bad request.";

/// Fields a 304 does not change: they describe the body that is held (RFC 9111 §3.2), or are one viewer's.
fn is_about_the_body(name: &http::HeaderName) -> bool {
    use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, SET_COOKIE, VARY};
    [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, SET_COOKIE, VARY].contains(name)
}

/// A 5xx, a failure or silence while something stale is held: the stale object answers, and for a while the origin is
/// not asked again (§7.4).
fn stand_in(
    mut passage: Passage,
    key: Option<Key>,
    held: &Arc<Stored>,
    status: StatusCode,
    now: SystemTime,
) -> Answer {
    let pause = error_caching_min(&passage.rules.distribution, status);
    let stored = Arc::new(Stored { held_over_until: Some(now + pause), ..Stored::clone(held) });
    passage.trace.stood_in = Some(StoodIn::ForFailure);
    let storing = key.map(|key| Storing::Head { key, stored: Arc::clone(&stored) });
    passage.serve(&stored, XCache::Hit, storing, now)
}

/// How long an error is kept at least (§7.3).
fn error_caching_min(distribution: &Distribution, status: StatusCode) -> Duration {
    distribution
        .error_responses
        .iter()
        .find(|entry| entry.error_code == status)
        .map_or(ERROR_CACHING_MIN_DEFAULT, |entry| entry.caching_min_ttl)
}

/// What CloudFront answers to a request the gate refused (§10.2).
fn refuse(rules: &Rules, refused: Refused, request: &Request, id: &HeaderValue, now: SystemTime) -> Answer {
    const METHOD: &str = "This distribution is not configured to allow the HTTP request method that was used for this request. The distribution supports only cachable requests.";
    let reason = match refused {
        Refused::MethodNotAllowed => METHOD,
        _ => BAD_REQUEST,
    };
    let mut response = match refused {
        Refused::RedirectToHttps { keeps_method } => redirect(rules, request, keeps_method, id, now),
        _ => page(&rules.place, StatusCode::FORBIDDEN, reason, id, now),
    };
    if request.body != crate::viewer::Body::None {
        response.connection = Connection::Closed; // its body is not wanted (threats M5, M9)
    }
    let trace = Trace { refused: Some(refused), ..Trace::default() };
    Answer { response, storing: None, compress: None, trace }
}

fn redirect(rules: &Rules, request: &Request, keeps_method: bool, id: &HeaderValue, now: SystemTime) -> Response {
    let status = if keeps_method { StatusCode::TEMPORARY_REDIRECT } else { StatusCode::MOVED_PERMANENTLY };
    let mut headers = response::generated(&rules.place, id, XCache::Redirect, now);
    headers.extend(response::https_location(request, &rules.place).map(|(name, value)| (Some(name), value)));
    Response { status, headers, body: Source::Text(response::redirect_page(status)), connection: Connection::Kept }
}

/// A request that could not be read: 400, 414 or 494, and the connection ends (§10.2, threats "second rule").
pub fn refuse_unread(place: &Place, refusal: Refusal, id: &HeaderValue, now: SystemTime) -> Response {
    Response { connection: Connection::Closed, ..page(place, refusal.status(), BAD_REQUEST, id, now) }
}

/// One of CloudFront's own error pages.
fn page(place: &Place, status: StatusCode, reason: &str, id: &HeaderValue, now: SystemTime) -> Response {
    let headers = response::generated(place, id, XCache::Error, now);
    let body = Source::Text(response::error_page(status, reason, id));
    Response { status, headers, body, connection: Connection::Kept }
}
