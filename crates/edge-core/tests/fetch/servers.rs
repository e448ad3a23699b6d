//! Which server is asked, and what is asked twice.

use super::*;

#[tokio::test]
async fn connecting_is_bounded_tls_included() {
    let address = listen(|_, mut origin| async move { origin.wait_closed().await });
    let mut server = plain(address.await);
    server.scheme = Scheme::Https;
    let failure =
        get(&origins([server]), &Origin { connection_timeout: SHORT, ..origin() }).await.unwrap_err();
    assert_eq!(failure, OriginFailure::ConnectTimeout);
}

/// An address nobody listens on.
async fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn nobody_there() {
    assert_eq!(get(&origins([plain(dead().await)]), &origin()).await.unwrap_err(), OriginFailure::Refused);
    let unknown = Origin { domain_name: "nothing.invalid".to_owned(), ..origin() };
    let failure = get(&origins([plain(dead().await)]), &unknown).await.unwrap_err();
    assert!(matches!(failure, OriginFailure::Dns(_)), "{failure}");
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    let address = listen(|_, mut origin| async move {
        origin.answer_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    });
    let address = address.await;
    let ips = vec![IpAddr::from([127, 0, 0, 2]), address.ip()];
    let hosts = HashMap::from([("two.test".to_owned(), ips)]);
    let origins = Origins::new(OriginsConfig { hosts, ..OriginsConfig::default() }).unwrap();
    let kind =
        OriginKind::Custom { http_port: address.port(), https_port: 443, protocol: OriginProtocol::HttpOnly };
    let origin = Origin { domain_name: "Two.Test".to_owned(), kind, ..origin() };
    assert_eq!(get(&origins, &origin).await.unwrap().server, address);
}

#[tokio::test]
async fn every_address_of_a_name_has_its_turn() {
    let wire = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let one = listen(move |_, mut origin| async move { origin.answer_all(wire).await }).await;
    let other = TcpListener::bind((IpAddr::from([127, 0, 0, 2]), one.port())).await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = other.accept().await {
            tokio::spawn(async move { Wire::new(stream).answer_all(wire).await });
        }
    });
    let ips = vec![one.ip(), IpAddr::from([127, 0, 0, 2]), IpAddr::from([127, 0, 0, 3])];
    let hosts = HashMap::from([(NAME.to_owned(), ips.clone())]);
    let origins =
        Origins::new(OriginsConfig { hosts, health_check: None, ..OriginsConfig::default() }).unwrap();
    let kind =
        OriginKind::Custom { http_port: one.port(), https_port: 443, protocol: OriginProtocol::HttpOnly };
    let origin = Origin { kind, ..origin() };
    let mut served = HashMap::new();
    for _ in 0..100 {
        *served.entry(get(&origins, &origin).await.unwrap().server.ip()).or_insert(0) += 1;
    }
    assert_eq!(served.values().sum::<i32>(), 100, "the third refuses, and costs nobody a request");
    assert!(ips[..2].iter().all(|ip| served.get(ip).is_some_and(|count| *count > 15)), "{served:?}");
}

#[tokio::test]
async fn connecting_is_attempted_as_often_as_the_origin_says_whatever_the_method() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let address = listen(move |_, mut origin| {
        count.fetch_add(1, Ordering::SeqCst);
        async move { origin.wait_closed().await }
    });
    let mut server = plain(address.await);
    server.scheme = Scheme::Https;
    let origins = origins([server]);
    for connection_attempts in 1..=3 {
        let origin = Origin { connection_attempts, connection_timeout: SHORT, ..origin() };
        let before = connections.load(Ordering::SeqCst);
        assert_eq!(get(&origins, &origin).await.unwrap_err(), OriginFailure::ConnectTimeout);
        let body = Full::new(Bytes::from_static(b"x"));
        let posted = post(&origins, &origin, RequestBody::Length(1), body).await;
        assert_eq!(posted.unwrap_err(), OriginFailure::ConnectTimeout);
        let made = connections.load(Ordering::SeqCst) - before;
        assert_eq!(made, 2 * usize::from(connection_attempts), "each in its own time");
    }
}

