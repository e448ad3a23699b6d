//! One request and its answer, on the stream they share.
//!
//! A stream that is let go of before its answer is whole is reset: quinn would end it in order, and half a page would be
//! taken for all of it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body as _;
use tokio::time::timeout;

use super::body::{Body, Cut, Incoming, Stopped, fields_bytes_max, role};
use super::connection::Shared;
use super::frame::{Code, FRONT_BYTES_MAX, Frame, kind, put_front};
use super::head;
use crate::proxy::listen::streams::PanicCounter;
use crate::proxy::listen::{Interims, Limits, Refusal, Service, count};

/// What came instead of a request, or with it.
#[expect(clippy::large_enum_variant, reason = "there is one for each request, and it is taken apart at once")]
enum Asked {
    Request(Request<Body>),
    Refused(Refusal),
    Nothing(Code),
}

/// How it ended.
enum End {
    /// The viewer has it, or cannot have it because of us.
    Told,
    /// The viewer did not want it.
    Unwanted,
    /// The viewer did not take it.
    Stalled,
}

/// Answers the request of a stream.
pub(super) async fn serve<S: Service>(
    shared: Arc<Shared<S>>,
    send: quinn::SendStream,
    receive: quinn::RecvStream,
) {
    let host = &shared.host;
    let _panics = PanicCounter(Arc::clone(&host.counters));
    let mut out = Outgoing { stream: send, limits: Arc::clone(&host.limits), whole: false };
    let end = {
        // Ready when the viewer wants no answer any more.
        let mut unwanted = pin!(out.stream.stopped());
        let incoming = Incoming::new(shared.connection.clone(), receive, role(&host.limits));
        let asked = tokio::select! {
            asked = timeout(host.limits.head_timeout, ask(incoming, &shared)) => asked,
            _ = &mut unwanted => Ok(Asked::Nothing(Code::RequestCancelled)),
        };
        let response = match asked {
            Ok(Asked::Request(request)) => tokio::select! {
                response = host.service.call(request, &shared.peer, Interims::UNHEARD) => Ok(response),
                _ = &mut unwanted => Err(Code::RequestCancelled),
            },
            Ok(Asked::Refused(refusal)) => {
                count(&host.counters.refused);
                Ok(host.service.refuse(refusal, &shared.peer))
            }
            Ok(Asked::Nothing(code)) => Err(code),
            Err(_) => {
                count(&host.counters.cut);
                Err(Code::RequestIncomplete)
            }
        };
        match response {
            Ok(response) => out.answer(response, unwanted.as_mut()).await,
            Err(code) => {
                out.reset(code);
                End::Unwanted
            }
        }
    };
    match end {
        End::Told => shared.finished.fetch_add(1, Relaxed),
        End::Unwanted => shared.cancelled.fetch_add(1, Relaxed),
        End::Stalled => {
            count(&host.counters.cut);
            shared.finished.fetch_add(1, Relaxed)
        }
    };
}

/// Reads the head, and what must be known of the body before anybody is asked for an answer.
async fn ask<S>(mut incoming: Incoming, shared: &Shared<S>) -> Asked {
    let limits = &shared.host.limits;
    // Nobody closes it. Until a head is whole it is kept, and on many streams that would be much.
    let one_of_the_heads = shared.heads.acquire().await;
    let block = match poll_fn(|cx| incoming.poll_next(cx)).await {
        Ok(Some(Frame::Whole(kind::HEADERS, block))) => block,
        Ok(Some(_)) => {
            incoming.broken(Code::FrameUnexpected);
            return Asked::Nothing(Code::FrameUnexpected);
        }
        Ok(None) => return Asked::Nothing(Code::RequestIncomplete),
        Err(stopped) => return without_head(stopped),
    };
    let fields = match incoming.fields(&block, fields_bytes_max(limits)) {
        Ok(fields) => fields,
        Err(stopped) => return without_head(stopped),
    };
    let request = match head::request(fields, limits) {
        Ok(request) => request,
        Err(refusal) => return Asked::Refused(refusal),
    };
    drop(one_of_the_heads);
    let length = head::length(request.headers());
    let mut body = Body::new(incoming, length, Arc::clone(limits));
    // These have a body only where somebody is odd: their answer may not depend on how packets were cut.
    let usually_none = length.is_none_or(|length| length == 0)
        && !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if usually_none {
        match body.begun().await {
            Ok(()) => {}
            Err(Cut::Length) => return Asked::Refused(Refusal::Malformed("more body than its length")),
            Err(_) => return Asked::Nothing(Code::RequestIncomplete),
        }
    }
    Asked::Request(request.map(|()| body))
}

