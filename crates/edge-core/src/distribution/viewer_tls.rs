//! What a distribution wants of a viewer's TLS handshake: its security policy, whether a name is needed, and whether the
//! viewer shows a certificate (§11.3, §11.6).
//!
//! It refuses to know what any TLS library can speak, and which certificates the edge presents: those are the
//! listener's.

use std::sync::Arc;

use super::{HttpVersion, Stage};
use crate::script::Script;

/// All a handshake depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerTls {
    /// What may be spoken.
    pub policy: SecurityPolicy,
    /// What becomes of a viewer who names nobody.
    pub nameless: Nameless,
    /// Whether viewers are asked for a certificate, and what for.
    pub mtls: Option<ViewerMtls>,
    /// Who decides whom it serves of those the handshake let pass.
    pub function: Option<Arc<Script>>,
}

impl super::Distribution {
    /// Whether viewers are served over QUIC and told so (§11.2): where `HttpVersion` says so, TLS 1.3 is allowed, no
    /// certificate is asked of viewers (which CloudFront does not do over HTTP/3) and nothing is deployed continuously
    /// (§17.1).
    pub fn offers_http3(&self) -> bool {
        let asks = matches!(self.http_version, HttpVersion::Http3 | HttpVersion::Http2And3);
        let ViewerTls { policy, mtls, .. } = &self.viewer_tls;
        let is_deployed = self.deployment.is_some() || self.stage == Stage::Staging;
        asks && mtls.is_none() && !is_deployed && policy.protocols().any(|protocol| protocol == "TLSv1.3")
    }
}

/// What a viewer without SNI gets (§11.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nameless {
    /// The default certificate, or a dedicated address: he is served.
    Served,
    /// `sni-only`: the connection is dropped.
    Dropped,
}

/// `MinimumProtocolVersion`. A later one allows less: what a policy has, all before it have too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are names")]
pub enum SecurityPolicy {
    SSLv3,
    TLSv1,
    TLSv1_2016,
    TLSv1_1_2016,
    TLSv1_2_2018,
    TLSv1_2_2019,
    TLSv1_2_2021,
    TLSv1_2_2025,
    TLSv1_3_2025,
}

use SecurityPolicy::{
    SSLv3, TLSv1, TLSv1_1_2016, TLSv1_2_2018, TLSv1_2_2019, TLSv1_2_2021, TLSv1_2_2025, TLSv1_3_2025,
    TLSv1_2016,
};

/// The policies by the API's names, oldest first.
pub const SECURITY_POLICIES: [(&str, SecurityPolicy); 9] = [
    ("SSLv3", SSLv3),
    ("TLSv1", TLSv1),
    ("TLSv1_2016", TLSv1_2016),
    ("TLSv1.1_2016", TLSv1_1_2016),
    ("TLSv1.2_2018", TLSv1_2_2018),
    ("TLSv1.2_2019", TLSv1_2_2019),
    ("TLSv1.2_2021", TLSv1_2_2021),
    ("TLSv1.2_2025", TLSv1_2_2025),
    ("TLSv1.3_2025", TLSv1_3_2025),
];

/// Each protocol with the last policy that has it.
const PROTOCOLS: [(&str, SecurityPolicy); 5] = [
    ("TLSv1.3", TLSv1_3_2025),
    ("TLSv1.2", TLSv1_2_2025),
    ("TLSv1.1", TLSv1_1_2016),
    ("TLSv1", TLSv1_2016),
    ("SSLv3", SSLv3),
];

/// Each cipher, by OpenSSL's name, with the last policy that has it; what CloudFront prefers comes first.
const CIPHERS: [(&str, SecurityPolicy); 23] = [
    ("TLS_AES_128_GCM_SHA256", TLSv1_3_2025),
    ("TLS_AES_256_GCM_SHA384", TLSv1_3_2025),
    ("TLS_CHACHA20_POLY1305_SHA256", TLSv1_2_2025),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", TLSv1_2_2025),
    ("ECDHE-RSA-AES128-GCM-SHA256", TLSv1_2_2025),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", TLSv1_2_2025),
    ("ECDHE-RSA-AES256-GCM-SHA384", TLSv1_2_2025),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", TLSv1_2_2021),
    ("ECDHE-RSA-CHACHA20-POLY1305", TLSv1_2_2021),
    ("ECDHE-ECDSA-AES128-SHA256", TLSv1_2_2019),
    ("ECDHE-RSA-AES128-SHA256", TLSv1_2_2019),
    ("ECDHE-ECDSA-AES256-SHA384", TLSv1_2_2019),
    ("ECDHE-RSA-AES256-SHA384", TLSv1_2_2019),
    ("ECDHE-ECDSA-AES128-SHA", TLSv1_1_2016),
    ("ECDHE-RSA-AES128-SHA", TLSv1_1_2016),
    ("ECDHE-ECDSA-AES256-SHA", TLSv1_1_2016),
    ("ECDHE-RSA-AES256-SHA", TLSv1_1_2016),
    ("AES128-GCM-SHA256", TLSv1_2_2018),
    ("AES256-GCM-SHA384", TLSv1_2_2018),
    ("AES128-SHA256", TLSv1_2_2018),
    ("AES256-SHA", TLSv1_1_2016),
    ("AES128-SHA", TLSv1_1_2016),
    ("DES-CBC3-SHA", TLSv1),
];

