//! Single values of a site policy: a text in, something checked out, or what is wrong with it.

use std::net::IpAddr;

use http::Uri;

use super::Server;
use super::preset::{PRESETS, Preset};
use super::problem::Fault;
use crate::distribution::PathPattern;
use crate::distribution::check;
use crate::distribution::path_pattern::PatternError;
use crate::distribution::rule::NameOrPrefix;

pub(super) fn preset(name: &str) -> Result<&'static Preset, Fault> {
    choice(name, PRESETS.iter().map(|preset| (preset.name, preset)))
}

/// One of a few words.
pub(super) fn choice<T>(text: &str, words: impl IntoIterator<Item = (&'static str, T)>) -> Result<T, Fault> {
    let mut known = Vec::new();
    for (word, value) in words {
        if word == text {
            return Ok(value);
        }
        known.push(word);
    }
    let fault = Fault::new(format!("{text:?} is none of {}", known.join(", ")));
    Err(fault.hint("one of these words, in quotes").near(text, known))
}

const SERVER: &str = "as in \"http://10.0.0.1:8000\"";

/// `http://10.0.0.1:8000`: scheme, host and port, and no more.
pub(super) fn server(text: &str) -> Result<Server, Fault> {
    let fault = |message: &str| Fault::new(format!("{text:?} {message}"));
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(fault("is no URL").hint(format!("did you mean \"http://{text}\"?")));
    };
    let (scheme, default_port) = match scheme {
        "http" => ("http", 80),
        "https" => ("https", 443),
        _ => {
            let hint = "CloudFront speaks nothing else to origins";
            return Err(fault("begins with neither http:// nor https://").hint(hint));
        }
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(at) = authority.find(['/', '?', '#']) {
        return Err(
            fault("is more than a server").hint(format!("did you mean \"{scheme}://{}\"?", &authority[..at]))
        );
    }
    let uri: Uri = format!("{scheme}://{authority}/").parse().map_err(|_| fault("is no URL").hint(SERVER))?;
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let host_fits = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        }
    };
    if authority.contains('@') || !host_fits {
        return Err(fault("names no host that can be asked").hint(SERVER));
    }
    let written = authority.strip_prefix(uri.host().unwrap_or_default()).unwrap_or_default();
    let port = match written.strip_prefix(':') {
        None => Some(default_port),
        Some(digits) => digits.parse().ok().filter(|port| *port != 0),
    };
    let port = port.ok_or_else(|| fault("has no port from 1 to 65535").hint(SERVER))?;
    Ok(Server { scheme, host, port })
}

/// The name of CloudFront's origin: DNS, never an address (§1.2.2).
pub(super) fn origin_name(text: &str) -> Result<String, Fault> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() {
        let fault = Fault::new(format!("{text:?} is an address, and CloudFront's origins are names"));
        return Err(fault.hint(format!("for here, write servers = [\"http://{text}\"]")));
    }
    dns_name(text, "for a port there are http_port, https_port and, for here, servers")
}

/// An alternate domain name (§17.2): a name, or `*.` and a name.
pub(super) fn domain(text: &str) -> Result<String, Fault> {
    const PORT: &str = "domains have no port: viewers find it by the listener";
    let rest = text.strip_prefix("*.").unwrap_or(text);
    if rest.contains('*') {
        return Err(Fault::new(format!("{text:?}: a wildcard is the first label, alone"))
            .hint("as in \"*.example.com\""));
    }
    let name = dns_name(rest, PORT)?;
    Ok(if rest.len() < text.len() { format!("*.{name}") } else { name })
}

/// Two labels or more, as RFC 1123 §2.1 has them; lower case comes out.
fn dns_name(text: &str, about_ports: &str) -> Result<String, Fault> {
    let fault = Fault::new(format!("{text:?} is no domain name"));
    if let Some((_, rest)) = text.split_once("://") {
        let name = rest.split(['/', ':']).next().unwrap_or_default();
        return Err(fault.hint(format!("the name alone: \"{name}\"")));
    }
    if let Some((name, port)) = text.split_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(fault.hint(format!("\"{name}\"; {about_ports}")));
    }
    if !text.is_ascii() {
        return Err(fault.hint("international names in their xn-- form"));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() > 253 || !text.split('.').all(label) {
        return Err(
            fault.hint("labels of at most 63 letters, digits and inner hyphens, 253 characters in all")
        );
    }
    if !text.contains('.') {
        return Err(fault.hint("with its dots, as in \"www.example.com\"; localhost is always answered"));
    }
    Ok(text.to_ascii_lowercase())
}

/// Ports a custom origin may have (§1.2.2).
pub(super) fn origin_port(port: u16) -> bool {
    matches!(port, 80 | 443 | 1024..)
}

/// `arn:aws:acm:us-east-1:…`: CloudFront takes certificates from nowhere else (§17.3).
pub(super) fn certificate(text: &str) -> Result<String, Fault> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["arn", "aws", "acm", "us-east-1", _, id] if id.starts_with("certificate/") => Ok(text.to_owned()),
        ["arn", "aws", "acm", region, ..] if *region != "us-east-1" => Err(Fault::new(format!(
            "the certificate is in {region}; CloudFront takes those of us-east-1 only"
        ))
        .hint("request one there, for the same names")),
        _ => Err(Fault::new(format!("{text:?} is no ARN of an ACM certificate"))
            .hint("as in \"arn:aws:acm:us-east-1:123456789012:certificate/…\"")),
    }
}

