//! What a CloudFront Function costs a request: the event, the run, the check of what it returned, and the key after it.
#![allow(missing_docs, reason = "criterion's macro writes an undocumented function")]
#![allow(clippy::panic, clippy::expect_used, reason = "a bench that cannot start says so")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::SystemTime;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use edge_core::cache::storing::Guard;
use edge_core::distribution;
use edge_core::exchange::{Rules, Step, begin};
use edge_core::response::Place;
use edge_core::viewer::device::Memo;
use edge_core::viewer::{Request, Scheme, Stream};
use http::HeaderValue;
use serde_json::json;

/// What most of them do.
const REWRITE: &str = "
function handler(event) {
  const request = event.request;
  const uri = request.uri;
  if (uri.endsWith('/')) {
    request.uri += 'index.html';
  } else if (!uri.includes('.')) {
    request.uri += '/index.html';
  }
  return request;
}";

fn rules() -> Arc<Rules> {
    let document = json!({
        "Functions": [{
            "Name": "rewrite", "Code": REWRITE,
            "FunctionConfig": { "Comment": "", "Runtime": "cloudfront-js-2.0" },
        }],
        "DistributionConfig": {
            "CallerReference": "bench", "Comment": "", "Enabled": true,
            "Origins": { "Quantity": 1, "Items": [{
                "Id": "o", "DomainName": "o.example.com",
                "CustomOriginConfig": { "HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only" },
            }] },
            "DefaultCacheBehavior": {
                "TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
                "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
                "FunctionAssociations": { "Quantity": 1, "Items": [{
                    "FunctionARN": "arn:aws:cloudfront::111122223333:function/rewrite",
                    "EventType": "viewer-request",
                }] },
            },
        },
    });
    let distribution = distribution::load(&document.to_string()).expect("it loads").distribution;
    let mut rules =
        Rules { distribution, guard: Guard::On, place: Place::new(1, None), devices: Memo::new(16) };
    rules.distribution.aliases.clear();
    Arc::new(rules)
}

fn request(host: &str) -> Request {
    let (parts, ()) = http::Request::get("/blog/a-post?page=2")
        .header("host", host)
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")
        .header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("accept-language", "en-GB,en;q=0.9")
        .header("accept-encoding", "gzip, deflate, br")
        .header("referer", "https://www.example.com/")
        .header("cookie", "_ga=GA1.1.1; consent=yes")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-site", "same-origin")
        .body(())
        .expect("a good head")
        .into_parts();
    Request::read(parts, Scheme::Https, Stream::Ended, ([127, 0, 0, 1], 1).into()).expect("a good request")
}

fn function(criterion: &mut Criterion) {
    let rules = rules();
    let request = request(&rules.distribution.domain_name);
    let id = HeaderValue::from_static("hM9rV4SxXZkgHjJlcYjnGBvPqdZnWNM9KZQfDcaUxKIRAZHhOOIeJQ==");
    criterion.bench_function("a rewrite of the path, from the request to the key", |bench| {
        let call = |request| match begin(&rules, black_box(request), id.clone(), SystemTime::UNIX_EPOCH) {
            Step::LookUp(look_up) => look_up,
            _ => panic!("a GET is looked up"),
        };
        bench.iter_batched(|| request.clone(), call, BatchSize::NumIterations(32));
    });
}

criterion_group!(benches, function);
criterion_main!(benches);
