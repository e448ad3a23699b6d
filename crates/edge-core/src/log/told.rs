//! What fields say that takes more than one value of a record: results, protocols, the behavior.

use std::time::Duration;

use http::Version;

use super::{Answered, Asked, End, Record};
use crate::distribution::Grpc;
use crate::viewer::Scheme;
use crate::viewer::gate::BehaviorId;

/// As CloudFront writes it (§11.2).
pub(super) fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_09 => Some("HTTP/0.9"),
        Version::HTTP_10 => Some("HTTP/1.0"),
        Version::HTTP_11 => Some("HTTP/1.1"),
        Version::HTTP_2 => Some("HTTP/2.0"),
        Version::HTTP_3 => Some("HTTP/3.0"),
        _ => None,
    }
}

impl Record {
    pub(super) fn asked<'a, T>(&'a self, value: impl FnOnce(&'a Asked) -> Option<T>) -> Option<T> {
        value(self.request.as_ref()?)
    }

    pub(super) fn answered<'a, T>(&'a self, value: impl FnOnce(&'a Answered) -> Option<T>) -> Option<T> {
        value(self.answer.as_ref()?)
    }

    fn path(&self) -> Option<&str> {
        std::str::from_utf8(&self.request.as_ref()?.path).ok()
    }

    pub(super) fn behavior(&self) -> Option<BehaviorId> {
        Some(self.rules.distribution.behavior_for(self.path()?))
    }

    pub(super) fn origin_first_byte(&self) -> Option<Duration> {
        self.answered(|answer| answer.results.origin_first_byte)
    }

    /// `x-edge-response-result-type`.
    pub(super) fn response_result(&self) -> &'static str {
        self.answer.as_ref().map_or("Error", |answer| answer.results.result.word())
    }

    /// `x-edge-result-type`.
    pub(super) fn result(&self) -> &'static str {
        if self.end == End::Whole { self.response_result() } else { "Error" }
    }

    /// `x-edge-detailed-result-type`.
    pub(super) fn detailed(&self) -> &'static str {
        // An upload that broke off is not an answer nobody waited for.
        let uploaded = self.asked(|request| request.body_bytes);
        let hung_up = uploaded.is_some_and(|bytes| bytes > self.received_of_body());
        match (&self.answer, self.end) {
            (Some(answer), End::Whole) => answer.results.detailed_text(),
            (_, End::BrokenOff) => "OriginReadError",
            (None, _) if hung_up => "ClientHungUpRequest",
            (_, End::ViewerLeft) | (None, End::Whole) => "ClientCommError",
        }
    }

    fn received_of_body(&self) -> u64 {
        self.received.saturating_sub(self.asked(|request| Some(request.head_bytes)).unwrap_or_default())
    }

    /// `cs-protocol`.
    pub(super) fn protocol(&self) -> &'static str {
        let switched = self.answer.as_ref().is_some_and(|answer| answer.status.as_u16() == 101);
        match (self.scheme, switched, self.is_call()) {
            (Scheme::Http, true, _) => "ws",
            (Scheme::Https, true, _) => "wss",
            (Scheme::Http, _, true) => "grpc",
            (Scheme::Https, _, true) => "grpcs",
            (scheme, ..) => scheme.as_str(),
        }
    }

    /// Whether it was a call of gRPC that the behavior carries, as the gate says it (§11.5).
    fn is_call(&self) -> bool {
        let grpc = |id| self.rules.distribution.behavior(id).grpc == Grpc::On;
        self.asked(|request| Some(request.looks_like_grpc)) == Some(true) && self.behavior().is_some_and(grpc)
    }
}
