//! The Lambda@Edge functions of a behavior (§14.1): which is called when, and where it can be called here.
//!
//! The document names each by its ARN. Where that is at hand no document says: any endpoint that speaks the invoke API
//! will do, and whoever runs the edge brings it. This module refuses to know what is said to a function, and what it may
//! answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Distribution, Origin, OriginKind, OriginProtocol, Reach};

/// When a Lambda is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LambdaEvent {
    /// Before the cache is asked.
    ViewerRequest,
    /// Before an origin is asked.
    OriginRequest,
    /// Before what an origin said is stored.
    OriginResponse,
    /// Before the viewer gets the response.
    ViewerResponse,
}

impl LambdaEvent {
    /// In the order in which a request meets them.
    pub const ALL: [Self; 4] =
        [Self::ViewerRequest, Self::OriginRequest, Self::OriginResponse, Self::ViewerResponse];

    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ViewerRequest => "viewer-request",
            Self::OriginRequest => "origin-request",
            Self::OriginResponse => "origin-response",
            Self::ViewerResponse => "viewer-response",
        }
    }

    /// The event of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }

    /// Whether it is on the viewer's side of the cache.
    pub fn is_viewers(self) -> bool {
        matches!(self, Self::ViewerRequest | Self::ViewerResponse)
    }

    /// How long a call may take (§1.3).
    pub fn timeout(self) -> Duration {
        Duration::from_secs(if self.is_viewers() { 5 } else { 30 })
    }
}

impl fmt::Display for LambdaEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One association.
#[derive(Debug, Clone)]
pub struct Lambda {
    /// With its version.
    pub arn: String,
    /// `IncludeBody`.
    pub body: IncludeBody,
    /// Where it is called. Without it the function is skipped.
    pub endpoint: Option<Arc<Endpoint>>,
}

/// Whether a function sees the body of requests (§5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncludeBody {
    /// It does not.
    No,
    /// It sees the beginning.
    Yes,
}

/// The Lambdas of a behavior, at most one for each event.
#[derive(Debug, Clone, Default)]
pub struct Lambdas([Option<Arc<Lambda>>; 4]);

impl Lambdas {
    /// The one that is to be called at this event: there is one, and it can be called.
    pub fn at(&self, event: LambdaEvent) -> Option<&Arc<Lambda>> {
        self.named(event).filter(|lambda| lambda.endpoint.is_some())
    }

    /// The one the document names for this event.
    pub fn named(&self, event: LambdaEvent) -> Option<&Arc<Lambda>> {
        self.0[event as usize].as_ref()
    }

    /// Puts one in.
    pub(crate) fn put(&mut self, event: LambdaEvent, lambda: Lambda) {
        self.0[event as usize] = Some(Arc::new(lambda));
    }

    fn locate(&mut self, find: impl Fn(LambdaEvent, &Lambda) -> Option<Arc<Endpoint>>) {
        for event in LambdaEvent::ALL {
            if let Some(lambda) = &mut self.0[event as usize] {
                let endpoint = find(event, lambda);
                *lambda = Arc::new(Lambda { endpoint, ..Lambda::clone(lambda) });
            }
        }
    }
}

impl Distribution {
    /// Says where its Lambdas can be called; those that `find` has nothing for are skipped.
    pub fn locate_lambdas(&mut self, find: impl Fn(LambdaEvent, &Lambda) -> Option<Arc<Endpoint>>) {
        for behavior in self.behaviors.iter_mut().chain([&mut self.default_behavior]) {
            behavior.lambdas.locate(&find);
        }
    }
}

/// The path of the invoke API as the runtime interface emulator has it.
const INVOCATIONS: &str = "/2015-03-31/functions/function/invocations";

/// Where a function is called: `POST` with the event, answered by its result.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// As an origin, so that it is asked like one. Its read timeout shortens that of the event.
    pub origin: Origin,
    /// Path and query.
    pub target: String,
    /// What `Host` says.
    pub host: String,
}

impl Endpoint {
    /// Reads `http://HOST[:PORT][/PATH]`; without a path it is the runtime interface emulator's.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong =
            || format!("{url}: expected http://HOST:PORT or https://HOST:PORT, with or without a path");
        let uri: http::Uri = url.parse().map_err(|_| wrong())?;
        let (protocol, default_port) = match uri.scheme_str() {
            Some("http") => (OriginProtocol::HttpOnly, 80),
            Some("https") => (OriginProtocol::HttpsOnly, 443),
            _ => return Err(wrong()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(wrong)?;
        let port = authority.port_u16().unwrap_or(default_port);
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let origin = Origin {
            id: "lambda".to_owned(),
            domain_name: name.to_owned(),
            path: String::new(),
            custom_headers: Vec::new(),
            kind: OriginKind::Custom { http_port: port, https_port: port, protocol },
            connection_attempts: 1,
            connection_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(5),
            completion_timeout: None,
            signing: None,
            reach: Reach::Public,
            client_certificate: None,
        };
        let target = if target == "/" { INVOCATIONS } else { target };
        Ok(Self { origin, target: target.to_owned(), host: authority.as_str().to_owned() })
    }
}

/// The ARN without the number of a version.
pub fn unversioned(arn: &str) -> &str {
    match arn.rsplit_once(':') {
        Some((function, version)) if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => {
            function
        }
        _ => arn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_path_is_the_emulators() {
        let endpoint = Endpoint::parse("http://127.0.0.1:9000").unwrap();
        assert_eq!(endpoint.target, "/2015-03-31/functions/function/invocations");
        assert_eq!(
            (endpoint.origin.domain_name.as_str(), endpoint.host.as_str()),
            ("127.0.0.1", "127.0.0.1:9000")
        );
        let endpoint = Endpoint::parse("https://[::1]/2015-03-31/functions/f/invocations").unwrap();
        assert_eq!(
            (endpoint.origin.domain_name.as_str(), endpoint.target.as_str()),
            ("::1", "/2015-03-31/functions/f/invocations")
        );
        for wrong in ["", "127.0.0.1:9000", "ftp://a/", "http://a@b/", "http:///x"] {
            assert!(Endpoint::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn calls_have_the_time_of_their_event() {
        let seconds = LambdaEvent::ALL.map(|event| event.timeout().as_secs());
        assert_eq!(seconds, [5, 30, 30, 5]);
    }

    #[test]
    fn an_arn_loses_its_version_alone() {
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:f";
        assert_eq!(unversioned(&format!("{arn}:3")), arn);
        assert_eq!(unversioned(arn), arn);
    }
}
