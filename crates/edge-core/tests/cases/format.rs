//! What a case file says, and how what was seen is compared with it.
//!
//! A case is a distribution in shorthand and a list of steps: at this second, this request, this answer of the
//! origin, this response. It refuses to know who runs it: the simulator steps the pure core with a clock that is a
//! value, another runner may send the same requests over loopback. Whoever runs it fills in [`Seen`], and [`check`]
//! says what differs.
//!
//! `fixtures/cases/README.md` describes the fields for people.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value as Json;

/// One file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) rule: Rules,
    /// Its number in §18, if it is one of those.
    pub(crate) vector: Option<u32>,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) mode: Modes,
    /// The reference marks the rule *(unsure)*: its suggestion is what is tested.
    #[serde(default)]
    pub(crate) unsure: bool,
    /// What it waits for. It is listed, and must not pass.
    pub(crate) pending: Option<String>,
    /// An entry of `fixtures/divergences.toml` this case shows.
    pub(crate) divergence: Option<String>,
    /// The document is not loaded: the code of the problem it has.
    pub(crate) refused: Option<String>,
    /// How many problems of that code it has, if not just any.
    pub(crate) refused_times: Option<usize>,
    /// A whole document instead of the shorthand: JSON, or the name of a file in `fixtures/distributions`.
    pub(crate) document: Option<String>,
    pub(crate) cache: Option<Cache>,
    pub(crate) forward: Option<Forward>,
    pub(crate) legacy: Option<Legacy>,
    pub(crate) response_headers: Option<ResponseHeaders>,
    pub(crate) behavior: Option<Behavior>,
    #[serde(default)]
    pub(crate) behaviors: Vec<Ordered>,
    pub(crate) origin: Option<Origin>,
    /// Further origins, each with its id.
    #[serde(default)]
    pub(crate) origins: Vec<Origin>,
    #[serde(default)]
    pub(crate) groups: Vec<Group>,
    #[serde(default)]
    pub(crate) errors: Vec<ErrorResponse>,
    pub(crate) distribution: Option<Distribution>,
    /// A staging distribution beside it: the same, but for the path of its origins.
    pub(crate) deployment: Option<Deployment>,
    #[serde(default, rename = "step")]
    pub(crate) steps: Vec<Step>,
}

/// One rule, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Rules {
    One(String),
    Several(Vec<String>),
}

impl Rules {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(rule) => std::slice::from_ref(rule).iter(),
            Self::Several(rules) => rules.iter(),
        }
        .map(String::as_str)
    }
}

impl Case {
    /// Whether it runs a script, which not every build does.
    pub(crate) fn runs_script(&self) -> bool {
        let ordered = self.behaviors.iter().filter_map(|ordered| ordered.behavior.as_ref());
        let mut behaviors = self.behavior.iter().chain(ordered);
        behaviors.any(|behavior| behavior.function.is_some() || behavior.response_function.is_some())
    }
}

/// In which modes of the edge a case or a step holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Modes {
    #[default]
    Both,
    Exact,
    Guard,
}

/// The mode a case is run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `--exact`: CloudFront to the letter.
    Exact,
    /// The default.
    Guard,
}

impl Modes {
    pub(crate) fn include(self, mode: Mode) -> bool {
        match self {
            Self::Both => true,
            Self::Exact => mode == Mode::Exact,
            Self::Guard => mode == Mode::Guard,
        }
    }
}

/// A selection of names: `"none"`, `"all"`, `{ only = […] }`, `{ except = […] }`; for headers of an origin request
/// policy also `"viewer"` and `{ viewer_and = […] }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Names {
    Word(String),
    Only { only: Vec<String> },
    Except { except: Vec<String> },
    ViewerAnd { viewer_and: Vec<String> },
}

/// A cache policy: TTLs as the API has them if absent, nothing in the key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cache {
    /// The name of a managed policy, without `Managed-`, instead of the rest.
    pub(crate) managed: Option<String>,
    pub(crate) min: u64,
    pub(crate) default: Option<u64>,
    pub(crate) max: Option<u64>,
    pub(crate) headers: Vec<String>,
    pub(crate) cookies: Option<Names>,
    pub(crate) query: Option<Names>,
    pub(crate) gzip: bool,
    pub(crate) brotli: bool,
}

/// An origin request policy.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Forward {
    pub(crate) managed: Option<String>,
    pub(crate) headers: Option<Names>,
    pub(crate) cookies: Option<Names>,
    pub(crate) query: Option<Names>,
}

