//! What a viewer gets to see: CloudFront's own fields (§8.1), what is filtered from the origin's (§8.3, §7.6, §7.7),
//! response headers policies (§8.4) and the pages CloudFront writes itself (§10.4, §10.5).
//!
//! It computes headers and pages; it refuses to know whether something is stored, and how bodies travel.

mod cors;
mod pending;
mod results;
pub mod server_timing;

use std::fmt::Write as _;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, LOCATION, SERVER, SET_COOKIE, VARY,
    VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::cache::storing::vary_names;
use crate::distribution::{Behavior, Distribution, HeaderForwarding, OriginHeader, ResponseHeadersPolicy};
use crate::function::lambda::Failed;
use crate::header::range::Slice;
use crate::header::{date, hop};
use crate::origin::REQUEST_ID;
use crate::viewer::{Request, Scheme, without_port};

pub use self::pending::Pending;
pub use self::results::{Detailed, Results};

/// `X-Cache`.
pub const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
/// `X-Amz-Cf-Pop`.
pub const POP: HeaderName = HeaderName::from_static("x-amz-cf-pop");

/// How long a viewer may go by what it was told of HTTP/3 (§8.1).
const ALT_SVC_SECONDS: u32 = 86_400;

const CLOUDFRONT: HeaderValue = HeaderValue::from_static("CloudFront");

/// The values of `X-Cache` (§8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XCache {
    /// From the cache, collapsed waiters included.
    Hit,
    /// From the origin.
    Miss,
    /// Expired, confirmed by a 304.
    RefreshHit,
    /// Any 4xx or 5xx, whoever made it.
    Error,
    /// To https.
    Redirect,
    /// A CloudFront Function answered.
    FunctionGenerated,
    /// A function threw or ran too long: 503.
    FunctionExecutionError,
    /// A function returned something invalid: 502.
    FunctionValidationError,
    /// A function was throttled.
    FunctionThrottled,
    /// A viewer-request Lambda answered.
    LambdaGenerated,
    /// 503.
    LambdaExecutionError,
    /// 502.
    LambdaValidationError,
    /// 503.
    LambdaLimitExceeded,
    /// 503: a quota.
    LimitExceeded,
    /// 503: no room.
    CapacityExceeded,
}

impl XCache {
    /// The whole field value.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Hit => "Hit from cloudfront",
            Self::Miss => "Miss from cloudfront",
            Self::RefreshHit => "RefreshHit from cloudfront",
            Self::Error => "Error from cloudfront",
            Self::Redirect => "Redirect from cloudfront",
            Self::FunctionGenerated => "FunctionGeneratedResponse from cloudfront",
            Self::FunctionExecutionError => "FunctionExecutionError from cloudfront",
            Self::FunctionValidationError => "FunctionValidationError from cloudfront",
            Self::FunctionThrottled => "FunctionThrottledError from cloudfront",
            Self::LambdaGenerated => "LambdaGeneratedResponse from cloudfront",
            Self::LambdaExecutionError => "LambdaExecutionError from cloudfront",
            Self::LambdaValidationError => "LambdaValidationError from cloudfront",
            Self::LambdaLimitExceeded => "LambdaLimitExceeded from cloudfront",
            Self::LimitExceeded => "LimitExceeded from cloudfront",
            Self::CapacityExceeded => "CapacityExceeded from cloudfront",
        }
    }

    /// The word before ` from cloudfront`, which is the result type of the logs too (§15.1).
    pub fn word(self) -> &'static str {
        let text = self.text();
        text.split_once(' ').map_or(text, |(word, _)| word)
    }

    /// What a Lambda that came to nothing is to viewers (§14.4).
    pub fn of_lambda(failed: &Failed) -> Self {
        match failed {
            Failed::Execution(_) => Self::LambdaExecutionError,
            Failed::Limit => Self::LambdaLimitExceeded,
            Failed::Validation(_) => Self::LambdaValidationError,
        }
    }

    /// The field value, without allocating.
    pub const fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.text())
    }

    /// Every status of 400 and more is an `Error`, whatever the cache did (§8.2).
    pub fn of(self, status: StatusCode) -> Self {
        if status.as_u16() >= 400 { Self::Error } else { self }
    }
}

