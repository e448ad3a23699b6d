//! Another origin for one request: what the helpers of §14.5 ask for, against what the distribution has.
//!
//! The cache key does not change with it. It refuses to know connections: an origin that is named anew is a value like
//! those of the distribution.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value as Json};

use super::validate::Invalid;
use crate::distribution::check::{self, OriginDomain};
use crate::distribution::{Distribution, Origin, OriginKind, OriginProtocol, Target};

/// Where a request goes.
#[derive(Debug, Clone)]
pub struct Reroute {
    /// Asked first.
    pub primary: Place,
    /// Asked when the first fails by one of these statuses.
    pub secondary: Option<(Place, Vec<StatusCode>)>,
}

/// An origin of the distribution, changed or not.
#[derive(Debug, Clone)]
pub struct Place {
    /// Index into `Distribution::origins`: the origin, or what it was made of.
    pub index: usize,
    /// What it is for this request, where that is not what the distribution says.
    pub changed: Option<Arc<Origin>>,
    /// The `Host` it is sent, over any policy's.
    pub host: Option<HeaderValue>,
}

type Object = Map<String, Json>;

/// Reads what the function asked for; `None` where it did not.
pub(super) fn read(
    asked: &Json,
    distribution: &Distribution,
    target: Target,
) -> Result<Option<Reroute>, Invalid> {
    let Some(asked) = asked.as_object() else { return Ok(None) };
    if let Some(group) = text(asked, "group")? {
        return group_of(&object(group)?, distribution).map(Some);
    }
    let change = text(asked, "update")?.map(object).transpose()?.unwrap_or_default();
    if let Some(id) = text(asked, "select")? {
        let primary = place(by_id(distribution, id)?, &change, distribution)?;
        return Ok(Some(Reroute { primary, secondary: None }));
    }
    // Of a group only the primary changes (§5.9).
    let (index, secondary) = match target {
        Target::Origin(index) => (index, None),
        Target::Group(group) => {
            let group = distribution.origin_groups.get(group).ok_or_else(|| invalid("the group is gone"))?;
            let secondary = Place { index: group.secondary, changed: None, host: None };
            (group.primary, Some((secondary, group.failover_statuses.clone())))
        }
    };
    Ok(Some(Reroute { primary: place(index, &change, distribution)?, secondary }))
}

fn invalid(why: impl Into<String>) -> Invalid {
    Invalid::Origin(why.into())
}

fn object(text: &str) -> Result<Object, Invalid> {
    serde_json::from_str(text).map_err(|_| invalid("an object is expected"))
}

fn text<'a>(object: &'a Object, key: &str) -> Result<Option<&'a str>, Invalid> {
    match object.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(format!("{key} must be a string"))),
    }
}

/// A whole number within what the configuration of an origin may have.
fn number(object: &Object, key: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Invalid> {
    match object.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                Err(invalid(format!("{key} is a whole number from {} to {}", range.start(), range.end())))
            }
        },
    }
}

fn part<'a>(object: &'a Object, key: &str) -> Result<Option<&'a Object>, Invalid> {
    match object.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(part)) => Ok(Some(part)),
        Some(_) => Err(invalid(format!("{key} must be an object"))),
    }
}

fn by_id(distribution: &Distribution, id: &str) -> Result<usize, Invalid> {
    let found = distribution.origins.iter().position(|origin| origin.id == id);
    found.ok_or_else(|| invalid(format!("the distribution has no origin {id:?}")))
}

/// Exactly two, the first the primary.
fn group_of(asked: &Object, distribution: &Distribution) -> Result<Reroute, Invalid> {
    let members = asked.get("originIds").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let [primary, secondary] = members else { return Err(invalid("a group has exactly two originIds")) };
    let member = |member: &Json| {
        let member = member.as_object().ok_or_else(|| invalid("originIds holds objects"))?;
        let id = text(member, "originId")?.ok_or_else(|| invalid("originId is missing"))?;
        let change = part(member, "originOverrides")?.cloned().unwrap_or_default();
        place(by_id(distribution, id)?, &change, distribution)
    };
    let criteria = part(asked, "failoverCriteria")?.and_then(|criteria| criteria.get("statusCodes"));
    let codes = criteria.and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let statuses: Option<Vec<StatusCode>> = codes.iter().map(status).collect();
    let statuses = statuses.filter(|statuses| !statuses.is_empty());
    let statuses =
        statuses.ok_or_else(|| invalid("failoverCriteria.statusCodes holds statuses of failures"))?;
    Ok(Reroute { primary: member(primary)?, secondary: Some((member(secondary)?, statuses)) })
}

