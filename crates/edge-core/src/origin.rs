//! The origin request (§5): what of a viewer's request an origin gets to see, and what CloudFront adds.
//!
//! It is written anew, never edited in place: a field reaches the origin because a rule names it. Framing and
//! `Connection` are the connection's business, so they are not here. The same pass tells which credentials went out
//! without being in the key, which the guard asks about.

mod signing;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE,
    COOKIE, HOST, REFERER, TE, UPGRADE, USER_AGENT, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::cache::storing::Unkeyed;
use crate::distribution::{
    Behavior, Distribution, HeaderDefaults, HeaderForwarding, Names, OptionsCaching, Origin, OriginKind,
    OriginProtocol, Reach, Signing,
};
use crate::header::conditional::{CONDITIONS, Validators};
use crate::header::encoding::AcceptEncoding;
use crate::header::{cookie, hop, query, range};
use crate::viewer::device::Device;
use crate::viewer::gate::Admitted;
use crate::viewer::traffic::Traffic;
use crate::viewer::{Body, Request, Scheme, facts};

/// What CloudFront calls itself where the viewer's agent is not forwarded (§5.1).
pub const CLOUDFRONT_AGENT: HeaderValue = HeaderValue::from_static("Amazon CloudFront");
/// Seen by origin and viewer; the id of the exchange.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-cf-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A request ready for an origin.
#[derive(Debug, Clone)]
pub struct Call {
    /// Index into `Distribution::origins`.
    pub origin: usize,
    /// What that origin is for this request, where a function changed it (§14.5).
    pub changed: Option<Arc<Origin>>,
    /// After `OriginProtocolPolicy`.
    pub scheme: Scheme,
    /// The viewer's.
    pub method: Method,
    /// Raw path and query, `OriginPath` in front (§2.4).
    pub target: String,
    /// Complete, `Host` included, and what its traffic needs (`Upgrade`, `TE`); without framing and `Connection`.
    pub headers: HeaderMap,
    /// How the viewer's body is framed.
    pub body: Body,
    /// What it begins: a WebSocket over HTTP/1.1, a call of gRPC over HTTP/2.
    pub traffic: Traffic,
    /// The body a Lambda gave in place of the viewer's.
    pub given: Option<Bytes>,
}

/// Why an origin gave no response. One place makes a status of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No such name, or no address.
    Dns,
    /// Refused, reset, or TLS failed.
    Connect,
    /// No connection in time, after all attempts.
    ConnectTimeout,
    /// Nothing in time before the head.
    ReadTimeout,
    /// Closed without a response.
    Closed,
    /// Not HTTP.
    Invalid,
    /// Response head over 32,768 bytes.
    HeadTooLarge,
    /// The completion timeout.
    CompletionTimeout,
    /// A 206 whose `Content-Range` and `Content-Length` contradict each other (§7.10).
    ContentRange,
    /// The viewer stopped sending before the end of his body.
    ViewerBody,
}

impl Call {
    /// Whom it is for.
    pub fn origin_of<'a>(&'a self, distribution: &'a Distribution) -> &'a Origin {
        self.changed.as_deref().unwrap_or(&distribution.origins[self.origin])
    }
}

impl Failure {
    /// Status and reason sentence (§10.3, §10.4).
    pub fn answer(self) -> (StatusCode, &'static str) {
        const NOT_CONNECTED: &str = "CloudFront wasn't able to connect to the origin.";
        const ATTEMPTED: &str = "CloudFront attempted to establish a connection with the origin, but either the attempt failed or the origin closed the connection.";
        match self {
            Self::Dns => {
                (StatusCode::BAD_GATEWAY, "CloudFront wasn't able to resolve the origin domain name.")
            }
            Self::Connect | Self::Invalid | Self::HeadTooLarge | Self::ContentRange | Self::ViewerBody => {
                (StatusCode::BAD_GATEWAY, NOT_CONNECTED)
            }
            Self::Closed => (StatusCode::BAD_GATEWAY, "The origin closed the connection."),
            Self::ConnectTimeout | Self::ReadTimeout | Self::CompletionTimeout => {
                (StatusCode::GATEWAY_TIMEOUT, ATTEMPTED)
            }
        }
    }
}