/// `ForwardedValues` and the TTLs beside it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Legacy {
    pub(crate) min: Option<u64>,
    pub(crate) default: Option<u64>,
    pub(crate) max: Option<u64>,
    pub(crate) headers: Vec<String>,
    pub(crate) cookies: Option<Names>,
    pub(crate) query: bool,
    pub(crate) query_keys: Vec<String>,
}

/// A response headers policy.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResponseHeaders {
    pub(crate) managed: Option<String>,
    pub(crate) remove: Vec<String>,
    /// Custom headers that leave the origin's alone.
    pub(crate) set: BTreeMap<String, String>,
    /// Custom headers that replace the origin's.
    pub(crate) force: BTreeMap<String, String>,
    /// `SecurityHeadersConfig` and `CorsConfig` as the API writes them.
    pub(crate) security: Option<toml::Value>,
    pub(crate) cors: Option<toml::Value>,
    /// The sampling rate of `Server-Timing` in percent; absent: it is off.
    pub(crate) server_timing: Option<f64>,
}

/// The rest of a cache behavior.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Behavior {
    /// `allow-all` if absent.
    pub(crate) protocol: Option<String>,
    /// `GET HEAD`, `GET HEAD OPTIONS` or `all`.
    pub(crate) methods: Option<String>,
    /// OPTIONS is among `CachedMethods`.
    pub(crate) cached_options: bool,
    pub(crate) compress: bool,
    /// The viewer-request rule, in the words of the bundle.
    pub(crate) rule: Option<toml::Value>,
    /// The code of a viewer-request function, instead of a rule.
    pub(crate) function: Option<String>,
    /// The code of a viewer-response function.
    pub(crate) response_function: Option<String>,
    /// The runtime of both: `1.0`, or `2.0` if absent.
    pub(crate) runtime: Option<String>,
    /// The key value store both read.
    pub(crate) store: Option<BTreeMap<String, String>>,
    /// gRPC is carried; all methods are allowed if `methods` is absent.
    pub(crate) grpc: bool,
    /// The id of another origin or group.
    pub(crate) target: Option<String>,
    /// The events at which a Lambda is called.
    pub(crate) lambdas: Vec<String>,
    /// Those at request events see bodies.
    pub(crate) lambda_body: bool,
    /// Requests must be signed with one of these keys of `fixtures/signing`, by their ids.
    pub(crate) trusted: Option<Vec<String>>,
}

/// A behavior before the default one; what is absent is the default behavior's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ordered {
    pub(crate) path: String,
    pub(crate) cache: Option<Cache>,
    pub(crate) forward: Option<Forward>,
    pub(crate) legacy: Option<Legacy>,
    pub(crate) response_headers: Option<ResponseHeaders>,
    pub(crate) behavior: Option<Behavior>,
}

/// The origin, `origin.example.com` if absent; of a further one `ID.example.com`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Origin {
    /// `origin` if absent.
    pub(crate) id: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// `http-only` if absent.
    pub(crate) protocol: Option<String>,
    pub s3: bool,
    /// It is in a private network.
    pub vpc: bool,
}

/// An origin group.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) id: String,
    /// The primary and the secondary.
    pub(crate) members: [String; 2],
    /// Statuses that lead to the secondary.
    pub(crate) codes: Vec<u16>,
}

/// A custom error response.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorResponse {
    pub(crate) code: u16,
    pub(crate) min_ttl: Option<u64>,
    pub(crate) page: Option<String>,
    pub(crate) response: Option<u16>,
}

/// The rest of a distribution.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Distribution {
    pub(crate) root: Option<String>,
    pub(crate) aliases: Option<Vec<String>>,
    /// The header of origin responses that names their cache tags.
    pub(crate) tags: Option<String>,
    pub(crate) disabled: bool,
    /// The security policy, beside a certificate of its own; `TLSv1.2_2021` if absent.
    pub(crate) policy: Option<String>,
    /// `HttpVersion`; `http2` if absent.
    pub(crate) http: Option<String>,
    /// Whether viewers are asked for a certificate: the `Mode` of `ViewerMtlsConfig`.
    pub(crate) mtls: Option<String>,
    /// Countries: those that are served, or those that are not.
    pub(crate) geo: Option<Names>,
}

/// A continuous deployment policy. What the staging distribution asks its origins for begins with `/staging`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Deployment {
    /// Name and value of the header that leads there.
    pub(crate) header: Option<[String; 2]>,
    /// Or the share of the requests.
    pub(crate) weight: Option<f64>,
    /// Sessions stay: the seconds after which they end, without a request and in any case.
    pub(crate) sessions: Option<[u64; 2]>,
    pub(crate) disabled: bool,
}

