//! Ranges through the data path (§7.12): bytes are those of the object, whatever pieces it is held in.

use super::*;

fn whole(reply: &Reply) -> &[u8] {
    reply.body.as_deref().unwrap()
}

/// The body of a reply with one range.
fn part(reply: &Reply) -> (u16, Option<&str>, &[u8]) {
    (reply.status, reply.field("content-range"), whole(reply))
}

#[tokio::test]
async fn any_range_of_any_object() {
    for length in [1_usize, 1_000, 300_000, 2_000_000] {
        let body = noise(length);
        let wire = ok("", &body);
        let origin = Origin::answering(move |_, _| wire.clone()).await;
        let world = World::new(&origin).await;
        let mut viewer = world.viewer().await;
        assert_eq!(whole(&viewer.get("/").await), body);
        let last = length - 1;
        for (first, end) in
            [(0, 0), (0, last), (last, last), (last / 2, last), (last / 3, last / 2), (0, last / 7)]
        {
            let reply = viewer.ask("GET", "/", &format!("Range: bytes={first}-{end}\r\n")).await;
            let expected = format!("bytes {first}-{end}/{length}");
            assert_eq!(part(&reply), (206, Some(expected.as_str()), &body[first..=end]));
            assert_eq!(reply.field("content-length"), Some((end - first + 1).to_string().as_str()));
            assert_eq!(reply.x_cache(), "Hit");
        }
        let reply = viewer.ask("GET", "/", &format!("Range: bytes={length}-\r\n")).await;
        assert_eq!((reply.status, reply.x_cache()), (416, "Error"));
        assert_eq!(reply.field("content-range"), Some(format!("bytes */{length}").as_str()));
        assert_eq!(origin.seen(), 1);
    }
}

#[tokio::test]
async fn parts_are_kept_joined_and_become_the_whole() {
    let body = noise(700_000);
    let at_origin = body.clone();
    let origin = Origin::answering(move |head, _| {
        let range = field(head, "range").and_then(|range| range.strip_prefix("bytes=")).unwrap_or("0-699999");
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let part = &at_origin[first..=last];
        let head = format!(
            "HTTP/1.1 206 Part\r\nETag: \"1\"\r\nContent-Range: bytes {first}-{last}/700000\r\nContent-Length: {}\r\n\r\n",
            part.len()
        );
        [head.as_bytes(), part].concat()
    })
    .await;
    let world = World::new(&origin).await;
    let mut viewer = world.viewer().await;
    let mut ask = async |first: usize, last: usize| {
        let reply = viewer.ask("GET", "/", &format!("Range: bytes={first}-{last}\r\n")).await;
        assert_eq!((reply.status, whole(&reply)), (206, &body[first..=last]), "{first}-{last}");
        reply.x_cache().to_owned()
    };
    assert_eq!(ask(100, 299_999).await, "Miss");
    until("the part", || world.server.edge().cache_size().0 == 1 || world.server.edge().held_bytes() > 0)
        .await;
    assert_eq!(ask(100, 299_999).await, "Hit");
    assert_eq!(ask(200, 200).await, "Hit");
    assert_eq!(ask(299_999, 300_000).await, "Miss");
    assert_eq!(ask(500_000, 699_999).await, "Miss");
    assert_eq!(ask(299_990, 300_000).await, "Hit");
    assert_eq!(ask(600_000, 699_999).await, "Hit");
    assert_eq!(ask(200_000, 600_000).await, "Miss");
    assert_eq!(ask(0, 99).await, "Miss");
    assert_eq!(origin.seen(), 5);
    let reply = world.get("/").await;
    assert_eq!(
        (reply.status, reply.x_cache(), whole(&reply)),
        (200, "Hit", &*body),
        "the parts are the whole"
    );
}

#[tokio::test]
async fn a_part_that_breaks_off_is_not_kept() {
    let mut origin = Origin::start().await;
    let world = World::new(&origin).await;
    let head = "HTTP/1.1 206 Part\r\nContent-Range: bytes 0-9/20\r\nContent-Length: 10\r\n\r\n";
    let asked_again = async {
        let mut asked = origin.asked().await;
        asked.send(format!("{head}01234")).await;
        drop(asked);
        origin.asked().await.answer(format!("{head}0123456789")).await;
    };
    let viewers = async {
        let mut viewer = world.viewer().await;
        viewer.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nRange: bytes=0-9\r\n\r\n")).await;
        assert!(!viewer.rest().await.ends_with(b"56789"), "cut, and the connection ends");
        let reply = world.ask("GET", "/", "Range: bytes=0-9\r\n").await;
        assert_eq!(reply.is(), (206, "Miss", "0123456789"));
    };
    tokio::join!(asked_again, viewers);
}