impl Failure {
    /// `x-edge-detailed-result-type` (§10.3).
    pub fn detailed(self) -> &'static str {
        match self {
            Self::Dns => "OriginDnsError",
            Self::Connect => "OriginConnectError",
            Self::ConnectTimeout | Self::ReadTimeout | Self::Closed | Self::CompletionTimeout => {
                "OriginCommError"
            }
            Self::Invalid => "OriginInvalidResponseError",
            Self::HeadTooLarge => "OriginHeaderTooBigError",
            Self::ContentRange => "OriginContentRangeLengthError",
            Self::ViewerBody => "ClientHungUpRequest",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detailed())
    }
}

/// Everything [`write()`] reads.
pub(crate) struct Sources<'a> {
    pub(crate) admitted: &'a Admitted,
    pub(crate) behavior: &'a Behavior,
    pub(crate) origin: (usize, &'a Origin),
    pub(crate) path: &'a str,
    pub(crate) accept: AcceptEncoding,
    pub(crate) device: Device,
    pub(crate) request_id: &'a HeaderValue,
    pub(crate) via_pseudonym: &'a str,
    pub(crate) conditions: Option<&'a Validators>,
    pub(crate) ranges: Ranges,
    /// A function's choice of Host (§14.5).
    pub(crate) host: Option<&'a HeaderValue>,
}

/// What becomes of the viewer's `Range` (§7.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ranges {
    /// It goes out as it is: nothing is kept.
    AsAsked,
    /// It goes out if what it brings can be told from what was asked for; otherwise the whole is.
    Storable,
    /// It stays behind: the whole is held, and is to be brought up to date.
    Whole,
}

/// Writes the origin request, unsigned, and says which credentials it carries outside the key.
pub(crate) fn write(sources: &Sources<'_>) -> (Call, Unkeyed) {
    let Sources { admitted, behavior, origin: (index, origin), .. } = *sources;
    let request = admitted.request();
    // Neither is carried into private networks (§11.4): what becomes of one is not documented; here it is an ordinary
    // request *(unsure)*.
    let traffic = if origin.reach == Reach::Vpc { Traffic::Messages } else { request.traffic };
    let mut headers = HeaderMap::with_capacity(16);
    viewer_headers(&mut headers, request, behavior);
    keyed_and_listed(&mut headers, sources);
    own_headers(&mut headers, sources);
    let cookies_keyed = forward_cookies(&mut headers, request, behavior);
    conditional_headers(&mut headers, sources);
    for (name, value) in &origin.custom_headers {
        headers.insert(name, value.clone()); // over the viewer's (§5.6)
    }
    remove_shadows(&mut headers, behavior);
    match traffic {
        Traffic::Messages => {}
        Traffic::WebSocket => _ = headers.insert(UPGRADE, HeaderValue::from_static("websocket")),
        Traffic::Grpc => _ = headers.insert(TE, HeaderValue::from_static("trailers")),
    }
    let unkeyed = Unkeyed {
        cookie: headers.contains_key(COOKIE) && !cookies_keyed,
        authorization: headers.contains_key(AUTHORIZATION) && !behavior.key.headers.contains(&AUTHORIZATION),
        certificate: facts::tells_of_certificate(admitted, &headers, &behavior.key.headers),
        accept_encoding: headers.contains_key(ACCEPT_ENCODING)
            && !(behavior.key.gzip || behavior.key.brotli || behavior.key.headers.contains(&ACCEPT_ENCODING)),
        condition: sources.conditions.is_none() && request.is_conditional(),
    };
    let call = Call {
        origin: index,
        changed: None,
        scheme: scheme(origin, request.scheme),
        method: request.method.clone(),
        target: target(sources),
        headers,
        body: request.body,
        traffic,
        given: None,
    };
    (call, unkeyed)
}

