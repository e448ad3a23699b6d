//! One connection of HTTP/3: its requests, the streams beside them (RFC 9114 §6.2), and how it ends.
//!
//! It ends in two steps, as a viewer may have sent what we have not seen: first a notice that it will end, and, when
//! what was under way has come, the number of the first request that is not answered (RFC 9114 §5.2).

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::body::{Incoming, Stopped, fields_bytes_max};
use super::frame::{self, Code, Frame, Role, kind};
use super::stream;
use crate::proxy::listen::{Host, Limits, Peer, Service, count};

/// What a viewer's streams in one direction are for.
mod purpose {
    pub(super) const CONTROL: u64 = 0x0;
    pub(super) const PUSH: u64 = 0x1;
    pub(super) const QPACK_ENCODER: u64 = 0x2;
    pub(super) const QPACK_DECODER: u64 = 0x3;
}

/// Its number: what a viewer may send us in a head.
const MAX_FIELD_SECTION_SIZE: u64 = 0x6;
/// Above every request there may be (RFC 9114 §5.2).
const NO_REQUEST: u64 = (1 << 62) - 4;
/// Streams in one direction that a viewer may have open: three have a purpose, the rest is for what nobody knows.
pub(super) const SIDE_STREAMS_MAX: u32 = 8;
/// Heads that are read at once; each may be kept, as far as it has come. Most come whole in a packet.
const HEADS_AT_ONCE: usize = 16;
/// Round trips after which what was sent before a notice has come.
const ROUND_TRIPS: u32 = 3;

/// What the streams of a connection share.
pub(super) struct Shared<S> {
    pub(super) host: Arc<Host<S>>,
    pub(super) peer: Peer,
    pub(super) connection: quinn::Connection,
    pub(super) finished: AtomicU64,
    pub(super) cancelled: AtomicU64,
    /// Taken while a head is read.
    pub(super) heads: Semaphore,
    /// Which of the streams beside the requests there are; each may be there once.
    seen: [AtomicBool; 4],
}

/// Serves a connection until it ends.
pub(super) async fn serve<S: Service>(host: Arc<Host<S>>, peer: Peer, connection: quinn::Connection) {
    let limits = Arc::clone(&host.limits);
    let greeting = timeout(limits.handshake_timeout, Control::open(&connection, &limits)).await;
    let Ok(Some(control)) = greeting else { return connection.close(Code::InternalError.into(), b"") };
    let (finished, cancelled, seen, heads) =
        (AtomicU64::new(0), AtomicU64::new(0), Default::default(), Semaphore::new(HEADS_AT_ONCE));
    let shared = Arc::new(Shared { host, peer, connection, finished, cancelled, heads, seen });
    let code = Driver::new(&shared, control).run().await;
    shared.connection.close(code.into(), b"");
}

/// How far an ending has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It has not begun.
    No,
    /// The viewer is told, and what he sent before he knew may come.
    Told,
    /// No request is accepted any more.
    Closed,
}

struct Driver<'a, S: Service> {
    shared: &'a Arc<Shared<S>>,
    control: Control,
    requests: JoinSet<()>,
    ending: Ending,
    /// The number of the first request that did not come.
    next: u64,
    /// When something is to be done although nothing happens.
    deadline: Instant,
}

impl<'a, S: Service> Driver<'a, S> {
    fn new(shared: &'a Arc<Shared<S>>, control: Control) -> Self {
        let deadline = Instant::now() + shared.host.limits.head_timeout;
        Self { shared, control, requests: JoinSet::new(), ending: Ending::No, next: 0, deadline }
    }

    /// Runs it to its end, which has a reason.
    async fn run(mut self) -> Code {
        let connection = self.shared.connection.clone();
        let mut sides = JoinSet::new();
        let mut asked = pin!(self.shared.host.stop.asked());
        let mut timer = pin!(sleep_until(self.deadline));
        loop {
            if self.ending == Ending::Closed && self.requests.is_empty() {
                return Code::NoError;
            }
            if self.too_many_cancels() {
                count(&self.shared.host.counters.cut);
                return Code::ExcessiveLoad;
            }
            if timer.deadline() != self.deadline {
                timer.as_mut().reset(self.deadline);
            }
            let is_open = self.ending != Ending::Closed;
            let is_idle = self.requests.is_empty();
            tokio::select! {
                accepted = connection.accept_bi(), if is_open => {
                    let Ok((send, receive)) = accepted else { return Code::NoError };
                    self.next = (receive.id().index() + 1) << 2;
                    self.requests.spawn(stream::serve(Arc::clone(self.shared), send, receive));
                }
                accepted = connection.accept_uni() => {
                    let Ok(receive) = accepted else { return Code::NoError };
                    sides.spawn(side(Arc::clone(self.shared), receive));
                }
                Some(_) = self.requests.join_next() => self.ended(),
                Some(ended) = sides.join_next() => {
                    if let Ok(Err(code)) = ended {
                        return code;
                    }
                }
                () = &mut asked, if self.ending == Ending::No => self.tell().await,
                () = &mut timer, if is_idle || self.ending != Ending::No => match self.ending {
                    Ending::No => self.tell().await,
                    Ending::Told => self.close().await,
                    Ending::Closed => {
                        count(&self.shared.host.counters.cut);
                        return Code::NoError;
                    }
                },
            }
        }
    }

    /// A request is over: from the last one on the connection is idle.
    fn ended(&mut self) {
        if self.requests.is_empty() && self.ending == Ending::No {
            self.deadline = Instant::now() + self.shared.host.limits.idle_timeout;
        }
    }