/// One exchange, or one invalidation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Seconds since the start.
    #[serde(default)]
    pub(crate) at: u64,
    /// The step belongs to one mode only.
    #[serde(default)]
    pub(crate) mode: Modes,
    /// It arrives while the step before it is under way.
    #[serde(default)]
    pub(crate) meanwhile: bool,
    /// Instead of a request: paths and tags that are invalidated, all at once.
    pub(crate) invalidate: Option<Vec<String>>,
    /// They are not, for this reason: a part of it.
    pub(crate) refused: Option<String>,
    /// Request line without version, header lines, an empty line and a body.
    #[serde(default)]
    pub(crate) request: String,
    /// `1.0`, `1.1` (if absent) or `2`.
    pub(crate) http: Option<String>,
    /// `https` if absent.
    pub(crate) scheme: Option<String>,
    /// The viewer's address, where it matters which; such a case is the simulator's alone.
    pub(crate) peer: Option<std::net::IpAddr>,
    /// Where the viewer is; absent: nobody knows.
    pub(crate) location: Option<Location>,
    /// The certificate he showed; such a case is the simulator's alone.
    pub(crate) certificate: Option<Certificate>,
    /// The fingerprints of his handshake; the simulator's alone, too.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// What the origin answers. Absent, and [`Self::origin_fails`] too: it must not be asked.
    pub(crate) origin: Option<String>,
    /// A body of this many bytes instead of the one in `origin`.
    pub(crate) origin_body_bytes: Option<usize>,
    /// What it says behind the body, where it is asked over HTTP/2: field lines.
    pub(crate) origin_trailers: Option<String>,
    /// How it fails instead.
    pub(crate) origin_fails: Option<Failure>,
    /// What it saw.
    pub(crate) asked: Option<Asked>,
    /// Further calls for this one request, in order: to the secondary of a group, for an error page, in the background.
    #[serde(default)]
    pub(crate) then: Vec<Then>,
    /// The calls of Lambdas for this one request, in order.
    #[serde(default)]
    pub(crate) lambda: Vec<LambdaCall>,
    pub(crate) expect: Option<Expect>,
}

/// A call of a Lambda, and what comes of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LambdaCall {
    /// The event.
    pub(crate) at: String,
    /// What is in the event, under `cf`: JSON, of which everything must be there.
    pub(crate) told: Option<String>,
    /// What is not: paths, as in `request.headers.cookie`.
    pub(crate) untold: Vec<String>,
    /// What it returns: JSON.
    pub(crate) returns: Option<String>,
    /// What it returns is the request or response of the event with this put in: JSON, in which `null` takes out.
    pub(crate) changes: Option<String>,
    /// It throws this.
    pub(crate) throws: Option<String>,
    /// How it fails instead: `throttled`, `timeout`, `unreachable`, `too-large`.
    pub(crate) fails: Option<String>,
}

impl LambdaCall {
    /// What comes of a call with this event; nothing but `at` is the request or response as it was.
    pub(crate) fn result(&self, event: &Json, world: &World) -> Result<Json, String> {
        let read = |text: &str| {
            serde_json::from_str::<Json>(&world.expand(text)).map_err(|error| format!("{text}: {error}"))
        };
        if let Some(returns) = &self.returns {
            return read(returns);
        }
        let cf = &event["Records"][0]["cf"];
        let mut back = if self.at.ends_with("response") { &cf["response"] } else { &cf["request"] }.clone();
        if let Some(changes) = &self.changes {
            merge(&mut back, &read(changes)?);
        }
        Ok(back)
    }
}

/// Puts `changes` into `value`, as RFC 7396 does.
fn merge(value: &mut Json, changes: &Json) {
    let Json::Object(changes) = changes else {
        *value = changes.clone();
        return;
    };
    if !value.is_object() {
        *value = Json::Object(serde_json::Map::new());
    }
    for (key, change) in changes {
        match change {
            Json::Null => _ = value.as_object_mut().and_then(|object| object.remove(key)),
            change => merge(&mut value[key], change),
        }
    }
}

/// Whether all of `part` is in `whole`; texts may hold `…`.
fn holds(whole: &Json, part: &Json) -> bool {
    match (whole, part) {
        (Json::Object(whole), Json::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|whole| holds(whole, value)))
        }
        (Json::Array(whole), Json::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| holds(whole, part))
        }
        (Json::String(whole), Json::String(part)) => fits(part, whole),
        (whole, part) => whole == part,
    }
}

