//! What an origin's answer comes to: for the viewer, for the cache, for whoever waits.
//!
//! The second half of the conductor. CloudFront's verdict on storing is taken first and always; the guard's comes after it
//! and can only withhold.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{AGE, CONTENT_LENGTH, RANGE, VIA};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::refuse::{self, Exceeded, page};
use super::{Answer, Ask, Had, Mood, Outcome, Passage, Sharing, Step, StoodIn, Storing};
use crate::cache::freshness::{self, Lifetime};
use crate::cache::parts::Parts;
use crate::cache::reuse::{self, Verdict};
use crate::cache::storing::{self, Ending, Guard, Withheld};
use crate::cache::{Held, HeldOver, Holds, Key, Reuse, Stored};
use crate::distribution::{Distribution, OriginKind};
use crate::header::cache_control::{CacheControl, NoCache};
use crate::header::encoding;
use crate::header::range::{self, ContentRange};
use crate::header::together::together;
use crate::origin::{Failure, REQUEST_ID};
use crate::response::{self, POP, Response, Source, X_CACHE, XCache};
use crate::viewer::traffic::Traffic;

/// `ErrorCachingMinTTL` where no custom error response says otherwise (§7.3).
const ERROR_CACHING_MIN_DEFAULT: Duration = Duration::from_secs(10);

/// What S3's errors are kept for where the configured minimum is zero (§7.3).
const S3_ERROR_CACHING_MIN: Duration = Duration::from_secs(1);

/// How long a viewer waits for the origin while something stale is at hand, with the guard on (threats U1, U4) …
const PATIENCE: Duration = Duration::from_secs(5);
/// … and where the origin failed the last time: long enough for one that is back to show it.
const PATIENCE_AFTER_FAILURE: Duration = Duration::from_millis(40);

impl Ask {
    /// How long the viewer waits while something stale is at hand that may answer instead; `None`: as long as it
    /// takes. CloudFront waits until the attempt has failed (§7.5), which may take minutes.
    pub fn patience(&self, origin: Mood, now: SystemTime) -> Option<Duration> {
        self.held_for_errors(now).filter(|held| held.head.reuse == Reuse::WhileFresh)?;
        match (self.passage.rules.guard, origin) {
            (Guard::Off, _) => None,
            (Guard::On, Mood::Fine) => Some(PATIENCE),
            (Guard::On, Mood::Troubled) => Some(PATIENCE_AFTER_FAILURE),
        }
    }

