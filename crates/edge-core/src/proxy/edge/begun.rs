//! A request's body of which the beginning may have been read already, for a Lambda that sees it; or one that a Lambda
//! gave in its place.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;

use super::Edge;
use crate::function::lambda::{Glimpse, Rest};
use crate::proxy::access_log::Note;

/// Who counts the bytes of a body as they come.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// The edge, where the request's method makes it an upload (§3).
    pub(super) upload: Option<Edge>,
    /// The access log, if there is one.
    pub(super) note: Option<Arc<Note>>,
}

impl Counted {
    fn add(&self, bytes: usize) {
        if let Some(edge) = &self.upload {
            edge.counters().bytes_uploaded.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        if let Some(note) = &self.note {
            note.received(bytes);
        }
    }
}

/// What was read, and what follows.
#[derive(Debug)]
pub(super) struct Begun<B: Body> {
    first: Bytes,
    rest: Option<B>,
    broken: Option<B::Error>,
    counted: Counted,
}

impl<B: Body<Data = Bytes> + Unpin> Begun<B> {
    /// Nothing was read yet.
    pub(super) fn whole(body: B) -> Self {
        Self { first: Bytes::new(), rest: Some(body), broken: None, counted: Counted::default() }
    }

    /// The same, with what comes counted.
    pub(super) fn counted(self, counted: Counted) -> Self {
        Self { counted, ..self }
    }

    /// This is all of it.
    pub(super) fn given(bytes: Bytes) -> Self {
        Self { first: bytes, rest: None, broken: None, counted: Counted::default() }
    }

    /// The body itself; nothing is left of it here.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::given(Bytes::new()))
    }

    /// Reads until there are more bytes than `max`, or no more.
    pub(super) async fn read(&mut self, max: usize) -> Glimpse<'_> {
        let mut first = BytesMut::from(&self.first[..]);
        while first.len() <= max
            && let Some(rest) = &mut self.rest
        {
            match rest.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.counted.add(data.len());
                        first.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    (self.rest, self.broken) = (None, Some(error));
                }
                None => self.rest = None,
            }
        }
        self.first = first.freeze();
        let more = self.first.len() > max || self.rest.is_some();
        let rest = if more { Rest::More } else { Rest::Nothing };
        Glimpse { bytes: &self.first[..self.first.len().min(max)], rest }
    }
}

impl<B> Body for Begun<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.first)))));
        }
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match &mut this.rest {
            Some(rest) => {
                let frame = Pin::new(rest).poll_frame(context);
                if let Poll::Ready(Some(Ok(frame))) = &frame {
                    this.counted.add(frame.data_ref().map_or(0, Bytes::len));
                }
                frame
            }
            None => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn what_was_seen_is_sent_all_the_same() {
        let mut body = Begun::whole(Full::new(Bytes::from_static(b"0123456789")));
        let seen = body.read(4).await;
        assert_eq!((seen.bytes, seen.rest), (&b"0123"[..], Rest::More));
        let seen = body.read(10).await;
        assert_eq!((seen.bytes, seen.rest), (&b"0123456789"[..], Rest::Nothing));
        assert_eq!(body.take().collect().await.unwrap().to_bytes(), "0123456789");
        assert_eq!(body.collect().await.unwrap().to_bytes(), "");
    }
}
