//! The viewer's body on its way to the origin: streamed as it comes, never collected.
//!
//! At most one piece of it is held. It is driven from the same place as the reading of the response, so that an
//! answer is seen while the body is still on its way, and even when the origin takes no more of it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::Body;
use pingora_core::protocols::Stream;
use tokio::io::AsyncWrite;

use super::RequestBody;
use super::failure::OriginFailure;

/// Pieces moved before the response gets a look.
const PIECES_PER_TURN: usize = 8;

type ViewerBody = Pin<Box<dyn Body<Data = Bytes, Error = String> + Send>>;

/// The rest of a request, after its head.
pub(super) struct Upload {
    source: Source,
    framing: Framing,
    queue: VecDeque<Bytes>,
    unflushed: bool,
}

enum Source {
    Viewer(ViewerBody),
    /// Everything is in the queue, or out.
    Exhausted,
    /// The origin takes no more; its answer may still come.
    Refused,
}

enum Framing {
    Chunked,
    Left(u64),
}

/// What the upload waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// For the viewer: its time is not the origin's.
    Viewer,
    /// For the origin.
    Origin,
    /// For nothing: it is over.
    Nothing,
}

impl Upload {
    pub(super) fn new<B>(announced: RequestBody, body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: std::fmt::Display,
    {
        let (source, framing) = match announced {
            RequestBody::None | RequestBody::Length(0) => (Source::Exhausted, Framing::Left(0)),
            RequestBody::Length(length) => (Source::Viewer(boxed(body)), Framing::Left(length)),
            RequestBody::Chunked => (Source::Viewer(boxed(body)), Framing::Chunked),
        };
        Self { source, framing, queue: VecDeque::new(), unflushed: false }
    }

    /// Whether the origin has been sent the whole body.
    pub(super) fn complete(&self) -> bool {
        matches!(self.source, Source::Exhausted) && self.queue.is_empty() && !self.unflushed
    }

    /// Moves what can be moved. `Ok((moved, waiting))`; an error is the viewer's.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
    ) -> Result<(bool, Waiting), OriginFailure> {
        let mut moved = false;
        for _ in 0..PIECES_PER_TURN {
            if matches!(self.source, Source::Refused) {
                return Ok((moved, Waiting::Nothing));
            }
            if let Some(piece) = self.queue.front_mut() {
                match Pin::new(&mut *stream).poll_write(cx, piece) {
                    Poll::Ready(Ok(written)) if written > 0 => {
                        (moved, self.unflushed) = (true, true);
                        piece.advance(written);
                        if piece.is_empty() {
                            self.queue.pop_front();
                        }
                    }
                    Poll::Ready(_) => self.source = Source::Refused,
                    Poll::Pending => return Ok((moved, Waiting::Origin)),
                }
                continue;
            }
            match self.poll_piece(cx)? {
                Poll::Ready(()) if self.queue.is_empty() && !self.unflushed => {
                    return Ok((moved, Waiting::Nothing));
                }
                Poll::Ready(()) if !self.queue.is_empty() => continue,
                // Nothing more to add for now: what was written should not sit in a buffer.
                waiting => match Pin::new(&mut *stream).poll_flush(cx) {
                    Poll::Ready(Ok(())) => {
                        self.unflushed = false;
                        if waiting.is_pending() {
                            return Ok((moved, Waiting::Viewer));
                        }
                    }
                    Poll::Ready(Err(_)) => self.source = Source::Refused,
                    Poll::Pending => return Ok((moved, Waiting::Origin)),
                },
            }
        }
        // Others want a turn too; this one goes on at once.
        cx.waker().wake_by_ref();
        Ok((moved, Waiting::Origin))
    }

    /// Queues the next piece. Ready without a piece in the queue means that there are no more.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, OriginFailure> {
        let Source::Viewer(body) = &mut self.source else { return Ok(Poll::Ready(())) };
        loop {
            let data = match body.as_mut().poll_frame(cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Some(Err(error))) => return Err(OriginFailure::ViewerBody(error)),
                Poll::Ready(None) => {
                    self.finish()?;
                    return Ok(Poll::Ready(()));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => data,
                    // Trailers never travel on (threats.md, M2).
                    _ => continue,
                },
            };
            return match &mut self.framing {
                Framing::Chunked => {
                    self.queue.push_back(Bytes::from(format!("{:x}\r\n", data.len())));
                    self.queue.extend([data, Bytes::from_static(b"\r\n")]);
                    Ok(Poll::Ready(()))
                }
                Framing::Left(left) => match left.checked_sub(data.len() as u64) {
                    Some(rest) => {
                        *left = rest;
                        self.queue.push_back(data);
                        if rest == 0 {
                            // What is announced has been given: the origin need not wait for the viewer's end.
                            self.source = Source::Exhausted;
                        }
                        Ok(Poll::Ready(()))
                    }
                    None => Err(OriginFailure::ViewerBody("longer than announced".to_owned())),
                },
            };
        }
    }

    fn finish(&mut self) -> Result<(), OriginFailure> {
        match self.framing {
            Framing::Chunked => self.queue.push_back(Bytes::from_static(b"0\r\n\r\n")),
            Framing::Left(0) => {}
            Framing::Left(_) => return Err(OriginFailure::ViewerBody("shorter than announced".to_owned())),
        }
        self.source = Source::Exhausted;
        Ok(())
    }
}

fn boxed<B>(body: B) -> ViewerBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    use http_body_util::BodyExt as _;
    Box::pin(body.map_err(|error| error.to_string()))
}
