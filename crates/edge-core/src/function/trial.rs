//! One run of a function by itself, with an event somebody wrote: the API's `TestFunction` (§14.4).
//!
//! The event is given as it is, whatever else stands in it. What comes back has to be a request or a response; its headers
//! are not checked, as CloudFront does not in tests: what would be wrong with them is told beside. It refuses to know
//! distributions, so that an origin a function chooses is shown and not looked for.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use serde_json::{Value as Json, json};

use super::event::{self, Field, Moment};
use super::run::{Back, NOT_RUN, seed};
use super::validate::{self, Invalid};
use crate::script::{Entry, Fault, Input, Mistake, Parts, Script};

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tested {
    /// `ComputeUtilization`, of the steps it may take in hundredths.
    pub utilisation: u8,
    /// `FunctionExecutionLogs`.
    pub log: Vec<String>,
    /// `FunctionErrorMessage`; `None` where it did not fail.
    pub error: Option<String>,
    /// `FunctionOutput`: `{"request": …}` or `{"response": …}`, of connection functions `{"decision": …}` *(unsure)*.
    pub output: Option<Json>,
    /// The origin it chose, as it said it.
    pub origin: Option<Json>,
    /// What tests do not check, and would fail when it is served.
    pub unchecked: Option<String>,
}

/// Why an event is none, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEvent(String);

impl fmt::Display for BadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadEvent {}

/// The event as it was written: its long parts when they are asked for.
struct Written(Json);

impl Parts for Written {
    fn part(&self, name: &str) -> String {
        match name.split_once('.') {
            Some((of, part)) => match &self.0[of][part] {
                Json::Null => "{}".to_owned(),
                found => found.to_string(),
            },
            None => json!({ "name": "LOCAL", "serverIp": "127.0.0.1", "region": "us-east-1" }).to_string(),
        }
    }
}

/// Runs a function with an event. `now` is what `Date` says to it.
pub fn test(script: &Arc<Script>, event: Json, now: SystemTime) -> Result<Tested, BadEvent> {
    if script.entry == Entry::Connections {
        return test_connection(script, &event, now);
    }
    test_request(script, event, now)
}

/// Why a script cannot be run at all, where its code says so.
fn mistake(script: &Script) -> Option<Tested> {
    let mistake = script.mistakes().into_iter().find(Mistake::is_error)?;
    let error = Some(format!("{NOT_RUN} SyntaxError: {mistake}"));
    Some(Tested { error, ..Tested::default() })
}

fn test_request(script: &Arc<Script>, event: Json, now: SystemTime) -> Result<Tested, BadEvent> {
    let moment = moment(&event)?;
    let (request, response) = typed(&event, moment)?;
    if let Some(failed) = mistake(script) {
        return Ok(failed);
    }
    let mut head = event.clone();
    for (of, parts) in
        [("request", &["querystring", "headers", "cookies"][..]), ("response", &["headers", "cookies"])]
    {
        if let Some(object) = head.get_mut(of).and_then(Json::as_object_mut) {
            parts.iter().for_each(|part| drop(object.shift_remove(*part)));
        }
    }
    let written = Arc::new(Written(event));
    let output = script.run(&Input {
        event: &head.to_string(),
        parts: written.clone(),
        query: request.raw_query.as_deref(),
        now,
        seed: seed(head["context"]["requestId"].as_str().unwrap_or_default()),
    });
    let mut tested = Tested { utilisation: output.utilisation, log: output.log, ..Tested::default() };
    let text = match output.result {
        Ok(text) => text,
        Err(fault) => {
            tested.error = Some(not_run(&fault));
            return Ok(tested);
        }
    };
    match Back::read(&text) {
        Ok(back) => tested.read(back, (moment, &written.0), &request, response.as_ref()),
        Err(invalid) => tested.error = Some(invalid.to_string()),
    }
    Ok(tested)
}

fn test_connection(script: &Arc<Script>, event: &Json, now: SystemTime) -> Result<Tested, BadEvent> {
    if !event.is_object() {
        return Err(BadEvent("the event of a connection is an object".to_owned()));
    }
    if let Some(failed) = mistake(script) {
        return Ok(failed);
    }
    let seed = seed(event["connectionId"].as_str().unwrap_or_default());
    let parts = Arc::new(Written(Json::Null));
    let output = script.run(&Input { event: &event.to_string(), parts, query: None, now, seed });
    let (error, said) = match output.result {
        Ok(text) => (None, serde_json::from_str(&text).ok()),
        Err(fault) => (Some(not_run(&fault)), None),
    };
    let (utilisation, log) = (output.utilisation, output.log);
    Ok(Tested { utilisation, log, error, output: said, ..Tested::default() })
}

