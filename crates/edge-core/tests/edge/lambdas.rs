//! Lambda@Edge over the wire: calls of an endpoint that speaks the invoke API, when they are made, and what waits for them.

use std::net::SocketAddr;
use std::sync::Mutex;

use edge_core::distribution::lambda::{Endpoint, LambdaEvent, Lambdas};
use serde_json::{Value as Json, json};

use super::*;

/// What was called, in order.
type Calls = Arc<Mutex<Vec<String>>>;

/// An endpoint of the invoke API. `answer` gets what is under `cf` in the event, and makes a whole response.
async fn endpoint(answer: impl Fn(&Json) -> Vec<u8> + Send + Sync + 'static) -> (SocketAddr, Calls) {
    let (mut scripted, calls, answer) = (Origin::start().await, Calls::default(), Arc::new(answer));
    let (addr, told) = (scripted.addr, Arc::clone(&calls));
    tokio::spawn(async move {
        loop {
            let asked = scripted.next().await;
            tokio::spawn(answered(asked, Arc::clone(&told), Arc::clone(&answer)));
        }
    });
    (addr, calls)
}

async fn answered(mut asked: Asked, told: Calls, answer: Arc<impl Fn(&Json) -> Vec<u8>>) {
    assert_eq!(asked.target(), "/2015-03-31/functions/function/invocations");
    let length = asked.field("content-length").unwrap().parse().unwrap();
    let event: Json = serde_json::from_slice(&asked.wire.bytes(length).await.unwrap()).unwrap();
    let cf = &event["Records"][0]["cf"];
    told.lock().unwrap().push(cf["config"]["eventType"].as_str().unwrap().to_owned());
    let wire = answer(cf);
    if !wire.is_empty() {
        asked.answer(wire).await;
    } else {
        asked.closed_by_edge().await; // silence
    }
}

/// A result.
fn returns(value: &Json) -> Vec<u8> {
    ok("Content-Type: application/json\r\n", value.to_string())
}

/// Leaves everything as it is.
fn echo(cf: &Json) -> Json {
    cf.get("response").unwrap_or(&cf["request"]).clone()
}

fn event_of(cf: &Json) -> &str {
    cf["config"]["eventType"].as_str().unwrap()
}

/// A Lambda at each event.
fn lambdas(body: Body) -> Lambdas {
    let item = |event: LambdaEvent| {
        let arn = format!("arn:aws:lambda:us-east-1:111122223333:function:{event}:1");
        let sees = body == Body::Seen && event.as_str().ends_with("request");
        json!({ "LambdaFunctionARN": arn, "EventType": event.as_str(), "IncludeBody": sees })
    };
    let document = json!({
        "CallerReference": "t", "Comment": "", "Enabled": true,
        "Origins": { "Quantity": 1, "Items": [{ "Id": "o", "DomainName": ORIGIN,
            "CustomOriginConfig": { "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only" } }] },
        "DefaultCacheBehavior": { "TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
            "LambdaFunctionAssociations": { "Quantity": 4, "Items": LambdaEvent::ALL.map(item) } }
    });
    load(&document.to_string()).unwrap().distribution.default_behavior.lambdas
}

/// An edge that calls the endpoint at these events.
async fn world(origin: &Origin, addr: SocketAddr, events: &[LambdaEvent], body: Body) -> World {
    let endpoint = Endpoint::parse(&format!("http://{addr}")).unwrap();
    with_endpoint(origin, &endpoint, events, body).await
}

async fn with_endpoint(origin: &Origin, endpoint: &Endpoint, events: &[LambdaEvent], body: Body) -> World {
    World::with(origin, |settings| {
        settings.distribution.default_behavior.lambdas = lambdas(body);
        for event in events {
            let arn = format!("arn:aws:lambda:us-east-1:111122223333:function:{event}");
            settings.lambdas.insert(arn, Arc::new(endpoint.clone()));
        }
    })
    .await
}

/// Whether functions include the body.
#[derive(Clone, Copy, PartialEq)]
enum Body {
    Seen,
    Unseen,
}

const ALL: [LambdaEvent; 4] = LambdaEvent::ALL;

