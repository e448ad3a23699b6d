//! The conductor: begin, found, answered. The only place that branches over the whole life of a request.
//!
//! "What would CloudFront do?" is a function of five values: the distribution, the viewer's request, what the cache
//! holds, what the origin said, and now. The steps ask for the middle two and decide; each consumes the last, so the
//! compiler checks the order. The proxy, `explain`, the fixtures and the fuzzers drive these same steps. Nothing here
//! connects, waits, or reads a clock.
//!
//! ```text
//! begin ─→ LookUp ─ found ─→ Answer (fresh; or stale, and an Ask that refreshes it in the background)
//!   │         └────────────→ Ask ─ answered ─→ Answer (and what to store)
//!   │                         │        └─────→ Ask (the other origin of the group)
//!   │                         └─ joined ────→ Answer (another's fill has it)
//!   ├─→ Ask (nothing to look up)
//!   └─→ Answer (CloudFront answers by itself)
//!
//! Where a Lambda is called: Invoke ─ answered ─→ what would have come without it, or an Answer
//! In place of any Answer that is an error: Instead, and in it the LookUp or the Ask for the custom error page
//! ```

mod answered;
mod error_page;
mod failover;
mod found;
mod functions;
mod keyed;
mod lambdas;
mod refuse;
mod serve;
mod standing;
mod switched;
mod trace;

pub use failover::Because as FailedOver;
pub use lambdas::Invoke;
pub use refuse::{Exceeded, refuse_exceeding, refuse_unread};
pub use standing::{Did, Mood, Standing, StoodIn};
pub use switched::WEBSOCKET_IDLE_MAX;
pub use trace::Trace;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::cache::invalidation::Subject;
pub use crate::cache::storing::Ending;
use crate::cache::storing::{Guard, Unkeyed};
use crate::cache::{Epoch, Held, Holds, Key, Stored};
use crate::distribution::{Behavior, Distribution, LambdaEvent, Rule, ViewerRequest};
use crate::function::lambda::Invocation;
use crate::function::reroute::Reroute;
use crate::function::rule::SESSION_HEADER;
use crate::header::conditional::Validators;
use crate::header::encoding::{AcceptEncoding, Coding};
use crate::origin::{self, Call, Failure, Ranges};
use crate::response::server_timing::Upstream;
use crate::response::{self, Connection, Place, Response, XCache};
use crate::viewer::Request;
use crate::viewer::device::{Device, Memo};
use crate::viewer::gate::{self, Admitted};

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
#[expect(clippy::large_enum_variant, reason = "every hit is a LookUp: a box would cost it an allocation")]
pub enum Step {
    /// What do you hold under this key?
    LookUp(LookUp),
    /// Send this to that origin.
    Ask(Box<Ask>),
    /// Call this Lambda (§14.1).
    Invoke(Box<Invoke>),
    /// The viewer gets a custom error page instead of this (§10.1).
    Instead {
        /// For the cache, before all else: that it failed. No body belongs to it, so whoever waits may have it now.
        storing: Option<Storing>,
        /// Why it failed, and what the guard said of keeping that.
        trace: Box<Trace>,
        /// The look-up of the page, or the question for it.
        page: Box<Step>,
    },
    /// Done.
    Answer(Answer),
}

impl Step {
    /// The answer, if this is the end.
    pub fn into_answer(self) -> Option<Answer> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::LookUp(_) | Self::Ask(_) | Self::Invoke(_) | Self::Instead { .. } => None,
        }
    }
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
    /// To be asked behind the viewer's back, by one for all (§7.5): its answer is for the cache.
    pub refresh: Option<Box<Ask>>,
    /// Why.
    pub trace: Trace,
}

impl Answer {
    /// An answer that stores nothing.
    pub fn new(response: Response, trace: Trace) -> Self {
        let response = Response { results: trace.results(response.results), ..response };
        Self { response, storing: None, compress: None, refresh: None, trace }
    }
}

/// What to do with the store.
#[derive(Debug)]
pub enum Storing {
    /// Keep this head with what comes with it, once all of that arrived: the body, a part of one, or none, as
    /// [`Stored::holds`] says.
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
    /// What is held may not be used again.
    Forget {
        /// Under this key.
        key: Key,
    },
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
    held: Option<Had>,
    conditions: Option<Validators>,
    turn: failover::Turn,
    call: Call,
    /// The Lambda that sees it first.
    before: Option<Box<Invocation>>,
    /// The body a Lambda gave in place of the origin's.
    given: Option<Bytes>,
    unkeyed: Unkeyed,
    sharing: Sharing,
}

