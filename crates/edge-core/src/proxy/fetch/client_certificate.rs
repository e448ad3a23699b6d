//! The certificate an origin wants to see before it answers (origin mTLS, cloudfront.md §5.7).
//!
//! It is checked when it is read: pingora panics on what it cannot take.

use std::path::Path;
use std::sync::Arc;

use pingora_core::utils::tls::CertKey;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::OriginsError;

/// A chain, the leaf first, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl ClientCertificate {
    /// From a PEM file with all of it.
    pub fn read(path: &Path) -> Result<Self, OriginsError> {
        let wrong = |why: &dyn std::fmt::Display| {
            OriginsError::ClientCertificate(format!("{}: {why}", path.display()))
        };
        let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| wrong(&error))?;
        if chain.is_empty() {
            return Err(wrong(&"no certificate in it"));
        }
        for certificate in &chain {
            X509Certificate::from_der(certificate).map_err(|error| wrong(&error))?;
        }
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| wrong(&format!("no key: {error}")))?;
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &ring::default_provider())
            .map_err(|error| wrong(&format!("the key is not the certificate's ({error})")))?;
        // The form in which it is handed on.
        let key = PrivateKeyDer::try_from(key.secret_der().to_vec()).map_err(|error| wrong(&error))?;
        Ok(Self { chain, key: Arc::new(key) })
    }

    /// As pingora takes it.
    pub(super) fn to_pingora(&self) -> Arc<CertKey> {
        let chain = self.chain.iter().map(|certificate| certificate.to_vec()).collect();
        Arc::new(CertKey::new(chain, self.key.secret_der().to_vec()))
    }
}
