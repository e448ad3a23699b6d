//! The core's answers as hyper takes them.

use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, StatusCode, Version};
use tokio::time::Instant;

use crate::proxy::body::Body;
use crate::proxy::store::Object;
use crate::response::{Connection, Response, Source, server_timing};

/// What shapes a response besides the core's answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) version: Version,
    pub(super) head: bool,
    /// When the request was here.
    pub(super) arrived: Instant,
}

impl Form {
    /// A response whose body, if any, is at hand.
    pub(super) fn answer(self, mut response: Response, held: Option<&Object>) -> http::Response<Body> {
        let body = match (&mut response.body, held) {
            (Source::Stored, Some(object)) => Body::stored(&object.content),
            (Source::Slices(slices), Some(object)) => Body::slices(&object.content, std::mem::take(slices)),
            (Source::Text(_), _) => return self.plain(response),
            _ => Body::empty(),
        };
        self.with_body(response, body)
    }

    /// A page CloudFront wrote itself.
    pub(super) fn plain(self, mut response: Response) -> http::Response<Body> {
        let Source::Text(text) = std::mem::replace(&mut response.body, Source::Empty) else {
            return self.with_body(response, Body::empty());
        };
        response.headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        self.with_body(response, Body::from(text))
    }

    pub(super) fn with_body(self, mut response: Response, body: Body) -> http::Response<Body> {
        server_timing::sent_after(&mut response.headers, || self.arrived.elapsed());
        let (instead, pending) = (response.instead.take(), response.pending.take());
        if let Some(text) = &instead {
            response.headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        }
        let body = match instead {
            _ if self.head => Body::empty(),
            Some(text) => Body::from(text),
            None => body,
        };
        let mut out = http::Response::new(body.with_results(response.results));
        *out.status_mut() = response.status;
        *out.headers_mut() = response.headers;
        if let Some(pending) = pending {
            out.extensions_mut().insert(pending); // whoever sends it takes this out first
        }
        if response.connection == Connection::Closed && self.version <= Version::HTTP_11 {
            out.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        out
    }

    /// A task of ours was lost to a panic: one request, and it is seen.
    pub(super) fn broken(self) -> http::Response<Body> {
        let mut out = http::Response::new(Body::empty());
        *out.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        out
    }
}
