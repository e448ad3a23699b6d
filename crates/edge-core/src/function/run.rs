//! One call of a script: the event written, the script run, what it returned checked.
//!
//! It decides what a call comes to and remembers it for whoever asks why; what follows from that is the conductor's.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use serde_json::Value as Json;

use super::event::{self, Context, Given, Moment};
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
            Self::Execution(fault) => write!(f, "503: {fault}"),
            Self::Validation(Invalid::ReadOnly(name)) => write!(f, "502: {name} is read-only"),
            Self::Validation(Invalid::Disallowed(name)) => write!(f, "502: {name} may not be set"),
            Self::Validation(Invalid::Value(what)) => write!(f, "502: {what}"),
            Self::Validation(Invalid::Origin(what)) => write!(f, "502: the origin it asked for: {what}"),
        }
    }
}

/// What is said of a function that did not run to its end (§10.4, §14.4).
pub(super) const NOT_RUN: &str =
    "The CloudFront function associated with the CloudFront distribution is invalid or could not run.";

/// What a function decided about a request.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The request that goes on, or the response.
    pub returned: Returned,
    /// Where it goes instead of the behavior's target.
    pub reroute: Option<Reroute>,
}

/// What a script handed back.
pub(super) struct Back {
    pub(super) value: Json,
    /// The fields of the value that are as they were given, and not in it.
    pub(super) same: Vec<String>,
    pub(super) origin: Json,
}

impl Back {
    /// Of what `script::Output` holds. Half a pair of surrogates is the one thing the engine writes that is no text.
    pub(super) fn read(text: &str) -> Result<Self, Invalid> {
        let mut back: Json = serde_json::from_str(text)
            .map_err(|_| Invalid::Value("it holds a string that is no text".to_owned()))?;
        let mut take = |name: &str| back.get_mut(name).map(Json::take).unwrap_or_default();
        let same = match take("same") {
            Json::Array(names) => names.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Ok(Self { value: take("value"), same, origin: take("origin") })
    }
}

/// Runs a function at viewer-request.
pub fn at_request(
    call: &Call<'_>,
    request: event::Request,
    (distribution, target): (&Distribution, Target),
) -> (Result<Decided, Failed>, Ran) {
    let (returned, mut ran) = run(call, Moment::ViewerRequest, request, None);
    let decided = returned.and_then(|back| {
        let returned = validate::at_request(&ran.given.request, &back.value, &back.same)?;
        let reroute = reroute::read(&back.origin, distribution, target)?;
        Ok(Decided { returned, reroute })
    });
    ran.failed = decided.as_ref().err().cloned();
    (decided, ran)
}

/// Runs a function at viewer-response.
pub fn at_response(
    call: &Call<'_>,
    request: event::Request,
    response: event::Response,
) -> (Result<validate::Answer, Failed>, Ran) {
    let (returned, mut ran) = run(call, Moment::ViewerResponse, request, Some(response));
    let answer = returned.and_then(|back| {
        if !back.origin.is_null() {
            // The helpers are viewer-request's alone (§14.5).
            return Err(Invalid::Origin("only viewer-request functions choose an origin".to_owned()).into());
        }
        let given = ran.given.response.as_ref().ok_or_else(|| Invalid::Value("it had none".to_owned()))?;
        Ok(validate::at_response(given, &back.value, &back.same)?)
    });
    ran.failed = answer.as_ref().err().cloned();
    (answer, ran)
}

fn run(
    call: &Call<'_>,
    moment: Moment,
    request: event::Request,
    response: Option<event::Response>,
) -> (Result<Back, Failed>, Ran) {
    let given = Arc::new(Given { request, response, location: call.location.to_owned() });
    let output = call.script.run(&Input {
        event: &event::write(moment, &call.context, &given),
        parts: given.clone(),
        query: given.request.raw_query.as_deref(),
        now: call.now,
        seed: seed(call.context.request_id),
    });
    let back = match &output.result {
        Err(fault) => Err(Failed::Execution(fault.clone())),
        Ok(text) => Back::read(text).map_err(Failed::from),
    };
    let ran = Ran {
        name: call.script.name.clone(),
        moment,
        given,
        returned: output.result.ok(),
        log: output.log,
        utilisation: output.utilisation,
        failed: None,
    };
    (back, ran)
}

/// Chance, the same for the same request (FNV-1a).
pub(super) fn seed(request_id: &str) -> u32 {
    request_id.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// What a call was, for the trace. Texts as they were; what differs is told when somebody asks.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The function's name.
    pub name: String,
    /// When it ran.
    pub moment: Moment,
    /// What it was given.
    pub given: Arc<Given>,
    /// What it returned, where it did: see `script::Output`.
    pub returned: Option<String>,
    /// What it wrote to the console.
    pub log: Vec<String>,
    /// Of the steps it may take, in hundredths (§14.3).
    pub utilisation: u8,
    /// Why it came to nothing.
    pub failed: Option<Failed>,
}

impl Ran {
    /// What it was given and may return: the event's `request` or `response`.
    pub fn before(&self) -> Json {
        self.given.whole(self.moment)
    }

    /// What it returned, whole, and the origin it chose (`Null`: none); nothing where it came to nothing.
    pub fn after(&self) -> Option<(Json, Json)> {
        let back = Back::read(self.returned.as_deref()?).ok()?;
        let (before, mut value) = (self.before(), back.value);
        if let Json::Object(value) = &mut value {
            value.extend(back.same.into_iter().map(|name| (name.clone(), before[&name].clone())));
        }
        Some((value, back.origin))
    }

    /// Each place where what came back differs from what was given, one a line.
    pub fn changes(&self) -> Vec<String> {
        let Some((value, origin)) = self.after() else { return Vec::new() };
        let before = self.before();
        let mut lines = Vec::new();
        match self.moment {
            Moment::ViewerRequest if value.get("statusCode").is_some() => {
                compare("response", &Json::Null, &value, &mut lines);
            }
            moment => compare(moment.subject(), &before, &value, &mut lines),
        }
        if !origin.is_null() {
            lines.push(format!("+ origin: {origin}"));
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
