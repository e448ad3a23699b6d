//! Custom error responses (§10.1): the page a viewer gets instead of an error.
//!
//! The page is a request of its own: it has the behavior, the origin and the key of its path. The viewer-request
//! function does not run for it, and an error on the way to it is final.

use std::sync::Arc;
use std::time::SystemTime;

use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode};

use super::{Passage, Rules, Step, Storing, Trace};
use crate::distribution::ErrorPage;
use crate::response::{Connection, Results, XCache};
use crate::viewer::gate::{self, Refused};
use crate::viewer::traffic::Traffic;
use crate::viewer::{Body, Request};

/// Whether a refusal may have a page: not where no distribution answers, and a redirect is no error.
fn may_have_page(refused: Refused) -> bool {
    match refused {
        Refused::Country
        | Refused::HttpsOnly
        | Refused::MethodNotAllowed
        | Refused::BodyNotAllowed
        | Refused::Signature(_) => true,
        Refused::UnknownHost
        | Refused::Disabled
        | Refused::Chain
        | Refused::Misdirected
        | Refused::NoCertificate
        | Refused::RedirectToHttps { .. } => false,
    }
}

/// The page for a request the gate refused; `None` where there is none.
pub(super) fn for_refused(
    rules: &Arc<Rules>,
    refused: Refused,
    request: &Request,
    id: &HeaderValue,
    now: SystemTime,
) -> Option<Step> {
    let may_have_page = may_have_page(refused) && request.traffic != Traffic::Grpc;
    let page = configured(rules, StatusCode::FORBIDDEN).filter(|_| may_have_page)?;
    // Its body is not wanted (threats M5, M9).
    let connection = if request.body == Body::None { Connection::Kept } else { Connection::Closed };
    let trace = Trace { refused: Some(refused), ..Trace::default() };
    let error = trace.results(Results::of(XCache::Error));
    let failed = (StatusCode::FORBIDDEN, page, error);
    let page = fetch((rules, now), request.clone(), id, failed, connection)?;
    Some(Step::Instead { storing: None, trace: Box::new(trace), page: Box::new(page) })
}

fn configured(rules: &Rules, status: StatusCode) -> Option<&ErrorPage> {
    let entries = &rules.distribution.error_responses;
    entries.iter().find(|entry| entry.error_code == status)?.page.as_ref()
}

/// Goes on with the page instead of what failed; `None` where its path is none.
fn fetch(
    (rules, now): (&Arc<Rules>, SystemTime),
    mut request: Request,
    id: &HeaderValue,
    (status, page, error): (StatusCode, &ErrorPage, Results),
    connection: Connection,
) -> Option<Step> {
    let target: PathAndQuery = page.path.parse().ok()?;
    let failed = std::mem::replace(&mut request.target, target);
    request.ask_for_all(); // by GET: *(unsure)*
    let admitted = gate::admit_error_page(&rules.distribution, request, failed);
    let mut passage = Passage::new(rules, admitted, id.clone(), now);
    (passage.trace.page_for, passage.trace.error_of) = (Some(status), Some(error));
    passage.page_status = Some(page.response_code);
    // §10.1: with a page, these statuses end an HTTP/1.1 connection.
    passage.connection = match status.as_u16() {
        400 | 405 | 414 | 416 | 500 | 501 => Connection::Closed,
        _ => connection,
    };
    let key = passage.key();
    Some(passage.enter(key))
}

impl Passage {
    /// The page for an error of this status, unless this request is itself for a page, or a call of gRPC.
    pub(super) fn page_for(&self, status: StatusCode) -> Option<&ErrorPage> {
        let is_call = self.request().traffic == Traffic::Grpc;
        if self.page_status.is_some() || status.as_u16() < 400 || is_call {
            return None;
        }
        configured(&self.rules, status)
    }

    /// Goes on with the page; `None` where none is configured.
    pub(super) fn fetch_page(&self, status: StatusCode) -> Option<Step> {
        let page = self.page_for(status)?;
        let request = self.admitted.request.clone();
        let failed = (status, page, self.trace.results(Results::of(XCache::Error)));
        fetch((&self.rules, self.looked_up_at), request, &self.id, failed, self.connection)
    }

    /// The page instead of what came of this request.
    pub(super) fn instead(&mut self, storing: Option<Storing>, page: Step) -> Step {
        let trace = Box::new(std::mem::take(&mut self.trace));
        Step::Instead { storing, trace, page: Box::new(page) }
    }

    /// What the viewer sees of the page's own status: the configured one, unless the page is itself an error.
    pub(super) fn shown(&self, status: StatusCode) -> StatusCode {
        self.page_status.filter(|_| status.as_u16() < 400).unwrap_or(status)
    }
}
