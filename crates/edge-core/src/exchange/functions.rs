//! Scripts on the way of a request: before the cache is asked, and before the viewer gets the response (§0, §14).
//!
//! What a script decided is carried out here; what it may decide is `function`'s.

use std::sync::Arc;
use std::time::SystemTime;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, COOKIE, SET_COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::refuse::page;
use super::{Answer, Passage, Step};
use crate::distribution::LambdaEvent;
use crate::function::event::{self, Context};
use crate::function::run::{self, Call, Failed};
use crate::function::validate::{self, Changes, Returned};
use crate::response::{self, Connection, Response, Results, Source, X_CACHE, XCache};
use crate::script::Script;
use crate::viewer::Body;
use crate::viewer::gate::Admitted;

impl Passage {
    /// Runs the viewer-request function. `Err` is the end: it answered, or it failed.
    pub(super) fn at_request(&mut self, script: &Arc<Script>, now: SystemTime) -> Result<(), Box<Step>> {
        let seen = event::Request::of(&self.admitted, self.behavior(), self.device);
        let towards = (&self.rules.distribution, self.behavior().target);
        let (decided, ran) = run::at_request(&self.call(script, now), seen, towards);
        self.trace.ran_at_request = Some(Box::new(ran));
        match decided {
            Ok(decided) => {
                self.reroute = decided.reroute.map(Arc::new);
                match decided.returned {
                    Returned::Request(changes) => {
                        self.asked = change(&mut self.admitted, *changes);
                        Ok(())
                    }
                    Returned::Response(answer) => Err(Box::new(self.answered_by_function(*answer, now))),
                }
            }
            Err(failed) => {
                let response =
                    Response { connection: self.after_body(), ..self.failed_function(&failed, now) };
                Err(Box::new(Step::Answer(Answer::new(response, self.trace.clone()))))
            }
        }
    }

    /// Runs the viewer-response function, if this response is one it runs for: not for errors, nor for their pages,
    /// nor where nobody waits (§0.9).
    pub(super) fn at_response(&mut self, mut response: Response, now: SystemTime) -> Response {
        if response.status.as_u16() >= 400 || self.page_status.is_some() || self.background {
            return response;
        }
        let Some(script) = self.behavior().viewer_response.clone() else {
            return match self.lambda_at(LambdaEvent::ViewerResponse) {
                Some(lambda) => self.pending(Arc::clone(lambda), response, now),
                None => response,
            };
        };
        let request = event::Request::of(&self.admitted, self.behavior(), self.device);
        let seen = event::Response::of(response.status, &response.headers);
        let (answer, ran) = run::at_response(&self.call(&script, now), request, seen);
        self.trace.ran_at_response = Some(Box::new(ran));
        match answer {
            Ok(answer) => {
                dress(&mut response, answer);
                response
            }
            Err(failed) => {
                let mut page = self.failed_function(&failed, now);
                if let Source::Text(text) = page.body {
                    page.instead = Some(text);
                }
                // What arrives is stored all the same.
                Response { body: response.body, connection: response.connection, ..page }
            }
        }
    }

    fn call<'a>(&'a self, script: &'a Arc<Script>, now: SystemTime) -> Call<'a> {
        let distribution = &self.rules.distribution;
        let pop = self.rules.place.pop.to_str().unwrap_or_default();
        Call {
            script,
            context: Context {
                domain_name: &distribution.domain_name,
                distribution_id: &distribution.id,
                request_id: self.id.to_str().unwrap_or_default(),
                viewer: self.request().peer.ip(),
            },
            location: pop.get(..3).unwrap_or(pop),
            now,
        }
    }

    /// The viewer gets what the function made: no cache, no policy, no page of one's own (§14.2).
    fn answered_by_function(&mut self, answer: validate::Answer, now: SystemTime) -> Step {
        let mut headers = response::generated(&self.rules.place, &self.id, XCache::FunctionGenerated, now);
        headers.remove(http::header::CONTENT_TYPE);
        let validate::Answer { status, headers: given, cookies, body } = answer;
        put(&mut headers, given, cookies);
        let body = body.unwrap_or_default();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let body = Source::Text(body);
        let (connection, results) = (self.after_body(), Results::of(XCache::FunctionGenerated));
        let response = Response { status, headers, body, instead: None, pending: None, connection, results };
        Step::Answer(Answer::new(response, self.trace.clone()))
    }

    /// 502 or 503; a policy's headers are on it (§0.12). No custom error page stands for it *(unsure)*.
    fn failed_function(&self, failed: &Failed, now: SystemTime) -> Response {
        let mut response = page(&self.rules.place, failed.status(), &failed.reason(), &self.id, now);
        let x_cache = match failed {
            Failed::Execution(_) => XCache::FunctionExecutionError,
            Failed::Validation(_) => XCache::FunctionValidationError,
        };
        response.headers.insert(X_CACHE, x_cache.value());
        response.results = Results::of(x_cache);
        self.apply_policy(&mut response.headers, x_cache, now);
        response
    }

    /// A body nobody reads ends the connection (threats M5, M9).
    pub(super) fn after_body(&self) -> Connection {
        if self.request().body == Body::None { Connection::Kept } else { Connection::Closed }
    }
}

/// Carries a function's changes into the request; what it left alone is not touched. Gives back what was asked for, where it
/// is another target now.
fn change(admitted: &mut Admitted, changes: Changes) -> Option<PathAndQuery> {
    let request = &mut admitted.request;
    let asked = changes.target.map(|target| std::mem::replace(&mut request.target, target));
    replace(&mut request.headers, changes.headers);
    match changes.cookie {
        None => {}
        Some(None) => _ = request.headers.remove(COOKIE),
        Some(Some(cookies)) => _ = request.headers.insert(COOKIE, cookies),
    }
    asked
}

/// Carries a function's changes into the response. A new body has a length of its own, and no coding or range but what
/// the function says *(unsure)*.
fn dress(response: &mut Response, answer: validate::Answer) {
    let validate::Answer { status, headers, cookies, body } = answer;
    response.status = status;
    if let Some(body) = &body {
        for name in [CONTENT_ENCODING, CONTENT_RANGE] {
            response.headers.remove(name);
        }
        response.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let given = headers.into_iter().filter(|(name, _)| *name != CONTENT_LENGTH);
    put(&mut response.headers, given, cookies);
    response.instead = body;
}

/// Each field as a function left it, in place of all of its name.
pub(super) fn replace(
    headers: &mut HeaderMap,
    fields: impl IntoIterator<Item = (HeaderName, Vec<HeaderValue>)>,
) {
    for (name, values) in fields {
        headers.remove(&name);
        for value in values {
            headers.append(&name, value);
        }
    }
}

fn put(
    headers: &mut HeaderMap,
    given: impl IntoIterator<Item = (HeaderName, Vec<HeaderValue>)>,
    cookies: Option<Vec<HeaderValue>>,
) {
    replace(headers, given.into_iter().chain(cookies.map(|cookies| (SET_COOKIE, cookies))));
}
