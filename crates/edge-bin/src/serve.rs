//! `edge-bin serve`: an edge in front of real servers, until it is told to stop.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use edge_core::cache::storing::Guard;
use edge_core::distribution::problem::codes;
use edge_core::distribution::{Behavior, Country, Distribution, GeoRestriction, Target};
use edge_core::proxy::clock::Clock;
use edge_core::proxy::geo::GeoSettings;
use edge_core::proxy::server::{Http3, ORIGIN_REQUESTS_DEFAULT, Server, Settings};
use edge_core::viewer::geo::Location;
use http::HeaderName;

use crate::BAD_CONFIGURATION;
use crate::access_log::AccessLogArgs;
use crate::admin::{Admin, Time, moment};
use crate::configuration::{ConfigArgs, Configured, Warning, origin_called};
use crate::connection_log::{ConnectionLog, ConnectionLogArgs};
use crate::deployment;
use crate::lambda::{self, LambdaArgs};
use crate::runtime::{self, Asked, Signals};

/// Serve a distribution in front of its real origin, over HTTP and HTTPS.
///
/// Examples:
///   edge-bin serve --preset wordpress --origin http://127.0.0.1:8000
///   edge-bin serve distribution.json --map alb.example.com=http://127.0.0.1:8000
///   edge-bin serve blog.json shop.json --geo-db GeoLite2-City.mmdb
///   edge-bin serve primary.json staging.json --deployment-policy policy.json
///   edge-bin serve edge.toml --https 0.0.0.0:443 --cert fullchain.pem --key privkey.pem
///   edge-bin serve edge.toml --access-log access.log
///
/// SIGHUP reads the configuration again, and keeps the old one if the new one is bad; the access log
/// is opened anew. SIGTERM finishes what was accepted and ends.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// Further distributions or site policies, each for its own names: one process, one cache, nothing shared.
    #[arg(value_name = "CONFIG", requires = "config")]
    pub(crate) others: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) listeners: Listeners,
    #[command(flatten)]
    pub(crate) places: Places,
    /// Exactly what CloudFront does: switches the guard off that keeps personal responses from being shared.
    #[arg(long)]
    pub(crate) exact: bool,
    /// Trust these certificate authorities at origins, beside the system's (PEM).
    #[arg(long, value_name = "FILE")]
    pub(crate) origin_ca: Vec<PathBuf>,
    /// The certificates of a trust store that the distribution names for its viewers' certificates (mTLS), where the
    /// document does not carry them (PEM).
    #[arg(long, value_name = "ID=FILE", value_parser = parse_named_file)]
    pub(crate) trust_store: Vec<(String, PathBuf)>,
    /// What an origin with an OriginMtlsConfig is shown: a PEM file with the certificate chain and its key.
    #[arg(long, value_name = "ARN=FILE", value_parser = parse_named_file)]
    pub(crate) origin_certificate: Vec<(String, PathBuf)>,
    /// Do not verify the certificates of servers given with --origin or --map.
    #[arg(long)]
    pub(crate) insecure_origins: bool,
    /// The origin NAME (as for --map) is a load balancer, and its servers here are the targets: they are told how it was
    /// asked, by X-Forwarded-Proto and X-Forwarded-Port; WordPress and many others go by these.
    #[arg(long, value_name = "NAME")]
    pub(crate) load_balancer: Vec<String>,
    /// Sign requests to origins with an origin access control, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and (if there
    /// is one) AWS_SESSION_TOKEN of the environment: for S3 and whatever speaks its protocol.
    #[arg(long)]
    pub(crate) sign_origins: bool,
    #[command(flatten)]
    pub(crate) lambdas: LambdaArgs,
    #[command(flatten)]
    pub(crate) access_log: AccessLogArgs,
    #[command(flatten)]
    pub(crate) connection_log: ConnectionLogArgs,
    /// Who is sent to the staging distribution, which is given beside its primary: what `aws cloudfront
    /// get-continuous-deployment-policy-config` prints. For the first configuration, where its bundle has no such policy.
    #[arg(long, value_name = "FILE")]
    pub(crate) deployment_policy: Option<PathBuf>,
    /// A clock of its own that stands still until `POST /clock?advance=1h` or `?set=TIME` on the admin listener moves it:
    /// ages, TTLs and dates go by it, network timeouts and certificates do not. It starts now, or at START (2026-11-23T06:55:09Z).
    #[arg(long, value_name = "START", num_args = 0..=1, require_equals = true, default_missing_value = "now")]
    #[arg(value_parser = parse_start)]
    pub(crate) virtual_clock: Option<SystemTime>,
}

