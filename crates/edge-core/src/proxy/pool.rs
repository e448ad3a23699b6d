//! The servers behind an origin's name: which one is asked next, and which one is left alone for a while.
//!
//! What an Application Load Balancer does for its targets. A server that cannot be reached, or says nothing twice in a
//! row, is left alone and comes back by and by; one that answers 5xx is not left alone, as with the load balancer: a 500
//! speaks of a page or of the database behind all of them, and the health check is there to speak of the server. A
//! pool refuses to know the time, what a request is, and how a connection is made.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use crate::viewer::Scheme;

/// How long a server is left alone after its first failure; doubled by each further one.
const EJECTION_MIN: Duration = Duration::from_secs(1);

/// The longest a server is left alone.
const EJECTION_MAX: Duration = Duration::from_secs(30);

/// So many health checks have to fail in a row.
const PROBES_TO_FAIL: u32 = 2;

/// So many requests in a row have to be left without an answer: one may be a slow page.
const SILENCES_TO_FAIL: u32 = 2;

/// How long a server that is new, or back, has less than its share: its caches and workers are cold.
const SLOW_START: Duration = Duration::from_secs(10);

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
    /// No longer one of this origin's servers.
    retired: AtomicBool,
}

#[derive(Debug, Default)]
struct Health {
    failures_in_a_row: u32,
    silences_in_a_row: u32,
    probes_failed_in_a_row: u32,
    /// Left alone before, given a growing share from then on. `None`: it has always been well.
    back_at: Option<Instant>,
}

/// What a health check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probed {
    Well,
    Unwell,
}

/// How much a server is wanted; the first is wanted most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Like any other.
    Ready,
    /// Back, and not to be asked this time if another can be.
    SlowStart,
    /// Left alone.
    Ejected,
}

impl Pool {
    pub(crate) fn new(servers: impl IntoIterator<Item = Server>) -> Self {
        let members = servers.into_iter().map(|server| Arc::new(Member::new(server, Health::default())));
        Self { members: members.collect(), turn: AtomicUsize::new(0) }
    }

    /// The pool that follows this one: servers that stay keep what is known of them, others start slowly.
    pub(crate) fn followed_by(&self, servers: impl IntoIterator<Item = Server>, now: Instant) -> Self {
        let members = servers.into_iter().map(|server| {
            let stays = self.members.iter().find(|member| member.server == server);
            let new = || Arc::new(Member::new(server, Health { back_at: Some(now), ..Health::default() }));
            stays.cloned().unwrap_or_else(new)
        });
        Self { members: members.collect(), turn: AtomicUsize::new(0) }
    }

    /// Nothing new goes to a server that is not in the pool that follows; for requests that are still at this one.
    pub(crate) fn retire_for(&self, next: Option<&Self>) {
        let stays = |member: &&Arc<Member>| {
            next.is_some_and(|next| next.members.iter().any(|other| Arc::ptr_eq(other, member)))
        };
        let gone = self.members.iter().filter(|member| !stays(member));
        gone.for_each(|member| member.retired.store(true, Ordering::Relaxed));
    }

    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Turns of servers that are passed over are passed over too, or the next one would get them all.
    fn next_turn(&self, now: Instant) -> usize {
        let (turn, count) = (self.turn.fetch_add(1, Ordering::Relaxed), self.members.len());
        let at = |offset: usize| turn.wrapping_add(offset);
        let ready = |offset: &usize| {
            self.members[at(*offset) % count].standing(now, lot(at(*offset))) == Standing::Ready
        };
        let passed_over = (0..count).find(ready).unwrap_or_default();
        if passed_over > 0 {
            self.turn.fetch_add(passed_over, Ordering::Relaxed);
        }
        at(passed_over)
    }

    /// The server to ask: if there is another, not one that is retired, not one of `tried`, not one left alone; of the
    /// rest the one with the fewest requests under way, in turn. There is always an answer: a last resort beats an error.
    pub(crate) fn pick(&self, tried: &[Arc<Member>], now: Instant) -> Option<Arc<Member>> {
        let count = self.members.len();
        let turn = self.next_turn(now);
        let in_turn = (0..count).map(|offset| (offset, &self.members[(turn.wrapping_add(offset)) % count]));
        let cost = |(offset, member): &(usize, &Arc<Member>)| {
            let tried = tried.iter().filter(|other| Arc::ptr_eq(other, member)).count();
            let lot = if *offset == 0 { lot(turn) } else { LOT_NEVER };
            let retired = member.retired.load(Ordering::Relaxed);
            (retired, tried, member.standing(now, lot), member.in_flight.load(Ordering::Relaxed))
        };
        in_turn.min_by_key(cost).map(|(_, member)| Arc::clone(member))
    }
}

/// A lot that no part of a slow start is large enough for.
const LOT_NEVER: f64 = 1.0;