/// What `/` stands for (§2.5).
pub(super) fn root(text: &str) -> Result<String, Fault> {
    if let Err(wrong) = check::default_root_object(text) {
        let hint = format!("a name such as \"{}\"", text.trim_start_matches('/'));
        return Err(Fault::new(format!("{text:?}: {wrong}")).hint(hint));
    }
    if text.ends_with(".php") {
        return Err(Fault::new(format!(
            "{text:?}: the application sends those who ask for it back to /, for ever"
        ))
        .hint("leave it out: the web server finds it"));
    }
    Ok(text.to_owned())
}

/// The bucket of standard logs, as the API names it.
pub(super) fn log_bucket(text: &str) -> Result<String, Fault> {
    match text.strip_suffix(".s3.amazonaws.com") {
        Some(bucket) if !bucket.is_empty() => Ok(text.to_owned()),
        _ => Err(Fault::new(format!("{text:?} is no bucket for logs"))
            .hint("as in \"logs.s3.amazonaws.com\", without its region")),
    }
}

/// `arn:aws:wafv2:us-east-1:…:global/webacl/…`: CloudFront takes web ACLs from nowhere else.
pub(super) fn web_acl(text: &str) -> Result<String, Fault> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", "aws", "wafv2", "us-east-1", _, id] if id.starts_with("global/webacl/") => {
            Ok(text.to_owned())
        }
        ["arn", "aws", "wafv2", ..] => {
            Err(Fault::new(format!("{text:?} is not global: CloudFront takes web ACLs of us-east-1 only"))
                .hint("make it with the scope CLOUDFRONT"))
        }
        _ => Err(Fault::new(format!("{text:?} is no ARN of a web ACL"))
            .hint("as in \"arn:aws:wafv2:us-east-1:123456789012:global/webacl/name/…\"")),
    }
}

/// A cookie that marks a session.
pub(super) fn cookie(text: &str, preset: &Preset) -> Result<NameOrPrefix, Fault> {
    // RFC 6265 §4.1.1: a name is a token.
    let entry = name_or_prefix(text, "cookie", |byte| {
        byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte)
    })?;
    match preset.everybodys_cookies.iter().find(|name| entry.matches(name.as_bytes())) {
        Some(common) => Err(Fault::new(format!(
            "{text:?} matches {common:?}, which everybody has: nobody would share a page"
        ))
        .hint("a longer beginning, or the whole name")),
        None => Ok(entry),
    }
}

/// A query argument.
pub(super) fn argument(text: &str) -> Result<NameOrPrefix, Fault> {
    name_or_prefix(text, "argument", |byte| byte.is_ascii_graphic() && !b"&=#?".contains(&byte))
}

/// A query argument by its whole name.
pub(super) fn whole_argument(text: &str) -> Result<String, Fault> {
    match argument(text)? {
        NameOrPrefix::Name(name) => Ok(name),
        NameOrPrefix::Prefix(_) => {
            let fault = Fault::new(format!("{text:?}: a cache policy knows arguments by their whole names"));
            Err(fault.hint("write the names out"))
        }
    }
}

fn name_or_prefix(text: &str, what: &str, allowed: impl Fn(u8) -> bool) -> Result<NameOrPrefix, Fault> {
    let name = text.strip_suffix('*').unwrap_or(text);
    if text == "*" {
        return Err(Fault::new(format!("\"*\" is every {what}")).hint("names, or prefixes as in \"abc_*\""));
    }
    if name.contains('*') {
        let fault = Fault::new(format!("{text:?}: a * stands at the end, for any ending"));
        return Err(fault.hint("as in \"abc_*\""));
    }
    if name.is_empty() || !name.bytes().all(allowed) {
        let fault = Fault::new(format!("{text:?} is no name of {what}s"));
        return Err(fault.hint("the name alone, as it is sent: no value, no spaces"));
    }
    Ok(NameOrPrefix::from(text.to_owned()))
}

/// The path of a behavior.
pub(super) fn path(text: &str) -> Result<PathPattern, Fault> {
    if text.contains("://") {
        let hint = "the path alone, as in \"cart/*\"";
        return Err(Fault::new(format!("{text:?} is a URL")).hint(hint));
    }
    let pattern = PathPattern::parse(text).map_err(|error| match error {
        PatternError::Character { found: '=' } => Fault::new(format!("{text:?}: {error}"))
            .hint("behaviors go by the path alone; for arguments see [sessions] and [query]"),
        _ => {
            Fault::new(format!("{text:?}: {error}")).hint("as in \"cart/*\": * is any text, ? any character")
        }
    })?;
    match pattern.anchored() {
        "/*" => Err(Fault::new(format!("{text:?} is every path, and nothing after it would count"))
            .hint("the preset says what holds for all other paths")),
        _ => Ok(pattern),
    }
}
