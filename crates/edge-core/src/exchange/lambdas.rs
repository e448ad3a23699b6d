//! Lambda@Edge on the way of a request (§14.1, §14.7): what is to be called, and how the exchange goes on.
//!
//! A call takes time and may fail, so each is a step of its own: whoever drives makes it and tells what came of it. What a
//! function may see and answer is `function`'s.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::functions::replace;
use super::refuse::page;
use super::{Answer, Ask, Ending, Outcome, Passage, Rules, Step, Trace};
use crate::distribution::lambda::{Lambda, LambdaEvent};
use crate::distribution::{Names, Origin};
use crate::function::event::Context;
use crate::function::lambda::event::{self, Sent};
use crate::function::lambda::result::{self, Changes, Returned};
use crate::function::lambda::{Failed, Invocation, Invoked};
use crate::origin::{self, Call};
use crate::response::{self, Pending, Response, Results, Source, X_CACHE, XCache};
use crate::viewer::traffic::Traffic;
use crate::viewer::{Body, Request};

/// A call that is to be made before the exchange goes on.
#[derive(Debug)]
pub struct Invoke {
    invocation: Invocation,
    next: Next,
}

/// What waits for it.
#[derive(Debug)]
enum Next {
    /// The request, before the cache is asked.
    Enter(Box<Passage>),
    /// What the origin said.
    Settle { ask: Box<Ask>, status: StatusCode, headers: HeaderMap, ending: Ending },
}

impl Invoke {
    pub(super) fn at_request(passage: Passage, lambda: Arc<Lambda>) -> Step {
        let request = event::viewer_request(&passage.admitted);
        let invocation = passage.invocation(lambda, LambdaEvent::ViewerRequest, (request, None));
        Step::Invoke(Box::new(Self { invocation, next: Next::Enter(Box::new(passage)) }))
    }

    /// The call.
    pub fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// The rules this exchange goes by.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.passage().rules
    }

    /// What was decided so far.
    pub fn trace(&self) -> &Trace {
        &self.passage().trace
    }

    /// The request as it is so far.
    pub fn request(&self) -> &Request {
        self.passage().request()
    }

    fn passage(&self) -> &Passage {
        match &self.next {
            Next::Enter(passage) => passage,
            Next::Settle { ask, .. } => &ask.passage,
        }
    }

    /// This came of it.
    pub fn answered(self, invoked: Invoked, now: SystemTime) -> Step {
        let Self { invocation, next } = self;
        match next {
            Next::Enter(passage) => passage.goes_on(&invocation, invoked, now),
            Next::Settle { ask, status, headers, ending } => {
                ask.responded(&invocation, invoked, (status, headers, ending), now)
            }
        }
    }
}

impl Passage {
    /// The Lambda at this event; none for gRPC (§11.5).
    pub(super) fn lambda_at(&self, event: LambdaEvent) -> Option<&Arc<Lambda>> {
        self.behavior().lambdas.at(event).filter(|_| self.request().traffic != Traffic::Grpc)
    }

    fn invocation(
        &self,
        lambda: Arc<Lambda>,
        event: LambdaEvent,
        (request, response): (serde_json::Value, Option<serde_json::Value>),
    ) -> Invocation {
        let distribution = &self.rules.distribution;
        let context = Context {
            domain_name: &distribution.domain_name,
            distribution_id: &distribution.id,
            request_id: self.id.to_str().unwrap_or_default(),
            viewer: self.request().peer.ip(),
        };
        Invocation { lambda, event, told: event::event(event, &context, request, response) }
    }

    /// What a Lambda at viewer-request decided: on to the cache, or the end.
    fn goes_on(mut self, invocation: &Invocation, invoked: Invoked, now: SystemTime) -> Step {
        let result = invoked.result(invocation.event);
        let returned = result.and_then(|result| Ok(result::at_request(invocation, None, &result)?));
        self.trace.lambdas.note(invocation, returned.as_ref().err());
        match returned {
            Ok(Returned::Request(changes)) => {
                self.change(*changes);
                let key = self.proceed();
                self.enter(key)
            }
            Ok(Returned::Response(answer)) => self.answered_by_lambda(*answer, now),
            Err(failed) => {
                let connection = self.after_body();
                let response = Response { connection, ..self.failed_lambda(&failed, now) };
                Step::Answer(Answer::new(response, self.trace))
            }
        }
    }

