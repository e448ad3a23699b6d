//! Response headers policies (§1.2.7), their security headers spelled as they are sent (§8.4).

use std::time::Duration;

use http::{HeaderName, HeaderValue, header};

use super::super::check::{self, quotas};
use super::super::policy::CORS_ALL_METHODS;
use super::super::problem::codes::INVALID_ARGUMENT;
use super::super::{AllowedOrigin, Cors, OriginHeader, ResponseHeadersPolicy, SetHeader};
use super::names::{header_name, header_names, total_chars};
use super::node::Node;

/// Reads a `ResponseHeadersPolicyConfig`.
pub(super) fn policy(config: &Node<'_>) -> ResponseHeadersPolicy {
    config.text("Comment");
    let name = config.required_text("Name").to_owned();
    let cors = config.at("CorsConfig");
    let mut set = security_headers(&config.at("SecurityHeadersConfig"));
    set.extend(custom_headers(&config.at("CustomHeadersConfig")));
    ResponseHeadersPolicy {
        name,
        remove: removed_headers(&config.at("RemoveHeadersConfig")),
        set,
        cors: cors.is_present().then(|| self::cors(&cors)),
        server_timing_percent: server_timing(&config.at("ServerTimingHeadersConfig")),
    }
}

fn security_headers(config: &Node<'_>) -> Vec<SetHeader> {
    if !config.is_present() {
        return Vec::new();
    }
    type Render = fn(&Node<'_>) -> Option<String>;
    let table: [(&'static str, HeaderName, Render); 6] = [
        ("XSSProtection", header::X_XSS_PROTECTION, xss_protection),
        ("FrameOptions", header::X_FRAME_OPTIONS, frame_options),
        ("ReferrerPolicy", header::REFERRER_POLICY, referrer_policy),
        ("ContentSecurityPolicy", header::CONTENT_SECURITY_POLICY, content_security_policy),
        ("ContentTypeOptions", header::X_CONTENT_TYPE_OPTIONS, |_| Some("nosniff".to_owned())),
        ("StrictTransportSecurity", header::STRICT_TRANSPORT_SECURITY, strict_transport_security),
    ];
    let read = |(key, name, render): (&'static str, HeaderName, Render)| {
        let node = config.at(key);
        if !node.is_present() {
            return None;
        }
        let origin = overriding(&node, "Override");
        let value = header_value(&node, &render(&node)?)?;
        Some(SetHeader { name, value, origin })
    };
    table.into_iter().filter_map(read).collect()
}

fn xss_protection(node: &Node<'_>) -> Option<String> {
    let block = node.boolean("ModeBlock") == Some(true);
    let report = node.filled("ReportUri");
    if block && report.is_some() {
        node.error(INVALID_ARGUMENT, "ModeBlock and ReportUri exclude each other");
    }
    if !node.required_boolean("Protection") {
        return Some("0".to_owned());
    }
    Some(match report {
        _ if block => "1; mode=block".to_owned(),
        Some(uri) => format!("1; report={uri}"),
        None => "1".to_owned(),
    })
}

fn frame_options(node: &Node<'_>) -> Option<String> {
    let words = ["DENY", "SAMEORIGIN"].map(|word| (word, word));
    node.required_choice("FrameOption", &words).map(str::to_owned)
}

fn referrer_policy(node: &Node<'_>) -> Option<String> {
    let words = [
        "no-referrer",
        "no-referrer-when-downgrade",
        "origin",
        "origin-when-cross-origin",
        "same-origin",
        "strict-origin",
        "strict-origin-when-cross-origin",
        "unsafe-url",
    ]
    .map(|word| (word, word));
    node.required_choice("ReferrerPolicy", &words).map(str::to_owned)
}

fn content_security_policy(node: &Node<'_>) -> Option<String> {
    let field = node.required("ContentSecurityPolicy");
    let text = field.as_text()?;
    field.within(&quotas::CSP, text.chars().count());
    Some(text.to_owned())
}

fn strict_transport_security(node: &Node<'_>) -> Option<String> {
    let seconds = node.required("AccessControlMaxAgeSec").as_integer()?;
    let mut value = format!("max-age={seconds}");
    for (key, directive) in [("IncludeSubdomains", "; includeSubDomains"), ("Preload", "; preload")] {
        if node.boolean(key) == Some(true) {
            value.push_str(directive);
        }
    }
    Some(value)
}

fn custom_headers(config: &Node<'_>) -> Vec<SetHeader> {
    let items = config.items();
    config.within(&quotas::SET_HEADERS, items.len());
    let read = |item: &Node<'_>| {
        let origin = overriding(item, "Override");
        let value = item.required("Value");
        let value = header_value(&value, value.as_text()?);
        Some(SetHeader { name: header_name(&item.required("Header"))?, value: value?, origin })
    };
    items.iter().filter_map(read).collect()
}

fn removed_headers(config: &Node<'_>) -> Vec<HeaderName> {
    let items = config.items();
    config.within(&quotas::REMOVED_HEADERS, items.len());
    let headers: Vec<Node<'_>> = items.iter().map(|item| item.required("Header")).collect();
    header_names(&headers, check::removable_header)
}

fn server_timing(config: &Node<'_>) -> Option<f64> {
    if !config.is_present() {
        return None;
    }
    let enabled = config.required_boolean("Enabled");
    let field = config.at("SamplingRate");
    let rate = field.as_decimal().unwrap_or_default();
    let ten_thousandths = rate * 10_000.0;
    if !(0.0..=100.0).contains(&rate) || (ten_thousandths - ten_thousandths.round()).abs() > 1e-6 {
        field.error(INVALID_ARGUMENT, format!("{rate} is not 0 to 100 with at most four decimals"));
    }
    enabled.then_some(rate)
}

fn cors(config: &Node<'_>) -> Cors {
    let methods = config.required("AccessControlAllowMethods").items();
    let mut allow_methods = Vec::new();
    for method in &methods {
        let Some(name) = method.as_text() else { continue };
        if !check::is_cors_method(name) {
            method.error(INVALID_ARGUMENT, format!("{name:?} is not one of the methods, or ALL"));
        }
        allow_methods.push(name.to_owned());
    }
    if allow_methods.iter().any(|name| name == "ALL") {
        allow_methods = CORS_ALL_METHODS.map(str::to_owned).to_vec();
    }
    Cors {
        allow_origins: cors_origins(&config.required("AccessControlAllowOrigins")),
        allow_headers: cors_headers(&config.required("AccessControlAllowHeaders")),
        allow_methods,
        allow_credentials: config.required_boolean("AccessControlAllowCredentials"),
        expose_headers: cors_headers(&config.at("AccessControlExposeHeaders")),
        max_age: config.integer("AccessControlMaxAgeSec").map(Duration::from_secs),
        origin: overriding(config, "OriginOverride"),
    }
}

fn cors_origins(list: &Node<'_>) -> Vec<AllowedOrigin> {
    let items = list.items();
    if list.is_present() && items.is_empty() {
        list.error(INVALID_ARGUMENT, "at least one origin is needed");
    }
    list.within(&quotas::CORS_ORIGINS_TOTAL, total_chars(&items));
    let mut origins = Vec::with_capacity(items.len());
    for item in &items {
        let Some(entry) = item.as_text() else { continue };
        if entry == "*" && items.len() > 1 {
            item.error(INVALID_ARGUMENT, "* stands alone");
        }
        origins.extend(item.checked(INVALID_ARGUMENT, AllowedOrigin::parse(entry)));
    }
    origins
}

/// Names, or patterns of names with `*`.
fn cors_headers(list: &Node<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for item in list.items() {
        let Some(name) = item.as_text() else { continue };
        let token = HeaderName::from_bytes(name.as_bytes()); // `*` is a token character.
        item.checked(INVALID_ARGUMENT, token.map_err(|_| format!("{name:?} is not the name of a header")));
        names.push(name.to_owned());
    }
    names
}

fn overriding(node: &Node<'_>, key: &'static str) -> OriginHeader {
    if node.required_boolean(key) { OriginHeader::Overridden } else { OriginHeader::Kept }
}

fn header_value(node: &Node<'_>, text: &str) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(text).map_err(|_| "this cannot be the value of a header");
    node.checked(INVALID_ARGUMENT, value)
}
