//! WordPress in trouble, and crowds: what viewers notice of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

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
