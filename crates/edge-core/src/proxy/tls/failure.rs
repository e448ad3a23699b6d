//! Why a handshake failed, by the code connection logs have for it (§15.2): a table.

use std::io;

use rustls::{CertificateError, InvalidMessage};

use super::admission::NotLetIn;
use crate::function::connection::Verdict;
use crate::viewer::Failure;

/// The code for what ended a handshake.
pub(super) fn of(error: &io::Error) -> Failure {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return of_tls(error);
    }
    if let Some(NotLetIn(verdict)) = inner.and_then(|inner| inner.downcast_ref()) {
        return match verdict {
            Verdict::Failed(_) => Failure::ConnectionFunctionError,
            Verdict::Denied | Verdict::Allowed => Failure::ConnectionFunctionDenied,
        };
    }
    match error.kind() {
        io::ErrorKind::TimedOut => Failure::TcpTimeout,
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => Failure::TcpError,
        _ => Failure::UnmappedConnectionError,
    }
}

fn of_tls(error: &rustls::Error) -> Failure {
    use rustls::Error;
    match error {
        Error::NoCertificatesPresented => Failure::ClientCertMissing,
        Error::InvalidCertificate(why) => of_certificate(why),
        Error::InvalidMessage(InvalidMessage::CertificatePayloadTooLarge) => {
            Failure::ClientCertMaxSizeExceeded
        }
        Error::EncryptError
        | Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::InconsistentKeys(_) => Failure::Internal,
        _ => Failure::UnmappedConnectionError,
    }
}

fn of_certificate(why: &CertificateError) -> Failure {
    match why {
        CertificateError::UnknownIssuer => Failure::ClientCertUntrusted,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Failure::ClientCertExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Failure::ClientCertNotYetValid
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Failure::ClientCertIntentInvalid
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Failure::ClientCertTypeUnsupported
        }
        CertificateError::Revoked | CertificateError::ApplicationVerificationFailure => {
            Failure::ClientCertRejected
        }
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::MaximumPathDepthExceeded) => Failure::ClientCertMaxChainDepthExceeded,
            _ => Failure::ClientCertInvalid,
        },
        _ => Failure::ClientCertInvalid,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{Error, OtherError};

    use super::*;
    use crate::script::Fault;

    #[test]
    fn errors_have_their_codes() {
        let tls = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let certificate = |why: CertificateError| tls(why.into());
        let other = |error: webpki::Error| CertificateError::Other(OtherError(Arc::new(error)));
        let function = |verdict| io::Error::new(io::ErrorKind::PermissionDenied, NotLetIn(verdict));
        for (error, code) in [
            (tls(Error::NoCertificatesPresented), Failure::ClientCertMissing),
            (certificate(CertificateError::UnknownIssuer), Failure::ClientCertUntrusted),
            (certificate(CertificateError::Expired), Failure::ClientCertExpired),
            (certificate(CertificateError::NotValidYet), Failure::ClientCertNotYetValid),
            (certificate(CertificateError::InvalidPurpose), Failure::ClientCertIntentInvalid),
            (certificate(CertificateError::Revoked), Failure::ClientCertRejected),
            (certificate(CertificateError::BadEncoding), Failure::ClientCertInvalid),
            (certificate(CertificateError::BadSignature), Failure::ClientCertInvalid),
            (
                certificate(other(webpki::Error::MaximumPathDepthExceeded)),
                Failure::ClientCertMaxChainDepthExceeded,
            ),
            (certificate(other(webpki::Error::CaUsedAsEndEntity)), Failure::ClientCertInvalid),
            (tls(InvalidMessage::CertificatePayloadTooLarge.into()), Failure::ClientCertMaxSizeExceeded),
            (tls(Error::FailedToGetRandomBytes), Failure::Internal),
            (tls(Error::General("x".to_owned())), Failure::UnmappedConnectionError),
            (function(Verdict::Denied), Failure::ConnectionFunctionDenied),
            (function(Verdict::Failed(Fault::TooLong)), Failure::ConnectionFunctionError),
            (io::ErrorKind::UnexpectedEof.into(), Failure::TcpError),
            (io::ErrorKind::ConnectionReset.into(), Failure::TcpError),
            (io::ErrorKind::TimedOut.into(), Failure::TcpTimeout),
            (io::ErrorKind::InvalidData.into(), Failure::UnmappedConnectionError),
        ] {
            assert_eq!(of(&error), code, "{error:?}");
        }
    }
}
