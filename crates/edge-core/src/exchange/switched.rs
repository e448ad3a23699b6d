//! What comes of a WebSocket's handshake when the origin agrees (§11.4): the head, and from then on bytes, of which
//! nothing is decided any more.

use std::time::{Duration, SystemTime};

use http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Answer, Ask, Step};
use crate::origin::{Failure, REQUEST_ID};
use crate::response::{self, Connection, Response, Results, Source, XCache};
use crate::viewer::traffic::{Traffic, is_to_websocket};

/// How long a WebSocket may go without a byte from the origin (§1.3).
pub const WEBSOCKET_IDLE_MAX: Duration = Duration::from_secs(600);

impl Ask {
    /// The origin changed the protocol. Where that was not asked for, or is not to what was asked for, it is no answer.
    pub(super) fn switched(self, headers: HeaderMap, now: SystemTime) -> Step {
        if self.call.traffic != Traffic::WebSocket || !is_to_websocket(&headers) {
            return self.failed(Failure::Invalid, now);
        }
        let passage = self.passage;
        let (status, behavior) = (StatusCode::SWITCHING_PROTOCOLS, passage.behavior());
        let (method, place) = (&passage.request().method, &passage.rules.place);
        let mut headers = response::for_viewers(headers, status, method, behavior, place, now);
        headers.remove(CONTENT_LENGTH); // RFC 9110 §8.6
        headers.insert(REQUEST_ID, passage.id.clone());
        passage.apply_policy(&mut headers, XCache::Miss, now);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let (body, connection, results) = (Source::Tunnel, Connection::Kept, Results::of(XCache::Miss));
        // The viewer-response function does not run *(unsure)*: there is no response it could change.
        Step::Answer(Answer::new(
            Response { status, headers, body, instead: None, pending: None, connection, results },
            passage.trace,
        ))
    }
}
