//! What can be read in two ways is refused, and no byte of one request is parsed as another (threats §2.1, §4).
use edge_core::proxy::listen::Limits;

use crate::support::{Running, start, statuses};

/// Follows each case in the same segment. It is answered only if the case left the connection in one clear state.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

async fn check(
    running: &mut Running,
    name: &str,
    request: &[u8],
    expected: &[u16],
    expected_seen: &[&str],
) -> bool {
    let answered = running.raw(&[request, NEXT.as_bytes()].concat()).await;
    let seen = running.all_seen();
    // A refusal is told to the site too; which reason it names is not what these cases are about.
    let calls: Vec<&str> =
        seen.iter().map(String::as_str).filter(|seen| !seen.starts_with("Malformed")).collect();
    let good = statuses(&answered) == expected && calls == expected_seen;
    if !good {
        eprintln!("{name}: answered {:?}, seen {seen:?}\n{answered}", statuses(&answered));
    }
    good
}

/// (name, head fields and body behind `POST /read HTTP/1.1` and Host)
const REFUSED_POSTS: &[(&str, &str)] = &[
    ("one length twice", "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("a list of lengths", "Content-Length: 5, 5\r\n\r\nhello"),
    ("a signed length", "Content-Length: +5\r\n\r\nhello"),
    ("a negative length", "Content-Length: -1\r\n\r\nhello"),
    ("an overflowing length", "Content-Length: 18446744073709551621\r\n\r\nhello"),
    ("an empty length", "Content-Length: \r\n\r\nhello"),
    ("a folded length", "Content-Length:\r\n 5\r\n\r\nhello"),
    ("length, then chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunked, then length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("another coding", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("a quoted coding", "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    ("a coding with a parameter", "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    ("chunked, identity", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("identity, chunked", "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("an empty coding", "Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
    ("space before the colon", "Content-Length : 5\r\n\r\nhello"),
    ("tab before the colon", "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    ("NUL in a value", "X: a\0b\r\n\r\n"),
    ("a bare carriage return in a value", "X: a\rContent-Length: 5\r\n\r\nhello"),
    ("a bare line feed", "X: a\nContent-Length: 5\r\n\r\nhello"),
    ("a folded field", "X: a\r\n b\r\n\r\n"),
    ("a line without a colon", "nonsense\r\n\r\n"),
    ("a field without a name", ": x\r\n\r\n"),
    ("a second Host", "Host: b.example\r\n\r\n"),
    ("the same Host again", "host: a.example\r\n\r\n"),
];

/// Whole heads that are refused.
const REFUSED_HEADS: &[(&str, &str)] = &[
    ("no Host", "GET / HTTP/1.1\r\n\r\n"),
    ("HTTP/0.9", "GET /\r\n"),
    ("a version of the future", "GET / HTTP/3.7\r\nHost: a.example\r\n\r\n"),
    ("a version in lower case", "GET / http/1.1\r\nHost: a.example\r\n\r\n"),
    (
        "chunked in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a fragment", "GET /a#b HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    ("a space in the target", "GET /a b HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    ("raw UTF-8 in the target", "GET /caf\u{e9} HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    ("a control byte in the target", "GET /\x01 HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    ("no target", "GET  HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    ("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
    ("a method that is no token", "G@T / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
];

#[tokio::test]
async fn heads_that_can_be_read_in_two_ways_are_refused() {
    let mut running = start(Limits::default());
    let mut good = true;
    for (name, rest) in REFUSED_POSTS {
        let request = format!("POST /read HTTP/1.1\r\nHost: a.example\r\n{rest}");
        good &= check(&mut running, name, request.as_bytes(), &[400], &[]).await;
    }
    for (name, request) in REFUSED_HEADS {
        good &= check(&mut running, name, request.as_bytes(), &[400], &[]).await;
    }
    assert!(good);
}

#[tokio::test]
async fn heads_that_can_be_read_in_one_way_are_served() {
    let served: &[(&str, &str, &str)] = &[
        ("plain", "GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /a"),
        ("one empty line first", "\r\nGET /a HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /a"),
        ("tab after the colon", "GET /a HTTP/1.1\r\nHost:\ta.example\r\n\r\n", "GET /a"),
        ("brackets", "GET /a|{b} HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /a|{b}"),
        ("absolute form", "GET http://a.example/a HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /a"),
        ("a length", "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "POST /read"),
        ("no length", "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /read"),
        (
            "chunks with extension and trailer",
            "POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5;x=1\r\nhello\r\n0\r\nT: 1\r\n\r\n",
            "POST /read",
        ),
    ];
    let mut running = start(Limits::default());
    let mut good = true;
    for (name, request, seen) in served {
        good &= check(&mut running, name, request.as_bytes(), &[200, 200], &[seen, "GET /next"]).await;
    }
    assert!(good);
}

#[tokio::test]
async fn broken_chunks_end_the_connection() {
    let long_extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(64 * 1024));
    let broken = [
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "0\r\nT: 1\n\r\n",
        long_extension.as_str(),
    ];
    let mut running = start(Limits::default());
    let mut good = true;
    for chunks in broken {
        let request = format!("POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let name = &chunks[..chunks.len().min(40)];
        good &= check(&mut running, name, request.as_bytes(), &[400], &["POST /read"]).await;
    }
    assert!(good);
}

/// CVE-2025-4366: a body that nobody read must not become the next request, whether it is drained or the connection closed.
#[tokio::test]
async fn an_unread_body_is_never_a_request() {
    let mut running = start(Limits::default());
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "POST"] {
        for copies in [1, 20_000] {
            let body = smuggled.repeat(copies);
            let length = body.len();
            let request = format!(
                "{method} /now HTTP/1.1\r\nHost: a.example\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            let answered = running.raw(&[request.as_bytes(), NEXT.as_bytes()].concat()).await;
            let seen = running.all_seen();
            assert_eq!(seen[0], format!("{method} /now"));
            // Small bodies are drained and the connection goes on; large ones end it.
            let expected_next: &[&str] = if copies == 1 { &["GET /next"] } else { &[] };
            assert_eq!(seen[1..], *expected_next, "{method} × {copies}");
            assert_eq!(statuses(&answered)[0], 200);
        }
    }
}

#[tokio::test]
async fn a_head_in_single_bytes_is_the_same_head() {
    use tokio::io::AsyncWriteExt;
    let mut running = start(Limits::default());
    let mut stream = running.connect().await;
    let head =
        "POST /read HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    stream.set_nodelay(true).unwrap();
    for byte in [head, NEXT].concat().as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let answered = crate::support::read_to_end(&mut stream).await;
    assert_eq!(statuses(&answered), [200, 200]);
    assert!(answered.contains("hello"));
    assert_eq!(running.all_seen(), ["POST /read", "GET /next"]);
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order_up_to_the_one_that_is_refused() {
    let mut running = start(Limits::default());
    let one = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
    let two = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    let bad = "GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let answered = running.raw([one, two, bad, NEXT].concat().as_bytes()).await;
    assert_eq!(statuses(&answered), [200, 200, 400]);
    assert_eq!(running.all_seen()[..2], ["GET /1", "GET /2"]);
}
