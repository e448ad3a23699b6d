//! The gate: which behavior a request belongs to and whether CloudFront would answer it at all.
//!
//! Only the gate makes an [`Admitted`]; the key and the origin request accept nothing else, so a check that was
//! skipped does not compile. It refuses to know what is cached and what an origin would say: it runs on hits too
//! (threats S6).

use std::fmt;
use std::time::SystemTime;

use http::header::{CONTENT_TYPE, VIA};
use http::uri::PathAndQuery;
use http::{Method, Version};

use super::signing::{self, Signed};
use super::traffic::{self, Traffic};
use super::{Body, Request, Scheme, Shown};
use crate::distribution::{Behavior, Distribution, Grpc, ViewerProtocolPolicy, path_pattern};

/// Which behavior of the distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BehaviorId {
    /// Index into [`Distribution::behaviors`].
    Ordered(usize),
    /// [`Distribution::default_behavior`].
    Default,
}

/// A request past the gate, with the behavior it belongs to for good: a function that rewrites the path does not
/// move it to another (§0.3).
#[derive(Debug, Clone)]
pub struct Admitted {
    pub(crate) request: Request,
    pub(crate) behavior: BehaviorId,
    /// What a viewer asked for that failed, where this asks for the page that says so (§10.1).
    failed: Option<PathAndQuery>,
    /// Whose signature let it in, where the behavior wants one (§12.2).
    signed: Option<Signed>,
    /// The viewer's certificate, where the distribution asks for one (§11.6).
    shown: Shown,
}

impl Admitted {
    /// The request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The behavior it belongs to.
    pub fn behavior(&self) -> BehaviorId {
        self.behavior
    }

    /// The signature that let it in, where the behavior wants one.
    pub fn signed(&self) -> Option<&Signed> {
        self.signed.as_ref()
    }

    /// What the viewer showed, where the distribution asks for a certificate.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// The target that failed, where this asks for a custom error page.
    pub fn failed(&self) -> Option<&PathAndQuery> {
        self.failed.as_ref()
    }
}

/// Why CloudFront answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// 403: no distribution has this Host (§17.2).
    UnknownHost,
    /// 403 *(unsure)*: the distribution is disabled (§0.2).
    Disabled,
    /// 403: it came through two distributions already (§17.6).
    Chain,
    /// 421 *(unsure)*: the distribution serves nobody without a certificate, or asks a connection function, and this
    /// connection was made for another one (§11.6).
    Misdirected,
    /// 403 *(unsure)*: the same, and there is no TLS to show a certificate in.
    NoCertificate,
    /// 403: the viewer's country is not served (§12.1).
    Country,
    /// 301 or 307 to https (§11.1).
    RedirectToHttps {
        /// GET and HEAD get 301, the others 307.
        keeps_method: bool,
    },
    /// 403: https-only over HTTP, or a write over HTTP/1.0 where it would be redirected (§11.1).
    HttpsOnly,
    /// 403: the behavior's methods do not include it (§3).
    MethodNotAllowed,
    /// 403: GET or HEAD with a body (§3, threats M9).
    BodyNotAllowed,
    /// 403: the behavior wants a signature, and there is no good one (§12.2).
    Signature(signing::Denied),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signature(denied) => {
                let (code, _) = denied.answer();
                return write!(f, "403 {code}: {denied} (§12.2)");
            }
            Self::UnknownHost => "403: the Host is none of the distribution's names (§17.2)",
            Self::Disabled => "403: the distribution is disabled (§0.2)",
            Self::Chain => "403: the request came through two distributions already (§17.6)",
            Self::Misdirected => "421: the certificate, if any, was not shown to this distribution, nor its connection function asked (§11.6)",
            Self::NoCertificate => "403: without TLS there is no certificate (§11.6)",
            Self::Country => "403: GeoRestriction does not serve the viewer's country (§12.1)",
            Self::RedirectToHttps { keeps_method: false } => {
                "301 to https: ViewerProtocolPolicy redirect-to-https (§11.1)"
            }
            Self::RedirectToHttps { keeps_method: true } => {
                "307 to https, the method kept: ViewerProtocolPolicy redirect-to-https (§11.1)"
            }
            Self::HttpsOnly => "403: ViewerProtocolPolicy wants https (§11.1)",
            Self::MethodNotAllowed => "403: AllowedMethods does not name the method (§3)",
            Self::BodyNotAllowed => "403: GET and HEAD carry no body (§3)",
        })
    }
}

impl Distribution {
    /// The behavior for a raw path: the first pattern that matches its normalised form (§2).
    pub fn behavior_for(&self, path: &str) -> BehaviorId {
        if self.behaviors.is_empty() {
            return BehaviorId::Default;
        }
        let normalised = path_pattern::normalise_for_matching(path);
        self.behaviors
            .iter()
            .position(|behavior| behavior.path_pattern.matches(&normalised))
            .map_or(BehaviorId::Default, BehaviorId::Ordered)
    }

