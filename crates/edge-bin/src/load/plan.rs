//! What a command line means once every part of it has been checked: which servers, which requests, how many of each.
//!
//! Everything that can be refused is refused here, before the first connection. Nothing here knows what came back.

use std::collections::HashMap;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::args::Load;

mod tls;

const DURATION_DEFAULT: Duration = Duration::from_secs(10);
const AGENT: HeaderValue = HeaderValue::from_static(concat!("edge-load/", env!("CARGO_PKG_VERSION")));

/// A run, ready to start.
pub(super) struct Plan {
    pub(super) servers: Vec<Server>,
    /// The server of each connection, an index into `servers`.
    pub(super) connections: Vec<usize>,
    pub(super) threads: usize,
    pub(super) streams: usize,
    pub(super) duration: Option<Duration>,
    pub(super) requests_max: Option<u64>,
    pub(super) rate: Option<f64>,
    pub(super) timeout: Duration,
    pub(super) protocol: Protocol,
    pub(super) method: Method,
    tls: Option<TlsConnector>,
    body: Bytes,
    vary: Vec<(HeaderName, Vec<HeaderValue>)>,
    seed: Option<u64>,
}

/// Where a connection leads, and what may be asked on it.
pub(super) struct Server {
    dial: Dial,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
    targets: Vec<Target>,
}

/// What to connect to, before names are looked up.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Dial {
    Address(SocketAddr),
    Name(String, u16),
}

/// One URL, in the shape each protocol sends it.
struct Target {
    h1: (Uri, HeaderMap),
    h2: (Uri, HeaderMap),
}

/// Which protocols may be spoken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// What TLS agrees on; HTTP/1.1 without TLS.
    Auto,
    H1,
    H2,
}

/// The protocol a connection turned out to speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    H1,
    H2,
}

impl Plan {
    /// Checks the command line and reads the files it names.
    pub(super) fn read(args: &Load) -> anyhow::Result<Plan> {
        let body = match &args.body {
            Some(path) => {
                Bytes::from(std::fs::read(path).with_context(|| format!("--body {}", path.display()))?)
            }
            None => Bytes::new(),
        };
        let method = match &args.method {
            Some(method) => method.clone(),
            None if args.body.is_some() => Method::POST,
            None => Method::GET,
        };
        ensure!(method != Method::CONNECT, "--method CONNECT opens tunnels; there is nothing to load here");
        let mut plan = Plan {
            servers: Vec::new(),
            connections: Vec::new(),
            threads: args.threads.min(args.connections),
            streams: args.streams,
            duration: args.duration.or(args.requests.is_none().then_some(DURATION_DEFAULT)),
            requests_max: args.requests,
            rate: args.rate,
            timeout: args.timeout,
            protocol: match (args.h1, args.h2) {
                (true, _) => Protocol::H1,
                (_, true) => Protocol::H2,
                _ => Protocol::Auto,
            },
            method,
            tls: None,
            body,
            vary: args
                .vary_header
                .chunks_exact(2)
                .map(|pair| vary(&pair[0], &pair[1]))
                .collect::<Result<_, _>>()?,
            seed: args.seed,
        };
        plan.add_urls(args)?;
        Ok(plan)
    }

