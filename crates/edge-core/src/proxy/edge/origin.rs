//! Between the core's words and the origin side's.

use bytes::Bytes;
use http_body_util::Empty;

use super::Running;
use crate::distribution::Distribution;
use crate::exchange::{Ask, Ending, Outcome};
use crate::origin::{self, Failure};
use crate::proxy::fetch::{Call, Framing, Interim, OriginBody, OriginFailure, OriginResponse, RequestBody};
use crate::viewer;

impl Running {
    /// Asks the origin once, and nothing else: what it answers is neither stored nor read further than its head.
    pub async fn ask(&self, ask: &Ask) -> Outcome {
        let call = call(ask.call(), &ask.rules().distribution);
        match self.origins.fetch_hearing(call, Empty::<Bytes>::new(), &|_: &Interim| ()).await {
            Ok(OriginResponse { status, headers, body, .. }) => {
                Outcome::Response { status, headers, ending: ending(&body) }
            }
            Err(failure) => Outcome::Failed(to_core(&failure)),
        }
    }
}

/// The core's call, as the origin side takes it.
pub(super) fn call<'a>(call: &'a origin::Call, distribution: &'a Distribution) -> Call<'a> {
    Call {
        origin: call.origin_of(distribution),
        scheme: call.scheme,
        method: &call.method,
        target: &call.target,
        headers: &call.headers,
        body: match call.body {
            viewer::Body::None => RequestBody::None,
            viewer::Body::Length(length) => RequestBody::Length(length),
            viewer::Body::Chunked => RequestBody::Chunked,
        },
        traffic: call.traffic,
    }
}

pub(super) fn ending(body: &OriginBody) -> Ending {
    match body.framing() {
        Framing::UntilClose => Ending::ByClose,
        _ => Ending::Provable,
    }
}

/// The proxy's failures, as the core names them.
pub(super) fn to_core(failure: &OriginFailure) -> Failure {
    match failure {
        OriginFailure::Dns(_) => Failure::Dns,
        OriginFailure::Refused | OriginFailure::Tls(_) | OriginFailure::Reset(_) => Failure::Connect,
        // §10.2: unreachable counts as a timeout.
        OriginFailure::Unreachable(_) | OriginFailure::ConnectTimeout => Failure::ConnectTimeout,
        OriginFailure::ReadTimeout => Failure::ReadTimeout,
        OriginFailure::CompletionTimeout => Failure::CompletionTimeout,
        OriginFailure::ClosedBeforeResponse | OriginFailure::Truncated => Failure::Closed,
        OriginFailure::HeaderTooBig => Failure::HeadTooLarge,
        OriginFailure::InvalidResponse(_) | OriginFailure::InvalidRequest(_) => Failure::Invalid,
        OriginFailure::ViewerBody(_) => Failure::ViewerBody,
    }
}
