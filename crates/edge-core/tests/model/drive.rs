//! The engine, driven: a real edge, real sockets to an origin that does what the sequence says, a clock moved by hand.
//!
//! Everything runs on one thread. A request that was polled once has looked up what is held and waits for its turn, so
//! what happens "meanwhile" happens at a known place; a step ends when no task is left that could change anything.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use edge_core::cache::storing::Guard;
use edge_core::distribution::{Distribution, ErrorResponse, Name, Names, Ttl, load};
use edge_core::exchange::Rules;
use edge_core::proxy::body::Body as EdgeBody;
use edge_core::proxy::clock::{Clock, Hand};
use edge_core::proxy::edge::{Edge, Room, Running, Viewer};
use edge_core::proxy::fetch::{Origins, OriginsConfig};
use edge_core::proxy::invalidations::Status;
use edge_core::proxy::pool;
use edge_core::response::Place;
use edge_core::viewer::Scheme;
use edge_core::viewer::device::Memo;
use http_body_util::{BodyExt, Empty};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::sequence::{
    Answer, Asked, Cookies, Framing, Meanwhile, Origin, PAGE, Reply, Request, Step, Trouble,
};
use super::sequence::{World, etag};

const HOST: &str = "edge.test";
const ORIGIN: &str = "origin.test";

/// Nothing takes this long unless it never comes.
const LONG: Duration = Duration::from_secs(5);

/// With the guard on, viewers wait 40 ms of real time for an origin that failed before. A machine that is busy with
/// other things may need longer than that, and then a step shows nothing.
const TOO_SLOW: Duration = Duration::from_millis(30);

/// What all sequences have in common: the thread, the origin, the ways to it.
pub(crate) struct Bench {
    runtime: tokio::runtime::Runtime,
    script: Arc<Script>,
    /// Tasks that never end.
    tasks: usize,
    there: Arc<Origins>,
    gone: Arc<Origins>,
    _refusing: socket2::Socket,
}

/// What the origin does now, and what it saw.
struct Script {
    state: Mutex<State>,
    /// From which request on, counted over all sequences, bodies go on behind their first half.
    go_on: watch::Sender<usize>,
}

struct State {
    origin: Origin,
    version: u32,
    asked: Vec<Asked>,
    /// How many requests came, over all sequences.
    count: usize,
}

/// Bodies stop half way …
const NONE: usize = usize::MAX;
/// … or do not.
const ALL: usize = 0;

/// An edge with an empty cache.
pub(crate) struct Engine<'a> {
    bench: &'a Bench,
    edge: Edge,
    hand: Hand,
    rules: Arc<Rules>,
    /// Another address is asked, where nobody listens.
    refuses: bool,
    invalidations: usize,
    /// Some step took so long that the patience of viewers may have ended.
    pub(crate) was_slow: bool,
    /// The next viewer sees nothing of a body before it is whole: his origin must not wait for him.
    pub(crate) is_held_back: bool,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let script = Arc::new(Script {
            state: Mutex::new(State { origin: Origin::default(), version: 1, asked: Vec::new(), count: 0 }),
            go_on: watch::channel(ALL).0,
        });
        let addr = runtime.block_on(listen(Arc::clone(&script)));
        // Bound, so that nobody else gets the port, and not listening.
        let refusing = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        refusing.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let gone = refusing.local_addr().unwrap().as_socket().unwrap();
        let (there, gone) = (Arc::new(origins(addr)), Arc::new(origins(gone)));
        let tasks = runtime.metrics().num_alive_tasks();
        Self { runtime, script, tasks, there, gone, _refusing: refusing }
    }

    pub(crate) fn engine(&self, world: World) -> Engine<'_> {
        let (clock, hand) = Clock::manual(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let rules = Arc::new(Rules {
            distribution: distribution(world),
            guard: if world.guarded { Guard::On } else { Guard::Off },
            place: Place::new(1, None),
            devices: Memo::new(1),
        });
        let running = Running::new(Arc::clone(&rules), Arc::clone(&self.there));
        let edge = Edge::new(running, Room { cache_bytes: 1 << 24, origin_requests_max: 64 }, clock);
        let mut state = self.script.lock();
        (state.origin, state.version) = (Origin::default(), 1);
        state.asked.clear();
        drop(state);
        Engine {
            bench: self,
            edge,
            hand,
            rules,
            refuses: false,
            invalidations: 0,
            was_slow: false,
            is_held_back: false,
        }
    }
}

