//! Which connections are used again.

use super::*;
use edge_core::viewer::traffic::Traffic;

#[tokio::test]
async fn connections_are_kept_when_nothing_is_left_on_them() {
    let (address, connections) = counted(&[
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n",
        "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60, max=99\r\nContent-Length: 0\r\n\r\n",
    ])
    .await;
    let (origins, origin) = (origins([plain(address)]), origin());
    for _ in 0..20 {
        read(&mut get(&origins, &origin).await.unwrap()).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let body = Full::new(Bytes::from_static(b""));
    read(&mut post(&origins, &origin, RequestBody::Length(0), body).await.unwrap()).await.unwrap();
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn connections_with_something_left_on_them_are_closed() {
    let cases: [(&'static [&'static str], Method); 8] = [
        (&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"], Method::GET),
        (&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX"], Method::GET),
        (&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"], Method::HEAD),
        (&["HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nno"], Method::GET),
        (&["HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n"], Method::GET),
        (&["HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"], Method::GET),
        (&["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], Method::GET),
        (
            &["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
            Method::GET,
        ),
    ];
    for (wires, method) in cases {
        let (address, connections) = counted(wires).await;
        let (origins, origin) = (origins([plain(address)]), origin());
        for _ in 0..3 {
            read(&mut send(&origins, &origin, method.clone()).await.unwrap()).await.unwrap();
        }
        assert_eq!(connections.load(Ordering::SeqCst), 3, "{wires:?}");
    }
}

#[tokio::test]
async fn an_exchange_given_up_takes_its_connection_along() {
    let (address, connections) = counted(&["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc"]).await;
    let (origins, origin) = (origins([plain(address)]), origin());
    for _ in 0..3 {
        let mut response = get(&origins, &origin).await.unwrap();
        assert_eq!(response.body.next().await.unwrap().unwrap(), "abc");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
    // The answer is complete, but the request never was.
    let (address, connections) = counted(&["HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"]).await;
    let origins = origins_for(address);
    for _ in 0..3 {
        let (_sender, body) = channel();
        let mut response = post(&origins, &origin, RequestBody::Length(1), body).await.unwrap();
        read(&mut response).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn connections_are_not_shared_between_hosts() {
    let (address, connections) = counted(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    let (origins, origin) = (origins([plain(address)]), origin());
    for host in ["a.test", "b.test", "a.test", "b.test:80"] {
        let headers = headers(host);
        let call = Call {
            origin: &origin,
            scheme: Scheme::Http,
            method: &Method::GET,
            target: "/",
            headers: &headers,
            body: RequestBody::None,
            traffic: Traffic::Messages,
        };
        origins.fetch(call, Empty::new()).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced() {
    // Every connection answers one request, promises to stay, and hangs up on the second one.
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let address = listen(move |_, mut origin| {
        let count = Arc::clone(&count);
        async move {
            origin.head().await;
            count.fetch_add(1, Ordering::SeqCst);
            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            if !origin.head().await.is_empty() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let (origins, origin) = (origins([plain(address.await)]), origin());
    for method in [Method::GET, Method::HEAD, Method::GET] {
        assert_eq!(send(&origins, &origin, method).await.unwrap().status, 200);
    }
    assert_eq!(requests.load(Ordering::SeqCst), 5, "the second and third were sent twice");
    // A POST was sent, and may have been acted upon: once only.
    let body = Full::new(Bytes::from_static(b"x"));
    let failure = post(&origins, &origin, RequestBody::Length(1), body).await.unwrap_err();
    assert!(matches!(failure, OriginFailure::ClosedBeforeResponse | OriginFailure::Reset(_)), "{failure}");
    assert_eq!(requests.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn an_idle_connection_is_kept_for_the_keepalive_timeout_and_no_longer() {
    // The origin's own limit counts where it is shorter, less a second.
    for (keep_alive, ours) in [("", SHORT), ("Keep-Alive: timeout=2\r\n", LONG)] {
        let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
        let address = listen(move |_, mut origin| {
            let closed = closed.clone();
            async move {
                let wire = format!("HTTP/1.1 200 OK\r\n{keep_alive}Content-Length: 0\r\n\r\n");
                origin.head().await;
                origin.send(wire).await;
                let idle_since = tokio::time::Instant::now();
                origin.wait_closed().await;
                closed.send(idle_since.elapsed()).unwrap();
            }
        });
        let origins = origins([plain(address.await)]);
        let origin = Origin { keepalive_timeout: ours, ..origin() };
        read(&mut get(&origins, &origin).await.unwrap()).await.unwrap();
        let kept = tokio::time::timeout(LONG / 2, closings.recv()).await.expect("kept for ever").unwrap();
        assert!(kept >= SHORT / 2, "{keep_alive:?}: closed after {kept:?}");
    }
}
