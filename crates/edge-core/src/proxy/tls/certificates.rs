//! The certificates a listener presents: from files, and leaves of the local authority, each for the names it carries.
//!
//! It refuses to know distributions: whom the authority may vouch for is said by a function.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{TlsError, provider};
use crate::proxy::clock::Clock;
use crate::proxy::local_ca::{CaError, Leaf, LocalCa};

/// How many names may hold a minted leaf at once; the least used one goes first.
const LEAVES_MAX: u64 = 1_000;
/// Names every machine answers to: the leaf for viewers who name nobody covers them too.
const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The certificates a listener may present.
#[derive(Default)]
pub struct Certificates {
    /// By name, lower case, as the certificate writes it: `www.example.com` or `*.example.com`.
    named: HashMap<String, Arc<CertifiedKey>>,
    /// The first one loaded, for viewers who name nobody or somebody unknown.
    first: Option<Arc<CertifiedKey>>,
    minted: Option<Minted>,
}

/// Leaves of the local authority, made when a name is first asked for.
struct Minted {
    ca: LocalCa,
    clock: Clock,
    answers_for: Box<dyn Fn(&str) -> bool + Send + Sync>,
    fallback_name: String,
    leaves: moka::sync::Cache<String, Leaf>,
}

impl Certificates {
    /// No certificate yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a certificate chain and its key, both PEM. It is presented for the names it carries; where two certificates
    /// carry one name, the first wins.
    pub fn add_files(&mut self, chain_path: &Path, key_path: &Path) -> Result<(), TlsError> {
        let in_chain = |why: &dyn Display| TlsError::File(chain_path.to_owned(), why.to_string());
        let in_key = |why: &dyn Display| TlsError::File(key_path.to_owned(), why.to_string());
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain_path)
            .and_then(Iterator::collect)
            .map_err(|error| in_chain(&error))?;
        let key = PrivateKeyDer::from_pem_file(key_path).map_err(|error| in_key(&error))?;
        let leaf = chain.first().ok_or_else(|| in_chain(&"no certificate in it"))?;
        let names: Vec<String> = webpki::EndEntityCert::try_from(leaf)
            .map_err(|error| in_chain(&error))?
            .valid_dns_names()
            .map(str::to_ascii_lowercase)
            .collect();
        let certified = CertifiedKey::from_der(chain, key, &provider())
            .map(Arc::new)
            .map_err(|error| in_key(&format!("not the key of {} ({error})", chain_path.display())))?;
        for name in names {
            self.named.entry(name).or_insert_with(|| Arc::clone(&certified));
        }
        self.first.get_or_insert(certified);
        Ok(())
    }

    /// Lets the local authority vouch for every name `answers_for` says yes to (lower case, no port) and that no file
    /// covers. `fallback_name` is whom viewers meet who name nobody, or somebody unknown.
    pub fn mint_with(
        &mut self,
        ca: LocalCa,
        clock: Clock,
        fallback_name: &str,
        answers_for: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) {
        self.minted = Some(Minted {
            ca,
            clock,
            answers_for: Box::new(answers_for),
            fallback_name: fallback_name.to_ascii_lowercase(),
            leaves: moka::sync::Cache::new(LEAVES_MAX),
        });
    }

    pub(super) fn checked(self) -> Result<Self, TlsError> {
        if self.first.is_none() && self.minted.is_none() { Err(TlsError::NoCertificate) } else { Ok(self) }
    }

    fn find(&self, sni: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let from_file = sni.and_then(|name| {
            let wildcard = || {
                let (_, parent) = name.split_once('.')?;
                self.named.get(&format!("*.{parent}"))
            };
            self.named.get(name).or_else(wildcard).cloned()
        });
        from_file
            .or_else(|| {
                let minted = self.minted.as_ref()?;
                let name = sni.filter(|name| (minted.answers_for)(name))?;
                minted.leaf(name)
            })
            .or_else(|| self.first.clone())
            .or_else(|| self.minted.as_ref()?.fallback())
    }
}

impl Minted {
    fn leaf(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.cached(name, |now| self.ca.leaf(&[name], now))
    }

    /// The leaf under the empty name covers the loopback names as well.
    fn fallback(&self) -> Option<Arc<CertifiedKey>> {
        self.cached("", |now| {
            let mut names = vec![self.fallback_name.as_str()];
            names.extend(LOOPBACK_NAMES.iter().filter(|&&name| name != self.fallback_name));
            self.ca.leaf(&names, now)
        })
    }

    fn cached(
        &self,
        name: &str,
        mint: impl Fn(SystemTime) -> Result<Leaf, CaError>,
    ) -> Option<Arc<CertifiedKey>> {
        let now = self.clock.now();
        if let Some(leaf) = self.leaves.get(name)
            && now < leaf.renew_at
        {
            return Some(leaf.certified);
        }
        match mint(now) {
            Ok(leaf) => {
                let certified = Arc::clone(&leaf.certified);
                self.leaves.insert(name.to_owned(), leaf);
                Some(certified)
            }
            Err(error) => {
                tracing::error!(name, %error, "no certificate for this name");
                None
            }
        }
    }
}

/// The certificates of the moment, as a resolver.
pub(super) struct Current(pub(super) ArcSwap<Certificates>);

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls hands over a valid DNS name in lower case.
        self.0.load().find(hello.server_name())
    }
}