/// What is known of a viewer's place.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Location {
    pub(crate) country: Option<String>,
    pub(crate) country_name: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) region_name: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) latitude: Option<f64>,
    pub(crate) longitude: Option<f64>,
    pub(crate) metro_code: Option<u16>,
    pub(crate) postal_code: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) asn: Option<u32>,
}

/// JA3 and JA4.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprint {
    pub(crate) ja3: String,
    pub(crate) ja4: String,
}

impl Fingerprint {
    /// As the core knows them.
    pub(crate) fn to_core(&self) -> edge_core::viewer::Fingerprint {
        let Self { ja3, ja4 } = self.clone();
        edge_core::viewer::Fingerprint { ja3, ja4 }
    }
}

/// A certificate that the listener let pass.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Certificate {
    /// To the distribution of the case, if absent.
    pub(crate) shown_to: Option<String>,
    pub(crate) serial_number: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) validity: Option<String>,
    pub(crate) pem: Option<String>,
}

impl Certificate {
    /// As the core knows it; `shown_to` is the domain name of the distribution of the case.
    pub(crate) fn to_core(&self, shown_to: &str) -> edge_core::viewer::Certificate {
        let Self { shown_to: other, serial_number, issuer, subject, sha256, validity, pem } = self.clone();
        let shown_to = other.unwrap_or_else(|| shown_to.to_owned());
        edge_core::viewer::Certificate { shown_to, serial_number, issuer, subject, sha256, validity, pem }
    }
}

impl Location {
    /// As the core knows it.
    pub(crate) fn to_core(&self) -> edge_core::viewer::geo::Location {
        let Self { country, country_name, region, region_name, city, .. } = self.clone();
        edge_core::viewer::geo::Location {
            country: country.map(|code| edge_core::distribution::Country::parse(&code).unwrap()),
            country_name,
            region,
            region_name,
            city,
            latitude: self.latitude,
            longitude: self.longitude,
            metro_code: self.metro_code,
            postal_code: self.postal_code.clone(),
            time_zone: self.time_zone.clone(),
            asn: self.asn,
        }
    }
}

/// A call for a request: what is answered to it, and what it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Then {
    pub(crate) origin: Option<String>,
    pub(crate) origin_body_bytes: Option<usize>,
    pub(crate) origin_trailers: Option<String>,
    pub(crate) origin_fails: Option<Failure>,
    pub(crate) asked: Option<Asked>,
}

/// The ways an origin fails (§10.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Failure {
    Dns,
    Connect,
    ConnectTimeout,
    ReadTimeout,
    Closed,
    Invalid,
    HeadTooLarge,
    CompletionTimeout,
}

/// What the origin is expected to have seen.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Asked {
    /// The id of the origin, for those runners that know it.
    pub(crate) origin: Option<String>,
    /// `GET /path?query`.
    pub(crate) line: Option<String>,
    pub(crate) has: BTreeMap<String, Lines>,
    pub(crate) lacks: Vec<String>,
    /// `http` or `https`.
    pub(crate) scheme: Option<String>,
    /// `1.1` or `2`.
    pub(crate) http: Option<String>,
}

/// What the viewer is expected to get, and what is expected to have been decided.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    pub(crate) status: Option<u16>,
    /// The word before ` from cloudfront`.
    pub(crate) x_cache: Option<String>,
    /// The uncompressed text, whole.
    pub(crate) body: Option<String>,
    /// A part of it.
    pub(crate) body_has: Option<String>,
    pub(crate) has: BTreeMap<String, Lines>,
    pub(crate) lacks: Vec<String>,
    /// What comes behind the body, which only a wire shows.
    pub(crate) trailers: BTreeMap<String, Lines>,
    /// The pattern of the behavior that served it.
    pub(crate) behavior: Option<String>,
    /// Parts of the key after distribution and path, as in `["cookies a=1", "query b=2"]`.
    pub(crate) key: Option<Vec<String>>,
    /// Seconds CloudFront would keep it fresh for, whatever the guard says.
    pub(crate) ttl: Option<u64>,
    /// Part of the reason CloudFront does not store it.
    pub(crate) not_stored: Option<String>,
    /// Part of what the guard says; it is asked in guard mode only, and `""` is "nothing".
    pub(crate) guard: Option<String>,
    /// Whether something was put into the store.
    pub(crate) stored: Option<bool>,
    /// Whom the viewer-request rule takes the viewer for.
    pub(crate) visitor: Option<String>,
    /// What functions wrote to the console, line by line.
    pub(crate) console: Option<Vec<String>>,
    /// Why a function came to nothing: a part of it.
    pub(crate) function_failed: Option<String>,
    /// The connection ends with this response.
    pub(crate) closes: Option<bool>,
    /// Fields of its line in the access log, by their names.
    pub(crate) log: BTreeMap<String, String>,
    /// Whether it has a line there.
    pub(crate) logged: Option<bool>,
}