fn origins(addr: SocketAddr) -> Origins {
    let server = pool::Server::parse(&format!("http://{addr}")).unwrap();
    let servers = [(ORIGIN.to_owned(), vec![server])].into();
    Origins::new(OriginsConfig { servers, health_check: None, ..OriginsConfig::default() }).unwrap()
}

fn distribution(world: World) -> Distribution {
    let document = r#"{"CallerReference": "t", "Comment": "", "Enabled": true,
        "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "origin.test",
            "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}]},
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}}"#;
    let mut distribution = load(document).unwrap().distribution;
    distribution.domain_name = HOST.to_owned();
    let origin = &mut distribution.origins[0];
    (origin.connection_attempts, origin.connection_timeout, origin.read_timeout) = (1, LONG, LONG);
    distribution.error_responses = [403, 404, 500, 502, 503, 504]
        .map(|code| ErrorResponse {
            error_code: http::StatusCode::from_u16(code).unwrap(),
            page: None,
            caching_min_ttl: Duration::from_secs(world.error_ttl),
        })
        .into();
    let behavior = &mut distribution.default_behavior;
    behavior.compress = false;
    (behavior.key.gzip, behavior.key.brotli) = (false, false);
    behavior.key.query = Names::Only(vec![Name::Literal("v".to_owned())]);
    let (min, default, max) = world.ttl;
    behavior.ttl = Ttl {
        min: Duration::from_secs(min),
        default: Duration::from_secs(default),
        max: Duration::from_secs(max),
    };
    match world.cookies {
        Cookies::Dropped => {}
        Cookies::Forwarded => behavior.forward.cookies = Names::All,
        Cookies::Keyed => behavior.key.cookies = Names::All,
    }
    distribution
}

