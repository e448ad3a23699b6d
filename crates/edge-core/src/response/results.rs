//! How CloudFront's logs class a response (§10.2, §10.3, §15.1): the result type, and the detailed one, which for an error
//! says whose fault it was.
//!
//! A response carries them to whoever keeps a log; nothing is decided by them.

use std::time::Duration;

use http::StatusCode;

use super::XCache;
use crate::origin::Failure;

/// What the log of a response has beside what viewers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Results {
    /// `x-edge-response-result-type`.
    pub result: XCache,
    /// `x-edge-detailed-result-type`.
    pub detailed: Detailed,
    /// The status, or the one that stands for a failure, for which the second origin of a group was asked (§5.9).
    pub failed_over: Option<StatusCode>,
    /// How long the origin took to the end of its head, where one was asked.
    pub origin_first_byte: Option<Duration>,
}

impl Results {
    /// What there is to say before anything is known of the way that led there.
    pub fn of(result: XCache) -> Self {
        Self { result, detailed: Detailed::AsResult, failed_over: None, origin_first_byte: None }
    }

    /// The detailed result, in the log's word.
    pub fn detailed_text(self) -> &'static str {
        match self.detailed {
            Detailed::AsResult => self.result.word(),
            Detailed::MissGeneratedResponse => "MissGeneratedResponse",
            Detailed::InvalidRequest => "InvalidRequest",
            Detailed::InvalidRequestHeader => "InvalidRequestHeader",
            Detailed::InvalidRequestMethod => "InvalidRequestMethod",
            Detailed::InvalidRequestCertificate => "InvalidRequestCertificate",
            Detailed::ClientGeoBlocked => "ClientGeoBlocked",
            Detailed::OriginZeroSizeObjectError => "OriginZeroSizeObjectError",
            Detailed::Origin(failure) => failure.detailed(),
        }
    }
}

/// What the detailed result says beyond the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detailed {
    /// Nothing.
    AsResult,
    /// A Lambda at origin-request answered in the origin's place.
    MissGeneratedResponse,
    /// The request is none that may be made.
    InvalidRequest,
    /// One of its headers is at fault.
    InvalidRequestHeader,
    /// Its method is.
    InvalidRequestMethod,
    /// The certificate of its connection is.
    InvalidRequestCertificate,
    /// Its country is not served.
    ClientGeoBlocked,
    /// The origin's error had no body at all.
    OriginZeroSizeObjectError,
    /// The origin failed.
    Origin(Failure),
}
