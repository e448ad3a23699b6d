//! The servers behind an origin's name: which one is asked next, and which one is left alone for a while.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use crate::viewer::Scheme;

/// How long a server is left alone after its first failure; doubled by each further one.
const EJECTION_MIN: Duration = Duration::from_secs(1);

/// The longest a server is left alone.
const EJECTION_MAX: Duration = Duration::from_secs(30);

/// So many health checks have to fail in a row.
const PROBES_TO_FAIL: u32 = 2;

/// A server of an origin: where it is and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// What it speaks.
    pub scheme: Scheme,
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What is asked of its certificate.
    pub verification: Verification,
}

/// What is asked of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verification {
    /// A trusted chain, and the right name.
    Strict,
    /// Nothing. For a server on one's own machine only.
    Off,
}

impl Server {
    /// Reads `http://host:port` or `https://host:port`; the port may be left out.
    pub fn parse(url: &str) -> Result<Self, String> {
        let uri: http::Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            _ => return Err(format!("{url}: expected http://… or https://…")),
        };
        let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri.authority().filter(|authority| bare && !authority.as_str().contains('@'));
        let Some(authority) = authority else { return Err(format!("{url}: expected host and port alone")) };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(format!("{url}: no host"));
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") | None => default_port,
            Some(_) => authority.port_u16().ok_or_else(|| format!("{url}: not a port"))?,
        };
        Ok(Self { scheme, host, port, verification: Verification::Strict })
    }
}

/// The servers of one origin name.
#[derive(Debug)]
pub(crate) struct Pool {
    members: Vec<Arc<Member>>,
    turn: AtomicUsize,
}

/// A server and how it has been doing.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) server: Server,
    in_flight: AtomicUsize,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    failures_in_a_row: u32,
    left_alone_until: Option<Instant>,
    probes_failed_in_a_row: u32,
}

/// What a health check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probed {
    Well,
    Unwell,
}

impl Pool {
    pub(crate) fn new(servers: impl IntoIterator<Item = Server>) -> Self {
        let member = |server| {
            Arc::new(Member { server, in_flight: AtomicUsize::new(0), health: Mutex::new(Health::default()) })
        };
        Self { members: servers.into_iter().map(member).collect(), turn: AtomicUsize::new(0) }
    }

    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// The server to ask: not one of `tried` if there is another, not one left alone if there is another, the one
    /// with the fewest requests under way, in turn. There is always an answer: a last resort beats an error.
    pub(crate) fn pick(&self, tried: &[Arc<Member>], now: Instant) -> Option<Arc<Member>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.members.len();
        let in_turn = (0..count).map(|offset| &self.members[(turn.wrapping_add(offset)) % count]);
        let cost = |member: &&Arc<Member>| {
            let tried = tried.iter().filter(|other| Arc::ptr_eq(other, member)).count();
            (tried, !member.ready(now), member.in_flight.load(Ordering::Relaxed))
        };
        in_turn.min_by_key(cost).cloned()
    }
}

impl Member {
    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self, now: Instant) -> bool {
        let health = self.health();
        health.probes_failed_in_a_row < PROBES_TO_FAIL
            && health.left_alone_until.is_none_or(|until| until <= now)
    }

    /// Notes that the server could not be reached, or went away without an answer.
    pub(crate) fn failed(&self, now: Instant) {
        let mut health = self.health();
        let doubled = EJECTION_MIN.saturating_mul(1 << health.failures_in_a_row.min(10));
        health.failures_in_a_row = health.failures_in_a_row.saturating_add(1);
        health.left_alone_until = Some(now + doubled.min(EJECTION_MAX));
    }

    /// Notes that the server answered.
    pub(crate) fn answered(&self) {
        let mut health = self.health();
        (health.failures_in_a_row, health.left_alone_until) = (0, None);
    }

    /// Notes what a health check found. One good one brings the server back at once.
    pub(crate) fn probed(&self, found: Probed) {
        let mut health = self.health();
        match found {
            Probed::Well => *health = Health::default(),
            Probed::Unwell => {
                health.probes_failed_in_a_row = health.probes_failed_in_a_row.saturating_add(1);
            }
        }
    }

    /// Counts a request as under way until the lease is dropped.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Lease(Arc::clone(self))
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Member>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
