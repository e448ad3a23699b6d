//! What is sent: heads, bodies, and bodies beside answers.

use super::*;
use edge_core::viewer::traffic::Traffic;

#[tokio::test]
async fn the_request_is_written_from_the_model_alone() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let address = listen(move |_, mut origin| {
        let seen = Arc::clone(&seen);
        async move {
            loop {
                let head = origin.head().await;
                if head.is_empty() {
                    return;
                }
                seen.lock().unwrap().push(head);
                origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            }
        }
    });
    let (origins, origin) = (origins([plain(address.await)]), origin());
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("user-agent", "Amazon CloudFront"),
        ("cookie", "a=1"),
        ("host", "www.example.com:8443"),
        ("content-length", "77"),
        ("transfer-encoding", "chunked"),
        ("connection", "close, x-secret"),
        ("expect", "100-continue"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("cloudfront-is-mobile-viewer", "true"),
        ("x-twice", "1"),
        ("x-twice", "2"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let call = Call {
        origin: &origin,
        scheme: Scheme::Http,
        method: &Method::GET,
        target: "/a%20b//?x=|&&",
        headers: &headers,
        body: RequestBody::None,
        traffic: Traffic::Messages,
    };
    let mut response = origins.fetch(call, Empty::new()).await.unwrap();
    assert_eq!((response.status.as_u16(), response.body.framing()), (200, Framing::Length(2)));
    assert_eq!(read(&mut response).await.unwrap(), b"hi");
    let post = Call { method: &Method::POST, body: RequestBody::Length(3), ..call };
    origins.fetch(post, Full::new(Bytes::from_static(b"abc"))).await.unwrap();
    let common = "Host: www.example.com:8443\r\nUser-Agent: Amazon CloudFront\r\nCookie: a=1\r\n\
                  CloudFront-Is-Mobile-Viewer: true\r\nX-Twice: 1\r\nX-Twice: 2\r\n";
    let heads = heads.lock().unwrap();
    assert_eq!(heads[0], format!("GET /a%20b//?x=|&& HTTP/1.1\r\n{common}Connection: Keep-Alive\r\n\r\n"));
    assert_eq!(
        heads[1],
        format!(
            "POST /a%20b//?x=|&& HTTP/1.1\r\n{common}Content-Length: 3\r\nConnection: Keep-Alive\r\n\r\n"
        )
    );
}

/// The targets of a load balancer hear how it was asked, and not what a viewer says of that.
#[tokio::test]
async fn targets_of_a_load_balancer_are_told_of_its_listener() {
    let address = listen(|_, mut origin| async move {
        let head = origin.head().await;
        let told: Vec<&str> = head.lines().filter(|line| line.starts_with("X-Forwarded")).collect();
        let told = told.join(";");
        origin.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}", told.len())).await;
        origin.wait_closed().await;
    });
    let plain = config([plain(address.await)]);
    let told = async |config: &OriginsConfig, scheme| {
        let (origins, origin) = (Origins::new(config.clone()).unwrap(), origin());
        let mut headers = headers(NAME);
        headers.insert("x-forwarded-port", HeaderValue::from_static("1"));
        let call = Call {
            origin: &origin,
            scheme,
            method: &Method::GET,
            target: "/",
            headers: &headers,
            body: RequestBody::None,
            traffic: Traffic::Messages,
        };
        let mut response = origins.fetch(call, Empty::new()).await.unwrap();
        String::from_utf8(read(&mut response).await.unwrap()).unwrap()
    };
    assert_eq!(told(&plain, Scheme::Https).await, "X-Forwarded-Port: 1");
    let balanced = OriginsConfig { load_balancers: vec![NAME.to_uppercase()], ..plain };
    assert_eq!(told(&balanced, Scheme::Https).await, "X-Forwarded-Proto: https;X-Forwarded-Port: 443");
    assert_eq!(told(&balanced, Scheme::Http).await, "X-Forwarded-Proto: http;X-Forwarded-Port: 80");
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_not_sent() {
    let (origins, origin) = (origins([plain("127.0.0.1:1".parse().unwrap())]), origin());
    let one = headers(NAME);
    let mut two = headers(NAME);
    two.append("host", HeaderValue::from_static("other.test"));
    for (target, headers) in [
        ("", &one),
        ("x", &one),
        ("/a b", &one),
        ("/a\r\nX: y", &one),
        ("/\0", &one),
        ("/", &two),
        ("/", &HeaderMap::new()),
    ] {
        let call = Call {
            origin: &origin,
            scheme: Scheme::Http,
            method: &Method::GET,
            target,
            headers,
            body: RequestBody::None,
            traffic: Traffic::Messages,
        };
        let failure = origins.fetch(call, Empty::new()).await.unwrap_err();
        assert!(matches!(failure, OriginFailure::InvalidRequest(_)), "{target:?} {failure}");
    }
}

#[tokio::test]
async fn uploads_are_written_exactly() {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&bodies);
    let address = listen(move |_, mut origin| {
        let seen = Arc::clone(&seen);
        async move {
            let head = origin.head().await;
            let chunked = head.contains("Transfer-Encoding: chunked\r\n");
            assert_ne!(chunked, head.contains("Content-Length"));
            let body = origin.bytes(if chunked { 28 } else { 5 }).await;
            seen.lock().unwrap().push(String::from_utf8(body).unwrap());
            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            origin.wait_closed().await;
        }
    });
    let (address, one) = (address.await, origin());
    let pieces = || frames([Ok(b"he".as_slice()), Ok(b""), Ok(b"llo")]);
    for announced in [RequestBody::Length(5), RequestBody::Chunked] {
        let body = if announced == RequestBody::Chunked {
            frames(vec![Ok(b"he".as_slice()), Ok(b"0123456789a")].into_iter())
        } else {
            frames(vec![Ok(b"he".as_slice()), Ok(b""), Ok(b"llo")].into_iter())
        };
        post(&origins([plain(address)]), &one, announced, body).await.unwrap();
    }
    assert_eq!(*bodies.lock().unwrap(), ["hello", "2\r\nhe\r\nb\r\n0123456789a\r\n0\r\n\r\n"]);
    for (announced, why) in [(4, "longer"), (6, "shorter")] {
        let failure = post(&origins([plain(address)]), &one, RequestBody::Length(announced), pieces()).await;
        let OriginFailure::ViewerBody(text) = failure.unwrap_err() else { panic!("{why}") };
        assert!(text.contains(why), "{text}");
    }
    let broken = frames([Ok(b"he".as_slice()), Err("gone")]);
    let failure = post(&origins([plain(address)]), &one, RequestBody::Chunked, broken).await.unwrap_err();
    assert_eq!(failure, OriginFailure::ViewerBody("gone".to_owned()));
    assert_eq!(bodies.lock().unwrap().len(), 2, "no broken body was ever complete");
}