    /// The patience is over: what is stale answers, as for an origin that failed. The request goes on, and what it
    /// brings is for [`Ask::answered`].
    pub fn unanswered(&self, now: SystemTime) -> Option<Answer> {
        let held = self.held_for_errors(now)?;
        let step = stand_in(self.passage.clone(), self.key.clone(), held, StatusCode::GATEWAY_TIMEOUT, now);
        match step {
            Step::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    /// There is no room for one more who waits for an origin: what is stale answers here too, and 503 where nothing is held.
    pub fn without_room(&self, now: SystemTime) -> Answer {
        self.unanswered(now).unwrap_or_else(|| {
            let Passage { rules, id, trace, .. } = &self.passage;
            let response = refuse::refuse_exceeding(&rules.place, Exceeded::Capacity, id, now);
            Answer::new(response, trace.clone())
        })
    }

    /// What becomes of what the origin did.
    pub(super) fn settle(mut self, outcome: Outcome, now: SystemTime) -> Step {
        if let Some(because) = self.fails_over(&outcome) {
            return Step::Ask(Box::new(self.of_the_second(because)));
        }
        match outcome {
            Outcome::Failed(failure) => self.failed(failure, now),
            Outcome::Response { status: StatusCode::NOT_MODIFIED, headers, .. }
                if self.held.is_some() && self.call_is_ours() =>
            {
                self.confirmed(headers, now)
            }
            Outcome::Response { status: StatusCode::PARTIAL_CONTENT, headers, .. }
                if range::contradicts_its_length(&headers) =>
            {
                self.failed(Failure::ContentRange, now)
            }
            Outcome::Response { status: StatusCode::SWITCHING_PROTOCOLS, headers, .. } => {
                self.switched(headers, now)
            }
            Outcome::Response { status, headers, ending } => {
                self.passage.trace.empty_error = status.as_u16() >= 400 && says_nothing(&headers);
                if status.is_server_error()
                    && let Some(held) = self.held_for_errors(now)
                {
                    return stand_in(self.passage, self.key.take(), held, status, now);
                }
                match self.passage.fetch_page(status) {
                    Some(page) => {
                        let storing = self.stored_error(status, headers, ending, now);
                        self.passage.instead(storing, page)
                    }
                    None => self.deliver(status, headers, ending, now),
                }
            }
        }
    }

    /// What the viewer gets of a response before the final one, if anything (RFC 9110 §15.2): it is for this viewer
    /// alone, and nothing of it is kept. 100 answers an expectation the edge has not sent, 101 is no such response.
    pub fn interim(&self, status: StatusCode, headers: &HeaderMap) -> Option<HeaderMap> {
        (status.is_informational() && status.as_u16() > 101).then(|| {
            let mut headers =
                response::interim(headers.clone(), self.passage.behavior(), &self.passage.rules.place);
            self.remove_s3_ids(&mut headers);
            headers
        })
    }

    /// The stale object, if it may stand in for an origin that fails (§7.4).
    pub(super) fn held_for_errors(&self, now: SystemTime) -> Option<Had> {
        self.held.clone().filter(|held| reuse::stands_in(&held.head, now))
    }

    pub(super) fn failed(mut self, failure: Failure, now: SystemTime) -> Step {
        self.passage.trace.failure = Some(failure);
        let (status, reason) = failure.answer();
        if let Some(held) = self.held_for_errors(now) {
            return stand_in(self.passage, self.key, held, status, now);
        }
        let page_instead = self.passage.fetch_page(status);
        let mut response = page(&self.passage.rules.place, status, reason, &self.passage.id, now);
        // An error CloudFront makes of an origin's failure is stored like the origin's own (§7.2).
        let storing = self.storing(status, &HeaderMap::new(), &response.headers, Ending::Provable, now);
        if let Some(page) = page_instead {
            return self.passage.instead(storing.map(head_alone), page);
        }
        self.passage.apply_policy(&mut response.headers, XCache::Miss, now); // §0.12, as on its copy
        Step::Answer(Answer { storing, ..Answer::new(response, self.passage.trace) })
    }

    /// The error whose page the viewer gets: what is kept of it is that it happened (§10.1).
    fn stored_error(
        &mut self,
        status: StatusCode,
        origin: HeaderMap,
        ending: Ending,
        now: SystemTime,
    ) -> Option<Storing> {
        if self.passage.request().method == Method::HEAD {
            return None; // who asks for the body may hear otherwise, and this would answer him too
        }
        let (behavior, method) = (self.passage.behavior(), &self.passage.request().method);
        let place = &self.passage.rules.place;
        let ready = response::for_viewers(origin.clone(), status, method, behavior, place, now);
        self.storing(status, &origin, &ready, ending, now).map(head_alone)
    }

    /// A 304 to the edge's own validators: the stored object lives on with the new headers (RFC 9111 §4.3.4).
    fn confirmed(mut self, fresh: HeaderMap, now: SystemTime) -> Step {
        let (Some(Had { head: held, length }), behavior) = (self.held.take(), self.passage.behavior()) else {
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
                let stored = Stored { holds: held.holds.clone(), ..stored };
                Some(Storing::Head { key, stored: Arc::new(stored) })
            }
            // It is about this viewer's credentials, not about the copy.
            _ if withheld.as_ref().is_some_and(Withheld::is_about_the_viewer) => None,
            // What it confirms may not be kept any more, not even to stand in for a failing origin.
            (_, key) => key.map(|key| Storing::Forget { key }),
        };
        self.passage.trace.lifetime = Some(lifetime);
        self.passage.trace.withheld = withheld;
        let served = match &storing {
            Some(Storing::Head { stored, .. }) => Arc::clone(stored),
            _ => held,
        };
        self.passage.serve(Held { head: &served, length }, XCache::RefreshHit, storing, now)
    }

    /// The guard's verdict on what a 304 confirms. A cookie it sets is this viewer's and never enters the copy; what
    /// else it says is about the copy.
    fn withheld_on_confirmation(
        &self,
        lifetime: &Lifetime,
        merged: &HeaderMap,
        fresh: &HeaderMap,
    ) -> Option<Withheld> {
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
    pub(super) fn deliver(
        mut self,
        status: StatusCode,
        origin: HeaderMap,
        ending: Ending,
        now: SystemTime,
    ) -> Step {
        let behavior = self.passage.behavior();
        let method = self.passage.request().method.clone();
        let place = &self.passage.rules.place;
        let has_body =
            method != Method::HEAD && status != StatusCode::NOT_MODIFIED && status != StatusCode::NO_CONTENT;
        let mut headers = response::for_viewers(origin.clone(), status, &method, behavior, place, now);
        self.remove_s3_ids(&mut headers);
        let compresses = !behavior.ttl.caching_disabled() && self.call.traffic != Traffic::Grpc;
        let compress = if has_body && compresses {
            encoding::compression(self.passage.accept, behavior.compress, status, &origin).ok()
        } else {
            None
        };
        if let Some(coding) = compress {
            response::compressed(&mut headers, coding.content_encoding());
        }
        let outdated = self.outdated(status);
        let stored = self.storing(status, &origin, &headers, ending, now);
        let kept_out = matches!(self.passage.trace.lifetime, Some(Lifetime::DoNotStore { .. }));
        let storing = stored.or_else(|| outdated.filter(|_| kept_out).map(|key| Storing::Forget { key }));
        headers.insert(REQUEST_ID, self.passage.id.clone());
        let mut passage = self.passage;
        if passage.page_status.is_some() {
            headers.insert(X_CACHE, XCache::Error.value()); // §10.1, whatever status the page is sent with
        }
        passage.apply_policy(&mut headers, XCache::Miss, now);
        let body = match self.given {
            _ if !has_body => Source::Empty,
            Some(given) => Source::Given(given),
            None => Source::Origin,
        };
        let results = passage.results(XCache::Miss, status);
        let (status, connection) = (passage.shown(status), passage.connection);
        let response = Response { status, headers, body, instead: None, pending: None, connection, results };
        let response = passage.at_response(response, now);
        Step::Answer(Answer { storing, compress, ..Answer::new(response, passage.trace) })
    }

    /// The key of what is held, if it cannot be right any more should this answer not be kept: it is an answer for
    /// everybody, and of the page itself. An error is that only where nobody would see it otherwise.
    fn outdated(&self, status: StatusCode) -> Option<Key> {
        let final_word = status.is_success() || self.passage.background && status.is_client_error();
        let for_all = self.held.is_some() && self.sharing == Sharing::Collapsed && final_word;
        for_all.then(|| self.key.clone()).flatten()
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
        let holds = self.holds(status, origin)?;
        let cache_control = CacheControl::of(origin);
        // A part lives as long as the whole would (RFC 9111 §3.3).
        let whole_status = if matches!(holds, Holds::Parts(_)) { StatusCode::OK } else { status };
        let lifetime = self.lifetime(whole_status, origin, origin, now);
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
            && let Some(because) =
                storing::unshareable(status, origin, &cache_control, self.unkeyed, &behavior.key, ending)
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
        if let Holds::Parts(_) = &holds {
            headers.remove(CONTENT_LENGTH); // of the part; each answer says its own
        }
        let stored = Stored { holds, ..self.stored(whole_status, headers, origin, (ttl, reuse), now) };
        Some(Storing::Whole { key, stored: Arc::new(stored) })
    }

    /// How much of the response there is to keep; `None`: nothing that could stand for anything.
    fn holds(&self, status: StatusCode, origin: &HeaderMap) -> Option<Holds> {
        let ranged = self.call.headers.contains_key(RANGE);
        let lacking = matches!(self.passage.trace.found, Some(Verdict::Lacking));
        // An origin that cannot be reached is so for all; what it says of a range may be that viewer's doing (threats S5).
        let of_the_range = ranged && matches!(self.passage.trace.failure, None | Some(Failure::ContentRange));
        if status.as_u16() >= 400 && (of_the_range || lacking) {
            return None; // where parts are held, they stay
        }
        if self.passage.request().method == Method::HEAD {
            // It never stands in for the whole (threats S2), so it takes no whole's place either, nor that of parts:
            // nothing else is too little for a HEAD.
            let in_the_way = self.held.as_ref().is_some_and(|held| held.head.holds != Holds::Head)
                || matches!(self.passage.trace.found, Some(Verdict::Lacking));
            return (!in_the_way).then_some(Holds::Head);
        }
        if status != StatusCode::PARTIAL_CONTENT || !ranged {
            return Some(Holds::Whole); // a 206 nobody asked for is refused a lifetime
        }
        range::single(&self.call.headers)?;
        let ContentRange { span, total } = range::content_range(origin)?;
        Some(Holds::Parts(Parts::one(span, total?)))
    }

    /// `arrived` is what came just now, so a 304's own `Date` and `Age` count, not those of what it confirms.
    fn lifetime(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        arrived: &HeaderMap,
        now: SystemTime,
    ) -> Lifetime {
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
        headers.insert(REQUEST_ID, HeaderValue::from_static("0"));
        let initial_age = freshness::initial_age(arrived, now, now);
        Stored {
            status,
            headers: together(&headers, &[VIA, POP, X_CACHE, AGE, REQUEST_ID]),
            stored_at: now,
            initial_age,
            ttl,
            reuse,
            stale,
            held_over: None,
            holds: Holds::Whole,
            since: self.passage.since,
            tagged_by: self.passage.rules.distribution.cache_tag_header.clone(),
        }
    }

    fn asks_s3(&self) -> bool {
        self.call.origin_of(&self.passage.rules.distribution).kind == OriginKind::S3
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

/// Fields a 304 does not change: they describe the body that is held (RFC 9111 §3.2), or are one viewer's.
fn is_about_the_body(name: &http::HeaderName) -> bool {
    use http::header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, SET_COOKIE, VARY,
    };
    [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, SET_COOKIE, VARY].contains(name)
}

/// A 5xx, a failure or silence while something stale is held: the stale object answers, and for a while the origin is
/// not asked again (§7.4).
pub(super) fn stand_in(
    mut passage: Passage,
    key: Option<Key>,
    held: Had,
    status: StatusCode,
    now: SystemTime,
) -> Step {
    let pause = error_caching_min(&passage.rules.distribution, status);
    let held_over = HeldOver { since: passage.looked_up_at, until: now + pause };
    let stored = Arc::new(Stored { held_over: Some(Box::new(held_over)), ..Stored::clone(&held.head) });
    passage.trace.stood_in = Some(StoodIn::ForFailure);
    let storing = key.map(|key| Storing::Head { key, stored: Arc::clone(&stored) });
    passage.serve(Held { head: &stored, length: held.length }, XCache::Hit, storing, now)
}

/// Whether a response says that there is no byte of it.
fn says_nothing(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_LENGTH).is_some_and(|length| length == "0")
}

/// Of an error that has a page of its own nobody ever sees the body.
fn head_alone(storing: Storing) -> Storing {
    match storing {
        Storing::Whole { key, stored } => {
            let stored = Stored { holds: Holds::Head, ..Stored::clone(&stored) };
            Storing::Whole { key, stored: Arc::new(stored) }
        }
        storing => storing,
    }
}

/// How long an error is kept at least (§7.3).
fn error_caching_min(distribution: &Distribution, status: StatusCode) -> Duration {
    distribution
        .error_responses
        .iter()
        .find(|entry| entry.error_code == status)
        .map_or(ERROR_CACHING_MIN_DEFAULT, |entry| entry.caching_min_ttl)
}