/// Where viewers are: for geo restriction and the CloudFront-Viewer-… headers about places.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct Places {
    /// A database of places or of networks in MaxMind's format (GeoLite2-City.mmdb, GeoLite2-ASN.mmdb); several
    /// complete each other.
    #[arg(long, value_name = "FILE")]
    geo_db: Vec<PathBuf>,
    /// The country of viewers whom no database knows, as of those on this machine.
    #[arg(long, value_name = "XX", value_parser = parse_country)]
    country: Option<Country>,
    /// For development: whoever sends this header is in the country it names.
    #[arg(long, value_name = "NAME")]
    country_header: Option<HeaderName>,
}

pub(crate) fn parse_country(text: &str) -> Result<Country, String> {
    Country::parse(text).ok_or_else(|| "expected a country in two capital letters, as in DE".to_owned())
}

/// `NAME=FILE`.
fn parse_named_file(text: &str) -> Result<(String, PathBuf), String> {
    let parts = text.rsplit_once('=').filter(|(name, file)| !name.is_empty() && !file.is_empty());
    parts.map(|(name, file)| (name.to_owned(), file.into())).ok_or_else(|| "expected NAME=FILE".to_owned())
}

impl Places {
    fn settings(&self) -> GeoSettings {
        GeoSettings {
            databases: self.geo_db.clone(),
            elsewhere: self.country.map(Location::in_country).unwrap_or_default(),
            country_header: self.country_header.clone(),
        }
    }

    /// What is open that should be closed.
    fn warnings(&self, settings: &Settings) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(name) = &self.country_header {
            warnings.push(format!(
                "--country-header {name}: any viewer can say where he is; for development only\n"
            ));
        }
        let blind = self.geo_db.is_empty() && self.country.is_none() && self.country_header.is_none();
        let all = std::iter::once(&settings.distribution).chain(&settings.others);
        for distribution in all.filter(|one| one.geo_restriction != GeoRestriction::None && blind) {
            warnings.push(format!(
                "{}: nobody knows where viewers are, so no country is refused: the distribution is NOT protected by \
                 its GeoRestriction here\n  hint: --geo-db GeoLite2-City.mmdb\n",
                distribution.id
            ));
        }
        warnings
    }
}

fn parse_start(text: &str) -> Result<SystemTime, String> {
    if text == "now" { Ok(Clock::system().now()) } else { moment::parse(text) }
}

/// Where and how to listen.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct Listeners {
    /// Plain HTTP, HTTP/2 with prior knowledge included; port 0 is any free one; "off" for none.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) http: Vec<Place>,
    /// HTTPS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub(crate) https: Vec<Place>,
    /// Do not speak HTTP/3, which otherwise is spoken at the UDP port beside each --https for the distributions whose
    /// HttpVersion has it, and offered by Alt-Svc.
    #[arg(long)]
    pub(crate) no_http3: bool,
    /// Administration: /healthz, /metrics, /distribution, /clock, and CloudFront's API for invalidations of the
    /// distribution whose id is printed at the start (see `edge-bin invalidate`). Loopback only.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    pub(crate) admin: Place,
    /// A certificate chain (PEM) for HTTPS; each with its --key. Other names get a leaf of the local CA.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Vec<PathBuf>,
    /// The key of the certificate at the same position.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
    /// Where the local CA is kept [default: edge in the user's data folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Threads that serve [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// The size of the cache: 512M, 4G.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size)]
    pub(crate) cache_size: u64,
    /// Requests that may wait for origins at once; more get what is stale, or 503 with X-Cache CapacityExceeded.
    #[arg(long, value_name = "N", default_value_t = ORIGIN_REQUESTS_DEFAULT)]
    pub(crate) origin_requests_max: u32,
    /// Requests a second for each distribution; more get 503 with X-Cache LimitExceeded. CloudFront's quota is 250,000
    /// unless raised [default: as many as come].
    #[arg(long, value_name = "N")]
    pub(crate) requests_per_second: Option<NonZeroU32>,
}

/// An address to listen on, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Off,
    At(SocketAddr),
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse()
            .map(Self::At)
            .map_err(|_| "expected ADDRESS:PORT, as in 127.0.0.1:8080, or off".to_owned())
    }
}