fn without_head(stopped: Stopped) -> Asked {
    match stopped {
        Stopped::TooLarge => Asked::Refused(Refusal::HeadTooLarge),
        Stopped::Gone | Stopped::Broken => Asked::Nothing(Code::RequestCancelled),
    }
}

/// The stream's way out.
struct Outgoing {
    stream: quinn::SendStream,
    limits: Arc<Limits>,
    whole: bool,
}

impl Outgoing {
    /// Sends an answer, and waits until the viewer has it: only then may the connection end.
    async fn answer<B>(&mut self, response: Response<B>, mut unwanted: Pin<&mut (impl Future + Send)>) -> End
    where
        B: http_body::Body<Data = Bytes>,
    {
        let (mut parts, body) = response.into_parts();
        let mut body = pin!(body);
        if let Some(length) = body.size_hint().exact().filter(|_| !body.is_end_stream()) {
            parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
        if let Err(end) = self.push(head::response(parts.status, &parts.headers)).await {
            return end;
        }
        while !body.is_end_stream() {
            let part = tokio::select! {
                part = poll_fn(|cx| body.as_mut().poll_frame(cx)) => part,
                _ = unwanted.as_mut() => return End::Unwanted,
            };
            let sent = match part.map(|part| part.map(http_body::Frame::into_data)) {
                None => break,
                Some(Ok(Ok(data))) => self.data(data).await,
                Some(Ok(Err(other))) => match other.into_trailers() {
                    Ok(trailers) => self.push(head::trailing(&trailers)).await,
                    Err(_) => Ok(()),
                },
                // What the viewer has is not all: the stream must not look as if it were.
                Some(Err(_)) => {
                    self.reset(Code::InternalError);
                    return End::Told;
                }
            };
            if let Err(end) = sent {
                return end;
            }
        }
        self.whole = self.stream.finish().is_ok();
        match timeout(self.limits.stall_timeout, unwanted).await {
            Ok(_) => End::Told,
            Err(_) => {
                self.reset(Code::RequestCancelled);
                End::Stalled
            }
        }
    }

    async fn data(&mut self, data: Bytes) -> Result<(), End> {
        if data.is_empty() {
            return Ok(());
        }
        let mut front = BytesMut::with_capacity(FRONT_BYTES_MAX);
        put_front(&mut front, kind::DATA, data.len());
        self.push(front.freeze()).await?;
        self.push(data).await
    }

    /// In pieces the viewer has to take within the time there is for each.
    async fn push(&mut self, mut bytes: Bytes) -> Result<(), End> {
        let piece_bytes = usize::try_from(self.limits.stall_bytes_min).unwrap_or(usize::MAX).max(1);
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(piece_bytes));
            match timeout(self.limits.stall_timeout, self.stream.write_chunk(piece)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(End::Unwanted),
                Err(_) => {
                    self.reset(Code::RequestCancelled);
                    return Err(End::Stalled);
                }
            }
        }
        Ok(())
    }

    fn reset(&mut self, code: Code) {
        self.whole = true;
        let _ = self.stream.reset(code.into());
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if !self.whole {
            self.reset(Code::InternalError);
        }
    }
}
