//! An `edge.toml` to begin with: a preset's fields, each with a comment, its own values behind a `#`.
//!
//! It is made from the table, so it cannot say anything else; it reads back as the policy it was made from, and so it
//! does with every `#` before a field taken away (`tests/site_template.rs`).

use std::fmt::Write as _;

use super::preset::{AssetQuery, COMMON_TRACKERS, Cache};
use super::{NAMELESS_ORIGIN, Policy, duration};
use crate::distribution::OriginProtocol;
use crate::distribution::rule::DeviceClasses;

/// Comments are as wide as this file's.
const COLUMNS: usize = 118;

/// A commented `edge.toml` that reads back as `policy`, which is a preset with an origin and perhaps domains.
pub fn template(policy: &Policy) -> String {
    let mut out = String::new();
    head(&mut out, policy);
    origin(&mut out, policy);
    if policy.has_pages() {
        devices_and_sessions(&mut out, policy);
    }
    query(&mut out, policy);
    ttl(&mut out, policy);
    around(&mut out, policy);
    behaviors(&mut out, policy);
    out
}

fn head(out: &mut String, policy: &Policy) {
    about(out, &format!("edge.toml ({}): {}", policy.preset.name, policy.preset.about));
    out.push_str("#\n");
    about(
        out,
        "Only `preset` and `[origin]` are needed. What stands behind a # is the preset's own value, or an example.",
    );
    out.push_str("#\n#     edge-bin serve edge.toml     # serves it here\n#     edge-bin show edge.toml      # what it comes to in AWS's words\n\n");
    _ = writeln!(out, "preset = \"{}\"\n", policy.preset.name);
    if policy.has_pages() {
        about(
            out,
            "\"function\": a function at the edge decides who has a session. \"policy\": no code runs there, and less can be promised.",
        );
        out.push_str("# style = \"function\"\n\n");
    }
    about(out, "The names viewers ask for, the main one first; \"*.example.com\" is one for all its names.");
    match policy.domains.as_slice() {
        [] => out.push_str("# domains = [\"www.example.com\"]\n"),
        domains => _ = writeln!(out, "domains = {}", texts(domains)),
    }
    about(out, "Their ACM certificate, in us-east-1, if there is one already.");
    out.push_str("# certificate = \"arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012\"\n");
    about(out, "What plain HTTP gets: \"redirect-to-https\", \"https-only\" (403), \"allow-all\".");
    out.push_str("# viewers = \"redirect-to-https\"\n\n");
    about(out, "How all paths are cached that no behavior names; the words stand below.");
    _ = writeln!(out, "# everything_else = \"{}\"\n", policy.everything_else.word());
    about(out, "What / stands for. Leave it to the web server where there is one.");
    let root = if policy.root.is_empty() { "index.html" } else { &policy.root };
    _ = writeln!(out, "# root = \"{root}\"");
    about(out, "What viewers may speak: \"http1.1\", \"http2\", \"http3\", \"http2and3\".");
    _ = writeln!(out, "# http_version = \"{}\"", policy.http_version);
    about(out, "Where edge locations are used: \"all\", \"200\", \"100\".");
    out.push_str("# price_class = \"all\"\n");
    about(out, "A web ACL. It is not evaluated here.");
    out.push_str("# web_acl = \"arn:aws:wafv2:us-east-1:123456789012:global/webacl/site/12345678-1234-1234-1234-123456789012\"\n\n");
}

