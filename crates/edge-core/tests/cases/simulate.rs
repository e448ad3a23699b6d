//! Runs a case through the pure core: a map for a store, a number for a clock, the case for an origin.
//!
//! It obeys the steps exactly as the data path does, and decides nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge_core::cache::freshness::Lifetime;
use edge_core::cache::key::Kind;
use edge_core::cache::storing::Guard;
use edge_core::cache::{Key, Stored};
use edge_core::distribution::{self, document};
use edge_core::exchange::{
    self, Answer, Ask, Ending, Outcome, Rules, Sharing, Step as Decision, Storing, Trace,
};
use edge_core::origin::Failure;
use edge_core::response::{Connection, Place, Source};
use edge_core::viewer::device::Memo;
use edge_core::viewer::{Request, Scheme, Stream};
use http::{HeaderMap, HeaderValue, Version};

use super::compile;
use super::format::{
    self, Case, Difference, Inside, Message, Mode, START, Seen, SeenAsked, Step, World, check,
};

const PEER: &str = "192.0.2.2:40000";

/// What a case did not fulfil; empty is passed. `watch` is told what was seen of each step, by its number from 0.
pub(crate) fn run(case: &Case, mode: Mode, watch: &mut dyn FnMut(usize, Seen)) -> Vec<String> {
    let text = match compile::document(case) {
        Ok(text) => text,
        Err(error) => return vec![error],
    };
    match (document::load(&text), &case.refused) {
        (Ok(loaded), None) => Simulator::new(loaded.distribution, mode, watch).run(case),
        (Ok(_), Some(code)) => vec![format!("the document loads; expected {code}")],
        (Err(problems), None) => vec![format!("the document does not load: {problems}")],
        (Err(problems), Some(code)) => {
            let times = problems.errors().filter(|problem| problem.code == code).count();
            match case.refused_times {
                None if times > 0 => Vec::new(),
                Some(expected) if times == expected => Vec::new(),
                None => vec![format!("expected {code}, got: {problems}")],
                Some(expected) => {
                    vec![format!("expected {code} {expected} times, got it {times} times: {problems}")]
                }
            }
        }
    }
}

struct Object {
    stored: Arc<Stored>,
    body: Vec<u8>,
}

struct Simulator<'w> {
    mode: Mode,
    watch: &'w mut dyn FnMut(usize, Seen),
    rules: Arc<Rules>,
    store: HashMap<Key, Object>,
    requests: u64,
}

/// A request that waits for its origin.
struct Pending<'a> {
    step: &'a Step,
    number: usize,
    world: World,
    ask: Ask,
    key: Option<Vec<String>>,
}

impl<'w> Simulator<'w> {
    fn new(
        distribution: distribution::Distribution,
        mode: Mode,
        watch: &'w mut dyn FnMut(usize, Seen),
    ) -> Self {
        let guard = match mode {
            Mode::Exact => Guard::Off,
            Mode::Guard => Guard::On,
        };
        let rules = Rules { distribution, guard, place: Place::new(7, None), devices: Memo::new(16) };
        Self { mode, watch, rules: Arc::new(rules), store: HashMap::new(), requests: 0 }
    }

    fn run(mut self, case: &Case) -> Vec<String> {
        let mut failures = Vec::new();
        let mode = self.mode;
        let mut steps = case.steps.iter().enumerate().filter(|(_, step)| step.mode.include(mode)).peekable();
        while let Some(first) = steps.next() {
            let mut together = vec![first];
            while let Some(next) = steps.next_if(|(_, step)| step.meanwhile) {
                together.push(next);
            }
            self.exchange(&together, &mut failures);
        }
        failures
    }

    /// One request, and those that arrive while it is under way.
    fn exchange(&mut self, together: &[(usize, &Step)], failures: &mut Vec<String>) {
        let mut pending = Vec::new();
        for &(number, step) in together {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(START + step.at);
            let start = SystemTime::UNIX_EPOCH + Duration::from_secs(START);
            let mut peer: SocketAddr = PEER.parse().unwrap();
            peer.set_ip(step.peer.unwrap_or(peer.ip()));
            let world = World { start, now, peer };
            match self.begin(step, &world) {
                Ok(Begun::Answered(seen)) => self.report(step, number, &world, *seen, failures),
                Ok(Begun::Asks(ask, key)) => pending.push(Pending { step, number, world, ask: *ask, key }),
                Err(error) => failures.push(format!("step {}: {error}", number + 1)),
            }
        }
        let mut leader: Option<(Key, Option<Arc<Stored>>)> = None;
        for Pending { step, number, world, ask, key } in pending {
            let shared = (ask.sharing() == Sharing::Collapsed).then(|| ask.key().cloned()).flatten();
            let joins = match (&leader, &shared) {
                (Some((flight, Some(stored))), Some(key)) if flight == key => Some(Arc::clone(stored)),
                _ => None,
            };
            let seen = match joins {
                Some(stored) => {
                    let body =
                        shared.as_ref().and_then(|key| self.store.get(key)).map(|object| object.body.clone());
                    let answer = ask.joined(&stored, world.now);
                    Ok(self.seen(answer, body.as_deref(), Vec::new(), key))
                }
                None => self.ask(step, &world, ask, key).map(|(seen, stored)| {
                    if let (None, Some(key)) = (&leader, shared) {
                        leader = Some((key, stored));
                    }
                    seen
                }),
            };
            match seen {
                Ok(seen) => self.report(step, number, &world, seen, failures),
                Err(error) => failures.push(format!("step {}: {error}", number + 1)),
            }
        }
    }