#[tokio::test]
async fn each_event_has_its_moment() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let (addr, calls) = endpoint(|cf| {
        let mut back = echo(cf);
        let event = event_of(cf);
        back["headers"][format!("x-{event}")] = json!([{ "value": "1" }]);
        returns(&back)
    })
    .await;
    let world = world(&origin, addr, &ALL, Body::Unseen).await;
    let reply = world.get("/a").await;
    assert_eq!(reply.is(), (200, "Miss", "page"));
    assert_eq!((reply.field("x-origin-response"), reply.field("x-viewer-response")), (Some("1"), Some("1")));
    let events = ["viewer-request", "origin-request", "origin-response", "viewer-response"];
    assert_eq!(*calls.lock().unwrap(), events);
    assert_eq!(world.get("/a").await.is(), (200, "Hit", "page"));
    assert_eq!(calls.lock().unwrap()[4..], ["viewer-request", "viewer-response"]);
    assert_eq!(origin.seen(), 1);
}

#[tokio::test]
async fn without_an_endpoint_a_function_is_skipped() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let (addr, calls) = endpoint(|cf| returns(&echo(cf))).await;
    let world = world(&origin, addr, &[LambdaEvent::OriginRequest], Body::Unseen).await;
    assert_eq!(world.get("/a").await.is(), (200, "Miss", "page"));
    assert_eq!(*calls.lock().unwrap(), ["origin-request"]);
}

#[tokio::test]
async fn who_waits_for_a_fill_calls_nothing_at_the_origins_side() {
    let origin = Origin::start().await;
    let (addr, calls) = endpoint(|_| returns(&json!({ "status": "200", "body": "made" }))).await;
    let world =
        world(&origin, addr, &[LambdaEvent::OriginRequest, LambdaEvent::OriginResponse], Body::Unseen).await;
    let replies = all(8, |_| world.get("/a")).await;
    let misses = replies.iter().filter(|reply| reply.x_cache() == "Miss").count();
    assert!(replies.iter().all(|reply| reply.text() == "made") && misses == 1, "{replies:?}");
    assert_eq!(*calls.lock().unwrap(), ["origin-request"]);
    assert_eq!(origin.seen(), 0);
}

#[tokio::test]
async fn a_slow_viewer_response_keeps_nobody_else() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    // The first viewer's call is never answered.
    let first = AtomicUsize::new(0);
    let (addr, calls) = endpoint(move |cf| match first.fetch_add(1, Ordering::SeqCst) {
        0 => Vec::new(),
        _ => returns(&echo(cf)),
    })
    .await;
    let world = world(&origin, addr, &[LambdaEvent::ViewerResponse], Body::Unseen).await;
    let mut waiting = world.viewer().await;
    waiting.begin("GET", "/a", "").await;
    until("the call", || calls.lock().unwrap().len() == 1).await;
    assert_eq!(world.get("/a").await.is(), (200, "Hit", "page"));
}

#[tokio::test]
async fn a_body_is_seen_in_part_and_sent_in_full() {
    let mut origin = Origin::start().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let (addr, _calls) = endpoint(move |cf| {
        let body = &cf["request"]["body"];
        told.lock().unwrap().push((body["data"].as_str().unwrap().len(), body["inputTruncated"] == true));
        returns(&echo(cf))
    })
    .await;
    let world =
        world(&origin, addr, &[LambdaEvent::ViewerRequest, LambdaEvent::OriginRequest], Body::Seen).await;
    let body = "x".repeat(300_000);
    let mut viewer = world.viewer().await;
    let ((), mut asked) = tokio::join!(
        async {
            viewer.begin("POST", "/", "Content-Length: 300000\r\n").await;
            viewer.send(&body).await;
        },
        origin.asked()
    );
    assert_eq!(asked.field("content-length"), Some("300000"));
    assert!(asked.wire.bytes(300_000).await.unwrap() == body.as_bytes());
    asked.answer(ok("", "got it")).await;
    assert_eq!(viewer.reply("POST").await.is(), (200, "Miss", "got it"));
    // 40 KB in base64, then all.
    assert_eq!(*seen.lock().unwrap(), [(54_616, true), (400_000, false)]);
}