/// What this edge says of itself in every response.
#[derive(Debug, Clone)]
pub struct Place {
    /// `X-Amz-Cf-Pop`.
    pub pop: HeaderValue,
    /// `<32 hex>.cloudfront.net`, in `Via` both ways.
    pub via_pseudonym: String,
    /// `Via` towards viewers.
    pub via: HeaderValue,
    /// The port redirects to https name; `None` is 443.
    pub https_port: Option<u16>,
    /// `Alt-Svc`, where viewers are served over HTTP/3 as well.
    alt_svc: Option<HeaderValue>,
}

impl Place {
    /// A place with a pseudonym of its own; `seed` keeps it the same over restarts, or makes it unlike others.
    pub fn new(seed: u64, https_port: Option<u16>) -> Self {
        let via_pseudonym =
            format!("{seed:016x}{:016x}.cloudfront.net", seed.rotate_left(29) ^ 0x5bd1_e995_9e37_79b9);
        let via = HeaderValue::from_str(&format!("1.1 {via_pseudonym} (CloudFront)"));
        Self {
            pop: HeaderValue::from_static("LOC50-P1"),
            via: via.unwrap_or(const { HeaderValue::from_static("1.1 edge.cloudfront.net (CloudFront)") }),
            via_pseudonym,
            https_port,
            alt_svc: None,
        }
    }

    /// The same place, which tells viewers that HTTP/3 is spoken at this port, if the distribution has that (§8.1).
    #[must_use]
    pub fn offering_http3(self, distribution: &Distribution, port: Option<u16>) -> Self {
        let offer = |port| HeaderValue::from_str(&format!("h3=\":{port}\"; ma={ALT_SVC_SECONDS}")).ok();
        Self { alt_svc: port.filter(|_| distribution.offers_http3()).and_then(offer), ..self }
    }

    /// What a response tells a viewer who came in this way of HTTP/3. It is about the connection and not about what is
    /// served: no function sees it, no policy removes it, and nothing is stored with it.
    pub fn alt_svc(&self, scheme: Scheme) -> Option<&HeaderValue> {
        self.alt_svc.as_ref().filter(|_| scheme == Scheme::Https)
    }
}

/// A head for the viewer, and where its body comes from.
#[derive(Debug, Clone)]
pub struct Response {
    /// Sent to the viewer.
    pub status: StatusCode,
    /// Complete but for framing.
    pub headers: HeaderMap,
    /// Where the bytes are.
    pub body: Source,
    /// What the viewer gets in place of it: a function's own body. What is stored is what `body` says.
    pub instead: Option<Bytes>,
    /// The call of a Lambda that comes before the viewer gets it.
    pub pending: Option<Box<Pending>>,
    /// Whether the connection may carry another request.
    pub connection: Connection,
    /// What a log says of it.
    pub results: Results,
}

/// Where a response's body comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// There is none (HEAD, 304).
    Empty,
    /// CloudFront wrote it.
    Text(Bytes),
    /// The stored object that was found.
    Stored,
    /// Parts of it (§7.12), with what stands between them.
    Slices(Vec<Slice>),
    /// The origin's response, as it arrives.
    Origin,
    /// Bytes both ways, until one side has had enough (§11.4).
    Tunnel,
    /// What a Lambda gave in place of an origin's response: as if it arrived.
    Given(Bytes),
}

/// What becomes of an HTTP/1.1 connection after the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Kept for the next request.
    Kept,
    /// Closed: the request could not be read, or its body was not wanted (threats M5, M9).
    Closed,
}

