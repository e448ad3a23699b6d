//! The pump: a body on its way from the origin to its readers, compressed where the core said so.

use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use crate::header::encoding::Coding;
use crate::proxy::compress::Coder;
use crate::proxy::fetch::{Framing, OriginBody, OriginFailure};
use crate::proxy::fill::Writer;
use crate::proxy::flights::Lead;
use crate::proxy::store::Store;

/// A body that is arriving.
pub(super) struct Arrival {
    source: OriginBody,
    coder: Option<Coder>,
    /// What was read while looking for more to go with a small piece.
    ahead: Option<Option<Result<Bytes, OriginFailure>>>,
}

/// Pieces smaller than this wait for what is there already: an origin may write a byte at a time, and each piece
/// costs a waking of every reader.
const SMALL_PIECE_BYTES: usize = 8 * 1024;
/// Small pieces together are no larger than this.
const JOINED_BYTES_MAX: usize = 64 * 1024;

impl Arrival {
    pub(super) fn new(source: OriginBody, compress: Option<Coding>) -> Self {
        let coder = compress.map(|coding| Coder::new(coding, length(&source)));
        Self { source, coder, ahead: None }
    }

    /// How long the origin says it is.
    pub(super) fn length(&self) -> Option<u64> {
        length(&self.source)
    }

    /// How long it will be for its readers, if that is known.
    pub(super) fn delivered_length(&self) -> Option<u64> {
        self.length().filter(|_| self.coder.is_none())
    }

    /// The next piece for the readers, perhaps an empty one; `None` is the end.
    async fn next(&mut self) -> Option<Result<Bytes, OriginFailure>> {
        let piece = match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.source.next().await,
        };
        Some(match piece? {
            Ok(piece) if piece.len() < SMALL_PIECE_BYTES => Ok(self.joined(piece)),
            other => other,
        })
    }

    /// The piece, and what else is there already.
    fn joined(&mut self, first: Bytes) -> Bytes {
        let mut context = Context::from_waker(Waker::noop());
        let mut joined = BytesMut::new();
        while first.len() + joined.len() < JOINED_BYTES_MAX {
            let Poll::Ready(piece) = self.source.poll_next(&mut context) else { break };
            match piece {
                Some(Ok(piece)) if piece.len() < SMALL_PIECE_BYTES => {
                    if joined.is_empty() {
                        joined.extend_from_slice(&first);
                    }
                    joined.extend_from_slice(&piece);
                }
                other => {
                    self.ahead = Some(other);
                    break;
                }
            }
        }
        if joined.is_empty() { first } else { joined.freeze() }
    }

    /// Compresses, if that is wanted.
    async fn coded(&mut self, piece: Bytes) -> std::io::Result<Bytes> {
        match &mut self.coder {
            Some(coder) => coder.write(piece).await,
            None => Ok(piece),
        }
    }
}

fn length(source: &OriginBody) -> Option<u64> {
    match source.framing() {
        Framing::Length(length) => Some(length),
        _ => None,
    }
}

/// Moves a body from the origin to its readers. `Some`: all of it, kept. A body that breaks off breaks its readers:
/// a writer that is dropped without an end has failed.
pub(super) async fn pump(
    mut arrival: Arrival,
    mut writer: Writer,
    store: &Store,
    lead: Option<&Lead>,
) -> Option<Vec<Bytes>> {
    loop {
        let next = tokio::select! {
            biased;
            next = arrival.next() => next,
            // Nobody reads it, nobody keeps it: the connection to the origin is closed with the body.
            () = writer.abandoned() => return None,
        };
        let last = next.is_none();
        let coded = match next {
            Some(Ok(piece)) => arrival.coded(piece).await,
            Some(Err(failure)) => {
                tracing::warn!(target: "edge::origin", %failure, "the origin's response broke off");
                return None;
            }
            None => match arrival.coder.take() {
                Some(coder) => coder.finish().await,
                None => Ok(Bytes::new()),
            },
        };
        let mut piece = match coded {
            Ok(piece) => piece,
            Err(error) => {
                tracing::error!(target: "edge::compress", %error, "a response could not be compressed");
                return None;
            }
        };
        if writer.is_keeping() && !piece.is_empty() {
            let fits = writer.kept_bytes() + piece.len() as u64 <= store.object_bytes_max();
            match store.hold(&piece).filter(|_| fits) {
                Some(held) => piece = held,
                None => {
                    if let Some(lead) = lead {
                        lead.retract();
                    }
                    writer.keep_nothing();
                }
            }
        }
        writer.push(piece).await.ok()?;
        if last {
            return writer.finish();
        }
    }
}