    fn add_urls(&mut self, args: &Load) -> anyhow::Result<()> {
        let mut urls = args.url.clone();
        if let Some(path) = &args.urls {
            urls.extend(lines(path).with_context(|| format!("--urls {}", path.display()))?);
        }
        ensure!(!urls.is_empty(), "no URL to ask for: --urls names an empty list");
        let routes = Routes::read(args)?;
        let mut known = HashMap::new();
        let mut server_of_url = Vec::with_capacity(urls.len());
        for text in &urls {
            let url = Url::parse(text).with_context(|| format!("URL {text:?}"))?;
            let dial = routes.of(&url);
            let tls = match url.scheme == Scheme::HTTPS {
                true => Some((self.tls(args)?, url.tls_name()?)),
                false => None,
            };
            let key = (dial.clone(), tls.as_ref().map(|(_, name)| name.clone()));
            let index = *known.entry(key).or_insert(self.servers.len());
            if index == self.servers.len() {
                self.servers.push(Server { dial, addresses: Vec::new(), tls, targets: Vec::new() });
            }
            self.servers[index].targets.push(Target::new(&url, args)?);
            server_of_url.push(index);
        }
        // Each server gets one connection, and the rest in proportion to its URLs.
        let servers = self.servers.len();
        let Some(rest) = args.connections.checked_sub(servers) else {
            bail!("the URLs name {servers} servers: use at least -c {servers}, one connection for each");
        };
        self.connections = (0..servers).collect();
        self.connections.extend((0..rest).map(|index| server_of_url[index * server_of_url.len() / rest]));
        Ok(())
    }

    fn tls(&mut self, args: &Load) -> anyhow::Result<TlsConnector> {
        if let Some(tls) = &self.tls {
            return Ok(tls.clone());
        }
        let config = tls::config(args.cacert.as_deref(), args.insecure, self.protocol)?;
        Ok(self.tls.insert(TlsConnector::from(Arc::new(config))).clone())
    }

    /// The plan with the address of every server looked up: once, so that no request waits for a resolver.
    pub(super) async fn resolved(mut self) -> anyhow::Result<Plan> {
        for server in &mut self.servers {
            server.addresses = match &server.dial {
                Dial::Address(address) => vec![*address],
                Dial::Name(host, port) => {
                    let lookup = tokio::net::lookup_host((host.as_str(), *port));
                    let hint = "is the name right? --connect-to ADDR needs no look-up";
                    tokio::time::timeout(self.timeout, lookup)
                        .await
                        .with_context(|| format!("looking up {host} took too long; {hint}"))?
                        .with_context(|| format!("looking up {host}; {hint}"))?
                        .collect()
                }
            };
            ensure!(!server.addresses.is_empty(), "the name of a server has no address");
        }
        Ok(self)
    }

    /// The request of one turn.
    pub(super) fn request(&self, server: usize, turn: u64, spoken: Spoken) -> Request<Full<Bytes>> {
        let mut dice = match self.seed {
            None => Dice::InTurn { rest: turn },
            Some(seed) => Dice::Random { state: seed ^ turn.wrapping_mul(SPLITMIX_STEP) },
        };
        let targets = &self.servers[server].targets;
        let target = &targets[dice.below(targets.len())];
        let (uri, headers) = match spoken {
            Spoken::H1 => &target.h1,
            Spoken::H2 => &target.h2,
        };
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers.clone();
        for (name, values) in &self.vary {
            request.headers_mut().insert(name, values[dice.below(values.len())].clone());
        }
        request
    }
}

impl Target {
    fn new(url: &Url, args: &Load) -> anyhow::Result<Target> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        for (name, _) in &args.headers {
            headers.remove(name); // what the user gives replaces our own, and may be given twice
        }
        for (name, value) in &args.headers {
            headers.append(name, value.clone());
        }
        let host = match headers.remove(HOST) {
            Some(host) => host,
            None => HeaderValue::from_str(url.authority.as_str())?,
        };
        let authority =
            Authority::try_from(host.as_bytes()).context("-H 'Host: …' is not a host, or host:port")?;
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(url.scheme.clone());
        parts.authority = Some(authority);
        parts.path_and_query = Some(url.path.clone());
        let h2 = (Uri::from_parts(parts)?, headers.clone());
        headers.insert(HOST, host);
        Ok(Target { h1: (Uri::from(url.path.clone()), headers), h2 })
    }
}

/// A URL that can be asked for.
struct Url {
    scheme: Scheme,
    authority: Authority,
    path: PathAndQuery,
}

