//! Policies: what they come to once read, and the managed ones of AWS (§16) as tables.
//!
//! A managed policy is one row; nothing else in the code names one. This module refuses to know how a document
//! spells a policy: [`document`](super::document) reads the custom ones into the same types.

mod tables;

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{
    AllowedOrigin, Cors, ForwardSettings, HeaderDefaults, HeaderForwarding, KeySettings, Name, Names,
    OriginHeader, ResponseHeadersPolicy, SetHeader, Ttl,
};

pub use tables::{CACHE_POLICIES, ORIGIN_REQUEST_POLICIES, RESPONSE_HEADERS_POLICIES};

/// A cache policy: TTLs and key.
#[derive(Debug, Clone)]
pub struct CachePolicy {
    /// For people.
    pub name: String,
    /// Which TTLs a stored object gets.
    pub ttl: Ttl,
    /// What is in the key.
    pub key: KeySettings,
}

/// An origin request policy: what goes to the origin beyond the key.
#[derive(Debug, Clone)]
pub struct OriginRequestPolicy {
    /// For people.
    pub name: String,
    /// What is forwarded.
    pub forward: ForwardSettings,
}

/// The managed cache policy with this id.
pub fn managed_cache_policy(id: &str) -> Option<CachePolicy> {
    CACHE_POLICIES.iter().find(|row| row.id == id).map(ManagedCachePolicy::build)
}

/// The managed origin request policy with this id.
pub fn managed_origin_request_policy(id: &str) -> Option<OriginRequestPolicy> {
    ORIGIN_REQUEST_POLICIES.iter().find(|row| row.id == id).map(ManagedOriginRequestPolicy::build)
}

/// The managed response headers policy with this id.
pub fn managed_response_headers_policy(id: &str) -> Option<ResponseHeadersPolicy> {
    RESPONSE_HEADERS_POLICIES.iter().find(|row| row.id == id).map(ManagedResponseHeadersPolicy::build)
}

/// A row of [`CACHE_POLICIES`].
#[derive(Debug)]
pub struct ManagedCachePolicy {
    /// As documents name it.
    pub id: &'static str,
    /// As the API prints it.
    pub name: &'static str,
    /// MinTTL, DefaultTTL, MaxTTL in seconds.
    pub ttl_seconds: [u64; 3],
    /// Headers in the key, lower case.
    pub headers: &'static [&'static str],
    /// Cookies in the key.
    pub cookies: ManagedNames,
    /// Query string parameters in the key.
    pub query: ManagedNames,
    /// Which codings are normalised.
    pub codings: ManagedCodings,
}

/// A selection of names in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagedNames {
    /// No one.
    None,
    /// Every one.
    All,
    /// The listed ones, literally.
    Only(&'static [&'static str]),
}

/// `EnableAcceptEncodingGzip` and `…Brotli` of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagedCodings {
    /// Neither.
    None,
    /// gzip alone.
    Gzip,
    /// Both.
    GzipAndBrotli,
}

/// A row of [`ORIGIN_REQUEST_POLICIES`].
#[derive(Debug)]
pub struct ManagedOriginRequestPolicy {
    /// As documents name it.
    pub id: &'static str,
    /// As the API prints it.
    pub name: &'static str,
    /// Headers forwarded, lower case.
    pub headers: ManagedHeaders,
    /// Cookies forwarded.
    pub cookies: ManagedNames,
    /// Query string parameters forwarded.
    pub query: ManagedNames,
}

/// The header part of an origin request policy in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagedHeaders {
    /// The listed ones.
    Only(&'static [&'static str]),
    /// All of the viewer's, and the listed `CloudFront-*`.
    AllViewer {
        /// Added.
        plus: &'static [&'static str],
    },
    /// All of the viewer's but these, and the listed `CloudFront-*`.
    AllExcept {
        /// Kept back.
        names: &'static [&'static str],
        /// Added.
        plus: &'static [&'static str],
    },
}

