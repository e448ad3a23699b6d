//! What would be done with one request, decision by decision, and where in the configuration each comes from.
//!
//! It drives the steps of [`crate::exchange`] as the data path does and writes down what they carry; it decides
//! nothing, and asks no server: what an origin says is told to it. So what it says is what the proxy does, and a test
//! holds them side by side.

mod place;
mod why_miss;

pub use why_miss::{Part, Which, WhyMiss, why_miss};

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use self::place::Places;
use crate::cache::{Epoch, Held, Key, Stored};
use crate::distribution::{Behavior, LambdaEvent};
use crate::exchange::{self, Answer, Ask, LookUp, Outcome, Rules, Step, Storing, Trace};
use crate::function::lambda::{Failed, Invocation, Invoked};
use crate::function::run::Ran;
use crate::response::Response;
use crate::viewer::traffic::Traffic;
use crate::viewer::{Certificate, Request, Scheme, Tls};

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What it is about; the set of words is stable.
    pub about: &'static str,
    /// What was decided, and by which value.
    pub text: String,
    /// The field of the configuration it comes from, where it comes from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// All that was decided about a request.
#[derive(Debug, Default)]
pub struct Explanation {
    /// In order.
    pub decisions: Vec<Decision>,
    /// What was looked up first.
    pub key: Option<Key>,
    /// What the viewer gets; `None` where an origin's answer was needed and nobody gave one.
    pub response: Option<Response>,
    /// The head that is kept, if anything is.
    pub stored: Option<Arc<Stored>>,
}

/// Tells the story of a request. `held` is what the store holds under its key; `origin` says what an origin answers,
/// or `None` to end the story there, and `lambda` likewise what a Lambda returns.
pub fn tell(
    rules: &Arc<Rules>,
    mut request: Request,
    id: HeaderValue,
    mut held: Option<Held<'_>>,
    origin: &mut dyn FnMut(&Ask) -> Option<Outcome>,
    lambda: &mut dyn FnMut(&Invocation) -> Option<Invoked>,
    now: SystemTime,
) -> Explanation {
    let (target, headers) = (request.target.clone(), request.headers.clone());
    let mut story = Story { rules, target, headers, told: Explanation::default(), entered: false };
    let line = format!("{} {} for {}", request.method, request.target, request.host_name());
    story.say("request", line, None);
    let distribution = &rules.distribution;
    if distribution.viewer_tls.requires_certificate()
        && request.scheme == Scheme::Https
        && request.tls.is_none()
    {
        let certificate =
            Certificate { shown_to: distribution.domain_name.clone(), ..Certificate::default() };
        request.tls = Some(Tls { certificate: Some(Arc::new(certificate)), ..Tls::default() });
        story.say(
            "certificate",
            "one that was verified; what it says is not known",
            Some("ViewerMtlsConfig".to_owned()),
        );
    }
    if let Some(function) = &distribution.viewer_tls.function
        && request.scheme == Scheme::Https
    {
        let tls = request.tls.get_or_insert_default();
        if tls.allowed_by.is_none() {
            tls.allowed_by = Some(distribution.domain_name.as_str().into());
            let said =
                format!("the function {} is asked at the handshake, and let the viewer in", function.name);
            story.say("connection", said, Some("ConnectionFunctionAssociation".to_owned()));
        }
    }
    let mut step = exchange::begin(rules, request, id, now);
    loop {
        step = match step {
            Step::Answer(mut answer) => {
                if let Some(pending) = answer.response.pending.take() {
                    let Some(invoked) = story.invoked(pending.invocation(), lambda) else {
                        return story.told;
                    };
                    let (response, failed) = pending.answered(answer.response, invoked);
                    answer.response = response;
                    story.lambda_failed(failed.as_ref());
                }
                story.answer(answer);
                return story.told;
            }
            Step::Invoke(invoke) => {
                story.entered(invoke.trace(), invoke.request());
                let Some(invoked) = story.invoked(invoke.invocation(), lambda) else { return story.told };
                story.went_on(invoke.answered(invoked, now))
            }
            Step::LookUp(look_up) => {
                story.entered(look_up.trace(), look_up.request());
                story.key(&look_up);
                // A second look-up is about a custom error page, of which nothing is held.
                look_up.found(held.take(), Epoch::default(), now)
            }
            Step::Instead { storing, trace, page } => {
                story.told.stored = head_of(storing);
                story.failed(&trace);
                *page
            }
            Step::Ask(ask) => {
                story.asked(&ask);
                if let Some(invocation) = ask.invocation() {
                    let Some(invoked) = story.invoked(invocation, lambda) else { return story.told };
                    step = story.went_on(ask.invoked(invoked, now));
                    continue;
                }
                let Some(outcome) = origin(&ask) else {
                    story.say("origin", "not asked: nobody said what it answers", None);
                    return story.told;
                };
                story.say("origin", said(&outcome), None);
                ask.answered(outcome, now)
            }
        };
    }
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Response { status, .. } => format!("answers {status}"),
        Outcome::Failed(failure) => format!("fails: {failure}"),
    }
}