#[tokio::test]
async fn a_body_is_replaced() {
    let mut origin = Origin::start().await;
    let (addr, _calls) = endpoint(|cf| {
        let mut back = echo(cf);
        back["body"]["action"] = json!("replace");
        back["body"]["encoding"] = json!("text");
        back["body"]["data"] = json!(format!("{}!", event_of(cf)));
        returns(&back)
    })
    .await;
    for (event, body) in
        [(LambdaEvent::ViewerRequest, "viewer-request!"), (LambdaEvent::OriginRequest, "origin-request!")]
    {
        let world = world(&origin, addr, &[event], Body::Seen).await;
        let mut viewer = world.viewer().await;
        viewer.begin("POST", "/", "Content-Length: 5\r\n").await;
        viewer.send("hello").await;
        let mut asked = origin.asked().await;
        assert_eq!(asked.field("content-length"), Some("15"));
        assert_eq!(asked.wire.bytes(15).await.unwrap(), body.as_bytes());
        asked.answer(ok("", "got it")).await;
        assert_eq!(viewer.reply("POST").await.is(), (200, "Miss", "got it"));
    }
}

#[tokio::test]
async fn what_an_origin_response_function_gives_stands_for_the_origins_body() {
    let mut origin = Origin::start().await;
    let (addr, _calls) = endpoint(|cf| {
        let mut back = echo(cf);
        (back["status"], back["body"]) = (json!("200"), json!("mine"));
        returns(&back)
    })
    .await;
    let world = world(&origin, addr, &[LambdaEvent::OriginResponse], Body::Unseen).await;
    // The origin's own body never ends.
    let (reply, mut asked) = tokio::join!(world.get("/a"), async {
        let mut asked = origin.asked().await;
        asked.send("HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\nhal").await;
        asked
    });
    assert_eq!(reply.is(), (200, "Miss", "mine"));
    asked.closed_by_edge().await;
    assert_eq!(world.get("/a").await.is(), (200, "Hit", "mine"));
}

#[tokio::test]
async fn calls_that_come_to_nothing_are_told_apart() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let (addr, _calls) = endpoint(|cf| {
        let throttled = b"HTTP/1.1 429 No\r\nContent-Length: 2\r\n\r\n{}".to_vec();
        match cf["request"]["uri"].as_str().unwrap() {
            "/throttled" => throttled,
            "/threw" => returns(&json!({ "errorMessage": "no", "errorType": "Error" })),
            "/unhandled" => ok("X-Amz-Function-Error: Unhandled\r\n", "{}"),
            "/large" => returns(&json!({ "status": "200", "body": "x".repeat(2 * 1024 * 1024) })),
            "/text" => ok("", "Task timed out after 3.00 seconds"),
            _ => returns(&json!(1)),
        }
    })
    .await;
    let world = world(&origin, addr, &[LambdaEvent::ViewerRequest], Body::Unseen).await;
    for (target, status, x_cache) in [
        ("/throttled", 503, "LambdaLimitExceeded"),
        ("/threw", 503, "LambdaExecutionError"),
        ("/unhandled", 503, "LambdaExecutionError"),
        ("/text", 503, "LambdaExecutionError"),
        ("/large", 502, "LambdaValidationError"),
        ("/other", 502, "LambdaValidationError"),
    ] {
        let reply = world.get(target).await;
        assert_eq!((reply.status, reply.x_cache()), (status, x_cache), "{target}");
    }
    assert_eq!(origin.seen(), 0);
}

#[tokio::test]
async fn a_function_that_is_silent_or_away_is_503() {
    let origin = Origin::answering(|_, _| ok("", "page")).await;
    let (addr, calls) = endpoint(|_| Vec::new()).await;
    for event in ALL {
        let mut endpoint = Endpoint::parse(&format!("http://{addr}")).unwrap();
        endpoint.origin.read_timeout = SHORT;
        let world = with_endpoint(&origin, &endpoint, &[event], Body::Unseen).await;
        let reply = world.get("/a").await;
        assert_eq!((reply.status, reply.x_cache()), (503, "LambdaExecutionError"), "{event}");
        let reply = world.ask("HEAD", "/a", "").await;
        assert_eq!((reply.status, reply.text()), (503, ""), "{event}");
    }
    assert_eq!(calls.lock().unwrap().len(), 8);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = world(&origin, nobody, &[LambdaEvent::ViewerRequest], Body::Unseen).await;
    let reply = world.get("/a").await;
    assert_eq!((reply.status, reply.x_cache()), (503, "LambdaExecutionError"));
}