/// What was held when the origin was asked.
#[derive(Debug, Clone)]
struct Had {
    head: Arc<Stored>,
    length: Option<u64>,
}

/// Whether others who want the same may wait for this answer (§7.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Everybody asks for himself.
    Alone,
    /// One request, its answer for all who wait.
    Collapsed,
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alone => "asked for this viewer alone",
            Self::Collapsed => "asked once for all who want the same (§7.11)",
        })
    }
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
    /// What the viewer asked for, where a function made something else of it.
    asked: Option<PathAndQuery>,
    /// What `/` became, if the default root object stands for it.
    root: Option<String>,
    accept: AcceptEncoding,
    device: Device,
    /// The status a custom error page is sent with, where this fetches one (§10.1).
    page_status: Option<StatusCode>,
    /// The origins a function chose (§14.5).
    reroute: Option<Arc<Reroute>>,
    /// The body a Lambda gave in place of the viewer's.
    body: Option<Box<Bytes>>,
    /// What becomes of the viewer's connection.
    connection: Connection,
    /// Whether nobody waits for it: it refreshes what is held (§7.5).
    background: bool,
    /// Where in the sequence of invalidations the look-up was.
    since: Epoch,
    /// When it began, or looked up what is held.
    looked_up_at: SystemTime,
    /// When the last outage of the origin was over, where that makes a difference.
    origin_back_since: Option<SystemTime>,
    trace: Trace,
}

impl Passage {
    /// As the gate let it in.
    fn new(rules: &Arc<Rules>, admitted: Admitted, id: HeaderValue, now: SystemTime) -> Self {
        let behavior = rules.distribution.behavior(admitted.behavior);
        let seen = device(rules, behavior, &admitted.request);
        let signed = admitted.signed().cloned();
        let trace = Trace { behavior: Some(admitted.behavior), device: seen, signed, ..Trace::default() };
        Self {
            rules: Arc::clone(rules),
            admitted,
            id,
            asked: None,
            root: None,
            accept: AcceptEncoding::Absent,
            device: seen.unwrap_or(Device::UNKNOWN),
            page_status: None,
            reroute: None,
            body: None,
            connection: Connection::Kept,
            background: false,
            since: Epoch::default(),
            looked_up_at: now,
            origin_back_since: None,
            trace,
        }
    }

    /// On from the functions of the viewer's side: to the default root object, if that is what he wants (§2.5).
    fn proceed(&mut self) -> Option<Key> {
        if let Some(object) = &self.rules.distribution.default_root_object
            && self.request().target.path() == "/"
        {
            self.root = Some(format!("/{object}"));
        }
        self.key()
    }

    /// Looks for what may be held under the key, or asks at once.
    #[inline(always)] // a passage is large, and each call moves it
    fn enter(self, key: Option<Key>) -> Step {
        match key {
            Some(key) => Step::LookUp(LookUp { passage: self, key }),
            None => Step::Ask(Box::new(Ask::new(self, None, None, None))),
        }
    }

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
        self.request().headers.get(SESSION_HEADER) == Some(&self.id)
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
    let admitted = match gate::admit(&rules.distribution, request, now) {
        Ok(admitted) => admitted,
        Err((refused, request)) => {
            return error_page::for_refused(rules, refused, &request, &id, now)
                .unwrap_or_else(|| Step::Answer(refuse::refuse(rules, refused, &request, &id, now)));
        }
    };
    let mut passage = Passage::new(rules, admitted, id, now);
    match &rules.distribution.behavior(passage.admitted.behavior).viewer_request {
        Some(ViewerRequest::Rule(rule)) => {
            let Passage { admitted, device, id, trace, asked, .. } = &mut passage;
            let before = admitted.request.target.query().map(|_| admitted.request.target.clone());
            let applied = rule.apply(&mut admitted.request, *device, id);
            *asked = before.filter(|_| applied.query_changed);
            trace.applied = Some(applied);
        }
        Some(ViewerRequest::Script(script)) => {
            if let Err(end) = passage.at_request(script, now) {
                return *end;
            }
        }
        None => {
            if let Some(lambda) = passage.lambda_at(LambdaEvent::ViewerRequest).cloned() {
                return Invoke::at_request(passage, lambda);
            }
        }
    }
    let key = passage.proceed();
    passage.enter(key)
}