/// A value of one line, or the values of several. `…` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Lines {
    One(String),
    Several(Vec<String>),
}

/// The fields of a line in the access log.
pub(crate) type Fields = BTreeMap<&'static str, String>;

/// What a runner saw of one step.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// After undoing the edge's own compression.
    pub(crate) body: Vec<u8>,
    /// Every request the origin got.
    pub(crate) asked: Vec<SeenAsked>,
    /// The event of every call of a Lambda.
    pub(crate) called: Vec<Json>,
    /// What came behind the body, where that shows.
    pub(crate) trailers: Option<HeaderMap>,
    /// The connection ended.
    pub(crate) closed: bool,
    /// Every field of its line in the access log; none where it has no line.
    pub(crate) log: Fields,
    /// What only the simulator sees.
    pub(crate) inside: Option<Inside>,
}

/// A request as an origin got it.
#[derive(Debug, Clone)]
pub(crate) struct SeenAsked {
    /// The id of the origin; a wire does not tell.
    pub(crate) origin: Option<String>,
    pub(crate) line: String,
    pub(crate) scheme: &'static str,
    /// `1.1` or `2`.
    pub(crate) http: &'static str,
    pub(crate) headers: HeaderMap,
}

/// Decisions that do not show on the wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inside {
    pub(crate) behavior: Option<String>,
    pub(crate) key: Option<Vec<String>>,
    pub(crate) ttl: Option<u64>,
    pub(crate) not_stored: Option<String>,
    pub(crate) guard: Option<String>,
    pub(crate) stored: bool,
    pub(crate) visitor: String,
    pub(crate) console: Vec<String>,
    pub(crate) function_failed: String,
    /// The edge wrote the body itself.
    pub(crate) own_page: bool,
}

/// One expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) what: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: expected {}, got {}", self.what, self.expected, self.got)
    }
}

/// What the placeholders in a case stand for:
///
/// - `{now}`, `{now+60}`, `{now-60}`: an HTTP date, from the step's second; `{start}` likewise, from the start;
/// - `{peer}`: the viewer's address, without port;
/// - `{x*300}`: three hundred times `x`;
/// - `{canned.target}`: a part of a signature of `fixtures/signing`, by its name there.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) start: SystemTime,
    pub(crate) now: SystemTime,
    pub(crate) peer: std::net::SocketAddr,
}

impl World {
    /// Replaces the placeholders; other braces stay.
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            let close = rest.find('}').filter(|&close| !rest[1..close].contains('{'));
            let replaced = close.and_then(|close| Some((self.value(&rest[1..close])?, close)));
            match replaced {
                Some((value, close)) => {
                    out.push_str(&value);
                    rest = &rest[close + 1..];
                }
                None => {
                    out.push('{');
                    rest = &rest[1..];
                }
            }
        }
        out + rest
    }

    fn value(&self, name: &str) -> Option<String> {
        if name == "peer" {
            return Some(self.peer.ip().to_string());
        }
        if let Some((name, part)) = name.split_once('.') {
            return super::signed::part(name, part);
        }
        if let Some((text, times)) = name.split_once('*') {
            return Some(text.repeat(times.parse().ok()?));
        }
        let from = |base: SystemTime, offset: &str| {
            let seconds: i64 = if offset.is_empty() { 0 } else { offset.parse().ok()? };
            let by = Duration::from_secs(seconds.unsigned_abs());
            let time = if seconds < 0 { base - by } else { base + by };
            Some(httpdate::fmt_http_date(time))
        };
        match (name.strip_prefix("now"), name.strip_prefix("start")) {
            (Some(offset), _) => from(self.now, offset),
            (_, Some(offset)) => from(self.start, offset),
            _ => None,
        }
    }
}

/// A message in a case: its first line, its header lines, its body.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) first: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Splits the text of a case; lines end as TOML writes them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\n');
        let (head, body) = match text.split_once("\n\n") {
            Some((head, body)) => (head, body),
            None => (text.trim_end_matches('\n'), ""),
        };
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) =
                line.split_once(':').ok_or_else(|| format!("no colon in the line {line:?}"))?;
            let value = value.trim_start();
            headers.push((
                HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("{name:?}: {error}"))?,
                HeaderValue::from_bytes(value.as_bytes()).map_err(|error| format!("{value:?}: {error}"))?,
            ));
        }
        Ok(Self { first, headers, body: body.as_bytes().to_vec() })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.as_str() == name)
    }

    fn push(&mut self, name: &'static str, value: HeaderValue) {
        self.headers.push((HeaderName::from_static(name), value));
    }
}

