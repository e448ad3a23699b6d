//! The model of a response headers policy (§8.4).
//!
//! Only what is to be done; doing it to a response is `response`'s.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::cors::AllowedOrigin;

/// A response headers policy (§8.4), kept whole; the fields in force are applied by `response`.
#[derive(Debug, Clone, Default)]
pub struct ResponseHeadersPolicy {
    /// For people.
    pub name: String,
    /// Taken out of the origin's response, first.
    pub remove: Vec<HeaderName>,
    /// Security and custom headers, each with what it says about the origin's own.
    pub set: Vec<SetHeader>,
    /// CORS (§8.4).
    pub cors: Option<Cors>,
    /// `ServerTimingHeadersConfig`: percent of responses, 0–100.
    pub server_timing_percent: Option<f64>,
}

/// One header a policy sets.
#[derive(Debug, Clone)]
pub struct SetHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value.
    pub value: HeaderValue,
    /// Whether it replaces the origin's.
    pub origin: OriginHeader,
}

/// What a policy does with a header the origin sent itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginHeader {
    /// `Override: false`.
    Kept,
    /// `Override: true`.
    Overridden,
}

/// `CorsConfig` (§8.4).
#[derive(Debug, Clone)]
pub struct Cors {
    /// `*` alone, or others.
    pub allow_origins: Vec<AllowedOrigin>,
    /// Names, patterns of names, or `*`.
    pub allow_headers: Vec<String>,
    /// Method names, `ALL` spelled out.
    pub allow_methods: Vec<String>,
    /// `Access-Control-Allow-Credentials: true`.
    pub allow_credentials: bool,
    /// Names, or `*`.
    pub expose_headers: Vec<String>,
    /// `Access-Control-Max-Age`.
    pub max_age: Option<Duration>,
    /// Whether it replaces the origin's.
    pub origin: OriginHeader,
}