    async fn tell(&mut self) {
        self.ending = Ending::Told;
        let limits = &self.shared.host.limits;
        self.control.goaway(NO_REQUEST, limits).await;
        let under_way = (self.shared.connection.rtt() * ROUND_TRIPS).min(limits.linger_timeout);
        self.deadline = Instant::now() + under_way;
    }

    async fn close(&mut self) {
        self.ending = Ending::Closed;
        let limits = &self.shared.host.limits;
        self.control.goaway(self.next, limits).await;
        self.deadline = Instant::now() + limits.drain_timeout;
    }

    /// CVE-2023-44487, which is no less about HTTP/3: opening streams and calling them off costs the viewer nothing and
    /// us a request each.
    fn too_many_cancels(&self) -> bool {
        let allowed = self.shared.host.limits.h2_cancels_max + self.shared.finished.load(Relaxed) / 2;
        self.shared.cancelled.load(Relaxed) > allowed
    }
}

/// Our control stream.
struct Control(quinn::SendStream);

impl Control {
    async fn open(connection: &quinn::Connection, limits: &Limits) -> Option<Self> {
        let mut stream = connection.open_uni().await.ok()?;
        let (mut settings, mut out) = (BytesMut::new(), BytesMut::new());
        frame::put_number(&mut settings, MAX_FIELD_SECTION_SIZE);
        frame::put_number(&mut settings, fields_bytes_max(limits) as u64);
        frame::put_number(&mut out, purpose::CONTROL);
        frame::put_front(&mut out, kind::SETTINGS, settings.len());
        out.put_slice(&settings);
        stream.write_all(&out).await.ok()?;
        Some(Self(stream))
    }

    async fn goaway(&mut self, first_unanswered: u64, limits: &Limits) {
        let (mut payload, mut out) = (BytesMut::new(), BytesMut::new());
        frame::put_number(&mut payload, first_unanswered);
        frame::put_front(&mut out, kind::GOAWAY, payload.len());
        out.put_slice(&payload);
        // A viewer who takes nothing is not told, and learns it from the connection's end.
        let _ = timeout(limits.linger_timeout.min(Duration::from_secs(1)), self.0.write_all(&out)).await;
    }
}

/// One of the streams beside the requests. An error ends the connection.
async fn side<S: Service>(shared: Arc<Shared<S>>, mut receive: quinn::RecvStream) -> Result<(), Code> {
    let Some(purpose) = number(&mut receive).await else { return Ok(()) };
    let is_second = |purpose: u64| {
        let seen = usize::try_from(purpose).ok().and_then(|place| shared.seen.get(place));
        seen.is_some_and(|seen| seen.swap(true, Relaxed))
    };
    match purpose {
        purpose::PUSH => Err(Code::StreamCreationError),
        purpose::CONTROL..=purpose::QPACK_DECODER if is_second(purpose) => Err(Code::StreamCreationError),
        purpose::CONTROL => control(&shared, receive).await,
        purpose::QPACK_ENCODER => encoder(receive).await,
        purpose::QPACK_DECODER => {
            // It is about insertions into a table, and we make none.
            drain(receive).await;
            Err(Code::ClosedCriticalStream)
        }
        _ => {
            let _ = receive.stop(Code::StreamCreationError.into());
            Ok(())
        }
    }
}

/// The number a stream begins with.
async fn number(receive: &mut quinn::RecvStream) -> Option<u64> {
    let (mut bytes, mut have) = ([0; 8], 0);
    loop {
        if let Some((number, _)) = frame::number(&bytes[..have]) {
            return Some(number);
        }
        receive.read_exact(bytes.get_mut(have..=have)?).await.ok()?;
        have += 1;
    }
}

async fn control<S: Service>(shared: &Shared<S>, receive: quinn::RecvStream) -> Result<(), Code> {
    let mut incoming = Incoming::new(shared.connection.clone(), receive, Role::Control);
    let mut first = true;
    loop {
        match poll_fn(|cx| incoming.poll_next(cx)).await {
            Ok(Some(Frame::Whole(kind::SETTINGS, payload))) if first => frame::check_settings(&payload)?,
            Ok(Some(Frame::Whole(kind::SETTINGS, _))) => return Err(Code::FrameUnexpected),
            Ok(Some(_)) if first => return Err(Code::MissingSettings),
            // We push nothing, so nothing follows from what a viewer says of pushes.
            Ok(Some(_)) => {}
            // The connection is closed already.
            Err(Stopped::Broken) => return Ok(()),
            Ok(None) | Err(Stopped::Gone | Stopped::TooLarge) => return Err(Code::ClosedCriticalStream),
        }
        first = false;
    }
}

/// What a viewer would put into a table that has no room: nothing but that it has none.
async fn encoder(mut receive: quinn::RecvStream) -> Result<(), Code> {
    const SET_CAPACITY_0: u8 = 0b0010_0000;
    let mut bytes = [0; 64];
    while let Ok(Some(read)) = receive.read(&mut bytes).await {
        if bytes[..read].iter().any(|&byte| byte != SET_CAPACITY_0) {
            return Err(Code::QpackEncoderStreamError);
        }
    }
    Err(Code::ClosedCriticalStream)
}

async fn drain(mut receive: quinn::RecvStream) {
    let mut bytes = [0; 64];
    while let Ok(Some(_)) = receive.read(&mut bytes).await {}
}
