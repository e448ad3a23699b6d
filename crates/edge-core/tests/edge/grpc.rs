//! Calls of gRPC: both ways at once, trailers, and what ends a call. Both ends decide about each frame.

use ::h2::client::{ResponseFuture, SendRequest};
use ::h2::server::SendResponse;
use ::h2::{Reason, RecvStream, SendStream};
use bytes::Bytes;
use edge_core::distribution::{Grpc, HeaderForwarding};
use edge_core::proxy::local_ca::LocalCa;
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;

/// An origin that hands each call to the test, and tells when a connection is made.
struct Callee {
    addr: std::net::SocketAddr,
    calls: mpsc::UnboundedReceiver<Called>,
    connections: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
}

/// A call at the origin.
struct Called {
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
}

impl Callee {
    async fn start() -> Self {
        Self::with(::h2::server::Builder::new()).await
    }

    async fn with(builder: ::h2::server::Builder) -> Self {
        Self::over(builder, |stream| async { Some(stream) }).await
    }

    /// One that speaks over what `greet` makes of a connection.
    async fn over<S, F>(
        builder: ::h2::server::Builder,
        greet: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, calls) = mpsc::unbounded_channel();
        let (connections, closed) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (made, ended) = (Arc::clone(&connections), Arc::clone(&closed));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                made.fetch_add(1, Ordering::SeqCst);
                let (sender, builder, ended) = (sender.clone(), builder.clone(), Arc::clone(&ended));
                let greeting = greet(stream);
                tokio::spawn(async move {
                    let Some(stream) = greeting.await else { return };
                    let mut connection = builder.handshake(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        _ = sender.send(Called { request, respond });
                    }
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { addr, calls, connections, closed }
    }

    async fn called(&mut self) -> Called {
        soon("a call at the origin", self.calls.recv()).await.unwrap()
    }
}

impl Called {
    fn answer(&mut self) -> SendStream<Bytes> {
        let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        self.respond.send_response(response, false).unwrap()
    }

    async fn hears(&mut self, expected: &[u8]) {
        hears(self.request.body_mut(), expected).await;
    }

    /// Waits until the call is cancelled.
    async fn cancelled(&mut self) -> Reason {
        soon("the end of the call", std::future::poll_fn(|cx| self.respond.poll_reset(cx))).await.unwrap()
    }
}

/// The next data are these.
async fn hears(body: &mut RecvStream, expected: &[u8]) {
    let mut heard = Vec::new();
    while heard.len() < expected.len() {
        let data = soon("data", body.data()).await.unwrap().unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        heard.extend_from_slice(&data);
    }
    assert_eq!(heard, expected);
}

fn status(code: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), code.parse().unwrap())])
}

/// One who calls.
struct Caller(SendRequest<Bytes>);

