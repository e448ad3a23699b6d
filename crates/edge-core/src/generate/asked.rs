//! What differs from one account to the next, and is asked for where a form can ask: certificate and origin.
//!
//! It works on settings under the API's names, before a form renames them; how a form refers to the answer is the
//! form's to say.

use super::part::Part;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) what: What,
    /// What the bundle says; none: it has to be answered.
    pub(super) default: Option<String>,
}

/// What about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Certificate,
    Origin,
}

impl What {
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Certificate => "The certificate of the names, an ARN of ACM in us-east-1",
            Self::Origin => "Where CloudFront gets pages from: a public DNS name",
        }
    }
}

/// A name that is nobody's: an origin that was only given by addresses.
const NOBODY: &str = ".invalid";

/// Puts references where an answer decides, and says what is asked.
pub(super) fn ask(config: &mut Part, refer: &dyn Fn(What) -> Part) -> Vec<Asked> {
    let certificate = certificate(config, refer);
    certificate.into_iter().chain(origin(config, refer)).collect()
}

fn certificate(config: &mut Part, refer: &dyn Fn(What) -> Part) -> Option<Asked> {
    let has_names = config.get("Aliases").is_some_and(|names| !names.items().is_empty());
    if config.get("ViewerCertificate").is_none() {
        config.set("ViewerCertificate", Part::object([("CloudFrontDefaultCertificate", true.into())]));
    }
    let viewers = config.get_mut("ViewerCertificate")?;
    let default = viewers.get("ACMCertificateArn").and_then(Part::text).map(str::to_owned);
    if default.is_none() {
        // CloudFront takes names only with a certificate for them.
        if !has_names || viewers.get("CloudFrontDefaultCertificate").is_none() {
            return None;
        }
        viewers.remove("CloudFrontDefaultCertificate");
        viewers.set("SSLSupportMethod", "sni-only".into());
        viewers.set("MinimumProtocolVersion", "TLSv1.2_2021".into());
    }
    viewers.set("ACMCertificateArn", refer(What::Certificate));
    Some(Asked { what: What::Certificate, default })
}

/// Of the one origin that is no bucket.
fn origin(config: &mut Part, refer: &dyn Fn(What) -> Part) -> Option<Asked> {
    let Some(Part::List(origins)) = config.get_mut("Origins") else { return None };
    let [origin] = &mut origins[..] else { return None };
    origin.get("CustomOriginConfig")?;
    let name = origin.get("DomainName").and_then(Part::text).map(str::to_owned)?;
    origin.set("DomainName", refer(What::Origin));
    Some(Asked { what: What::Origin, default: Some(name).filter(|name| !name.ends_with(NOBODY)) })
}
