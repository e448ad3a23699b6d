//! Counting what happened, and saying it: as text for people, as JSON whose fields are a promise (see `--help`).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::plan::{Plan, Spoken};

/// A server that makes up a new X-Cache for each response shall not fill our memory.
const X_CACHE_VALUES_MAX: usize = 32;

/// Why a request did not get a complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// No connection.
    Connect,
    /// A connection, but no TLS on it.
    Tls,
    /// The connection or stream was closed or reset before the response was complete.
    Closed,
    /// The body ended in good order before its Content-Length.
    ShortBody,
    Timeout,
    /// What arrived was not HTTP as agreed.
    Protocol,
}

const KINDS: [Kind; 6] =
    [Kind::Connect, Kind::Tls, Kind::Closed, Kind::ShortBody, Kind::Timeout, Kind::Protocol];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Connect => "connect",
            Kind::Tls => "tls",
            Kind::Closed => "closed",
            Kind::ShortBody => "short_body",
            Kind::Timeout => "timeout",
            Kind::Protocol => "protocol",
        }
    }

    /// What the user may try.
    fn hint(self, message: &str) -> &'static str {
        match self {
            Kind::Connect if message.contains("os error 24") => {
                "raise the limit of open files: ulimit -n 65536"
            }
            Kind::Connect if message.contains("os error 99") => {
                "out of local ports: use fewer, longer connections"
            }
            Kind::Connect => "is the server listening there, on this port?",
            Kind::Tls if message.contains("UnknownIssuer") => {
                "trust its authority with --cacert FILE, or --insecure"
            }
            Kind::Tls if message.contains("ertificate") => {
                "compare the certificate with the URL's name; --insecure skips this"
            }
            Kind::Tls => "does this port speak TLS, and the protocol of --h1/--h2?",
            Kind::Closed => "the server or something before it cut the response off; see its log",
            Kind::ShortBody => "the server promised more bytes than it sent",
            Kind::Timeout => "the server took longer than --timeout",
            Kind::Protocol => "does this port speak HTTP, and the version asked for with --h1/--h2?",
        }
    }
}

/// What one thread, or in the end the whole run, has seen.
pub(super) struct Tally {
    /// One per value of X-Cache, with the latencies of its responses in µs. Few values, so a list beats a map.
    x_cache: Vec<(Box<str>, Histogram<u64>)>,
    connect: Histogram<u64>,
    status: BTreeMap<u16, u64>,
    spoken: [u64; 2],
    body_bytes: u64,
    errors: [u64; KINDS.len()],
    examples: BTreeMap<Kind, String>,
    pub(super) retried: u64,
    pub(super) in_flight: u64,
}

/// A complete response.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body_bytes: u64,
    pub(super) spoken: Spoken,
}

impl Tally {
    pub(super) fn new() -> anyhow::Result<Tally> {
        Ok(Tally {
            x_cache: Vec::new(),
            connect: Histogram::new(3)?, // three digits; grows with the values
            status: BTreeMap::new(),
            spoken: [0; 2],
            body_bytes: 0,
            errors: [0; KINDS.len()],
            examples: BTreeMap::new(),
            retried: 0,
            in_flight: 0,
        })
    }

    pub(super) fn answered(&mut self, answer: &Answer, x_cache: usize, latency: Duration) {
        record(&mut self.x_cache[x_cache].1, latency);
        *self.status.entry(answer.status).or_default() += 1;
        self.spoken[answer.spoken as usize] += 1;
        self.body_bytes += answer.body_bytes;
    }

    pub(super) fn connected(&mut self, took: Duration) {
        record(&mut self.connect, took);
    }

    pub(super) fn failed(&mut self, kind: Kind, message: impl FnOnce() -> String) {
        self.errors[kind as usize] += 1;
        self.examples.entry(kind).or_insert_with(message);
    }

    /// The place of an X-Cache value: its first word, "Hit" of "Hit from cloudfront".
    pub(super) fn x_cache(&mut self, value: Option<&[u8]>) -> usize {
        let word = match value {
            None => "none",
            Some(value) => {
                let word = value.split(|byte| *byte == b' ' || *byte == b',').next().unwrap_or_default();
                std::str::from_utf8(word).unwrap_or("other")
            }
        };
        self.x_cache_word(word)
    }