/// Signs a call that is complete, where its origin's access control says so (§5.11).
pub(crate) fn sign(call: &mut Call, distribution: &Distribution, now: SystemTime) {
    if let Some(signing) = &call.origin_of(distribution).signing.clone() {
        signing::sign(call, signing, now);
    }
}

/// What a call asks for, without its origin's own path.
pub(crate) fn path_and_query<'a>(call: &'a Call, origin: &Origin) -> (&'a str, Option<&'a str>) {
    let target = call.target.strip_prefix(origin.path.as_str()).unwrap_or(&call.target);
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

/// How an origin is spoken to, for a viewer who came so.
pub(crate) fn scheme(origin: &Origin, viewer: Scheme) -> Scheme {
    match origin.kind {
        OriginKind::Custom { protocol: OriginProtocol::HttpOnly, .. } => Scheme::Http,
        OriginKind::Custom { protocol: OriginProtocol::HttpsOnly, .. } => Scheme::Https,
        // §5.5: what is always signed goes over HTTPS.
        OriginKind::S3 if origin.signing.as_ref().is_some_and(Signing::is_in_force_always) => Scheme::Https,
        OriginKind::Custom { protocol: OriginProtocol::MatchViewer, .. } | OriginKind::S3 => viewer,
    }
}

/// Whether a parameter or cookie goes to the origin: in the key, or allowed by the origin request policy; where both
/// lists are block lists a name on either stays behind unless it is keyed (§4.5).
fn is_sent(key: &Names, forward: &Names, name: &[u8]) -> bool {
    key.select(name)
        || match (key, forward) {
            (Names::AllExcept(blocked), Names::AllExcept(_))
                if blocked.iter().any(|entry| entry.matches(name)) =>
            {
                false
            }
            _ => forward.select(name),
        }
}

fn target(sources: &Sources<'_>) -> String {
    let request = sources.admitted.request();
    let mut target = String::with_capacity(request.target.as_str().len() + 16);
    target.push_str(&sources.origin.1.path);
    target.push_str(sources.path);
    let Some(text) = request.target.query() else { return target };
    let mut mark = '?';
    for parameter in query::parameters(text) {
        let name = parameter.name.as_bytes();
        if !parameter.raw.is_empty()
            && is_sent(&sources.behavior.key.query, &sources.behavior.forward.query, name)
        {
            target.push(mark);
            target.push_str(parameter.raw);
            mark = '&';
        }
    }
    target
}

/// Fields nobody selected: the columns of §5.2.
fn viewer_headers(out: &mut HeaderMap, request: &Request, behavior: &Behavior) {
    for (name, value) in &request.headers {
        let read_as = with_hyphens(name);
        if may_pass(&read_as) && forwards(name, &read_as, request, behavior) {
            out.append(name, value.clone());
        }
    }
}

/// How an origin may read the name: CGI and its heirs make `_` of `-`, so either stands for both (threats T1).
fn with_hyphens(name: &HeaderName) -> Cow<'_, HeaderName> {
    if !name.as_str().contains('_') {
        return Cow::Borrowed(name);
    }
    let plain = HeaderName::from_bytes(name.as_str().replace('_', "-").as_bytes());
    plain.map_or(Cow::Borrowed(name), Cow::Owned)
}

/// Takes out `X_Tenant` where `X-Tenant` is keyed or sent: an origin that reads both as one would answer to a value
/// the key does not hold.
fn remove_shadows(out: &mut HeaderMap, behavior: &Behavior) {
    let is_shadow = |name: &&HeaderName| match with_hyphens(name) {
        Cow::Borrowed(_) => false,
        Cow::Owned(plain) => out.contains_key(&plain) || behavior.key.headers.contains(&plain),
    };
    let shadows: Vec<HeaderName> = out.keys().filter(is_shadow).cloned().collect();
    for name in shadows {
        out.remove(name);
    }
}