fn status(code: &Json) -> Option<StatusCode> {
    let code = u16::try_from(code.as_u64()?).ok().filter(|code| check::FAILOVER_STATUSES.contains(code))?;
    StatusCode::from_u16(code).ok()
}

/// The origin with what the function changes of it; what it does not mention is as configured.
fn place(index: usize, change: &Object, distribution: &Distribution) -> Result<Place, Invalid> {
    let origin = distribution.origins.get(index).ok_or_else(|| invalid("the origin is gone"))?;
    let host = text(change, "hostHeader")?.map(HeaderValue::from_str).transpose();
    let host = host.map_err(|_| invalid("hostHeader is not a host"))?;
    let names_origin =
        change.keys().any(|key| key != "hostHeader" && key != "sni" && key != "allowedCertificateNames");
    if !names_origin {
        return Ok(Place { index, changed: None, host });
    }
    let mut changed = origin.clone();
    if let Some(domain) = text(change, "domainName")? {
        rename(&mut changed, domain)?;
    }
    if let Some(path) = text(change, "originPath")? {
        check::origin_path(path).map_err(|why| invalid(why.to_string()))?;
        path.clone_into(&mut changed.path);
    }
    if let Some(headers) = part(change, "customHeaders")? {
        changed.custom_headers = custom_headers(headers)?;
    }
    if let Some(attempts) = number(change, "connectionAttempts", check::CONNECTION_ATTEMPTS)? {
        changed.connection_attempts = u8::try_from(attempts).unwrap_or(changed.connection_attempts);
    }
    if let Some(given) = part(change, "timeouts")? {
        timeouts(given, &mut changed)?;
    }
    if let Some(custom) = part(change, "customOriginConfig")? {
        changed.kind = custom_kind(custom, changed.kind)?;
    }
    Ok(Place { index, changed: Some(Arc::new(changed)), host })
}

fn rename(origin: &mut Origin, domain: &str) -> Result<(), Invalid> {
    if check::origin_domain(domain) != Ok(OriginDomain::Good) {
        return Err(invalid("domainName must be a DNS name, without port or address"));
    }
    domain.clone_into(&mut origin.domain_name);
    origin.kind = match origin.kind {
        _ if check::is_s3_bucket(domain) => OriginKind::S3,
        OriginKind::S3 => {
            OriginKind::Custom { http_port: 80, https_port: 443, protocol: OriginProtocol::MatchViewer }
        }
        custom @ OriginKind::Custom { .. } => custom,
    };
    Ok(())
}

/// They replace the origin's own; `{}` leaves none.
fn custom_headers(headers: &Object) -> Result<Vec<(HeaderName, HeaderValue)>, Invalid> {
    let header = |(name, value): (&String, &Json)| {
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).ok()?;
        check::custom_header(&name).ok()?;
        Some((name, HeaderValue::from_str(value.as_str()?).ok()?))
    };
    let read: Option<Vec<_>> = headers.iter().map(header).collect();
    read.ok_or_else(|| invalid("customHeaders holds what may not be set"))
}

fn timeouts(given: &Object, origin: &mut Origin) -> Result<(), Invalid> {
    let seconds = |key, range| Ok(number(given, key, range)?.map(Duration::from_secs));
    if let Some(timeout) = seconds("readTimeout", check::READ_TIMEOUT)? {
        origin.read_timeout = timeout;
    }
    if let Some(timeout) = seconds("keepAliveTimeout", check::KEEPALIVE_TIMEOUT)? {
        origin.keepalive_timeout = timeout;
    }
    if let Some(timeout) = seconds("connectionTimeout", check::CONNECTION_TIMEOUT)? {
        origin.connection_timeout = timeout;
    }
    if let Some(timeout) = seconds("responseCompletionTimeout", 0..=3600)? {
        origin.completion_timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
    }
    Ok(())
}

fn custom_kind(custom: &Object, kind: OriginKind) -> Result<OriginKind, Invalid> {
    let (mut http_port, mut https_port, configured) = match kind {
        OriginKind::Custom { http_port, https_port, protocol } => (http_port, https_port, protocol),
        OriginKind::S3 => (80, 443, OriginProtocol::MatchViewer),
    };
    let protocol = match text(custom, "protocol")? {
        None => configured,
        Some("http") => OriginProtocol::HttpOnly,
        Some("https") => OriginProtocol::HttpsOnly,
        Some(_) => return Err(invalid("protocol is http or https")),
    };
    if let Some(port) = number(custom, "port", 1..=65_535)? {
        let port = check::origin_port(port).map_err(invalid)?;
        if protocol != OriginProtocol::HttpsOnly {
            http_port = port;
        }
        if protocol != OriginProtocol::HttpOnly {
            https_port = port;
        }
    }
    Ok(OriginKind::Custom { http_port, https_port, protocol })
}
