//! The checked model of a distribution: what every decision reads.
//!
//! It is made in one place ([`document`] reads the AWS document, [`check`] reports every problem) and is right by
//! construction afterwards: targets exist, TTLs are ordered, patterns are parsed. It refuses to know where the
//! document came from (JSON, XML, a template, `edge.toml`) and where servers really are: the proxy maps origin names.
//!
//! Field names follow the API (cloudfront.md §1.2); units are in the types.

pub mod alias;
pub mod check;
mod cors;
pub mod deployment;
pub mod document;
pub mod form;
mod geo;
pub mod lambda;
pub mod path_pattern;
pub mod policy;
pub mod problem;
pub mod public_key;
mod response_headers;
pub mod rule;
mod signing;
pub mod viewer_tls;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};

pub use crate::header::glob::Glob;
pub use crate::header::names::{Name, Names};
pub use alias::{Alias, Clash, HostMatch, most_specific};
pub use cors::{AllowedHost, AllowedOrigin};
pub use deployment::{Deployment, Primary, Stage};
pub use document::{Document, Loaded, load, load_value};
pub use geo::{Country, GeoRestriction};
pub use lambda::{Lambda, LambdaEvent, Lambdas};
pub use path_pattern::PathPattern;
pub use problem::{Problem, Problems, Severity};
pub use public_key::{Hash, PublicKey, Trusted};
pub use response_headers::{Cors, OriginHeader, ResponseHeadersPolicy, SetHeader};
pub use rule::Rule;
pub use signing::{Credentials, SignedService, Signing, SigningBehavior};
pub use viewer_tls::{SecurityPolicy, ViewerMtls, ViewerTls};

use crate::script::Script;

/// A distribution, ready to decide with.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// `E…`, or a name of ours where the document carries none.
    pub id: String,
    /// `d….cloudfront.net`: always answered for, and the first part of every cache key (§4.1).
    pub domain_name: String,
    /// Alternate domain names, lower case (§17.2).
    pub aliases: Vec<Alias>,
    /// Whether it is reached by itself (§17.1).
    pub stage: Stage,
    /// Which of its requests a staging distribution answers.
    pub deployment: Option<Deployment>,
    /// The one it stands in for, where it is a staging distribution that is reached.
    pub primary: Option<Primary>,
    /// A disabled distribution answers nobody (§0.2).
    pub enabled: bool,
    /// What viewers may speak (§11.2).
    pub http_version: HttpVersion,
    /// What their handshakes have to be like (§11.3, §11.6).
    pub viewer_tls: ViewerTls,
    /// Which countries are served (§12.1).
    pub geo_restriction: GeoRestriction,
    /// What `/` stands for (§2.5); without the leading slash.
    pub default_root_object: Option<String>,
    /// At least one.
    pub origins: Vec<Origin>,
    /// Pairs of origins for failover (§5.9).
    pub origin_groups: Vec<OriginGroup>,
    /// In the order of the document: the first match wins (§2.1).
    pub behaviors: Vec<Behavior>,
    /// Matches what nothing before it matched.
    pub default_behavior: Behavior,
    /// The header of origin responses that names their cache tags (§13.3).
    pub cache_tag_header: Option<HeaderName>,
    /// At most one per error code (§10.1).
    pub error_responses: Vec<ErrorResponse>,
    /// Whether viewers' cookies are in the access log (§15.1).
    pub cookie_logging: CookieLogging,
}

/// `Logging.IncludeCookies`, which is good for every kind of access log, whether the distribution keeps one or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CookieLogging {
    /// They are in it.
    On,
    /// They are not.
    #[default]
    Off,
}

/// `HttpVersion` (§11.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/1.1 and HTTP/2.
    Http2,
    /// HTTP/3 too.
    Http2And3,
    /// HTTP/1.1 and HTTP/3 *(unsure)*.
    Http3,
}

/// Where a behavior sends what the cache does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Index into [`Distribution::origins`].
    Origin(usize),
    /// Index into [`Distribution::origin_groups`].
    Group(usize),
}

