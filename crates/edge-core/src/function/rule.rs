//! The viewer-request rule of a site policy: a CloudFront Function that is data, run natively.
//!
//! It does four things CloudFront's policies cannot do by themselves: drop more than ten query arguments and drop by
//! prefix, tell a session from a test cookie, send a session past every shared copy, and fold six device headers into
//! one. CloudFront cannot bypass its cache on a cookie, it can only key on one (§4.3), so "past every shared copy" is a
//! header in the key whose value no other request has: the request's own id. Anonymous viewers lose their cookies.
//!
//! The rule refuses to know WordPress: names and patterns are its data. The generator will print the same rule as
//! JavaScript; header names therefore keep clear of what functions may not touch (`X-Edge-*`, §14.1).

use http::header::COOKIE;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};

use crate::header::query;
use crate::viewer::Request;
use crate::viewer::device::{Class, Device};

/// The header that carries the device class to key and origin.
pub const DEVICE_HEADER: HeaderName = HeaderName::from_static("x-viewer-device");
/// The header that makes a session's key unlike any other.
pub const SESSION_HEADER: HeaderName = HeaderName::from_static("x-viewer-session");

/// The rule, as the bundle carries it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Rule {
    /// Query arguments that change no page: names, or prefixes with a final `*`.
    pub drop_query: Vec<NameOrPrefix>,
    /// Sort the arguments that stay, so that their order splits no copy.
    pub sort_query: bool,
    /// Cookies that mark a session: names, or prefixes with a final `*`. Empty: cookies are left alone.
    pub session_cookies: Vec<NameOrPrefix>,
    /// Which device classes have copies of their own.
    pub device: DeviceClasses,
}

/// How many copies of a page the device class makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceClasses {
    /// One for all.
    #[default]
    None,
    /// Mobile (with tablets) and desktop.
    Two,
    /// Mobile, tablet, desktop.
    Three,
    /// Mobile, tablet, desktop, tv.
    Four,
}

/// `name`, or `prefix*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum NameOrPrefix {
    /// Exactly this.
    Name(String),
    /// Whatever begins so.
    Prefix(String),
}

impl From<String> for NameOrPrefix {
    fn from(text: String) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Name(text),
        }
    }
}

impl From<NameOrPrefix> for String {
    fn from(name: NameOrPrefix) -> Self {
        match name {
            NameOrPrefix::Name(name) => name,
            NameOrPrefix::Prefix(prefix) => prefix + "*",
        }
    }
}

impl NameOrPrefix {
    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Name(text) => text.as_bytes() == name,
            Self::Prefix(prefix) => name.starts_with(prefix.as_bytes()),
        }
    }
}

/// What the rule did, for the trace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Who the viewer is taken for.
    pub visitor: Visitor,
    /// The class in the key, if the rule puts one there.
    pub device: Option<&'static str>,
    /// Whether arguments were dropped or moved.
    pub query_changed: bool,
}

/// Whom a rule takes a viewer for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Visitor {
    /// The rule does not look at cookies, or the method is not GET or HEAD.
    #[default]
    Unexamined,
    /// No session cookie: its cookies are dropped and it shares copies.
    Anonymous,
    /// A session cookie: past every shared copy.
    Session,
}

impl Rule {
    /// Whether the rule needs to know the device.
    pub fn needs_device(&self) -> bool {
        self.device != DeviceClasses::None
    }

    /// Rewrites the request. `request_id` is what `event.context.requestId` is to a function.
    ///
    /// Only GET and HEAD are looked at for sessions and arguments: nothing else is ever answered from a copy, and a
    /// form may need the cookies an anonymous page view can do without.
    pub fn apply(&self, request: &mut Request, device: Device, request_id: &HeaderValue) -> Applied {
        request.headers.remove(SESSION_HEADER);
        let class = class_name(self.device, device.class);
        match class {
            Some(class) => _ = request.headers.insert(DEVICE_HEADER, HeaderValue::from_static(class)),
            None => _ = request.headers.remove(DEVICE_HEADER),
        }
        let mut applied = Applied { device: class, ..Applied::default() };
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return applied;
        }
        applied.query_changed = self.rewrite_query(request);
        if !self.session_cookies.is_empty() {
            applied.visitor = self.visitor(request);
            match applied.visitor {
                Visitor::Session => _ = request.headers.insert(SESSION_HEADER, request_id.clone()),
                _ => _ = request.headers.remove(COOKIE),
            }
        }
        applied
    }

    fn visitor(&self, request: &Request) -> Visitor {
        let Some(cookies) = request.headers.get(COOKIE) else { return Visitor::Anonymous };
        // Looser than the split that forwards: a name counts wherever the origin could see one (threats K5).
        let marks = |pair: &[u8]| {
            let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii();
            self.session_cookies.iter().any(|entry| entry.matches(name))
        };
        if cookies.as_bytes().split(|byte| matches!(byte, b';' | b',')).any(marks) {
            Visitor::Session
        } else {
            Visitor::Anonymous
        }
    }

    fn rewrite_query(&self, request: &mut Request) -> bool {
        let Some(text) = request.target.query() else { return false };
        let dropped = |name: &str| self.drop_query.iter().any(|entry| entry.matches(name.as_bytes()));
        let mut kept: Vec<&str> = query::parameters(text)
            .filter(|parameter| !parameter.raw.is_empty() && !dropped(parameter.name))
            .map(|parameter| parameter.raw)
            .collect();
        if self.sort_query {
            kept.sort_by_key(|raw| raw.split('=').next().unwrap_or_default().to_owned());
        }
        let kept = kept.join("&");
        if kept == text {
            return false;
        }
        let path = request.target.path();
        let target = if kept.is_empty() { path.to_owned() } else { format!("{path}?{kept}") };
        // Parts of a valid target are a valid target; were they not, the request stays as it came.
        match PathAndQuery::try_from(target) {
            Ok(target) => {
                request.target = target;
                true
            }
            Err(_) => false,
        }
    }
}

fn class_name(classes: DeviceClasses, class: Class) -> Option<&'static str> {
    let name = match (classes, class) {
        (DeviceClasses::None, _) => return None,
        (_, Class::Mobile) | (DeviceClasses::Two, Class::Tablet) => "mobile",
        (_, Class::Tablet) => "tablet",
        (DeviceClasses::Four, Class::SmartTv) => "tv",
        (_, Class::SmartTv | Class::Desktop) => "desktop",
    };
    Some(name)
}

