//! Viewers with a session: their pages are theirs, and everything that makes one works through the edge.

use super::caching::{expect, expect_own};
use super::client::Ask;
use super::edge::{Edge, Form};
use super::people::{comment, log_in, member, nonce, unlock};
use super::site::Site;

/// The name a Set-Cookie sets.
fn name(line: &str) -> &str {
    line.split('=').next().unwrap_or_default()
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn log_in_and_log_out_work_and_pages_of_a_session_are_its_own() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    let anonymous = edge.viewer();
    expect(&anonymous, "/", "Miss").await;
    let mut viewer = edge.viewer();
    let answer = log_in(&site, &mut viewer, "subscriber").await;
    let hash = site.text("/cookie_hash");
    let (session, mark) = (format!("wordpress_sec_{hash}"), format!("wordpress_logged_in_{hash}"));
    let set = answer.set_cookies();
    let names: Vec<&str> = set.iter().map(|line| name(line)).collect();
    assert_eq!(
        names,
        ["wordpress_test_cookie", &session, &session, &mark],
        "the cookies of a log-in, in order"
    );
    for (line, path) in set.iter().zip(["/", "/wp-content/plugins", "/wp-admin", "/"]) {
        assert!(line.contains(&format!("path={path}")) && line.contains("secure"), "path {path}: {line}");
    }

    let secret = viewer.get("/").await.secret();
    assert!(secret.starts_with("subscriber:"), "the front page has no secret of the session: {secret:?}");
    let post = site.text("/posts/1/path");
    let before = site.mark().await;
    for target in ["/", &post, "/", &post, "/?s=heron", "/?s=heron", "/about/?utm_source=x", "/about/"] {
        let page = expect_own(&viewer, target).await;
        assert_eq!(page.status.as_u16(), 200);
        assert_eq!(page.secret(), secret, "{target} is not this session's page");
        assert!(page.text().contains("id=\"wpadminbar\""), "{target} has no admin bar");
        assert_eq!(anonymous.get(target).await.secret(), "", "{target} for somebody else");
    }
    let reached = site.since(before).await;
    let personal = reached.iter().filter(|line| line.cookie.contains(&mark)).count();
    assert_eq!(personal, 8, "each page of a session is made for it");
    let shared: Vec<&str> =
        reached.iter().filter(|line| line.cookie.is_empty()).map(|line| &*line.uri).collect();
    assert_eq!(shared, [&*post, "/?s=heron", "/about/"], "what others were the first to ask for");
    let (objects, guarded) =
        (edge.counter("edge_cache_objects").await, edge.counter("edge_guarded_total").await);
    // A key on cookies keeps a copy for the session beside the shared one.
    let kept = if Form::is_policies_alone() { 8 } else { 4 };
    assert!(objects <= kept, "{objects} objects are kept of four pages that are shared");
    assert_eq!(guarded, 0, "the guard had to keep from others what nobody else can ask for");

    let page = viewer.get("/wp-admin/profile.php").await.text();
    let link = page.split("action=logout").nth(1).and_then(|rest| rest.split_once("_wpnonce="));
    let nonce = link.and_then(|(_, rest)| rest.get(..10));
    let target = format!("/wp-login.php?action=logout&_wpnonce={}", nonce.expect("a link to log out"));
    let answer = viewer.visit(Ask::get(&target)).await;
    assert_eq!(answer.status.as_u16(), 302, "log-out");
    let set = answer.set_cookies();
    let ends = set.iter().filter(|line| line.contains("Max-Age=0")).count();
    assert_eq!((set.len(), ends), (18, 17), "the cookies of a log-out: {set:#?}");
    assert!(!viewer.jar.has("wordpress_logged_in_") && !viewer.jar.has("wordpress_sec_"));
    let page = expect(&viewer, "/", "Hit").await;
    assert_eq!(page.secret(), "", "logged out and still somebody");
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn an_unlocked_post_is_locked_for_others() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    let (path, secret) = (site.text("/protected_post/path"), site.text("/protected_post/secret"));
    // One unlocks a post nobody has a copy of yet, the other one that everybody gets from the cache.
    for others_came in ["after", "before"] {
        let mut viewer = edge.viewer();
        unlock(&site, &mut viewer).await;
        for _ in 0..3 {
            let page = expect_own(&viewer, &path).await;
            assert!(page.text().contains(&secret), "still locked for whoever knows the password");
        }
        let anonymous = edge.viewer();
        for x_cache in if others_came == "after" { ["Miss", "Hit"] } else { ["Hit", "Hit"] } {
            let page = expect(&anonymous, &path, x_cache).await;
            assert!(!page.text().contains(&secret), "unlocked for somebody else, who came {others_came}");
            assert!(page.text().contains("post_password"), "no form for the password");
        }
    }
    let private = site.text("/private_post/path");
    let admin = member(&site, &edge, "admin").await;
    assert!(
        admin.get(&private).await.text().contains(&site.text("/private_post/secret")),
        "admin cannot read it"
    );
    assert_eq!(edge.viewer().get(&private).await.status.as_u16(), 404, "a private post for anybody");
    assert!(
        admin.get(&site.text("/draft_post/path")).await.status.is_success(),
        "admin's preview of a draft"
    );
    assert_ne!(
        edge.viewer().get(&site.text("/draft_post/path")).await.status.as_u16(),
        200,
        "a draft for anybody"
    );
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn a_comment_is_taken_and_its_author_known_to_nobody_else() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    let path = site.text("/posts/4/path");
    let people = [("Wanda Quill", "wanda@example.test"), ("Ulf Norden", "ulf@example.test")];
    let (mut one, mut other) = (edge.viewer(), edge.viewer());
    for (viewer, (name, email)) in [&mut one, &mut other].into_iter().zip(people) {
        let text = format!("A thought of {name} about {}", site.text("/site_url"));
        let answer = comment(&site, viewer, 4, name, email, &text).await;
        assert!(answer.header("location").contains(&path), "{}", answer.header("location"));
    }
    let anonymous = edge.viewer();
    for x_cache in ["Miss", "Hit"] {
        for (viewer, (name, email)) in [&one, &other].into_iter().zip(people) {
            let page = expect_own(viewer, &path).await.text();
            assert!(
                page.contains(&format!("value=\"{name}\"")) && page.contains(email),
                "{name} is not in the form"
            );
            assert!(
                page.contains(&format!("A thought of {name}")),
                "{name} does not see the pending comment"
            );
            let (other_name, _) = people.iter().find(|(other, _)| *other != name).unwrap();
            assert!(!page.contains(other_name), "{other_name} on a page of {name}");
        }
        let page = expect(&anonymous, &path, x_cache).await.text();
        for (name, email) in people {
            assert!(!page.contains(name) && !page.contains(email), "{name} on a page of nobody ({x_cache})");
        }
    }
    // Without the cookie the address alone shows the pending comment: that answer is nobody else's either.
    let form = [
        ("comment", "Without consent"),
        ("author", "Zoe Zander"),
        ("email", "zoe@example.test"),
        ("url", ""),
        ("comment_post_ID", &*site.facts()["posts"][4]["id"].to_string()),
        ("comment_parent", "0"),
    ];
    let answer = anonymous.send(Ask::form("/wp-comments-post.php", &form)).await;
    let location = answer.header("location").trim_start_matches(&site.text("/site_url")).to_owned();
    let location = location.split('#').next().unwrap_or_default();
    assert!(location.contains("moderation-hash="), "no address to see the pending comment at: {location}");
    for _ in 0..2 {
        let page = expect_own(&anonymous, location).await.text();
        assert!(page.contains("Without consent"), "the pending comment is nowhere");
    }
    assert!(!expect(&anonymous, &path, "Hit").await.text().contains("Without consent"), "shown to everybody");
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn the_dashboard_and_the_log_in_page_neither_loop_nor_are_kept() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    let anonymous = edge.viewer();
    let before = site.mark().await;
    for _ in 0..2 {
        let page = expect(&anonymous, "/wp-login.php", "Miss").await;
        assert_eq!(page.status.as_u16(), 200, "the log-in page sends to {:?}", page.header("location"));
        let page = expect(&anonymous, "/wp-admin/", "Miss").await;
        let wanted = format!("https://{}/wp-login.php?redirect_to=", edge.authority);
        assert_eq!(page.status.as_u16(), 302);
        assert!(page.header("location").starts_with(&wanted), "{}", page.header("location"));
    }
    let page = anonymous.get("/wp-admin").await;
    assert_eq!(
        (page.status.as_u16(), page.header("location")),
        (301, "/wp-admin/"),
        "the folder without its slash"
    );
    assert_eq!(site.since(before).await.len(), 5, "each of them reaches WordPress");

    let (admin, subscriber) = (member(&site, &edge, "admin").await, member(&site, &edge, "subscriber").await);
    for _ in 0..2 {
        for target in ["/wp-admin/", "/wp-admin/profile.php", "/wp-admin/edit.php"] {
            let page = expect(&admin, target, "Miss").await;
            assert_eq!(page.status.as_u16(), 200, "{target} sends admin to {:?}", page.header("location"));
            assert!(page.secret().starts_with("admin:"), "{target} is not admin's");
        }
        let page = expect(&subscriber, "/wp-admin/profile.php", "Miss").await;
        assert!(page.secret().starts_with("subscriber:"), "the profile is {}", page.secret());
        let nonces = [nonce(&admin).await, nonce(&subscriber).await];
        assert_ne!(nonces[0], nonces[1], "one nonce for two");
    }
    assert_eq!(anonymous.get("/wp-admin/profile.php").await.status.as_u16(), 302, "the dashboard of nobody");
}
