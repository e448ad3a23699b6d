//! Calls of Lambdas: what the core wants called is posted to its endpoint, and what comes back is told to the core.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method};
use http_body::Body;
use http_body_util::Full;
use tokio::time::timeout;

use super::begun::Begun;
use super::{Edge, Running};
use crate::distribution::{OriginKind, OriginProtocol};
use crate::exchange::{Ask, Invoke, Step};
use crate::function::lambda::{Glimpse, INVOKED_BYTES_MAX, Invocation, Invoked};
use crate::proxy::fetch::{Call, OriginFailure, OriginResponse, Origins, RequestBody};
use crate::response::{Pending, Response, Source};
use crate::viewer::traffic::Traffic;

/// What an endpoint says of a call that ended with an error.
const FUNCTION_ERROR: &str = "x-amz-function-error";

impl Edge {
    /// Makes the call a request waits for, and goes on.
    pub(super) async fn invoke<B>(&self, invoke: Box<Invoke>, origins: &Origins, body: &mut Begun<B>) -> Step
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let invoked = call(origins, invoke.invocation(), seen(invoke.invocation(), body).await).await;
        invoke.answered(invoked, self.0.clock.now())
    }

    /// Makes the call that comes before an origin is asked.
    pub(super) async fn prepare<B>(&self, ask: Box<Ask>, origins: &Origins, body: &mut Begun<B>) -> Step
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let Some(invocation) = ask.invocation() else { return Step::Ask(ask) };
        if let Some(given) = &ask.call().given {
            *body = Begun::given(given.clone());
        }
        let invoked = call(origins, invocation, seen(invocation, body).await).await;
        ask.invoked(invoked, self.0.clock.now())
    }

    /// Makes the call that comes before a viewer gets his response, and changes its head accordingly.
    pub(super) async fn finish(
        &self,
        pending: Box<Pending>,
        mut response: http::Response<crate::proxy::body::Body>,
        head: bool,
    ) -> http::Response<crate::proxy::body::Body> {
        let origins = std::sync::Arc::clone(&self.0.running.load().origins);
        let invoked = call(&origins, pending.invocation(), None).await;
        let told = Response {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: Source::Empty,
            instead: None,
            pending: None,
            connection: crate::response::Connection::Kept,
            results: response.body().results(),
        };
        let closes = told.headers.get(http::header::CONNECTION).cloned();
        let arn = pending.invocation().lambda.arn.clone();
        let (told, failed) = pending.answered(told, invoked);
        if let Some(failed) = failed {
            tracing::warn!(target: "edge::lambda", arn, at = "viewer-response", "{failed}");
        }
        *response.status_mut() = told.status;
        *response.headers_mut() = told.headers;
        let results = told.results;
        if let Some(closes) = closes {
            response.headers_mut().insert(http::header::CONNECTION, closes);
        }
        if let Some(page) = told.instead {
            response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(page.len()));
            let page = if head { Bytes::new() } else { page };
            *response.body_mut() = crate::proxy::body::Body::from(page);
        }
        response.map(|body| body.with_results(results))
    }
}

impl Running {
    /// Calls a Lambda once, for a request without a body.
    pub async fn invoke(&self, invocation: &Invocation) -> Invoked {
        call(&self.origins, invocation, None).await
    }
}

/// As much of the body as the function sees.
async fn seen<'b, B>(invocation: &Invocation, body: &'b mut Begun<B>) -> Option<Glimpse<'b>>
where
    B: Body<Data = Bytes> + Unpin,
{
    match invocation.wants_body() {
        Some(max) => Some(body.read(max).await),
        None => None,
    }
}

/// One call, to its end.
async fn call(origins: &Origins, invocation: &Invocation, body: Option<Glimpse<'_>>) -> Invoked {
    let Some(endpoint) = &invocation.lambda.endpoint else {
        return Invoked::Unreachable("nobody says where".to_owned());
    };
    let payload = Bytes::from(invocation.payload(body));
    let mut headers = HeaderMap::new();
    if let Ok(host) = HeaderValue::from_str(&endpoint.host) {
        headers.insert(HOST, host);
    }
    headers.insert(CONTENT_TYPE, const { HeaderValue::from_static("application/json") });
    let mut origin = endpoint.origin.clone();
    let limit = invocation.event.timeout().min(origin.read_timeout);
    (origin.read_timeout, origin.completion_timeout) = (limit, Some(limit));
    let scheme = match origin.kind {
        OriginKind::Custom { protocol: OriginProtocol::HttpsOnly, .. } => crate::viewer::Scheme::Https,
        OriginKind::Custom { .. } | OriginKind::S3 => crate::viewer::Scheme::Http,
    };
    let call = Call {
        origin: &origin,
        scheme,
        method: &Method::POST,
        target: &endpoint.target,
        headers: &headers,
        body: RequestBody::Length(payload.len() as u64),
        traffic: Traffic::Messages,
    };
    match timeout(limit, answered(origins, call, payload)).await {
        Ok(Ok(invoked)) => invoked,
        Err(_) | Ok(Err(OriginFailure::ReadTimeout | OriginFailure::CompletionTimeout)) => Invoked::TimedOut,
        Ok(Err(failure)) => Invoked::Unreachable(failure.to_string()),
    }
}

async fn answered(origins: &Origins, call: Call<'_>, payload: Bytes) -> Result<Invoked, OriginFailure> {
    let OriginResponse { status, headers, mut body, .. } = origins.fetch(call, Full::new(payload)).await?;
    let mut result = BytesMut::new();
    while let Some(piece) = body.next().await {
        result.extend_from_slice(&piece?);
        if result.len() > INVOKED_BYTES_MAX {
            return Ok(Invoked::TooLarge);
        }
    }
    let error = headers.get(FUNCTION_ERROR).and_then(|value| value.to_str().ok());
    Ok(Invoked::read(status, error, &result))
}
