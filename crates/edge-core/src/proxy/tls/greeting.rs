//! One handshake: the viewer's first message tells which site is meant, and the site what the rest is like.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::server::{Accepted, Acceptor};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

use super::wants::Fingerprints;
use super::{Greeting, Tls, TlsFacts};
use crate::viewer::Fingerprint;

/// What is kept of a first message to take its fingerprint; one that is longer has none.
const KEPT_BYTES_MAX: usize = 64 * 1024;

impl Tls {
    /// Shakes hands with a viewer at this address. What becomes known of it is in `greeting`, what was agreed on at last. An
    /// error is the end of the connection.
    pub(in crate::proxy) async fn accept(
        &self,
        mut stream: TcpStream,
        viewer: IpAddr,
        greeting: &mut Greeting,
    ) -> io::Result<TlsStream<TcpStream>> {
        let fingerprints = self.installed.load().sites.fingerprints();
        let (accepted, fingerprint) = hello(&mut stream, fingerprints).await?;
        // What is in force now, to the end of the handshake.
        let installed = self.installed.load_full();
        let place = installed.sites.find(accepted.client_hello().server_name());
        if self.is_logging() {
            greeting.sni = accepted.client_hello().server_name().map(str::to_owned);
            greeting.site = Some((Arc::clone(&installed), place));
        }
        let config = {
            let hello = accepted.client_hello();
            let ready = installed.ready.get(place).ok_or(io::ErrorKind::NotFound)?;
            if hello.server_name().is_none() && ready.wants.drops_nameless() {
                // Whoever tries an address by hand looks for the reason here, once.
                if !self.told.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "a viewer who named no host, as https://127.0.0.1 does, was dropped: the distribution is for \
                         those who do (sni-only); ask for https://localhost (said once)"
                    );
                }
                let why = "the viewer named nobody, and the distribution is for those who do (sni-only)";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
            Arc::clone(&ready.config)
        };
        let stream = StartHandshake::from_parts(accepted, stream).into_stream(config).await?;
        let mut facts = TlsFacts::of(stream.get_ref().1, installed.sites.domain_name(place));
        facts.fingerprint = fingerprint.map(Arc::new);
        greeting.facts = Some(facts);
        if let Some(distribution) = installed.sites.distribution(place) {
            self.admit(distribution, viewer, greeting)?;
        }
        Ok(stream)
    }
}

/// Reads the viewer's first message.
async fn hello(
    stream: &mut TcpStream,
    fingerprints: Fingerprints,
) -> io::Result<(Accepted, Option<Fingerprint>)> {
    let mut acceptor = Acceptor::default();
    let mut kept = Vec::new();
    loop {
        stream.readable().await?;
        let kept_of_it = (fingerprints == Fingerprints::Taken).then_some(&mut kept);
        match acceptor.read_tls(&mut Arrived { stream, kept: kept_of_it }) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok((accepted, Fingerprint::of(&kept))),
            Ok(None) => {}
            Err((error, mut alert)) => {
                let mut bytes = Vec::new();
                alert.write_all(&mut bytes)?;
                stream.write_all(&bytes).await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
}

/// What has arrived, without waiting, and where a copy of it goes.
struct Arrived<'a> {
    stream: &'a TcpStream,
    kept: Option<&'a mut Vec<u8>>,
}

impl io::Read for Arrived<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.try_read(buffer)?;
        if let Some(kept) = &mut self.kept {
            let room = KEPT_BYTES_MAX.saturating_sub(kept.len());
            kept.extend_from_slice(&buffer[..count.min(room)]);
        }
        Ok(count)
    }
}