impl Url {
    fn parse(text: &str) -> anyhow::Result<Url> {
        let hint = "write http://HOST[:PORT]/PATH or https://…, with %20 for a space";
        let parts = text.parse::<Uri>().context(hint)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { bail!(hint) };
        ensure!(scheme == Scheme::HTTP || scheme == Scheme::HTTPS, hint);
        ensure!(!authority.as_str().contains('@'), "names a user; send -H 'Authorization: …' instead");
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Url { scheme, authority, path })
    }

    /// The host without the brackets of an IPv6 address.
    fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    fn port(&self) -> u16 {
        let default = if self.scheme == Scheme::HTTPS { 443 } else { 80 };
        self.authority.port_u16().unwrap_or(default)
    }

    fn tls_name(&self) -> anyhow::Result<ServerName<'static>> {
        ServerName::try_from(self.host().to_owned())
            .with_context(|| format!("{} cannot be the name in a certificate", self.host()))
    }
}

/// `--connect-to` and `--resolve`: which address stands in for which.
#[derive(Default)]
struct Routes {
    all: Option<(String, Option<u16>)>,
    some: HashMap<(String, u16), IpAddr>,
}

impl Routes {
    fn read(args: &Load) -> anyhow::Result<Routes> {
        let mut routes = Routes::default();
        if let Some(text) = &args.connect_to {
            routes.all = Some(match text.parse::<IpAddr>() {
                Ok(address) => (address.to_string(), None),
                Err(_) => {
                    let authority =
                        text.parse::<Authority>().with_context(|| format!("--connect-to {text:?}"))?;
                    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
                    (host.to_owned(), authority.port_u16())
                }
            });
        }
        for text in &args.resolve {
            let route = || {
                let (host, rest) = text.split_once(':')?;
                let (port, address) = rest.split_once(':')?;
                let address = address.trim_start_matches('[').trim_end_matches(']');
                Some(((host.to_ascii_lowercase(), port.parse().ok()?), address.parse().ok()?))
            };
            let (from, to) = route()
                .with_context(|| format!("--resolve {text:?}: write HOST:PORT:ADDR, ADDR an IP address"))?;
            routes.some.insert(from, to);
        }
        Ok(routes)
    }

    fn of(&self, url: &Url) -> Dial {
        let (host, port) = match &self.all {
            Some((host, port)) => (host.clone(), port.unwrap_or(url.port())),
            None => {
                let key = (url.host().to_ascii_lowercase(), url.port());
                let routed = self.some.get(&key).map(IpAddr::to_string);
                (routed.unwrap_or(key.0), key.1)
            }
        };
        match host.parse::<IpAddr>() {
            Ok(address) => Dial::Address(SocketAddr::new(address, port)),
            Err(_) => Dial::Name(host, port),
        }
    }
}

/// What decides which URL and which header lines a turn uses: every combination in turn, or at random by the seed.
enum Dice {
    InTurn { rest: u64 },
    Random { state: u64 },
}

const SPLITMIX_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        let count = count as u64;
        let chosen = match self {
            // The turn is read as a number whose digits have these bases, so that all combinations come up.
            Dice::InTurn { rest } => {
                let digit = *rest % count;
                *rest /= count;
                digit
            }
            // SplitMix64 (Steele, Lea, Flood 2014): one step, well mixed from any starting point.
            Dice::Random { state } => {
                *state = state.wrapping_add(SPLITMIX_STEP);
                let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                (mixed ^ (mixed >> 31)) % count
            }
        };
        chosen as usize
    }
}