fn not_run(fault: &Fault) -> String {
    match fault {
        Fault::Threw(what) => format!("{NOT_RUN} {what}"),
        other => format!("{NOT_RUN} {other}"),
    }
}

impl Tested {
    fn read(
        &mut self,
        back: Back,
        (moment, event): (Moment, &Json),
        request: &event::Request,
        response: Option<&event::Response>,
    ) {
        let is_response = moment == Moment::ViewerResponse || back.value.get("statusCode").is_some();
        let checked = match response.filter(|_| moment == Moment::ViewerResponse) {
            Some(response) => validate::at_response(response, &back.value, &back.same).map(drop),
            None => validate::at_request(request, &back.value, &back.same).map(drop),
        };
        match checked {
            Ok(()) => {}
            Err(invalid @ Invalid::Value(_)) => {
                self.error = Some(invalid.to_string());
                return;
            }
            Err(Invalid::ReadOnly(name)) => self.unchecked = Some(format!("{name} is read-only")),
            Err(Invalid::Disallowed(name)) => self.unchecked = Some(format!("{name} may not be set")),
            Err(Invalid::Origin(what)) => self.unchecked = Some(what),
        }
        let Back { mut value, same, origin } = back;
        if let Json::Object(value) = &mut value {
            let given = &event[moment.subject()];
            let left = |name: String| (name.clone(), given.get(&name).cloned().unwrap_or_else(|| json!({})));
            value.extend(same.into_iter().map(left));
            // In the order they were given, new ones last.
            let place =
                |name: &String| given.as_object().and_then(|given| given.keys().position(|key| key == name));
            let mut fields: Vec<(String, Json)> = std::mem::take(value).into_iter().collect();
            fields.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
            value.extend(fields);
        }
        self.output =
            Some(if is_response { json!({ "response": value }) } else { json!({ "request": value }) });
        self.origin = Some(origin).filter(|origin| !origin.is_null());
    }
}

fn moment(event: &Json) -> Result<Moment, BadEvent> {
    match event["context"]["eventType"].as_str() {
        Some("viewer-request") => Ok(Moment::ViewerRequest),
        Some("viewer-response") => Ok(Moment::ViewerResponse),
        Some(other) => Err(BadEvent(format!(
            "context.eventType: {other:?} is no event of a CloudFront Function\n  hint: viewer-request or viewer-response"
        ))),
        None if event.get("response").is_some() => Ok(Moment::ViewerResponse),
        None => Ok(Moment::ViewerRequest),
    }
}

/// Request and response as functions are given them.
fn typed(event: &Json, moment: Moment) -> Result<(event::Request, Option<event::Response>), BadEvent> {
    let hint = "as in {\"request\": {\"method\": \"GET\", \"uri\": \"/\", \"querystring\": {}, \"headers\": {}, \"cookies\": {}}}";
    let request = event["request"]
        .as_object()
        .ok_or_else(|| BadEvent(format!("request: an object is expected\n  hint: {hint}")))?;
    let text = |name: &str| {
        let found = request.get(name).and_then(Json::as_str);
        found
            .map(str::to_owned)
            .ok_or_else(|| BadEvent(format!("request.{name}: a text is expected\n  hint: {hint}")))
    };
    let query = fields("request.querystring", request.get("querystring"))?;
    let pairs = query
        .iter()
        .flat_map(|field| field.values.iter().map(|value| format!("{}={}", field.name, value.text)));
    let raw_query = Some(pairs.collect::<Vec<_>>().join("&")).filter(|query| !query.is_empty());
    let typed = event::Request {
        method: text("method")?,
        uri: text("uri")?,
        raw_query,
        query,
        headers: fields("request.headers", request.get("headers"))?,
        cookies: fields("request.cookies", request.get("cookies"))?,
    };
    if moment == Moment::ViewerRequest {
        return Ok((typed, None));
    }
    let response = &event["response"];
    let status = response["statusCode"].as_u64().and_then(|code| u16::try_from(code).ok());
    let status = status.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(|| {
        BadEvent("response.statusCode: a status is expected\n  hint: as in {\"response\": {\"statusCode\": 200, \"headers\": {}}}".to_owned())
    })?;
    let headers = fields("response.headers", response.get("headers"))?;
    let cookies = fields("response.cookies", response.get("cookies"))?;
    Ok((typed, Some(event::Response { status, headers, cookies })))
}

fn fields(what: &str, value: Option<&Json>) -> Result<Vec<Field>, BadEvent> {
    validate::given(what, value).map_err(|invalid| match invalid {
        Invalid::Value(why) => BadEvent(why),
        other => BadEvent(other.to_string()),
    })
}

#[cfg(test)]
#[cfg(feature = "functions")]
mod tests;
