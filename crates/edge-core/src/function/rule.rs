//! The viewer-request rule of a site policy: a CloudFront Function that is data, run natively.
//!
//! It does what CloudFront's policies cannot do by themselves: drop more than ten query arguments and drop by prefix,
//! tell a session from a test cookie, send a session past every shared copy, and fold the device headers into one.
//! CloudFront cannot bypass its cache on a cookie, it can only key on one (§4.3), so "past every shared copy" is a
//! header in the key whose value no other request has: the request's own id.
//!
//! Whatever may be answered from a shared copy is made the same for everybody first: no cookies, and no headers but
//! the listed. So nothing outside the key can change a page that others get (threats K4, S5), and the origin request
//! policy may hand everything else (forms, sessions) to the origin untouched.
//!
//! The rule refuses to know WordPress: names and patterns are its data. [`Rule::javascript`] is the same rule as a
//! function, so it does nothing a function could not: it never decodes, it reads query strings as one text, and it
//! keeps its hands off what functions do not see or may not touch (§14.1).

mod javascript;

use std::fmt;

use http::header::{COOKIE, HeaderMap};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};

use super::event;
use crate::distribution::rule::{DeviceClasses, NameOrPrefix, Rule};
use crate::header::{cookie, query};
use crate::viewer::device::{Class, Device};
use crate::viewer::{Request, facts};

/// The header that carries the device class to key and origin.
pub const DEVICE_HEADER: HeaderName = HeaderName::from_static("x-viewer-device");
/// The header that makes a session's key unlike any other.
pub const SESSION_HEADER: HeaderName = HeaderName::from_static("x-viewer-session");

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

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.visitor {
            Visitor::Unexamined => "nobody is examined",
            Visitor::Anonymous => "anonymous: cookies dropped, shares copies",
            Visitor::Session => "a session: past every shared copy",
        })?;
        if let Some(class) = self.device {
            write!(f, "; device class {class}")?;
        }
        if self.query_changed {
            f.write_str("; query string rewritten")?;
        }
        Ok(())
    }
}