fn origin(out: &mut String, policy: &Policy) {
    let origin = &policy.origin;
    out.push_str("[origin]\n");
    let is_nameless = origin.name == NAMELESS_ORIGIN;
    about(
        out,
        match policy.everything_else {
            Cache::Assets => {
                "The real origin, as CloudFront will ask for it: a web server, or a bucket (BUCKET.s3.REGION.amazonaws.com)."
            }
            _ => "The real origin, as CloudFront will ask for it. A name, never an address.",
        },
    );
    if is_nameless {
        out.push_str("# name = \"origin.example.com\"\n");
    } else {
        _ = writeln!(out, "name = \"{}\"", origin.name);
    }
    about(out, "Where requests go on this machine instead; several share the load.");
    let servers: Vec<String> = origin.servers.iter().map(ToString::to_string).collect();
    match servers.as_slice() {
        [] => out.push_str("# servers = [\"http://127.0.0.1:8000\"]\n"),
        servers => _ = writeln!(out, "servers = {}", texts(servers)),
    }
    if !origin.is_bucket() {
        about(out, "How CloudFront speaks to it: \"http-only\", \"https-only\", \"match-viewer\".");
        let protocol = match origin.protocol {
            OriginProtocol::HttpOnly => "http-only",
            OriginProtocol::HttpsOnly => "https-only",
            OriginProtocol::MatchViewer => "match-viewer",
        };
        _ = writeln!(out, "protocol = \"{protocol}\"");
        let ports = [
            ("http_port", origin.http_port, 80, OriginProtocol::HttpsOnly),
            ("https_port", origin.https_port, 443, OriginProtocol::HttpOnly),
        ];
        for (field, port, usual, unused) in ports {
            let behind = if port == usual || origin.protocol == unused { "# " } else { "" };
            _ = writeln!(out, "{behind}{field} = {}", if origin.protocol == unused { usual } else { port });
        }
    }
    about(
        out,
        "How long until a stale copy (or an error) is served for an origin that is away: attempts times timeout.",
    );
    _ = writeln!(out, "# connect_attempts = {}", origin.connect_attempts);
    _ = writeln!(out, "# connect_timeout = \"{}\"", duration::written(origin.connect_timeout));
    if !origin.is_bucket() {
        _ = writeln!(out, "# read_timeout = \"{}\"", duration::written(origin.read_timeout));
        about(out, "Of idle connections: below the origin's own.");
        _ = writeln!(out, "# keepalive_timeout = \"{}\"", duration::written(origin.keepalive_timeout));
    }
    about(out, "In front of every path.");
    out.push_str("# path = \"/public\"\n");
    about(out, "On every request to it: a secret by which it knows CloudFront.");
    out.push_str("# headers = { X-Origin-Secret = \"change me\" }\n\n");
}

fn devices_and_sessions(out: &mut String, policy: &Policy) {
    out.push_str("[devices]\n");
    about(
        out,
        "Which devices have copies of their own: \"none\", \"two\" (mobile with tablets, desktop), \"three\" (mobile, tablet, \
         desktop) or \"four\" (and tv). The origin finds the class in the header X-Viewer-Device.",
    );
    let classes = match policy.devices {
        DeviceClasses::None => "none",
        DeviceClasses::Two => "two",
        DeviceClasses::Three => "three",
        DeviceClasses::Four => "four",
    };
    _ = writeln!(out, "# classes = \"{classes}\"\n\n[sessions]");
    about(
        out,
        "More cookies that make a viewer's pages his own; * at the end stands for any ending. A currency or language that is \
         kept in a cookie belongs here, or visitors lose it.",
    );
    listed(out, policy.preset.session_cookies);
    out.push_str("# cookies = [\"my_session_*\"]\n");
    if let Some(last) = policy.preset.session_cookies.last() {
        about(out, "Those of the preset that are none on this site.");
        _ = writeln!(out, "# ignore = [\"{last}\"]");
    }
    about(out, "More query arguments whose answer is one viewer's own.");
    listed(out, policy.preset.session_query);
    out.push_str("# arguments = [\"my-coupon\"]\n\n");
}

