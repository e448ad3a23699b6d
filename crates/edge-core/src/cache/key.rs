//! The cache key (§4): everything that may split two requests into two copies, and nothing else.
//!
//! Every part is written with its length before it, so two different inputs can never give the same bytes
//! (threats K1), and absent is not empty. The store compares whole keys (threats K2). Only an [`Admitted`] request
//! has a key.

use std::borrow::Borrow;
use std::fmt;

use http::{HeaderName, Method};

use super::storing::Guard;
use crate::distribution::{Distribution, KeySettings};
use crate::header::encoding::AcceptEncoding;
use crate::header::{cookie, query};
use crate::viewer::device::Device;
use crate::viewer::facts;
use crate::viewer::gate::Admitted;

/// A cache key: compared whole, printed by [`Key::parts`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Vec<u8>);

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// What a part is; also its tag in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The distribution's own domain name: two distributions never share.
    Distribution = b'd',
    /// The method, only where it is not GET or HEAD, which share (§3).
    Method = b'm',
    /// The raw path.
    Path = b'p',
    /// Normalised Accept-Encoding, only where it is not empty (§4.4).
    AcceptEncoding = b'e',
    /// Name of a header in the key.
    HeaderName = b'h',
    /// Its value; no such part after the name is "absent", which is not "empty".
    HeaderValue = b'v',
    /// Selected cookies, sorted by name.
    Cookies = b'c',
    /// Selected query string, order kept.
    Query = b'q',
    /// There only without the guard: what was shared then is not shared once it is on.
    Unguarded = b'u',
}

const KINDS: [Kind; 9] = [
    Kind::Unguarded,
    Kind::Distribution,
    Kind::Method,
    Kind::Path,
    Kind::AcceptEncoding,
    Kind::HeaderName,
    Kind::HeaderValue,
    Kind::Cookies,
    Kind::Query,
];

/// Room for most keys, so that building one allocates once.
const USUAL_BYTES: usize = 256;

impl Key {
    /// The key of an admitted request; `path` is the request's own, or what the default root object made of it.
    pub fn of(
        (distribution, guard): (&Distribution, Guard),
        settings: &KeySettings,
        admitted: &Admitted,
        path: &str,
        accept: AcceptEncoding,
        device: Device,
    ) -> Self {
        let request = admitted.request();
        let mut key = Self(Vec::with_capacity(USUAL_BYTES));
        if guard == Guard::Off {
            key.push(Kind::Unguarded, b"");
        }
        key.push(Kind::Distribution, distribution.domain_name.as_bytes());
        if !matches!(request.method, Method::GET | Method::HEAD) {
            key.push(Kind::Method, request.method.as_str().as_bytes());
        }
        key.push(Kind::Path, path.as_bytes());
        if !accept.key_part().is_empty() {
            key.push(Kind::AcceptEncoding, accept.key_part());
        }
        for name in &settings.headers {
            key.push_header(name, admitted, device);
        }
        if !settings.cookies.is_none()
            && let Some(cookies) = request.headers.get(http::header::COOKIE)
        {
            key.push_selected(Kind::Cookies, |out| {
                cookie::select(cookies.as_bytes(), &settings.cookies, out)
            });
        }
        if !settings.query.is_none()
            && let Some(text) = request.target.query()
        {
            key.push_selected(Kind::Query, |out| query::select(text, &settings.query, out));
        }
        key
    }

    fn push(&mut self, kind: Kind, bytes: &[u8]) {
        let [a, b, c, d] = length_of(bytes.len());
        self.0.extend_from_slice(&[kind as u8, a, b, c, d]);
        self.0.extend_from_slice(bytes);
    }

    /// Writes tag, length and what `write` appends; nothing where `write` says that there is nothing.
    fn push_selected(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let start = self.0.len();
        self.0.push(kind as u8);
        self.0.extend_from_slice(&[0; 4]);
        let from = self.0.len();
        if !write(&mut self.0) {
            self.0.truncate(start);
            return;
        }
        let length = length_of(self.0.len() - from);
        self.0[start + 1..from].copy_from_slice(&length);
    }

    fn push_header(&mut self, name: &HeaderName, admitted: &Admitted, device: Device) {
        let request = admitted.request();
        self.push(Kind::HeaderName, name.as_str().as_bytes());
        if name == http::header::HOST {
            self.push(Kind::HeaderValue, request.host.as_bytes());
        } else if facts::is_reserved(name) {
            if let Some(value) = facts::value(name, admitted, device) {
                self.push(Kind::HeaderValue, value.as_bytes());
            }
        } else {
            let mut values = request.headers.get_all(name).iter();
            let Some(first) = values.next() else { return };
            self.push_selected(Kind::HeaderValue, |out| {
                out.extend_from_slice(first.as_bytes());
                for value in values {
                    out.push(b',');
                    out.extend_from_slice(value.as_bytes());
                }
                true
            });
        }
    }

    /// The parts, in order, as they were pushed.
    pub fn parts(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (&tag, after) = rest.split_first()?;
            let kind = KINDS.into_iter().find(|kind| *kind as u8 == tag)?;
            let (length, after) = after.split_first_chunk::<4>()?;
            let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = after;
            Some((kind, part))
        })
    }

    /// The same, without the room in which it was built.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        self.0.shrink_to_fit();
        self
    }

    /// How many bytes the key takes.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

/// A head is at most 32 KiB (§1.3), so a length fits.
fn length_of(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for (kind, part) in self.parts() {
            list.entry(&format_args!("{kind:?}={}", String::from_utf8_lossy(part)));
        }
        list.finish()
    }
}
