//! Viewers who show a certificate: whom a trust store vouches for, with or without regard to dates, and those nobody
//! vouches for (§11.6).
//!
//! rustls and webpki verify; that the viewer holds the certificate's key is checked in every mode.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{TlsError, provider};
use crate::distribution::viewer_tls::{AuthorityNames, Expiry, TrustStore, ViewerMtls, Wanted};

/// Certificates a viewer may send that are looked at for their dates; chains are shorter.
const DATES_MAX: usize = 8;

/// What is asked of viewers.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Viewers {
    /// Nothing.
    Unasked,
    /// A certificate one of these vouches for.
    Verified {
        wanted: Wanted,
        authorities: Arc<[CertificateDer<'static>]>,
        names: AuthorityNames,
        expiry: Expiry,
    },
    /// Whatever they have.
    Passthrough,
}

/// Where trust stores are that no bundle carries, by id: PEM files.
pub type TrustStoreFiles = HashMap<String, PathBuf>;

impl Viewers {
    pub(super) fn of(mtls: Option<&ViewerMtls>, files: &TrustStoreFiles) -> Result<Self, TlsError> {
        match mtls {
            None => Ok(Self::Unasked),
            Some(ViewerMtls::Passthrough) => Ok(Self::Passthrough),
            Some(ViewerMtls::Verified { wanted, trust_store }) => Ok(Self::Verified {
                wanted: *wanted,
                authorities: authorities(trust_store, files)?,
                names: trust_store.names,
                expiry: trust_store.expiry,
            }),
        }
    }

    /// As rustls takes it.
    pub(super) fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
        let (wanted, authorities, names, expiry) = match self {
            Self::Unasked => return Ok(WebPkiClientVerifier::no_client_auth()),
            Self::Passthrough => {
                return Ok(Arc::new(Unverified(provider().signature_verification_algorithms)));
            }
            Self::Verified { wanted, authorities, names, expiry } => (*wanted, authorities, *names, *expiry),
        };
        let mut roots = RootCertStore::empty();
        for authority in authorities.iter() {
            roots.add(authority.clone())?;
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider()));
        if wanted == Wanted::IfThereIsOne {
            builder = builder.allow_unauthenticated();
        }
        if names == AuthorityNames::Kept {
            builder = builder.clear_root_hint_subjects();
        }
        let strict = builder.build().map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(match expiry {
            Expiry::Matters => strict,
            Expiry::Ignored => Arc::new(Dateless(strict)),
        })
    }
}

/// The certificates of a store: a file given at the start wins over what a bundle carries.
fn authorities(
    store: &TrustStore,
    files: &TrustStoreFiles,
) -> Result<Arc<[CertificateDer<'static>]>, TlsError> {
    let bad = |why: String| TlsError::TrustStore(store.id.clone(), why);
    let pem = match (files.get(&store.id), &store.bundle) {
        (Some(path), _) => {
            std::fs::read(path).map_err(|error| bad(format!("{}: {error}", path.display())))?
        }
        (None, Some(text)) => text.as_bytes().to_vec(),
        (None, None) => {
            return Err(bad(
                "its certificates are not in the document, and without them nobody could be verified"
                    .to_owned(),
            ));
        }
    };
    let found: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| bad(error.to_string()))?;
    if found.is_empty() {
        return Err(bad("no certificate in it".to_owned()));
    }
    for (at, certificate) in found.iter().enumerate() {
        let added = RootCertStore::empty().add(certificate.clone());
        added.map_err(|error| bad(format!("certificate {}: {error}", at + 1)))?;
    }
    Ok(found.into())
}

/// Takes a chain that was good at some time: now, or when one of its certificates began. Where there is a time at which
/// all were valid, it begins with the last of them.
#[derive(Debug)]
struct Dateless(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Dateless {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let now = self.0.verify_client_cert(end_entity, intermediates, now);
        let chain = std::iter::once(end_entity).chain(intermediates).take(DATES_MAX);
        let mut began = chain.filter_map(|certificate| began(certificate));
        now.or_else(|why| {
            let verify = |at| self.0.verify_client_cert(end_entity, intermediates, at).ok();
            began.find_map(verify).ok_or(why)
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// When a certificate began to be valid.
fn began(certificate: &CertificateDer<'_>) -> Option<UnixTime> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let seconds = u64::try_from(certificate.validity().not_before.timestamp()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

/// Takes any certificate whose key the viewer holds; the origin may judge it.
#[derive(Debug)]
struct Unverified(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for Unverified {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
