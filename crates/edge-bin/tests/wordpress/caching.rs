//! Anonymous viewers: what is kept, for whom, and what of a URL counts.

use super::client::{Answer, Ask, DESKTOP, Protocol, Viewer};
use super::edge::{Edge, Form};
use super::site::{Reached, Site};

const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
const PIXEL: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36";
const IPAD: &str = "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1";
const GALAXY_TAB: &str = "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
const EDGE_ON_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0";

/// Asks and insists on what X-Cache says.
pub(super) async fn expect(viewer: &Viewer, target: &str, x_cache: &str) -> Answer {
    let answer = viewer.get(target).await;
    let at =
        format!("{target} (status {}, Cache-Control {:?})", answer.status, answer.header("cache-control"));
    assert_eq!(answer.x_cache(), x_cache, "X-Cache of {at}");
    answer
}

/// Asks for a page that is this viewer's alone, and insists that no shared copy is.
pub(super) async fn expect_own(viewer: &Viewer, target: &str) -> Answer {
    if Form::is_policies_alone() { viewer.get(target).await } else { expect(viewer, target, "Miss").await }
}

fn uris(reached: &[Reached]) -> Vec<&str> {
    reached.iter().map(|line| &*line.uri).collect()
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn everything_public_is_a_miss_and_then_a_hit() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    let post = site.text("/posts/0/path");
    let picture = site.text("/image/path");
    let search = "/?s=heron";
    let asset = "/wp-includes/js/jquery/jquery.min.js?ver=3.6.1";
    let pages = ["/", &*post, search, "/feed/", "/robots.txt", "/wp-sitemap.xml", asset, &*picture];
    let (by_h2, by_h1) = (edge.viewer(), edge.viewer().by(Protocol::H1));
    for target in pages {
        let mark = site.mark().await;
        let first = expect(&by_h2, target, "Miss").await;
        assert_eq!((first.status.as_u16(), first.version), (200, http::Version::HTTP_2), "{target}");
        let second = expect(&by_h2, target, "Hit").await;
        let third = expect(&by_h1, target, "Hit").await;
        for again in [&second, &third] {
            assert_eq!(again.body, first.body, "{target}: a hit is not the same bytes");
            assert_eq!(again.header("content-type"), first.header("content-type"), "{target}");
            assert!(again.header("age").parse::<u64>().is_ok(), "{target}: a hit without Age");
        }
        assert_eq!(third.version, http::Version::HTTP_11);
        let reached = site.since(mark).await;
        assert_eq!(uris(&reached), [target], "what reached WordPress");
        assert_eq!((&*reached[0].host, &*reached[0].cookie), (&*edge.authority, ""), "{target}");
        assert_eq!((&*reached[0].method, reached[0].status), ("GET", 200), "{target}");
        if !target.starts_with("/wp-") {
            assert_eq!(reached[0].cloudfront_forwarded_proto, "https", "{target}");
        }
    }
    assert!(by_h2.get("/").await.text().contains("</html>"));
    println!("{} kinds of URL: Miss, Hit by h2, Hit by h1", pages.len());
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn plain_http_is_sent_to_https_on_the_right_port() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    let mark = site.mark().await;
    for target in
        ["/", "/about/?utm_source=x&b=1", "/wp-login.php", "/wp-includes/js/jquery/jquery.min.js?ver=1"]
    {
        let answer = edge.plain_viewer().get(target).await;
        let wanted = format!("https://{}{target}", edge.authority);
        assert_eq!((answer.status.as_u16(), answer.header("location")), (301, &*wanted));
    }
    assert_eq!(uris(&site.since(mark).await), [""; 0], "a redirect that WordPress was asked for");
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn each_class_of_device_has_a_copy() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    let mark = site.mark().await;
    let classes =
        [("desktop", DESKTOP, EDGE_ON_WINDOWS), ("mobile", IPHONE, PIXEL), ("tablet", IPAD, GALAXY_TAB)];
    let mut renderings = Vec::new();
    for (class, agent, other_agent) in classes {
        let first = expect(&edge.viewer().agent(agent), "/", "Miss").await;
        assert_eq!(first.device(), class, "{agent}");
        let other = expect(&edge.viewer().agent(other_agent), "/", "Hit").await;
        assert_eq!(other.rendering(), first.rendering(), "{other_agent} has not the copy of {agent}");
        renderings.push(first.rendering());
    }
    renderings.sort_unstable();
    renderings.dedup();
    assert_eq!(renderings.len(), 3, "three classes, three copies");
    let spoofed = Ask::get("/").header("x-viewer-device", "tv").header("cloudfront-is-mobile-viewer", "true");
    let answer = edge.viewer().send(spoofed).await;
    assert_eq!((answer.x_cache(), &*answer.device()), ("Hit", "desktop"), "a viewer chose the class himself");
    let mut devices: Vec<String> =
        site.since(mark).await.into_iter().map(|line| line.x_viewer_device).collect();
    devices.sort_unstable();
    let named = if Form::is_policies_alone() { [""; 3] } else { ["desktop", "mobile", "tablet"] };
    assert_eq!(devices, named, "what reached WordPress");
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn trackers_and_order_change_nothing_and_the_rest_does() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    let viewer = edge.viewer();
    let mark = site.mark().await;
    expect(&viewer, "/about/?utm_source=a&gclid=b&fbclid=c&utm_campaign=d", "Miss").await;
    for query in [
        "",
        "?",
        "?utm_source=other",
        "?gclid=1",
        "?fbclid=1",
        "?msclkid=1&mc_eid=2",
        "?utm_anything=1&&utm_b",
    ] {
        if Form::is_policies_alone() && query.contains("utm_b") {
            continue;
        }
        expect(&viewer, &format!("/about/{query}"), "Hit").await;
    }
    assert_eq!(uris(&site.since(mark).await), ["/about/"], "what reached WordPress");
    if Form::is_policies_alone() {
        return; // which keep the order of arguments
    }

    let mark = site.mark().await;
    expect(&viewer, "/about/?b=2&utm_source=x&a=1", "Miss").await;
    expect(&viewer, "/about/?a=1&b=2", "Hit").await;
    expect(&viewer, "/about/?gclid=z&b=2&a=1", "Hit").await;
    expect(&viewer, "/about/?b=2&a=3", "Miss").await;
    let reached = site.since(mark).await;
    assert_eq!(reached.len(), 2, "{:?}", uris(&reached));
    assert!(
        reached.iter().all(|line| line.uri.starts_with("/about/?a=") && !line.uri.contains("utm_")),
        "{:?}",
        uris(&reached)
    );

    let lighthouse = expect(&viewer, "/?s=lighthouse", "Miss").await;
    let heron = expect(&viewer, "/?s=heron", "Miss").await;
    assert_ne!(lighthouse.rendering(), heron.rendering());
    expect(&viewer, "/?utm_medium=mail&s=heron", "Hit").await;
    let ids = ["/posts/0/id", "/posts/1/id"]
        .map(|pointer| site.facts().pointer(pointer).unwrap().as_u64().unwrap());
    let [one, other] = ids.map(|id| format!("/?p={id}"));
    let one = expect(&viewer, &one, "Miss").await;
    let other = expect(&viewer, &other, "Miss").await;
    assert_eq!((one.status.as_u16(), other.status.as_u16()), (301, 301));
    assert_eq!(one.header("location"), format!("https://{}{}", edge.authority, site.text("/posts/0/path")));
    assert_ne!(one.header("location"), other.header("location"), "?p= does not matter");
}
