//! The site policy: a few lines about a site that become the AWS documents of its distribution.
//!
//! One way in, two doors: `edge.toml` ([`toml::read`]) or a preset and where its servers are
//! ([`Policy::from_preset`]). One way out: [`compile`], whose bundle is what the generator prints and what the proxy
//! runs, so what was tested is what is deployed. A preset is a row of [`preset::PRESETS`]; nothing here asks for its
//! name.
//!
//! It refuses to know requests and responses: the data path has never heard of a site policy.

mod compile;
pub mod duration;
mod meaning;
mod policies;
pub mod preset;
mod problem;
mod reader;
mod style;
mod template;
pub mod toml;
mod value;

use std::fmt;
use std::time::Duration;

pub use compile::{Bundle, compile};
use preset::AssetQuery;
pub use preset::{Cache, Preset};
pub(crate) use problem::nearest;
pub use problem::{Problem, Problems};
pub use style::Style;
pub use template::template;

use crate::distribution::check;
use crate::distribution::rule::{DeviceClasses, NameOrPrefix};
use crate::distribution::{OriginProtocol, PathPattern, ViewerProtocolPolicy};

/// A site policy, checked and complete: what the preset decides is filled in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Policy {
    /// The row it began as.
    pub preset: &'static Preset,
    /// With a function, or with policies alone: [`Policy::set_style`].
    style: Style,
    /// The names viewers ask for, lower case, the main one first. None: only the distribution's own name.
    pub domains: Vec<String>,
    /// The ACM certificate (in us-east-1) of the domains, where there is one already.
    pub certificate: Option<String>,
    /// What plain HTTP gets (§11.1).
    pub viewers: ViewerProtocolPolicy,
    /// Where pages come from.
    pub origin: SiteOrigin,
    /// Which devices get copies of their own.
    pub devices: DeviceClasses,
    /// Cookies that make a viewer's pages his own.
    pub session_cookies: Vec<NameOrPrefix>,
    /// Query arguments that make an answer one viewer's own.
    pub session_query: Vec<NameOrPrefix>,
    /// Query arguments that change no page.
    pub drop_query: Vec<NameOrPrefix>,
    /// Exceptions from those.
    pub keep_query: Vec<NameOrPrefix>,
    /// Whether the order of arguments splits copies.
    pub sort_query: bool,
    /// How long a page lives where the origin does not say.
    pub ttl_pages: Duration,
    /// The same for assets.
    pub ttl_assets: Duration,
    /// How long an error is kept where the origin does not say.
    pub ttl_errors: Duration,
    /// Which paths are cached how: the site's own first, then the preset's. The first match wins (§2.1).
    pub behaviors: Vec<(PathPattern, Cache)>,
    /// And all other paths.
    pub everything_else: Cache,
    /// The arguments in an asset's key, and no others; `None`: as the preset has it.
    pub asset_query: Option<Vec<String>>,
    /// What `/` stands for (§2.5); empty: itself.
    pub root: String,
    /// A page that stands for errors (§10.1).
    pub error_page: Option<ErrorPage>,
    /// What viewers see beside the origin's headers.
    pub headers: ResponseHeaders,
    /// Where edge locations are used, as the API has it: `PriceClass_All`.
    pub price_class: &'static str,
    /// What viewers may speak, as the API has it: `http2and3`.
    pub http_version: &'static str,
    /// Where standard logs go.
    pub logging: Option<Logging>,
    /// The ARN of a web ACL.
    pub web_acl: Option<String>,
}

/// A page for errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPage {
    /// For which statuses of the origin.
    pub codes: Vec<u16>,
    /// Which object.
    pub page: String,
    /// With which status.
    pub status: u16,
}

/// What a response headers policy adds and takes (§8.4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHeaders {
    /// The managed SecurityHeadersPolicy, or the same within one of the site's own.
    pub security: Security,
    /// `Content-Security-Policy`, where the origin has none.
    pub content_security_policy: Option<String>,
    /// Fields that viewers do not see.
    pub remove: Vec<String>,
    /// Fields that they see, whatever the origin says.
    pub set: Vec<(String, String)>,
}

/// Whether the usual security headers are added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Security {
    /// Only the origin's own.
    #[default]
    None,
    /// AWS's managed set, the origin's own before it.
    Managed,
}

/// Standard logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// `BUCKET.s3.amazonaws.com`.
    pub bucket: String,
    /// Before each name.
    pub prefix: String,
}

/// The origin of a site.
#[derive(Debug, Clone)]
pub struct SiteOrigin {
    /// The real name, as CloudFront will ask for it.
    pub name: String,
    /// Where requests go here instead; none: to the name.
    pub servers: Vec<Server>,
    /// In front of every path (§2.4); empty, or `/…`.
    pub path: String,
    /// Fields on every request to it (§5.6): a secret by which it knows CloudFront.
    pub headers: Vec<(String, String)>,
    /// How CloudFront speaks to it.
    pub protocol: OriginProtocol,
    /// Port for plain HTTP.
    pub http_port: u16,
    /// Port for HTTPS.
    pub https_port: u16,
    /// 1–3 (§5.8).
    pub connect_attempts: u8,
    /// For each attempt, 1–10 s.
    pub connect_timeout: Duration,
    /// 1–120 s.
    pub read_timeout: Duration,
    /// 1–120 s; below the origin's own, or requests meet connections it has just closed.
    pub keepalive_timeout: Duration,
}

/// A server that stands in for the origin here: `http://10.0.0.1:8000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// A name or an address; IPv6 in brackets.
    pub host: String,
    /// The scheme's own where none was written.
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match (self.scheme, self.port) {
            ("http", 80) | ("https", 443) => Ok(()),
            _ => write!(f, ":{}", self.port),
        }
    }
}