/// Whether a viewer's field may reach any origin at all ("remove", "can be keyed on: no" in §5.2; threats T1, M4).
fn may_pass(name: &HeaderName) -> bool {
    let text = name.as_str();
    !(hop::is_hop_by_hop(name)
        || facts::is_reserved(name)
        || text.starts_with("x-amz-cf-")
        || text.starts_with("x-edge-")
        || matches!(
            text,
            "accept-encoding"
                | "content-length"
                | "cookie"
                | "expect"
                | "host"
                | "via"
                | "x-forwarded-for"
                | "x-forwarded-proto"
                | "x-real-ip"
        )
        || CONDITIONS.contains(name))
}

fn forwards(name: &HeaderName, read_as: &HeaderName, request: &Request, behavior: &Behavior) -> bool {
    let selected = match &behavior.forward.headers {
        HeaderForwarding::AllViewer { .. } => true,
        HeaderForwarding::AllExcept { names, .. } => !names.contains(name) && !names.contains(read_as),
        HeaderForwarding::Only(_) | HeaderForwarding::Defaults => false, // copied by name below
    };
    selected
        || match behavior.forward.defaults {
            // The fields a body cannot be understood without (§5.2, EMU).
            HeaderDefaults::Policy => {
                (request.body != Body::None || request.traffic == Traffic::Grpc)
                    && (name == CONTENT_TYPE || name == CONTENT_ENCODING || name.as_str() == "content-md5")
            }
            HeaderDefaults::Legacy => legacy_default(read_as, request, behavior),
        }
}

/// The "legacy default" column of §5.2.
fn legacy_default(name: &HeaderName, request: &Request, behavior: &Behavior) -> bool {
    if name == AUTHORIZATION {
        return match request.method {
            Method::GET | Method::HEAD => false,
            Method::OPTIONS => behavior.options == OptionsCaching::Off,
            _ => true,
        };
    }
    let removed = [ACCEPT, ACCEPT_CHARSET, ACCEPT_LANGUAGE, REFERER, USER_AGENT];
    !removed.contains(name) && name.as_str() != "x-http-method-override"
}

/// Fields named by the cache policy or the origin request policy, viewer's or `CloudFront-*`.
fn keyed_and_listed(out: &mut HeaderMap, sources: &Sources<'_>) {
    let request = sources.admitted.request();
    let listed: &[HeaderName] = match &sources.behavior.forward.headers {
        HeaderForwarding::Defaults => &[],
        HeaderForwarding::Only(names) => names,
        HeaderForwarding::AllViewer { plus } | HeaderForwarding::AllExcept { plus, .. } => plus,
    };
    for name in sources.behavior.key.headers.iter().chain(listed) {
        if facts::is_reserved(name) {
            if let Some(value) = facts::value(name, sources.admitted, sources.device) {
                out.insert(name, value);
            }
        } else if may_pass(name)
            || *name == ACCEPT_ENCODING && !(sources.behavior.key.gzip || sources.behavior.key.brotli)
        {
            out.remove(name);
            for value in request.headers.get_all(name) {
                out.append(name, value.clone());
            }
        }
    }
}

/// What CloudFront writes on every origin request (§5.1).
fn own_headers(out: &mut HeaderMap, sources: &Sources<'_>) {
    let request = sources.admitted.request();
    out.insert(HOST, host(sources));
    if !out.contains_key(USER_AGENT) {
        out.insert(USER_AGENT, CLOUDFRONT_AGENT);
    }
    out.insert(REQUEST_ID, sources.request_id.clone());
    let via = format!("{} {} (CloudFront)", facts::http_version(request.version), sources.via_pseudonym);
    append_to_list(out, request, VIA, ", ", &via);
    append_to_list(out, request, FORWARDED_FOR, ",", &request.peer.ip().to_string());
    if sources.behavior.key.gzip || sources.behavior.key.brotli {
        match sources.accept.to_origin() {
            Some(value) => _ = out.insert(ACCEPT_ENCODING, value),
            None => _ = out.remove(ACCEPT_ENCODING),
        }
    } else if forwards(&ACCEPT_ENCODING, &ACCEPT_ENCODING, request, sources.behavior)
        && let Some(value) = request.headers.get(ACCEPT_ENCODING)
    {
        // No flag: an ordinary header (§4.4). Legacy without Compress: normalised, if it names a coding (§4.6).
        let legacy = sources.behavior.forward.defaults == HeaderDefaults::Legacy;
        match legacy.then(|| AcceptEncoding::normalise(&request.headers, request.version, true, true)) {
            None => _ = out.insert(ACCEPT_ENCODING, value.clone()),
            Some(AcceptEncoding::Absent | AcceptEncoding::Identity) => {}
            Some(_) => _ = out.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        }
    }
}

