//! One call of a script: the event written, the script run, what it returned checked.
//!
//! It decides what a call comes to and remembers it for whoever asks why; what follows from that is the conductor's.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use serde_json::Value as Json;

use super::event::{self, Context, Moment};
use super::reroute::{self, Reroute};
use super::validate::{self, Invalid, Returned};
use crate::distribution::{Distribution, Target};
use crate::script::{Fault, Input, Script};

/// What a call needs beside request and response.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What runs.
    pub script: &'a Arc<Script>,
    /// What the event says around request and response.
    pub context: Context<'a>,
    /// The name of this edge location, for `cf.edgeLocation`.
    pub location: &'a str,
    /// What time it is to the function.
    pub now: SystemTime,
}

/// Why a function came to nothing (§14.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// 503: it did not run to its end.
    Execution(Fault),
    /// 502: what it returned is not used.
    Validation(Invalid),
}

impl Failed {
    /// The status of the page.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Execution(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Validation(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// Its sentence (§10.4, R9 and R11 to R13).
    pub fn reason(&self) -> String {
        const NOT_RUN: &str = "The CloudFront function associated with the CloudFront distribution is invalid or could not run.";
        match self {
            Self::Execution(_) => NOT_RUN.to_owned(),
            Self::Validation(invalid) => invalid.to_string(),
        }
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
            Self::Execution(Fault::Threw(what)) => write!(f, "503: it threw {what}"),
            Self::Execution(Fault::TooLong) => f.write_str("503: it ran too long"),
            Self::Execution(Fault::TooLarge) => f.write_str("503: it needed too much memory"),
            Self::Execution(Fault::Unreadable(what)) => {
                write!(f, "503: what it returned cannot be read: {what}")
            }
            Self::Execution(Fault::NoEngine) => f.write_str("503: this build runs no functions"),
            Self::Validation(Invalid::ReadOnly(name)) => write!(f, "502: {name} is read-only"),
            Self::Validation(Invalid::Disallowed(name)) => write!(f, "502: {name} may not be set"),
            Self::Validation(Invalid::Value(what)) => write!(f, "502: {what}"),
            Self::Validation(Invalid::Origin(what)) => write!(f, "502: the origin it asked for: {what}"),
        }
    }
}

/// What a function decided about a request.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The request that goes on, or the response.
    pub returned: Returned,
    /// Where it goes instead of the behavior's target.
    pub reroute: Option<Reroute>,
}

/// Runs a function at viewer-request.
pub fn at_request(
    call: &Call<'_>,
    request: &event::Request,
    (distribution, target): (&Distribution, Target),
) -> (Result<Decided, Failed>, Ran) {
    let (returned, mut ran) = run(call, Moment::ViewerRequest, request, None);
    let decided = returned.and_then(|output| {
        let returned = validate::at_request(request, &output["value"])?;
        let reroute = reroute::read(&output["origin"], distribution, target)?;
        Ok(Decided { returned, reroute })
    });
    ran.failed = decided.as_ref().err().cloned();
    (decided, ran)
}

/// Runs a function at viewer-response.
pub fn at_response(
    call: &Call<'_>,
    request: &event::Request,
    response: &event::Response,
) -> (Result<validate::Answer, Failed>, Ran) {
    let (returned, mut ran) = run(call, Moment::ViewerResponse, request, Some(response));
    let answer = returned.and_then(|output| {
        if !output["origin"].is_null() {
            // The helpers are viewer-request's alone (§14.5).
            return Err(Invalid::Origin("only viewer-request functions choose an origin".to_owned()).into());
        }
        Ok(validate::at_response(response, &output["value"])?)
    });
    ran.failed = answer.as_ref().err().cloned();
    (answer, ran)
}

fn run(
    call: &Call<'_>,
    moment: Moment,
    request: &event::Request,
    response: Option<&event::Response>,
) -> (Result<Json, Failed>, Ran) {
    let event = event::write(moment, &call.context, request, response);
    let edge = format!(r#"{{"name":"{}","serverIp":"127.0.0.1","region":"us-east-1"}}"#, call.location);
    let output = call.script.run(&Input {
        event: &event,
        query: request.raw_query.as_deref(),
        edge: &edge,
        now: call.now,
        seed: seed(call.context.request_id),
    });
    let value = match &output.result {
        Err(fault) => Err(Failed::Execution(fault.clone())),
        // Half a pair of surrogates is the one thing the engine writes that is no text.
        Ok(text) => serde_json::from_str(text)
            .map_err(|_| Invalid::Value("it holds a string that is no text".to_owned()).into()),
    };
    let ran = Ran {
        name: call.script.name.clone(),
        moment,
        event,
        returned: output.result.ok(),
        log: output.log,
        utilisation: output.utilisation,
        failed: None,
    };
    (value, ran)
}

/// Chance, the same for the same request (FNV-1a).
fn seed(request_id: &str) -> u32 {
    request_id.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What a call was, for the trace. Texts as they were; what differs is told when somebody asks.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The function's name.
    pub name: String,
    /// When it ran.
    pub moment: Moment,
    /// The event it was given.
    pub event: String,
    /// What it returned, where it did: `{"value": …, "origin": …}`.
    pub returned: Option<String>,
    /// What it wrote to the console.
    pub log: Vec<String>,
    /// Of the steps it may take, in hundredths (§14.3).
    pub utilisation: u8,
    /// Why it came to nothing.
    pub failed: Option<Failed>,
}

impl Ran {
    /// Each place where what came back differs from what was given, one a line.
    pub fn changes(&self) -> Vec<String> {
        let read = |text: &str| serde_json::from_str::<Json>(text).unwrap_or_default();
        let Some(returned) = self.returned.as_deref().map(read) else { return Vec::new() };
        let value = &returned["value"];
        let mut lines = Vec::new();
        match self.moment {
            Moment::ViewerRequest if value.get("statusCode").is_some() => {
                compare("response", &Json::Null, value, &mut lines);
            }
            Moment::ViewerRequest => compare("request", &read(&self.event)["request"], value, &mut lines),
            Moment::ViewerResponse => compare("response", &read(&self.event)["response"], value, &mut lines),
        }
        if !returned["origin"].is_null() {
            lines.push(format!("+ origin: {}", returned["origin"]));
        }
        lines
    }
}

pub(super) fn compare(place: &str, before: &Json, after: &Json, lines: &mut Vec<String>) {
    match (before, after) {
        _ if before == after => {}
        (Json::Object(_) | Json::Null, Json::Object(after)) => {
            let empty = serde_json::Map::new();
            let before = before.as_object().unwrap_or(&empty);
            for (key, value) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
                lines.push(format!("- {place}.{key}: {value}"));
            }
            for (key, value) in after {
                compare(&format!("{place}.{key}"), before.get(key).unwrap_or(&Json::Null), value, lines);
            }
        }
        (Json::Null, after) => lines.push(format!("+ {place}: {after}")),
        (before, after) => lines.push(format!("~ {place}: {before} → {after}")),
    }
}
