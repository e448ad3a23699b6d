//! A certificate authority of this machine's own, for names no public authority vouches for here.
//!
//! Made once, on first start, and kept in two files: `ca.pem`, which a browser is told to trust, and `ca.key`, which nobody
//! but its owner may read. What is damaged or too open is refused with what to do about it, never repaired in silence: a
//! new authority in place of one that is trusted would look exactly like an attack.
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca.key";
const LOCK_FILE: &str = "ca.lock";
const CA_NAME: &str = "edge local CA";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CA_LIFE: Duration = Duration::from_secs(3_652 * 24 * 60 * 60);
const LEAF_LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// A leaf with less life than this is replaced by a new one.
const LEAF_RENEWAL: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// The local authority: its certificate and the key that signs leaves.
pub struct LocalCa {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    path: PathBuf,
}

/// A certificate for some names, signed by the local authority.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate and its key, as rustls takes them.
    pub certified: Arc<CertifiedKey>,
    /// From when on a new one should be made.
    pub renew_at: SystemTime,
}

/// Why there is no local authority, and what to do.
#[derive(Debug)]
pub enum CaError {
    /// A file or directory could not be used.
    Io(PathBuf, io::Error),
    /// Others than the owner can read the key.
    KeyIsReadableByOthers(PathBuf, u32),
    /// The certificate is there, its key is not.
    KeyIsMissing(PathBuf),
    /// A file is not what it was when it was written.
    Damaged(PathBuf, String),
    /// A certificate could not be made.
    Minting(String),
}

impl std::fmt::Display for CaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::KeyIsReadableByOthers(path, mode) => write!(
                f,
                "{path}: the key of the local CA has mode {mode:04o}: others may read it; \
                 if you are sure that nobody did, run: chmod 600 {path}",
                path = path.display()
            ),
            Self::KeyIsMissing(path) => write!(
                f,
                "{}: the key of the local CA is gone; restore it, or delete {CERTIFICATE_FILE} beside it \
                 to have a new CA made (and trust the new one)",
                path.display()
            ),
            Self::Damaged(path, why) => write!(
                f,
                "{}: {why}; restore the file, or delete both {CERTIFICATE_FILE} and {KEY_FILE} \
                 to have a new CA made (and trust the new one)",
                path.display()
            ),
            Self::Minting(why) => write!(f, "the local CA could not make a certificate: {why}"),
        }
    }
}

impl std::error::Error for CaError {}

impl LocalCa {
    /// Opens the authority kept in `directory`, making it first if there is none. Several processes may do so at once:
    /// one makes it, all use it.
    pub fn open(directory: &Path, now: SystemTime) -> Result<Self, CaError> {
        create_private_directory(directory).map_err(at(directory))?;
        let lock_path = directory.join(LOCK_FILE);
        let lock =
            private_file(OpenOptions::new().write(true).create(true), &lock_path).map_err(at(&lock_path))?;
        lock.lock().map_err(at(&lock_path))?;

        let key_path = directory.join(KEY_FILE);
        let path = directory.join(CERTIFICATE_FILE);
        let key = match read(&key_path)? {
            Some(pem) => load_key(&key_path, &pem)?,
            None if path.exists() => return Err(CaError::KeyIsMissing(key_path)),
            None => {
                let key = KeyPair::generate().map_err(minting)?;
                write_private(&key_path, key.serialize_pem().as_bytes()).map_err(at(&key_path))?;
                key
            }
        };
        // A key alone is a first start that was cut off between the two files: nobody can trust its certificate yet.
        let pem = match read(&path)? {
            Some(pem) => pem,
            None => {
                let pem = authority(now).self_signed(&key).map_err(minting)?.pem();
                write_private(&path, pem.as_bytes()).map_err(at(&path))?;
                pem
            }
        };
        let damaged = |why: String| CaError::Damaged(path.clone(), why);
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| damaged(format!("no certificate in it ({error:?})")))?
            .into_owned();
        certified(vec![certificate.clone()], &key)
            .and_then(|pair| pair.keys_match())
            .map_err(|error| damaged(format!("not the certificate of {KEY_FILE} ({error})")))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|error| damaged(format!("not a certificate ({error})")))?;
        Ok(Self { issuer, certificate, path })
    }

    /// The file a browser or a client is told to trust.
    pub fn certificate_path(&self) -> &Path {
        &self.path
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A certificate for `names` (host names, one-level wildcards or IP addresses), valid for 90 days.
    pub fn leaf(&self, names: &[&str], now: SystemTime) -> Result<Leaf, CaError> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        // RFC 5280 allows 64 characters of common name; who verifies looks at the alternative names alone.
        let common_name = names.first().filter(|name| name.len() <= 64).map_or("edge", String::as_str);
        let mut distinguished_name = DistinguishedName::new();
        distinguished_name.push(DnType::CommonName, common_name);
        let mut leaf = CertificateParams::new(names).map_err(minting)?;
        leaf.distinguished_name = distinguished_name;
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        leaf.not_before = (now - DAY).into();
        leaf.not_after = (now + LEAF_LIFE).into();

        let key = KeyPair::generate().map_err(minting)?;
        let certificate = leaf.signed_by(&key, &self.issuer).map_err(minting)?;
        let certified = certified(vec![certificate.der().clone()], &key).map_err(minting)?;
        Ok(Leaf { certified: Arc::new(certified), renew_at: now + LEAF_LIFE - LEAF_RENEWAL })
    }
}

impl std::fmt::Debug for LocalCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalCa").field("path", &self.path).finish_non_exhaustive()
    }
}

/// It may sign leaves and nothing below them. Names are not constrained: which ones are served is only known later.
fn authority(now: SystemTime) -> CertificateParams {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, CA_NAME);
    let mut authority = CertificateParams::default();
    authority.distinguished_name = distinguished_name;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.not_before = (now - DAY).into();
    authority.not_after = (now + CA_LIFE).into();
    authority
}

fn load_key(path: &Path, pem: &str) -> Result<KeyPair, CaError> {
    let others = mode_for_others(path).map_err(at(path))?;
    if others & 0o077 != 0 {
        return Err(CaError::KeyIsReadableByOthers(path.to_owned(), others));
    }
    KeyPair::from_pem(pem)
        .map_err(|error| CaError::Damaged(path.to_owned(), format!("no private key in it ({error})")))
}

fn certified(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Result<CertifiedKey, rustls::Error> {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = rustls::crypto::ring::sign::any_supported_type(&der)?;
    Ok(CertifiedKey::new(chain, key))
}

fn minting(error: impl std::fmt::Display) -> CaError {
    CaError::Minting(error.to_string())
}

fn at(path: &Path) -> impl Fn(io::Error) -> CaError {
    let path = path.to_owned();
    move |error| CaError::Io(path.clone(), error)
}

fn read(path: &Path) -> Result<Option<String>, CaError> {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| CaError::Damaged(path.to_owned(), "not a PEM file".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CaError::Io(path.to_owned(), error)),
    }
}

/// Either the whole file is there under its name, or nothing is. Called under the lock only.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private_file(OpenOptions::new().write(true).create_new(true), &temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(unix)]
fn create_private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(unix)]
fn private_file(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600).open(path)
}

#[cfg(unix)]
fn mode_for_others(path: &Path) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o7777)
}

// Elsewhere the directory's own access list has to do.
#[cfg(not(unix))]
fn create_private_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(not(unix))]
fn private_file(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.open(path)
}

#[cfg(not(unix))]
fn mode_for_others(_path: &Path) -> io::Result<u32> {
    Ok(0)
}