impl SecurityPolicy {
    /// The API's name.
    pub fn as_str(self) -> &'static str {
        SECURITY_POLICIES.iter().find(|(_, policy)| *policy == self).map_or("TLSv1", |(name, _)| name)
    }

    /// The protocols it allows, the newest first: `TLSv1.3`, `TLSv1.2`, ….
    pub fn protocols(self) -> impl Iterator<Item = &'static str> {
        PROTOCOLS.iter().filter(move |(_, last)| self <= *last).map(|(name, _)| *name)
    }

    /// The ciphers it allows, by OpenSSL's names and in CloudFront's order. RC4, which the oldest policy has too, is left
    /// out: nobody here would speak it.
    pub fn ciphers(self) -> impl Iterator<Item = &'static str> {
        CIPHERS.iter().filter(move |(_, last)| self <= *last).map(|(name, _)| *name)
    }
}

/// `ViewerMtlsConfig` (§11.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewerMtls {
    /// Certificates are verified against a trust store.
    Verified {
        /// Whether one may do without.
        wanted: Wanted,
        /// Who vouches for viewers.
        trust_store: TrustStore,
    },
    /// Certificates are asked for, and told to the origin as they are *(unsure)*.
    Passthrough,
}

/// Whether a viewer needs a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `required`: no handshake without one.
    Always,
    /// `optional`: none is fine, a bad one is not.
    IfThereIsOne,
}

/// `TrustStoreConfig`, and what is known of the store it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustStore {
    /// `TrustStoreId`.
    pub id: String,
    /// Its certificates in PEM, where the bundle carries them. Else whoever starts the edge does, or it does not start.
    pub bundle: Option<Arc<str>>,
    /// `AdvertiseTrustStoreCaNames`.
    pub names: AuthorityNames,
    /// `IgnoreCertificateExpiry`.
    pub expiry: Expiry,
}

/// Whether viewers are told which authorities are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityNames {
    /// They are not.
    Kept,
    /// They are, and can choose among their certificates.
    Told,
}

/// Whether the dates of certificates matter. All else always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// They do.
    Matters,
    /// They do not.
    Ignored,
}

impl ViewerTls {
    /// Whether nobody is served without a certificate.
    pub fn requires_certificate(&self) -> bool {
        matches!(self.mtls, Some(ViewerMtls::Verified { wanted: Wanted::Always, .. }))
    }

    /// The store that vouches for viewers, where one does.
    pub fn trust_store(&self) -> Option<&TrustStore> {
        match &self.mtls {
            Some(ViewerMtls::Verified { trust_store, .. }) => Some(trust_store),
            Some(ViewerMtls::Passthrough) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_has_its_protocols() {
        let protocols = |policy: SecurityPolicy| policy.protocols().collect::<Vec<_>>();
        assert_eq!(protocols(SSLv3), ["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1", "SSLv3"]);
        assert_eq!(protocols(TLSv1), protocols(TLSv1_2016));
        assert_eq!(protocols(TLSv1_2016), ["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1"]);
        assert_eq!(protocols(TLSv1_1_2016), ["TLSv1.3", "TLSv1.2", "TLSv1.1"]);
        for policy in [TLSv1_2_2018, TLSv1_2_2019, TLSv1_2_2021, TLSv1_2_2025] {
            assert_eq!(protocols(policy), ["TLSv1.3", "TLSv1.2"]);
        }
        assert_eq!(protocols(TLSv1_3_2025), ["TLSv1.3"]);
    }

    #[test]
    fn each_policy_has_its_ciphers() {
        let counts: Vec<usize> =
            SECURITY_POLICIES.iter().map(|(_, policy)| policy.ciphers().count()).collect();
        assert_eq!(counts, [23, 23, 22, 22, 16, 13, 9, 7, 2]);
        assert_eq!(
            TLSv1_3_2025.ciphers().collect::<Vec<_>>(),
            ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"]
        );
        assert!(!TLSv1_2_2025.ciphers().any(|name| name.starts_with("ECDHE") && name.contains("CHACHA")));
        assert!(TLSv1_2_2021.ciphers().any(|name| name == "ECDHE-RSA-CHACHA20-POLY1305"));
        assert!(TLSv1_2_2021.ciphers().all(|name| name.contains("GCM") || name.contains("POLY1305")));
        assert!(TLSv1_2_2019.ciphers().all(|name| name.starts_with("ECDHE") || name.starts_with("TLS_")));
    }

    #[test]
    fn names_are_the_apis() {
        for (name, policy) in SECURITY_POLICIES {
            assert_eq!(policy.as_str(), name);
        }
        assert!(SECURITY_POLICIES.is_sorted_by_key(|(_, policy)| *policy));
    }
}