    fn x_cache_word(&mut self, word: &str) -> usize {
        let place = |name: &str, list: &[(Box<str>, _)]| list.iter().position(|(known, _)| **known == *name);
        if let Some(index) = place(word, &self.x_cache) {
            return index;
        }
        let word = if self.x_cache.len() < X_CACHE_VALUES_MAX { word } else { "other" };
        place(word, &self.x_cache).unwrap_or_else(|| {
            self.x_cache.push((word.into(), Histogram::new_from(&self.connect)));
            self.x_cache.len() - 1
        })
    }

    pub(super) fn add(&mut self, other: &Tally) {
        for (word, latencies) in &other.x_cache {
            let index = self.x_cache_word(word);
            merge(&mut self.x_cache[index].1, latencies);
        }
        merge(&mut self.connect, &other.connect);
        for (status, count) in &other.status {
            *self.status.entry(*status).or_default() += count;
        }
        for (sum, count) in self.spoken.iter_mut().zip(other.spoken) {
            *sum += count;
        }
        for (sum, count) in self.errors.iter_mut().zip(other.errors) {
            *sum += count;
        }
        for (kind, message) in &other.examples {
            self.examples.entry(*kind).or_insert_with(|| message.clone());
        }
        self.body_bytes += other.body_bytes;
        self.retried += other.retried;
        self.in_flight += other.in_flight;
    }

    pub(super) fn responses(&self) -> u64 {
        self.spoken.iter().sum()
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors.iter().sum()
    }
}

/// Why a run was over before its time.
pub(super) struct Ending {
    pub(super) interrupted: bool,
    pub(super) gave_up: bool,
}

/// The result of a run, in the order it is printed.
#[derive(Serialize)]
pub(super) struct Report {
    elapsed_s: f64,
    connections: usize,
    threads: usize,
    requests: u64,
    pub(super) responses: u64,
    requests_per_s: f64,
    body_bytes: u64,
    connects: u64,
    retried: u64,
    unfinished: u64,
    pub(super) failed: u64,
    status: BTreeMap<String, u64>,
    protocol: BTreeMap<&'static str, u64>,
    x_cache: BTreeMap<Box<str>, u64>,
    errors: BTreeMap<&'static str, u64>,
    error_examples: BTreeMap<&'static str, String>,
    latency_us: Latency,
    latency_us_by_x_cache: BTreeMap<Box<str>, Latency>,
    connect_us: Latency,
    interrupted: bool,
    gave_up: bool,
}

#[derive(Serialize)]
struct Latency {
    min: u64,
    mean: f64,
    p50: u64,
    p90: u64,
    p99: u64,
    p99_9: u64,
    max: u64,
}

impl Report {
    pub(super) fn new(
        tally: &Tally,
        plan: &Plan,
        elapsed: Duration,
        ending: Ending,
        fail_on_status: bool,
    ) -> Report {
        let server_errors: u64 = tally.status.range(500..).map(|(_, count)| count).sum();
        let mut latencies = Histogram::new_from(&tally.connect);
        for (_, of_one) in &tally.x_cache {
            merge(&mut latencies, of_one);
        }
        let responses = tally.responses();
        let per_x_cache = || tally.x_cache.iter().filter(|(_, latencies)| !latencies.is_empty());
        Report {
            elapsed_s: elapsed.as_secs_f64(),
            connections: plan.connections.len(),
            threads: plan.threads,
            requests: responses + tally.errors(),
            responses,
            requests_per_s: responses as f64 / elapsed.as_secs_f64().max(1e-6),
            body_bytes: tally.body_bytes,
            connects: tally.connect.len(),
            retried: tally.retried,
            unfinished: tally.in_flight,
            failed: tally.errors() + if fail_on_status { server_errors } else { 0 },
            status: tally.status.iter().map(|(status, count)| (status.to_string(), *count)).collect(),
            protocol: BTreeMap::from([
                ("h1", tally.spoken[Spoken::H1 as usize]),
                ("h2", tally.spoken[Spoken::H2 as usize]),
            ]),
            x_cache: per_x_cache().map(|(word, latencies)| (word.clone(), latencies.len())).collect(),
            errors: KINDS.iter().map(|kind| (kind.name(), tally.errors[*kind as usize])).collect(),
            error_examples: tally.examples.iter().map(|(kind, text)| (kind.name(), text.clone())).collect(),
            latency_us: Latency::of(&latencies),
            latency_us_by_x_cache: per_x_cache()
                .map(|(word, latencies)| (word.clone(), Latency::of(latencies)))
                .collect(),
            connect_us: Latency::of(&tally.connect),
            interrupted: ending.interrupted,
            gave_up: ending.gave_up,
        }
    }

