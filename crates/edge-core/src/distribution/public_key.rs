//! Public keys of a document (§12.2): the two kinds CloudFront takes, and whether a signature is their holder's.
//!
//! It refuses to know what was signed and what a signature permits. Signatures are no secret, so nothing here is about
//! constant time.

use ring::digest;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use spki::der::asn1::UintRef;
use spki::der::{Decode, Document, Reader, SliceReader};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};

/// The hashes a signature may be over (§12.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// Where nothing is said.
    Sha1,
    /// `Hash-Algorithm=SHA256`.
    Sha256,
}

impl Hash {
    /// As `Hash-Algorithm` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }
}

/// A public key that may sign URLs and cookies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA of 2,048 bits; signatures are PKCS#1 v1.5.
    Rsa {
        /// Big-endian, without leading zeros.
        modulus: Vec<u8>,
        /// Likewise.
        exponent: Vec<u8>,
    },
    /// ECDSA on P-256 (prime256v1); signatures are ASN.1 DER *(unsure)*.
    P256(Box<VerifyingKey>),
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// 2,048 bits.
const MODULUS_BYTES: usize = 256;

impl PublicKey {
    /// Reads `EncodedKey`: PEM as `openssl rsa -pubout` and `openssl ec -pubout` write it. The error is for people.
    pub fn from_pem(text: &str) -> Result<Self, &'static str> {
        let (label, document) =
            Document::from_pem(text.trim()).map_err(|_| "this is not a public key in PEM")?;
        if label != "PUBLIC KEY" {
            return Err("the PEM is not of a PUBLIC KEY: `openssl rsa -pubout` makes one");
        }
        let info: SubjectPublicKeyInfoRef<'_> =
            document.decode_msg().map_err(|_| "the PEM does not hold a public key")?;
        let key = info.subject_public_key.as_bytes().ok_or("the key is cut short")?;
        match (info.algorithm.oid, info.algorithm.parameters_oid()) {
            (RSA, _) => Self::rsa(key),
            (ELLIPTIC, Ok(PRIME256V1)) => VerifyingKey::from_sec1_bytes(key)
                .map(|key| Self::P256(Box::new(key)))
                .map_err(|_| "the key is no point of P-256"),
            _ => Err("the key is neither RSA nor ECDSA on P-256"),
        }
    }

    fn rsa(key: &[u8]) -> Result<Self, &'static str> {
        const BROKEN: &str = "the RSA key cannot be read";
        let mut reader = SliceReader::new(key).map_err(|_| BROKEN)?;
        let (modulus, exponent) = reader
            .sequence(|inside| {
                Ok::<_, spki::der::Error>((UintRef::decode(inside)?, UintRef::decode(inside)?))
            })
            .map_err(|_| BROKEN)?;
        reader.finish().map_err(|_| BROKEN)?;
        let (modulus, exponent) = (modulus.as_bytes(), exponent.as_bytes());
        if modulus.len() != MODULUS_BYTES || modulus[0] < 0x80 {
            return Err("an RSA key has 2,048 bits");
        }
        Ok(Self::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// Whether the holder of the key signed exactly these bytes.
    pub fn signed(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa { modulus, exponent } => {
                let padding = match hash {
                    Hash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
                    Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(padding, message, signature).is_ok()
            }
            Self::P256(key) => {
                let algorithm = match hash {
                    Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
                    Hash::Sha256 => &digest::SHA256,
                };
                let hashed = digest::digest(algorithm, message);
                Signature::from_der(signature)
                    .is_ok_and(|signature| key.verify_prehash(hashed.as_ref(), &signature).is_ok())
            }
        }
    }
}

/// Whose signatures a behavior takes: its key groups', and its trusted signers' as far as their keys are known (§12.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted {
    keys: Vec<(String, PublicKey)>,
}

impl Trusted {
    /// The keys by their ids, each id once. Without any, every request is refused.
    pub fn new(keys: Vec<(String, PublicKey)>) -> Self {
        Self { keys }
    }

    /// The key of this id, and the id as the document has it.
    pub fn key(&self, id: &[u8]) -> Option<(&str, &PublicKey)> {
        self.keys.iter().find(|(known, _)| known.as_bytes() == id).map(|(id, key)| (id.as_str(), key))
    }

    /// The ids, in the document's order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }
}