/// The origin's name where only servers are given: reserved (RFC 6761 §6.4), so nobody deploys it by accident.
pub const NAMELESS_ORIGIN: &str = "origin.invalid";

impl Policy {
    /// A preset as it is, in front of these servers: `Policy::from_preset("wordpress", &["http://127.0.0.1:8000"])`.
    ///
    /// A single server with a DNS name is taken for the real origin; addresses only stand in for one, because
    /// CloudFront's origins are names (§1.2.2).
    pub fn from_preset(name: &str, servers: &[&str]) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let preset = value::preset(name).map_err(|fault| problems.add(None, "preset", fault)).ok();
        let parsed = each(&mut problems, "origin", servers, value::server);
        if servers.is_empty() {
            problems.add(
                None,
                "origin",
                problem::Fault::new("there is none").hint("one or more http://… or https://…"),
            );
        }
        match preset {
            Some(preset) if problems.is_empty() => {
                let policy = Self::of(preset, SiteOrigin::of(preset, parsed));
                policy.checked().map(|()| policy)
            }
            _ => Err(problems),
        }
    }

    /// Asks these servers here instead of the policy's own: `--origin` beside a file. The documents stay the same.
    pub fn set_servers(&mut self, servers: &[&str]) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let servers = each(&mut problems, "origin", servers, value::server);
        if !problems.is_empty() {
            return Err(problems);
        }
        self.origin.servers = servers;
        Ok(())
    }

    /// More names the site is known by: `--domain`.
    pub fn add_domains(&mut self, names: &[&str]) -> Result<(), Problems> {
        let mut problems = Problems::default();
        for name in each(&mut problems, "domain", names, value::domain) {
            if !self.domains.contains(&name) {
                self.domains.push(name);
            }
        }
        if problems.is_empty() { self.checked() } else { Err(problems) }
    }

    /// How it is put into CloudFront's words.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Whether any path has pages that most share and some have of their own.
    pub(super) fn has_pages(&self) -> bool {
        self.has(Cache::Pages)
    }

    /// Whether the usual trackers and the site's own are taken from the arguments of files, ten at most.
    pub(super) fn drops_of_files(&self) -> bool {
        let has_files = self.has(Cache::Assets) || self.has(Cache::Immutable);
        has_files
            && self.asset_query.is_none()
            && self.preset.asset_query == AssetQuery::AllButTrackers
            && !self.origin.is_bucket()
    }

    fn has(&self, cache: Cache) -> bool {
        self.everything_else == cache || self.behaviors.iter().any(|(_, other)| *other == cache)
    }

    fn of(preset: &'static Preset, origin: SiteOrigin) -> Self {
        Self {
            preset,
            style: Style::Function,
            domains: Vec::new(),
            certificate: None,
            viewers: ViewerProtocolPolicy::RedirectToHttps,
            origin,
            devices: preset.devices,
            session_cookies: names(preset.session_cookies),
            session_query: names(preset.session_query),
            drop_query: names(preset.drop_query),
            keep_query: Vec::new(),
            sort_query: true,
            ttl_pages: preset.ttl_pages,
            ttl_assets: preset.ttl_assets,
            ttl_errors: preset.ttl_errors,
            behaviors: preset.patterns().collect(),
            everything_else: preset.everything_else,
            asset_query: None,
            root: preset.root.to_owned(),
            error_page: preset.error_page.map(|page| ErrorPage {
                codes: page.codes.to_vec(),
                page: page.page.to_owned(),
                status: page.status,
            }),
            headers: ResponseHeaders::default(),
            price_class: "PriceClass_All",
            http_version: "http2",
            logging: None,
            web_acl: None,
        }
    }
}

impl SiteOrigin {
    /// Whether it is a bucket by its name: private then, behind an origin access control.
    pub fn is_bucket(&self) -> bool {
        check::is_s3_bucket(&self.name)
    }

    /// The preset's timeouts, and what the first server says of protocol and ports.
    fn of(preset: &Preset, servers: Vec<Server>) -> Self {
        let mut origin = Self {
            name: NAMELESS_ORIGIN.to_owned(),
            servers,
            path: String::new(),
            headers: Vec::new(),
            protocol: OriginProtocol::HttpOnly,
            http_port: 80,
            https_port: 443,
            connect_attempts: preset.connect_attempts,
            connect_timeout: preset.connect_timeout,
            read_timeout: preset.read_timeout,
            keepalive_timeout: preset.keepalive_timeout,
        };
        let Some(first) = origin.servers.first() else { return origin };
        if first.scheme == "https" {
            origin.protocol = OriginProtocol::HttpsOnly;
        }
        if origin.servers.len() == 1
            && value::origin_name(&first.host).is_ok()
            && value::origin_port(first.port)
        {
            origin.name.clone_from(&first.host);
            match first.scheme {
                "https" => origin.https_port = first.port,
                _ => origin.http_port = first.port,
            }
        }
        origin
    }
}

/// What can be read of the texts; of the others, what is wrong.
fn each<T>(
    problems: &mut Problems,
    place: &str,
    texts: &[&str],
    parse: impl Fn(&str) -> Result<T, problem::Fault>,
) -> Vec<T> {
    texts
        .iter()
        .filter_map(|text| parse(text).map_err(|fault| problems.add(None, place, fault)).ok())
        .collect()
}

fn names(texts: &[&str]) -> Vec<NameOrPrefix> {
    texts.iter().map(|text| NameOrPrefix::from((*text).to_owned())).collect()
}