fn head_of(storing: Option<Storing>) -> Option<Arc<Stored>> {
    match storing? {
        Storing::Whole { stored, .. } | Storing::Head { stored, .. } => Some(stored),
        Storing::Forget { .. } => None,
    }
}

/// The story as it is told.
struct Story<'a> {
    rules: &'a Rules,
    /// As the viewer sent it.
    target: PathAndQuery,
    headers: HeaderMap,
    told: Explanation,
    /// Whether it was said which behavior this is.
    entered: bool,
}

impl Story<'_> {
    fn say(&mut self, about: &'static str, text: impl Into<String>, from: Option<String>) {
        self.told.decisions.push(Decision { about, text: text.into(), from });
    }

    fn places(&self, trace: &Trace) -> Option<Places<'_>> {
        trace.behavior.map(|id| Places::of(&self.rules.distribution, id))
    }

    /// Behavior, device and function.
    fn entered(&mut self, trace: &Trace, request: &Request) {
        let Some(id) = trace.behavior.filter(|_| !self.entered) else { return };
        self.entered = true;
        let behavior = self.rules.distribution.behavior(id);
        let places = Places::of(&self.rules.distribution, id);
        let (pattern, function) = (places.behavior("PathPattern"), places.behavior("FunctionAssociations"));
        self.say("behavior", behavior.path_pattern.as_str(), Some(pattern));
        self.skipped(behavior, &places.behavior("LambdaFunctionAssociations"));
        if let Some(signed) = &trace.signed {
            self.say("signature", signed.to_string(), Some(places.behavior("TrustedKeyGroups")));
        }
        if let Some(device) = trace.device {
            self.say("device", device.to_string(), None);
        }
        if let Some(applied) = trace.applied {
            self.say("function", applied.to_string(), Some(function));
            self.changed(request);
        }
        self.ran(trace.ran_at_request.as_deref(), trace);
    }

    /// What a function changed and said.
    fn ran(&mut self, ran: Option<&Ran>, trace: &Trace) {
        let Some(ran) = ran else { return };
        let from = self.places(trace).map(|places| places.behavior("FunctionAssociations"));
        let head = format!("{} at {}, {} % of its time", ran.name, ran.moment.as_str(), ran.utilisation);
        self.say("function", head, from);
        for line in ran.changes() {
            self.say("function", format!("  {line}"), None);
        }
        for line in &ran.log {
            self.say("console", line.as_str(), None);
        }
        if let Some(failed) = &ran.failed {
            self.say("function", failed.to_string(), None);
        }
    }

    /// What the rule made of the request.
    fn changed(&mut self, request: &Request) {
        let mut lines = Vec::new();
        if request.target != self.target {
            lines.push(format!("  {} becomes {}", self.target, request.target));
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        for name in self.headers.keys().filter(|name| !request.headers.contains_key(*name)) {
            lines.push(format!("  takes out {name}"));
        }
        for (name, value) in &request.headers {
            match self.headers.get(name) {
                Some(before) if before == value => {}
                Some(before) => lines.push(format!("  {name}: {} becomes {}", text(before), text(value))),
                None => lines.push(format!("  puts in {name}: {}", text(value))),
            }
        }
        for line in lines {
            self.say("function", line, None);
        }
    }

    /// What a Lambda returns; `None` where nobody says.
    fn invoked(
        &mut self,
        invocation: &Invocation,
        lambda: &mut dyn FnMut(&Invocation) -> Option<Invoked>,
    ) -> Option<Invoked> {
        let (arn, event) = (&invocation.lambda.arn, invocation.event);
        let Some(invoked) = lambda(invocation) else {
            self.say("lambda", format!("{arn} at {event}: nobody said what it returns"), None);
            return None;
        };
        self.say("lambda", format!("{arn} at {event}"), None);
        for line in invocation.changes(&invoked) {
            self.say("lambda", format!("  {line}"), None);
        }
        Some(invoked)
    }

    /// Why the last call came to nothing, if it did.
    fn went_on(&mut self, step: Step) -> Step {
        let trace = match &step {
            Step::Answer(answer) => &answer.trace,
            Step::LookUp(look_up) => look_up.trace(),
            Step::Ask(ask) => ask.trace(),
            Step::Invoke(invoke) => invoke.trace(),
            Step::Instead { trace, .. } => trace,
        };
        let failed = trace.lambdas.iter().last().and_then(|last| last.failed.clone());
        self.lambda_failed(failed.as_ref());
        step
    }

    fn lambda_failed(&mut self, failed: Option<&Failed>) {
        if let Some(failed) = failed {
            self.say("lambda", failed.to_string(), None);
        }
    }

    /// Lambdas that nobody can call.
    fn skipped(&mut self, behavior: &Behavior, from: &str) {
        for event in LambdaEvent::ALL {
            if let Some(lambda) = behavior.lambdas.named(event).filter(|lambda| lambda.endpoint.is_none()) {
                let text =
                    format!("{} at {event} is skipped: nobody says where it can be called", lambda.arn);
                self.say("lambda", text, Some(from.to_owned()));
            }
        }
    }

    fn key(&mut self, look_up: &LookUp) {
        let Some(places) = look_up.trace().behavior.map(|id| Places::of(&self.rules.distribution, id)) else {
            return;
        };
        let parts: Vec<(String, Option<String>)> =
            why_miss::parts(look_up.key()).map(|part| (part.to_string(), places.key(part.kind))).collect();
        for (text, from) in parts {
            self.say("key", text, from);
        }
        self.told.key.get_or_insert_with(|| look_up.key().clone());
    }

    /// What a custom error page is shown for.
    fn failed(&mut self, trace: &Trace) {
        self.refused(trace);
        if let Some(failure) = trace.failure {
            self.say("origin", failure.to_string(), None);
        }
        self.stored(trace);
        self.say(
            "error page",
            "the viewer gets a page of its own (§10.1)",
            Some("CustomErrorResponses".to_owned()),
        );
    }

    fn refused(&mut self, trace: &Trace) {
        if let Some(refused) = trace.refused {
            self.say("gate", refused.to_string(), None);
        }
    }

    /// Whether it is kept, for how long, by which setting, and what the guard says.
    fn stored(&mut self, trace: &Trace) {
        if let Some(lifetime) = &trace.lifetime {
            let from = self.places(trace).and_then(|places| places.lifetime(lifetime));
            self.say("storing", lifetime.to_string(), from);
        }
        if let Some(withheld) = &trace.withheld {
            self.say("guard", withheld.to_string(), None);
        }
    }

    fn asked(&mut self, ask: &Ask) {
        self.entered(ask.trace(), ask.request());
        let trace = ask.trace();
        match (ask.key(), &trace.found) {
            (Some(_), Some(found)) => self.say("look-up", found.to_string(), None),
            _ => {
                let from = self.places(trace).map(|places| places.behavior("GrpcConfig"));
                let (text, from) = match ask.request().traffic {
                    Traffic::Messages => ("none: nothing is looked up for this behavior or method", None),
                    Traffic::WebSocket => ("none: a WebSocket is never stored (§7.10)", None),
                    Traffic::Grpc => ("none: a call of gRPC is never stored (§7.10)", from),
                };
                self.say("key", text, from);
            }
        }
        if let Some(because) = trace.failed_over {
            let from = self.places(trace).map(|places| places.behavior("TargetOriginId"));
            self.say("failover", because.to_string(), from);
        }
        self.call(ask);
    }

    /// What goes to the origin, who put it there, and what stays behind.
    fn call(&mut self, ask: &Ask) {
        let (call, distribution) = (ask.call(), &self.rules.distribution);
        let origin = call.origin_of(distribution);
        let Some(places) = ask.trace().behavior.map(|id| Places::of(distribution, id)) else { return };
        let line =
            format!("{} {}://{}{}", call.method, call.scheme.as_str(), origin.domain_name, call.target);
        let mut lines = vec![(line, Some(places.behavior("TargetOriginId")))];
        for (name, value) in &call.headers {
            let text = format!("  {name}: {}", String::from_utf8_lossy(value.as_bytes()));
            lines.push((text, places.sent(name, value, call.origin)));
        }
        for (text, from) in lines {
            self.say("to origin", text, from);
        }
        let mut kept: Vec<&str> = self.headers.keys().map(http::HeaderName::as_str).collect();
        kept.retain(|name| !call.headers.contains_key(*name));
        if !kept.is_empty() {
            let text = format!("the viewer's {}", kept.join(", "));
            self.say("not sent", text, None);
        }
        self.say("sharing", ask.sharing().to_string(), None);
    }

    fn answer(&mut self, answer: Answer) {
        let Answer { response, storing, compress, refresh, trace } = answer;
        self.refused(&trace);
        if !self.entered {
            self.ran(trace.ran_at_request.as_deref(), &trace); // it ended with the function
        }
        self.ran(trace.ran_at_response.as_deref(), &trace);
        match (&trace.found, &trace.stood_in) {
            (Some(found), None) if trace.lifetime.is_none() => {
                self.say("look-up", found.to_string(), None);
            }
            (_, Some(stood_in)) => self.say("stale", stood_in.to_string(), None),
            _ => {}
        }
        self.stored(&trace);
        if let Some(coding) = compress {
            let from = self.places(&trace).map(|places| places.behavior("Compress"));
            self.say("compress", format!("{coding:?}").to_lowercase(), from);
        }
        if let Some(status) = trace.page_for {
            self.say("error page", format!("instead of {} (§10.1)", status.as_str()), None);
        }
        if let Some(refresh) = refresh {
            self.say("refresh", "in the background, for everybody (§7.5)", None);
            self.call(&refresh);
        }
        self.say("viewer gets", response.status.to_string(), None);
        let places = self.places(&trace);
        let header = |(name, value): (&http::HeaderName, &HeaderValue)| {
            let text = format!("  {name}: {}", String::from_utf8_lossy(value.as_bytes()));
            (text, places.as_ref().and_then(|places| places.shown(name, value)))
        };
        let headers: Vec<_> = response.headers.iter().map(header).collect();
        for (text, from) in headers {
            self.say("viewer gets", text, from);
        }
        self.told.stored = head_of(storing).or_else(|| self.told.stored.take());
        self.told.response = Some(response);
    }
}