/// The first of January 2026: the second at which every case starts.
pub(crate) const START: u64 = 1_767_225_600;

/// The host that requests name where they name none.
pub(crate) const HOST: &str = "www.example.com";

impl Step {
    /// The request line's parts and the header lines, `Host` and `Content-Length` added where they are missing.
    pub(crate) fn viewer_request(&self, world: &World) -> Result<Message, String> {
        let mut message = Message::parse(&world.expand(&self.request))?;
        if !message.has("host") {
            message.headers.insert(0, (http::header::HOST, HeaderValue::from_static(HOST)));
        }
        if !message.body.is_empty() && !message.has("content-length") && !message.has("transfer-encoding") {
            message.push("content-length", HeaderValue::from(message.body.len()));
        }
        Ok(message)
    }

    /// A call for this request, from 0: what is answered to it, and what it is.
    pub(crate) fn call(&self, number: usize) -> Option<Then> {
        match number.checked_sub(1) {
            Some(further) => self.then.get(further).cloned(),
            None => self.asks_origin().then(|| Then {
                origin: self.origin.clone(),
                origin_body_bytes: self.origin_body_bytes,
                origin_trailers: self.origin_trailers.clone(),
                origin_fails: self.origin_fails,
                asked: self.asked.clone(),
            }),
        }
    }

    pub(crate) fn asks_origin(&self) -> bool {
        self.origin.is_some() || self.origin_fails.is_some()
    }

    /// What it invalidates, if it does.
    pub(crate) fn invalidates(&self, world: &World) -> Option<Vec<String>> {
        Some(self.invalidate.as_ref()?.iter().map(|item| world.expand(item)).collect())
    }

    /// What is wrong with how an invalidation was taken: `why` is why it was refused, if it was.
    pub(crate) fn check_refusal(&self, number: usize, why: Option<String>) -> Option<String> {
        let is_as_told = match (&self.refused, &why) {
            (None, None) => true,
            (Some(part), Some(why)) => why.contains(part.as_str()),
            _ => false,
        };
        let told =
            |text: &Option<String>| text.as_ref().map_or("none".to_owned(), |text| format!("{text:?}"));
        let (what, expected, got) = ("refused".to_owned(), told(&self.refused), told(&why));
        let difference = Difference { what, expected, got };
        (!is_as_told).then(|| format!("step {} at {} s (invalidation): {difference}", number + 1, self.at))
    }
}

impl Then {
    /// What it says behind the body.
    pub(crate) fn trailers(&self) -> Result<HeaderMap, String> {
        let Some(lines) = &self.origin_trailers else { return Ok(HeaderMap::new()) };
        Ok(Message::parse(&format!("\n-\n{}", lines.trim_matches('\n')))?.headers.into_iter().collect())
    }

    /// The origin's answer, with a length unless it is chunked, closed by the end (`Connection: close`), or given one.
    pub(crate) fn origin_response(&self, world: &World) -> Option<Result<Message, String>> {
        let text = world.expand(self.origin.as_ref()?);
        Some(Message::parse(&text).map(|mut message| {
            if let Some(bytes) = self.origin_body_bytes {
                message.body = filler(bytes);
            }
            let told = ["content-length", "transfer-encoding"].iter().any(|name| message.has(name));
            let empty = [" 101", " 204", " 304"].iter().any(|status| message.first.contains(status));
            if !told && !empty && !message.ends_by_close() {
                message.push("content-length", HeaderValue::from(message.body.len()));
            }
            message
        }))
    }
}

impl Message {
    /// `Connection: close` and nothing else to tell the end by.
    pub(crate) fn ends_by_close(&self) -> bool {
        !self.has("content-length")
            && !self.has("transfer-encoding")
            && self.headers.iter().any(|(name, value)| name == http::header::CONNECTION && value == "close")
    }

    /// The status of an origin's answer.
    pub(crate) fn status(&self) -> Result<StatusCode, String> {
        let code = self.first.split(' ').nth(1).unwrap_or_default();
        code.parse().map_err(|_| format!("no status in the line {:?}", self.first))
    }
}

/// A text of this many bytes that compresses well.
fn filler(bytes: usize) -> Vec<u8> {
    const LINE: &[u8] = b"All work and no play makes Jack a dull boy.\n";
    let mut text = LINE.repeat(bytes.div_ceil(LINE.len()));
    text.truncate(bytes);
    text
}