/// The viewer's list, if any, with our entry behind it.
fn append_to_list(out: &mut HeaderMap, request: &Request, name: HeaderName, separator: &str, ours: &str) {
    let mut list = Vec::new();
    for value in request.headers.get_all(&name) {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(separator.as_bytes());
    }
    list.extend_from_slice(ours.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&list) {
        out.insert(name, value);
    }
}

/// The viewer's Host where a policy selects it, else the origin's name (§5.2, §5.3).
fn host(sources: &Sources<'_>) -> HeaderValue {
    if let Some(host) = sources.host {
        return host.clone(); // before it is signed
    }
    let selected = sources.behavior.key.headers.contains(&HOST)
        || match &sources.behavior.forward.headers {
            HeaderForwarding::Defaults => false,
            HeaderForwarding::Only(names) => names.contains(&HOST),
            HeaderForwarding::AllViewer { .. } => true,
            HeaderForwarding::AllExcept { names, .. } => !names.contains(&HOST),
        };
    let viewers = || sources.admitted.request().host.clone();
    if selected {
        viewers()
    } else {
        HeaderValue::from_str(&sources.origin.1.domain_name).unwrap_or_else(|_| viewers())
    }
}

/// Writes one `Cookie`, sorted by name; returns whether every cookie in it is in the key (§4.3, §4.5).
fn forward_cookies(out: &mut HeaderMap, request: &Request, behavior: &Behavior) -> bool {
    let (key, forward) = (&behavior.key.cookies, &behavior.forward.cookies);
    let Some(header) = request.headers.get(COOKIE) else { return true };
    if (key.is_none() && forward.is_none()) || !cookie::is_standard(header.as_bytes()) {
        return true;
    }
    let mut pairs: Vec<cookie::Pair<'_>> =
        cookie::pairs(header.as_bytes()).filter(|pair| is_sent(key, forward, pair.name)).collect();
    pairs.sort_by_key(|pair| pair.name);
    let joined = pairs.iter().map(|pair| pair.raw).collect::<Vec<_>>().join(&b"; "[..]);
    if !joined.is_empty()
        && let Ok(value) = HeaderValue::from_bytes(&joined)
    {
        out.insert(COOKIE, value);
    }
    pairs.iter().all(|pair| key.select(pair.name))
}

/// The edge's own validators when it revalidates, else the viewer's (§5.2, §7.8).
fn conditional_headers(out: &mut HeaderMap, sources: &Sources<'_>) {
    use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};
    let request = sources.admitted.request();
    if let Some(Validators { etag, last_modified }) = sources.conditions {
        if let Some(etag) = etag {
            out.insert(IF_NONE_MATCH, etag.clone());
        }
        if let Some(date) = last_modified {
            out.insert(IF_MODIFIED_SINCE, date.clone());
        }
        return;
    }
    let ranges_pass = match sources.ranges {
        Ranges::AsAsked => true,
        Ranges::Storable => request.method == Method::GET && range::is_forwardable(&request.headers),
        Ranges::Whole => false,
    };
    for (name, value) in &request.headers {
        let ranged = *name == RANGE || *name == IF_RANGE;
        if CONDITIONS.contains(name) && (!ranged || ranges_pass) {
            out.append(name, value.clone());
        }
    }
}
