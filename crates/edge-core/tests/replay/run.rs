//! Drives one case over loopback and compares what was seen, step by step.
//!
//! The runtime has one thread, so "has arrived" and "has set out for the origin" can be told apart without waiting:
//! what an edge does at once for a request is done once everybody has had a turn.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use edge_core::distribution::Distribution;
use http::HeaderMap;
use tokio::task::{JoinHandle, yield_now};

use super::edges::{Edge, Shared};
use super::format::{Case, Failure, Fields, Mode, START, Seen, SeenAsked, Step, Then, World, check};
use super::lambdas::Lambdas;
use super::origin::{self, Asked, Origin, Reply};
use super::same;
use super::simulate;
use super::viewer::{self, Connection, Manner, Version};

/// Nothing takes this long unless it never comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// More turns than anything needs that waits for nobody.
const TURNS: usize = 8;

pub(crate) struct Run<'a> {
    shared: &'a Shared,
    mode: Mode,
    edge: Edge,
    origin: Origin,
    lambdas: Lambdas,
    idle: Vec<(Manner, Connection)>,
    /// Every body the origin sent: these come without a coding of the edge's.
    bodies: HashSet<Vec<u8>>,
    failures: Vec<String>,
    /// Lines of the access log that nobody asked for yet, by the ids of their requests.
    lines: HashMap<String, Fields>,
    /// What the simulator saw of each step.
    simulated: HashMap<usize, Seen>,
}

/// A step on its way.
struct Sent<'a> {
    number: usize,
    step: &'a Step,
    world: World,
    manner: Manner,
    reply: JoinHandle<Result<viewer::Reply, String>>,
    asked: Option<Asked>,
}

/// What a case did not fulfil; empty is passed.
pub(crate) async fn run(
    shared: &Shared,
    distributions: (Distribution, Option<Distribution>),
    case: &Case,
    mode: Mode,
) -> Vec<String> {
    let origin = Origin::start(&shared.origin_tls).await;
    let lambdas = Lambdas::start().await;
    let edge = Edge::start(shared, distributions, mode, &origin, &lambdas);
    let (idle, bodies) = (Vec::new(), HashSet::new());
    let mut simulated = HashMap::new();
    // Whether the simulator fulfils the case is not the question here.
    _ = simulate::run(case, mode, &mut |number, seen| _ = simulated.insert(number, seen));
    let (failures, lines) = (Vec::new(), HashMap::new());
    let mut run = Run { shared, mode, edge, origin, lambdas, idle, bodies, failures, lines, simulated };
    let mut steps = case.steps.iter().enumerate().filter(|(_, step)| step.mode.include(mode)).peekable();
    while let Some(first) = steps.next() {
        let mut together = vec![first];
        while let Some(next) = steps.next_if(|(_, step)| step.meanwhile) {
            together.push(next);
        }
        if run.exchange(&together).await.is_none() {
            return run.failures;
        }
    }
    for number in run.simulated.keys() {
        run.failures.push(format!("step {}: nothing was seen on the wire", number + 1));
    }
    run.failures
}