/// Turns the origin's headers into those of this behavior's viewers; what `Place`, `X-Cache` and the request id add
/// is in place afterwards, so that a stored copy needs only its placeholders replaced.
pub(crate) fn for_viewers(
    mut headers: HeaderMap,
    status: StatusCode,
    method: &Method,
    behavior: &Behavior,
    place: &Place,
    now: SystemTime,
) -> HeaderMap {
    hop::remove_hop_by_hop(&mut headers);
    if !forwards_cookies(behavior) && matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        headers.remove(SET_COOKIE); // §7.6; EMU: kept on other methods
    }
    filter_vary(&mut headers, behavior);
    remove_own(&mut headers);
    headers.entry(SERVER).or_insert(CLOUDFRONT);
    headers.entry(DATE).or_insert_with(|| date::format(now));
    headers.insert(X_CACHE, XCache::Miss.of(status).value());
    headers.insert(VIA, place.via.clone());
    headers.insert(POP, place.pop.clone());
    headers
}

/// Turns the headers of an interim response into those of this behavior's viewers. It announces no length (RFC 9110
/// §8.6) and sets no cookies: those belong to the final response, where the rules on them are.
pub(crate) fn interim(mut headers: HeaderMap, behavior: &Behavior, place: &Place) -> HeaderMap {
    hop::remove_hop_by_hop(&mut headers);
    remove_own(&mut headers);
    headers.remove(CONTENT_LENGTH);
    headers.remove(SET_COOKIE);
    for name in behavior.response_headers.iter().flat_map(|policy| &policy.remove) {
        headers.remove(name);
    }
    headers.insert(VIA, place.via.clone());
    headers
}

/// What only CloudFront says, an origin does not.
fn remove_own(headers: &mut HeaderMap) {
    let is_own = |name: &&HeaderName| {
        name.as_str().starts_with("x-amz-cf-") || name.as_str().starts_with("x-edge-") || **name == X_CACHE
    };
    let own: Vec<HeaderName> = headers.keys().filter(is_own).cloned().collect();
    for name in own {
        headers.remove(name);
    }
}

/// Cookies are forwarded when any setting may forward one (§7.6).
pub(crate) fn forwards_cookies(behavior: &Behavior) -> bool {
    !behavior.key.cookies.is_none() || !behavior.forward.cookies.is_none()
}

/// `Vary` as viewers see it (§7.7).
fn filter_vary(headers: &mut HeaderMap, behavior: &Behavior) {
    if !headers.contains_key(VARY) {
        return;
    }
    let kept: Vec<String> = vary_names(headers).filter(|name| vary_is_shown(name, behavior)).collect();
    headers.remove(VARY);
    if !kept.is_empty()
        && let Ok(value) =
            HeaderValue::from_str(&kept.iter().map(|name| title_case(name)).collect::<Vec<_>>().join(", "))
    {
        headers.insert(VARY, value);
    }
}

fn vary_is_shown(name: &str, behavior: &Behavior) -> bool {
    match name {
        "accept-encoding" | "cookie" => true,
        // With MinTTL 0 it has its meaning (nothing is served without the origin), and says so to the next cache.
        "*" => behavior.ttl.min.is_zero(),
        "user-agent" if behavior.names_header(|header| header.as_str().starts_with("cloudfront-is-")) => true,
        _ => {
            behavior.names_header(|header| header.as_str() == name)
                || match &behavior.forward.headers {
                    HeaderForwarding::AllViewer { .. } => true,
                    HeaderForwarding::AllExcept { names, .. } => {
                        !names.iter().any(|header| header.as_str() == name)
                    }
                    HeaderForwarding::Only(_) | HeaderForwarding::Defaults => false,
                }
        }
    }
}

/// `accept-encoding` → `Accept-Encoding`.
fn title_case(name: &str) -> String {
    let mut start = true;
    name.chars()
        .map(|letter| {
            let cased = if start { letter.to_ascii_uppercase() } else { letter };
            start = letter == '-';
            cased
        })
        .collect()
}