    /// Carries a function's changes into the request; what it left alone is not touched.
    fn change(&mut self, changes: Changes) {
        let request = &mut self.admitted.request;
        if changes.path.is_some() || changes.query.is_some() {
            let path = changes.path.as_deref().unwrap_or_else(|| request.target.path());
            let query = changes.query.as_ref().map_or_else(|| request.target.query(), Option::as_deref);
            let target = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
            // Both were checked.
            if let Ok(target) = PathAndQuery::try_from(target) {
                self.asked = Some(std::mem::replace(&mut request.target, target));
            }
        }
        replace(&mut request.headers, changes.headers);
        if let Some(body) = changes.body.filter(|_| request.body != Body::None) {
            request.body = framing(&body);
            self.body = Some(Box::new(body));
        }
    }

    /// The viewer gets what the function made: no cache, no policy, no page of one's own (§14.7).
    fn answered_by_lambda(self, answer: result::Answer, now: SystemTime) -> Step {
        let mut headers = response::generated(&self.rules.place, &self.id, XCache::LambdaGenerated, now);
        headers.remove(CONTENT_TYPE);
        let body = answer.body.unwrap_or_default();
        let given = answer.headers.into_iter().filter(|(name, _)| *name != CONTENT_LENGTH);
        replace(&mut headers, given);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let (status, connection) = (answer.status, self.after_body());
        let body = Source::Text(body);
        let results = Results::of(XCache::LambdaGenerated);
        let response = Response { status, headers, body, instead: None, pending: None, connection, results };
        Step::Answer(Answer::new(response, self.trace))
    }

    /// 502 or 503; a policy's headers are on it (§0.12). No custom error page stands for it, as for functions *(unsure)*.
    fn failed_lambda(&self, failed: &Failed, now: SystemTime) -> Response {
        let mut response = page(&self.rules.place, failed.status(), &failed.reason(), &self.id, now);
        let x_cache = XCache::of_lambda(failed);
        response.headers.insert(X_CACHE, x_cache.value());
        response.results = Results::of(x_cache);
        self.apply_policy(&mut response.headers, x_cache, now);
        response
    }

    /// The response waits for the Lambda at viewer-response.
    pub(super) fn pending(&self, lambda: Arc<Lambda>, response: Response, now: SystemTime) -> Response {
        let request = event::viewer_request(&self.admitted);
        let told = event::response(LambdaEvent::ViewerResponse, response.status, &response.headers);
        let invocation = self.invocation(lambda, LambdaEvent::ViewerResponse, (request, Some(told)));
        let mut page = response::generated(&self.rules.place, &self.id, XCache::LambdaExecutionError, now);
        self.apply_policy(&mut page, XCache::LambdaExecutionError, now);
        let pending = Pending { invocation, page, id: self.id.clone() };
        Response { pending: Some(Box::new(pending)), ..response }
    }

    /// The call of a Lambda at origin-request, where there is one.
    pub(super) fn before_origin(&self, call: &Call, origin: &Origin) -> Option<Box<Invocation>> {
        let lambda = self.lambda_at(LambdaEvent::OriginRequest)?;
        let told = self.told_of(call, origin);
        Some(Box::new(self.invocation(Arc::clone(lambda), LambdaEvent::OriginRequest, (told, None))))
    }

    /// What events at the origin's side say of a call.
    fn told_of(&self, call: &Call, origin: &Origin) -> serde_json::Value {
        let (path, query) = origin::path_and_query(call, origin);
        let (key, forward) = (&self.behavior().key.query, &self.behavior().forward.query);
        let forwards_all = [key, forward].contains(&&Names::All); // §14.1
        event::origin_request(&Sent {
            viewer: self.request().peer.ip(),
            method: &call.method,
            path,
            query: query.filter(|_| forwards_all),
            headers: &call.headers,
            origin,
            scheme: call.scheme,
        })
    }
}

impl Ask {
    /// The Lambda that is to be called before this is sent; tell [`Ask::invoked`] what came of it.
    pub fn invocation(&self) -> Option<&Invocation> {
        self.before.as_deref()
    }

    /// This came of the call: the question to send, or the end.
    pub fn invoked(mut self, invoked: Invoked, now: SystemTime) -> Step {
        let Some(invocation) = self.before.take() else { return Step::Ask(Box::new(self)) };
        let origin = self.call.origin_of(&self.passage.rules.distribution);
        let result = invoked.result(invocation.event);
        let returned = result.and_then(|result| Ok(result::at_request(&invocation, Some(origin), &result)?));
        self.passage.trace.lambdas.note(&invocation, returned.as_ref().err());
        match returned {
            Ok(Returned::Request(changes)) => {
                self.change(*changes);
                Step::Ask(Box::new(self))
            }
            // Cached like an origin's, but nobody stands in for it: it is what the function wants (§10.1).
            Ok(Returned::Response(answer)) => {
                let mut headers = HeaderMap::new();
                replace(&mut headers, answer.headers);
                let body = answer.body.unwrap_or_default();
                headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                self.given = Some(body);
                self.deliver(answer.status, headers, Ending::Provable, now)
            }
            Err(failed) => self.ended_by_lambda(&failed, now),
        }
    }

