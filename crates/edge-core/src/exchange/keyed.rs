//! What a request's answer is kept under, if it may be kept at all: the question to the store before any look at it.

use http::Method;

use super::Passage;
use crate::cache::Key;
use crate::distribution::{Behavior, OptionsCaching};
use crate::header::encoding::AcceptEncoding;
use crate::viewer::traffic::Traffic;
use crate::viewer::{Body, Request};

impl Passage {
    /// What the answer is kept under, where one may be.
    pub(super) fn key(&mut self) -> Option<Key> {
        self.accept = accepted(self.behavior(), self.request());
        is_looked_up(self.behavior(), self.request()).then(|| {
            Key::of(
                (&self.rules.distribution, self.rules.guard),
                &self.behavior().key,
                &self.admitted,
                self.path(),
                self.accept,
                self.device,
            )
        })
    }
}

/// Accept-Encoding as the behavior's key has it (§4.4).
fn accepted(behavior: &Behavior, request: &Request) -> AcceptEncoding {
    let (gzip, brotli) = (behavior.key.gzip, behavior.key.brotli);
    if gzip || brotli {
        AcceptEncoding::normalise(&request.headers, request.version, gzip, brotli)
    } else {
        AcceptEncoding::Absent
    }
}

/// Which requests are ever answered from the cache (§3, §7.1, §7.10).
fn is_looked_up(behavior: &Behavior, request: &Request) -> bool {
    !behavior.ttl.caching_disabled()
        && request.traffic == Traffic::Messages
        && match request.method {
            Method::GET | Method::HEAD => true,
            // A body goes to the origin and is in no key (threats K4).
            Method::OPTIONS => behavior.options == OptionsCaching::On && request.body == Body::None,
            _ => false,
        }
}
