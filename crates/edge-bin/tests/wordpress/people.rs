//! Who visits: somebody logged in, somebody who comments, somebody who knows a post's password.

use super::client::{Answer, Ask, Viewer};
use super::edge::Edge;
use super::site::Site;

/// Logs in as one of the fixture's users, through the edge, as a browser does.
pub(crate) async fn log_in(site: &Site, viewer: &mut Viewer, user: &str) -> Answer {
    let field = |name: &str| site.text(&format!("/users/{user}/{name}"));
    viewer.visit(Ask::get("/wp-login.php")).await;
    let form = [("log", field("login")), ("pwd", field("password")), ("testcookie", "1".to_owned())];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, &**value)).collect();
    let answer = viewer.visit(Ask::form("/wp-login.php", &form)).await;
    assert_eq!(answer.status.as_u16(), 302, "log-in of {user}: {}", answer.text());
    assert!(viewer.jar.has("wordpress_logged_in_"), "log-in of {user} set {:?}", answer.set_cookies());
    answer
}

/// A viewer who is logged in.
pub(crate) async fn member(site: &Site, edge: &Edge, user: &str) -> Viewer {
    let mut viewer = edge.viewer();
    log_in(site, &mut viewer, user).await;
    viewer
}

/// Comments on a post and ticks the box: from now on the name and the address are in the form for this viewer.
pub(crate) async fn comment(
    site: &Site,
    viewer: &mut Viewer,
    post: usize,
    name: &str,
    email: &str,
    text: &str,
) -> Answer {
    let facts = site.facts();
    let id = facts["posts"][post]["id"].as_u64().unwrap().to_string();
    let form = [
        ("comment", text),
        ("author", name),
        ("email", email),
        ("url", ""),
        ("comment_post_ID", &id),
        ("comment_parent", "0"),
        ("wp-comment-cookies-consent", "yes"),
    ];
    let answer = viewer.visit(Ask::form("/wp-comments-post.php", &form)).await;
    assert_eq!(answer.status.as_u16(), 302, "comment of {name}: {}", answer.text());
    assert!(viewer.jar.has("comment_author_"), "no cookie for {name}: {:?}", answer.set_cookies());
    answer
}

/// Gives the protected post's password.
pub(crate) async fn unlock(site: &Site, viewer: &mut Viewer) -> Answer {
    let url = format!("https://{}{}", viewer.authority, site.text("/protected_post/path"));
    let form = [("post_password", &*site.text("/protected_post/password")), ("Submit", "Enter")];
    let ask = Ask::form("/wp-login.php?action=postpass", &form).header("referer", &url);
    let answer = viewer.visit(ask).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (302, &*url), "unlocking");
    assert!(viewer.jar.has("wp-postpass_"), "no cookie: {:?}", answer.set_cookies());
    answer
}

/// What the REST interface wants to see of somebody logged in.
pub(crate) async fn nonce(viewer: &Viewer) -> String {
    let nonce = viewer.get("/wp-admin/admin-ajax.php?action=rest-nonce").await.text();
    assert_eq!(nonce.len(), 10, "a nonce: {nonce}");
    nonce
}
