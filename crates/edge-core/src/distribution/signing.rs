//! Origin access control (§5.11): which requests to an origin are signed, and for which service.

use std::fmt;
use std::sync::Arc;

/// How requests to an origin are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// Which are.
    pub behavior: SigningBehavior,
    /// What is on the other side.
    pub service: SignedService,
    /// Where it is: `eu-central-1`.
    pub region: String,
    /// Whose signature; no document carries it. Without it nothing is signed.
    pub credentials: Option<Arc<Credentials>>,
}

impl Signing {
    /// What the name of an origin says of its service and region; `us-east-1` where it says none.
    pub fn for_origin(domain_name: &str, behavior: SigningBehavior) -> Self {
        let labels: Vec<&str> = domain_name.split('.').collect();
        let after =
            |word: &str| labels.iter().position(|label| *label == word).and_then(|at| labels.get(at + 1));
        let service = if labels.contains(&"lambda-url") {
            SignedService::Lambda
        } else if labels.contains(&"mediastore") {
            SignedService::MediaStore
        } else if labels.contains(&"mediapackagev2") {
            SignedService::MediaPackage
        } else {
            SignedService::S3
        };
        let region = match service {
            SignedService::S3 => {
                // bucket.s3.eu-central-1.amazonaws.com, and the older bucket.s3-eu-central-1.amazonaws.com.
                let old = labels.iter().rev().find_map(|label| label.strip_prefix("s3-"));
                after("s3").copied().filter(|label| *label != "amazonaws").or(old)
            }
            SignedService::Lambda => after("lambda-url").copied(),
            SignedService::MediaStore => after("mediastore").copied(),
            SignedService::MediaPackage => after("mediapackagev2").copied(),
        };
        let region = region.unwrap_or("us-east-1").to_owned();
        Self { behavior, service, region, credentials: None }
    }

    /// Whether every request is signed.
    pub fn is_in_force_always(&self) -> bool {
        self.behavior == SigningBehavior::Always && self.credentials.is_some()
    }
}

/// `SigningBehavior`; with `never` there is no [`Signing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningBehavior {
    /// Every request, over a viewer's Authorization.
    Always,
    /// Those that carry no Authorization of the viewer's.
    NoOverride,
}

/// The services that check such signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedService {
    /// A bucket.
    S3,
    /// A function URL.
    Lambda,
    /// AWS Elemental MediaStore.
    MediaStore,
    /// AWS Elemental MediaPackage v2.
    MediaPackage,
}

impl SignedService {
    /// As signatures write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Lambda => "lambda",
            Self::MediaStore => "mediastore",
            Self::MediaPackage => "mediapackagev2",
        }
    }
}

/// Whose signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AKIA…`.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// With temporary credentials.
    pub session_token: Option<String>,
}

/// Never the secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
