//! What is understood of an answer, and what is refused.

use super::*;

#[tokio::test]
async fn bodies_end_where_their_framing_says() {
    let cases: [(&str, Framing, &str); 11] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", Framing::Length(3), "abc"),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Framing::Length(0), ""),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\nabc",
            Framing::Length(3),
            "abc",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcXYZ", Framing::Length(3), "abc"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Framing::Chunked,
            "abc",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\nT: v\r\n\r\n",
            Framing::Chunked,
            "a",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nabc", Framing::UntilClose, "abc"),
        ("HTTP/1.0 200 OK\r\n\r\n", Framing::UntilClose, ""),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Framing::None, ""),
        ("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", Framing::None, ""),
        ("HTTP/1.1 404 Not Found\nContent-Length: 1\n\nx", Framing::Length(1), "x"),
    ];
    for (wire, framing, body) in cases {
        let mut response = answered(wire).await.unwrap_or_else(|failure| panic!("{wire}: {failure}"));
        assert_eq!(response.body.framing(), framing, "{wire}");
        assert_eq!(read(&mut response).await.unwrap(), body.as_bytes(), "{wire}");
        assert!(response.body.next().await.is_none());
        if framing == Framing::Chunked {
            assert!(!response.headers.contains_key("content-length"));
        }
    }
}

#[tokio::test]
async fn a_body_cut_short_is_never_a_clean_end() {
    for (wire, read_before, truncated) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", "abc", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "abc", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", "abc", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "abc", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "", false),
    ] {
        let mut response = answered(wire).await.unwrap();
        let (got, failure) = read(&mut response).await.unwrap_err();
        assert_eq!(String::from_utf8(got).unwrap(), read_before, "{wire}");
        assert_eq!(failure == OriginFailure::Truncated, truncated, "{wire}: {failure}");
        assert_eq!(response.body.next().await, Some(Err(failure)), "it stays so");
    }
}

#[tokio::test]
async fn a_reset_is_not_an_end_even_without_a_length() {
    let address = listen(|_, mut origin| async move {
        origin.head().await;
        origin.send("HTTP/1.1 200 OK\r\n\r\nabc").await;
        origin.bytes(1).await; // the test has read it all
        reset(&origin.stream);
    });
    let origins = origins([plain(address.await)]);
    let (sender, body) = channel();
    let mut response = post(&origins, &origin(), RequestBody::Length(1), body).await.unwrap();
    assert_eq!(response.body.next().await.unwrap().unwrap(), "abc");
    sender.send(Bytes::from_static(b"!")).await.unwrap();
    assert_eq!(response.body.next().await, Some(Err(OriginFailure::Truncated)));
}

#[tokio::test]
async fn heads_that_cannot_be_trusted_are_failures() {
    let invalid = [
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "\x16\x03\x01\x00\x05hello",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 3, 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    ];
    for wire in invalid {
        let failure = answered(wire).await.unwrap_err();
        assert!(matches!(failure, OriginFailure::InvalidResponse(_)), "{wire:?}: {failure}");
    }
    for wire in ["", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        assert_eq!(answered(wire).await.unwrap_err(), OriginFailure::ClosedBeforeResponse, "{wire:?}");
    }
}

#[tokio::test]
async fn response_heads_are_limited() {
    let of_size = |size: usize| {
        let (start, end) = ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ", "\r\n\r\n");
        format!("{start}{}{end}", "x".repeat(size - start.len() - end.len()))
    };
    assert_eq!(answered(of_size(32_768)).await.unwrap().status, 200);
    assert_eq!(answered(of_size(32_769)).await.unwrap_err(), OriginFailure::HeaderTooBig);
    assert_eq!(answered(of_size(2_000_000)).await.unwrap_err(), OriginFailure::HeaderTooBig);
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(300));
    assert_eq!(answered(many).await.unwrap_err(), OriginFailure::HeaderTooBig);
    let interim = format!("{}HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9));
    assert!(matches!(answered(interim).await.unwrap_err(), OriginFailure::InvalidResponse(_)));
}

