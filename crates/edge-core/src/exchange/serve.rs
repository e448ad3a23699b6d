//! Answering from a stored object: its conditions, its ranges, its age (§7.8, §7.9, §7.12).

use std::hash::{DefaultHasher, Hasher};
use std::time::SystemTime;

use http::header::{AGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::{Answer, Passage, Step, Storing, refuse};
use crate::cache::{Held, Holds, Stored};
use crate::header::conditional::{self, Precondition};
use crate::header::range::{self, ContentRange, Selected, Slice, Span};
use crate::origin::REQUEST_ID;
use crate::response::{self, Connection, Response, Results, Source, X_CACHE, XCache, server_timing};

/// How boundaries of `multipart/byteranges` begin; 32 hexadecimal digits follow *(unsure)*.
const BOUNDARY: &str = "CloudFront-";

/// How much of a stored object goes to the viewer.
pub(super) enum Cut {
    /// All, or as much as the method lets through.
    Uncut,
    /// These parts of it.
    Spans {
        /// Ascending.
        spans: Vec<Span>,
        /// Of the whole, in bytes.
        length: u64,
    },
    /// It has no such bytes.
    Nowhere {
        /// How many it has.
        length: u64,
    },
}

impl Passage {
    /// Answers from what is held, which is the passage's end. What is stored on the way is done even where an error page
    /// is the answer.
    pub(super) fn serve(
        &mut self,
        held: Held<'_>,
        x_cache: XCache,
        storing: Option<Storing>,
        now: SystemTime,
    ) -> Step {
        let stored = held.head;
        if let Some(page) = self.fetch_page(stored.status) {
            return self.instead(storing, page);
        }
        let headers = self.headers_of(stored, x_cache, now);
        let plain = self.page_status.is_none() && stored.status.is_success();
        let precondition = if plain {
            conditional::evaluate(&self.request().headers, &headers)
        } else {
            Precondition::Proceed
        };
        match precondition {
            Precondition::Proceed => {}
            Precondition::NotModified => return self.not_modified(headers, x_cache, storing, now),
            Precondition::Failed => {
                let response = refuse::precondition_failed(&self.rules.place, &self.id, now);
                return self.end(response, storing);
            }
        }
        let cut = match self.cut(held, &headers) {
            Cut::Nowhere { length } => return self.unsatisfiable(length, storing, now),
            cut => cut,
        };
        self.deliver_held(stored, (headers, x_cache), cut, storing, now)
    }

    fn headers_of(&self, stored: &Stored, x_cache: XCache, now: SystemTime) -> HeaderMap {
        let mut headers = stored.headers.clone();
        headers.insert(REQUEST_ID, self.id.clone());
        if x_cache == XCache::Hit {
            headers.insert(AGE, HeaderValue::from(stored.age(now).as_secs()));
        } else {
            headers.remove(AGE);
            headers.insert(X_CACHE, x_cache.of(stored.status).value());
        }
        if self.page_status.is_some() {
            headers.insert(X_CACHE, XCache::Error.value()); // §10.1, whatever status the page is sent with
        }
        headers
    }

    /// What a log says of a response, so far: of an error page an error, whatever status it is sent with.
    pub(super) fn results(&self, x_cache: XCache, status: StatusCode) -> Results {
        Results::of(if self.page_status.is_some() { XCache::Error } else { x_cache.of(status) })
    }

    /// What the response headers policy of the behavior makes of a response that leaves (§8.4): stored ones are kept
    /// as they were without it.
    pub(super) fn apply_policy(&self, headers: &mut HeaderMap, x_cache: XCache, now: SystemTime) {
        if let Some(policy) = &self.behavior().response_headers {
            let (place, id, upstream) = (&self.rules.place, &self.id, self.trace.upstream);
            let facts = server_timing::Facts { place, id, x_cache, upstream };
            response::apply_policy(headers, policy, self.request(), &facts, now);
        }
    }

    fn not_modified(
        &mut self,
        mut headers: HeaderMap,
        x_cache: XCache,
        storing: Option<Storing>,
        now: SystemTime,
    ) -> Step {
        self.apply_policy(&mut headers, x_cache, now);
        response::not_modified(&mut headers);
        let response = Response {
            status: StatusCode::NOT_MODIFIED,
            headers,
            body: Source::Empty,
            instead: None,
            pending: None,
            connection: Connection::Kept,
            results: Results::of(x_cache),
        };
        let response = self.at_response(response, now);
        self.end(response, storing)
    }

    /// Which bytes the viewer wants of a body whose length is known (§7.12).
    pub(super) fn cut(&self, held: Held<'_>, headers: &HeaderMap) -> Cut {
        let request = self.request();
        let ranged = request.method == Method::GET
            && held.head.status == StatusCode::OK
            && self.page_status.is_none()
            && request.headers.contains_key(RANGE)
            && conditional::if_range(&request.headers, headers);
        let Some(length) = held.length.filter(|_| ranged) else { return Cut::Uncut };
        match range::select(&request.headers, length) {
            Selected::Whole => Cut::Uncut,
            Selected::Spans(spans) => Cut::Spans { spans, length },
            Selected::Unsatisfiable => Cut::Nowhere { length },
        }
    }

    fn deliver_held(
        &mut self,
        stored: &Stored,
        (mut headers, x_cache): (HeaderMap, XCache),
        cut: Cut,
        storing: Option<Storing>,
        now: SystemTime,
    ) -> Step {
        let (status, body) = match cut {
            Cut::Spans { spans, length } => {
                (StatusCode::PARTIAL_CONTENT, self.slices(&mut headers, &spans, length))
            }
            _ if self.request().method == Method::HEAD || stored.holds == Holds::Head => {
                (stored.status, Source::Empty)
            }
            _ => (stored.status, Source::Stored),
        };
        self.apply_policy(&mut headers, x_cache, now);
        let results = self.results(x_cache, stored.status);
        let (status, connection) = (self.shown(status), self.connection);
        let response = Response { status, headers, body, instead: None, pending: None, connection, results };
        let response = self.at_response(response, now);
        self.end(response, storing)
    }

    /// The answer, with all that was decided on the way to it.
    fn end(&mut self, response: Response, storing: Option<Storing>) -> Step {
        let trace = std::mem::take(&mut self.trace);
        Step::Answer(Answer { storing, ..Answer::new(response, trace) })
    }

    /// One part as it is, several as `multipart/byteranges`.
    fn slices(&self, headers: &mut HeaderMap, spans: &[Span], total: u64) -> Source {
        if let [span] = spans {
            headers.insert(CONTENT_RANGE, ContentRange { span: *span, total: Some(total) }.value());
            headers.insert(CONTENT_LENGTH, HeaderValue::from(span.length()));
            return Source::Slices(vec![Slice::Stored(*span)]);
        }
        let boundary = self.boundary();
        let (slices, length) = range::multipart(spans, total, headers.get(CONTENT_TYPE), &boundary);
        headers.insert(CONTENT_TYPE, range::multipart_type(&boundary));
        headers.remove(CONTENT_RANGE); // what parts are stored with
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        Source::Slices(slices)
    }

    /// Different for each exchange, as its id is: no body can have been written to contain it.
    fn boundary(&self) -> String {
        let digits = |turn: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(turn);
            hasher.write(self.id.as_bytes());
            hasher.finish()
        };
        format!("{BOUNDARY}{:016X}{:016X}", digits(0), digits(1))
    }

    /// 416 (§7.12); its page, if there is one.
    fn unsatisfiable(&mut self, length: u64, storing: Option<Storing>, now: SystemTime) -> Step {
        if let Some(page) = self.fetch_page(StatusCode::RANGE_NOT_SATISFIABLE) {
            return self.instead(storing, page);
        }
        let mut response = refuse::unsatisfiable(&self.rules.place, &self.id, now);
        response.headers.insert(CONTENT_RANGE, range::unsatisfied(length));
        self.end(response, storing)
    }
}
