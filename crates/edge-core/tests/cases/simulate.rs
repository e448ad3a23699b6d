//! Runs a case through the pure core: a map for a store, a number for a clock, the case for an origin.
//!
//! It obeys the steps exactly as the data path does, and decides nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge_core::cache::freshness::Lifetime;
use edge_core::cache::invalidation::{Ledgers, Rule, Subject};
use edge_core::cache::key::Kind;
use edge_core::cache::parts::{self, Placing};
use edge_core::cache::storing::Guard;
use edge_core::cache::{Epoch, Held, Holds, Key, Stored};
use edge_core::distribution::lambda::Endpoint;
use edge_core::distribution::{self, document};
use edge_core::exchange::{
    self, Answer, Ask, Did, Ending, LookUp, Outcome, Rules, Sharing, Standing, Step as Decision, Storing,
    Trace,
};
use edge_core::function::lambda::{Glimpse, Invocation, Invoked, Rest};
use edge_core::function::run::Ran;
use edge_core::header::range::Slice;
use edge_core::log::{self, Answered, Asked, End, Record};
use edge_core::origin::Failure;
use edge_core::response::server_timing::Upstream;
use edge_core::response::{Connection, Place, Source};
use edge_core::viewer::deployment::{self, Choice, Side};
use edge_core::viewer::device::Memo;
use edge_core::viewer::facts::FieldsSent;
use edge_core::viewer::traffic::Traffic;
use edge_core::viewer::{Request, Scheme, Stream, Tls};
use http::header::{ALT_SVC, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Version};
use serde_json::Value as Json;

use super::compile;
use super::format::{
    self, Case, Difference, Fields, Inside, Message, Mode, START, Seen, SeenAsked, Step, Then, World, check,
};

const PEER: &str = "192.0.2.2:40000";

/// What a case did not fulfil; empty is passed. `watch` is told what was seen of each step, by its number from 0.
pub(crate) fn run(case: &Case, mode: Mode, watch: &mut dyn FnMut(usize, Seen)) -> Vec<String> {
    let text = match compile::document(case) {
        Ok(text) => text,
        Err(error) => return vec![error],
    };
    let staging = match compile::staging(case) {
        Ok(text) => text.and_then(|text| Some(document::load(&text).ok()?.distribution)),
        Err(error) => return vec![error],
    };
    match (document::load(&text), &case.refused) {
        (Ok(loaded), None) => Simulator::new(loaded.distribution, staging, mode, watch).run(case),
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

#[derive(Clone)]
struct Object {
    stored: Arc<Stored>,
    /// Where parts are held, what is between them is zeros.
    body: Vec<u8>,
}

impl Object {
    fn held(&self) -> Held<'_> {
        let length = match &self.stored.holds {
            Holds::Parts(parts) => parts.total(),
            Holds::Whole | Holds::Head => self.body.len() as u64,
        };
        Held { head: &self.stored, length: Some(length) }
    }
}

struct Simulator<'w> {
    mode: Mode,
    watch: &'w mut dyn FnMut(usize, Seen),
    rules: Arc<Rules>,
    /// The staging distribution.
    staging: Option<Arc<Rules>>,
    store: HashMap<Key, Object>,
    ledgers: Ledgers,
    standings: HashMap<usize, Standing>,
    requests: u64,
    refreshed: Vec<Refreshed>,
}

/// A request on its way to its answer.
struct Walk<'a> {
    step: &'a Step,
    world: &'a World,
    before: Before,
    asked: Vec<SeenAsked>,
    /// What was found by the last look-up.
    held: Option<Object>,
    /// What those who wait may have.
    shared: Option<Object>,
}

/// What others may join.
struct Flight {
    key: Key,
    since: Epoch,
    cargo: Option<Object>,
}

/// What came behind a viewer's back, and is not in the store yet.
struct Refreshed {
    key: Key,
    answer: Answer,
    arrived: Vec<u8>,
    held: Option<Object>,
}

/// A request that waits for its origin.
struct Pending<'a> {
    step: &'a Step,
    number: usize,
    world: World,
    ask: Ask,
    before: Before,
    held: Option<Object>,
}

/// What came of a request before its origin was asked.
#[derive(Default)]
struct Before {
    key: Option<Vec<String>>,
    /// The Lambdas that were called, and afterwards too.
    called: Vec<Json>,
    /// What keeps the session where it is.
    set_cookie: Option<HeaderValue>,
    /// What is known for the access log before there is an answer.
    record: Option<Box<Record>>,
    alt_svc: Option<HeaderValue>,
}

