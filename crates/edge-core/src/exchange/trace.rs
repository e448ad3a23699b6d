//! What was decided on the way of a request, and what that says of its result: the detailed type of the log (§10.2, §10.3).
//!
//! AWS documents the words of the log and, for most of them, what they mean; which refusal has which is *(unsure)* but for
//! methods and countries.

use http::StatusCode;

use super::{FailedOver, StoodIn};
use crate::cache::freshness::Lifetime;
use crate::cache::reuse::Verdict;
use crate::cache::storing::Withheld;
use crate::distribution::LambdaEvent;
use crate::function::lambda::Calls;
use crate::function::rule::Applied;
use crate::function::run::Ran;
use crate::origin::Failure;
use crate::response::server_timing::Upstream;
use crate::response::{Detailed, Results, XCache};
use crate::viewer::device::Device;
use crate::viewer::gate::{BehaviorId, Refused};
use crate::viewer::signing::Signed;

/// What was decided and why. Small facts, no text: text is made when somebody asks.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Which behavior, if the request got that far.
    pub behavior: Option<BehaviorId>,
    /// The gate's refusal.
    pub refused: Option<Refused>,
    /// The signature that let the request in (§12.2).
    pub signed: Option<Signed>,
    /// What the viewer-request rule did.
    pub applied: Option<Applied>,
    /// What the viewer-request function did.
    pub ran_at_request: Option<Box<Ran>>,
    /// What the viewer-response function did.
    pub ran_at_response: Option<Box<Ran>>,
    /// The Lambdas that were called.
    pub lambdas: Calls,
    /// What the viewer's device is taken for, where anything needed to know.
    pub device: Option<Device>,
    /// The verdict on the look-up.
    pub found: Option<Verdict>,
    /// How the origin failed.
    pub failure: Option<Failure>,
    /// What CloudFront's rules say of storing the response.
    pub lifetime: Option<Lifetime>,
    /// What the guard withheld.
    pub withheld: Option<Withheld>,
    /// A stale object stood in for the origin's error.
    pub stood_in: Option<StoodIn>,
    /// The group's first origin failed, and the second was asked (§5.9).
    pub failed_over: Option<FailedOver>,
    /// The origin's error had no body at all (§7.10).
    pub empty_error: bool,
    /// How long the origin's answer took, once it is there.
    pub upstream: Option<Upstream>,
    /// The viewer gets a custom error page instead of this status (§10.1) …
    pub page_for: Option<StatusCode>,
    /// … and a log says this of the error.
    pub error_of: Option<Results>,
}

impl Trace {
    /// The results of a response that came this way.
    pub(super) fn results(&self, of: Results) -> Results {
        // The error whose page this is says more than the page; but a page that fails is an error of its own.
        let of = match self.error_of {
            Some(error) if of.result == XCache::Error => Results { result: of.result, ..error },
            _ => of,
        };
        Results {
            detailed: self.detailed(of),
            failed_over: self.failed_over.map(FailedOver::status).or(of.failed_over),
            origin_first_byte: self.upstream.map(|upstream| upstream.first_byte).or(of.origin_first_byte),
            ..of
        }
    }

    fn detailed(&self, of: Results) -> Detailed {
        match (of.result, self.refused, self.failure) {
            (XCache::Error, Some(refused), _) => of_refused(refused),
            (XCache::Error, None, Some(failure)) => Detailed::Origin(failure),
            (XCache::Error, None, None) if self.empty_error => Detailed::OriginZeroSizeObjectError,
            (XCache::Miss, ..) if self.answered_by_lambda() => Detailed::MissGeneratedResponse,
            _ => of.detailed,
        }
    }

    /// Whether a Lambda at origin-request had the last word before the viewer's side.
    fn answered_by_lambda(&self) -> bool {
        let last = self.lambdas.iter().last();
        self.upstream.is_none()
            && last
                .is_some_and(|called| called.event == LambdaEvent::OriginRequest && called.failed.is_none())
    }
}

fn of_refused(refused: Refused) -> Detailed {
    match refused {
        Refused::MethodNotAllowed => Detailed::InvalidRequestMethod,
        Refused::Country => Detailed::ClientGeoBlocked,
        Refused::UnknownHost => Detailed::InvalidRequestHeader,
        Refused::BodyNotAllowed | Refused::Chain => Detailed::InvalidRequest,
        Refused::Misdirected | Refused::NoCertificate => Detailed::InvalidRequestCertificate,
        // "Error" is for what fits nowhere else.
        Refused::Disabled | Refused::HttpsOnly | Refused::Signature(_) | Refused::RedirectToHttps { .. } => {
            Detailed::AsResult
        }
    }
}