fn query(out: &mut String, policy: &Policy) {
    let preset = policy.preset;
    let (dropped, drop) = match (policy.has_pages(), policy.drops_of_files()) {
        (true, _) => (preset.drop_query, "[\"ref\", \"src_*\"]"),
        (false, true) => (COMMON_TRACKERS, "[\"ref\"]"),
        (false, false) => return,
    };
    out.push_str("[query]\n");
    about(out, "More arguments that change nothing.");
    listed(out, dropped);
    _ = writeln!(out, "# drop = {drop}");
    about(out, "Exceptions: these do change something here.");
    out.push_str("# keep = [\"utm_campaign\"]\n");
    if policy.has_pages() {
        about(out, "Sort the rest, so that their order splits no copy.");
        out.push_str("# sort = true\n");
    }
    if let AssetQuery::Only(names) = preset.asset_query {
        about(out, "The arguments of assets that name a version: these, and no others.");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        _ = writeln!(out, "# assets = {}", texts(&names));
    }
    out.push('\n');
}

fn ttl(out: &mut String, policy: &Policy) {
    out.push_str("[ttl]\n");
    about(
        out,
        "How long a copy lives where the origin does not say: \"30s\", \"10m\", \"12h\", \"1d\", \"1h30m\".",
    );
    if policy.has_pages() {
        about(out, "Forms that carry a nonce of WordPress want at most \"10h\": nonces live 12 to 24 hours.");
        _ = writeln!(out, "# pages = \"{}\"", duration::written(policy.ttl_pages));
    }
    if policy.has(Cache::Assets) {
        _ = writeln!(out, "# assets = \"{}\"", duration::written(policy.ttl_assets));
    }
    about(out, "Errors of the origin: how long an outage outlives itself.");
    _ = writeln!(out, "# errors = \"{}\"\n", duration::written(policy.ttl_errors));
}

fn around(out: &mut String, policy: &Policy) {
    out.push_str("[headers]\n");
    about(
        out,
        "\"managed\": the usual security headers, as AWS's SecurityHeadersPolicy has them; the origin's own come first.",
    );
    out.push_str("# security = \"none\"\n# content_security_policy = \"default-src 'self'\"\n");
    about(out, "Fields of the origin that viewers do not see, and fields that they see whatever it says.");
    out.push_str("# remove = [\"X-Powered-By\"]\n# set = { Permissions-Policy = \"camera=()\" }\n\n");
    about(out, "A page that stands for errors.");
    out.push_str("# [errors]\n");
    let page = policy.error_page.as_ref();
    _ = writeln!(out, "# page = \"{}\"", page.map_or("/404.html", |page| &page.page));
    let codes = page.map_or(vec![404], |page| page.codes.clone());
    let codes: Vec<String> = codes.iter().map(u16::to_string).collect();
    _ = writeln!(out, "# codes = [{}]", codes.join(", "));
    _ = writeln!(out, "# status = {}\n", page.map_or(404, |page| page.status));
    about(out, "Standard logs. They are not written here.");
    out.push_str("# [logging]\n# bucket = \"logs.s3.amazonaws.com\"\n# prefix = \"cloudfront/\"\n\n");
}

fn behaviors(out: &mut String, policy: &Policy) {
    about(out, "More paths, before those of the preset. The first match wins.");
    for (word, cache, what) in Cache::ALL {
        let fits = !policy.origin.is_bucket() || matches!(cache, Cache::Assets | Cache::Immutable);
        if fits {
            about(out, &format!("{word}: {what}."));
        }
    }
    out.push_str("#\n# The preset's own:\n#\n");
    for (path, cache) in policy.preset.behaviors {
        _ = writeln!(out, "#     {path:24} {}", cache.word());
    }
    _ = writeln!(out, "#     {:24} {}\n", "everything else", policy.everything_else.word());
    out.push_str("# [[behavior]]\n# path = \"downloads/*\"\n# cache = \"assets\"\n");
}

/// What the preset has, for the eye.
fn listed(out: &mut String, names: &[&str]) {
    if !names.is_empty() {
        about(out, &format!("The preset has: {}.", names.join(", ")));
    }
}

fn texts(list: &[String]) -> String {
    let quoted: Vec<String> = list.iter().map(|text| format!("\"{text}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

/// A comment, broken between words.
fn about(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > COLUMNS {
            out.push_str(&line);
            line = String::from("\n#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}
