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

mod answered;
mod refuse;

pub use refuse::refuse_unread;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{AGE, AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::cache::freshness::Lifetime;
use crate::cache::reuse::{self, Revalidation, Verdict};
pub use crate::cache::storing::Ending;
use crate::cache::storing::{Guard, Unkeyed, Withheld};
use crate::cache::{Epoch, Key, Stored};
use crate::distribution::{Behavior, Distribution, OptionsCaching, Target};
use crate::function::rule::{Applied, SESSION_HEADER, Visitor};
use crate::header::conditional::{self, Precondition};
use crate::header::encoding::{AcceptEncoding, Coding};
use crate::origin::{self, Call, Failure, REQUEST_ID};
use crate::response::{self, Connection, Place, Response, Source, X_CACHE, XCache};
use crate::viewer::Request;
use crate::viewer::device::{Device, Memo};
use crate::viewer::gate::{self, Admitted, BehaviorId, Refused};

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
    /// What is held may not be used again.
    Forget {
        /// Under this key.
        key: Key,
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

impl fmt::Display for StoodIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForFailure => "a stale object stands in for the origin's failure (§7.4)",
            Self::WithoutAsking => "a stale object answers: the origin failed a moment ago (§7.4)",
        })
    }
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
    since: Epoch,
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
        Err((refused, request)) => return Step::Answer(refuse::refuse(rules, refused, &request, &id, now)),
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
        return Step::Ask(Ask::new(passage, None, (None, Epoch::default()), None));
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
            Method::OPTIONS => {
                behavior.options == OptionsCaching::On && request.body == crate::viewer::Body::None
            }
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

    /// The store holds this, or nothing. `since` is the place in the sequence of invalidations, taken before the store
    /// was asked.
    pub fn found(mut self, held: Option<&Arc<Stored>>, since: Epoch, now: SystemTime) -> Step {
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
                Step::Ask(Ask::new(self.passage, Some(self.key), (held.cloned(), since), conditions))
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
                let response = refuse::precondition_failed(&self.rules.place, &self.id, now);
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
        (held, since): (Option<Arc<Stored>>, Epoch),
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
        Self { passage, key, held, since, call, unkeyed, sharing }
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

    /// The place in the sequence of invalidations: what this brings is covered by those that come later.
    pub fn since(&self) -> Epoch {
        self.since
    }

    /// Whether to join others who ask for the same, or be joined.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Another request's fill brought this object: collapsed waiters are Hits (§7.11).
    pub fn joined(self, stored: &Arc<Stored>, now: SystemTime) -> Answer {
        self.passage.serve(stored, XCache::Hit, None, now)
    }
}
