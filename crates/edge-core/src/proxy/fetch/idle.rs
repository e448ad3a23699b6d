//! Connections between two requests, and the end of those to a server that is taken out.
//!
//! pingora's pool keeps them and ends them by time. It closes by name only what is asked for under the exact peer, so
//! the peers are remembered here; what is forgotten, because there are too many, ends by its time all the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pingora_core::connectors::TransportConnector;
use pingora_core::protocols::Stream;
use pingora_core::upstreams::peer::{HttpPeer, Peer as _};

use crate::proxy::pool::Server;

/// Where connections wait.
pub(super) struct Idle {
    transport: TransportConnector,
    peers_max: usize,
    parked: Mutex<Parked>,
}

#[derive(Default)]
struct Parked {
    /// Under which peers connections were left, by pingora's key.
    peers: HashMap<u64, (Server, HttpPeer)>,
    /// How often the connections to a server were closed; absent is never.
    closings: HashMap<Server, u64>,
}

/// Where a connection goes back to.
pub(crate) struct Home {
    idle: Arc<Idle>,
    server: Server,
    peer: Box<HttpPeer>,
    closings: u64,
}

impl Idle {
    pub(super) fn new(transport: TransportConnector, peers_max: usize) -> Self {
        Self { transport, peers_max, parked: Mutex::default() }
    }

    pub(super) fn transport(&self) -> &TransportConnector {
        &self.transport
    }

    /// An idle connection.
    pub(super) async fn take(&self, peer: &HttpPeer) -> Option<Stream> {
        self.transport.reused_stream(peer).await
    }

    pub(super) fn home(idle: &Arc<Self>, server: &Server, peer: HttpPeer) -> Home {
        let closings = idle.parked().closings_of(server);
        Home { idle: Arc::clone(idle), server: server.clone(), peer: Box::new(peer), closings }
    }

    /// Closes what is idle now; what is in use has no home any more.
    pub(super) async fn close(&self, server: &Server) {
        let peers = {
            let mut parked = self.parked();
            *parked.closings.entry(server.clone()).or_default() += 1;
            parked.peers.extract_if(|_, (of, _)| of == server).map(|(_, (_, peer))| peer).collect::<Vec<_>>()
        };
        for peer in peers {
            while let Some(stream) = self.take(&peer).await {
                drop(stream);
            }
        }
    }

    fn parked(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parked {
    fn closings_of(&self, server: &Server) -> u64 {
        self.closings.get(server).copied().unwrap_or_default()
    }
}

impl Home {
    /// Keeps the connection for the next request, unless its server was taken out meanwhile.
    pub(super) fn release(&self, stream: Stream, wait: Duration) {
        let mut parked = self.idle.parked();
        if parked.closings_of(&self.server) != self.closings {
            return;
        }
        let key = self.peer.reuse_hash();
        if parked.peers.len() >= self.idle.peers_max {
            parked.peers.clear();
        }
        parked.peers.entry(key).or_insert_with(|| (self.server.clone(), HttpPeer::clone(&self.peer)));
        // Under the lock: a connection that is left after a closing would stay.
        self.idle.transport.release_stream(stream, key, Some(wait));
    }
}