/// Every expectation of `step` that `seen` does not meet.
pub(crate) fn check(step: &Step, mode: Mode, world: &World, seen: &Seen) -> Vec<Difference> {
    let mut differs = Differences { world, found: Vec::new() };
    let times = usize::from(step.asks_origin()) + step.then.len();
    differs.equal("requests to the origin", times, seen.asked.len());
    // One that nobody was there to see has no line.
    for (number, got) in seen.asked.iter().enumerate().filter(|(_, got)| !got.line.is_empty()) {
        if let Some(Then { asked: Some(asked), .. }) = step.call(number) {
            differs.asked(&asked, got);
        }
    }
    differs.called(&step.lambda, &seen.called);
    let Some(expect) = &step.expect else { return differs.found };
    if let Some(status) = expect.status {
        differs.equal("status", status, seen.status.as_u16());
    }
    let x_cache = seen.headers.get("x-cache").and_then(|value| value.to_str().ok());
    let x_cache = x_cache.map(|value| value.trim_end_matches(" from cloudfront").to_owned());
    differs.text("X-Cache", expect.x_cache.as_deref(), x_cache.as_deref());
    if expect.body.is_some() || expect.body_has.is_some() {
        let body = String::from_utf8_lossy(&seen.body);
        differs.text("body", expect.body.as_deref(), Some(&body));
        if let Some(part) = &expect.body_has
            && !body.contains(part.as_str())
        {
            differs.push("body", format!("…{part}…"), body.to_string());
        }
    }
    differs.headers("the viewer's", &expect.has, &expect.lacks, &seen.headers);
    if let Some(trailers) = &seen.trailers {
        differs.headers("the trailers'", &expect.trailers, &[], trailers);
    }
    if let Some(closes) = expect.closes {
        differs.equal("connection closed", closes, seen.closed);
    }
    for (name, expected) in &expect.log {
        let got = seen.log.get(name.as_str());
        differs.text(&format!("the log's {name}"), Some(expected), got.map(String::as_str));
    }
    if let Some(logged) = expect.logged {
        differs.equal("logged", logged, !seen.log.is_empty());
    }
    if let Some(inside) = &seen.inside {
        differs.inside(expect, mode, inside);
    }
    differs.found
}

struct Differences<'a> {
    world: &'a World,
    found: Vec<Difference>,
}

impl Differences<'_> {
    fn push(&mut self, what: impl Into<String>, expected: String, got: String) {
        self.found.push(Difference { what: what.into(), expected, got });
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: T, got: T) {
        if expected != got {
            self.push(what, format!("{expected:?}"), format!("{got:?}"));
        }
    }

    fn text(&mut self, what: &str, expected: Option<&str>, got: Option<&str>) {
        let Some(expected) = expected.map(|expected| self.world.expand(expected)) else { return };
        if !got.is_some_and(|got| fits(&expected, got)) {
            self.push(what, format!("{expected:?}"), got.map_or("none".to_owned(), |got| format!("{got:?}")));
        }
    }

    fn asked(&mut self, asked: &Asked, got: &SeenAsked) {
        if got.origin.is_some() {
            self.text("the origin", asked.origin.as_deref(), got.origin.as_deref());
        }
        self.text("the origin's request line", asked.line.as_deref(), Some(&got.line));
        self.text("the origin's scheme", asked.scheme.as_deref(), Some(got.scheme));
        self.text("the origin's HTTP", asked.http.as_deref(), Some(got.http));
        self.headers("the origin's", &asked.has, &asked.lacks, &got.headers);
    }

    fn called(&mut self, calls: &[LambdaCall], called: &[Json]) {
        self.equal("calls of Lambdas", calls.len(), called.len());
        for (call, event) in calls.iter().zip(called) {
            let cf = &event["Records"][0]["cf"];
            self.text("the Lambda's event", Some(&call.at), cf["config"]["eventType"].as_str());
            if let Some(told) = &call.told {
                match serde_json::from_str::<Json>(&self.world.expand(told)) {
                    Ok(told) if holds(cf, &told) => {}
                    Ok(told) => self.push("what the Lambda is told", told.to_string(), cf.to_string()),
                    Err(error) => self.push("what the Lambda is told", error.to_string(), told.clone()),
                }
            }
            for path in &call.untold {
                let value = path.split('.').fold(cf, |value, key| &value[key]);
                if !value.is_null() {
                    self.push(format!("the Lambda's {path}"), "none".to_owned(), value.to_string());
                }
            }
        }
    }

    fn headers(&mut self, whose: &str, has: &BTreeMap<String, Lines>, lacks: &[String], got: &HeaderMap) {
        let values = |name: &str| -> Vec<String> {
            got.get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect()
        };
        for (name, lines) in has {
            let got = values(name);
            let expected: Vec<String> = match lines {
                Lines::One(line) => vec![self.world.expand(line)],
                Lines::Several(lines) => lines.iter().map(|line| self.world.expand(line)).collect(),
            };
            let all_fit = expected.len() == got.len()
                && expected.iter().zip(&got).all(|(expected, got)| fits(expected, got));
            if !all_fit {
                self.push(format!("{whose} {name}"), format!("{expected:?}"), format!("{got:?}"));
            }
        }
        for name in lacks {
            let got = values(name);
            if !got.is_empty() {
                self.push(format!("{whose} {name}"), "none".to_owned(), format!("{got:?}"));
            }
        }
    }

    fn inside(&mut self, expect: &Expect, mode: Mode, inside: &Inside) {
        self.text("behavior", expect.behavior.as_deref(), inside.behavior.as_deref());
        self.text("visitor", expect.visitor.as_deref(), Some(&inside.visitor));
        if expect.console.is_some() {
            self.equal("console", expect.console.as_ref(), Some(&inside.console));
        }
        if let Some(part) = &expect.function_failed
            && !inside.function_failed.contains(part.as_str())
        {
            self.text("function failed", Some(part), Some(&inside.function_failed));
        }
        if let Some(key) = &expect.key {
            let expected: Vec<String> = key.iter().map(|part| self.world.expand(part)).collect();
            self.equal("key", Some(&expected), inside.key.as_ref());
        }
        if expect.ttl.is_some() {
            self.equal("ttl", expect.ttl, inside.ttl);
        }
        if let Some(stored) = expect.stored {
            self.equal("stored", stored, inside.stored);
        }
        self.part("not stored", expect.not_stored.as_deref(), inside.not_stored.as_deref());
        if mode == Mode::Guard {
            self.part("guard", expect.guard.as_deref(), inside.guard.as_deref());
        }
    }

    /// `""` is "nothing was said".
    fn part(&mut self, what: &str, expected: Option<&str>, got: Option<&str>) {
        let Some(expected) = expected else { return };
        let met = match got {
            None => expected.is_empty(),
            Some(got) => !expected.is_empty() && got.contains(expected),
        };
        if !met {
            self.push(what, format!("{expected:?}"), format!("{got:?}"));
        }
    }
}