impl<'w> Simulator<'w> {
    fn new(
        distribution: distribution::Distribution,
        staging: Option<distribution::Distribution>,
        mode: Mode,
        watch: &'w mut dyn FnMut(usize, Seen),
    ) -> Self {
        let guard = match mode {
            Mode::Exact => Guard::Off,
            Mode::Guard => Guard::On,
        };
        let anywhere = Arc::new(Endpoint::parse("http://lambda.invalid").unwrap());
        let rules = |mut distribution: distribution::Distribution| {
            distribution.locate_lambdas(|_, _| Some(Arc::clone(&anywhere)));
            let place = Place::new(7, None).offering_http3(&distribution, Some(443));
            Arc::new(Rules { distribution, guard, place, devices: Memo::new(16) })
        };
        let staging = staging.map(|staging| rules(staging.standing_in_for(&distribution)));
        let rules = rules(distribution);
        let (store, ledgers, standings) = (HashMap::new(), Ledgers::default(), HashMap::new());
        Self { mode, watch, rules, staging, store, ledgers, standings, requests: 0, refreshed: Vec::new() }
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
            if let Some(items) = step.invalidates(&world) {
                failures.extend(step.check_refusal(number, self.invalidate(&items)));
                continue;
            }
            match self.begin(step, &world) {
                Ok(Begun::Answered(seen)) => self.report(step, number, &world, *seen, failures),
                Ok(Begun::Asks(ask, before, held)) => {
                    pending.push(Pending { step, number, world, ask: *ask, before, held });
                }
                Err(error) => failures.push(format!("step {}: {error}", number + 1)),
            }
        }
        let mut leader: Option<Flight> = None;
        for Pending { step, number, world, ask, before, held } in pending {
            let shared = (ask.sharing() == Sharing::Collapsed).then(|| ask.key().cloned()).flatten();
            let since = ask.since();
            // Who came after an invalidation is not on a flight that began before it.
            leader = leader.filter(|flight| {
                let covers = |subject: &Subject<'_>| self.ledgers.covers(flight.since, subject);
                since == flight.since
                    || !covers(&Subject::awaited(&flight.key))
                        && !ask.asked_for().as_ref().is_some_and(covers)
            });
            let joins = leader.as_ref().filter(|flight| shared.as_ref() == Some(&flight.key));
            let joins = joins.and_then(|flight| flight.cargo.clone());
            let mut walk = Walk { step, world: &world, before, asked: Vec::new(), held: None, shared: None };
            let seen = match joins {
                Some(object) => {
                    let decision = ask.joined(object.held(), world.now);
                    walk.held = Some(object);
                    self.walk(&mut walk, decision)
                }
                None => {
                    walk.held = held;
                    let seen = self.walk(&mut walk, Decision::Ask(Box::new(ask)));
                    if let (None, Some(key)) = (&leader, shared) {
                        leader = Some(Flight { key, since, cargo: walk.shared });
                    }
                    seen
                }
            };
            match seen {
                Ok(seen) => self.report(step, number, &world, seen, failures),
                Err(error) => failures.push(format!("step {}: {error}", number + 1)),
            }
        }
        for Refreshed { answer, arrived, held, .. } in std::mem::take(&mut self.refreshed) {
            self.keep(held.as_ref(), answer.storing.as_ref(), &answer.response.body, &Some(arrived));
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

    fn tls(&self, step: &Step) -> Tls {
        let domain_name = &self.rules.distribution.domain_name;
        let certificate = step.certificate.as_ref().map(|shown| Arc::new(shown.to_core(domain_name)));
        let fingerprint = step.fingerprint.as_ref().map(|known| Arc::new(known.to_core()));
        Tls { certificate, fingerprint, ..Tls::default() }
    }

    fn begin(&mut self, step: &Step, world: &World) -> Result<Begun, String> {
        self.requests += 1;
        let id = HeaderValue::from_str(&format!("case-{:04}==", self.requests)).unwrap();
        let message = step.viewer_request(world)?;
        let (parts, scheme) = head(step, &message)?;
        let stream = if message.body.is_empty() { Stream::Ended } else { Stream::Open };
        let mut walk = Walk::new(step, world);
        let mut record = self.record(&parts, (scheme, id.clone()), world);
        record.received += message.body.len() as u64;
        record.tls = (scheme == Scheme::Https).then(Tls::default).map(|tls| (tls.version, tls.cipher));
        let fields_sent = Some(Box::new(FieldsSent::of(&parts.headers)));
        let mut request = match Request::read(parts, scheme, stream, world.peer) {
            Ok(request) => Request {
                fields_sent,
                location: step.location.as_ref().map(|location| Arc::new(location.to_core())),
                tls: (scheme == Scheme::Https).then(|| self.tls(step)),
                ..request
            },
            Err(refusal) => {
                let response = exchange::refuse_unread(&self.rules.place, refusal, &id, world.now);
                let answer = Answer::new(response, Trace::default());
                walk.before.record = log::is_logged(refusal).then_some(Box::new(record));
                return Ok(Begun::Answered(Box::new(self.seen(&mut walk, answer, None)?)));
            }
        };
        record.location.clone_from(&request.location);
        let mut rules = &self.rules;
        if let Some(staging) = &self.staging {
            let primary = &self.rules.distribution;
            let Choice { side, set_cookie } = deployment::choose(primary, &mut request, &id, world.now);
            rules = if side == Side::Staging { staging } else { rules };
            walk.before.set_cookie = set_cookie;
        }
        walk.before.alt_svc = rules.place.alt_svc(request.scheme).cloned();
        record.rules = Arc::clone(rules);
        walk.before.record = Some(Box::new(record));
        let mut decision = exchange::begin(rules, request, id, world.now);
        if let Decision::Invoke(invoke) = decision {
            let body = (!message.body.is_empty()).then_some(&*message.body);
            let invoked = walk.invoked(invoke.invocation(), body)?;
            decision = invoke.answered(invoked, world.now);
        }
        if let Decision::LookUp(look_up) = decision {
            walk.before.key = Some(key_parts(look_up.key()));
            (decision, walk.held) = self.look_up(look_up, world.now);
        }
        match decision {
            Decision::Ask(ask) => Ok(Begun::Asks(ask, walk.before, walk.held)),
            decision => self.walk(&mut walk, decision).map(|seen| Begun::Answered(Box::new(seen))),
        }
    }

    /// What an access log knows from the beginning; here nothing takes any time.
    fn record(
        &self,
        parts: &http::request::Parts,
        (scheme, id): (Scheme, HeaderValue),
        world: &World,
    ) -> Record {
        let request = Asked::of(parts);
        Record {
            rules: Arc::clone(&self.rules),
            id,
            viewer: world.peer,
            scheme,
            tls: None,
            location: None,
            received: request.head_bytes,
            request: Some(request),
            answer: None,
            end: End::Whole,
            ended_at: world.now,
            taken: Duration::ZERO,
            first_byte: Duration::ZERO,
            sent: 0,
        }
    }

    fn look_up(&self, mut look_up: LookUp, now: SystemTime) -> (Decision, Option<Object>) {
        let asked_for = look_up.asked_for();
        let covered = |object: &Object| {
            asked_for.as_ref().is_some_and(|subject| self.ledgers.covers(object.stored.since, subject))
        };
        let object = self.get(look_up.key()).filter(|object| !covered(object));
        let held = object.as_ref().map(Object::held);
        if let Some(origin) = held.and_then(|held| look_up.waits_for(held)) {
            look_up = look_up.knowing(self.standings.get(&origin).copied().unwrap_or_default());
        }
        (look_up.found(held, self.ledgers.epoch(), now), object)
    }

    /// From a step to what the viewer sees.
    fn walk(&mut self, walk: &mut Walk<'_>, mut decision: Decision) -> Result<Seen, String> {
        let (mut body, mut arrived) = (None, Vec::new());
        loop {
            decision = match decision {
                Decision::Answer(mut answer) => {
                    let refresh = answer.refresh.take();
                    let body = body.or_else(|| walk.held.as_ref().map(|object| object.body.clone()));
                    walk.shared =
                        self.keep(walk.held.as_ref(), answer.storing.as_ref(), &answer.response.body, &body);
                    if let Some(ask) = refresh {
                        self.refresh(walk, *ask)?;
                    }
                    return self.seen(walk, answer, body.as_deref());
                }
                Decision::Invoke(invoke) => {
                    let invoked = walk.invoked(invoke.invocation(), None)?;
                    invoke.answered(invoked, walk.world.now)
                }
                Decision::LookUp(look_up) => {
                    let (decision, held) = self.look_up(look_up, walk.world.now);
                    walk.held = held;
                    decision
                }
                Decision::Instead { storing, page, .. } => {
                    walk.shared = self.keep(walk.held.as_ref(), storing.as_ref(), &Source::Empty, &None);
                    *page
                }
                Decision::Ask(ask) if ask.invocation().is_some() => self.prepared(walk, *ask)?,
                Decision::Ask(ask) => {
                    let (outcome, bytes) = self.ask_origin(walk, &ask)?;
                    arrived = bytes;
                    // Here nothing takes any time.
                    let ask = match outcome {
                        Outcome::Response { .. } => ask.measured(Upstream::default()),
                        Outcome::Failed(_) => *ask,
                    };
                    ask.answered(outcome, walk.world.now)
                }
            };
            if let Decision::Answer(answer) = &decision {
                match &answer.response.body {
                    Source::Stored | Source::Slices(_) => {}
                    Source::Given(given) => body = Some(given.to_vec()),
                    Source::Origin | Source::Empty | Source::Text(_) | Source::Tunnel => {
                        body = Some(std::mem::take(&mut arrived));
                    }
                }
            }
        }
    }

    /// Calls the Lambda that comes before an origin.
    fn prepared(&mut self, walk: &mut Walk<'_>, ask: Ask) -> Result<Decision, String> {
        let Some(invocation) = ask.invocation() else { return Ok(Decision::Ask(Box::new(ask))) };
        let message = walk.step.viewer_request(walk.world)?;
        let given = ask.call().given.as_deref();
        let body = given.or((!message.body.is_empty()).then_some(&*message.body));
        let invoked = walk.invoked(invocation, body)?;
        Ok(ask.invoked(invoked, walk.world.now))
    }

    /// What happens behind the viewer's back, once for all who come before it is done.
    fn refresh(&mut self, walk: &mut Walk<'_>, ask: Ask) -> Result<(), String> {
        let key = ask.key().cloned();
        if key.is_none() || self.refreshed.iter().any(|refreshed| key.as_ref() == Some(&refreshed.key)) {
            return Ok(());
        }
        let mut decision = Decision::Ask(Box::new(ask));
        let mut arrived = Vec::new();
        loop {
            decision = match decision {
                Decision::Ask(ask) if ask.invocation().is_some() => self.prepared(walk, *ask)?,
                Decision::Ask(ask) => {
                    let (outcome, body) = self.ask_origin(walk, &ask)?;
                    arrived = body;
                    ask.answered(outcome, walk.world.now)
                }
                Decision::Invoke(invoke) => {
                    let invoked = walk.invoked(invoke.invocation(), None)?;
                    invoke.answered(invoked, walk.world.now)
                }
                _ => break,
            };
        }
        if let (Some(key), Some(answer)) = (key, decision.into_answer()) {
            self.refreshed.push(Refreshed { key, answer, arrived, held: walk.held.clone() });
        }
        Ok(())
    }

    /// Asks the case's origin.
    fn ask_origin(&mut self, walk: &mut Walk<'_>, ask: &Ask) -> Result<(Outcome, Vec<u8>), String> {
        let call = ask.call();
        let origin = self.rules.distribution.origins.get(call.origin).map(|origin| origin.id.clone());
        let asked = SeenAsked {
            origin,
            line: format!("{} {}", call.method, call.target),
            scheme: call.scheme.as_str(),
            http: if call.traffic == Traffic::Grpc { "2" } else { "1.1" },
            headers: call.headers.clone(),
        };
        let then = walk.step.call(walk.asked.len());
        // What comes behind a body is the wire's business; here it must only be something that can come there.
        then.as_ref().map_or(Ok(HeaderMap::new()), Then::trailers)?;
        let answered = match then {
            None => Err(format!("the origin was asked: {} {}", asked.line, facts(ask.trace()))),
            Some(then) => match (then.origin_response(walk.world), then.origin_fails) {
                (Some(message), _) => response(message?),
                (None, failure) => {
                    let failure = failure_of(failure.unwrap_or(format::Failure::Closed));
                    Ok((Outcome::Failed(failure), Vec::new()))
                }
            },
        };
        walk.asked.push(asked);
        let did = match &answered {
            Ok((Outcome::Response { status, .. }, _)) => Did::answer(*status),
            _ => Did::Failed,
        };
        let standing = self.standings.entry(call.origin).or_default();
        *standing = standing.after(did, walk.world.now);
        answered
    }

    /// Does what is to be done to the store; what those who wait may have.
    fn keep(
        &mut self,
        held: Option<&Object>,
        storing: Option<&Storing>,
        source: &Source,
        body: &Option<Vec<u8>>,
    ) -> Option<Object> {
        let (key, object) = match storing? {
            Storing::Whole { key, stored } => {
                let body = match source {
                    Source::Text(text) => text.to_vec(),
                    Source::Origin => body.clone().unwrap_or_default(),
                    Source::Given(given) => given.to_vec(),
                    Source::Empty | Source::Stored | Source::Slices(_) | Source::Tunnel => Vec::new(),
                };
                (key, self.placed(key, stored, body)?)
            }
            Storing::Head { key, stored } => {
                let body = held.map(|object| object.body.clone()).unwrap_or_default();
                (key, Object { stored: Arc::clone(stored), body })
            }
            Storing::Forget { key } => {
                self.store.remove(key);
                return None;
            }
        };
        self.put(key, object.clone());
        object.stored.serves_waiters().then_some(object)
    }

    /// What arrived, beside the parts that are held.
    fn placed(&self, key: &Key, stored: &Arc<Stored>, arrived: Vec<u8>) -> Option<Object> {
        let Holds::Parts(parts) = &stored.holds else {
            return Some(Object { stored: Arc::clone(stored), body: arrived });
        };
        let [span] = parts.spans() else { return None };
        if span.length() != arrived.len() as u64 {
            return None;
        }
        let held = self.get(key);
        let at = |place: u64| usize::try_from(place).unwrap();
        let (stored, mut body) = match parts::place(stored, held.as_ref().map(|object| &*object.stored)) {
            Placing::Needless => return None,
            Placing::Instead => (Arc::clone(stored), vec![0; at(parts.total())]),
            Placing::Beside(head) => (Arc::new(*head), held?.body),
        };
        body[at(span.first)..=at(span.last)].copy_from_slice(&arrived);
        Some(Object { stored, body })
    }

    /// Puts them in force; what is wrong with them, if anything is.
    fn invalidate(&mut self, items: &[String]) -> Option<String> {
        match items.iter().map(|item| item.parse()).collect::<Result<Vec<Rule>, _>>() {
            Ok(rules) => {
                self.ledgers.add(&self.rules.distribution.domain_name, rules);
                None
            }
            Err(why) => Some(why.to_string()),
        }
    }

    fn get(&self, key: &Key) -> Option<Object> {
        self.store.get(key).filter(|object| !self.is_covered(key, object)).cloned()
    }

    fn is_covered(&self, key: &Key, object: &Object) -> bool {
        self.ledgers.covers(object.stored.since, &Subject::of(key, &object.stored))
    }

    fn put(&mut self, key: &Key, object: Object) {
        if !self.is_covered(key, &object) {
            self.store.insert(key.clone(), object);
        }
    }

    /// What a runner sees of an answer; `body` is the origin's or the stored one.
    fn seen(&self, walk: &mut Walk<'_>, answer: Answer, body: Option<&[u8]>) -> Result<Seen, String> {
        let Answer { mut response, storing, trace, .. } = answer;
        let mut failed: Vec<String> =
            ran(&trace).filter_map(|ran| Some(ran.failed.as_ref()?.to_string())).collect();
        failed.extend(trace.lambdas.iter().filter_map(|called| Some(called.failed.as_ref()?.to_string())));
        if let Some(pending) = response.pending.take() {
            let invoked = walk.invoked(pending.invocation(), None)?;
            let (told, why) = pending.answered(response, invoked);
            response = told;
            failed.extend(why.map(|why| why.to_string()));
        }
        let asked = std::mem::take(&mut walk.asked);
        let step_is_head = walk.step.request.trim_start().starts_with("HEAD ");
        let Before { key, called, set_cookie, alt_svc, record } = std::mem::take(&mut walk.before);
        if let Some(alt_svc) = alt_svc {
            response.headers.insert(ALT_SVC, alt_svc);
        }
        if let Some(set_cookie) = set_cookie {
            response.headers.append(SET_COOKIE, set_cookie);
        }
        let body = match &response.body {
            _ if response.instead.is_some() => response.instead.as_deref().unwrap_or_default().to_vec(),
            Source::Empty => Vec::new(),
            Source::Text(text) | Source::Given(text) => text.to_vec(),
            Source::Stored | Source::Origin | Source::Tunnel => body.unwrap_or_default().to_vec(),
            Source::Slices(slices) => {
                let body = body.unwrap_or_default();
                let at = |place: u64| usize::try_from(place).unwrap();
                let cut = |slice: &Slice| match slice {
                    Slice::Text(text) => text.to_vec(),
                    Slice::Stored(span) => body[at(span.first)..=at(span.last)].to_vec(),
                };
                slices.iter().flat_map(cut).collect()
            }
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
            guard: trace.withheld.as_ref().map(ToString::to_string),
            stored: storing.is_some(),
            own_page: matches!(response.body, Source::Text(_)) || trace.page_for.is_some(),
            visitor: trace
                .applied
                .map_or(String::new(), |applied| format!("{:?}", applied.visitor).to_lowercase()),
            console: ran(&trace).flat_map(|ran| ran.log.clone()).collect(),
            function_failed: failed.join(", "),
        };
        let (status, headers) = (response.status, response.headers);
        // What is no longer HTTP ends with its connection.
        let closed = response.connection == Connection::Closed || response.body == Source::Tunnel;
        let trailers = None;
        let length = Some(body.len() as u64).filter(|_| !step_is_head);
        let log = record.map_or_else(Fields::new, |record| {
            let answer = Answered::of(status, &headers, length, response.results);
            let sent = log::response_head_bytes(status, &headers) + body.len() as u64;
            fields(&Record { answer: Some(answer), sent, ..*record })
        });
        Ok(Seen { status, headers, body, asked, called, trailers, closed, log, inside: Some(inside) })
    }
}

impl<'a> Walk<'a> {
    fn new(step: &'a Step, world: &'a World) -> Self {
        Self { step, world, before: Before::default(), asked: Vec::new(), held: None, shared: None }
    }