#[tokio::test]
async fn only_what_may_be_asked_twice_is() {
    // The first two connections die in `way`, the third answers.
    for (way, failure) in [
        ("silent", OriginFailure::ReadTimeout),
        ("closed", OriginFailure::ClosedBeforeResponse),
        ("partial", OriginFailure::ClosedBeforeResponse),
    ] {
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let address = listen(move |number, mut origin| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                origin.head().await;
                match (number % 3, way) {
                    (2, _) => {
                        origin
                            .send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                            .await;
                    }
                    (_, "silent") => origin.wait_closed().await,
                    (_, "partial") => origin.send("HTTP/1.1").await,
                    _ => {}
                }
            }
        });
        let origins = origins([plain(address.await)]);
        let origin = Origin { connection_attempts: 3, read_timeout: SHORT, ..origin() };
        let outcome = get(&origins, &origin).await;
        if way == "partial" {
            assert_eq!(outcome.unwrap_err(), failure, "an answer had begun");
            assert_eq!(connections.load(Ordering::SeqCst), 1);
            continue;
        }
        assert_eq!(outcome.unwrap().status, 200, "{way}");
        assert_eq!(connections.load(Ordering::SeqCst), 3);
        let posted =
            post(&origins, &origin, RequestBody::Length(1), Full::new(Bytes::from_static(b"x"))).await;
        assert_eq!(posted.unwrap_err(), failure, "{way}");
        assert_eq!(connections.load(Ordering::SeqCst), 4, "one try");
        let two = Origin { connection_attempts: 1, ..origin };
        assert_eq!(get(&origins, &two).await.unwrap_err(), failure);
    }
}

/// A server that can be killed: its listener and its connections go at once.
struct Mortal {
    address: SocketAddr,
    kill: tokio::sync::watch::Sender<bool>,
    requests: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
}

impl Mortal {
    fn open(&self) -> usize {
        self.accepted.load(Ordering::SeqCst) - self.closed.load(Ordering::SeqCst)
    }
}

