//! `edge.toml`. Every field is optional but `preset` and `[origin]`; `fixtures/site/wordpress.toml` explains each.
//!
//! What it does not know it refuses, and it says everything that is wrong at once.

mod delivery;

use std::time::Duration;

use ::toml::de::DeTable;

use super::meaning::Wrong;
use super::preset::{Cache, Preset};
use super::problem::{Fault, Problems};
use super::reader::{Found, PRESETS_OWN, Reader, Section};
use super::{NAMELESS_ORIGIN, Policy, Server, SiteOrigin, Style, duration, value};
use crate::distribution::rule::{DeviceClasses, NameOrPrefix};
use crate::distribution::{OriginProtocol, PathPattern, ViewerProtocolPolicy};

/// All that may be written.
const SECTIONS: &[Section] = &[
    Section {
        name: "",
        fields: &[
            "preset",
            "style",
            "domains",
            "certificate",
            "viewers",
            "origin",
            "devices",
            "sessions",
            "query",
            "ttl",
            "behavior",
            "everything_else",
            "root",
            "errors",
            "headers",
            "logging",
            "web_acl",
            "price_class",
            "http_version",
        ],
    },
    Section {
        name: "origin",
        fields: &[
            "name",
            "servers",
            "protocol",
            "http_port",
            "https_port",
            "connect_attempts",
            "connect_timeout",
            "read_timeout",
            "keepalive_timeout",
            "path",
            "headers",
        ],
    },
    Section { name: "devices", fields: &["classes"] },
    Section { name: "sessions", fields: &["cookies", "ignore", "arguments"] },
    Section { name: "query", fields: &["drop", "keep", "sort", "assets"] },
    Section { name: "ttl", fields: &["pages", "assets", "errors"] },
    Section { name: "behavior", fields: &["path", "cache"] },
    Section { name: "errors", fields: &["page", "codes", "status"] },
    Section { name: "headers", fields: &["security", "content_security_policy", "remove", "set"] },
    Section { name: "logging", fields: &["bucket", "prefix"] },
];

/// Reads a site policy, or says everything that is wrong with it.
pub fn read(text: &str) -> Result<Policy, Problems> {
    let mut reader = Reader { text, sections: SECTIONS, problems: Problems::default() };
    match DeTable::parse(text) {
        Ok(table) => {
            let policy = reader.policy(table.get_ref());
            if reader.problems.is_empty() {
                return Ok(policy);
            }
            reader.problems.sort();
        }
        Err(error) => {
            let line = error.span().and_then(|span| reader.line_of(span.start));
            let hint = "texts stand in quotes, sections in [brackets], and each name once";
            reader.problems.add(line, "", Fault::new(error.message()).hint(hint));
        }
    }
    Err(reader.problems)
}