impl Run<'_> {
    /// One request, and those that arrive while it is under way; `None` ends the case.
    async fn exchange(&mut self, together: &[(usize, &Step)]) -> Option<()> {
        let mut sent = Vec::new();
        for &(number, step) in together {
            if let Some(items) = step.invalidates(&world(step)) {
                let name = self.edge.inner.running().rules().distribution.domain_name.clone();
                let done = self.edge.inner.invalidate(&name, &number.to_string(), items);
                let why = done.err().map(|why| why.to_string());
                self.failures.extend(step.check_refusal(number, why));
                continue;
            }
            match soon(self.send(number, step)).await {
                Ok(step) => sent.push(step),
                Err(error) => {
                    self.failures.push(format!("step {}: {error}", number + 1));
                    return None;
                }
            }
        }
        let mut left = sent.len();
        for step in sent {
            let number = step.number;
            left -= 1;
            if let Err(error) = soon(self.finish(step, left)).await {
                self.failures.push(format!("step {}: {error}", number + 1));
                return None;
            }
        }
        turns().await;
        Some(())
    }

    /// Sends a request and sees whether the origin is asked at once.
    async fn send<'s>(&mut self, number: usize, step: &'s Step) -> Result<Sent<'s>, String> {
        let world = world(step);
        let manner = manner(step)?;
        let message = step.viewer_request(&world)?;
        self.edge.hand.set(world.now);
        self.edge.fail(self.shared, failing(step), step.location.clone());
        self.lambdas.expect(&step.lambda, &world);
        let (began, set_out) = self.counts();
        let kept = self.idle.iter().position(|(kept, _)| *kept == manner);
        let connection = match kept {
            Some(at) => self.idle.swap_remove(at).1,
            None => Connection::open(self.shared, &self.edge, manner).await?,
        };
        let reply = tokio::spawn(async move { connection.ask(manner, &message).await });
        while self.counts().0 == began && !reply.is_finished() {
            yield_now().await;
        }
        // Lambdas come first, and take as long as they take.
        while !step.lambda.is_empty() && self.counts().1 == set_out && !reply.is_finished() {
            yield_now().await;
        }
        turns().await;
        let goes = self.counts().1 > set_out && calls(step).any(|call| reaches_origin(&call));
        let asked = if goes { self.origin.asked.recv().await } else { None };
        Ok(Sent { number, step, world, manner, reply, asked })
    }

    /// Requests that were begun, and requests to origins.
    fn counts(&self) -> (u64, u64) {
        let counters = self.edge.inner.counters();
        (counters.requests.load(Ordering::Relaxed), counters.origin_requests.load(Ordering::Relaxed))
    }

    /// Lets the origin answer, reads the response and compares; so many others are `left` to be finished.
    async fn finish(&mut self, sent: Sent<'_>, left: usize) -> Result<(), String> {
        let Sent { number, step, world, manner, mut reply, asked } = sent;
        let mut seen_asked = Vec::new();
        let mut reached = calls(step).filter(reaches_origin);
        self.edge.hand.set(world.now);
        if let Some(asked) = asked {
            seen_asked.push(self.answer(reached.next(), &world, asked)?);
        }
        let reply = loop {
            tokio::select! {
                reply = &mut reply => break reply.map_err(|error| error.to_string())??,
                // Whoever waited for another's answer, in vain; a second request may be that of somebody left.
                Some(asked) = self.origin.asked.recv(), if seen_asked.is_empty() || left == 0 => {
                    seen_asked.push(self.answer(reached.next(), &world, asked)?);
                }
            }
        };
        let mut arrived = seen_asked.into_iter();
        let in_order = calls(step).filter_map(|call| match reaches_origin(&call) {
            true => arrived.next(),
            // Nobody was there to see it.
            false => Some(SeenAsked {
                origin: None,
                line: String::new(),
                scheme: "",
                http: "",
                headers: HeaderMap::new(),
            }),
        });
        let mut asked: Vec<SeenAsked> = in_order.collect();
        asked.extend(arrived);
        let closed = reply.connection.is_none();
        self.idle.extend(reply.connection.map(|connection| (manner, connection)));
        let (status, mut headers) = (reply.status, reply.headers);
        let length = reply.body.len();
        let body = match self.decoded(&headers, &reply.body)? {
            Some(text) => {
                // What was compressed here is measured here: the length is framing, and nobody else knows it.
                if headers.get("content-length").is_some_and(|value| *value == length.to_string()) {
                    headers.remove("content-length");
                }
                text
            }
            None => reply.body,
        };
        let (called, trailers) = (self.lambdas.called(), Some(reply.trailers));
        let id = headers.get("x-amz-cf-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let log =
            self.logged(&id, self.simulated.get(&number).is_some_and(|seen| !seen.log.is_empty())).await;
        let seen = Seen { status, headers, body, asked, called, trailers, closed, log, inside: None };
        let line = step.request.trim_start().lines().next().unwrap_or_default();
        let line: String = line.chars().take(60).collect();
        let mut differences = check(step, self.mode, &world, &seen);
        if let Some(mut simulated) = self.simulated.remove(&number) {
            if manner.version != Version::Http11 {
                simulated.closed = closed; // HTTP/1.0 always closes, HTTP/2 never does
            }
            differences.extend(same::differences(&simulated, &seen));
        }
        for difference in differences {
            self.failures.push(format!("step {} at {} s ({line}): {difference}", number + 1, step.at));
        }
        Ok(())
    }

    /// The line of the access log about the request of this id; where there should be none, whatever there is by now.
    async fn logged(&mut self, id: &str, is_expected: bool) -> Fields {
        turns().await;
        loop {
            while let Ok(line) = self.edge.log.try_recv() {
                self.lines.insert(line["x-edge-request-id"].clone(), line);
            }
            match self.lines.remove(id) {
                Some(line) => return line,
                None if is_expected && !id.is_empty() => {
                    let Some(line) = self.edge.log.recv().await else { return Fields::new() };
                    self.lines.insert(line["x-edge-request-id"].clone(), line);
                }
                None => return Fields::new(),
            }
        }
    }

    /// Answers as the step says.
    fn answer(&mut self, call: Option<Then>, world: &World, asked: Asked) -> Result<SeenAsked, String> {
        let Asked { seen, reply } = asked;
        let method = seen.line.split(' ').next().unwrap_or_default();
        let then = call.clone().unwrap_or_default();
        let (origin_fails, trailers) = (then.origin_fails, then.trailers()?);
        let answer = match (call.and_then(|call| call.origin_response(world)), origin_fails) {
            (Some(message), _) => {
                let message = message?;
                let answer = origin::answer(&message, method);
                self.bodies.insert(message.body);
                answer
            }
            (None, Some(Failure::Closed)) => Reply::Close(Vec::new()),
            (None, Some(Failure::Invalid)) => Reply::Close(b"220 mail.example.com ready\r\n\r\n".to_vec()),
            (None, Some(Failure::HeadTooLarge)) => Reply::Close(
                format!("HTTP/1.1 200 OK\r\nX-Large: {}\r\n\r\n", "x".repeat(40_000)).into_bytes(),
            ),
            (None, Some(_)) => Reply::Silence,
            // Nobody was to ask: it is seen, and it does not hang.
            (None, None) => {
                Reply::Close(b"HTTP/1.1 500 Not To Be Asked\r\nContent-Length: 0\r\n\r\n".to_vec())
            }
        };
        _ = reply.send((answer, trailers));
        Ok(seen)
    }

    /// Undoes the edge's compression; `None` where there is none, as where the origin sent just this.
    fn decoded(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<Vec<u8>>, String> {
        if body.is_empty() || self.bodies.contains(body) {
            return Ok(None);
        }
        let coding = headers.get("content-encoding").and_then(|coding| coding.to_str().ok());
        let mut text = Vec::new();
        let read = match coding {
            Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut text),
            Some("br") => brotli::Decompressor::new(body, 4_096).read_to_end(&mut text),
            _ => return Ok(None),
        };
        read.map_err(|error| format!("the body is not {coding:?}: {error}"))?;
        Ok(Some(text))
    }
}