impl Engine<'_> {
    /// What viewers get, and what the origin is asked.
    pub(crate) fn step(&mut self, step: &Step) -> (Vec<Reply>, Vec<Asked>) {
        let replies = match step {
            Step::Origin(origin) => {
                self.bench.script.lock().origin = *origin;
                let refuses = origin.trouble == Trouble::Refuses;
                if std::mem::replace(&mut self.refuses, refuses) != refuses {
                    let origins = if refuses { &self.bench.gone } else { &self.bench.there };
                    let rules = Arc::clone(&self.rules);
                    self.edge.replace(Running::new(rules, Arc::clone(origins)));
                }
                Vec::new()
            }
            Step::Edit => {
                self.bench.script.lock().version += 1;
                Vec::new()
            }
            Step::Pass(seconds) => {
                self.hand.advance(Duration::from_secs(*seconds));
                Vec::new()
            }
            Step::Invalidate(pattern) => {
                self.invalidate(pattern);
                Vec::new()
            }
            Step::Visit(request, meanwhile) => {
                let bench = self.bench;
                bench.runtime.block_on(async {
                    let began = Instant::now();
                    let replies = soon(self.visit(request, *meanwhile)).await;
                    soon(bench.rest()).await;
                    self.was_slow |= began.elapsed() > TOO_SLOW;
                    replies
                })
            }
        };
        let mut asked = std::mem::take(&mut self.bench.script.lock().asked);
        asked.sort();
        (replies, asked)
    }

    async fn visit(&mut self, request: &Request, meanwhile: Meanwhile) -> Vec<Reply> {
        let script = &self.bench.script;
        let trouble = script.lock().origin.trouble;
        use Meanwhile::{InvalidatedInBody, Leaves, Overtaken};
        let halts = !self.is_held_back
            && (trouble == Trouble::Cuts || matches!(meanwhile, Leaves | Overtaken | InvalidatedInBody(_)));
        // What breaks off does so when its head has been read.
        script.go_on.send_replace(if halts { NONE } else { ALL });
        let edge = self.edge.clone();
        let mut first = pin!(edge.handle(self.sent(request), viewer()));
        let begun = once(first.as_mut()).await;
        let second = match meanwhile {
            Meanwhile::Invalidated(pattern) => {
                self.invalidate(pattern);
                None
            }
            Meanwhile::Again(pattern) => {
                pattern.into_iter().for_each(|pattern| self.invalidate(pattern));
                let mut second = Box::pin(edge.handle(self.sent(request), viewer()));
                let begun = once(second.as_mut()).await;
                Some((second, begun))
            }
            _ => None,
        };
        let first = async {
            match begun {
                Some(response) => response,
                None => first.await,
            }
        };
        let second = async {
            match second {
                Some((_, Some(response))) => Some(response),
                Some((second, None)) => Some(second.await),
                None => None,
            }
        };
        let (first, second) = tokio::join!(first, second);
        if let InvalidatedInBody(pattern) = meanwhile {
            self.invalidate(pattern);
        }
        let mut replies = Vec::new();
        if meanwhile == Overtaken {
            self.invalidate("/*");
            let later = self.bench.script.lock().count;
            self.bench.script.go_on.send_replace(later);
            replies.push(read(edge.handle(self.sent(request), viewer()).await).await);
        }
        if meanwhile == Leaves {
            let (parts, body) = first.into_parts();
            drop(body);
            self.bench.script.go_on.send_replace(ALL);
            return vec![reply(&parts)];
        }
        self.bench.script.go_on.send_replace(ALL);
        replies.insert(0, read(first).await);
        if let Some(second) = second {
            replies.push(read(second).await);
        }
        replies
    }

    fn sent(&self, request: &Request) -> http::Request<Empty<Bytes>> {
        let target =
            request.query.map_or(request.path.to_owned(), |query| format!("{}?{query}", request.path));
        let mut sent = http::Request::builder()
            .method(if request.head { "HEAD" } else { "GET" })
            .uri(target)
            .header("host", HOST);
        if let Some(range) = request.range {
            sent = sent.header("range", range.field());
        }
        if let Some(ago) = request.if_none_match {
            let version = self.bench.script.lock().version;
            sent = sent.header("if-none-match", etag(version.saturating_sub(ago), None));
        }
        if let Some(cookie) = request.cookie {
            sent = sent.header("cookie", cookie);
        }
        sent.body(Empty::new()).unwrap()
    }

    fn invalidate(&mut self, pattern: &str) {
        self.invalidations += 1;
        let reference = self.invalidations.to_string();
        let batch = self.edge.invalidate(HOST, &reference, vec![pattern.to_owned()]).unwrap();
        // Memory is freed in a thread of its own; that it is not our turn meanwhile makes sequences repeatable.
        while self.edge.invalidations().status(&batch) != Status::Completed {
            std::thread::yield_now();
        }
    }
}