/// What the viewer's device is taken for. A User-Agent is parsed only where something depends on it.
fn device(rules: &Rules, behavior: &Behavior, request: &Request) -> Option<Device> {
    needs_device(behavior).then(|| {
        let agent = request.headers.get(http::header::USER_AGENT);
        rules.devices.device(agent.map_or(b"", HeaderValue::as_bytes))
    })
}

fn needs_device(behavior: &Behavior) -> bool {
    behavior.rule().is_some_and(Rule::needs_device)
        || behavior.names_header(|name| name.as_str().starts_with("cloudfront-is-"))
}

impl Ask {
    fn new(
        passage: Passage,
        key: Option<Key>,
        held: Option<Held<'_>>,
        conditions: Option<Validators>,
    ) -> Self {
        let turn = passage.first_turn();
        let held = held.map(|held| Had { head: Arc::clone(held.head), length: held.length });
        Self::to(turn, passage, key, held, conditions)
    }

    /// Writes the request to the origin whose turn it is.
    fn to(
        turn: failover::Turn,
        passage: Passage,
        key: Option<Key>,
        held: Option<Had>,
        conditions: Option<Validators>,
    ) -> Self {
        let distribution = &passage.rules.distribution;
        let (index, place) = passage.origin_of(turn);
        let changed = place.and_then(|place| place.changed.as_ref());
        let origin = changed.map_or(&distribution.origins[index], |origin| origin);
        let (mut call, unkeyed) = origin::write(&origin::Sources {
            admitted: &passage.admitted,
            behavior: passage.behavior(),
            origin: (index, origin),
            path: passage.path(),
            accept: passage.accept,
            device: passage.device,
            request_id: &passage.id,
            via_pseudonym: &passage.rules.place.via_pseudonym,
            conditions: conditions.as_ref(),
            ranges: match &held {
                Some(held) if held.head.holds == Holds::Whole => Ranges::Whole,
                _ if key.is_none() => Ranges::AsAsked,
                _ => Ranges::Storable,
            },
            host: place.and_then(|place| place.host.as_ref()),
        });
        call.given = passage.body.as_deref().cloned();
        let before = passage.before_origin(&call, origin);
        call.changed = changed.cloned();
        if before.is_none() {
            origin::sign(&mut call, distribution, passage.looked_up_at);
        }
        let whole = passage.request().method == Method::GET
            // The edge's own conditions stand in place of the viewer's.
            && (conditions.is_some() || !passage.request().is_conditional())
            && !call.headers.contains_key(http::header::RANGE);
        let guarded = passage.rules.guard == Guard::On && (unkeyed.cookie || unkeyed.authorization);
        let sharing = if key.is_some() && whole && passage.may_share() && !guarded {
            Sharing::Collapsed
        } else {
            Sharing::Alone
        };
        Self { passage, key, held, conditions, turn, call, before, given: None, unkeyed, sharing }
    }

    /// What to send, and where.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The viewer's request, as the viewer-request function left it.
    pub fn request(&self) -> &Request {
        self.passage.request()
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

    /// As [`LookUp::asked_for`].
    pub fn asked_for(&self) -> Option<Subject<'_>> {
        Some(Subject::asked(self.key.as_ref()?, self.passage.asked.as_ref()?))
    }

    /// The place in the sequence of invalidations: what this brings is covered by those that come later.
    pub fn since(&self) -> Epoch {
        self.passage.since
    }

    /// Whether to join others who ask for the same, or be joined.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Whether what another request's fill brought is for this one too.
    pub fn may_join(&self, held: Held<'_>) -> bool {
        held.head.serves_waiters() && self.passage.is_content_with(held)
    }

    /// How long the answer took that comes next: for `Server-Timing` (§8.5), decided by no rule.
    pub fn measured(mut self, upstream: Upstream) -> Self {
        self.passage.trace.upstream = Some(upstream);
        self
    }

    /// Another request's fill brought this object: collapsed waiters are Hits (§7.11).
    pub fn joined(mut self, held: Held<'_>, now: SystemTime) -> Step {
        self.passage.serve(held, XCache::Hit, None, now)
    }
}