impl Explanation {
    /// A decision a line, for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for Decision { about, text: line, from } in &self.decisions {
            let shown = if *about == last { "" } else { about };
            let from = from.as_ref().map_or(String::new(), |from| format!("   <- {from}"));
            _ = writeln!(text, "{shown:<12} {line}{from}");
            last = about;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::cache::storing::Guard;
    use crate::response::Place;
    use crate::viewer::Stream;
    use crate::viewer::device::Memo;

    /// Nobody can show a certificate here, and what would follow is what is asked for.
    #[test]
    fn a_required_certificate_is_taken_as_shown() {
        let document = r#"{"CallerReference": "t", "Comment": "", "Enabled": true,
            "ViewerMtlsConfig": {"Mode": "required", "TrustStoreConfig": {"TrustStoreId": "ts"}},
            "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "origin.test",
                "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}]},
            "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}}"#;
        let distribution = crate::distribution::load(document).unwrap().distribution;
        let (place, devices) = (Place::new(7, None), Memo::new(1));
        let rules = Arc::new(Rules { distribution, guard: Guard::On, place, devices });
        let told = |scheme| {
            let (parts, ()) =
                http::Request::get("/a").header("host", "localhost").body(()).unwrap().into_parts();
            let request = Request::read(parts, scheme, Stream::Ended, ([127, 0, 0, 1], 1).into()).unwrap();
            let id = HeaderValue::from_static("id");
            let told = tell(&rules, request, id, None, &mut |_| None, &mut |_| None, UNIX_EPOCH);
            told.decisions.into_iter().map(|decision| decision.about).collect::<Vec<_>>()
        };
        assert_eq!(told(Scheme::Https)[..3], ["request", "certificate", "behavior"]);
        assert_eq!(told(Scheme::Http)[..2], ["request", "gate"]);
    }
}
