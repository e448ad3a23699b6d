//! What hyper is given to run, and the marks around calls and bodies: on HTTP/1.1 when an answer is done, on HTTP/2, where
//! many run at once and the viewer's window decides who may send, also who waits and who was called off.
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::task::{Context, Poll};

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
        count_panic(&self.0);
    }
}

fn count_panic(counters: &Counters) {
    if std::thread::panicking() {
        count(&counters.panics);
    }
}

/// Runs the streams of a connection, each in its own task: a panic loses one request.
#[derive(Clone)]
pub(super) struct Streams(pub(super) Arc<Pulse>);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.streams.fetch_add(1, AcqRel);
        let open = Open(Arc::clone(&self.0));
        tokio::spawn(async move {
            let _open = open;
            stream.await;
        });
    }
}

struct Open(Arc<Pulse>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, AcqRel);
        count_panic(&self.0.counters);
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
    /// The body of an answer on HTTP/1.1. Hyper drops it when it is written, and waits for the next head then.
    pub(super) struct Last<B> {
        #[pin]
        body: B,
        done: Done,
    }
}

struct Done(Arc<Pulse>);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.head_wanted.store(true, Relaxed);
    }
}

impl<B> Last<B> {
    pub(super) fn new(body: B, pulse: &Arc<Pulse>) -> Self {
        Self { body, done: Done(Arc::clone(pulse)) }
    }
}

impl<B: Body<Data = Bytes>> Body for Last<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
