//! One request and its response on one connection, both directions at once.
//!
//! pingora's own HTTP/1 session borrows itself whole for every write, so an origin that answers and stops reading
//! would hang it; here a single poll moves the upload on and looks for the answer. Every step can be dropped and
//! taken up again.

use std::future::Future as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderMap, StatusCode};
use pingora_core::protocols::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::failure::OriginFailure;
use super::head::{Head, take_response};
use super::upload::{Upload, Waiting};

/// Room for a read: as large as pingora's own buffer, which is then passed by.
const READ_BYTES: usize = 65_536;

/// Interim responses before the final one.
const INTERIM_MAX: usize = 8;

/// A 1xx response that came before the final one.
#[derive(Debug, Clone)]
pub struct Interim {
    /// 100–199, never 101.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
}

/// Gets interim responses.
pub(super) type Heard<'a> = &'a (dyn Fn(&Interim) + Sync);

/// A connection in the middle of an exchange.
pub(super) struct Exchange {
    stream: Stream,
    pub(super) input: BytesMut,
    upload: Upload,
    read_timeout: Duration,
    last_progress: Instant,
    read_timer: Pin<Box<Sleep>>,
    completion_timer: Option<Pin<Box<Sleep>>>,
    switching: Switching,
    answered: bool,
    ended: bool,
}

/// Whether the origin may change the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switching {
    Unasked,
    Asked,
}

/// Sends the head. If that fails, nobody can have acted on the request.
pub(super) async fn send_head(
    stream: &mut Stream,
    head: &[u8],
    limit: Duration,
) -> Result<(), OriginFailure> {
    let sent = timeout(limit, async {
        stream.write_all(head).await?;
        stream.flush().await
    });
    match sent.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(OriginFailure::Reset(error.to_string())),
        Err(_) => Err(OriginFailure::ReadTimeout),
    }
}

impl Exchange {
    /// Goes on after the head of the request.
    pub(super) fn new(
        stream: Stream,
        upload: Upload,
        read_timeout: Duration,
        completion: Option<Instant>,
    ) -> Self {
        let now = Instant::now();
        Self {
            stream,
            input: BytesMut::new(),
            upload,
            read_timeout,
            last_progress: now,
            read_timer: Box::pin(sleep_until(now + read_timeout)),
            completion_timer: completion.map(|deadline| Box::pin(sleep_until(deadline))),
            switching: Switching::Unasked,
            answered: false,
            ended: false,
        }
    }

    /// A 101 is an answer.
    pub(super) fn asked_to_switch(self) -> Self {
        Self { switching: Switching::Asked, ..self }
    }

    /// Whether the origin has sent anything.
    pub(super) fn answered(&self) -> bool {
        self.answered
    }

    /// The head of the final response, and the interim ones before it, each of which `heard` gets as it comes.
    pub(super) async fn response(&mut self, heard: Heard<'_>) -> Result<(Head, Vec<Interim>), OriginFailure> {
        let mut interim = Vec::new();
        let mut unread = 0;
        loop {
            // A head that dribbles in is looked at once a line, not once a byte.
            let worth_a_look = unread == 0 || self.input[unread..].contains(&b'\n');
            if worth_a_look && let Some(head) = take_response(&mut self.input)? {
                match head.status.as_u16() {
                    101 if self.switching == Switching::Unasked => {
                        return Err(OriginFailure::InvalidResponse("101 that was not asked for".to_owned()));
                    }
                    101 => return Ok((head, interim)),
                    100..=199 if interim.len() == INTERIM_MAX => {
                        return Err(OriginFailure::InvalidResponse("too many interim responses".to_owned()));
                    }
                    100..=199 => {
                        let response = Interim { status: head.status, headers: head.headers };
                        heard(&response);
                        interim.push(response);
                    }
                    _ => return Ok((head, interim)),
                }
                unread = 0;
                if !self.input.is_empty() {
                    continue;
                }
            }
            unread = self.input.len();
            if std::future::poll_fn(|cx| self.poll_read(cx)).await? == 0 {
                return Err(OriginFailure::ClosedBeforeResponse);
            }
        }
    }

    /// Moves the upload on and reads more of the response; zero bytes are the end of the connection.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, OriginFailure>> {
        if self.completion_timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Err(OriginFailure::CompletionTimeout));
        }
        let (moved, waiting) = self.upload.poll(cx, &mut self.stream)?;
        self.input.reserve(READ_BYTES);
        let read = pin!(self.stream.read_buf(&mut self.input)).poll(cx);
        match read {
            Poll::Ready(Ok(count)) => {
                self.answered |= count > 0;
                self.ended |= count == 0;
                self.last_progress = Instant::now();
                return Poll::Ready(Ok(count));
            }
            Poll::Ready(Err(error)) => {
                self.ended = true;
                return Poll::Ready(Err(match error.kind() {
                    std::io::ErrorKind::UnexpectedEof => OriginFailure::ClosedBeforeResponse,
                    _ => OriginFailure::Reset(error.to_string()),
                }));
            }
            Poll::Pending => {}
        }
        if moved || waiting == Waiting::Viewer {
            self.last_progress = Instant::now();
        }
        while self.read_timer.as_mut().poll(cx).is_ready() {
            let due = self.last_progress + self.read_timeout;
            if due <= Instant::now() {
                return Poll::Ready(Err(OriginFailure::ReadTimeout));
            }
            self.read_timer.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// The connection, and what came behind the head: it is no longer HTTP.
    pub(super) fn into_switched(self) -> (Stream, BytesMut) {
        (self.stream, self.input)
    }

    /// The connection, if nothing of this exchange is left on it (threats.md, M6).
    pub(super) fn into_clean_stream(self) -> Option<Stream> {
        (self.upload.complete() && self.input.is_empty() && !self.ended).then_some(self.stream)
    }
}
