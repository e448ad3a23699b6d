//! What CloudFront answers by itself: to requests the gate refused, to heads nobody could read, for origins that failed.

use std::time::SystemTime;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use super::{Answer, Rules, Trace};
use crate::response::{self, Connection, Detailed, Place, Response, Results, Source, X_CACHE, XCache};
use crate::viewer::gate::Refused;
use crate::viewer::signing::Denied;
use crate::viewer::{Refusal, Request};

/// The sentence of most refusals (§10.4, R2 and R16).
const BAD_REQUEST: &str = "Bad request.";

/// What CloudFront answers to a request the gate refused (§10.2).
pub(super) fn refuse(
    rules: &Rules,
    refused: Refused,
    request: &Request,
    id: &HeaderValue,
    now: SystemTime,
) -> Answer {
    const METHOD: &str = "This distribution is not configured to allow the HTTP request method that was used for this request. The distribution supports only cachable requests.";
    const COUNTRY: &str =
        "The Amazon CloudFront distribution is configured to block access from your country.";
    let reason = match refused {
        Refused::MethodNotAllowed => METHOD,
        Refused::Country => COUNTRY,
        _ => BAD_REQUEST,
    };
    let mut response = match refused {
        Refused::RedirectToHttps { keeps_method } => redirect(rules, request, keeps_method, id, now),
        Refused::Signature(denied) => unsigned(&rules.place, denied, id, now),
        Refused::Misdirected => page(&rules.place, StatusCode::MISDIRECTED_REQUEST, reason, id, now),
        _ => page(&rules.place, StatusCode::FORBIDDEN, reason, id, now),
    };
    if request.body != crate::viewer::Body::None {
        response.connection = Connection::Closed; // its body is not wanted (threats M5, M9)
    }
    let trace = Trace { refused: Some(refused), ..Trace::default() };
    Answer::new(response, trace)
}

/// A document in XML instead of a page (§10.6).
fn unsigned(place: &Place, denied: Denied, id: &HeaderValue, now: SystemTime) -> Response {
    let (code, message) = denied.answer();
    let mut headers = response::generated(place, id, XCache::Error, now);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    let body = Source::Text(response::error_document(code, message));
    let (status, connection) = (StatusCode::FORBIDDEN, Connection::Kept);
    let results = Results::of(XCache::Error);
    Response { status, headers, body, instead: None, pending: None, connection, results }
}

fn redirect(
    rules: &Rules,
    request: &Request,
    keeps_method: bool,
    id: &HeaderValue,
    now: SystemTime,
) -> Response {
    let status = if keeps_method { StatusCode::TEMPORARY_REDIRECT } else { StatusCode::MOVED_PERMANENTLY };
    let mut headers = response::generated(&rules.place, id, XCache::Redirect, now);
    headers.extend(response::https_location(request, &rules.place).map(|(name, value)| (Some(name), value)));
    Response {
        status,
        headers,
        body: Source::Text(response::redirect_page(status)),
        instead: None,
        pending: None,
        connection: Connection::Kept,
        results: Results::of(XCache::Redirect),
    }
}

/// A request that could not be read: 400, 414 or 494, and the connection ends (§10.2, threats "second rule").
pub fn refuse_unread(place: &Place, refusal: Refusal, id: &HeaderValue, now: SystemTime) -> Response {
    let results = Results { detailed: Detailed::InvalidRequest, ..Results::of(XCache::Error) };
    Response {
        connection: Connection::Closed,
        results,
        ..page(place, refusal.status(), BAD_REQUEST, id, now)
    }
}

/// What is used up (§8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// The requests a distribution is allowed in a second.
    Limit,
    /// The room of whoever serves.
    Capacity,
}

/// 503 at a quota, or where there is no room; no error page of one's own stands for it (§10.1, §10.2). What CloudFront's page
/// says before the sentence about too much traffic is not known: here nothing *(unsure)*.
pub fn refuse_exceeding(place: &Place, exceeded: Exceeded, id: &HeaderValue, now: SystemTime) -> Response {
    let x_cache = match exceeded {
        Exceeded::Limit => XCache::LimitExceeded,
        Exceeded::Capacity => XCache::CapacityExceeded,
    };
    let mut response = page(place, StatusCode::SERVICE_UNAVAILABLE, "", id, now);
    response.headers.insert(X_CACHE, x_cache.value());
    // Whatever body the request has is not read (threats M5).
    Response { connection: Connection::Closed, results: Results::of(x_cache), ..response }
}

/// 412 from the cache (§7.8).
pub(super) fn precondition_failed(place: &Place, id: &HeaderValue, now: SystemTime) -> Response {
    page(place, StatusCode::PRECONDITION_FAILED, BAD_REQUEST, id, now)
}

/// 416 from the cache (§7.12).
pub(super) fn unsatisfiable(place: &Place, id: &HeaderValue, now: SystemTime) -> Response {
    page(place, StatusCode::RANGE_NOT_SATISFIABLE, BAD_REQUEST, id, now)
}

/// One of CloudFront's own error pages.
pub(super) fn page(
    place: &Place,
    status: StatusCode,
    reason: &str,
    id: &HeaderValue,
    now: SystemTime,
) -> Response {
    let headers = response::generated(place, id, XCache::Error, now);
    let body = Source::Text(response::error_page(status, reason, id));
    let (connection, results) = (Connection::Kept, Results::of(XCache::Error));
    Response { status, headers, body, instead: None, pending: None, connection, results }
}