#[tokio::test]
async fn uploads_of_any_size_go_through_a_small_buffer() {
    const MIB: usize = 1 << 20;
    let given = Arc::new(AtomicUsize::new(0));
    let most_ahead = Arc::new(AtomicUsize::new(0));
    let (watched, ahead) = (Arc::clone(&given), Arc::clone(&most_ahead));
    let address = listen(move |_, mut origin| {
        let (given, ahead) = (Arc::clone(&watched), Arc::clone(&ahead));
        async move {
            origin.head().await;
            for taken in 0..64 {
                origin.bytes(MIB).await;
                ahead.fetch_max(given.load(Ordering::SeqCst).saturating_sub(taken * MIB), Ordering::SeqCst);
            }
            origin.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
            origin.wait_closed().await;
        }
    });
    static PIECE: [u8; 65_536] = [7; 65_536];
    let pieces = (0..1024).map(move |_| {
        given.fetch_add(PIECE.len(), Ordering::SeqCst);
        Ok(PIECE.as_slice())
    });
    let origins = origins([plain(address.await)]);
    let announced = RequestBody::Length(64 * MIB as u64);
    assert_eq!(post(&origins, &origin(), announced, frames(pieces)).await.unwrap().status, 201);
    // The kernel's own buffers on loopback hold several MiB.
    assert!(most_ahead.load(Ordering::SeqCst) < 24 * MIB, "{most_ahead:?} bytes ahead");
}

#[tokio::test]
async fn an_answer_is_seen_while_the_upload_goes_on() {
    // An origin that answers at once, reads nothing more, and even waits for the viewer of its long answer.
    let address = listen(|_, mut origin| async move {
        origin.head().await;
        origin.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig").await;
        std::future::pending::<()>().await;
    });
    let endless = std::iter::repeat_with(|| Ok([0u8; 65_536].as_slice()));
    let origins = origins([plain(address.await)]);
    let mut response = post(&origins, &origin(), RequestBody::Chunked, frames(endless)).await.unwrap();
    assert_eq!(response.status, 413);
    assert_eq!(read(&mut response).await.unwrap(), b"big");
}

#[tokio::test]
async fn both_directions_at_once() {
    // An echo: what is sent comes back while the rest is still on its way, far more than any buffer holds.
    let address = listen(|_, mut origin| async move {
        origin.head().await;
        origin.send("HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n").await;
        // What came with the head is part of it.
        let early = std::mem::take(&mut origin.unread);
        origin.send(early).await;
        let mut buffer = vec![0; 65_536];
        loop {
            match origin.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => origin.send(&buffer[..count]).await,
            }
        }
    });
    let pieces = (0..512).map(|_| Ok([9u8; 65_536].as_slice()));
    let origins = origins([plain(address.await)]);
    let mut response =
        post(&origins, &origin(), RequestBody::Length(512 * 65_536), frames(pieces)).await.unwrap();
    let mut count = 0;
    while let Some(piece) = response.body.next().await {
        let piece = piece.unwrap();
        assert!(piece.iter().all(|&byte| byte == 9));
        count += piece.len();
    }
    assert_eq!(count, 512 * 65_536);
}

#[tokio::test]
async fn a_slow_viewer_is_not_the_origins_fault() {
    let address = listen(|_, mut origin| async move {
        origin.head().await;
        origin.bytes(2).await;
        origin.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        origin.wait_closed().await;
    });
    let origins = origins([plain(address.await)]);
    let (sender, body) = channel();
    let viewer = tokio::spawn(async move {
        for _ in 0..2 {
            tokio::time::sleep(SHORT * 2).await;
            sender.send(Bytes::from_static(b"x")).await.unwrap();
        }
    });
    let origin = Origin { read_timeout: SHORT, ..origin() };
    assert_eq!(post(&origins, &origin, RequestBody::Length(2), body).await.unwrap().status, 200);
    viewer.await.unwrap();
}