    fn report(
        &mut self,
        step: &Step,
        number: usize,
        world: &World,
        mut seen: Seen,
        failures: &mut Vec<String>,
    ) {
        if step.request.trim_start().starts_with("HEAD ")
            && seen.inside.as_ref().is_some_and(|inside| inside.own_page)
        {
            seen.body.clear(); // a page of the edge's own is not sent to HEAD; how, is the connection's business
        }
        let differences: Vec<Difference> = check(step, self.mode, world, &seen);
        let line = step.request.trim_start().lines().next().unwrap_or_default();
        let line: String = line.chars().take(60).collect();
        failures.extend(
            differences
                .iter()
                .map(|difference| format!("step {} at {} s ({line}): {difference}", number + 1, step.at)),
        );
        (self.watch)(number, seen);
    }

    fn begin(&mut self, step: &Step, world: &World) -> Result<Begun, String> {
        self.requests += 1;
        let id = HeaderValue::from_str(&format!("case-{:04}==", self.requests)).unwrap();
        let message = step.viewer_request(world)?;
        let (parts, scheme) = head(step, &message)?;
        let stream = if message.body.is_empty() { Stream::Ended } else { Stream::Open };
        let request = match Request::read(parts, scheme, stream, world.peer) {
            Ok(request) => request,
            Err(refusal) => {
                let response = exchange::refuse_unread(&self.rules.place, refusal, &id, world.now);
                let answer = Answer { response, storing: None, compress: None, trace: Trace::default() };
                return Ok(Begun::Answered(Box::new(self.seen(answer, None, Vec::new(), None))));
            }
        };
        let mut decision = exchange::begin(&self.rules, request, id, world.now);
        let mut held = None;
        let mut parts = None;
        if let Decision::LookUp(look_up) = decision {
            parts = Some(key_parts(look_up.key()));
            held = self.store.get(look_up.key());
            decision = look_up.found(held.map(|object| &object.stored), world.now);
        }
        match decision {
            Decision::Answer(answer) => {
                let body = held.map(|object| object.body.clone());
                Ok(Begun::Answered(Box::new(self.seen(answer, body.as_deref(), Vec::new(), parts))))
            }
            Decision::Ask(ask) => Ok(Begun::Asks(Box::new(ask), parts)),
            Decision::LookUp(_) => Err("a look-up led to a look-up".to_owned()),
        }
    }

    /// Asks the case's origin, stores what is to be stored; also what may be shared with those who wait.
    fn ask(
        &mut self,
        step: &Step,
        world: &World,
        ask: Ask,
        key: Option<Vec<String>>,
    ) -> Result<(Seen, Option<Arc<Stored>>), String> {
        let call = ask.call();
        let origin = self.rules.distribution.origins.get(call.origin).map(|origin| origin.id.clone());
        let asked = SeenAsked {
            origin,
            line: format!("{} {}", call.method, call.target),
            scheme: call.scheme.as_str(),
            headers: call.headers.clone(),
        };
        let held = ask.key().and_then(|key| self.store.get(key)).map(|object| object.body.clone());
        let Some(then) = step.call(0) else {
            return Err(format!("the origin was asked: {} {}", asked.line, facts(ask.trace())));
        };
        let (outcome, body) = match (then.origin_response(world), then.origin_fails) {
            (Some(message), _) => response(message?)?,
            (None, failure) => {
                (Outcome::Failed(failure_of(failure.unwrap_or(format::Failure::Closed))), Vec::new())
            }
        };
        let answer = ask.answered(outcome, world.now);
        let body = match &answer.response.body {
            Source::Stored => held.clone().unwrap_or_default(),
            _ => body,
        };
        let stored = match &answer.storing {
            None => None,
            Some(Storing::Whole { key, stored }) => {
                let body = match &answer.response.body {
                    Source::Text(text) => text.to_vec(),
                    Source::Origin => body.clone(),
                    Source::Empty | Source::Stored => Vec::new(),
                };
                self.store.insert(key.clone(), Object { stored: Arc::clone(stored), body });
                Some(Arc::clone(stored))
            }
            Some(Storing::Head { key, stored }) => {
                let body = held.unwrap_or_default();
                self.store.insert(key.clone(), Object { stored: Arc::clone(stored), body });
                Some(Arc::clone(stored))
            }
            Some(Storing::Forget { key }) => {
                self.store.remove(key);
                None
            }
        };
        let shared = stored.filter(|stored| stored.serves_waiters());
        Ok((self.seen(answer, Some(&body), vec![asked], key), shared))
    }

