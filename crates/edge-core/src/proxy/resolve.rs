//! Names of origins to addresses, without blocking.
//!
//! Answers come from the configured hosts, `/etc/hosts` (read once), or the system's DNS servers, and are kept for
//! their TTL. Addresses and `localhost` need no DNS server at all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// How long "there is no such name" is believed: a server being started should be found soon.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(5);

/// How long any answer is believed, whatever its TTL says.
const POSITIVE_TTL_MAX: Duration = Duration::from_secs(3600);

/// Turns names into addresses.
#[derive(Debug)]
pub struct Resolver {
    hosts: HashMap<String, Vec<IpAddr>>,
    dns: TokioResolver,
}

impl Resolver {
    /// With the system's configuration, and `hosts` answered before anything else.
    pub fn new(hosts: HashMap<String, Vec<IpAddr>>) -> Result<Self, String> {
        // A machine without resolv.conf still has its hosts file and localhost.
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
        });
        let options = builder.options_mut();
        options.negative_max_ttl = Some(NEGATIVE_TTL_MAX);
        options.positive_max_ttl = Some(POSITIVE_TTL_MAX);
        let dns = builder.build().map_err(|error| error.to_string())?;
        let hosts = hosts.into_iter().map(|(name, ips)| (name.to_ascii_lowercase(), ips)).collect();
        Ok(Self { hosts, dns })
    }

    /// Every address of `host`, at least one.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse() {
            return Ok(vec![ip]);
        }
        if let Some(ips) = self.hosts.get(&host.to_ascii_lowercase()).filter(|ips| !ips.is_empty()) {
            return Ok(ips.clone());
        }
        let found = self.dns.lookup_ip(host).await.map_err(|error| format!("{host}: {error}"))?;
        let ips: Vec<_> = found.iter().collect();
        if ips.is_empty() { Err(format!("{host}: no address")) } else { Ok(ips) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_and_localhost_need_no_server() {
        let told = HashMap::from([("Origin.Test".to_owned(), vec![IpAddr::from([127, 0, 0, 9])])]);
        let resolver = Resolver::new(told).unwrap();
        assert_eq!(resolver.addresses("192.0.2.7").await.unwrap(), [IpAddr::from([192, 0, 2, 7])]);
        assert_eq!(resolver.addresses("[::1]").await.unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(resolver.addresses("origin.TEST").await.unwrap(), [IpAddr::from([127, 0, 0, 9])]);
        assert!(resolver.addresses("localhost").await.unwrap().iter().all(IpAddr::is_loopback));
    }

    #[tokio::test]
    async fn invalid_is_never_asked_for() {
        // RFC 6761 §6.4: `.invalid` has no addresses, and no server is asked.
        let resolver = Resolver::new(HashMap::new()).unwrap();
        assert!(resolver.addresses("nothing.invalid").await.is_err());
    }
}