    /// What the case says of this call.
    fn invoked(&mut self, invocation: &Invocation, body: Option<&[u8]>) -> Result<Invoked, String> {
        let max = invocation.wants_body();
        let glimpse = max.map(|max| {
            let body = body.unwrap_or_default();
            let rest = if body.len() > max { Rest::More } else { Rest::Nothing };
            Glimpse { bytes: &body[..body.len().min(max)], rest }
        });
        let event: Json = serde_json::from_str(&invocation.payload(glimpse)).unwrap();
        let Some(call) = self.step.lambda.get(self.before.called.len()) else {
            return Err(format!("a Lambda was called at {}", invocation.event));
        };
        let invoked = match (call.fails.as_deref(), &call.throws) {
            (Some("throttled"), _) => Invoked::Throttled,
            (Some("timeout"), _) => Invoked::TimedOut,
            (Some("unreachable"), _) => Invoked::Unreachable("refused".to_owned()),
            (Some("too-large"), _) => Invoked::TooLarge,
            (Some(other), _) => return Err(format!("fails = {other:?} is no way to fail")),
            (None, Some(what)) => Invoked::Threw(what.clone()),
            (None, None) => Invoked::Returned(call.result(&event, self.world)?),
        };
        self.before.called.push(event);
        Ok(invoked)
    }
}

enum Begun {
    Answered(Box<Seen>),
    Asks(Box<Ask>, Before, Option<Object>),
}

fn head(step: &Step, message: &Message) -> Result<(http::request::Parts, Scheme), String> {
    let (method, target) = message.first.split_once(' ').ok_or("no target in the request line")?;
    let version = match step.http.as_deref() {
        Some("1.0") => Version::HTTP_10,
        None | Some("1.1") => Version::HTTP_11,
        Some("2") => Version::HTTP_2,
        Some("3") => Version::HTTP_3,
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

/// Every field of an access log, by its name.
pub(crate) fn fields(record: &Record) -> Fields {
    let value = |field: &log::Field| {
        let mut value = Vec::new();
        field.write(record, &mut value);
        (field.name, String::from_utf8(value).unwrap())
    };
    log::FIELDS.iter().map(value).collect()
}

/// The functions that ran, in their order.
fn ran(trace: &Trace) -> impl Iterator<Item = &Ran> {
    [&trace.ran_at_request, &trace.ran_at_response].into_iter().filter_map(Option::as_deref)
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