async fn mortal() -> Mortal {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (kill, killed) = tokio::sync::watch::channel(false);
    let (accepted, closed) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (count, came, went) = (Arc::clone(&requests), Arc::clone(&accepted), Arc::clone(&closed));
    tokio::spawn(async move {
        let mut dead = killed.clone();
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted.unwrap().0,
                _ = dead.changed() => return,
            };
            came.fetch_add(1, Ordering::SeqCst);
            let (mut dead, count, went) = (killed.clone(), Arc::clone(&count), Arc::clone(&went));
            tokio::spawn(async move {
                let mut origin = Wire::new(stream);
                tokio::select! {
                    () = async {
                        while !origin.head().await.is_empty() {
                            count.fetch_add(1, Ordering::SeqCst);
                            tokio::task::yield_now().await;
                            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                        }
                    } => {}
                    _ = dead.changed() => {}
                }
                reset(&origin.stream);
                went.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    Mortal { address, kill, requests, accepted, closed }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_servers_dies_and_no_get_fails() {
    let (one, two) = (mortal().await, mortal().await);
    let origins = Arc::new(origins([plain(one.address), plain(two.address)]));
    let done = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (origins, done, origin) = (Arc::clone(&origins), Arc::clone(&done), origin());
            tokio::spawn(async move {
                for _ in 0..250 {
                    let mut response = get(&origins, &origin).await.unwrap();
                    assert_eq!(read(&mut response).await.unwrap(), b"ok");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    while done.load(Ordering::SeqCst) < 500 {
        tokio::task::yield_now().await;
    }
    assert!(
        one.requests.load(Ordering::SeqCst) > 100 && two.requests.load(Ordering::SeqCst) > 100,
        "in turn"
    );
    one.kill.send(true).unwrap();
    for task in load {
        task.await.unwrap();
    }
    // Nothing had been sent to the dead one, so even these go through.
    for _ in 0..4 {
        let body = Full::new(Bytes::from_static(b""));
        post(&origins, &origin(), RequestBody::Length(0), body).await.unwrap();
    }
}

#[tokio::test]
async fn health_checks_find_out_before_viewers_do() {
    let (alive, connections) =
        counted(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"]).await;
    let checked = Arc::new(tokio::sync::Semaphore::new(0));
    let (seen, viewers) = (Arc::clone(&checked), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&viewers);
    let ill = listen(move |_, mut origin| {
        let (seen, count) = (Arc::clone(&seen), Arc::clone(&count));
        async move {
            let head = origin.head().await;
            if head.starts_with("GET /health HTTP/1.1\r\nHost: origin.test\r\n") {
                origin.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").await;
                origin.wait_closed().await;
                seen.add_permits(1);
            } else {
                count.fetch_add(1, Ordering::SeqCst);
                origin.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            }
        }
    });
    let probe = Probe::Get("/health".to_owned());
    let health_check = HealthCheck { every: Duration::from_millis(20), timeout: LONG, probe };
    let servers = [plain(alive), plain(ill.await)];
    let origins =
        Origins::new(OriginsConfig { health_check: Some(health_check), ..config(servers) }).unwrap();
    get(&origins, &origin()).await.unwrap();
    checked.acquire_many(3).await.unwrap().forget();
    let before = viewers.load(Ordering::SeqCst);
    for _ in 0..6 {
        get(&origins, &origin()).await.unwrap();
    }
    assert_eq!(viewers.load(Ordering::SeqCst), before, "left alone");
    assert!(connections.load(Ordering::SeqCst) >= 6);
    // The checks go with their owner; the last one may still be under way.
    drop(origins);
    let further = checked.acquire_many(u32::try_from(checked.available_permits()).unwrap() + 3);
    assert!(tokio::time::timeout(SHORT, further).await.is_err(), "checked by nobody");
}

#[tokio::test]
async fn a_server_that_takes_requests_and_says_nothing_is_left_alone() {
    let hung = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&hung);
    let silent = listen(move |_, mut origin| {
        let count = Arc::clone(&count);
        async move {
            if !origin.head().await.is_empty() {
                count.fetch_add(1, Ordering::SeqCst);
                origin.wait_closed().await;
            }
        }
    });
    let (alive, _) = counted(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    let origins = origins([plain(silent.await), plain(alive)]);
    let origin = Origin { connection_attempts: 3, read_timeout: SHORT, ..origin() };
    let began = tokio::time::Instant::now();
    let mut sent = 0;
    while began.elapsed() < EJECTION_MIN / 2 || sent < 6 {
        assert_eq!(get(&origins, &origin).await.unwrap().status, 200);
        sent += 1;
    }
    assert_eq!(hung.load(Ordering::SeqCst), 2, "of {sent} requests");
}

/// A server that is left alone comes back after this at the earliest.
const EJECTION_MIN: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_server_taken_out_gets_nothing_new_and_its_idle_connections_are_closed() {
    let (one, two) = (mortal().await, mortal().await);
    let origin = origin();
    let before = origins([plain(one.address), plain(two.address)]);
    // A connection to each falls idle; on a third one a request is under way.
    for _ in 0..2 {
        read(&mut get(&before, &origin).await.unwrap()).await.unwrap();
    }
    let mut under_way = Vec::new();
    for _ in 0..2 {
        under_way.push(get(&before, &origin).await.unwrap());
    }
    read(&mut get(&before, &origin).await.unwrap()).await.unwrap();
    read(&mut get(&before, &origin).await.unwrap()).await.unwrap();
    let connections = (one.open(), two.open());
    assert_eq!(connections, (2, 2), "one idle, one in use");

    let after = before.followed_by(config([plain(two.address)])).unwrap();
    before.retire(&after);
    until("idle connections closed", || one.open() == 1).await;
    let seen = one.requests.load(Ordering::SeqCst);
    for _ in 0..4 {
        // Also what still comes by the old way.
        read(&mut get(&before, &origin).await.unwrap()).await.unwrap();
        read(&mut get(&after, &origin).await.unwrap()).await.unwrap();
    }
    assert_eq!(one.requests.load(Ordering::SeqCst), seen, "nothing new");
    assert_eq!(two.accepted.load(Ordering::SeqCst), 2, "the other one's connections went on");
    // What was under way finishes, and its connection is not kept.
    for mut response in under_way {
        assert_eq!(read(&mut response).await.unwrap(), b"ok");
    }
    until("the last connection closed", || one.open() == 0).await;
    assert_eq!(two.open(), 2);

    // Put back, it is a server like any other.
    let again = after.followed_by(config([plain(one.address)])).unwrap();
    after.retire(&again);
    for _ in 0..3 {
        read(&mut get(&again, &origin).await.unwrap()).await.unwrap();
    }
    assert_eq!((one.open(), one.requests.load(Ordering::SeqCst)), (1, seen + 3));
}

/// Lets everything else run until it is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let reached = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(LONG, reached).await.is_ok(), "in vain: {what}");
}

#[test]
fn servers_are_read_from_urls() {
    let server = |url| Server::parse(url).map(|server| (server.scheme, server.host, server.port));
    assert_eq!(server("http://127.0.0.1:8000").unwrap(), (Scheme::Http, "127.0.0.1".to_owned(), 8000));
    assert_eq!(server("https://web/").unwrap(), (Scheme::Https, "web".to_owned(), 443));
    assert_eq!(server("http://[::1]:81").unwrap(), (Scheme::Http, "::1".to_owned(), 81));
    assert_eq!(server("http://[::1]").unwrap().2, 80);
    for wrong in [
        "",
        "web",
        "web:80",
        "ftp://web",
        "http://",
        "http://web/path",
        "http://web?q",
        "http://u@web",
        "http://web:",
    ] {
        assert!(server(wrong).is_err(), "{wrong}");
    }
}
