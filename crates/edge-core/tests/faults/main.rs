//! Origins in trouble while viewers keep coming: what a page that was cached once is worth (threats U1, S1).
//!
//! Each kind of trouble has an origin and an edge of its own, with the guard and to the letter, all at the same time.
//! Viewers ask without pause, by HTTP/1.1 and HTTP/2, for pages that are fresh for a second, so that refreshes fall
//! into the trouble all the time, and for pages that are never cached. Every body says what it should be.
#![cfg(feature = "proxy")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod origin;
mod page;
mod tally;
mod viewer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edge_core::cache::storing::Guard;
use edge_core::distribution::{Distribution, ErrorResponse, load};
use edge_core::proxy::server::{Server, Settings};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::origin::{Mode, Origin};
use self::page::{PAGES, UNCACHED};
use self::tally::{Row, Tally};
use self::viewer::{Protocol, Viewer};

/// How long the trouble lasts.
const TROUBLE: Duration = Duration::from_secs(30);
/// From one change to the next of an origin that flaps.
const FLAP: Duration = Duration::from_secs(1);
/// A viewer asks this often, if his last answer has come.
const PACE: Duration = Duration::from_millis(50);
/// How long one waits for the end of a trouble to show, at most.
const RECOVERY_MAX: Duration = Duration::from_secs(20);
/// How long it may take on a busy machine.
const RECOVERY: Duration = Duration::from_secs(4);
/// How long an error is kept.
const ERROR_CACHING: Duration = Duration::from_secs(1);

/// What befalls an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Killed,
    Hangs,
    Says500,
    Resets,
    SendsShort,
    Flaps,
}

const TROUBLES: [Trouble; 6] =
    [Trouble::Killed, Trouble::Hangs, Trouble::Says500, Trouble::Resets, Trouble::SendsShort, Trouble::Flaps];

impl Trouble {
    /// Lasts until `end`.
    async fn last(self, origin: &Origin, end: Instant) {
        let mode = match self {
            Self::Killed => Mode::Killed,
            Self::Hangs => Mode::Hangs,
            Self::Says500 => Mode::Says500,
            Self::Resets => Mode::Resets,
            Self::SendsShort => Mode::SendsShort,
            Self::Flaps => {
                let mut beat = interval(FLAP);
                for mode in [Mode::Killed, Mode::Well].into_iter().cycle() {
                    beat.tick().await;
                    if Instant::now() >= end {
                        return;
                    }
                    origin.be(mode);
                }
                return;
            }
        };
        origin.be(mode);
        tokio::time::sleep_until(end).await;
    }
}

/// One behavior that caches by what the origin says; errors are kept for a second.
fn distribution(guard: Guard) -> Distribution {
    let document = r#"{"CallerReference": "t", "Comment": "", "Enabled": true,
        "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "origin.test",
            "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}]},
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}}"#;
    let mut distribution = load(document).unwrap().distribution;
    distribution.domain_name = viewer::HOST.to_owned();
    let origin = &mut distribution.origins[0];
    (origin.connection_attempts, origin.connection_timeout, origin.read_timeout) = match guard {
        Guard::On => (2, Duration::from_secs(3), Duration::from_secs(30)),
        // To the letter viewers wait until the attempt has failed.
        Guard::Off => (1, Duration::from_secs(1), Duration::from_secs(1)),
    };
    distribution.default_behavior.ttl.min = Duration::ZERO;
    let error = |code| ErrorResponse {
        error_code: http::StatusCode::from_u16(code).unwrap(),
        page: None,
        caching_min_ttl: ERROR_CACHING,
    };
    distribution.error_responses = [500, 502, 503, 504].map(error).into();
    distribution
}

/// An edge in front of one origin, and its viewers.
struct World {
    origin: Origin,
    server: Server,
    tally: Arc<Tally>,
    /// The generation of pages that viewers wait for at the end.
    end: Arc<AtomicU64>,
}

