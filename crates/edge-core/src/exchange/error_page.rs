//! Custom error responses (§10.1): the page a viewer gets instead of an error.
//!
//! The page is a request of its own: it has the behavior, the origin and the key of its path. The viewer-request
//! function does not run for it, and an error on the way to it is final.

use http::StatusCode;
use http::uri::PathAndQuery;

use super::{Passage, Step, accepted, device};
use crate::distribution::ErrorPage;
use crate::response::Connection;
use crate::viewer::device::Device;
use crate::viewer::gate;

impl Passage {
    /// The page for an error of this status, unless this request is itself for a page.
    pub(super) fn page_for(&self, status: StatusCode) -> Option<&ErrorPage> {
        if self.page_status.is_some() || status.as_u16() < 400 {
            return None;
        }
        let configured = &self.rules.distribution.error_responses;
        configured.iter().find(|entry| entry.error_code == status)?.page.as_ref()
    }

    /// Goes on with the page; `None` where none is configured, or its path is none.
    pub(super) fn fetch_page(&self, status: StatusCode) -> Option<Step> {
        let page = self.page_for(status)?;
        let target: PathAndQuery = page.path.parse().ok()?;
        let mut passage = self.clone();
        let request = &mut passage.admitted.request;
        let failed = std::mem::replace(&mut request.target, target);
        request.ask_for_all(); // by GET: *(unsure)*
        passage.admitted = gate::admit_error_page(&self.rules.distribution, passage.admitted, failed);
        passage.root = None;
        passage.page_status = Some(page.response_code);
        let behavior = passage.behavior();
        let seen = device(&passage.rules, behavior, passage.request());
        passage.accept = accepted(behavior, passage.request());
        passage.device = seen.unwrap_or(Device::UNKNOWN);
        passage.trace.device = seen;
        passage.trace.page_for = Some(status);
        Some(passage.enter())
    }

    /// What the viewer sees of the page's own status: the configured one, unless the page is itself an error.
    pub(super) fn shown(&self, status: StatusCode) -> StatusCode {
        self.page_status.filter(|_| status.as_u16() < 400).unwrap_or(status)
    }

    /// §10.1: with a page, these statuses end an HTTP/1.1 connection.
    pub(super) fn connection(&self) -> Connection {
        match self.trace.page_for.map(|status| status.as_u16()) {
            Some(400 | 405 | 414 | 416 | 500 | 501) => Connection::Closed,
            _ => Connection::Kept,
        }
    }
}