impl Bench {
    /// Until every errand is done, and every connection to the origin closed.
    async fn rest(&self) {
        let handle = tokio::runtime::Handle::current();
        soon(async {
            while handle.metrics().num_alive_tasks() > self.tasks {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.unwrap_or_else(|_| panic!("it did not come"))
}

/// As far as it gets by itself.
async fn once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn viewer() -> Viewer {
    Viewer { addr: SocketAddr::from(([192, 0, 2, 1], 40_000)), scheme: Scheme::Http, tls: None }
}

/// Reads a response to its end.
async fn read(response: http::Response<EdgeBody>) -> Reply {
    let (parts, mut body) = response.into_parts();
    let (mut bytes, mut whole) = (Vec::new(), true);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    let body = if text.starts_with("<!DOCTYPE") { PAGE.to_owned() } else { text };
    Reply { body, cut: !whole, ..reply(&parts) }
}

fn reply(parts: &http::response::Parts) -> Reply {
    let field = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap());
    let x_cache = match field("x-cache") {
        Some("Hit from cloudfront") => "Hit",
        Some("Miss from cloudfront") => "Miss",
        Some("RefreshHit from cloudfront") => "RefreshHit",
        Some("Error from cloudfront") => "Error",
        other => panic!("X-Cache: {other:?}"),
    };
    Reply {
        status: parts.status.as_u16(),
        x_cache,
        age: field("age").map(|age| age.parse().unwrap()),
        content_range: field("content-range").map(str::to_owned),
        etag: field("etag").map(str::to_owned),
        set_cookie: field("set-cookie").is_some(),
        ..Reply::default()
    }
}

impl Script {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request on a connection of its own.
    async fn serve(&self, mut stream: TcpStream) {
        let Some(asked) = asked(&mut stream).await else { return };
        let (origin, answer, number) = {
            let mut state = self.lock();
            state.count += 1;
            let answer = state.origin.answer(&asked, state.version);
            state.asked.push(asked.clone());
            (state.origin, answer, state.count - 1)
        };
        let Some(answer) = answer else {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            return;
        };
        // The edge may have had enough of it at any time.
        _ = self.say(&mut stream, &origin, &answer, asked.head, number).await;
        _ = stream.shutdown().await;
        while matches!(stream.read(&mut [0; 64]).await, Ok(1..)) {}
    }

    async fn say(
        &self,
        stream: &mut TcpStream,
        origin: &Origin,
        answer: &Answer,
        head_alone: bool,
        number: usize,
    ) -> std::io::Result<()> {
        let body = &answer.body;
        let has_body = !head_alone && answer.status != 304;
        let mut head = format!("HTTP/1.1 {} Fine\r\nConnection: close\r\n", answer.status);
        let mut line = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
        if !answer.cache_control.is_empty() {
            line("Cache-Control", answer.cache_control);
        }
        if let Some(etag) = &answer.etag {
            line("ETag", etag);
        }
        if answer.age > 0 {
            line("Age", &answer.age.to_string());
        }
        if answer.set_cookie {
            line("Set-Cookie", "s=new");
        }
        if answer.vary {
            line("Vary", "Accept-Language");
        }
        if let Some((first, last, length)) = answer.part {
            line("Content-Range", &format!("bytes {first}-{last}/{length}"));
        }
        match origin.framing {
            Framing::Length if answer.status != 304 => line("Content-Length", &body.len().to_string()),
            Framing::Chunked if has_body => line("Transfer-Encoding", "chunked"),
            _ => {}
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        if !has_body {
            return Ok(());
        }
        let (one, other) = body.split_at(body.len() / 2);
        for (at, half) in [one, other].into_iter().enumerate() {
            if at == 1 {
                _ = self.go_on.subscribe().wait_for(|first| number >= *first).await;
                if answer.cut {
                    return Ok(());
                }
            }
            let half = match origin.framing {
                Framing::Chunked if !half.is_empty() => format!("{:x}\r\n{half}\r\n", half.len()),
                _ => half.to_owned(),
            };
            stream.write_all(half.as_bytes()).await?;
        }
        if origin.framing == Framing::Chunked {
            stream.write_all(b"0\r\n\r\n").await?;
        }
        Ok(())
    }
}

/// A server that does as the script says.
async fn listen(script: Arc<Script>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let script = Arc::clone(&script);
            tokio::spawn(async move { script.serve(stream).await });
        }
    });
    addr
}

/// The next request, as far as it matters.
async fn asked(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8(head).unwrap();
    let field = |wanted: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.to_owned())
    };
    let mut words = head.split(' ');
    let is_head = words.next()? == "HEAD";
    Some(Asked {
        head: is_head,
        target: words.next()?.to_owned(),
        cookie: field("cookie"),
        if_none_match: field("if-none-match"),
        // A HEAD has none (RFC 9110 §14.2), whether it says so or not.
        range: field("range").filter(|_| !is_head),
    })
}