/// A row of [`RESPONSE_HEADERS_POLICIES`].
#[derive(Debug)]
pub struct ManagedResponseHeadersPolicy {
    /// As documents name it.
    pub id: &'static str,
    /// As the API prints it.
    pub name: &'static str,
    /// The CORS part.
    pub cors: ManagedCors,
    /// Headers set: name, value, and what of the origin's own.
    pub set: &'static [(&'static str, &'static str, OriginHeader)],
}

/// The CORS part of a row. All of them allow `*` and keep the origin's own headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagedCors {
    /// None.
    None,
    /// `Access-Control-Allow-Origin: *`.
    Simple,
    /// That, all methods, and every header exposed.
    WithPreflight,
}

/// What `ALL` stands for in `AccessControlAllowMethods`, in the order CloudFront writes it (§8.4).
pub const CORS_ALL_METHODS: [&str; 7] = ["GET", "DELETE", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

impl ManagedCachePolicy {
    fn build(&self) -> CachePolicy {
        let [min, default, max] = self.ttl_seconds.map(Duration::from_secs);
        CachePolicy {
            name: self.name.to_owned(),
            ttl: Ttl { min, default, max },
            key: KeySettings {
                gzip: self.codings != ManagedCodings::None,
                brotli: self.codings == ManagedCodings::GzipAndBrotli,
                headers: header_names(self.headers),
                cookies: self.cookies.build(),
                query: self.query.build(),
            },
        }
    }
}

impl ManagedOriginRequestPolicy {
    fn build(&self) -> OriginRequestPolicy {
        let headers = match self.headers {
            ManagedHeaders::Only(names) => HeaderForwarding::Only(header_names(names)),
            ManagedHeaders::AllViewer { plus } => HeaderForwarding::AllViewer { plus: header_names(plus) },
            ManagedHeaders::AllExcept { names, plus } => {
                HeaderForwarding::AllExcept { names: header_names(names), plus: header_names(plus) }
            }
        };
        OriginRequestPolicy {
            name: self.name.to_owned(),
            forward: ForwardSettings {
                defaults: HeaderDefaults::Policy,
                headers,
                cookies: self.cookies.build(),
                query: self.query.build(),
            },
        }
    }
}

impl ManagedResponseHeadersPolicy {
    fn build(&self) -> ResponseHeadersPolicy {
        let set = self.set.iter().filter_map(|&(name, value, origin)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some(SetHeader { name, value: HeaderValue::from_static(value), origin })
        });
        ResponseHeadersPolicy {
            name: self.name.to_owned(),
            remove: Vec::new(),
            set: set.collect(),
            cors: self.cors.build(),
            server_timing_percent: None,
        }
    }
}

impl ManagedCors {
    fn build(self) -> Option<Cors> {
        let (allow_methods, expose_headers) = match self {
            Self::None => return None,
            Self::Simple => (Vec::new(), Vec::new()),
            Self::WithPreflight => {
                (["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"].to_vec(), vec!["*"])
            }
        };
        Some(Cors {
            allow_origins: vec![AllowedOrigin::Any],
            allow_headers: Vec::new(),
            allow_methods: allow_methods.into_iter().map(str::to_owned).collect(),
            allow_credentials: false,
            expose_headers: expose_headers.into_iter().map(str::to_owned).collect(),
            max_age: None,
            origin: OriginHeader::Kept,
        })
    }
}

impl ManagedNames {
    fn build(self) -> Names {
        match self {
            Self::None => Names::None,
            Self::All => Names::All,
            Self::Only(names) => {
                Names::Only(names.iter().map(|&name| Name::Literal(name.to_owned())).collect())
            }
        }
    }
}