    /// Carries a function's changes into the call, and signs it.
    fn change(&mut self, changes: Changes) {
        let Changes { path, query, headers, body, origin: changed } = changes;
        let distribution = &self.passage.rules.distribution;
        let before = self.call.origin_of(distribution).clone();
        let origin = changed.as_ref().unwrap_or(&before);
        let (old_path, old_query) = origin::path_and_query(&self.call, &before);
        let path = path.as_deref().unwrap_or(old_path);
        let query = query.as_ref().map_or(old_query, Option::as_deref);
        let mark = if query.is_some() { "?" } else { "" };
        self.call.target = format!("{}{path}{mark}{}", origin.path, query.unwrap_or_default());
        replace(&mut self.call.headers, headers);
        if changed.is_some() {
            for (name, _) in &before.custom_headers {
                self.call.headers.remove(name);
            }
            for (name, _) in &origin.custom_headers {
                self.call.headers.remove(name);
            }
            for (name, value) in &origin.custom_headers {
                self.call.headers.append(name, value.clone());
            }
            self.call.scheme = origin::scheme(origin, self.passage.request().scheme);
        }
        if let Some(body) = body.filter(|_| self.call.body != Body::None) {
            self.call.body = framing(&body);
            self.call.given = Some(body);
        }
        self.call.changed = changed.map(Arc::new).or_else(|| self.call.changed.take());
        let now = self.passage.looked_up_at;
        origin::sign(&mut self.call, &self.passage.rules.distribution, now);
    }

    /// The origin answered, or did not. A response is first seen by the Lambda at origin-response, if there is one.
    pub fn answered(self, outcome: Outcome, now: SystemTime) -> Step {
        let lambda = self.passage.lambda_at(LambdaEvent::OriginResponse).cloned();
        let (lambda, status, headers, ending) = match (lambda, outcome) {
            // What is no longer HTTP is nothing a function could change.
            (Some(lambda), Outcome::Response { status, headers, ending })
                if status != StatusCode::SWITCHING_PROTOCOLS =>
            {
                (lambda, status, headers, ending)
            }
            (_, outcome) => return self.settle(outcome, now),
        };
        let origin = self.call.origin_of(&self.passage.rules.distribution);
        let request = self.passage.told_of(&self.call, origin);
        let response = event::response(LambdaEvent::OriginResponse, status, &headers);
        let invocation =
            self.passage.invocation(lambda, LambdaEvent::OriginResponse, (request, Some(response)));
        let next = Next::Settle { ask: Box::new(self), status, headers, ending };
        Step::Invoke(Box::new(Invoke { invocation, next }))
    }

    /// What a Lambda at origin-response made of the origin's answer is what the origin said.
    fn responded(
        mut self,
        invocation: &Invocation,
        invoked: Invoked,
        (_, mut headers, mut ending): (StatusCode, HeaderMap, Ending),
        now: SystemTime,
    ) -> Step {
        let result = invoked.result(invocation.event);
        let answer = result.and_then(|result| Ok(result::at_response(invocation, &result)?));
        self.passage.trace.lambdas.note(invocation, answer.as_ref().err());
        let result::Answer { status, headers: changes, body } = match answer {
            Ok(answer) => answer,
            Err(failed) => return self.ended_by_lambda(&failed, now),
        };
        if let Some(body) = body {
            for name in [CONTENT_ENCODING, CONTENT_RANGE] {
                headers.remove(name); // of the origin's body; what the function says of its own comes next
            }
            replace(&mut headers, changes);
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            ending = Ending::Provable;
            self.given = Some(body);
        } else {
            replace(&mut headers, changes.into_iter().filter(|(name, _)| *name != CONTENT_LENGTH));
        }
        self.settle(Outcome::Response { status, headers, ending }, now)
    }

    /// A Lambda at an origin's side came to nothing: something stale stands in, as for an origin that fails; otherwise the
    /// page of the error, which is not kept *(unsure)*.
    fn ended_by_lambda(self, failed: &Failed, now: SystemTime) -> Step {
        if let Some(held) = self.held_for_errors(now) {
            return super::answered::stand_in(self.passage, self.key, held, failed.status(), now);
        }
        let response = self.passage.failed_lambda(failed, now);
        Step::Answer(Answer::new(response, self.passage.trace))
    }
}

fn framing(body: &Bytes) -> Body {
    if body.is_empty() { Body::None } else { Body::Length(body.len() as u64) }
}
