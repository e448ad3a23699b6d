//! What `explain` tells is what the proxy does: random distributions, requests and answers go through both, twice with
//! time in between, and viewer and origin must see the same.
#![cfg(feature = "proxy")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use edge_core::Edge;
use edge_core::cache::Held;
use edge_core::cache::storing::Guard;
use edge_core::distribution::load_value;
use edge_core::exchange::{Ask, Ending, Outcome};
use edge_core::explain::{self, Explanation};
use edge_core::proxy::clock::{Clock, Hand};
use edge_core::proxy::edge::{Room, Running, Viewer};
use edge_core::proxy::server::Settings;
use edge_core::response::Source;
use edge_core::viewer::facts::FieldsSent;
use edge_core::viewer::{Request, Scheme, Stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Empty};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PEER: ([u8; 4], u16) = ([192, 0, 2, 1], 50_000);
const START_SECONDS: u64 = 1_800_000_000;

/// One exchange, as viewer and origin see it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    headers: Vec<(String, String)>,
    asked: Vec<String>,
}

/// Status and headers of a response.
type Said = (u16, Vec<(&'static str, &'static str)>);

/// An origin that says the same to everybody and remembers what it was asked.
#[derive(Clone, Default)]
struct Origin {
    answer: Arc<Mutex<Said>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let origin = self.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                let mut piece = [0; 4096];
                while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                    match stream.read(&mut piece).await {
                        Ok(read @ 1..) => head.extend_from_slice(&piece[..read]),
                        _ => break,
                    }
                }
                let head = String::from_utf8(head).unwrap();
                if head.is_empty() {
                    continue;
                }
                origin.asked.lock().unwrap().push(as_asked(&head));
                let (status, headers) = origin.answer.lock().unwrap().clone();
                let mut out = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: 4\r\n");
                headers.iter().for_each(|(name, value)| out.push_str(&format!("{name}: {value}\r\n")));
                let body = if head.starts_with("HEAD") || status == 304 { "" } else { "body" };
                _ = stream.write_all(format!("{out}\r\n{body}").as_bytes()).await;
            }
        });
        addr
    }
}

/// A head as the origin got it: its line, and its fields in order of their names; without what belongs to the
/// connection, and the exchange's id.
fn as_asked(head: &str) -> String {
    let mut lines = head.trim_end().lines();
    let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let mut fields: Vec<String> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .filter(|field| {
            !["connection:", "content-length:", "x-amz-cf-id:"].iter().any(|own| field.starts_with(own))
        })
        .collect();
    fields.sort();
    format!("{line}\n{}", fields.join("\n"))
}

fn as_called(ask: &Ask) -> String {
    let call = ask.call();
    let fields = call.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    as_asked(&format!("{} {}\n{}", call.method, call.target, fields.collect::<Vec<_>>().join("\n")))
}

fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let mut fields: Vec<_> = headers
        .iter()
        .filter(|(name, _)| *name != "x-amz-cf-id" && *name != "connection")
        .map(field)
        .collect();
    fields.sort();
    fields
}

/// What is random.
#[derive(Debug, Clone)]
struct Setting {
    document: Value,
    guard: Guard,
    scheme: Scheme,
    method: Method,
    target: String,
    fields: Vec<(&'static str, &'static str)>,
    answer: Said,
    later: u64,
}

fn names() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("none")),
        Just(json!("all")),
        subsequence(vec!["a", "b", "utm_source"], 1..3).prop_map(|names| json!(names)),
    ]
}

fn selection(what: &str, names: &Value) -> Value {
    match names {
        Value::String(word) => json!({ format!("{what}Behavior"): word }),
        names => json!({
            format!("{what}Behavior"): "whitelist",
            format!("{what}s"): { "Quantity": names.as_array().unwrap().len(), "Items": names }
        }),
    }
}

fn cache_policy() -> impl Strategy<Value = Value> {
    let ttl = select(&[(0, 0, 0), (0, 20, 100), (0, 0, 100), (5, 20, 100)][..]);
    let headers = subsequence(vec!["Accept-Language", "CloudFront-Is-Mobile-Viewer", "Host", "X-A"], 0..3);
    let coding = (any::<bool>(), any::<bool>());
    (ttl, headers, names(), names(), coding).prop_map(|((min, default, max), headers, cookies, query, (gzip, brotli))| {
        let off = max == 0;
        let headers = if headers.is_empty() || off {
            json!({ "HeaderBehavior": "none" })
        } else {
            json!({ "HeaderBehavior": "whitelist", "Headers": { "Quantity": headers.len(), "Items": headers } })
        };
        let none = json!("none");
        json!({ "Id": "policy", "CachePolicyConfig": {
            "Name": "policy", "MinTTL": min, "DefaultTTL": default, "MaxTTL": max,
            "ParametersInCacheKeyAndForwardedToOrigin": {
                "EnableAcceptEncodingGzip": gzip && !off, "EnableAcceptEncodingBrotli": brotli && !off,
                "HeadersConfig": headers,
                "CookiesConfig": selection("Cookie", if off { &none } else { &cookies }),
                "QueryStringsConfig": selection("QueryString", if off { &none } else { &query }),
            }
        }})
    })
}

