//! What the simulator saw of a step, and what was seen on the wire: everything that both can show is the same.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::format::{Difference, Seen};

/// The id of a request is new each time; what is made of it is told by it.
const ID: &str = "x-amz-cf-id";

/// It has the port of the connection.
const ADDRESS: &str = "cloudfront-viewer-address";

/// It tells whether the connection is new.
const TLS: &str = "cloudfront-viewer-tls";

/// What frames a message; only the wire has all of it.
const FRAMING: [&str; 3] = ["connection", "content-length", "transfer-encoding"];

/// Fields of the access log that a wire has of its own: what it counts and measures, and what frames a message.
const OF_THE_WIRE: [&str; 9] = [
    "c-port",
    "cs-bytes",
    "origin-fbl",
    "origin-lbl",
    "sc-bytes",
    "sc-content-len",
    "time-taken",
    "time-to-first-byte",
    "x-edge-request-id",
];

/// The simulator's viewer, where the wire's has the loopback address.
const PEER: (&str, &str) = ("192.0.2.2", "127.0.0.1");

/// Everything in which the two differ; `simulated` is what is expected.
pub(crate) fn differences(simulated: &Seen, seen: &Seen) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut same = |what: &str, expected: String, got: String| {
        if expected != got {
            found.push(Difference { what: format!("unlike the simulator: {what}"), expected, got });
        }
    };
    same("status", simulated.status.to_string(), seen.status.to_string());
    same("connection closed", simulated.closed.to_string(), seen.closed.to_string());
    let (expected, got) = (text(&simulated.body), text(&seen.body));
    let unlike = expected.lines().zip(got.lines()).find(|(expected, got)| expected != got);
    let (expected_line, got_line) = unlike.unwrap_or_default();
    same("body, first line unlike", format!("{expected_line:?}"), format!("{got_line:?}"));
    same("length of the body", expected.len().to_string(), got.len().to_string());
    let length = |headers: &HeaderMap| headers.get(CONTENT_LENGTH).map(|value| format!("{value:?}"));
    if let (Some(expected), Some(got)) = (length(&simulated.headers), length(&seen.headers)) {
        same("content-length", expected, got);
    }
    for (name, expected, got) in headers(&simulated.headers, &seen.headers) {
        same(name.as_str(), expected, got);
    }
    // Where a request has no line in one of them, the case says so.
    let was_read = seen.log.get("cs-method").is_some_and(|method| method != "-");
    for (name, expected) in simulated.log.iter().filter(|(name, _)| !OF_THE_WIRE.contains(*name)) {
        // What the listener refuses it has not read.
        if let Some(got) = seen.log.get(name).filter(|got| was_read || *got != "-") {
            let expected = without_boundary(expected.replace(PEER.0, PEER.1));
            same(&format!("the log's {name}"), expected, without_boundary(got.clone()));
        }
    }
    // One that nobody was there to see has no line.
    for (expected, got) in simulated.asked.iter().zip(&seen.asked).filter(|(_, got)| !got.line.is_empty()) {
        same("the origin's request line", expected.line.clone(), got.line.clone());
        same("the origin's scheme", expected.scheme.to_owned(), got.scheme.to_owned());
        same("the origin's HTTP", expected.http.to_owned(), got.http.to_owned());
        for (name, expected, got) in headers(&expected.headers, &got.headers) {
            same(&format!("the origin's {name}"), expected, got);
        }
    }
    found
}

/// A body without the id of the request, which pages of the edge's own tell.
fn text(body: &[u8]) -> String {
    let text = without_boundary(String::from_utf8_lossy(body).into_owned());
    let lines = text.split_inclusive('\n');
    lines.map(|line| if line.starts_with("Request ID: ") { "Request ID: …\n" } else { line }).collect()
}

/// The boundary between ranges is made of the request's id.
fn without_boundary(text: String) -> String {
    const BEGINS: &str = "CloudFront-";
    let Some(at) = text.find(BEGINS) else { return text };
    let boundary: String =
        text[at..].chars().take_while(|&letter| letter == '-' || letter.is_ascii_alphanumeric()).collect();
    if boundary.len() == BEGINS.len() + 32 { text.replace(&boundary, "boundary") } else { text }
}

/// Every header of either side, its values on both.
fn headers<'a>(
    simulated: &'a HeaderMap,
    seen: &'a HeaderMap,
) -> impl Iterator<Item = (&'a HeaderName, String, String)> {
    let more = seen.keys().filter(|name| !simulated.contains_key(*name));
    let names = simulated.keys().chain(more).filter(|name| !FRAMING.contains(&name.as_str()));
    names.map(|name| (name, values(simulated, name), values(seen, name)))
}

/// Without the durations of `Server-Timing`, which only the wire has, and without the id in it.
fn without_times(text: String, id: Option<&HeaderValue>) -> String {
    let text = match id.and_then(|id| id.to_str().ok()) {
        Some(id) => text.replace(id, "the id of the request"),
        None => text,
    };
    let mut parts = text.split(";dur=");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(";dur=…");
        out.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    }
    out
}

fn values(headers: &HeaderMap, name: &HeaderName) -> String {
    let id = headers.get(ID);
    let lines = headers.get_all(name).iter().map(|value| {
        if Some(value) == id {
            "the id of the request".to_owned()
        } else if name == ADDRESS {
            "address and port".to_owned()
        } else if name == TLS {
            // The wire's viewer keeps connections, the simulator's has none.
            let text = String::from_utf8_lossy(value.as_bytes());
            text.rsplit_once(':').map_or_else(String::new, |(agreed, _)| agreed.to_owned())
        } else if name == "server-timing" {
            without_times(String::from_utf8_lossy(value.as_bytes()).into_owned(), id)
        } else {
            without_boundary(String::from_utf8_lossy(value.as_bytes()).replace(PEER.0, PEER.1))
        }
    });
    format!("{:?}", lines.collect::<Vec<_>>())
}
