//! HTTPS listeners, each with the UDP port of the same number if HTTP/3 is spoken too: `Alt-Svc` tells of a port, and
//! viewers and firewalls know these two as one.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Http3, Settings, StartError};
use crate::distribution::Distribution;
use crate::proxy::edge::Edge;
#[cfg(feature = "http3")]
use crate::proxy::listen::QuicListener;
use crate::proxy::listen::{Listener, Stop};
use crate::proxy::tls::Tls;

/// The ports that responses name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ports {
    /// Of the first HTTPS listener.
    pub(super) https: Option<u16>,
    /// Of the first place where HTTP/3 is spoken.
    pub(super) http3: Option<u16>,
}

/// A bound HTTPS listener.
pub(super) struct Secure {
    pub(super) addr: SocketAddr,
    listener: Listener,
    #[cfg(feature = "http3")]
    quic: Option<QuicListener>,
}

/// How many free ports are tried until one is free over UDP too.
#[cfg(feature = "http3")]
const PORTS_TRIED_MAX: usize = 16;

impl Secure {
    pub(super) fn bind(addr: SocketAddr, tls: &Arc<Tls>, settings: &Settings) -> Result<Self, StartError> {
        let bind = || {
            let listener = Listener::bind(addr, Some(Arc::clone(tls)), settings.limits.clone())?;
            Ok((listener.local_addr()?, listener))
        };
        #[cfg(not(feature = "http3"))]
        return bind()
            .map(|(addr, listener)| Self { addr, listener })
            .map_err(|error| StartError::Listen(addr, error));
        #[cfg(feature = "http3")]
        {
            // They are held until there is one, or the next free port might be the same.
            let mut unfit = Vec::new();
            loop {
                let (bound, listener) = bind().map_err(|error| StartError::Listen(addr, error))?;
                if !settings.speaks_http3() {
                    return Ok(Self { addr: bound, listener, quic: None });
                }
                match QuicListener::bind(bound, Arc::clone(tls), settings.limits.clone()) {
                    Ok(quic) => return Ok(Self { addr: bound, listener, quic: Some(quic) }),
                    Err(_) if addr.port() == 0 && unfit.len() < PORTS_TRIED_MAX => unfit.push(listener),
                    Err(error) => return Err(StartError::ListenQuic(bound, error)),
                }
            }
        }
    }

    /// Where HTTP/3 is spoken.
    #[cfg_attr(not(feature = "http3"), expect(clippy::unused_self, reason = "nowhere"))]
    pub(super) fn http3(&self) -> Option<SocketAddr> {
        #[cfg(feature = "http3")]
        return self.quic.is_some().then_some(self.addr);
        #[cfg(not(feature = "http3"))]
        None
    }

    pub(super) fn serve(self, edge: &Edge, stop: &Stop, serving: &mut JoinSet<()>) {
        #[cfg(feature = "http3")]
        if let Some(quic) = self.quic {
            serving.spawn(quic.serve(edge.clone(), stop.clone()));
        }
        serving.spawn(self.listener.serve(edge.clone(), stop.clone()));
    }
}

impl Settings {
    /// Whether HTTP/3 is to be spoken beside HTTPS.
    pub(super) fn speaks_http3(&self) -> bool {
        cfg!(feature = "http3")
            && self.http3 == Http3::WhereOffered
            && self.distributions().any(Distribution::offers_http3)
    }
}