    /// The behavior itself.
    pub fn behavior(&self, id: BehaviorId) -> &Behavior {
        match id {
            BehaviorId::Ordered(index) => self.behaviors.get(index).unwrap_or(&self.default_behavior),
            BehaviorId::Default => &self.default_behavior,
        }
    }
}

/// Lets a request in, or says what CloudFront answers instead. The order is §0's: host, certificate, country, behavior,
/// protocol, method, signature; that a behavior carries gRPC is known before, because no error of a call has a page (§10.1).
#[expect(
    clippy::result_large_err,
    reason = "a refused request is still read: its host and target make the redirect"
)]
pub fn admit(
    distribution: &Distribution,
    mut request: Request,
    now: SystemTime,
) -> Result<Admitted, (Refused, Request)> {
    if !distribution.answers_for(request.host_name()) {
        return Err((Refused::UnknownHost, request));
    }
    if !distribution.enabled {
        return Err((Refused::Disabled, request));
    }
    if distributions_passed(&request) >= CHAIN_MAX {
        return Err((Refused::Chain, request));
    }
    let id = distribution.behavior_for(request.target.path());
    let behavior = distribution.behavior(id);
    let content_type = request.headers.get(CONTENT_TYPE);
    if behavior.grpc == Grpc::On && traffic::is_grpc_call(&request.method, request.version, content_type) {
        request.traffic = Traffic::Grpc;
    }
    let shown = Shown::to(distribution, &request);
    let certified = !distribution.viewer_tls.requires_certificate() || matches!(shown, Shown::Certificate(_));
    if request.scheme == Scheme::Https && !(certified && let_in(distribution, &request)) {
        return Err((Refused::Misdirected, request));
    }
    let country = request.location.as_ref().and_then(|location| location.country);
    if !distribution.geo_restriction.allows(country) {
        return Err((Refused::Country, request));
    }
    if !certified {
        let refused = match check(behavior, &request) {
            Err(redirect @ Refused::RedirectToHttps { .. }) => redirect,
            _ => Refused::NoCertificate,
        };
        return Err((refused, request));
    }
    let checked = check(behavior, &request).and_then(|()| signature(behavior, &request, now));
    match checked {
        Ok(signed) => {
            without_signature(behavior, &mut request);
            Ok(Admitted { request, behavior: id, failed: None, signed, shown })
        }
        Err(refused) => Err((refused, request)),
    }
}

/// Whether the connection function, where there is one, let the viewer in: another distribution's handshake does not ask it.
fn let_in(distribution: &Distribution, request: &Request) -> bool {
    let allowed_by = || request.tls.as_ref()?.allowed_by.as_deref();
    distribution.viewer_tls.function.is_none()
        || allowed_by().is_some_and(|name| distribution.answers_for(name))
}

/// The signature of a request, where its behavior wants one.
fn signature(behavior: &Behavior, request: &Request, now: SystemTime) -> Result<Option<Signed>, Refused> {
    let Some(trusted) = &behavior.trusted else { return Ok(None) };
    signing::check(trusted, request, now).map(Some).map_err(Refused::Signature)
}

/// Where signatures are wanted, they are in neither key nor origin request (§4.2, §4.3).
fn without_signature(behavior: &Behavior, request: &mut Request) {
    if behavior.trusted.is_some() {
        signing::strip(request);
    }
}

/// A request goes through so many distributions at most (§1.3, §17.6).
const CHAIN_MAX: usize = 2;

/// How many distributions wrote themselves into `Via` on the way here *(unsure how CloudFront counts them)*.
fn distributions_passed(request: &Request) -> usize {
    let lines = request.headers.get_all(VIA).iter();
    let entries = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    entries.filter(|entry| entry.trim_ascii().ends_with(b".cloudfront.net (CloudFront)")).count()
}

/// A request that failed, or was refused, asks for a custom error page instead: the page's path chooses the behavior, and no
/// protocol, method or viewer is refused a page (§10.1).
pub(crate) fn admit_error_page(
    distribution: &Distribution,
    mut request: Request,
    failed: PathAndQuery,
) -> Admitted {
    let behavior = distribution.behavior_for(request.target.path());
    without_signature(distribution.behavior(behavior), &mut request);
    let shown = Shown::to(distribution, &request);
    Admitted { request, behavior, failed: Some(failed), signed: None, shown }
}

fn check(behavior: &Behavior, request: &Request) -> Result<(), Refused> {
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    if request.scheme == Scheme::Http {
        match behavior.viewer_protocol_policy {
            ViewerProtocolPolicy::AllowAll => {}
            ViewerProtocolPolicy::HttpsOnly => return Err(Refused::HttpsOnly),
            ViewerProtocolPolicy::RedirectToHttps if !reads && request.version < Version::HTTP_11 => {
                return Err(Refused::HttpsOnly);
            }
            ViewerProtocolPolicy::RedirectToHttps => {
                return Err(Refused::RedirectToHttps { keeps_method: !reads });
            }
        }
    }
    if !behavior.allowed_methods.contains(&request.method) {
        return Err(Refused::MethodNotAllowed);
    }
    if reads && request.body != Body::None {
        return Err(Refused::BodyNotAllowed);
    }
    Ok(())
}