/// An origin (§1.2.2).
#[derive(Debug, Clone)]
pub struct Origin {
    /// Unique in the distribution.
    pub id: String,
    /// The name it is configured by; the proxy may map it to servers elsewhere.
    pub domain_name: String,
    /// `OriginPath`: empty, or `/…` without a trailing slash (§2.4).
    pub path: String,
    /// Added to every request, over a viewer's header of that name (§5.6).
    pub custom_headers: Vec<(HeaderName, HeaderValue)>,
    /// S3, custom or VPC.
    pub kind: OriginKind,
    /// 1–3 (§5.8).
    pub connection_attempts: u8,
    /// For each attempt, TCP and TLS together; 1–10 s.
    pub connection_timeout: Duration,
    /// To the first byte, and between reads; 1–120 s.
    pub read_timeout: Duration,
    /// How long an idle connection is kept.
    pub keepalive_timeout: Duration,
    /// The whole exchange, retries included; `None` is no cap.
    pub completion_timeout: Option<Duration>,
    /// Origin access control: whether requests are signed (§5.11).
    pub signing: Option<Signing>,
    /// Where it is.
    pub reach: Reach,
    /// `ClientCertificateArn`: what the origin is shown when it asks for a certificate (§5.7).
    pub client_certificate: Option<String>,
}

/// Where an origin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// On the internet.
    Public,
    /// In a private network: neither WebSocket nor gRPC (§1.2.2).
    Vpc,
}

/// Which kind of server an origin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginKind {
    /// A web server of the owner's (also an S3 website endpoint, a load balancer, a VPC origin).
    Custom {
        /// Port for plain HTTP.
        http_port: u16,
        /// Port for HTTPS.
        https_port: u16,
        /// Which of the two is spoken.
        protocol: OriginProtocol,
    },
    /// An S3 bucket: the viewer's scheme, ports 80 and 443 (§5.5).
    S3,
}

/// `OriginProtocolPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginProtocol {
    /// Plain HTTP always.
    HttpOnly,
    /// As the viewer came.
    MatchViewer,
    /// HTTPS always.
    HttpsOnly,
}

/// An origin group (§5.9).
#[derive(Debug, Clone)]
pub struct OriginGroup {
    /// Unique among origins and groups.
    pub id: String,
    /// Asked first, for every request. Index into [`Distribution::origins`].
    pub primary: usize,
    /// Asked when the primary fails by the criteria.
    pub secondary: usize,
    /// The statuses that count as a failure.
    pub failover_statuses: Vec<StatusCode>,
}

/// A cache behavior (§1.2.4), its policies resolved.
#[derive(Debug, Clone)]
pub struct Behavior {
    /// `*` for the default behavior.
    pub path_pattern: PathPattern,
    /// Where misses go.
    pub target: Target,
    /// What plain HTTP gets (§11.1).
    pub viewer_protocol_policy: ViewerProtocolPolicy,
    /// What is not refused with 403 (§3).
    pub allowed_methods: AllowedMethods,
    /// Whether OPTIONS is among `CachedMethods` (§3).
    pub options: OptionsCaching,
    /// Compress at fill (§9).
    pub compress: bool,
    /// Whether calls of gRPC are carried as such (§11.5).
    pub grpc: Grpc,
    /// Which TTLs a stored object gets (§7.1).
    pub ttl: Ttl,
    /// What is in the cache key, and therefore always forwarded (§4).
    pub key: KeySettings,
    /// What else goes to the origin (§5).
    pub forward: ForwardSettings,
    /// Response headers policy (§8.4).
    pub response_headers: Option<Arc<ResponseHeadersPolicy>>,
    /// Whose signature every request must carry; `None` where none is wanted (§12.2).
    pub trusted: Option<Arc<Trusted>>,
    /// What runs before the cache is asked.
    pub viewer_request: Option<ViewerRequest>,
    /// What runs before the viewer gets the response.
    pub viewer_response: Option<Arc<Script>>,
    /// The Lambda@Edge functions.
    pub lambdas: Lambdas,
    /// What explain calls the policies.
    pub names: PolicyNames,
}

impl Behavior {
    /// The viewer-request function, where it is a rule the edge runs itself.
    pub fn rule(&self) -> Option<&Rule> {
        match &self.viewer_request {
            Some(ViewerRequest::Rule(rule)) => Some(rule),
            Some(ViewerRequest::Script(_)) | None => None,
        }
    }

    /// Whether a policy names a header that is wanted, for the key or for the origin.
    pub fn names_header(&self, is_wanted: impl Fn(&HeaderName) -> bool) -> bool {
        let listed: &[HeaderName] = match &self.forward.headers {
            HeaderForwarding::Defaults => &[],
            HeaderForwarding::Only(names) => names,
            HeaderForwarding::AllViewer { plus } | HeaderForwarding::AllExcept { plus, .. } => plus,
        };
        self.key.headers.iter().chain(listed).any(is_wanted)
    }
}

