//! The data path as viewers and origins see it: an embedded server, real sockets, a clock that is moved by hand, and
//! origins that are scripted byte by byte.
#![cfg(feature = "proxy")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests are tests")]

mod cached;
mod certificates;
mod chain;
mod collapsed;
mod compressed;
mod cut;
mod full;
mod grpc;
mod guarded;
mod h2;
mod handshakes;
#[cfg(feature = "http3")]
mod http3;
mod interim;
mod invalidated;
mod lambdas;
mod large;
mod life;
mod logged;
mod memory;
mod messages;
mod otherwise;
mod pages;
mod places;
mod ranged;
mod refreshed;
mod several;
mod stale;
mod tunnel;
mod upload;
mod wire;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, UNIX_EPOCH};

use edge_core::distribution::{AllowedMethods, Distribution, Names, Ttl, load};
use edge_core::proxy::clock::{Clock, Hand};
use edge_core::proxy::server::{Server, Settings};

use self::wire::{Asked, Origin, Reply, Viewer, field, fields};

const HOST: &str = "edge.test";
const ORIGIN: &str = "origin.test";

/// A timeout that a test waits for.
const SHORT: Duration = Duration::from_millis(150);

/// A timeout that no test waits for.
const LONG: Duration = Duration::from_secs(30);

/// Nothing in these tests takes this long unless it never comes.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, future).await.unwrap_or_else(|_| panic!("{what}: it did not come"))
}

/// Lets everything else run until it is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    soon(what, async {
        while !so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// One behavior that caches for a minute where the origin says nothing; everything else as plain as it gets.
fn distribution() -> Distribution {
    let document = r#"{"CallerReference": "t", "Comment": "", "Enabled": true,
        "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "origin.test",
            "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}]},
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}}"#;
    let mut distribution = load(document).unwrap().distribution;
    distribution.domain_name = HOST.to_owned();
    let origin = &mut distribution.origins[0];
    (origin.connection_attempts, origin.connection_timeout, origin.read_timeout) = (1, LONG, LONG);
    let behavior = &mut distribution.default_behavior;
    behavior.allowed_methods = AllowedMethods::All;
    behavior.compress = false;
    (behavior.key.gzip, behavior.key.brotli) = (false, false);
    behavior.key.query = Names::All;
    behavior.ttl = Ttl { min: Duration::ZERO, default: seconds(60), max: seconds(3_600) };
    distribution
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// An edge in front of one origin.
struct World {
    server: Server,
    hand: Hand,
    settings: Settings,
}

impl World {
    async fn new(origin: &Origin) -> Self {
        Self::with(origin, |_| {}).await
    }

    async fn with(origin: &Origin, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(distribution());
        settings.http.push("127.0.0.1:0".parse().unwrap());
        settings.servers.insert(ORIGIN.to_owned(), vec![format!("http://{}", origin.addr)]);
        let (clock, hand) = Clock::manual(UNIX_EPOCH + seconds(1_800_000_000));
        settings.clock = clock;
        change(&mut settings);
        let server = Server::start(settings.clone()).await.unwrap();
        Self { server, hand, settings }
    }

    fn pass(&self, count: u64) {
        self.hand.advance(seconds(count));
    }

    async fn viewer(&self) -> Viewer {
        Viewer::connect(self.server.http()[0]).await
    }

    /// One GET on a connection of its own.
    async fn get(&self, target: &str) -> Reply {
        self.viewer().await.get(target).await
    }

    async fn ask(&self, method: &str, target: &str, fields: &str) -> Reply {
        self.viewer().await.ask(method, target, fields).await
    }

    /// Requests the edge has begun to answer.
    fn requests(&self) -> u64 {
        self.server.edge().counters().requests.load(Ordering::Relaxed)
    }

    async fn requested(&self, count: u64) {
        until("requests at the edge", || self.requests() == count).await;
    }
}

/// A 200 with a length and these further field lines.
fn ok(fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut wire = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    wire.extend_from_slice(body);
    wire
}

/// Bytes of which no part looks like another.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}

/// So many of them, all at once.
async fn all<F: Future>(count: usize, make: impl FnMut(usize) -> F) -> Vec<F::Output> {
    let mut futures: Vec<_> = (0..count).map(make).map(Box::pin).collect();
    let mut done: Vec<_> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in futures.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
