//! One try to connect to a distribution that asks viewers for certificates, as connection logs tell it (§15.2).
//!
//! It refuses to know how it came to its end: the listener says.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::Certificate;

/// What is known of it at its end; what is not, is absent.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it ended.
    pub at: SystemTime,
    /// No two have the same.
    pub connection_id: String,
    /// How.
    pub outcome: Outcome,
    /// The viewer.
    pub client: SocketAddr,
    /// Where he connected to.
    pub server: IpAddr,
    /// The distribution he named.
    pub distribution_id: String,
    /// Protocol and cipher suite, where they were agreed on.
    pub agreed: Option<(&'static str, &'static str)>,
    /// From the first byte to its end.
    pub took: Duration,
    /// The name he asked for.
    pub sni: Option<String>,
    /// What he showed, where it was verified.
    pub certificate: Option<Arc<Certificate>>,
    /// What a connection function has to say.
    pub custom: String,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The connection stands.
    Success,
    /// It does not.
    Failed(Failure),
}

/// Why a connection was not made: the codes of connection logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are names")]
pub enum Failure {
    ClientCertMaxChainDepthExceeded,
    ClientCertMaxSizeExceeded,
    ClientCertUntrusted,
    ClientCertNotYetValid,
    ClientCertExpired,
    ClientCertTypeUnsupported,
    ClientCertInvalid,
    ClientCertIntentInvalid,
    ClientCertRejected,
    ClientCertMissing,
    TcpError,
    TcpTimeout,
    ConnectionFunctionError,
    ConnectionFunctionDenied,
    Internal,
    UnmappedConnectionError,
}

impl Attempt {
    /// One object in one line, without its end. What is absent is `-`, as in the other logs *(unsure)*.
    pub fn to_json(&self) -> String {
        let or_dash = |text: Option<&str>| Json::from(text.filter(|text| !text.is_empty()).unwrap_or("-"));
        let certificate = self.certificate.as_deref();
        let serial_number = certificate.and_then(Certificate::signed_serial_number);
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let status = match self.outcome {
            Outcome::Success => "Success".to_owned(),
            Outcome::Failed(why) => format!("Failed:{why:?}"),
        };
        json!({
            "eventTimestamp": self.at.duration_since(UNIX_EPOCH).map_or(0, millis),
            "connectionId": self.connection_id,
            "connectionStatus": status,
            "clientIp": self.client.ip().to_string(),
            "clientPort": self.client.port(),
            "serverIp": self.server.to_string(),
            "distributionId": self.distribution_id,
            "distributionTenantId": "-",
            "tlsProtocol": or_dash(self.agreed.map(|(protocol, _)| protocol)),
            "tlsCipher": or_dash(self.agreed.map(|(_, cipher)| cipher)),
            "tlsHandshakeDuration": millis(self.took),
            "tlsSni": or_dash(self.sni.as_deref()),
            "clientLeafCertSerialNumber": or_dash(serial_number.as_deref()),
            "clientLeafCertSubject": or_dash(certificate.and_then(|known| known.subject.as_deref())),
            "clientLeafCertIssuer": or_dash(certificate.and_then(|known| known.issuer.as_deref())),
            "clientLeafCertValidity": or_dash(certificate.and_then(|known| known.validity.as_deref())),
            "connectionLogCustomData": or_dash(Some(&self.custom)),
        })
        .to_string()
    }

    /// What it holds in memory, roughly, in bytes.
    pub fn weight(&self) -> usize {
        let certificate = self.certificate.as_deref().map_or(0, |known| {
            [&known.issuer, &known.subject, &known.pem].into_iter().flatten().map(String::len).sum()
        });
        512 + self.sni.as_ref().map_or(0, String::len) + self.custom.len() + certificate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_every_field_in_the_order_of_delivery() {
        let certificate = Certificate {
            serial_number: Some("b1:43".to_owned()),
            subject: Some("CN=a,O=\"x\"".to_owned()),
            validity: Some("NotBefore=2025-06-05T23:28:21Z;NotAfter=2125-05-12T23:28:21Z".to_owned()),
            ..Certificate::default()
        };
        let attempt = Attempt {
            at: UNIX_EPOCH + Duration::from_millis(1_731_620_046_814),
            connection_id: "id==".to_owned(),
            outcome: Outcome::Failed(Failure::ConnectionFunctionDenied),
            client: "[2001:db8::1]:12137".parse().unwrap(),
            server: "192.0.2.1".parse().unwrap(),
            distribution_id: "E1".to_owned(),
            agreed: Some(("TLSv1.3", "TLS_AES_128_GCM_SHA256")),
            took: Duration::from_micros(153_900),
            sni: None,
            certificate: Some(Arc::new(certificate)),
            custom: "REVOKED:\n1".to_owned(),
        };
        assert_eq!(
            attempt.to_json(),
            [
                r#"{"eventTimestamp":1731620046814,"connectionId":"id==","connectionStatus":"Failed:ConnectionFunctionDenied","#,
                r#""clientIp":"2001:db8::1","clientPort":12137,"serverIp":"192.0.2.1","distributionId":"E1","#,
                r#""distributionTenantId":"-","tlsProtocol":"TLSv1.3","tlsCipher":"TLS_AES_128_GCM_SHA256","#,
                r#""tlsHandshakeDuration":153,"tlsSni":"-","clientLeafCertSerialNumber":"00:b1:43","#,
                r#""clientLeafCertSubject":"CN=a,O=\"x\"","clientLeafCertIssuer":"-","#,
                r#""clientLeafCertValidity":"NotBefore=2025-06-05T23:28:21Z;NotAfter=2125-05-12T23:28:21Z","#,
                r#""connectionLogCustomData":"REVOKED:\n1"}"#,
            ]
            .concat()
        );
    }
}
