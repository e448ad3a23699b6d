//! A template as its owner keeps it, unchanged, before the real WordPress: it does what it says, and lint says what is
//! wrong with it.
//!
//! `EDGE_TEMPLATE` names another one than ours, with `EDGE_TEMPLATE_ARGUMENTS` for its parameters; its load balancer
//! is the origin `elb`, its pages are not cached, its files are.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::caching::expect;
use super::client::Ask;
use super::edge::Edge;
use super::people::log_in;
use super::site::Site;

/// A template, and the arguments that choose what it comes to.
fn template() -> (PathBuf, Vec<String>) {
    match std::env::var_os("EDGE_TEMPLATE") {
        Some(path) => {
            let arguments = std::env::var_os("EDGE_TEMPLATE_ARGUMENTS").unwrap_or_default();
            let arguments = arguments.into_string().unwrap();
            (path.into(), arguments.split_whitespace().map(str::to_owned).collect())
        }
        None => {
            let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wordpress/template.yaml");
            let arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";
            (ours, vec!["--parameter".to_owned(), format!("CertificateArn={arn}")])
        }
    }
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn a_template_unchanged_is_wordpress() {
    let site = Site::take();
    let (path, arguments) = template();
    let edge = Edge::start_with_template(&site, &path, "elb", &arguments).await;
    let anonymous = edge.viewer();
    for target in ["/", &*site.text("/posts/0/path"), "/?s=heron", "/feed/"] {
        for _ in 0..2 {
            let page = expect(&anonymous, target, "Miss").await;
            assert_eq!(page.status.as_u16(), 200, "{target}");
        }
    }
    let file = "/wp-includes/js/jquery/jquery.min.js?ver=3.6.1";
    expect(&anonymous, file, "Miss").await;
    expect(&anonymous, file, "Hit").await;
    let picture = site.text("/image/path");
    expect(&anonymous, &picture, "Miss").await;
    expect(&anonymous, &picture, "Hit").await;

    // WordPress knows that it is https only from the load balancer: else the dashboard redirects to itself for ever.
    let mut viewer = edge.viewer();
    log_in(&site, &mut viewer, "subscriber").await;
    let dashboard = viewer.visit(Ask::get("/wp-admin/profile.php")).await;
    assert_eq!(dashboard.status.as_u16(), 200, "the dashboard of somebody logged in");
    let own = viewer.get("/").await.secret();
    assert!(own.starts_with("subscriber:"), "{own:?}");
    assert_eq!(anonymous.get("/").await.secret(), "", "for somebody else");
    let plain = edge.plain_viewer().get("/about/").await;
    assert_eq!(
        (plain.status.as_u16(), plain.header("location")),
        (301, &*format!("https://{}/about/", edge.authority))
    );

    let lint = Command::new(env!("CARGO_BIN_EXE_edge-bin"))
        .arg("lint")
        .arg(&path)
        .args(&arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&lint.stdout);
    println!("{said}");
    assert_eq!(lint.status.code(), Some(1), "lint finds something, and the template loads");
    for found in ["EDGE221 php-below-files-stored", "EDGE222 pages-never-stored", "EDGE514 legacy-settings"] {
        assert!(said.contains(found), "{found}");
    }
}
