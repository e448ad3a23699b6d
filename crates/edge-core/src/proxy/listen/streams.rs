//! What hyper is given to run and to count requests: its timer for heads, its executor for streams, and the marks around
//! calls and bodies on HTTP/2, where many of them run at once and the viewer's window decides who may send.
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::pulse::Pulse;
use super::{Counters, Limits, Refusal, count};

/// Counts the request that a panic costs.
pub(super) struct PanicCounter(pub(super) Arc<Counters>);

impl Drop for PanicCounter {
    fn drop(&mut self) {
        if std::thread::panicking() {
            count(&self.0.panics);
        }
    }
}

/// Hyper asks for a timer when it begins to wait for a head, and at no other time. That is all it is used for: the mark is
/// set, and the connection's own timer does the waiting (hyper's would be allocated and registered for every request).
pub(super) struct HeadTimer {
    pulse: Arc<Pulse>,
    begun: Instant,
}

impl HeadTimer {
    pub(super) fn new(pulse: Arc<Pulse>) -> Self {
        Self { pulse, begun: tokio::time::Instant::now().into_std() }
    }
}

impl hyper::rt::Timer for HeadTimer {
    fn sleep(&self, _duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep_until(self.begun)
    }

    fn sleep_until(&self, _deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.pulse.head_wanted.store(true, Relaxed);
        Box::pin(Never)
    }

    /// Only what `sleep_until` ignores is computed from it.
    fn now(&self) -> Instant {
        self.begun
    }
}

/// It has no size, so a box of it is not allocated.
struct Never;

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl hyper::rt::Sleep for Never {}

/// Runs the streams of a connection, each in its own task: a panic loses one request.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) pulse: Arc<Pulse>,
    pub(super) counters: Arc<Counters>,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.pulse.streams.fetch_add(1, AcqRel);
        let open = Open(Arc::clone(&self.pulse));
        let panics = PanicCounter(Arc::clone(&self.counters));
        tokio::spawn(async move {
            let _marks = (open, panics);
            stream.await;
        });
    }
}

struct Open(Arc<Pulse>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, AcqRel);
    }
}

/// A call of the service, up to the last byte of its answer. Dropped before, it was called off.
pub(super) struct Call {
    pulse: Arc<Pulse>,
    state: CallState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CallState {
    Ours,
    /// A part of the body was handed out, and the next one not asked for yet.
    Owed,
    Finished,
}

impl Call {
    pub(super) fn new(pulse: &Arc<Pulse>) -> Self {
        pulse.calls.fetch_add(1, AcqRel);
        Self { pulse: Arc::clone(pulse), state: CallState::Ours }
    }

    fn is_now(&mut self, state: CallState) {
        match (self.state, state) {
            (before, now) if before == now => {}
            (CallState::Owed, _) => drop(self.pulse.owed.fetch_sub(1, AcqRel)),
            (_, CallState::Owed) => drop(self.pulse.owed.fetch_add(1, AcqRel)),
            _ => {}
        }
        self.state = state;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let finished = self.state == CallState::Finished;
        self.is_now(CallState::Finished);
        let counter = if finished { &self.pulse.finished } else { &self.pulse.cancelled };
        counter.fetch_add(1, AcqRel);
    }
}

pin_project! {
    /// The body of an answer on HTTP/2, watched for viewers who do not take it.
    pub(super) struct Paced<B> {
        #[pin]
        body: B,
        call: Call,
    }
}

impl<B: Body> Paced<B> {
    pub(super) fn new(body: B, mut call: Call) -> Self {
        if body.is_end_stream() {
            call.is_now(CallState::Finished);
        }
        Self { body, call }
    }
}

impl<B: Body<Data = Bytes>> Body for Paced<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let frame = this.body.as_mut().poll_frame(cx);
        this.call.is_now(match &frame {
            Poll::Pending => CallState::Ours,
            Poll::Ready(Some(Ok(frame))) if frame.is_data() && !this.body.is_end_stream() => CallState::Owed,
            // What fails is not the viewer's doing.
            Poll::Ready(_) => CallState::Finished,
        });
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The limits of a head for HTTP/2, counted as HTTP/1.1 would have written it.
pub(super) fn too_large<B>(request: &Request<B>, limits: &Limits) -> Option<Refusal> {
    let uri = request.uri();
    let target = uri.path_and_query().map_or(1, |target| target.as_str().len());
    if target > limits.url_bytes_max {
        return Some(Refusal::UrlTooLong);
    }
    let authority = uri.authority().map_or(0, |authority| "host: \r\n".len() + authority.as_str().len());
    let line = request.method().as_str().len() + target + "  HTTP/1.1\r\n\r\n".len();
    let fields: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let too_many = request.headers().len() > limits.fields_max;
    (too_many || line + authority + fields > limits.head_bytes_max).then_some(Refusal::HeadTooLarge)
}
