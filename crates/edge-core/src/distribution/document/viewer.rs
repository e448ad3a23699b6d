//! What stands between viewers and a distribution before any request: `ViewerCertificate`, `ViewerMtlsConfig` and
//! `ConnectionFunctionAssociation` (§1.2.8, §11.3, §11.6).
//!
//! Which certificates the edge presents is not asked here: they are the listener's.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::problem::codes::INVALID_ARGUMENT;
use super::super::viewer_tls::{
    AuthorityNames, Expiry, Nameless, SECURITY_POLICIES, SecurityPolicy, TrustStore, ViewerMtls, ViewerTls,
    Wanted,
};
use super::connection_function::associated;
use super::library::{Library, unwrapped};
use super::node::Node;

/// What a bundle says of trust stores: their certificates in PEM, by id. The API does not print those, so they stand
/// beside what it prints, under a name of ours.
pub(super) type TrustStores = HashMap<String, Arc<str>>;

const BUNDLE: &str = "CaCertificatesBundle";

/// Reads `ViewerCertificate`, `ViewerMtlsConfig` and `ConnectionFunctionAssociation`.
pub(super) fn tls(config: &Node<'_>, has_aliases: bool, library: &Library) -> ViewerTls {
    let (policy, nameless) = certificate(config, has_aliases);
    let mtls = mtls(&config.at("ViewerMtlsConfig"), library);
    let association = config.at("ConnectionFunctionAssociation");
    let function = associated(&association, mtls.as_ref(), &library.connection_functions);
    ViewerTls { policy, nameless, mtls, function }
}

fn certificate(config: &Node<'_>, has_aliases: bool) -> (SecurityPolicy, Nameless) {
    let certificate = config.at("ViewerCertificate");
    certificate.ignore(&["Certificate", "CertificateSource"]);
    let own = [certificate.filled("ACMCertificateArn"), certificate.filled("IAMCertificateId")];
    let count = own.iter().flatten().count();
    let default = certificate.boolean("CloudFrontDefaultCertificate") == Some(true);
    if count > 1 || (count == 1 && default) {
        certificate.error_with(
            "InvalidViewerCertificate",
            "there is more than one certificate",
            "use one of CloudFrontDefaultCertificate, ACMCertificateArn and IAMCertificateId",
        );
    }
    if count == 0 && has_aliases {
        config.at("Aliases").warn(
            "InvalidViewerCertificate",
            "CloudFront wants a certificate for alternate domain names; here one is made for them",
        );
    }
    let method = certificate.at("SSLSupportMethod");
    if let Some(word) = method.as_text()
        && !["sni-only", "vip", "static-ip"].contains(&word)
    {
        method.error("InvalidViewerCertificate", format!("{word:?} is not sni-only, vip or static-ip"));
    }
    let version = certificate.at("MinimumProtocolVersion");
    let policy = policy(&version);
    if count == 0 {
        // CloudFront's own certificate comes with a policy of its own, whatever stands here.
        return (SecurityPolicy::TLSv1, Nameless::Served);
    }
    certificate.no_local_effect("viewers see the certificates this edge is given, or makes");
    let policy = policy.inspect(|&policy| suits(&version, policy, method.as_text()));
    let nameless = match method.as_text() {
        Some("vip" | "static-ip") => Nameless::Served,
        _ => Nameless::Dropped,
    };
    (policy.unwrap_or(SecurityPolicy::TLSv1), nameless)
}

fn policy(version: &Node<'_>) -> Option<SecurityPolicy> {
    let word = version.as_text()?;
    let found = SECURITY_POLICIES.iter().find(|(name, _)| *name == word);
    if found.is_none() {
        version.error_with(
            "InvalidMinimumProtocolVersion",
            format!("{word:?} is not a security policy"),
            format!("use one of {}", SECURITY_POLICIES.map(|(name, _)| name).join(", ")),
        );
    }
    found.map(|(_, policy)| *policy)
}

/// Which policies go with which method (§11.3), and what of a policy is out of reach here.
fn suits(version: &Node<'_>, policy: SecurityPolicy, method: Option<&str>) {
    if method == Some("sni-only") && policy == SecurityPolicy::SSLv3 {
        let message = "SSLv3 knows no SNI: it does not go with sni-only";
        version.error_with("InvalidMinimumProtocolVersion", message, "use a later policy");
    }
    if method == Some("vip") && policy > SecurityPolicy::TLSv1 {
        version.warn(
            "InvalidMinimumProtocolVersion",
            "with dedicated addresses CloudFront takes SSLv3 and TLSv1; others by support request alone",
        );
    }
    if policy.protocols().any(|name| !["TLSv1.2", "TLSv1.3"].contains(&name)) {
        version.not_in_force("viewers who speak nothing newer than TLS 1.1 are refused here");
    }
}

fn mtls(config: &Node<'_>, library: &Library) -> Option<ViewerMtls> {
    if !config.is_present() {
        return None;
    }
    let modes =
        [("required", Some(Wanted::Always)), ("optional", Some(Wanted::IfThereIsOne)), ("passthrough", None)];
    // Not required by the API; what protects most is the default.
    let mode = config.choice("Mode", &modes).unwrap_or(Some(Wanted::Always));
    let store = config.at("TrustStoreConfig");
    let Some(wanted) = mode else {
        config.ignore(&["TrustStoreConfig"]);
        return Some(ViewerMtls::Passthrough);
    };
    if config.value().is_some_and(serde_json::Value::is_object) && !store.is_present() {
        store.error(INVALID_ARGUMENT, "certificates are verified against a trust store, and none is named");
    }
    let id = if store.is_present() { store.required_text("TrustStoreId") } else { "" };
    let said = |key| store.boolean(key) == Some(true);
    let trust_store = TrustStore {
        id: id.to_owned(),
        bundle: library.trust_stores.get(id).cloned(),
        names: if said("AdvertiseTrustStoreCaNames") { AuthorityNames::Told } else { AuthorityNames::Kept },
        expiry: if said("IgnoreCertificateExpiry") { Expiry::Ignored } else { Expiry::Matters },
    };
    Some(ViewerMtls::Verified { wanted, trust_store })
}

/// The `TrustStores` of a bundle.
pub(super) fn trust_stores(root: &Node<'_>) -> TrustStores {
    let mut found = TrustStores::new();
    for item in root.at("TrustStores").elements() {
        let node = unwrapped(&item, "TrustStore");
        node.ignore(&["Arn", "Name", "Status", "NumberOfCaCertificates", "LastModifiedTime", "Reason"]);
        let id = node.required_text("Id");
        let inside = node.at(BUNDLE);
        let bundle = if inside.is_present() { inside } else { item.required(BUNDLE) };
        let text = bundle.as_text().unwrap_or_default();
        if bundle.is_present() && !text.contains("-----BEGIN CERTIFICATE-----") {
            bundle.error(INVALID_ARGUMENT, "there is no certificate in PEM in it");
        }
        if found.insert(id.to_owned(), Arc::from(text)).is_some() {
            node.at("Id").error(INVALID_ARGUMENT, format!("{id:?} is there twice"));
        }
    }
    found
}