fn document() -> impl Strategy<Value = Value> {
    let request_policy = option::of(select(
        &[
            "216adef6-5c7f-47e4-b989-5492eafa07d3", // Managed-AllViewer
            "b689b0a8-53d0-40ab-baf2-68738e2966ac", // Managed-AllViewerExceptHostHeader
            "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf", // Managed-CORS-S3Origin
        ][..],
    ));
    let headers_policy = option::of(Just("67f7725c-6f97-4210-82d7-5512b31e9d03")); // Managed-SecurityHeadersPolicy
    let protocol = select(&["allow-all", "redirect-to-https", "https-only"][..]);
    let errors = option::of(select(&[404, 503][..]));
    (cache_policy(), request_policy, headers_policy, protocol, any::<(bool, bool)>(), errors).prop_map(
        |(policy, request_policy, headers_policy, protocol, (writes, compress), error)| {
            let methods = if writes {
                json!({ "Quantity": 7, "Items": ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"] })
            } else {
                json!({ "Quantity": 2, "Items": ["GET", "HEAD"] })
            };
            let mut behavior = json!({
                "TargetOriginId": "o", "ViewerProtocolPolicy": protocol, "CachePolicyId": "policy",
                "AllowedMethods": methods, "Compress": compress,
            });
            for (field, id) in
                [("OriginRequestPolicyId", request_policy), ("ResponseHeadersPolicyId", headers_policy)]
            {
                if let Some(id) = id {
                    behavior[field] = json!(id);
                }
            }
            let mut other = behavior.clone();
            other["PathPattern"] = json!("/img/*");
            other["CachePolicyId"] = json!("658327ea-f89d-4fab-a63d-7e88639e58f6"); // Managed-CachingOptimized
            let errors: Vec<Value> =
                error.iter().map(|code| json!({ "ErrorCode": code, "ErrorCachingMinTTL": 5 })).collect();
            json!({ "CachePolicies": [policy], "DistributionConfig": {
                "CallerReference": "t", "Comment": "", "Enabled": true,
                "Origins": { "Quantity": 1, "Items": [{ "Id": "o", "DomainName": "origin.test", "OriginPath": "/base",
                    "CustomHeaders": { "Quantity": 1, "Items": [{ "HeaderName": "X-Secret", "HeaderValue": "s" }] },
                    "CustomOriginConfig": { "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only" } }] },
                "DefaultCacheBehavior": behavior,
                "CacheBehaviors": { "Quantity": 1, "Items": [other] },
                "CustomErrorResponses": { "Quantity": errors.len(), "Items": errors },
            }})
        },
    )
}

fn setting() -> impl Strategy<Value = Setting> {
    let guard = prop_oneof![Just(Guard::On), Just(Guard::Off)];
    let scheme = prop_oneof![4 => Just(Scheme::Https), 1 => Just(Scheme::Http)];
    let method = prop_oneof![6 => Just(Method::GET), 1 => Just(Method::HEAD), 1 => Just(Method::OPTIONS), 1 => Just(Method::POST)];
    let target = ("/(img/)?[ab]", option::of(select(&["a=1", "b=2&a=1", "utm_source=x&c=3", ""][..])))
        .prop_map(|(path, query)| query.map_or(path.clone(), |query| format!("{path}?{query}")));
    let fields = subsequence(
        vec![
            ("accept-encoding", "gzip, br"),
            ("accept-language", "de"),
            ("authorization", "Basic eDp5"),
            ("cookie", "a=1; b=2"),
            ("origin", "https://other.test"),
            ("referer", "https://x.test/"),
            ("user-agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile"),
            ("x-a", "1"),
            ("cloudfront-viewer-country", "XX"),
            ("if-none-match", "\"1\""),
        ],
        0..5,
    );
    let status = prop_oneof![6 => Just(200), 1 => Just(301), 1 => Just(404), 1 => Just(503)];
    let said = subsequence(
        vec![
            ("cache-control", "max-age=10"),
            ("cache-control", "private"),
            ("etag", "\"1\""),
            ("set-cookie", "s=1"),
            ("vary", "Accept-Language"),
            ("x-powered-by", "PHP"),
            ("expires", "0"),
        ],
        0..4,
    );
    (document(), guard, scheme, (method, target, fields), (status, said), select(&[0_u64, 7, 15, 60][..]))
        .prop_map(|(document, guard, scheme, (method, target, fields), answer, later)| Setting {
            document,
            guard,
            scheme,
            method,
            target,
            fields,
            answer,
            later,
        })
}

impl Setting {
    fn head(&self) -> http::Request<()> {
        let mut head = http::Request::builder().method(self.method.clone()).uri(&self.target);
        head = head.header("host", "localhost");
        for (name, value) in &self.fields {
            head = head.header(*name, *value);
        }
        head.body(()).unwrap()
    }

    fn told(&self, running: &Running, held: Option<Held<'_>>, later: u64) -> (Seen, Explanation) {
        let (parts, ()) = self.head().into_parts();
        let fields_sent = Some(Box::new(FieldsSent::of(&parts.headers)));
        let request = Request::read(parts, self.scheme, Stream::Ended, PEER.into()).unwrap();
        let request = Request { fields_sent, ..request };
        let mut asked = Vec::new();
        let mut origin = |ask: &Ask| {
            asked.push(as_called(ask));
            let mut headers = HeaderMap::new();
            headers.insert("content-length", HeaderValue::from_static("4"));
            for (name, value) in &self.answer.1 {
                headers.append(*name, HeaderValue::from_static(value));
            }
            // As the data path dates what comes undated.
            headers.insert("date", HeaderValue::from_str(&date(later)).unwrap());
            let status = StatusCode::from_u16(self.answer.0).unwrap();
            Some(Outcome::Response { status, headers, ending: Ending::Provable })
        };
        let now = UNIX_EPOCH + Duration::from_secs(START_SECONDS + later);
        let id = HeaderValue::from_str(&"x".repeat(56)).unwrap(); // as long as the real one: pages contain it
        let told = explain::tell(running.rules(), request, id, held, &mut origin, &mut |_| None, now);
        let response = told.response.as_ref().unwrap();
        let mut headers = response.headers.clone();
        if let Source::Text(text) = &response.body {
            headers.insert("content-length", HeaderValue::from(text.len()));
        }
        (Seen { status: response.status.as_u16(), headers: shown(&headers), asked }, told)
    }

    async fn served(&self, edge: &Edge, origin: &Origin) -> Seen {
        let request = self.head().map(|()| Empty::<Bytes>::new());
        let response =
            edge.handle(request, Viewer { addr: PEER.into(), scheme: self.scheme, tls: None }).await;
        let (parts, body) = response.into_parts();
        _ = body.collect().await.unwrap();
        let asked = std::mem::take(&mut *origin.asked.lock().unwrap());
        Seen { status: parts.status.as_u16(), headers: shown(&parts.headers), asked }
    }
}

fn date(later: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(START_SECONDS + later))
}

fn edge(setting: &Setting, addr: SocketAddr) -> (Edge, Running, Hand) {
    let loaded = load_value(setting.document.clone()).unwrap();
    let mut settings = Settings::new(loaded.distribution);
    settings.guard = setting.guard;
    settings.servers.insert("origin.test".to_owned(), vec![format!("http://{addr}")]);
    let (clock, hand) = Clock::manual(UNIX_EPOCH + Duration::from_secs(START_SECONDS));
    let (running, told) = (Running::of(&settings).unwrap(), Running::of(&settings).unwrap());
    (Edge::new(running, Room { cache_bytes: 1 << 24, origin_requests_max: 64 }, clock), told, hand)
}

#[test]
fn explain_tells_what_the_proxy_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let origin = Origin::default();
    let addr = runtime.block_on(origin.listen());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let agree = |setting: Setting| {
        *origin.answer.lock().unwrap() = setting.answer.clone();
        origin.asked.lock().unwrap().clear();
        let guard = runtime.enter();
        let (edge, running, hand) = edge(&setting, addr);
        let served = runtime.block_on(setting.served(&edge, &origin));
        let (told, first) = setting.told(&running, None, 0);
        prop_assert_eq!(&told, &served, "at first:\n{}", first.text());
        hand.advance(Duration::from_secs(setting.later));
        let served = runtime.block_on(setting.served(&edge, &origin));
        let held = first.stored.as_ref().map(|head| Held { head, length: Some(4) });
        let (told, again) = setting.told(&running, held, setting.later);
        prop_assert_eq!(&told, &served, "{} s later:\n{}", setting.later, again.text());
        drop(guard);
        Ok(())
    };
    if let Err(error) = runner.run(&setting(), agree) {
        panic!("{error}");
    }
}

