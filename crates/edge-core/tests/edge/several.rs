//! Several distributions behind one edge: chosen by Host, and nothing shared but the process.

use edge_core::distribution::deployment::{Deployment, Sessions, Stage, Traffic};

use super::*;

/// The edge of `distribution` and another one beside it, with an origin of its own.
async fn both(here: &Origin, there: &Origin) -> World {
    World::with(here, |settings| {
        let mut other = distribution();
        other.domain_name = "other.test".to_owned();
        other.origins[0].domain_name = "there.test".to_owned();
        settings.servers.insert("there.test".to_owned(), vec![format!("http://{}", there.addr)]);
        settings.others.push(other);
    })
    .await
}

async fn get(world: &World, host: &str) -> Reply {
    let mut viewer = world.viewer().await;
    viewer.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    viewer.reply("GET").await
}

#[tokio::test]
async fn each_host_has_its_distribution_and_its_copies() {
    let here = Origin::answering(|_, _| ok("", "here")).await;
    let there = Origin::answering(|_, _| ok("", "there")).await;
    let world = both(&here, &there).await;
    assert_eq!(get(&world, HOST).await.is(), (200, "Miss", "here"));
    assert_eq!(get(&world, "other.test").await.is(), (200, "Miss", "there"));
    assert_eq!(get(&world, HOST).await.is(), (200, "Hit", "here"));
    assert_eq!(get(&world, "other.test:80").await.is(), (200, "Hit", "there"));
    assert_eq!(get(&world, "www.example.com").await.status, 403);
    assert_eq!((here.seen(), there.seen()), (1, 1));
}

#[tokio::test]
async fn two_with_one_name_do_not_start() {
    let origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut settings = world.settings.clone();
    settings.others.push(distribution());
    let error = Server::start(settings.clone()).await.unwrap_err().to_string();
    assert!(error.contains("edge.test is there twice"), "{error}");
    assert!(world.server.reload(&settings).is_err());
}

/// A primary distribution, and the staging distribution its policy leads to.
async fn deployed(here: &Origin, there: &Origin, traffic: Traffic) -> World {
    World::with(here, |settings| {
        let mut staging = distribution();
        staging.domain_name = "staging.test".to_owned();
        staging.stage = Stage::Staging;
        staging.origins[0].domain_name = "there.test".to_owned();
        settings.servers.insert("there.test".to_owned(), vec![format!("http://{}", there.addr)]);
        settings.distribution.deployment = Some(Deployment { staging: "staging.test".to_owned(), traffic });
        settings.others.push(staging);
    })
    .await
}

#[tokio::test]
async fn a_staging_distribution_is_reached_through_its_policy_alone() {
    let here = Origin::answering(|_, _| ok("", "here")).await;
    let there = Origin::answering(|_, _| ok("", "there")).await;
    let (name, value) = ("aws-cf-cd-a".parse().unwrap(), "b".parse().unwrap());
    let world = deployed(&here, &there, Traffic::Header { name, value }).await;
    assert_eq!(world.get("/").await.is(), (200, "Miss", "here"));
    assert_eq!(world.ask("GET", "/", "Aws-Cf-Cd-A: b\r\n").await.is(), (200, "Miss", "there"));
    assert_eq!(world.ask("GET", "/", "Aws-Cf-Cd-A: b\r\n").await.is(), (200, "Hit", "there"));
    assert_eq!(world.ask("GET", "/", "Aws-Cf-Cd-A: B\r\n").await.is(), (200, "Hit", "here"));
    // A loopback name that is nobody's is the first distribution's; a staging distribution has none.
    assert_eq!(get(&world, "staging.test").await.is(), (200, "Hit", "here"));
    assert_eq!((here.seen(), there.seen()), (1, 1));
}

#[tokio::test]
async fn a_share_of_the_sessions_is_sent_to_staging_and_stays_there() {
    let here = Origin::answering(|_, _| ok("", "here")).await;
    let there = Origin::answering(|_, _| ok("", "there")).await;
    let sessions = Some(Sessions { idle: seconds(300), maximum: seconds(600) });
    let world = deployed(&here, &there, Traffic::Weight { share: 0.15, sessions }).await;
    let mut staged = None;
    for _ in 0..400 {
        let reply = world.get("/").await;
        if reply.text() == "there" {
            staged = reply.field("set-cookie").map(|text| text.split(';').next().unwrap().to_owned());
            break;
        }
        assert!(reply.field("set-cookie").is_some_and(|text| text.starts_with("AWS-CF-CD-Session=p.")));
    }
    let cookie = staged.unwrap();
    for _ in 0..20 {
        let reply = world.ask("GET", "/", &format!("Cookie: {cookie}\r\n")).await;
        assert_eq!(reply.is(), (200, "Hit", "there"));
    }
    world.pass(301);
    let reply = world.ask("GET", "/", &format!("Cookie: {cookie}\r\n")).await;
    assert!(reply.field("set-cookie").is_some_and(|text| !text.contains(&cookie)), "another session");
}

#[tokio::test]
async fn a_staging_distribution_with_the_name_of_its_primary_does_not_start() {
    let origin = Origin::start().await;
    let world = World::new(&origin).await;
    let mut settings = world.settings.clone();
    let traffic = Traffic::Weight { share: 0.1, sessions: None };
    settings.distribution.deployment = Some(Deployment { staging: HOST.to_owned(), traffic });
    let mut staging = distribution();
    staging.stage = Stage::Staging;
    settings.others.push(staging);
    let error = Server::start(settings).await.unwrap_err().to_string();
    assert!(error.contains("edge.test is there twice"), "{error}");
}