/// Whom a rule takes a viewer for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Visitor {
    /// The rule does not look for sessions, or the method is not GET or HEAD.
    #[default]
    Unexamined,
    /// No mark of a session: its cookies are dropped and it shares copies.
    Anonymous,
    /// A session's cookie or argument: past every shared copy.
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
    /// form may need the cookies and headers an anonymous page view can do without.
    pub fn apply(&self, request: &mut Request, device: Device, request_id: &HeaderValue) -> Applied {
        request.headers.remove(SESSION_HEADER);
        let class = class_name(self.device, device.class);
        let mut applied = Applied { device: class, ..Applied::default() };
        if matches!(request.method, Method::GET | Method::HEAD) {
            applied.visitor = self.visitor(request);
            applied.query_changed = self.rewrite_query(request);
        }
        match applied.visitor {
            Visitor::Unexamined => {}
            Visitor::Session => _ = request.headers.insert(SESSION_HEADER, request_id.clone()),
            Visitor::Anonymous => {
                // A field without a single pair is nothing to a function, and goes to no origin (§4.3).
                if pairs(request).next().is_some() {
                    request.headers.remove(COOKIE);
                }
                self.keep_shared_headers(&mut request.headers);
            }
        }
        match class {
            Some(class) => _ = request.headers.insert(DEVICE_HEADER, HeaderValue::from_static(class)),
            None => _ = request.headers.remove(DEVICE_HEADER),
        }
        applied
    }

    fn visitor(&self, request: &Request) -> Visitor {
        if !self.examines() {
            return Visitor::Unexamined;
        }
        let by_cookie = pairs(request).any(|pair| any_matches(&self.session_cookies, pair.name));
        let by_query = || {
            let text = request.target.query().unwrap_or_default();
            query::parameters(text)
                .any(|parameter| any_matches(&self.session_query, parameter.name.as_bytes()))
        };
        if by_cookie || by_query() { Visitor::Session } else { Visitor::Anonymous }
    }

    /// Takes out what is not to change a shared page. Few fields stay, so they are set aside and the rest goes at
    /// once: the map is left as roomy as it was, and nothing is allocated.
    fn keep_shared_headers(&self, headers: &mut HeaderMap) {
        let Some(shared) = &self.shared_headers else { return };
        let stays = |name: &HeaderName| {
            is_transport(name)
                || *name == COOKIE
                || shared.iter().any(|kept| kept.eq_ignore_ascii_case(name.as_str()))
        };
        let mut kept = [const { None }; SET_ASIDE];
        let mut more = Vec::new();
        for (index, field) in headers.iter().filter(|(name, _)| stays(name)).enumerate() {
            let field = (field.0.clone(), field.1.clone());
            match kept.get_mut(index) {
                Some(place) => *place = Some(field),
                None => more.push(field),
            }
        }
        headers.clear();
        for (name, value) in kept.into_iter().flatten().chain(more) {
            headers.append(name, value);
        }
    }

    fn rewrite_query(&self, request: &mut Request) -> bool {
        let Some(text) = request.target.query() else { return false };
        if !self.rewrites() || self.is_settled(text) {
            return false;
        }
        let mut kept: Vec<query::Parameter<'_>> =
            query::parameters(text).filter(|parameter| !self.drops(parameter.name)).collect();
        if self.sort_query {
            kept.sort_by_key(|parameter| parameter.name); // stable: what repeats keeps its order
        }
        let mut target = String::with_capacity(request.target.as_str().len());
        target.push_str(request.target.path());
        for (index, parameter) in kept.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            // What a function returns must not begin with another `?`: an empty argument goes before it.
            if index == 0 && parameter.raw.starts_with('?') {
                target.push('&');
            }
            target.push_str(parameter.raw);
        }
        // Parts of a valid target are a valid target; were they not, the request stays as it came.
        match PathAndQuery::try_from(target) {
            Ok(target) if target != request.target => {
                request.target = target;
                true
            }
            Ok(_) | Err(_) => false,
        }
    }

    /// Whether there is nothing to drop, nothing empty and nothing out of order: the usual case, without allocating.
    fn is_settled(&self, text: &str) -> bool {
        let mut last = "";
        text.is_empty()
            || text.split('&').all(|raw| {
                let name = raw.split('=').next().unwrap_or_default();
                let in_order = !self.sort_query || last <= name;
                last = name;
                !raw.is_empty() && in_order && !self.drops(name)
            })
    }

    /// Whether it asks who is there at all.
    fn examines(&self) -> bool {
        !self.session_cookies.is_empty() || !self.session_query.is_empty() || self.shared_headers.is_some()
    }

    /// Whether it has anything against query strings.
    fn rewrites(&self) -> bool {
        !self.drop_query.is_empty() || self.sort_query
    }

    fn drops(&self, name: &str) -> bool {
        any_matches(&self.drop_query, name.as_bytes()) && !any_matches(&self.keep_query, name.as_bytes())
    }
}

/// The cookies, over however many lines.
fn pairs(request: &Request) -> impl Iterator<Item = cookie::Pair<'_>> {
    request.headers.get_all(COOKIE).iter().flat_map(|line| cookie::pairs(line.as_bytes()))
}

fn any_matches(entries: &[NameOrPrefix], name: &[u8]) -> bool {
    entries.iter().any(|entry| entry.matches(name))
}

/// How many fields of a shared request stay without the heap.
const SET_ASIDE: usize = 8;

/// What every request may carry though a function sees it: normalised by the edge, answered by the cache, or read-only
/// to functions (§4.4, §7.8, §7.12, §14.1).
const TRANSPORT: [&str; 12] = [
    "accept-encoding",
    "cdn-loop",
    "content-length",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "transfer-encoding",
    "via",
];

/// What no shared request loses: that, and what a function does not see of the viewer's (§14.1). Of the latter nothing
/// goes to an origin, but for some names of AWS's own.
fn is_transport(name: &HeaderName) -> bool {
    let text = name.as_str();
    // Each header of every page view is asked about: most are none of these by their first letter.
    match text.as_bytes().first() {
        Some(b'a' | b'c' | b'h' | b'i' | b'r' | b't' | b'v') if TRANSPORT.contains(&text) => true,
        Some(b'c' | b'e' | b'k' | b'p' | b't' | b'u' | b'x') => {
            facts::is_reserved(name) || event::is_disallowed(text)
        }
        _ => false,
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

#[cfg(test)]
mod tests;