    /// What a runner sees of an answer; `body` is the origin's or the stored one.
    fn seen(
        &self,
        answer: Answer,
        body: Option<&[u8]>,
        asked: Vec<SeenAsked>,
        key: Option<Vec<String>>,
    ) -> Seen {
        let Answer { response, storing, trace, .. } = answer;
        let body = match &response.body {
            Source::Empty => Vec::new(),
            Source::Text(text) => text.to_vec(),
            Source::Stored | Source::Origin => body.unwrap_or_default().to_vec(),
        };
        let behavior = trace.behavior.map(|id| self.rules.distribution.behavior(id).path_pattern.to_string());
        let (ttl, not_stored) = match &trace.lifetime {
            Some(Lifetime::Store { ttl, .. }) => (Some(ttl.as_secs()), None),
            Some(Lifetime::DoNotStore { because }) => (None, Some(because.to_string())),
            None => (None, None),
        };
        let inside = Inside {
            behavior,
            key,
            ttl,
            not_stored,
            guard: trace.withheld.map(|withheld| withheld.to_string()),
            stored: storing.is_some(),
            own_page: matches!(response.body, Source::Text(_)),
            visitor: trace
                .applied
                .map_or(String::new(), |applied| format!("{:?}", applied.visitor).to_lowercase()),
        };
        Seen {
            status: response.status,
            headers: response.headers,
            body,
            asked,
            closed: response.connection == Connection::Closed,
            inside: Some(inside),
        }
    }
}

enum Begun {
    Answered(Box<Seen>),
    Asks(Box<Ask>, Option<Vec<String>>),
}

fn head(step: &Step, message: &Message) -> Result<(http::request::Parts, Scheme), String> {
    let (method, target) = message.first.split_once(' ').ok_or("no target in the request line")?;
    let version = match step.http.as_deref() {
        Some("1.0") => Version::HTTP_10,
        None | Some("1.1") => Version::HTTP_11,
        Some("2") => Version::HTTP_2,
        Some(other) => return Err(format!("http = {other:?} is no version")),
    };
    let scheme = match step.scheme.as_deref() {
        None | Some("https") => Scheme::Https,
        Some("http") => Scheme::Http,
        Some(other) => return Err(format!("scheme = {other:?} is no scheme")),
    };
    let mut request = http::Request::builder().method(method).uri(target).version(version);
    for (name, value) in &message.headers {
        request = request.header(name, value);
    }
    let (parts, ()) = request.body(()).map_err(|error| format!("the request: {error}"))?.into_parts();
    Ok((parts, scheme))
}

fn response(message: Message) -> Result<(Outcome, Vec<u8>), String> {
    let status = message.status()?;
    let ending = if message.ends_by_close() { Ending::ByClose } else { Ending::Provable };
    let mut headers = HeaderMap::new();
    for (name, value) in message.headers {
        headers.append(name, value);
    }
    Ok((Outcome::Response { status, headers, ending }, message.body))
}

fn failure_of(failure: format::Failure) -> Failure {
    match failure {
        format::Failure::Dns => Failure::Dns,
        format::Failure::Connect => Failure::Connect,
        format::Failure::ConnectTimeout => Failure::ConnectTimeout,
        format::Failure::ReadTimeout => Failure::ReadTimeout,
        format::Failure::Closed => Failure::Closed,
        format::Failure::Invalid => Failure::Invalid,
        format::Failure::HeadTooLarge => Failure::HeadTooLarge,
        format::Failure::CompletionTimeout => Failure::CompletionTimeout,
    }
}

/// Why, for a step whose origin should have been left alone.
fn facts(trace: &Trace) -> String {
    format!("({:?})", trace.found)
}

/// The parts of a key after distribution and path, for people.
fn key_parts(key: &Key) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for (kind, bytes) in key.parts() {
        let text = String::from_utf8_lossy(bytes);
        match kind {
            Kind::Unguarded | Kind::Distribution | Kind::Path => {}
            Kind::Method => parts.push(format!("method {text}")),
            Kind::AcceptEncoding => parts.push(format!("encoding {text}")),
            Kind::HeaderName => parts.push(format!("header {text}")),
            Kind::HeaderValue => {
                if let Some(name) = parts.last_mut() {
                    name.push_str(": ");
                    name.push_str(&text);
                }
            }
            Kind::Cookies => parts.push(format!("cookies {text}")),
            Kind::Query => parts.push(format!("query {text}")),
        }
    }
    parts
}
