//! How much faster a page is from the cache than from WordPress: printed, for whoever wants to know, and not asserted.

use serde_json::Value;
use tokio::process::Command;

use super::caching::expect;
use super::edge::Edge;
use super::site::Site;

/// `edge-bin load` of one page; its report.
async fn load(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge-bin"));
    let output = command.args(["load", "--json", "--fail-on-status"]).args(arguments).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no report: {said}"))
}

#[tokio::test]
#[ignore = "starts a real WordPress: make wordpress"]
async fn a_warm_cache_against_wordpress_alone() {
    let site = Site::take();
    let edge = Edge::start(&site, &[]).await;
    expect(&edge.viewer(), "/", "Miss").await;
    expect(&edge.viewer(), "/", "Hit").await;
    let url = format!("https://{}/", edge.authority);
    let (address, ca) = (edge.https.to_string(), edge.ca.display().to_string());
    let agent = format!("User-Agent: {}", super::client::DESKTOP);
    let cached =
        load(&["--h2", "-d", "5s", "-c", "4", "-H", &agent, "--connect-to", &address, "--cacert", &ca, &url])
            .await;
    let host = format!("Host: {}", edge.authority);
    let [instance, _] = site.instances();
    let alone = load(&[
        "--h1",
        "-d",
        "4s",
        "-c",
        "4",
        "-H",
        &host,
        "-H",
        "CloudFront-Forwarded-Proto: https",
        &format!("{instance}/"),
    ])
    .await;
    for (what, report) in [("edge, h2 and TLS, warm", &cached), ("WordPress alone, h1", &alone)] {
        let (latency, status) = (&report["latency_us"], &report["status"]);
        println!(
            "{what}: {:.0} requests/s, p50 {} µs, p99 {} µs, status {status}, X-Cache {}",
            report["requests_per_s"].as_f64().unwrap_or_default(),
            latency["p50"],
            latency["p99"],
            report["x_cache"]
        );
        assert_eq!(report["failed"], 0, "{what}: {report}");
    }
    println!(
        "built {}",
        if cfg!(debug_assertions) { "without optimisation: the edge is faster" } else { "for release" }
    );
}
