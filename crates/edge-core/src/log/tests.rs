//! Records made by hand, and the lines they give.

use std::collections::BTreeSet;

use super::*;
use crate::cache::storing::Guard;
use crate::distribution::document;
use crate::response::{self, XCache};
use crate::viewer::device::Memo;

/// The head lines of §15.1, to the letter.
const HEADER: &str = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end\n";

fn rules() -> Arc<Rules> {
    let text = r#"{"DistributionConfig": {
        "CallerReference": "log", "Comment": "", "Enabled": true,
        "Origins": {"Quantity": 1, "Items": [{"Id": "o", "DomainName": "o.example.com", "CustomOriginConfig":
            {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}}]},
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}}}"#;
    let distribution = document::load(text).unwrap().distribution;
    let place = response::Place::new(1, None);
    Arc::new(Rules { distribution, guard: Guard::On, place, devices: Memo::new(1) })
}

fn record() -> Record {
    let request = http::Request::get("/a%20b.html?x=1&y='2'")
        .header("host", "www.example.com:8443")
        .header("user-agent", "Mozilla/5.0 (X11)")
        .header("x-forwarded-for", "192.0.2.9")
        .header("x-forwarded-for", "192.0.2.10")
        .header("cookie", "secret=1");
    let asked = Asked::of(&request.body(()).unwrap().into_parts().0);
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_RANGE, HeaderValue::from_static("bytes 5-9/100")),
        (CONTENT_LENGTH, HeaderValue::from_static("5")),
    ]);
    let results = Results::of(XCache::Hit);
    Record {
        rules: rules(),
        id: HeaderValue::from_static("abc=="),
        viewer: "[2001:db8::1]:4711".parse().unwrap(),
        scheme: Scheme::Https,
        tls: Some(("TLSv1.3", "TLS_AES_128_GCM_SHA256")),
        location: None,
        received: asked.head_bytes,
        request: Some(asked),
        answer: Some(Answered::of(StatusCode::PARTIAL_CONTENT, &headers, None, results)),
        end: End::Whole,
        ended_at: SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_123),
        taken: Duration::from_micros(12_900),
        first_byte: Duration::from_millis(2),
        sent: 400,
    }
}

fn value(record: &Record, name: &str) -> String {
    let mut value = Vec::new();
    Field::named(name).unwrap().write(record, &mut value);
    String::from_utf8(value).unwrap()
}

fn line(format: &Format, record: &Record) -> String {
    let mut line = Vec::new();
    format.line(record, &mut line);
    String::from_utf8(line).unwrap()
}

#[test]
fn a_standard_line() {
    let format = Format::standard(Kind::Standard);
    assert_eq!(String::from_utf8(format.header()).unwrap(), HEADER);
    let record = record();
    let domain = &record.rules.distribution.domain_name;
    let expected = format!(
        "1994-11-06\t08:49:37\tLOC50-P1\t400\t2001:db8::1\tGET\t{domain}\t/a%2520b.html\t206\t-\t\
         Mozilla/5.0%20(X11)\tx=1&y=%272%27\t-\tHit\tabc==\twww.example.com:8443\thttps\t172\t0.012\t\
         192.0.2.9,%20192.0.2.10\tTLSv1.3\tTLS_AES_128_GCM_SHA256\tHit\tHTTP/1.1\t-\t-\t4711\t0.002\tHit\t\
         text/html;%20charset=utf-8\t5\t5\t9\n"
    );
    assert_eq!(line(&format, &record), expected);
}

#[test]
fn a_line_of_json_has_strings_alone() {
    let names = ["timestamp(ms)", "cs(User-Agent)", "cs-uri-query", "asn", "cache-behavior-path-pattern"];
    let format = Format::of(Kind::Json, names).unwrap();
    assert!(format.header().is_empty());
    let line = line(&format, &record());
    assert!(line.ends_with("}\n") && line.lines().count() == 1);
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    let expected = serde_json::json!({
        "timestamp(ms)": "784111777123", "cs(User-Agent)": "Mozilla/5.0%20(X11)", "cs-uri-query": "x=1&y=%272%27",
        "asn": "-", "cache-behavior-path-pattern": "*",
    });
    assert_eq!(read, expected);
    assert_eq!(read.as_object().unwrap().keys().collect::<Vec<_>>(), names);
}