#[tokio::test]
async fn nothing_is_lost_from_the_head() {
    let wire = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
                HTTP/1.1 404 Nope\r\nSet-Cookie: a=1; Path=/\r\nX: 1\r\nset-cookie: b=2\r\nX: \r\n\
                SET-COOKIE: c=\u{e9}\r\nContent-Length: 0\r\n\r\n";
    let response = answered(wire).await.unwrap();
    assert_eq!((response.status.as_u16(), response.version), (404, http::Version::HTTP_11));
    let all = |name| response.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
    assert_eq!(all("set-cookie"), [b"a=1; Path=/".as_slice(), b"b=2", "c=\u{e9}".as_bytes()]);
    assert_eq!(all("x"), [b"1".as_slice(), b""]);
    let interim: Vec<_> = response.interim.iter().map(|interim| interim.status.as_u16()).collect();
    assert_eq!(interim, [103, 102]);
    assert_eq!(response.interim[0].headers["link"], "</a.css>");
}

#[tokio::test]
async fn silence_is_bounded_everywhere() {
    // Silence before the head, within it, and within the body.
    for (wire, in_body) in [("", false), ("HTTP/1.1 200 OK\r\n", false), ("HTTP/1.1 200 OK\r\n\r\nabc", true)]
    {
        let address = listen(move |_, mut origin| async move {
            origin.head().await;
            origin.send(wire).await;
            origin.wait_closed().await;
        });
        let origins = origins([plain(address.await)]);
        let result = get(&origins, &Origin { read_timeout: SHORT, ..origin() }).await;
        if in_body {
            let (got, failure) = read(&mut result.unwrap()).await.unwrap_err();
            assert_eq!((got.as_slice(), failure), (b"abc".as_slice(), OriginFailure::ReadTimeout));
        } else {
            assert_eq!(result.unwrap_err(), OriginFailure::ReadTimeout);
        }
    }
}

#[tokio::test]
async fn completion_is_bounded_even_while_bytes_trickle() {
    for head in ["", "HTTP/1.1 200 OK\r\n\r\n"] {
        let address = listen(move |_, mut origin| async move {
            origin.head().await;
            origin.send(head).await;
            let filler = if head.is_empty() { "HTTP/1.1 103 E\r\nX: y" } else { "x" };
            origin.send(filler).await;
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            while origin.stream.write_all(b"x").await.is_ok() {
                pace.tick().await;
            }
        });
        let origins = origins([plain(address.await)]);
        let origin = Origin { completion_timeout: Some(SHORT), ..origin() };
        let failure = match get(&origins, &origin).await {
            Ok(mut response) => read(&mut response).await.unwrap_err().1,
            Err(failure) => failure,
        };
        assert_eq!(failure, OriginFailure::CompletionTimeout);
    }
}

#[tokio::test]
async fn completion_is_bounded_over_all_tries() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let address = listen(move |_, mut origin| {
        count.fetch_add(1, Ordering::SeqCst);
        async move { origin.wait_closed().await }
    });
    let origins = origins([plain(address.await)]);
    let (read_timeout, completion_timeout) = (SHORT * 4, Some(SHORT * 6));
    let origin = Origin { connection_attempts: 3, read_timeout, completion_timeout, ..origin() };
    assert_eq!(get(&origins, &origin).await.unwrap_err(), OriginFailure::CompletionTimeout);
    assert_eq!(connections.load(Ordering::SeqCst), 2, "the third try would have come too late");
}

#[tokio::test]
async fn large_bodies_arrive_whole() {
    let body: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in body.chunks(77_777) {
        chunked.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        chunked.extend_from_slice(piece);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let told = [b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n", body.as_slice()].concat();
    for wire in [chunked, told] {
        assert!(read(&mut answered(wire).await.unwrap()).await.unwrap() == body);
    }
}
