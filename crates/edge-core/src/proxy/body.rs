//! The body of a response to a viewer: nothing, one piece, a stored object's pieces, a fill that is followed, or the
//! origin's half of a call.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::fetch::CallBody;
use super::fill::{Broken, Reader};
use super::store::{Content, Piece};
use crate::header::range::{Slice, Span};

/// What hyper sends.
#[derive(Debug, Default)]
pub struct Body(Inner);

#[derive(Debug, Default)]
enum Inner {
    #[default]
    Empty,
    One(Bytes),
    Many {
        pieces: Arc<[Piece]>,
        next: usize,
        left: u64,
    },
    Slices(Slices),
    Following {
        reader: Reader,
        left: Option<u64>,
    },
    Call(Box<CallBody>),
}

/// What is left of the parts of an object: pieces are looked up as they are sent, so a slow viewer holds no list of
/// them.
#[derive(Debug)]
struct Slices {
    content: Content,
    slices: std::vec::IntoIter<Slice>,
    rest: Option<Span>,
    left: u64,
}

impl Iterator for Slices {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let piece = loop {
            let span = match self.rest.take() {
                Some(span) => span,
                None => match self.slices.next()? {
                    Slice::Text(text) if text.is_empty() => continue,
                    Slice::Text(text) => break text,
                    Slice::Stored(span) => span,
                },
            };
            let piece = self.content.first_of(span)?;
            let first = span.first + piece.len() as u64;
            self.rest = (first <= span.last).then_some(Span { first, ..span });
            break piece;
        };
        self.left = self.left.saturating_sub(piece.len() as u64);
        Some(piece)
    }
}

impl Body {
    /// Nothing.
    pub fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// A whole object.
    pub fn stored(content: &Content) -> Self {
        match content {
            Content::One(bytes) => Self::from(bytes.clone()),
            Content::Many(pieces) => {
                Self(Inner::Many { pieces: Arc::clone(pieces), next: 0, left: content.len() })
            }
        }
    }

    /// Parts of an object, with what stands between them.
    pub fn slices(content: &Content, slices: Vec<Slice>) -> Self {
        let length = |slice: &Slice| match slice {
            Slice::Text(text) => text.len() as u64,
            Slice::Stored(span) => span.length(),
        };
        let left = slices.iter().map(length).sum();
        Self(Inner::Slices(Slices { content: content.clone(), slices: slices.into_iter(), rest: None, left }))
    }

    /// The answer of a call of gRPC, trailers and all.
    pub fn of_call(call: Box<CallBody>) -> Self {
        Self(Inner::Call(call))
    }

    /// A response that is still arriving, `length` bytes long if that is known.
    pub fn following(reader: Reader, length: Option<u64>) -> Self {
        Self(Inner::Following { reader, left: length })
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(if bytes.is_empty() { Inner::Empty } else { Inner::One(bytes) })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.0 {
            Inner::Empty => Poll::Ready(None),
            Inner::One(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Inner::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Inner::Many { pieces, next, left } => {
                let Some(Piece { bytes: piece, .. }) = pieces.get(*next).cloned() else {
                    return Poll::Ready(None);
                };
                *next += 1;
                *left = left.saturating_sub(piece.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Inner::Slices(slices) => Poll::Ready(slices.next().map(|piece| Ok(Frame::data(piece)))),
            Inner::Following { reader, left } => {
                let piece = std::task::ready!(Pin::new(reader).poll_next(context));
                if let (Some(left), Some(Ok(bytes))) = (left, &piece) {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
            }
            Inner::Call(call) => call.poll_frame(context).map(|frame| {
                frame.map(|frame| {
                    frame.map_err(|failure| {
                        tracing::warn!(target: "edge::origin", %failure, "a call broke off");
                        Broken
                    })
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::One(_) => false,
            Inner::Many { pieces, next, .. } => *next >= pieces.len(),
            Inner::Slices(slices) => slices.left == 0,
            // Also with nothing left: the end must be read, it may be an error.
            Inner::Following { .. } => false,
            Inner::Call(call) => call.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::One(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Many { left, .. } => SizeHint::with_exact(*left),
            Inner::Slices(slices) => SizeHint::with_exact(slices.left),
            Inner::Following { left: Some(left), .. } => SizeHint::with_exact(*left),
            Inner::Following { left: None, .. } | Inner::Call(_) => SizeHint::default(),
        }
    }
}