#[test]
fn what_is_never_stored_is_told_apart() {
    let document = json!({ "DistributionConfig": {
        "CallerReference": "t", "Comment": "", "Enabled": true, "HttpVersion": "http2",
        "Origins": { "Quantity": 1, "Items": [{ "Id": "o", "DomainName": "origin.test",
            "CustomOriginConfig": { "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only" } }] },
        "DefaultCacheBehavior": { "TargetOriginId": "o", "ViewerProtocolPolicy": "https-only",
            "AllowedMethods": { "Quantity": 7,
                "Items": ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"] },
            "GrpcConfig": { "Enabled": true }, "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
            "OriginRequestPolicyId": "216adef6-5c7f-47e4-b989-5492eafa07d3" },
    }});
    let running = Running::of(&Settings::new(load_value(document).unwrap().distribution)).unwrap();
    let told = |head: http::request::Builder, status, headers: &[(&'static str, &'static str)]| {
        let (parts, ()) = head.header("host", "localhost").body(()).unwrap().into_parts();
        let request = Request::read(parts, Scheme::Https, Stream::Open, PEER.into()).unwrap();
        let line = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let headers: HeaderMap = headers.iter().map(line).collect();
        let mut origin = |_: &Ask| {
            let (status, ending) = (StatusCode::from_u16(status).unwrap(), Ending::Provable);
            Some(Outcome::Response { status, headers: headers.clone(), ending })
        };
        let now = UNIX_EPOCH + Duration::from_secs(START_SECONDS);
        let id = HeaderValue::from_static("id");
        explain::tell(running.rules(), request, id, None, &mut origin, &mut |_| None, now).text()
    };
    let handshake =
        http::Request::get("/chat").header("connection", "Upgrade").header("upgrade", "websocket");
    let text = told(handshake, 101, &[("upgrade", "websocket")]);
    for line in [
        "key          none: a WebSocket is never stored (§7.10)\n",
        "  upgrade: websocket\n",
        "viewer gets  101 Switching Protocols\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    let call = http::Request::post("/a.B/C").version(http::Version::HTTP_2);
    let text = told(call.header("content-type", "application/grpc"), 200, &[]);
    for line in [
        "key          none: a call of gRPC is never stored (§7.10)   <- DefaultCacheBehavior.GrpcConfig\n",
        "  te: trailers\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn the_first_difference_of_two_keys_is_named() {
    use edge_core::explain::{WhyMiss, why_miss};
    let document = json!({ "DistributionConfig": {
        "CallerReference": "t", "Comment": "", "Enabled": true,
        "Origins": { "Quantity": 1, "Items": [{ "Id": "o", "DomainName": "origin.test",
            "CustomOriginConfig": { "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only" } }] },
        "DefaultCacheBehavior": { "TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all", "MinTTL": 0,
            "ForwardedValues": { "QueryString": true, "Cookies": { "Forward": "all" },
                "Headers": { "Quantity": 1, "Items": ["X-A"] } } },
    }});
    let running = Running::of(&Settings::new(load_value(document).unwrap().distribution)).unwrap();
    let key = |target: &str, fields: &[(&'static str, &'static str)]| {
        let setting = Setting {
            document: Value::Null,
            guard: Guard::On,
            scheme: Scheme::Https,
            method: Method::GET,
            target: target.to_owned(),
            fields: fields.to_vec(),
            answer: (200, Vec::new()),
            later: 0,
        };
        setting.told(&running, None, 0).1.key
    };
    let first = key("/?a=1", &[("x-a", "1")]);
    assert_eq!(why_miss(first.as_ref(), first.as_ref()), WhyMiss::SameKey);
    let other = key("/?a=2", &[("cookie", "c=1")]);
    let WhyMiss::Differ(parts) = why_miss(first.as_ref(), other.as_ref()) else { panic!("they differ") };
    let told: Vec<String> = parts
        .iter()
        .map(|(one, other)| {
            [one, other].map(|part| part.as_ref().map_or("-".to_owned(), ToString::to_string)).join(" / ")
        })
        .collect();
    assert_eq!(told, ["header x-a: 1 / header x-a: (absent)", "query a=1 / query a=2", "- / cookies c=1"]);
}
