//! The command line of `edge-bin load`, and its help. What the values mean together is decided in `plan`.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

const EXAMPLES: &str = "\
Examples:
  Ten seconds on one page, as many requests as 10 connections can make:
    edge-bin load http://127.0.0.1:8080/

  A hundred thousand requests over HTTP/2 with 32 streams on each of 4 connections, without TLS:
    edge-bin load --h2 -c 4 --streams 32 -n 100000 http://127.0.0.1:8080/

  A local edge under the site's real name, with its local certificate authority:
    edge-bin load --connect-to 127.0.0.1:8443 --cacert ca.pem https://www.example.com/

  500 requests per second for a minute over a list of URLs, each with every User-Agent in turn:
    edge-bin load --urls urls.txt --vary-header User-Agent agents.txt --rate 500 -d 1m

  For a script: fail on any error and on any 5xx, and keep the hit ratio:
    edge-bin load --fail-on-status --json -d 30s http://127.0.0.1:8080/ | jq .x_cache

Latency is measured from sending a request to the last byte of its body; opening a connection is counted apart. \
With --rate it is measured from the moment the schedule wanted the request sent, so a stalled server cannot hide.

Errors are counted by kind: connect, tls, closed (reset or closed before the response was complete), short_body (the \
body ended before its Content-Length), timeout, protocol. A request that got no byte of a response because a working \
connection was closed is sent once more on a new one, as any browser does (RFC 9110 section 9.2.2); `retried` counts \
these.

Exit code: 0 all requests succeeded; 1 some failed (errors; with --fail-on-status also 5xx) or none was answered; \
2 bad usage.

Fields of --json (fields are only ever added):
  elapsed_s, connections, threads  how long and with how many
  requests, responses              finished requests; those with a complete response
  requests_per_s                   complete responses per second
  body_bytes                       bytes of bodies received
  connects, retried                connections opened; requests sent twice
  unfinished                       requests cut off by Ctrl-C, in no other count
  failed                           errors, and 5xx with --fail-on-status
  status, protocol                 responses per status; per h1 and h2
  x_cache                          responses per first word of X-Cache, or \"none\"
  errors, error_examples           errors per kind, each present; the first message
  latency_us                       min mean p50 p90 p99 p99_9 max of responses, in µs
  latency_us_by_x_cache            the same for each value of X-Cache
  connect_us                       the same for opening a connection, with TLS
  interrupted, gave_up             ended by Ctrl-C; because nothing ever answered";

/// Ask a server for pages as fast as it can answer, and report how it did.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Load {
    /// What to ask for: http:// or https:// URLs, taken in turn.
    #[arg(value_name = "URL", required_unless_present = "urls")]
    pub(super) url: Vec<String>,
    /// Read more URLs from a file, one per line ("-" is standard input; empty lines and lines with # are skipped).
    #[arg(long, value_name = "FILE")]
    pub(super) urls: Option<PathBuf>,

    /// How many connections to keep busy; shared out among the servers the URLs name.
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = positive)]
    pub(super) connections: usize,
    /// How long to go on: 10s, 500ms, 2m, 1h. 10s unless --requests is given.
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// How many requests to make in all; with --duration, whichever comes first.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) requests: Option<u64>,
    /// Start this many requests per second instead of as many as possible.
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// Give up on a connection attempt or a request after this time, and count it as failed.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(super) timeout: Duration,
    /// Use this many threads. One is enough for most servers on the same machine.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = positive)]
    pub(super) threads: usize,

    /// Speak HTTP/1.1 only.
    #[arg(long, conflicts_with = "h2")]
    pub(super) h1: bool,
    /// Speak HTTP/2 only; on http:// without asking first (prior knowledge).
    #[arg(long)]
    pub(super) h2: bool,
    /// Concurrent requests on each HTTP/2 connection.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = positive)]
    pub(super) streams: usize,

    /// Accept any certificate.
    #[arg(long, conflicts_with = "cacert")]
    pub(super) insecure: bool,
    /// Trust the certificate authorities in this PEM file, and no others.
    #[arg(long, value_name = "FILE")]
    pub(super) cacert: Option<PathBuf>,
    /// Connect to ADDR for URLs of this host and port; may be repeated.
    #[arg(long, value_name = "HOST:PORT:ADDR")]
    pub(super) resolve: Vec<String>,
    /// Connect to this address (ADDR or ADDR:PORT) whatever the URLs say; Host and TLS name stay theirs.
    #[arg(long, value_name = "ADDR", conflicts_with = "resolve")]
    pub(super) connect_to: Option<String>,

    /// Send this header with each request; may be repeated. "Host: …" replaces the URL's.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Send this header with each line of FILE in turn; may be repeated, then all combinations take their turn.
    #[arg(long, num_args = 2, value_names = ["NAME", "FILE"])]
    pub(super) vary_header: Vec<String>,
    /// The request method [default: GET, or POST with --body].
    #[arg(long, value_name = "METHOD")]
    pub(super) method: Option<Method>,
    /// Send the contents of this file as the body of each request.
    #[arg(long, value_name = "FILE")]
    pub(super) body: Option<PathBuf>,
    /// Draw URLs and --vary-header lines at random, the same ones for the same seed, instead of in turn.
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,

    /// Count a 5xx response as a failed request.
    #[arg(long)]
    pub(super) fail_on_status: bool,
    /// Print the report as JSON (fields: see --help).
    #[arg(long)]
    pub(super) json: bool,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number from 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (1e-3..=1e9).contains(&rate) => Ok(rate),
        _ => Err("expected requests per second, such as 500 or 0.5".to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let unit_seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("unknown unit {unit:?}; write 500ms, 10s, 2m or 1h")),
    };
    let seconds = number.parse::<f64>().map_err(|_| "write 500ms, 10s, 2m or 1h".to_owned())? * unit_seconds;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() && seconds <= 365.0 * 86_400.0 => Ok(duration),
        _ => Err("expected more than nothing and at most a year".to_owned()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write 'Name: value'")?;
    let name = name.trim().parse::<HeaderName>().map_err(|error| format!("{name:?}: {error}"))?;
    let value = value.trim().parse::<HeaderValue>().map_err(|error| format!("value of {name}: {error}"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("10s", Some(10_000)),
            ("10", Some(10_000)),
            ("1.5s", Some(1_500)),
            ("250ms", Some(250)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("0s", None),
            ("", None),
            ("s", None),
            ("10d", None),
            ("-1s", None),
            ("99999h", None),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text).ok(), millis.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn headers() {
        let (name, value) = header("X-A:  b: c ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-a", "b: c"));
        assert!(header("no colon").is_err());
        assert!(header("bad name: x").is_err());
    }
}