    fn line_of_latency(name: &str, latency: &Latency, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{name:<14}")?;
        for micros in [latency.p50, latency.p90, latency.p99, latency.p99_9, latency.max] {
            write!(f, "{:>11}", time(micros))?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.gave_up {
            writeln!(f, "gave up: nothing has answered")?;
        }
        if self.interrupted {
            writeln!(f, "interrupted; {} requests were still in flight", self.unfinished)?;
        }
        let mebibytes = self.body_bytes as f64 / f64::from(1 << 20);
        writeln!(
            f,
            "{} responses in {:.2} s over {} connections: {:.0} per second, {:.1} MiB, {:.1} MiB/s",
            self.responses,
            self.elapsed_s,
            self.connections,
            self.requests_per_s,
            mebibytes,
            mebibytes / self.elapsed_s.max(1e-6)
        )?;
        if self.responses > 0 {
            writeln!(
                f,
                "{:<14}{:>11}{:>11}{:>11}{:>11}{:>11}",
                "latency", "p50", "p90", "p99", "p99.9", "max"
            )?;
            Report::line_of_latency("  all", &self.latency_us, f)?;
            if self.latency_us_by_x_cache.len() > 1 {
                for (word, latency) in &self.latency_us_by_x_cache {
                    Report::line_of_latency(&format!("  {word}"), latency, f)?;
                }
            }
        }
        if self.connects > 0 {
            Report::line_of_latency("  connect", &self.connect_us, f)?;
        }
        counts("status", &self.status, f)?;
        counts("x-cache", &self.x_cache, f)?;
        counts("protocol", &self.protocol, f)?;
        if self.retried > 0 {
            writeln!(f, "{:<14}{} sent again after their connection was closed", "retried", self.retried)?;
        }
        for kind in KINDS {
            let count = self.errors.get(kind.name()).copied().unwrap_or_default();
            if count > 0 {
                let example = self.error_examples.get(kind.name()).map_or("", String::as_str);
                writeln!(f, "{:<14}{} × {count}: {example}", "error", kind.name())?;
                writeln!(f, "{:<14}hint: {}", "", kind.hint(example))?;
            }
        }
        Ok(())
    }
}

fn counts(name: &str, counts: &BTreeMap<impl fmt::Display, u64>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let total: u64 = counts.values().sum();
    if total == 0 {
        return Ok(());
    }
    write!(f, "{name:<14}")?;
    let mut separator = "";
    for (value, count) in counts.iter().filter(|(_, count)| **count > 0) {
        write!(f, "{separator}{value} {count} ({:.1} %)", 100.0 * *count as f64 / total as f64)?;
        separator = ", ";
    }
    writeln!(f)
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Latency {
        Latency {
            min: histogram.min(),
            mean: histogram.mean(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

fn merge(sum: &mut Histogram<u64>, other: &Histogram<u64>) {
    // Both grow with their values, so the sum always has room.
    let _ = sum.add(other);
}

fn record(histogram: &mut Histogram<u64>, duration: Duration) {
    // It grows with its values, and --timeout keeps these far below what it cannot hold.
    let _ = histogram.record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
}

fn time(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_cache_counts_first_words_and_stays_small() {
        let mut tally = Tally::new().unwrap();
        let hit = tally.x_cache(Some(b"Hit from cloudfront"));
        assert_eq!(hit, tally.x_cache(Some(b"Hit")));
        assert_ne!(hit, tally.x_cache(None));
        for number in 0..1_000 {
            tally.x_cache(Some(format!("v{number}").as_bytes()));
        }
        assert_eq!(tally.x_cache.len(), X_CACHE_VALUES_MAX + 1); // with "other"
    }

    #[test]
    fn kinds_are_in_the_order_of_their_counts() {
        for (index, kind) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, index);
        }
    }
}