/// `512M`: binary units, as memory is counted.
fn parse_size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        short if short.ends_with('K') => (short.trim_end_matches('K').to_owned(), 1u64 << 10),
        short if short.ends_with('M') => (short.trim_end_matches('M').to_owned(), 1 << 20),
        short if short.ends_with('G') => (short.trim_end_matches('G').to_owned(), 1 << 30),
        short => (short.to_owned(), 1),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|&bytes| bytes >= 1 << 20)
        .ok_or_else(|| "expected a size of at least 1M, as in 512M or 4G".to_owned())
}

impl Listeners {
    /// Adds listeners and certificates to the settings.
    pub(crate) fn apply(&self, settings: &mut Settings) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.cert.len() == self.key.len(),
            "{} --cert for {} --key\n  hint: give them in pairs",
            self.cert.len(),
            self.key.len()
        );
        let at = |place: &Place| match place {
            Place::Off => None,
            Place::At(addr) => Some(*addr),
        };
        settings.http = self.http.iter().filter_map(at).collect();
        settings.https = self.https.iter().filter_map(at).collect();
        settings.http3 = if self.no_http3 { Http3::Off } else { Http3::WhereOffered };
        settings.certificates = self.cert.iter().cloned().zip(self.key.iter().cloned()).collect();
        settings.cache_bytes = self.cache_size;
        settings.origin_requests_max = self.origin_requests_max;
        settings.requests_per_second = self.requests_per_second;
        settings.local_ca = Some(match &self.data_dir {
            Some(directory) => directory.clone(),
            None => runtime::data_directory()?,
        });
        Ok(())
    }
}

impl Serve {
    fn time(&self) -> Time {
        match self.virtual_clock {
            None => Time { clock: Clock::system(), hand: None },
            Some(start) => {
                let (clock, hand) = Clock::before_real_origins(start);
                Time { clock, hand: Some(hand) }
            }
        }
    }

    fn settings(&self, clock: &Clock) -> Result<(Settings, Vec<String>), String> {
        let loaded = self.config.load_all(&self.others).map_err(|error| error.to_string())?;
        let (Configured { distribution, mut servers, mut warnings }, others) = loaded;
        let mut settings = Settings::new(distribution);
        for other in others {
            settings.others.push(other.distribution);
            warnings.extend(other.warnings);
            for (name, urls) in other.servers {
                if servers.get(&name).is_some_and(|before| *before != urls) {
                    return Err(format!(
                        "two configurations have an origin {name}, each with servers of its own\n  \
                         hint: origins that are two have two names"
                    ));
                }
                servers.insert(name, urls);
            }
        }
        if let Some(path) = &self.deployment_policy {
            settings.distribution.deployment = deployment::read(path)?;
            warnings.retain(|warning| !deployment::is_moot(warning, &settings.distribution));
        }
        settings.geo = self.places.settings();
        settings.guard = if self.exact { Guard::Off } else { Guard::On };
        for name in &self.load_balancer {
            let in_each = || settings.distributions().map(|distribution| origin_called(distribution, name));
            let unknown = in_each().find_map(Result::err).unwrap_or_default();
            let found = in_each().find_map(Result::ok);
            settings.load_balancers.push(found.ok_or_else(|| format!("--load-balancer {name}: {unknown}"))?);
        }
        settings.servers = servers;
        settings.origin_roots = self.origin_ca.clone();
        settings.insecure_servers = self.insecure_origins;
        settings.origin_certificates = self.origin_certificate.iter().cloned().collect();
        settings.trust_stores = self.trust_store.iter().cloned().collect();
        settings.clock = clock.clone();
        if self.sign_origins {
            settings.credentials = Some(Arc::new(runtime::credentials()?));
        }
        settings.lambdas = self.lambdas.endpoints()?;
        settings.access_log = self.access_log.settings()?;
        lambda::check(&settings.lambdas, std::iter::once(&settings.distribution).chain(&settings.others))?;
        self.listeners.apply(&mut settings).map_err(|error| error.to_string())?;
        let is_moot = |problem: &Warning| {
            self.sign_origins && problem.code == codes::NEEDS_CREDENTIALS
                || lambda::is_moot(problem, &settings.lambdas)
        };
        warnings.retain(|warning| !is_moot(warning));
        let mut warnings: Vec<String> = warnings.into_iter().map(|warning| warning.text).collect();
        warnings.extend(self.places.warnings(&settings));
        warnings.extend(deployment::warnings(&settings));
        Ok((settings, warnings))
    }
}

