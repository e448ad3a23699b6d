//! WordPress in trouble, and crowds: what viewers notice of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::caching::expect;
use super::client::{Answer, Ask, CUT, Viewer};
use super::edge::Edge;
use super::site::{Site, soon};

/// Viewers who search for something new without end, so that every request goes to WordPress.
struct Searchers {
    answered: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Searchers {
    fn start(viewers: impl Iterator<Item = Viewer>) -> Self {
        let (answered, failed) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (over, mut tasks) = (Arc::<AtomicBool>::default(), JoinSet::new());
        for (number, viewer) in viewers.enumerate() {
            let (answered, failed, over) = (answered.clone(), failed.clone(), over.clone());
            tasks.spawn(async move {
                let mut turn = 0;
                while !over.load(Ordering::Relaxed) {
                    turn += 1;
                    let target = format!("/?s=word{number}x{turn}");
                    let problem = match viewer.try_send(Ask::get(&target)).await {
                        Ok(answer) if answer.status.as_u16() == 200 => None,
                        Ok(answer) => Some(format!("{target}: {}", answer.status)),
                        Err(error) => Some(format!("{target}: {error}")),
                    };
                    failed.lock().unwrap().extend(problem);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { answered, failed, over, tasks }
    }

    async fn make(&self, more: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        soon(&format!("{more} more searches"), async || self.answered.load(Ordering::Relaxed) >= wanted)
            .await;
    }

    /// How many were answered, and what went wrong.
    async fn end(mut self) -> (usize, Vec<String>) {
        self.over.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        (self.answered.load(Ordering::Relaxed), std::mem::take(&mut *self.failed.lock().unwrap()))
    }
}

const VIEWERS: usize = 8;

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn the_death_of_one_instance_fails_no_request() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    let searchers = Searchers::start((0..VIEWERS).map(|_| edge.viewer()));
    let on = async |instance: &str, mark| {
        site.since(mark).await.iter().filter(|line| line.instance == instance).count()
    };

    let mark = site.mark().await;
    searchers.make(30).await;
    assert!(on("a", mark).await > 0 && on("b", mark).await > 0, "one of two instances gets everything");
    site.control(&["kill", "nginx-a"]).await;
    let mark = site.mark().await;
    searchers.make(60).await;
    assert_eq!(on("a", mark).await, 0, "the dead answer");
    site.control(&["start", "nginx-a"]).await;
    let mark = site.mark().await;
    soon("requests to the instance that is back", async || on("a", mark).await > 0).await;
    searchers.make(20).await;
    let (answered, failed) = searchers.end().await;
    // What was half sent when its server was killed cannot be asked for again: the viewer is told by a broken stream.
    let (cut, failed): (Vec<String>, Vec<String>) =
        failed.into_iter().partition(|problem| problem.contains(CUT));
    assert!(failed.is_empty(), "{} of {answered} failed: {failed:#?}", failed.len());
    assert!(cut.len() <= VIEWERS, "more cut than were under way: {cut:#?}");
    let broke_off = edge.said("the origin's response broke off");
    assert!(cut.len() <= broke_off, "{broke_off} responses of the origin broke off: {cut:#?}");
    println!(
        "{answered} uncached searches while one instance died and came back: none failed, {} cut in their body",
        cut.len()
    );
}

/// This many at once, each on a connection that is open already.
const CROWD: usize = 50;

/// All ask for one cold page at once. How many reached WordPress, how many hits there were, how many renderings.
async fn crowd(site: &Site, edge: &Edge, target: &str) -> (usize, usize, usize) {
    let mut viewers = Vec::new();
    for _ in 0..10 {
        let viewer = edge.viewer();
        viewer.get("/wp-includes/js/jquery/jquery.min.js").await;
        viewers.push(Arc::new(viewer));
    }
    let mark = site.mark().await;
    let mut tasks = JoinSet::new();
    for number in 0..CROWD {
        let (viewer, target) = (viewers[number % viewers.len()].clone(), target.to_owned());
        tasks.spawn(async move { viewer.get(&target).await });
    }
    let answers = tasks.join_all().await;
    for answer in &answers {
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
        assert!(answer.text().contains("</html>"), "half a page");
    }
    let mut renderings: Vec<String> = answers.iter().map(Answer::rendering).collect();
    renderings.sort_unstable();
    renderings.dedup();
    let hits = answers.iter().filter(|answer| answer.is_hit()).count();
    (site.since(mark).await.len(), hits, renderings.len())
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn a_crowd_before_a_cold_page_is_one_request_unless_exact() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    let target = format!("{}?fixture-sleep=1000", site.text("/posts/6/path"));
    let (reached, hits, renderings) = crowd(&site, &edge, &target).await;
    assert_eq!(
        (reached, hits, renderings),
        (1, CROWD - 1, 1),
        "requests, hits and renderings for {CROWD} viewers"
    );
    drop(edge);

    // The behavior forwards cookies, so CloudFront collapses nothing (and viewers of this class have none).
    let exact = Edge::start(&site, &["--exact"]).await;
    let (reached, hits, renderings) = crowd(&site, &exact, &target).await;
    assert_eq!((reached, hits, renderings), (CROWD, 0, CROWD), "the same with --exact");
    expect(&exact.viewer(), &target, "Hit").await;
    println!("{CROWD} viewers of a cold page: 1 request to WordPress, {CROWD} with --exact");
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn without_wordpress_what_was_cached_is_served() {
    let site = Site::take();
    let short = "[origin]\nread_timeout = \"2s\"\nconnect_attempts = 1\n[ttl]\npages = \"1s\"\n";
    let (mut day, second) = (Edge::start(&site, &[]).await, Edge::start_with_policy(&site, short).await);
    day.authority.clone_from(&second.authority); // WordPress has one name; both edges answer for it
    let fresh =
        ["/", "/about/", "/feed/", "/?s=heron", "/wp-includes/js/jquery/jquery.min.js", "/robots.txt"];
    let expired = ["/", "/about/", "/?s=heron"];
    for target in fresh {
        expect(&day.viewer(), target, "Miss").await;
    }
    let mut renderings = Vec::new();
    for target in expired {
        renderings.push(expect(&second.viewer(), target, "Miss").await.rendering());
    }
    // Asked for last, it expires last.
    let last = expect(&second.viewer(), "/contact/", "Miss").await.rendering();
    soon("the end of a second", async || second.viewer().get("/contact/").await.rendering() != last).await;

    for (trouble, relief) in [("stop", "start"), ("pause", "resume")] {
        for instance in ["a", "b"] {
            site.control(&[trouble, instance]).await;
        }
        for target in fresh {
            assert_eq!(
                expect(&day.viewer(), target, "Hit").await.status.as_u16(),
                200,
                "{target} ({trouble})"
            );
        }
        for (target, rendering) in expired.into_iter().zip(&renderings) {
            for _ in 0..2 {
                let page = expect(&second.viewer(), target, "Hit").await;
                assert_eq!(
                    (page.status.as_u16(), &page.rendering()),
                    (200, rendering),
                    "{target} ({trouble})"
                );
            }
        }
        let error = second.viewer().get("/harbour/").await;
        assert_eq!(error.x_cache(), "Error", "a page nobody has ({trouble}): {}", error.status);
        assert!(
            matches!(error.status.as_u16(), 502 | 504),
            "a page nobody has ({trouble}): {}",
            error.status
        );
        for instance in ["a", "b"] {
            site.control(&[relief, instance]).await;
        }
    }
    let viewer = second.viewer();
    soon("a new page after the outage", async || viewer.get("/").await.rendering() != renderings[0]).await;
    soon("the page nobody had", async || viewer.get("/harbour/").await.status.as_u16() == 200).await;
    println!(
        "{} fresh and {} expired pages served with WordPress stopped, and hanging",
        fresh.len(),
        expired.len()
    );
}

/// How long a database is away, as in a slow fail-over.
const OUTAGE: Duration = Duration::from_secs(150);
/// The site is itself again this soon after the database is, or after WordPress is if that takes longer.
const RECOVERY: Duration = Duration::from_secs(1);

/// Viewers who read the same pages again and again.
#[derive(Default)]
struct Readers {
    answered: AtomicUsize,
    failed: Mutex<Vec<String>>,
    /// The rendering of each page that was seen last, and when it was seen first.
    renderings: Mutex<HashMap<String, (String, Instant)>>,
    over: AtomicBool,
}

impl Readers {
    async fn read(&self, viewer: &Viewer, pages: &[String], first: usize) {
        let mut beat = interval(Duration::from_millis(20));
        for page in pages.iter().cycle().skip(first) {
            beat.tick().await;
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let problem = match viewer.try_send(Ask::get(page)).await {
                Ok(answer) if answer.status.as_u16() != 200 => Some(answer.status.to_string()),
                Ok(answer) if !answer.text().contains("</html>") => Some("half a page".to_owned()),
                Ok(answer) => {
                    let mut renderings = self.renderings.lock().unwrap();
                    let known = renderings.get(page).is_some_and(|(known, _)| *known == answer.rendering());
                    if !known {
                        renderings.insert(page.clone(), (answer.rendering(), Instant::now()));
                    }
                    None
                }
                Err(error) => Some(error),
            };
            self.failed.lock().unwrap().extend(problem.map(|problem| format!("{page}: {problem}")));
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// When pages were seen in renderings that are newer, in order.
    fn new_since(&self, instant: Instant) -> Vec<Instant> {
        let renderings = self.renderings.lock().unwrap();
        let mut new: Vec<_> = renderings.values().map(|(_, at)| *at).filter(|at| *at > instant).collect();
        new.sort_unstable();
        new
    }
}

/// Searches for something new until that is answered: when it was.
async fn searched(viewer: &Viewer, who: &str) -> Instant {
    let mut turn = 0;
    soon(&format!("a search answered by {who}"), async || {
        turn += 1;
        let answer = viewer.try_send(Ask::get(&format!("/?s={who}{turn}"))).await;
        answer.is_ok_and(|answer| answer.status.as_u16() == 200)
    })
    .await;
    Instant::now()
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn a_database_that_is_away_is_not_noticed_and_its_return_is() {
    let site = Site::take();
    let edge = Edge::start_with_policy(&site, "[origin]\n[ttl]\npages = \"2s\"\n").await;
    let mut pages = vec!["/".to_owned(), "/about/".to_owned(), "/?s=heron".to_owned()];
    pages.extend((0..7).map(|number| site.text(&format!("/posts/{number}/path"))));
    for page in &pages {
        expect(&edge.viewer(), page, "Miss").await;
    }
    let (readers, pages) = (Arc::<Readers>::default(), Arc::new(pages));
    let mut tasks = JoinSet::new();
    for number in 0..4 {
        let (readers, pages, viewer) = (readers.clone(), pages.clone(), edge.viewer());
        tasks.spawn(async move { readers.read(&viewer, &pages, number * 3).await });
    }
    soon("all pages read", async || readers.renderings.lock().unwrap().len() == pages.len()).await;

    site.control(&["kill", "mariadb"]).await;
    let (away, mark, answered_before) =
        (Instant::now(), site.mark().await, readers.answered.load(Ordering::Relaxed));
    let (mut beat, mut searches) = (interval(Duration::from_secs(1)), 0);
    let searcher = edge.viewer();
    while away.elapsed() < OUTAGE {
        beat.tick().await;
        searches += 1;
        let answer = searcher.get(&format!("/?s=away{searches}")).await;
        assert_eq!(answer.status.as_u16(), 500, "a search without a database");
    }
    let refreshes = site.since(mark).await.iter().filter(|line| !line.uri.contains("away")).count();
    let read = readers.answered.load(Ordering::Relaxed) - answered_before;
    assert!(readers.new_since(away).is_empty(), "new pages without a database");

    let (before_return, outage) = (Instant::now(), away.elapsed());
    site.control(&["start", "mariadb"]).await;
    let back = Instant::now();
    let instance = site.instance("a").await;
    let (direct, search) = tokio::join!(searched(&instance, "wordpress"), searched(&searcher, "edge"));
    soon("all pages new", async || readers.new_since(before_return).len() == pages.len()).await;
    let new = readers.new_since(before_return);
    readers.over.store(true, Ordering::Relaxed);
    tasks.join_all().await;

    let after = |instant: Instant| instant.saturating_duration_since(back);
    println!(
        "{:.0} s without a database: {read} page views, {} failed, {refreshes} refreshes refused by WordPress; after its \
         return WordPress answered within {:.2} s, a search through the edge within {:.2} s; the first page was new \
         within {:.2} s, the last of {} within {:.2} s",
        outage.as_secs_f64(),
        readers.failed.lock().unwrap().len(),
        after(direct).as_secs_f64(),
        after(search).as_secs_f64(),
        after(new[0]).as_secs_f64(),
        pages.len(),
        after(new[pages.len() - 1]).as_secs_f64(),
    );
    let failed = readers.failed.lock().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(read > 1_000 && refreshes > pages.len() * 10, "no load");
    let bound = after(direct) + RECOVERY;
    assert!(after(search) <= bound && after(new[0]) <= bound, "the site is slow to be itself again");
    // Each page is asked for once a second, is rendered, and then read.
    assert!(after(new[pages.len() - 1]) <= bound + 2 * RECOVERY, "some pages are slow to be new again");
}
