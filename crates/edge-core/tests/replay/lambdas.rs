//! The Lambdas of a case: one endpoint of the invoke API for all of them, that answers as the step says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use edge_core::distribution::lambda::Endpoint;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

use super::format::{LambdaCall, World};
use super::wire::{Framing, Wire};

/// What is to be answered, and what was called.
pub(crate) struct Lambdas {
    addr: SocketAddr,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    world: Option<World>,
    calls: Vec<LambdaCall>,
    called: Vec<Json>,
}

impl Lambdas {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, script) = (listener.local_addr().unwrap(), Arc::<Mutex<Script>>::default());
        let shared = Arc::downgrade(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some(script) = shared.upgrade() else { return };
                tokio::spawn(serve(Wire::new(stream), script));
            }
        });
        Self { addr, script }
    }

    pub(crate) fn endpoint(&self) -> Arc<Endpoint> {
        Arc::new(Endpoint::parse(&format!("http://{}", self.addr)).unwrap())
    }

    /// What comes next is answered so.
    pub(crate) fn expect(&self, calls: &[LambdaCall], world: &World) {
        let mut script = self.script.lock().unwrap();
        (script.world, script.calls, script.called) = (Some(world.clone()), calls.to_vec(), Vec::new());
    }

    /// Every event since then.
    pub(crate) fn called(&self) -> Vec<Json> {
        std::mem::take(&mut self.script.lock().unwrap().called)
    }
}

async fn serve(mut wire: Wire, script: Arc<Mutex<Script>>) {
    while let Some(head) = wire.head().await {
        let Ok(body) = wire.body(head.framing().unwrap_or(Framing::Length(0))).await else { return };
        let answer = script.lock().unwrap().answer(&body);
        let Some((status, text)) = answer else { return };
        let head = format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n", text.len());
        if !wire.send(head.as_bytes()).await || !wire.send(text.as_bytes()).await {
            return;
        }
    }
}

impl Script {
    /// Status and text; `None` closes the connection.
    fn answer(&mut self, body: &[u8]) -> Option<(u16, String)> {
        let event: Json = serde_json::from_slice(body).unwrap_or_default();
        let call = self.calls.get(self.called.len()).cloned();
        self.called.push(event.clone());
        let (call, world) = (call?, self.world.as_ref()?);
        match (call.fails.as_deref(), &call.throws) {
            (Some("throttled"), _) => Some((429, "{}".to_owned())),
            (Some("too-large"), _) => Some((200, json!("x".repeat(3 * 1024 * 1024)).to_string())),
            (Some(_), _) => None,
            (None, Some(what)) => Some((200, json!({ "errorMessage": what }).to_string())),
            (None, None) => Some((200, call.result(&event, world).ok()?.to_string())),
        }
    }
}
