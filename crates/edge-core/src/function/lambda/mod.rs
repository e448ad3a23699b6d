//! Lambda@Edge (§14.1, §14.7): what a function is told, and what it may answer.
//!
//! A call is made by whoever drives the core, so it is two values here: an [`Invocation`] says whom to call with what,
//! and [`Invoked`] is what came of it. What follows from that for the exchange is the conductor's. Nothing here knows
//! how a call travels.

pub mod event;
mod invoked;
mod origin;
pub mod result;

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use serde_json::Value as Json;

pub use self::invoked::{INVOKED_BYTES_MAX, Invoked};
use super::run::compare;
use super::validate::Invalid;
use crate::distribution::lambda::{IncludeBody, Lambda, LambdaEvent};

/// What a function sees, or gives, of a body: 40 KB at viewer events, 1 MB at those of the origin (§5.4).
pub const fn body_bytes_max(event: LambdaEvent) -> usize {
    match event {
        LambdaEvent::ViewerRequest | LambdaEvent::ViewerResponse => 40 * 1024,
        LambdaEvent::OriginRequest | LambdaEvent::OriginResponse => 1024 * 1024,
    }
}

/// A call that is to be made.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Whom to call, and where.
    pub lambda: Arc<Lambda>,
    /// When.
    pub event: LambdaEvent,
    /// The event, but for the body of the request.
    pub(crate) told: Json,
}

/// The beginning of a request's body, as far as a function may see it.
#[derive(Debug, Clone, Copy)]
pub struct Glimpse<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What follows them.
    pub rest: Rest,
}

/// Whether a body goes on behind what was seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// That was all.
    Nothing,
    /// It does.
    More,
}

impl Invocation {
    /// How many bytes of the request's body the function wants to see at most; `None`: nothing of it.
    pub fn wants_body(&self) -> Option<usize> {
        let sees = matches!(self.event, LambdaEvent::ViewerRequest | LambdaEvent::OriginRequest)
            && self.lambda.body == IncludeBody::Yes;
        sees.then(|| body_bytes_max(self.event))
    }

    /// Each place where what came back differs from what was told, one a line.
    pub fn changes(&self, invoked: &Invoked) -> Vec<String> {
        let Invoked::Returned(back) = invoked else { return Vec::new() };
        let (request, response) = (event::request_of(&self.told), event::response_of(&self.told));
        let (place, before) = match self.event {
            LambdaEvent::OriginResponse | LambdaEvent::ViewerResponse => ("response", response),
            _ if back.get("status").is_some() => ("response", &Json::Null),
            LambdaEvent::ViewerRequest | LambdaEvent::OriginRequest => ("request", request),
        };
        let mut lines = Vec::new();
        compare(place, before, back, &mut lines);
        lines
    }

    /// The whole event, as JSON.
    pub fn payload(&self, body: Option<Glimpse<'_>>) -> String {
        event::payload(&self.told, body)
    }
}

/// Why a call came to nothing (§14.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// 503: it threw, took too long, or could not be called: why.
    Execution(String),
    /// 503: it was throttled.
    Limit,
    /// 502: what it returned is not used.
    Validation(Invalid),
}

impl Failed {
    /// The status of the page.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Execution(_) | Self::Limit => StatusCode::SERVICE_UNAVAILABLE,
            Self::Validation(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// Its sentence (§10.4, R10 and R14).
    pub fn reason(&self) -> String {
        const NOT_RUN: &str = "The Lambda function associated with the CloudFront distribution is invalid or doesn't have the required permissions.";
        const THROTTLED: &str =
            "The Lambda function associated with the CloudFront distribution was throttled.";
        match self {
            Self::Execution(_) => NOT_RUN.to_owned(),
            Self::Limit => THROTTLED.to_owned(),
            Self::Validation(invalid) => {
                format!("The Lambda function result failed validation: {}", sentence(invalid))
            }
        }
    }
}

/// What is wrong with a result, as the page says it.
fn sentence(invalid: &Invalid) -> String {
    match invalid {
        Invalid::ReadOnly(_) => "The function tried to add, delete, or change a read-only header.".to_owned(),
        Invalid::Disallowed(_) => "The function tried to add a disallowed header.".to_owned(),
        Invalid::Value(what) => what.clone(),
        Invalid::Origin(what) => format!("The origin is invalid: {what}."),
    }
}

impl From<Invalid> for Failed {
    fn from(invalid: Invalid) -> Self {
        Self::Validation(invalid)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Execution(why) => write!(f, "503: {why}"),
            Self::Limit => f.write_str("503: it was throttled"),
            Self::Validation(Invalid::ReadOnly(name)) => write!(f, "502: {name} is read-only"),
            Self::Validation(Invalid::Disallowed(name)) => write!(f, "502: {name} may not be set"),
            Self::Validation(invalid) => write!(f, "502: {}", sentence(invalid)),
        }
    }
}

/// What was called, for whoever asks why.
#[derive(Debug, Clone)]
pub struct Called {
    /// Whom.
    pub arn: String,
    /// When.
    pub event: LambdaEvent,
    /// Why it came to nothing.
    pub failed: Option<Failed>,
}

/// The calls of an exchange, in order. Nearly always there are none, and nothing is allocated.
#[derive(Debug, Clone, Default)]
#[expect(clippy::box_collection, reason = "a vector would make the step of every hit larger")]
pub struct Calls(Option<Box<Vec<Called>>>);

impl Calls {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Called> {
        self.0.iter().flat_map(|calls| calls.iter())
    }

    /// One more.
    pub(crate) fn note(&mut self, invocation: &Invocation, failed: Option<&Failed>) {
        let called =
            Called { arn: invocation.lambda.arn.clone(), event: invocation.event, failed: failed.cloned() };
        self.0.get_or_insert_default().push(called);
    }
}