/// That something was said about each of these.
pub(crate) fn assert_said(failures: &[String], all: &[&str]) {
    for what in all {
        let said = failures.iter().any(|failure| failure.contains(&format!("): {what}: expected")));
        assert!(said, "nothing was said about {what}: {failures:#?}");
    }
}

/// Whether `got` is `pattern`, in which `…` stands for any text.
pub(crate) fn fits(pattern: &str, got: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = got.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Reads a file, or says what is wrong with it.
pub(crate) fn read(text: &str) -> Result<Case, String> {
    let case: Case = toml::from_str(text).map_err(|error| error.to_string())?;
    if case.steps.first().is_some_and(|step| step.meanwhile) {
        return Err("the first step cannot arrive while another is under way".to_owned());
    }
    if !case.steps.is_sorted_by_key(|step| step.at) {
        return Err("the steps go back in time".to_owned());
    }
    if case.steps.is_empty() && case.pending.is_none() && case.refused.is_none() {
        return Err("no steps".to_owned());
    }
    if case.steps.iter().any(|step| step.origin.is_some() && step.origin_fails.is_some()) {
        return Err("the origin answers and fails".to_owned());
    }
    for step in &case.steps {
        let silent = step.asks_origin() || step.asked.is_some() || step.expect.is_some();
        match (&step.invalidate, step.request.is_empty()) {
            (None, true) => return Err("a step without a request".to_owned()),
            (Some(_), false) => return Err("a step is a request or an invalidation".to_owned()),
            (Some(_), true) if silent => return Err("nobody sees an invalidation".to_owned()),
            (None, false) if step.refused.is_some() => {
                return Err("a request is refused by what it gets".to_owned());
            }
            _ => {}
        }
        if !step.then.is_empty() && !step.asks_origin() {
            return Err("a further call without a first".to_owned());
        }
        if step.then.iter().any(|then| then.origin.is_some() == then.origin_fails.is_some()) {
            return Err("a further call is answered or fails, one of them".to_owned());
        }
    }
    if case.origins.iter().any(|origin| origin.id.is_none()) {
        return Err("a further origin has an id".to_owned());
    }
    if case.refused_times.is_some() && case.refused.is_none() {
        return Err("refused_times without refused".to_owned());
    }
    Ok(case)
}