impl World {
    async fn new(guard: Guard) -> Self {
        let origin = Origin::start().await;
        let mut settings = Settings::new(distribution(guard));
        settings.guard = guard;
        settings.http.push("127.0.0.1:0".parse().unwrap());
        settings.servers.insert("origin.test".to_owned(), vec![format!("http://{}", origin.addr)]);
        let server = Server::start(settings).await.unwrap();
        Self { origin, server, tally: Arc::default(), end: Arc::default() }
    }

    /// One of the viewers; each begins with another page.
    async fn view(&self, number: usize, protocol: Protocol, pages: &'static [page::Page]) {
        let mut viewer = Viewer::new(self.server.http()[0], protocol);
        let mut beat = interval(PACE);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let turns = (0..pages.len()).cycle().skip(number * pages.len() / 4);
        for page in turns.map(|turn| &pages[turn]) {
            beat.tick().await;
            if self.end.load(Ordering::SeqCst) > 0 {
                return;
            }
            let asked = Instant::now();
            let got = viewer.get(page.path).await;
            self.tally.count(page, got, asked.elapsed());
        }
    }

    /// Warms the cache, makes the trouble and ends it, and waits for new pages.
    async fn suffer(&self, trouble: Trouble) {
        self.tally.has_all(1, RECOVERY_MAX).await;
        let asked_before = self.origin.asked();
        self.tally.begin();
        trouble.last(&self.origin, Instant::now() + TROUBLE).await;
        self.tally.origin_requests(self.origin.asked() - asked_before);
        let generation = self.origin.recover();
        let took = self.tally.has_all(generation, RECOVERY_MAX).await;
        self.tally.recovered(took);
        self.end.store(generation, Ordering::SeqCst);
    }

    async fn run(self, trouble: Trouble) -> Row {
        let world = Arc::new(self);
        let mut viewers = JoinSet::new();
        let kinds =
            [(Protocol::H1, PAGES), (Protocol::H2, PAGES), (Protocol::H1, PAGES), (Protocol::H2, PAGES)];
        for (number, (protocol, pages)) in
            kinds.into_iter().chain([(Protocol::H1, UNCACHED), (Protocol::H2, UNCACHED)]).enumerate()
        {
            let world = Arc::clone(&world);
            viewers.spawn(async move { world.view(number % 4, protocol, pages).await });
        }
        world.suffer(trouble).await;
        viewers.join_all().await;
        world.tally.row()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_were_cached_do_not_fail_with_their_origin() {
    let mut worlds = JoinSet::new();
    for (number, trouble) in TROUBLES.into_iter().enumerate() {
        for guard in [Guard::On, Guard::Off] {
            worlds.spawn(async move {
                let row = World::new(guard).await.run(trouble).await;
                (number, guard == Guard::Off, trouble, row)
            });
        }
    }
    let mut rows = worlds.join_all().await;
    rows.sort_by_key(|(number, exact, ..)| (*exact, *number));
    println!("{:<20}{}", "", tally::HEADING);
    let mut wrong = Vec::new();
    for (_, exact, trouble, row) in &rows {
        let name = format!("{trouble:?}{}", if *exact { ", exact" } else { "" });
        println!("{name:<20}{row}");
        // To the letter a response has begun by the time its body breaks off, and the viewer is told so.
        let breaks = *exact && matches!(trouble, Trouble::Resets | Trouble::SendsShort);
        let failures = row.failures.iter().filter(|failure| !(breaks && failure.is_cut));
        wrong.extend(failures.map(|failure| format!("{name}: {}", failure.what)).take(5));
        // An origin that is back every other second is asked for every page then, and none grows old.
        let grew_old = row.stale > 0 || matches!(trouble, Trouble::Flaps) && !exact;
        if row.cached < 50 || row.uncached_failed == 0 || !grew_old {
            wrong.push(format!("{name}: no load, or no trouble"));
        }
        match row.recovered {
            Some(took) if took <= RECOVERY => {}
            took => wrong.push(format!("{name}: new pages after {took:?}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
