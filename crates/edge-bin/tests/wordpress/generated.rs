//! What the generator prints, before the real WordPress: nobody gets what was made for another, whether the rule runs as
//! the JavaScript that is deployed or not at all. (As a bundle, with the rule run natively, `leak` and all else have it.)
//!
//! `EDGE_FORM=javascript` (`bundle`, `policies`) runs every other test before such an edge too.

use super::caching::expect;
use super::client::Ask;
use super::edge::{Edge, Form};
use super::people::log_in;
use super::site::Site;

async fn holds(form: Form) {
    let site = Site::take();
    let edge = Edge::start_generated(&site, form, &[]).await;
    let anonymous = edge.viewer();
    for target in ["/about/?utm_source=a&gclid=b", "/wp-includes/js/jquery/jquery.min.js?ver=3.6.1"] {
        expect(&anonymous, target, "Miss").await;
        expect(&anonymous, target, "Hit").await;
    }
    expect(&anonymous, "/about/?gclid=z", "Hit").await;

    let mut viewer = edge.viewer();
    log_in(&site, &mut viewer, "subscriber").await;
    for _ in 0..2 {
        let page = viewer.get("/about/").await;
        // A key on cookies is a copy for each session, past which nothing goes; a function passes every copy.
        assert!(form == Form::Policies || page.x_cache() == "Miss", "{form:?}");
        assert!(page.secret().starts_with("subscriber:"), "{form:?}: {:?}", page.secret());
        assert_eq!(anonymous.get("/about/").await.secret(), "", "{form:?}: for somebody else");
    }
    let dashboard = viewer.visit(Ask::get("/wp-admin/profile.php")).await;
    assert_eq!((dashboard.status.as_u16(), dashboard.x_cache()), (200, "Miss"), "{form:?}: the dashboard");
    super::leak::hold(&site, &edge, &format!("generated: {form:?}")).await;
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn the_template_holds_whose_function_is_javascript_alone() {
    holds(Form::JavaScript).await;
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn policies_alone_hold() {
    holds(Form::Policies).await;
}