/// The viewer-request function of a behavior.
#[derive(Debug, Clone)]
pub enum ViewerRequest {
    /// A rule of a site policy, which the edge runs itself.
    Rule(Arc<Rule>),
    /// A CloudFront Function.
    Script(Arc<Script>),
}

/// Names of the policies a behavior was made of, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyNames {
    /// The cache policy, or `ForwardedValues`.
    pub cache: String,
    /// The origin request policy.
    pub origin_request: Option<String>,
    /// The viewer-request function.
    pub viewer_request: Option<String>,
    /// The viewer-response function.
    pub viewer_response: Option<String>,
}

/// `ViewerProtocolPolicy` (§11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewerProtocolPolicy {
    /// Both schemes are served.
    AllowAll,
    /// Plain HTTP gets 403.
    HttpsOnly,
    /// Plain HTTP gets 301 or 307.
    RedirectToHttps,
}

/// The three sets `AllowedMethods` may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedMethods {
    /// GET, HEAD.
    GetHead,
    /// GET, HEAD, OPTIONS.
    GetHeadOptions,
    /// All seven.
    All,
}

impl AllowedMethods {
    /// Whether the set contains `method`; names are case-sensitive (§3).
    pub fn contains(self, method: &Method) -> bool {
        match *method {
            Method::GET | Method::HEAD => true,
            Method::OPTIONS => self != Self::GetHead,
            Method::PUT | Method::PATCH | Method::POST | Method::DELETE => self == Self::All,
            _ => false,
        }
    }
}

/// Whether answers to OPTIONS are stored, under a key of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionsCaching {
    /// Forwarded each time.
    Off,
    /// Stored like GET.
    On,
}

/// `GrpcConfig` (§11.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grpc {
    /// What looks like a call is an ordinary request.
    Off,
    /// Calls go over HTTP/2, both ways at once, with their trailers.
    On,
}

/// TTLs of a policy, in order: `min ≤ default ≤ max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    /// Floor, even over `no-store` and `private` (§7.1).
    pub min: Duration,
    /// Where the origin says nothing.
    pub default: Duration,
    /// Ceiling where the origin says something.
    pub max: Duration,
}

impl Ttl {
    /// All three zero: no storage, no collapsing, no compression, not even of errors (§7.1).
    pub fn caching_disabled(&self) -> bool {
        self.max.is_zero()
    }
}

/// What the cache key consists of, beyond distribution and path (§4).
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// `EnableAcceptEncodingGzip`.
    pub gzip: bool,
    /// `EnableAcceptEncodingBrotli`.
    pub brotli: bool,
    /// In name order, each once.
    pub headers: Vec<HeaderName>,
    /// Which cookies.
    pub cookies: Names,
    /// Which query string parameters.
    pub query: Names,
}

/// What goes to the origin beyond the key (§4.5, §5).
#[derive(Debug, Clone)]
pub struct ForwardSettings {
    /// Which default table holds for headers nobody selected (§5.2).
    pub defaults: HeaderDefaults,
    /// Which headers.
    pub headers: HeaderForwarding,
    /// Which cookies.
    pub cookies: Names,
    /// Which query string parameters.
    pub query: Names,
}

/// The header table of §5.2 has two columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderDefaults {
    /// A cache policy: only what CloudFront itself sends.
    Policy,
    /// `ForwardedValues`: the "legacy default" column, literally.
    Legacy,
}

/// `HeaderBehavior` of an origin request policy (§5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderForwarding {
    /// Nothing beyond key and defaults.
    Defaults,
    /// The listed ones, viewer's or `CloudFront-*`.
    Only(Vec<HeaderName>),
    /// All of the viewer's, and the listed `CloudFront-*`.
    AllViewer {
        /// `allViewerAndWhitelistCloudFront`.
        plus: Vec<HeaderName>,
    },
    /// All of the viewer's but these, and the listed `CloudFront-*` (one managed policy adds some).
    AllExcept {
        /// Kept back; `Host` here means the origin's own name.
        names: Vec<HeaderName>,
        /// Added.
        plus: Vec<HeaderName>,
    },
}

/// A custom error response (§10.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The origin's (or CloudFront's) status.
    pub error_code: StatusCode,
    /// The page and the status it is sent with; both or neither.
    pub page: Option<ErrorPage>,
    /// `ErrorCachingMinTTL`.
    pub caching_min_ttl: Duration,
}

/// The page of a custom error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPage {
    /// `/…`, fetched through the behavior it matches.
    pub path: String,
    /// Sent instead of the error's.
    pub response_code: StatusCode,
}
