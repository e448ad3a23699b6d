//! The body of a response to a viewer: nothing, one piece, a stored object's pieces, a fill that is followed, or the
//! origin's half of a call.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::access_log::Following;
use super::fetch::CallBody;
use super::fill::{Broken, Reader};
use super::store::{Content, Piece};
use crate::header::range::{Slice, Span};
use crate::response::{Results, XCache};

/// What hyper sends.
#[derive(Debug)]
pub struct Body {
    inner: Inner,
    /// What a log says of the response.
    results: Results,
    /// Who wants to know how far it comes.
    followed: Option<Following>,
}

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
    // What most hits are not is boxed: a body is moved with every response.
    Slices(Box<Slices>),
    Following {
        reader: Box<Reader>,
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
        Self::of(Inner::Empty)
    }

    /// A whole object.
    pub fn stored(content: &Content) -> Self {
        match content {
            Content::One(bytes) => Self::from(bytes.clone()),
            Content::Many(pieces) => {
                Self::of(Inner::Many { pieces: Arc::clone(pieces), next: 0, left: content.len() })
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
        let (content, slices) = (content.clone(), slices.into_iter());
        Self::of(Inner::Slices(Box::new(Slices { content, slices, rest: None, left })))
    }

    /// The answer of a call of gRPC, trailers and all.
    pub fn of_call(call: Box<CallBody>) -> Self {
        Self::of(Inner::Call(call))
    }

    /// A response that is still arriving, `length` bytes long if that is known.
    pub fn following(reader: Reader, length: Option<u64>) -> Self {
        Self::of(Inner::Following { reader: Box::new(reader), left: length })
    }

    fn of(inner: Inner) -> Self {
        Self { inner, results: Results::of(XCache::Error), followed: None }
    }

    /// Of a response of which a log says this.
    #[must_use]
    pub(super) fn with_results(self, results: Results) -> Self {
        Self { results, ..self }
    }

    pub(super) fn results(&self) -> Results {
        self.results
    }

    /// From now on somebody wants to know how far it comes.
    pub(super) fn follow(&mut self, followed: Following) {
        self.followed = Some(followed);
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::of(if bytes.is_empty() { Inner::Empty } else { Inner::One(bytes) })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = self.inner.poll_frame(context);
        if let Some(followed) = &self.followed {
            followed.saw(&frame, self.inner.is_end_stream());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Inner {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Inner::Empty => Poll::Ready(None),
            Inner::One(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Inner::Empty;
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
                let piece = std::task::ready!(Pin::new(&mut **reader).poll_next(context));
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
        match self {
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
        match self {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::One(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Many { left, .. } => SizeHint::with_exact(*left),
            Inner::Slices(slices) => SizeHint::with_exact(slices.left),
            Inner::Following { left: Some(left), .. } => SizeHint::with_exact(*left),
            Inner::Following { left: None, .. } | Inner::Call(_) => SizeHint::default(),
        }
    }
}