/// `Vary` gains Accept-Encoding where the edge compressed (§9).
pub(crate) fn compressed(headers: &mut HeaderMap, coding: HeaderValue) {
    headers.insert(CONTENT_ENCODING, coding);
    headers.remove(CONTENT_LENGTH);
    crate::header::conditional::weaken(headers);
    if !vary_names(headers).any(|name| name == "accept-encoding") {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// Applies a response headers policy: removals first, then CORS, then what it sets, Server-Timing last (§8.4).
pub(crate) fn apply_policy(
    headers: &mut HeaderMap,
    policy: &ResponseHeadersPolicy,
    request: &Request,
    facts: &server_timing::Facts<'_>,
    now: SystemTime,
) {
    for name in &policy.remove {
        headers.remove(name);
        if *name == SERVER {
            headers.insert(SERVER, CLOUDFRONT); // vector 45
        } else if *name == DATE {
            headers.insert(DATE, date::format(now));
        }
    }
    if let Some(cors) = &policy.cors {
        cors::apply(headers, cors, request);
    }
    for set in &policy.set {
        if set.origin == OriginHeader::Overridden || !headers.contains_key(&set.name) {
            headers.insert(&set.name, set.value.clone());
        }
    }
    if let Some(percent) = policy.server_timing_percent {
        server_timing::apply(headers, percent, request, facts);
    }
}

/// What of a stored head a 304 carries (RFC 9110 §15.4.5), with everything CloudFront adds.
pub(crate) fn not_modified(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE] {
        headers.remove(name);
    }
}

/// A response CloudFront writes itself.
pub(crate) fn generated(place: &Place, id: &HeaderValue, x_cache: XCache, now: SystemTime) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(SERVER, CLOUDFRONT);
    headers.insert(DATE, date::format(now));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    headers.insert(X_CACHE, x_cache.value());
    headers.insert(VIA, place.via.clone());
    headers.insert(POP, place.pop.clone());
    headers.insert(REQUEST_ID, id.clone());
    headers
}

/// The page of §10.4.
pub fn error_page(status: StatusCode, reason: &str, id: &HeaderValue) -> Bytes {
    let mut page = String::with_capacity(1_200);
    // Writing to a String cannot fail.
    _ = write!(
        page,
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01 Transitional//EN\" \"http://www.w3.org/TR/html4/loose.dtd\">\n\
         <HTML><HEAD><META HTTP-EQUIV=\"Content-Type\" CONTENT=\"text/html; charset=iso-8859-1\">\n\
         <TITLE>ERROR: The request could not be satisfied</TITLE>\n\
         </HEAD><BODY>\n\
         <H1>{} ERROR</H1>\n\
         <H2>The request could not be satisfied.</H2>\n\
         <HR noshade size=\"1px\">\n\
         {reason}\n\
         We can't connect to the server for this app or website at this time. There might be too much traffic or a configuration error. Try again later, or contact the app or website owner.\n\
         <BR clear=\"all\">\n\
         If you provide content to customers through CloudFront, you can find steps to troubleshoot and help prevent this error by reviewing the CloudFront documentation.\n\
         <BR clear=\"all\">\n\
         <HR noshade size=\"1px\">\n\
         <PRE>\n\
         Generated by cloudfront (CloudFront)\n\
         Request ID: {}\n\
         </PRE>\n\
         <ADDRESS>\n\
         </ADDRESS>\n\
         </BODY></HTML>\n",
        status.as_str(),
        id.to_str().unwrap_or_default(),
    );
    Bytes::from(page)
}

/// What a request without a good signature gets (§10.6), in one line.
pub fn error_document(code: &str, message: &str) -> Bytes {
    Bytes::from(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    ))
}

/// The body of a redirect (§10.5): 167 bytes for 301.
pub fn redirect_page(status: StatusCode) -> Bytes {
    let title = if status == StatusCode::MOVED_PERMANENTLY {
        "301 Moved Permanently"
    } else {
        "307 Temporary Redirect"
    };
    Bytes::from(format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>CloudFront</center>\r\n</body>\r\n</html>\r\n"
    ))
}

/// Where a redirect to https points (§10.5): host as sent, port dropped, or the port of the local listener.
pub(crate) fn https_location(request: &Request, place: &Place) -> Option<(HeaderName, HeaderValue)> {
    let host = without_port(request.host.to_str().ok()?);
    let target = request.target.as_str();
    let location = match place.https_port {
        None | Some(443) => format!("https://{host}{target}"),
        Some(port) => format!("https://{host}:{port}{target}"),
    };
    HeaderValue::from_str(&location).ok().map(|value| (LOCATION, value))
}