fn world(step: &Step) -> World {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(START);
    let now = start + Duration::from_secs(step.at);
    World { start, now, peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) }
}

/// What is asked of origins for the step.
fn calls(step: &Step) -> impl Iterator<Item = Then> {
    (0..).map_while(|number| step.call(number))
}

/// How origins fail in the step, each by its id; one without an id is every origin.
fn failing(step: &Step) -> Vec<(Failure, Option<String>)> {
    calls(step)
        .filter_map(|call| Some((call.origin_fails?, call.asked.and_then(|asked| asked.origin))))
        .collect()
}

/// Whether a call comes to somebody who can see it.
fn reaches_origin(call: &Then) -> bool {
    !matches!(call.origin_fails, Some(Failure::Dns | Failure::Connect | Failure::ConnectTimeout))
}

fn manner(step: &Step) -> Result<Manner, String> {
    let version = match step.http.as_deref() {
        Some("1.0") => Version::Http10,
        None | Some("1.1") => Version::Http11,
        Some("2") => Version::Http2,
        Some(other) => return Err(format!("http = {other:?} is no version")),
    };
    let tls = match step.scheme.as_deref() {
        None | Some("https") => true,
        Some("http") => false,
        Some(other) => return Err(format!("scheme = {other:?} is no scheme")),
    };
    Ok(Manner { tls, version })
}

async fn turns() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}

async fn soon<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| Err("it never ended".to_owned()))
}

/// Expectations that no wire can show.
pub(crate) fn inside(step: &Step) -> usize {
    let Some(expect) = &step.expect else { return 0 };
    let told = [
        expect.behavior.is_some(),
        expect.key.is_some(),
        expect.ttl.is_some(),
        expect.not_stored.is_some(),
        expect.guard.is_some(),
        expect.stored.is_some(),
        expect.visitor.is_some(),
        expect.console.is_some(),
        expect.function_failed.is_some(),
    ];
    told.into_iter().filter(|told| *told).count()
}

/// Names that are this machine's in every case.
pub(crate) fn origin_names(distribution: &Distribution) -> impl Iterator<Item = &str> {
    distribution.origins.iter().map(|origin| origin.domain_name.as_str())
}
