//! Signed URLs and signed cookies (§12.2): whether a viewer may have what he asks for.
//!
//! Everything is judged over the bytes received (threats T4): nothing is decoded that the signer did not encode, each
//! parameter is there once, and `now` is an argument. What is left of the request afterwards is what was signed, so
//! that the key and the origin see nothing of the signature and nothing else than what it covers. It refuses to know
//! distributions: it is given the keys.

mod credential;
mod policy;
mod resource;

use std::fmt;
use std::time::SystemTime;

use http::header::COOKIE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};

pub use credential::Carrier;
use credential::{Credential, Field};
pub use policy::Form;
use policy::Policy;

use super::Request;
use crate::distribution::{Hash, Trusted};
use crate::header::cookie;

/// A request whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// What carried the signature.
    pub carrier: Carrier,
    /// What was signed.
    pub form: Form,
    /// The id of the key.
    pub key: String,
    /// The hash.
    pub hash: Hash,
    /// Good before this second since 1970.
    pub until: u64,
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { carrier, form, key, hash, until } = self;
        let hash = hash.as_str();
        write!(f, "{carrier} with a {form} policy, key {key}, {hash}: good before {until} (§12.2)")
    }
}

/// Why a request is refused. Each has one of the codes of §10.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Neither a signed URL nor signed cookies.
    Unsigned,
    /// `Key-Pair-Id` is missing, there twice, or no id.
    NoKeyId,
    /// No key of the behavior has this id.
    UnknownKey,
    /// `Signature` is missing, there twice, or not in CloudFront's base64.
    NoSignature,
    /// `Hash-Algorithm` is neither `SHA1` nor `SHA256`, or there twice *(unsure)*.
    UnknownHash,
    /// Neither `Policy` nor `Expires` *(unsure)*.
    NoPolicy,
    /// `Policy` is there twice, or no policy in CloudFront's base64; `Expires` is there twice, or no time *(unsure)*.
    NotAPolicy,
    /// The key's holder signed something else.
    WrongSignature,
    /// The policy is about other URLs.
    OtherResource,
    /// `DateLessThan` has come.
    Expired,
    /// `DateGreaterThan` is not over.
    NotYet,
    /// The viewer's address is not in `IpAddress`.
    OtherAddress,
}

impl Denied {
    /// Code and message of the body (§10.6).
    pub fn answer(self) -> (&'static str, &'static str) {
        match self {
            Self::Unsigned | Self::NoKeyId => {
                ("MissingKey", "Missing Key-Pair-Id query parameter or cookie value")
            }
            Self::UnknownKey => ("InvalidKey", "Unknown Key"),
            Self::NoSignature | Self::UnknownHash => ("MalformedSignature", "Could not unencode Signature"),
            Self::NoPolicy | Self::NotAPolicy => ("MalformedPolicy", "Malformed Policy"),
            Self::WrongSignature
            | Self::OtherResource
            | Self::Expired
            | Self::NotYet
            | Self::OtherAddress => ("AccessDenied", "Access denied"),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsigned => "neither the URL nor cookies are signed",
            Self::NoKeyId => "Key-Pair-Id is missing, there twice, or no id",
            Self::UnknownKey => "the behavior trusts no key of this id",
            Self::NoSignature => "Signature is missing, there twice, or not CloudFront's base64",
            Self::UnknownHash => "Hash-Algorithm is neither SHA1 nor SHA256, or there twice",
            Self::NoPolicy => "there is neither Policy nor Expires",
            Self::NotAPolicy => "Policy or Expires cannot be read, or is there twice",
            Self::WrongSignature => "the key's holder did not sign this: another URL, time, hash or key",
            Self::OtherResource => "the policy's Resource is not this URL",
            Self::Expired => "DateLessThan has come",
            Self::NotYet => "DateGreaterThan is not over",
            Self::OtherAddress => "the viewer's address is not in the policy's IpAddress",
        })
    }
}

/// Judges a request to a behavior with signers. The order decides which of several reasons is told (§12.2).
pub(super) fn check(trusted: &Trusted, request: &Request, now: SystemTime) -> Result<Signed, Denied> {
    let query = request.target.query().unwrap_or_default();
    let cookies = request.headers.get(COOKIE).map_or(&b""[..], HeaderValue::as_bytes);
    let credential = Credential::select(query, cookies).ok_or(Denied::Unsigned)?;
    let id = credential.key.once().filter(|id| is_key_id(id)).ok_or(Denied::NoKeyId)?;
    let (id, key) = trusted.key(id).ok_or(Denied::UnknownKey)?;
    let signature = credential.signature.once().and_then(credential::decode).ok_or(Denied::NoSignature)?;
    let hash = match credential.hash {
        Field::Absent | Field::Once(b"SHA1") => Hash::Sha1,
        Field::Once(b"SHA256") => Hash::Sha256,
        Field::Once(_) | Field::Repeated => return Err(Denied::UnknownHash),
    };
    let query = credential::without_parameters(query);
    let url = resource::Url {
        scheme: request.scheme.as_str(),
        host: request.host.to_str().unwrap_or_default(),
        path: request.target.path(),
        query: &query,
    };
    let policy = Policy::read(&credential, &url)?;
    if !key.signed(hash, policy.signed(), &signature) {
        return Err(Denied::WrongSignature);
    }
    policy.permits(&url, request.peer.ip(), now)?;
    Ok(Signed {
        carrier: credential.carrier,
        form: policy.form(),
        key: id.to_owned(),
        hash,
        until: policy.until(),
    })
}

/// Ids are letters and digits (`K2JCJMDEHXQW5F`, `APKA…`).
fn is_key_id(id: &[u8]) -> bool {
    !id.is_empty() && id.iter().all(u8::is_ascii_alphanumeric)
}

/// Takes out of a request what signs it: the parameters (§4.2) and the cookies (§4.3).
pub(super) fn strip(request: &mut Request) {
    if let Some(query) = request.target.query() {
        let (path, query) = (request.target.path(), credential::without_parameters(query));
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        if let Ok(target) = PathAndQuery::try_from(target) {
            request.target = target;
        }
    }
    strip_cookies(&mut request.headers);
}

fn strip_cookies(headers: &mut HeaderMap) {
    let Some(field) = headers.get(COOKIE) else { return };
    let is_own = |pair: &cookie::Pair<'_>| credential::is_cookie(pair.name);
    if !cookie::pairs(field.as_bytes()).any(|pair| is_own(&pair)) {
        return; // not even a space of it is touched
    }
    let kept: Vec<&[u8]> =
        cookie::pairs(field.as_bytes()).filter(|pair| !is_own(pair)).map(|pair| pair.raw).collect();
    match HeaderValue::from_bytes(&kept.join(&b"; "[..])) {
        Ok(value) if !value.is_empty() => _ = headers.insert(COOKIE, value),
        _ => _ = headers.remove(COOKIE),
    }
}

#[cfg(test)]
mod tests;
