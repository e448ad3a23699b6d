//! What is left to do before a viewer gets his response: a Lambda at viewer-response is called (§14.1).
//!
//! The body is on its way meanwhile, and is stored whatever becomes of the call; the function sees and changes the head
//! alone.

use http::HeaderMap;
use http::HeaderValue;

use super::{Detailed, Response, Results, X_CACHE, XCache, error_page};
use crate::function::lambda::{Failed, Invocation, Invoked, result};

/// A call that has to be made first.
#[derive(Debug, Clone)]
pub struct Pending {
    pub(crate) invocation: Invocation,
    /// The head of the page, should it fail.
    pub(crate) page: HeaderMap,
    /// Of the exchange.
    pub(crate) id: HeaderValue,
}

impl Pending {
    /// The call.
    pub fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// What the viewer gets; where the call came to nothing, why.
    pub fn answered(self, response: Response, invoked: Invoked) -> (Response, Option<Failed>) {
        let Self { invocation, mut page, id } = self;
        let result = invoked.result(invocation.event);
        match result.and_then(|result| Ok(result::at_response(&invocation, &result)?)) {
            Ok(answer) => {
                let mut response = response;
                for (name, values) in answer.headers {
                    response.headers.remove(&name);
                    for value in values {
                        response.headers.append(&name, value);
                    }
                }
                (response, None)
            }
            Err(failed) => {
                let status = failed.status();
                let x_cache = XCache::of_lambda(&failed);
                page.insert(X_CACHE, x_cache.value());
                let instead = Some(error_page(status, &failed.reason(), &id));
                let results = Results { result: x_cache, detailed: Detailed::AsResult, ..response.results };
                (Response { status, headers: page, instead, results, ..response }, Some(failed))
            }
        }
    }
}