fn vary(name: &str, file: &str) -> anyhow::Result<(HeaderName, Vec<HeaderValue>)> {
    let header = name.parse::<HeaderName>().with_context(|| format!("--vary-header {name:?}"))?;
    ensure!(header != HOST, "--vary-header Host: list the URLs in --urls and use --connect-to instead");
    let values = lines(Path::new(file))
        .with_context(|| format!("--vary-header {name} {file}"))?
        .iter()
        .map(|line| {
            line.parse::<HeaderValue>().with_context(|| format!("{file}: {line:?} is no header value"))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    ensure!(!values.is_empty(), "--vary-header {name} {file}: the file has no lines");
    Ok((header, values))
}

/// The lines of a file that say something; "-" is standard input.
fn lines(path: &Path) -> anyhow::Result<Vec<String>> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(path)?;
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        load: Load,
    }

    fn plan(line: &str) -> anyhow::Result<Plan> {
        Plan::read(&Line::try_parse_from(format!("load {line}").split(' '))?.load)
    }

    fn refusal(line: &str) -> String {
        format!("{:#}", plan(line).err().unwrap_or_else(|| panic!("accepted: {line}")))
    }

    #[test]
    fn connections_are_shared_by_urls() {
        let plan = plan("-c 6 http://a/1 http://b/1 http://a/2 http://a/3").unwrap();
        let of = |server| plan.connections.iter().filter(|&&index| index == server).count();
        assert_eq!((plan.servers.len(), of(0), of(1)), (2, 4, 2));
    }

    #[test]
    fn one_address_is_one_server() {
        let both = "http://a.example/ http://b.example/";
        assert_eq!(plan(both).unwrap().servers.len(), 2);
        assert_eq!(plan(&format!("--connect-to 127.0.0.1:80 {both}")).unwrap().servers.len(), 1);
    }

    #[test]
    fn routes() {
        let address = |line: &str| match &plan(line).unwrap().servers[0].dial {
            Dial::Address(address) => address.to_string(),
            Dial::Name(host, port) => format!("{host}:{port} (name)"),
        };
        assert_eq!(address("https://A.example/"), "a.example:443 (name)");
        assert_eq!(address("http://[::1]:81/"), "[::1]:81");
        assert_eq!(address("--connect-to ::1 http://a:8080/"), "[::1]:8080");
        assert_eq!(address("--connect-to 10.0.0.1:99 http://a:8080/"), "10.0.0.1:99");
        assert_eq!(address("--connect-to b:99 http://a:8080/"), "b:99 (name)");
        assert_eq!(address("--resolve A:80:10.0.0.1 http://a/"), "10.0.0.1:80");
        assert_eq!(address("--resolve a:81:10.0.0.1 http://a/"), "a:80 (name)");
    }

    #[test]
    fn all_combinations_take_their_turn() {
        let mut dice: Vec<_> = (0..6)
            .map(|turn| {
                let mut dice = Dice::InTurn { rest: turn };
                (dice.below(2), dice.below(3))
            })
            .collect();
        assert_eq!(dice, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
        dice.dedup();
        assert_eq!(dice.len(), 6);
    }

    #[test]
    fn requests_of_both_protocols() {
        let plan = plan("http://a.example:81/x?y").unwrap();
        let h1 = plan.request(0, 0, Spoken::H1);
        assert_eq!(h1.uri(), "/x?y");
        assert_eq!(h1.headers()[HOST], "a.example:81");
        let h2 = plan.request(0, 0, Spoken::H2);
        assert_eq!(h2.uri(), "http://a.example:81/x?y");
        assert!(!h2.headers().contains_key(HOST));
    }

    #[test]
    fn refusals_say_what_to_write() {
        assert!(refusal("127.0.0.1:8080").contains("write http://"));
        assert!(refusal("ftp://a/").contains("write http://"));
        assert!(refusal("http://u:p@a/").contains("Authorization"));
        assert!(refusal("-c 1 http://a/ http://b/").contains("-c 2"));
        assert!(refusal("--resolve a:80 http://a/").contains("HOST:PORT:ADDR"));
        assert!(refusal("--urls /does/not/exist").contains("/does/not/exist"));
        assert!(refusal("--h1 --h2 http://a/").contains("cannot be used with"));
        assert!(refusal("--cacert Cargo.toml https://a/").contains("no certificate"));
    }
}