impl Caller {
    fn call(&mut self) -> (ResponseFuture, SendStream<Bytes>) {
        let request = Request::post(format!("https://{HOST}/pkg.Service/Method"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        self.0.send_request(request, false).unwrap()
    }
}

async fn answered(response: ResponseFuture) -> (StatusCode, RecvStream) {
    let response = soon("the head of the answer", response).await.unwrap();
    (response.status(), response.into_body())
}

impl World {
    async fn of_calls(callee: &Callee) -> Self {
        Self::of_calls_with(callee, |_| {}).await
    }

    async fn of_calls_with(callee: &Callee, change: impl FnOnce(&mut Settings)) -> Self {
        let nobody = Origin::start().await;
        let addr = callee.addr;
        Self::with(&nobody, |settings| {
            settings.servers.insert(ORIGIN.to_owned(), vec![format!("http://{addr}")]);
            let behavior = &mut settings.distribution.default_behavior;
            behavior.grpc = Grpc::On;
            behavior.forward.headers = HeaderForwarding::AllViewer { plus: Vec::new() };
            change(settings);
        })
        .await
    }

    async fn caller(&self) -> Caller {
        let stream = TcpStream::connect(self.server.http()[0]).await.unwrap();
        let (sender, connection) = ::h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Caller(soon("the edge's settings", sender.ready()).await.unwrap())
    }
}

#[tokio::test]
async fn both_sides_speak_when_they_like() {
    let mut callee = Callee::start().await;
    let world = World::of_calls(&callee).await;
    let mut caller = world.caller().await;
    let (response, mut up) = caller.call();
    let mut called = callee.called().await;
    let head = called.request.headers();
    assert_eq!(
        (head["te"].as_bytes(), head["content-type"].as_bytes()),
        (&b"trailers"[..], &b"application/grpc"[..])
    );
    assert_eq!(called.request.uri().authority().unwrap(), HOST);
    // The origin answers before it has heard a word, and then they take turns.
    let mut down = called.answer();
    let (status_, mut answer) = answered(response).await;
    assert_eq!(status_, 200);
    for turn in 0..100 {
        let (one, other) = (format!("question {turn}"), format!("answer {turn}"));
        up.send_data(one.clone().into(), false).unwrap();
        called.hears(one.as_bytes()).await;
        down.send_data(other.clone().into(), false).unwrap();
        hears(&mut answer, other.as_bytes()).await;
    }
    // The viewer has said all, the origin has not.
    up.send_data(Bytes::new(), true).unwrap();
    assert!(
        soon("the end of the upload", called.request.body_mut().data())
            .await
            .is_none_or(|data| data.unwrap().is_empty())
    );
    down.send_data("last".into(), false).unwrap();
    hears(&mut answer, b"last").await;
    down.send_trailers(status("0")).unwrap();
    assert!(soon("the end", answer.data()).await.is_none());
    assert_eq!(soon("trailers", answer.trailers()).await.unwrap().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn an_answer_may_be_trailers_alone() {
    let mut callee = Callee::start().await;
    let world = World::of_calls(&callee).await;
    let mut caller = world.caller().await;
    let (response, mut up) = caller.call();
    up.send_data("question".into(), true).unwrap();
    let mut called = callee.called().await;
    let head =
        Response::builder().header("grpc-status", "12").header("grpc-message", "no such").body(()).unwrap();
    called.respond.send_response(head, true).unwrap();
    let response = soon("the answer", response).await.unwrap();
    assert_eq!(
        (response.headers()["grpc-status"].as_bytes(), response.headers()["x-cache"].as_bytes()),
        (&b"12"[..], &b"Miss from cloudfront"[..])
    );
    assert!(response.body().is_end_stream());
}

#[tokio::test]
async fn many_calls_share_a_connection_and_keep_apart() {
    let mut callee = Callee::start().await;
    let world = World::of_calls(&callee).await;
    let mut caller = world.caller().await;
    let mut calls: Vec<_> = (0..50).map(|_| caller.call()).collect();
    for (at, (_, up)) in calls.iter_mut().enumerate() {
        up.send_data(format!("call {at}").into(), true).unwrap();
    }
    for _ in 0..50 {
        let mut called = callee.called().await;
        tokio::spawn(async move {
            let data = called.request.body_mut().data().await.unwrap().unwrap();
            let mut down = called.answer();
            down.send_data([b"answer to ", &data[..]].concat().into(), false).unwrap();
            down.send_trailers(status("0")).unwrap();
        });
    }
    for (at, (response, _)) in calls.into_iter().enumerate() {
        hears(&mut answered(response).await.1, format!("answer to call {at}").as_bytes()).await;
    }
    assert_eq!(callee.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_origin_that_lets_few_run_gets_more_connections() {
    let mut builder = ::h2::server::Builder::new();
    builder.max_concurrent_streams(2);
    let mut callee = Callee::with(builder).await;
    let world = World::of_calls(&callee).await;
    let mut caller = world.caller().await;
    // The first tells how many may run.
    let mut held = Vec::new();
    for _ in 0..5 {
        let (response, up) = caller.call();
        let mut called = callee.called().await;
        let down = called.answer();
        held.push((answered(response).await, up, called, down));
    }
    assert_eq!(callee.connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_viewer_who_calls_off_is_heard_at_the_origin() {
    let mut callee = Callee::start().await;
    let world = World::of_calls(&callee).await;
    let mut caller = world.caller().await;
    // Before the answer has begun …
    let (response, mut up) = caller.call();
    up.send_data("question".into(), false).unwrap();
    let mut called = callee.called().await;
    called.hears(b"question").await;
    up.send_reset(Reason::CANCEL);
    drop(response);
    assert_eq!(called.cancelled().await, Reason::CANCEL);
    // … and while it comes.
    let (response, mut up) = caller.call();
    let mut called = callee.called().await;
    let mut down = called.answer();
    down.send_data("some".into(), false).unwrap();
    let (_, mut answer) = answered(response).await;
    hears(&mut answer, b"some").await;
    up.send_reset(Reason::CANCEL);
    let reason = soon("the end of the call", std::future::poll_fn(|cx| down.poll_reset(cx))).await.unwrap();
    assert_eq!(reason, Reason::CANCEL);
    // The connections are as good as before.
    let (response, _up) = caller.call();
    let mut down = callee.called().await.answer();
    down.send_data("fine".into(), true).unwrap();
    hears(&mut answered(response).await.1, b"fine").await;
    assert_eq!(callee.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_call_that_breaks_off_at_the_origin_breaks_off_for_the_viewer() {
    let mut callee = Callee::start().await;
    let world = World::of_calls(&callee).await;
    let mut caller = world.caller().await;
    let (response, _up) = caller.call();
    let mut called = callee.called().await;
    called.respond.send_reset(Reason::INTERNAL_ERROR);
    assert_eq!(answered(response).await.0, 502);
    let (response, _up) = caller.call();
    let mut down = callee.called().await.answer();
    down.send_data("half".into(), false).unwrap();
    let (_, mut answer) = answered(response).await;
    hears(&mut answer, b"half").await;
    down.send_reset(Reason::INTERNAL_ERROR);
    // Not as if it were whole.
    assert!(soon("the end", answer.data()).await.unwrap().is_err());
}

#[tokio::test]
async fn the_origins_silence_ends_a_call_and_the_viewers_does_not() {
    let mut callee = Callee::start().await;
    let world =
        World::of_calls_with(&callee, |settings| settings.distribution.origins[0].read_timeout = SHORT).await;
    let mut caller = world.caller().await;
    // The viewer thinks for longer than the origin may.
    let (response, mut up) = caller.call();
    let mut called = callee.called().await;
    let mut down = called.answer();
    let (_, mut answer) = answered(response).await;
    assert!(tokio::time::timeout(3 * SHORT, answer.data()).await.is_err());
    up.send_data("question".into(), true).unwrap();
    called.hears(b"question").await;
    down.send_data("answer".into(), false).unwrap();
    hears(&mut answer, b"answer").await;
    // Now it is the origin's turn.
    assert!(soon("the end", answer.data()).await.unwrap().is_err());
    // Before the head it is a 504.
    let (response, mut up) = caller.call();
    up.send_data("question".into(), true).unwrap();
    let mut called = callee.called().await;
    assert_eq!(answered(response).await.0, 504);
    assert_eq!(called.cancelled().await, Reason::CANCEL);
}

#[tokio::test]
async fn whoever_does_not_read_holds_up_himself_alone() {
    let mut callee = Callee::start().await;
    let world = World::of_calls(&callee).await;
    let (mut deaf, mut caller) = (world.caller().await, world.caller().await);
    let mut held = Vec::new();
    for _ in 0..20 {
        let (response, up) = deaf.call();
        let mut down = callee.called().await.answer();
        let answer = answered(response).await;
        // As much as anybody takes, without the viewer reading a byte.
        let mut written = 0_usize;
        loop {
            down.reserve_capacity(16 * 1_024);
            let room = std::future::poll_fn(|cx| down.poll_capacity(cx));
            let Ok(room) = tokio::time::timeout(Duration::from_millis(20), room).await else { break };
            let room = room.unwrap().unwrap();
            down.send_data(vec![b'x'; room].into(), false).unwrap();
            written += room;
            assert!(written < 4 << 20, "{written} bytes are held somewhere");
        }
        held.push((answer, up, down));
    }
    let (response, _up) = caller.call();
    let mut down = callee.called().await.answer();
    down.send_data("heard".into(), true).unwrap();
    hears(&mut answered(response).await.1, b"heard").await;
    assert_eq!(callee.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_upload_the_origin_does_not_read_is_not_collected() {
    let mut callee = Callee::start().await;
    let world = World::of_calls(&callee).await;
    let mut caller = world.caller().await;
    let (_response, mut up) = caller.call();
    let _called = callee.called().await;
    let mut written = 0_usize;
    loop {
        up.reserve_capacity(16 * 1_024);
        let room = std::future::poll_fn(|cx| up.poll_capacity(cx));
        let Ok(room) = tokio::time::timeout(SHORT, room).await else { break };
        let room = room.unwrap().unwrap();
        up.send_data(vec![b'x'; room].into(), false).unwrap();
        written += room;
        assert!(written < 4 << 20, "{written} bytes are held somewhere");
    }
    assert!(written > 0);
}

#[tokio::test]
async fn connections_without_calls_are_closed_and_leave_nothing_behind() {
    let mut callee = Callee::start().await;
    let world =
        World::of_calls_with(&callee, |settings| settings.distribution.origins[0].keepalive_timeout = SHORT)
            .await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let tasks = metrics.num_alive_tasks();
    for _ in 0..2 {
        let mut caller = world.caller().await;
        let mut held = Vec::new();
        for _ in 0..100 {
            let (response, up) = caller.call();
            let mut called = callee.called().await;
            let mut down = called.answer();
            down.send_data("x".into(), false).unwrap();
            held.push((answered(response).await, up, called, down));
        }
        assert!(metrics.num_alive_tasks() >= tasks + 100);
        drop((held, caller));
        let closed = || callee.closed.load(Ordering::SeqCst) == callee.connections.load(Ordering::SeqCst);
        until("the end of the connection", closed).await;
        until("the end of all tasks", || metrics.num_alive_tasks() <= tasks).await;
    }
    assert_eq!(callee.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_origin_that_went_away_in_between_is_asked_anew() {
    let mut callee = Callee::start().await;
    let world = World::of_calls(&callee).await;
    for round in 1..=3 {
        let mut caller = world.caller().await;
        let (response, _up) = caller.call();
        let mut called = callee.called().await;
        let mut down = called.answer();
        down.send_data("x".into(), true).unwrap();
        hears(&mut answered(response).await.1, b"x").await;
        assert_eq!(callee.connections.load(Ordering::SeqCst), 1, "{round}");
    }
    // Its server is replaced by another at the same name.
    let mut other = Callee::start().await;
    let mut settings = world.settings.clone();
    settings.servers.insert(ORIGIN.to_owned(), vec![format!("http://{}", other.addr)]);
    world.server.reload(&settings).unwrap();
    let mut caller = world.caller().await;
    let (response, _up) = caller.call();
    let mut down = other.called().await.answer();
    down.send_data("other".into(), true).unwrap();
    hears(&mut answered(response).await.1, b"other").await;
    let closed = || callee.closed.load(Ordering::SeqCst) == 1;
    until("the end of the connection to the first", closed).await;
}

#[tokio::test]
async fn an_ordinary_request_goes_over_http1_still() {
    let mut origin = Origin::start().await;
    let world = World::with(&origin, |settings| settings.distribution.default_behavior.grpc = Grpc::On).await;
    let replies = tokio::join!(world.ask("POST", "/", "Content-Type: application/grpc\r\n"), async {
        let asked = origin.asked().await;
        assert_eq!(asked.field("te"), None);
        asked.answer(ok("", "plain")).await;
    });
    assert_eq!(replies.0.is(), (200, "Miss", "plain"));
}

#[tokio::test]
async fn an_origin_that_speaks_no_http2_is_not_connected_to() {
    // The last one takes part in no choice of protocols: it may speak anything.
    for protocol in [Some("h2"), Some("http/1.1"), None] {
        let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("edge-grpc-ca");
        let ca = LocalCa::open(&directory, Clock::system().now()).unwrap();
        let leaf = ca.leaf(&[HOST, ORIGIN], Clock::system().now()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(leaf.certified)));
        tls.alpn_protocols = protocol.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let greet = move |stream| {
            let accepted = acceptor.accept(stream);
            async { accepted.await.ok() }
        };
        let mut callee = Callee::over(::h2::server::Builder::new(), greet).await;
        let addr = callee.addr;
        let world = World::of_calls_with(&callee, |settings| {
            settings.servers.insert(ORIGIN.to_owned(), vec![format!("https://{addr}")]);
            settings.origin_roots.push(ca.certificate_path().to_owned());
        })
        .await;
        let mut caller = world.caller().await;
        let (response, _up) = caller.call();
        if protocol == Some("h2") {
            let mut called = callee.called().await;
            assert_eq!(called.request.uri().scheme_str(), Some("https"));
            called.answer().send_data("secret".into(), true).unwrap();
            hears(&mut answered(response).await.1, b"secret").await;
        } else {
            assert_eq!(answered(response).await.0, 502);
        }
    }
}