/// Whatever bytes a viewer sends: one line, as many values, and JSON that is some.
#[test]
fn no_viewer_can_write_a_line_of_his_own() {
    let mut record = record();
    let evil: Vec<u8> = (0x20..=0xff).filter(|byte| *byte != 0x7f).chain(*b"\t\"}\\").collect();
    record.request.as_mut().unwrap().user_agent = Some(evil.into());
    assert_eq!(line(&Format::standard(Kind::Standard), &record).split(['\t', '\n']).count(), 33 + 1);
    let json = line(&Format::standard(Kind::Json), &record);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap().as_object().unwrap().len(), 33);
}

#[test]
fn cookies_are_in_it_where_the_distribution_says_so() {
    let mut record = record();
    assert_eq!(value(&record, "cs(Cookie)"), "-");
    let rules = Arc::get_mut(&mut record.rules).unwrap();
    rules.distribution.cookie_logging = crate::distribution::CookieLogging::On;
    assert_eq!(value(&record, "cs(Cookie)"), "secret=1");
}

/// §15.1: 14 becomes `Error` where the viewer left, while 23 stays.
#[test]
fn how_it_ended_is_in_the_result() {
    let results = |record: &Record| {
        let names =
            ["sc-status", "x-edge-result-type", "x-edge-response-result-type", "x-edge-detailed-result-type"];
        names.map(|name| value(record, name))
    };
    let mut record = record();
    record.end = End::ViewerLeft;
    assert_eq!(results(&record), ["206", "Error", "Hit", "ClientCommError"]);
    record.end = End::BrokenOff;
    assert_eq!(results(&record), ["206", "Error", "Hit", "OriginReadError"]);
    (record.end, record.answer) = (End::ViewerLeft, None);
    assert_eq!(results(&record), ["000", "Error", "Error", "ClientCommError"]);
    record.request.as_mut().unwrap().body_bytes = Some(10);
    record.received += 9;
    assert_eq!(results(&record), ["000", "Error", "Error", "ClientHungUpRequest"]);
    record.received += 1;
    assert_eq!(results(&record), ["000", "Error", "Error", "ClientCommError"]);
}

#[test]
fn what_nobody_could_read_has_a_line_too() {
    let mut record = record();
    (record.request, record.tls) = (None, None);
    let results = Results { detailed: response::Detailed::InvalidRequest, ..Results::of(XCache::Error) };
    record.answer = Some(Answered::of(StatusCode::BAD_REQUEST, &HeaderMap::new(), Some(0), results));
    let line = line(&Format::standard(Kind::Standard), &record);
    assert!(line.contains("\t400\t-\t-\t-\t-\tError\tabc==\t-\thttps\t"), "{line}");
    assert!(line.ends_with("\tInvalidRequest\t-\t0\t-\t-\n"), "{line}");
}

#[test]
fn fields_nobody_knows_are_refused() {
    let refused = |names: &[&str]| {
        let format = Format::of(Kind::Standard, names.iter().copied());
        format.map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(refused(&["date", "c-ip"]), Ok(()));
    let hint = |name: &str| refused(&[name]).unwrap_err();
    assert!(hint("cs-uri-stm").ends_with("did you mean cs-uri-stem?"));
    assert!(hint("cs(user-agent)").ends_with("did you mean cs(User-Agent)?"));
    assert!(hint("").contains("docs/access-log.md"));
    assert!(refused(&[]).is_err());
}

#[test]
fn the_table_is_in_order_and_names_are_unique() {
    let names: BTreeSet<&str> = FIELDS.iter().map(|field| field.name).collect();
    assert_eq!(names.len(), FIELDS.len());
    let places = FIELDS.iter().filter_map(|field| match field.place {
        Place::Standard(number) => Some(number),
        Place::Second | Place::RealTime => None,
    });
    assert!(places.eq(1..=33));
    // What stands in JSON without being escaped.
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')));
    assert!(FIELDS.iter().all(|field| field.about.ends_with('.') && !field.about.contains('|')));
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/access-log.md");

/// The page: what was written by hand, up to the table.
fn page_of(text: &str) -> String {
    let by_hand = text.split_once("| # | field |").map_or(text, |(before, _)| before);
    format!("{by_hand}{}", page())
}

#[test]
fn the_page_shows_the_table() {
    let text = std::fs::read_to_string(PAGE).unwrap();
    assert!(text == page_of(&text), "docs/access-log.md is not what the table says");
}

#[test]
#[ignore = "rewrites docs/access-log.md"]
fn rewrite_the_page() {
    let text = std::fs::read_to_string(PAGE).unwrap();
    std::fs::write(PAGE, page_of(&text)).unwrap();
}