/// The rows hold valid names in order; the test below says so.
fn header_names(names: &[&str]) -> Vec<HeaderName> {
    names.iter().filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_uuids_and_unique_as_are_names() {
        let rows: Vec<(&str, &str)> = CACHE_POLICIES
            .iter()
            .map(|row| (row.id, row.name))
            .chain(ORIGIN_REQUEST_POLICIES.iter().map(|row| (row.id, row.name)))
            .chain(RESPONSE_HEADERS_POLICIES.iter().map(|row| (row.id, row.name)))
            .collect();
        assert_eq!(rows.len(), 7 + 8 + 5);
        let (mut ids, mut names) = (HashSet::new(), HashSet::new());
        for (id, name) in rows {
            let parts: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
            assert!(
                id.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
                "{id}"
            );
            assert!(name.starts_with("Managed-"), "{name}");
            assert!(ids.insert(id), "{id} twice");
            assert!(names.insert(name), "{name} twice");
        }
    }

    /// Valid, lower case, sorted, each once: what the model promises and `header_names` must not lose.
    fn assert_header_list(names: &[&str], policy: &str) {
        assert_eq!(header_names(names).len(), names.len(), "{policy}");
        assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]), "{policy}");
        assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()), "{policy}");
    }

    #[test]
    fn every_row_builds() {
        for row in CACHE_POLICIES {
            assert_header_list(row.headers, row.name);
            let policy = managed_cache_policy(row.id).unwrap();
            assert_eq!(policy.name, row.name);
            assert!(policy.ttl.min <= policy.ttl.default && policy.ttl.default <= policy.ttl.max);
            if policy.ttl.caching_disabled() {
                assert!(policy.key.headers.is_empty() && !policy.key.gzip && !policy.key.brotli);
                assert!(policy.key.cookies.is_none() && policy.key.query.is_none());
            }
        }
        for row in ORIGIN_REQUEST_POLICIES {
            let lists: [&[&str]; 2] = match row.headers {
                ManagedHeaders::Only(names) => [names, &[]],
                ManagedHeaders::AllViewer { plus } => [&[], plus],
                ManagedHeaders::AllExcept { names, plus } => [names, plus],
            };
            lists.iter().for_each(|list| assert_header_list(list, row.name));
            assert_eq!(managed_origin_request_policy(row.id).unwrap().name, row.name);
        }
        for row in RESPONSE_HEADERS_POLICIES {
            let names: Vec<&str> = row.set.iter().map(|(name, ..)| *name).collect();
            assert_header_list(&names, row.name);
            let policy = managed_response_headers_policy(row.id).unwrap();
            assert_eq!(policy.set.len(), row.set.len());
            assert_eq!(policy.cors.is_some(), row.cors != ManagedCors::None);
        }
        assert!(managed_cache_policy("00000000-0000-0000-0000-000000000000").is_none());
    }

    #[test]
    fn a_few_rows_by_heart() {
        let disabled = managed_cache_policy("4135ea2d-6df8-44a3-9df3-4b5a84be39ad").unwrap();
        assert!(disabled.ttl.caching_disabled());
        let package = managed_cache_policy("08627262-05a9-4f76-9ded-b50ca2e3a84f").unwrap();
        assert!(package.key.query.select(b"start") && !package.key.query.select(b"other"));
        let except_host = managed_origin_request_policy("b689b0a8-53d0-40ab-baf2-68738e2966ac").unwrap();
        let HeaderForwarding::AllExcept { names, plus } = except_host.forward.headers else { panic!() };
        assert_eq!(names, [http::header::HOST]);
        assert!(!plus.iter().any(|name| name == "cloudfront-viewer-address"));
        let security = managed_response_headers_policy("67f7725c-6f97-4210-82d7-5512b31e9d03").unwrap();
        let overriding: Vec<&str> = security
            .set
            .iter()
            .filter(|header| header.origin == OriginHeader::Overridden)
            .map(|header| header.name.as_str())
            .collect();
        assert_eq!(overriding, ["x-content-type-options"]);
    }
}