/// Spreads the turns evenly over 0..1, also every second or third of them: the fractions of the golden ratio.
fn lot(turn: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a lot need not be exact")]
    let turn = turn as f64;
    (turn * 0.618_033_988_749_895).fract()
}

impl Member {
    fn new(server: Server, health: Health) -> Self {
        let (in_flight, health) = (AtomicUsize::new(0), Mutex::new(health));
        Self { server, in_flight, health, retired: AtomicBool::new(false) }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `lot` is below the part of its share that a server in its slow start gets, or it is passed over.
    fn standing(&self, now: Instant, lot: f64) -> Standing {
        let health = self.health();
        if health.probes_failed_in_a_row >= PROBES_TO_FAIL {
            return Standing::Ejected;
        }
        match health.back_at.map(|back_at| now.checked_duration_since(back_at)) {
            Some(None) => Standing::Ejected,
            Some(Some(since)) if since < SLOW_START && lot >= since.div_duration_f64(SLOW_START) => {
                Standing::SlowStart
            }
            _ => Standing::Ready,
        }
    }

    /// Notes that the server could not be reached, or went away without an answer.
    pub(crate) fn failed(&self, now: Instant) {
        self.health().eject(now);
    }

    /// Notes that the server took a request and said nothing for as long as it may.
    pub(crate) fn silent(&self, now: Instant) {
        let mut health = self.health();
        health.silences_in_a_row = health.silences_in_a_row.saturating_add(1);
        if health.silences_in_a_row >= SILENCES_TO_FAIL {
            health.eject(now);
        }
    }

    /// Notes that the server answered: if it was left alone, that is over.
    pub(crate) fn answered(&self, now: Instant) {
        let mut health = self.health();
        (health.failures_in_a_row, health.silences_in_a_row) = (0, 0);
        health.back_at = health.back_at.map(|back_at| back_at.min(now));
    }

    /// Notes what a health check found. One good one brings the server back.
    pub(crate) fn probed(&self, found: Probed, now: Instant) {
        let mut health = self.health();
        match found {
            Probed::Well => {
                let was_out = health.probes_failed_in_a_row >= PROBES_TO_FAIL;
                let back_at = if was_out { Some(now) } else { health.back_at.map(|at| at.min(now)) };
                *health = Health { back_at, ..Health::default() };
            }
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

impl Health {
    fn eject(&mut self, now: Instant) {
        let doubled = EJECTION_MIN.saturating_mul(1 << self.failures_in_a_row.min(10));
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        self.back_at = Some(now + doubled.min(EJECTION_MAX));
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn servers(count: u16) -> impl Iterator<Item = Server> {
        (1..=count).map(|port| Server::parse(&format!("http://127.0.0.1:{port}")).unwrap())
    }

    /// How many of so many requests go to each server, when each is over before the next.
    fn shares(pool: &Pool, requests: usize, now: Instant) -> Vec<usize> {
        let mut shares = vec![0; pool.len()];
        for _ in 0..requests {
            let picked = pool.pick(&[], now).unwrap();
            shares[usize::from(picked.server.port) - 1] += 1;
        }
        shares
    }

    fn about(shares: &[usize], wanted: &[usize]) {
        let near = shares.iter().zip(wanted).all(|(one, other)| one.abs_diff(*other) <= 20);
        assert!(near, "{shares:?}, wanted about {wanted:?}");
    }

    #[test]
    fn a_server_that_fails_is_left_alone_and_comes_back_by_and_by() {
        let (pool, now) = (Pool::new(servers(2)), Instant::now());
        about(&shares(&pool, 1_000, now), &[500, 500]);
        pool.members()[0].failed(now);
        assert_eq!(shares(&pool, 1_000, now + SECOND / 2), [0, 1_000]);
        // It counts for a tenth of a server after a second, for all of one after ten.
        let back = now + EJECTION_MIN;
        about(&shares(&pool, 1_000, back + SECOND), &[91, 909]);
        about(&shares(&pool, 1_000, back + 5 * SECOND), &[333, 667]);
        about(&shares(&pool, 1_000, back + SLOW_START), &[500, 500]);
        // An answer does not cut it short.
        pool.members()[0].answered(back + SECOND);
        about(&shares(&pool, 1_000, back + 2 * SECOND), &[167, 833]);
    }

    #[test]
    fn the_share_of_a_slow_start_does_not_depend_on_how_many_others_there_are_or_on_load() {
        let (pool, now) = (Pool::new(servers(5)), Instant::now());
        pool.members()[0].failed(now);
        let (_busy, at) = (
            pool.members()[1..].iter().map(Member::lease).collect::<Vec<_>>(),
            now + EJECTION_MIN + 5 * SECOND,
        );
        about(&shares(&pool, 1_000, at), &[111, 222, 222, 222, 222]);
    }

    #[test]
    fn what_a_server_does_not_get_goes_to_all_others() {
        let (pool, now) = (Pool::new(servers(3)), Instant::now());
        pool.members()[0].failed(now);
        about(&shares(&pool, 1_000, now), &[0, 500, 500]);
    }

    #[test]
    fn each_failure_in_a_row_doubles_the_time_up_to_a_bound() {
        let (pool, mut now) = (Pool::new(servers(2)), Instant::now());
        let member = &pool.members()[0];
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            member.failed(now);
            now += seconds * SECOND;
            assert_eq!(member.standing(now - SECOND / 1_000, 0.0), Standing::Ejected, "{seconds}");
            assert_ne!(member.standing(now, 0.0), Standing::Ejected, "{seconds}");
        }
        member.answered(now);
        member.failed(now);
        assert_ne!(member.standing(now + SECOND, 0.0), Standing::Ejected);
    }

    #[test]
    fn silence_counts_from_the_second_time_unless_something_was_answered() {
        let (pool, now) = (Pool::new(servers(2)), Instant::now());
        let member = &pool.members()[0];
        member.silent(now);
        member.answered(now);
        member.silent(now);
        assert_eq!(member.standing(now, 0.0), Standing::Ready);
        member.silent(now);
        assert_eq!(member.standing(now, 0.0), Standing::Ejected);
        assert_eq!(shares(&pool, 10, now), [0, 10]);
    }

    #[test]
    fn a_server_the_checks_had_given_up_comes_back_slowly() {
        let (pool, now) = (Pool::new(servers(2)), Instant::now());
        let member = &pool.members()[0];
        member.probed(Probed::Unwell, now);
        member.probed(Probed::Well, now);
        about(&shares(&pool, 1_000, now), &[500, 500]);
        member.probed(Probed::Unwell, now);
        member.probed(Probed::Unwell, now);
        assert_eq!(shares(&pool, 1_000, now + 60 * SECOND), [0, 1_000]);
        let back = now + 60 * SECOND;
        member.probed(Probed::Well, back);
        member.probed(Probed::Well, back + SECOND);
        about(&shares(&pool, 1_000, back + 2 * SECOND), &[167, 833]);
        about(&shares(&pool, 1_000, back + SLOW_START), &[500, 500]);
    }

    #[test]
    fn a_good_check_ends_an_ejection() {
        let (pool, now) = (Pool::new(servers(2)), Instant::now());
        pool.members()[0].failed(now);
        pool.members()[0].failed(now);
        pool.members()[0].probed(Probed::Well, now + SECOND);
        about(&shares(&pool, 1_000, now + 3 * SECOND), &[167, 833]);
    }

    #[test]
    fn somebody_is_always_asked() {
        let (pool, now) = (Pool::new(servers(2)), Instant::now());
        // None of them is well; none of them is further in its slow start than the other.
        pool.members().iter().for_each(|member| member.failed(now));
        about(&shares(&pool, 1_000, now), &[500, 500]);
        about(&shares(&pool, 1_000, now + EJECTION_MIN), &[500, 500]);
        about(&shares(&pool, 1_000, now + 3 * SECOND), &[500, 500]);
        // The only one that is not left alone gets all, also in its slow start.
        let pool = Pool::new(servers(2));
        pool.members()[0].failed(now);
        pool.members()[1].failed(now + EJECTION_MIN);
        assert_eq!(shares(&pool, 100, now + EJECTION_MIN), [100, 0]);
        pool.retire_for(None);
        assert!(pool.pick(&[], now).is_some());
    }

    #[test]
    fn a_pool_that_follows_keeps_what_is_known_and_starts_new_servers_slowly() {
        let (pool, now) = (Pool::new(servers(2)), Instant::now());
        let lease = pool.members()[1].lease();
        let next = pool.followed_by(servers(3).skip(1), now);
        assert!(Arc::ptr_eq(&next.members()[0], &pool.members()[1]));
        assert_eq!(next.members()[0].in_flight.load(Ordering::Relaxed), 1, "counted in both");
        drop(lease);
        let to_new = |seconds| {
            let picks = (0..1_000).map(|_| next.pick(&[], now + seconds * SECOND).unwrap());
            picks.filter(|picked| picked.server.port == 3).count()
        };
        assert!(to_new(1).abs_diff(91) <= 20);
        assert!(to_new(10).abs_diff(500) <= 20);
        // Requests that are still at the old pool go to the server that stays, even for their second try.
        pool.retire_for(Some(&next));
        assert_eq!(shares(&pool, 100, now), [0, 100]);
        let tried = [Arc::clone(&pool.members()[1])];
        assert!(Arc::ptr_eq(&pool.pick(&tried, now).unwrap(), &pool.members()[1]));
    }
}
