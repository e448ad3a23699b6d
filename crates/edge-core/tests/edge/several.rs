//! Several distributions behind one edge: chosen by Host, and nothing shared but the process.

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
