//! Names of origins to addresses, without blocking.
//!
//! Answers come from the configured hosts, `/etc/hosts` (read once), or the system's DNS servers, and are kept for
//! their TTL. Addresses and `localhost` need no DNS server at all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};

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
        let builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
        });
        Self::with(builder, hosts)
    }

    fn with(
        mut builder: ResolverBuilder<TokioRuntimeProvider>,
        hosts: HashMap<String, Vec<IpAddr>>,
    ) -> Result<Self, String> {
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hickory_resolver::config::NameServerConfig;

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

    /// A DNS server that gives every name these addresses for so many seconds, and counts how often it is asked
    /// for them.
    async fn dns(ips: Vec<[u8; 4]>, ttl: u32) -> (Resolver, Arc<AtomicUsize>) {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut server = NameServerConfig::udp(IpAddr::from([127, 0, 0, 1]));
        server.connections[0].port = socket.local_addr().unwrap().port();
        let asked = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                let answer = answer(&query[..length], &ips, ttl);
                counted.fetch_add(usize::from(answer[7] > 0), Ordering::SeqCst);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        (Resolver::with(builder, HashMap::new()).unwrap(), asked)
    }

    /// RFC 1035 §4: the question once more, and an A record for each address. For other types there is none.
    fn answer(query: &[u8], ips: &[[u8; 4]], ttl: u32) -> Vec<u8> {
        let name_end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap();
        let question_end = name_end + 5;
        let ips = if query[name_end + 1..name_end + 3] == [0, 1] { ips } else { &[] };
        let count = u8::try_from(ips.len()).unwrap();
        let mut answer = [&query[..2], &[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]].concat();
        answer.extend_from_slice(&query[12..question_end]);
        for ip in ips {
            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
            answer.extend_from_slice(&ttl.to_be_bytes());
            answer.extend_from_slice(&[&[0, 4], &ip[..]].concat());
        }
        answer
    }

    #[tokio::test]
    async fn all_addresses_are_told_and_believed_for_their_ttl() {
        let (resolver, asked) = dns(vec![[192, 0, 2, 1], [192, 0, 2, 2]], 3_600).await;
        let expected = [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])];
        for _ in 0..3 {
            assert_eq!(resolver.addresses("alb.example.").await.unwrap(), expected);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_answer_is_not_believed_beyond_its_ttl() {
        let (resolver, asked) = dns(vec![[192, 0, 2, 1]], 1).await;
        resolver.addresses("alb.example.").await.unwrap();
        let (began, once) = (tokio::time::Instant::now(), asked.load(Ordering::SeqCst));
        while asked.load(Ordering::SeqCst) == once {
            resolver.addresses("alb.example.").await.unwrap();
            assert!(began.elapsed() < Duration::from_secs(20), "never asked again");
            tokio::task::yield_now().await;
        }
        assert!(began.elapsed() > Duration::from_millis(500), "not believed at all");
    }

    #[tokio::test]
    async fn invalid_is_never_asked_for() {
        // RFC 6761 §6.4: `.invalid` has no addresses, and no server is asked.
        let resolver = Resolver::new(HashMap::new()).unwrap();
        assert!(resolver.addresses("nothing.invalid").await.is_err());
    }
}