impl Reader<'_> {
    fn policy(&mut self, top: &DeTable<'_>) -> Policy {
        self.refuse_unknown(&SECTIONS[0], top);
        let preset = self.text(("", top), "preset", value::preset);
        if !top.contains_key("preset") {
            let names: Vec<&str> = super::preset::PRESETS.iter().map(|preset| preset.name).collect();
            let hint = format!("preset = \"{}\", or {}", names[0], names[1..].join(", "));
            self.problems.add(Some(1), "preset", Fault::new("it is missing").hint(hint));
        }
        // Without a preset its fields are still looked at, for all problems at once.
        let preset = preset.map_or(&super::preset::PRESETS[0], |found| found.value);
        let origin = self.origin(top, preset).unwrap_or_else(|| SiteOrigin::of(preset, Vec::new()));
        let mut policy = Policy::of(preset, origin);
        self.top(top, &mut policy);
        self.devices_and_sessions(top, &mut policy);
        self.query_and_ttl(top, &mut policy);
        self.behaviors(top, &mut policy);
        self.delivery(top, &mut policy);
        if self.problems.is_empty() {
            self.meaning(top, &policy);
        }
        policy
    }

    fn top(&mut self, top: &DeTable<'_>, policy: &mut Policy) {
        let domains = self.texts(("", top), "domains", value::domain).unwrap_or_default();
        policy.domains = self.each_once("domains", domains, Clone::clone);
        if let Some(found) = self.text(("", top), "style", |text| value::choice(text, Style::WORDS)) {
            policy.style = found.value;
        }
        policy.certificate = self.text(("", top), "certificate", value::certificate).map(|found| found.value);
        let words = [
            ("redirect-to-https", ViewerProtocolPolicy::RedirectToHttps),
            ("https-only", ViewerProtocolPolicy::HttpsOnly),
            ("allow-all", ViewerProtocolPolicy::AllowAll),
        ];
        if let Some(found) = self.text(("", top), "viewers", |text| value::choice(text, words)) {
            policy.viewers = found.value;
        }
    }

    fn origin(&mut self, top: &DeTable<'_>, preset: &Preset) -> Option<SiteOrigin> {
        const HINT: &str =
            "[origin] with name = \"alb.example.com\", or servers = [\"http://127.0.0.1:8000\"], or both";
        let Some(Found { line, value: table }) = self.section(top, "origin") else {
            if !top.contains_key("origin") {
                self.problems.add(Some(1), "origin", Fault::new("it is missing").hint(HINT));
            }
            return None;
        };
        if !table.contains_key("name") && !table.contains_key("servers") {
            self.problems.add(line, "origin", Fault::new("neither name nor servers").hint(HINT));
        }
        let at = ("origin", table);
        let servers = self.texts(at, "servers", value::server);
        if servers.as_ref().is_some_and(Vec::is_empty) && self.problems.is_empty() {
            let fault = Fault::new("the list is empty").hint("leave it out to ask the origin by its name");
            let line = self.line_of_field(table, "servers", None);
            self.problems.add(line, "origin.servers", fault);
        }
        let servers = self.each_once("origin.servers", servers.unwrap_or_default(), Server::to_string);
        let mut origin = SiteOrigin::of(preset, servers);
        if let Some(name) = self.text(at, "name", value::origin_name) {
            // The ports of servers here say nothing of the real origin's.
            origin = SiteOrigin { name: name.value, http_port: 80, https_port: 443, ..origin };
            if origin.servers.is_empty() {
                origin.protocol = OriginProtocol::HttpsOnly; // in the clear only if asked to
            }
        } else if table.contains_key("name") {
            origin.name = NAMELESS_ORIGIN.to_owned();
        }
        self.how_to_connect(at, &mut origin);
        self.path_and_headers(at, &mut origin);
        Some(origin)
    }

    fn how_to_connect(&mut self, at: (&str, &DeTable<'_>), origin: &mut SiteOrigin) {
        const OF_SERVERS: [&str; 5] =
            ["protocol", "http_port", "https_port", "read_timeout", "keepalive_timeout"];
        if origin.is_bucket()
            && let Some(field) = OF_SERVERS.iter().find(|field| at.1.contains_key(**field))
        {
            let fault =
                Fault::new(format!("{:?} is a bucket, which CloudFront asks in its own way", origin.name));
            let line = self.line_of_field(at.1, field, None);
            self.problems.add(line, format!("origin.{field}"), fault.hint("leave it out"));
        }
        let words = [
            ("http-only", OriginProtocol::HttpOnly),
            ("https-only", OriginProtocol::HttpsOnly),
            ("match-viewer", OriginProtocol::MatchViewer),
        ];
        if let Some(found) = self.text(at, "protocol", |text| value::choice(text, words)) {
            origin.protocol = found.value;
        }
        for (field, port) in [("http_port", &mut origin.http_port), ("https_port", &mut origin.https_port)] {
            let Some(found) = self.number(at, field, (1, u16::MAX)) else { continue };
            if value::origin_port(found.value) {
                *port = found.value;
            } else {
                let fault =
                    Fault::new(format!("CloudFront asks port 80, 443 or 1024 and up, not {}", found.value))
                        .hint("a load balancer in front may listen there");
                self.problems.add(found.line, format!("origin.{field}"), fault);
            }
        }
        for (field, default, unused) in
            [("http_port", 80, OriginProtocol::HttpsOnly), ("https_port", 443, OriginProtocol::HttpOnly)]
        {
            let port = if field == "http_port" { origin.http_port } else { origin.https_port };
            if origin.protocol == unused && port != default {
                let word = if unused == OriginProtocol::HttpOnly { "http-only" } else { "https-only" };
                let fault = Fault::new(format!("{port} is never asked: the protocol is \"{word}\""));
                let line = self.line_of_field(at.1, field, None);
                self.problems.add(line, format!("origin.{field}"), fault.hint("origin.protocol says which"));
            }
        }
        if let Some(found) = self.number(at, "connect_attempts", (1, 3)) {
            origin.connect_attempts = u8::try_from(found.value).unwrap_or(3);
        }
        for (field, longest, timeout) in [
            ("connect_timeout", 10, &mut origin.connect_timeout),
            ("read_timeout", 120, &mut origin.read_timeout),
            ("keepalive_timeout", 120, &mut origin.keepalive_timeout),
        ] {
            let within = |text: &str| match duration::parse(text)? {
                found if (1..=longest).contains(&found.as_secs()) => Ok(found),
                _ => Err(Fault::new(format!("{text:?} is not from 1s to {longest}s")).hint(PRESETS_OWN)),
            };
            if let Some(found) = self.text(at, field, within) {
                *timeout = found.value;
            }
        }
    }

    fn devices_and_sessions(&mut self, top: &DeTable<'_>, policy: &mut Policy) {
        if let Some(table) = self.section(top, "devices") {
            let words = [
                ("none", DeviceClasses::None),
                ("two", DeviceClasses::Two),
                ("three", DeviceClasses::Three),
                ("four", DeviceClasses::Four),
            ];
            if let Some(found) =
                self.text(("devices", table.value), "classes", |text| value::choice(text, words))
            {
                policy.devices = found.value;
            }
        }
        let Some(table) = self.section(top, "sessions") else { return };
        let at = ("sessions", table.value);
        let preset = policy.preset;
        let known = preset.session_cookies;
        let ignored = self.texts(at, "ignore", |text| {
            let fault = || {
                let fault = Fault::new(format!("the preset {} has no session cookie {text:?}", preset.name));
                fault.hint(format!("it has {}", known.join(", ")))
            };
            known.iter().find(|name| **name == text).ok_or_else(|| fault().near(text, known.iter().copied()))
        });
        for name in ignored.unwrap_or_default() {
            policy.session_cookies.retain(|entry| String::from(entry.clone()) != **name.value);
        }
        let cookies = self.texts(at, "cookies", |text| value::cookie(text, preset)).unwrap_or_default();
        self.extend("sessions.cookies", &mut policy.session_cookies, cookies);
        let arguments = self.texts(at, "arguments", value::argument).unwrap_or_default();
        self.extend("sessions.arguments", &mut policy.session_query, arguments);
    }

    fn query_and_ttl(&mut self, top: &DeTable<'_>, policy: &mut Policy) {
        if let Some(table) = self.section(top, "query") {
            let at = ("query", table.value);
            let dropped = self.texts(at, "drop", value::argument).unwrap_or_default();
            self.extend("query.drop", &mut policy.drop_query, dropped);
            let kept = self.texts(at, "keep", value::argument).unwrap_or_default();
            self.extend("query.keep", &mut policy.keep_query, kept);
            if let Some(found) = self.flag(at, "sort") {
                policy.sort_query = found.value;
            }
            if let Some(names) = self.texts(at, "assets", value::whole_argument) {
                policy.asset_query = Some(self.each_once("query.assets", names, Clone::clone));
            }
        }
        if let Some(table) = self.section(top, "ttl") {
            let ttls = [
                ("pages", &mut policy.ttl_pages),
                ("assets", &mut policy.ttl_assets),
                ("errors", &mut policy.ttl_errors),
            ];
            for (field, ttl) in ttls {
                if let Some(Found { value, .. }) =
                    self.text::<Duration>(("ttl", table.value), field, duration::parse)
                {
                    *ttl = value;
                }
            }
        }
    }

    /// The site's own come first; one that the preset has too takes its place.
    fn behaviors(&mut self, top: &DeTable<'_>, policy: &mut Policy) {
        let words = Cache::ALL.map(|(word, cache, _)| (word, cache));
        if let Some(found) = self.text(("", top), "everything_else", |text| value::choice(text, words)) {
            policy.everything_else = found.value;
        }
        let mut own: Vec<(PathPattern, Cache)> = Vec::new();
        for Found { line, value: table } in self.tables(top, "behavior") {
            for field in ["path", "cache"].iter().filter(|field| !table.contains_key(**field)) {
                let hint = "a [[behavior]] has path = \"cart/*\" and cache = \"never\"";
                self.problems.add(line, format!("behavior.{field}"), Fault::new("it is missing").hint(hint));
            }
            let at = ("behavior", table);
            let path = self.text(at, "path", value::path);
            let cache = self.text(at, "cache", |text| value::choice(text, words));
            let (Some(path), Some(cache)) = (path, cache) else { continue };
            if own.iter().any(|(other, _)| other.anchored() == path.value.anchored()) {
                let fault = Fault::new(format!("\"{}\" is there twice", path.value));
                self.problems.add(path.line, "behavior.path", fault.hint("the first match wins"));
            }
            own.push((path.value, cache.value));
        }
        policy
            .behaviors
            .retain(|(path, _)| !own.iter().any(|(other, _)| other.anchored() == path.anchored()));
        own.append(&mut policy.behaviors);
        policy.behaviors = own;
    }

    /// What is wrong with all of it together, each mistake at the line of its field.
    fn meaning(&mut self, top: &DeTable<'_>, policy: &Policy) {
        for Wrong { place, entry, fault } in policy.wrongs() {
            let line = self.line_of_field(top, place, entry.as_deref());
            self.problems.add(line, place, fault);
        }
    }

    /// Appends what is new.
    fn extend(&mut self, place: &str, list: &mut Vec<NameOrPrefix>, more: Vec<Found<NameOrPrefix>>) {
        for name in self.each_once(place, more, |name| String::from(name.clone())) {
            if !list.contains(&name) {
                list.push(name);
            }
        }
    }

    fn each_once<T>(&mut self, place: &str, list: Vec<Found<T>>, text: impl Fn(&T) -> String) -> Vec<T> {
        let mut seen: Vec<String> = Vec::new();
        let mut once = Vec::with_capacity(list.len());
        for Found { line, value } in list {
            let text = text(&value);
            if seen.contains(&text) {
                self.problems.add(
                    line,
                    place,
                    Fault::new(format!("\"{text}\" is there twice")).hint("once is enough"),
                );
            } else {
                once.push(value);
            }
            seen.push(text);
        }
        once
    }
}