/// Serves until a signal ends it.
pub(crate) fn run(args: &Serve) -> anyhow::Result<ExitCode> {
    runtime::start_logs();
    let time = args.time();
    let opened = args.settings(&time.clock).and_then(|(mut settings, warnings)| {
        warnings.iter().for_each(|warning| eprint!("warning: {warning}"));
        let log = args.connection_log.open(&mut settings)?;
        Ok((settings, log))
    });
    let (settings, log) = match opened {
        Ok(opened) => opened,
        Err(problems) => {
            eprintln!("error: {problems}");
            return Ok(ExitCode::from(BAD_CONFIGURATION));
        }
    };
    let runtime = runtime::build(args.listeners.threads.map(usize::from))?;
    runtime.block_on(serve(args, settings, time, log))
}

async fn serve(args: &Serve, settings: Settings, time: Time, log: ConnectionLog) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let described: String =
        std::iter::once(&settings.distribution).chain(&settings.others).map(describe).collect();
    let server = match Server::start(settings).await {
        Ok(server) => server,
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::from(BAD_CONFIGURATION));
        }
    };
    let admin = match args.listeners.admin {
        Place::Off => None,
        Place::At(addr) => match Admin::start(addr, server.edge().clone(), time.clone()).await {
            Ok(admin) => Some(admin),
            Err(error) => {
                eprintln!("error: {error:#}");
                return Ok(ExitCode::from(BAD_CONFIGURATION));
            }
        },
    };
    print!("{described}");
    announce(&server, admin.as_ref());
    println!("ready");
    while signals.next().await == Asked::Reload {
        reload(args, &server, &time.clock);
        log.reopen();
    }
    eprintln!("stopping: requests under way are finished (a second signal ends at once)");
    tokio::select! {
        () = async { server.stop().await; log.finish().await } => Ok(ExitCode::SUCCESS),
        _ = signals.next() => Ok(ExitCode::FAILURE),
    }
}

/// The addresses that were really bound, one a line, for people and for scripts.
pub(crate) fn announce(server: &Server, admin: Option<&Admin>) {
    server.http().iter().for_each(|addr| println!("listening http {addr}"));
    server.https().iter().for_each(|addr| println!("listening https {addr}"));
    server.http3().iter().for_each(|addr| println!("listening http3 {addr} (UDP)"));
    if let Some(admin) = admin {
        println!("listening admin {}", admin.addr());
    }
    if let Some(path) = server.local_ca() {
        println!("local CA {} (edge-bin trust says how to trust it)", path.display());
    }
}

fn reload(args: &Serve, server: &Server, clock: &Clock) {
    // First, and whatever the configuration is like: what moved the file away waits for it.
    if let Some(log) = server.edge().access_log() {
        log.reopen();
    }
    let (settings, warnings) = match args.settings(clock) {
        Ok(read) => read,
        Err(problems) => return eprintln!("error: the configuration stays as it was: {problems}"),
    };
    warnings.iter().for_each(|warning| eprint!("warning: {warning}"));
    match server.reload(&settings) {
        Ok(()) => eprintln!("reloaded"),
        Err(error) => eprintln!("error: the configuration stays as it was: {error}"),
    }
}

/// What the distribution does, one line a behavior.
fn describe(distribution: &Distribution) -> String {
    let mut text = format!("distribution {} ({})\n", distribution.id, distribution.domain_name);
    for behavior in distribution.behaviors.iter().chain([&distribution.default_behavior]) {
        text.push_str(&describe_behavior(distribution, behavior));
    }
    text
}

fn describe_behavior(distribution: &Distribution, behavior: &Behavior) -> String {
    let target = match behavior.target {
        Target::Origin(index) => distribution.origins.get(index).map(|origin| origin.domain_name.as_str()),
        Target::Group(index) => distribution.origin_groups.get(index).map(|group| group.id.as_str()),
    };
    let caching = if behavior.ttl.caching_disabled() {
        "not cached".to_owned()
    } else {
        let seconds = |time: std::time::Duration| time.as_secs();
        let ttl = &behavior.ttl;
        format!("cached {}/{}/{} s", seconds(ttl.min), seconds(ttl.default), seconds(ttl.max))
    };
    let names = &behavior.names;
    let policies = [Some(names.cache.clone()), names.origin_request.clone(), names.viewer_request.clone()];
    let policies: Vec<String> = policies.into_iter().flatten().filter(|name| !name.is_empty()).collect();
    format!(
        "  {:<24} → {:<28} {caching}  [{}]\n",
        behavior.path_pattern.as_str(),
        target.unwrap_or("?"),
        policies.join(", ")
    )
}
