//! Compression at fill (§9): once per stored variant, on the blocking pool, never per hit. Which coding, if any, the
//! core decided.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::GzEncoder;

use crate::header::encoding::Coding;

/// gzip's middle, as nginx and CloudFront seem to do.
const GZIP_LEVEL: u32 = 6;
/// Brotli's usual choice for content made on the fly: as fast as gzip 6 and smaller.
const BROTLI_QUALITY: u32 = 5;
const BROTLI_WINDOW: u32 = 22;
const BUFFER_BYTES: usize = 4_096;

/// An encoder that is moved to the blocking pool and back for each piece.
pub(super) struct Coder(Option<Encoder>);

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Coder {
    pub(super) fn new(coding: Coding) -> Self {
        Self(Some(match coding {
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL))),
            Coding::Brotli => Encoder::Brotli(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                BUFFER_BYTES,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
        }))
    }

    /// Compresses a piece; what is ready comes back, perhaps nothing.
    pub(super) async fn write(&mut self, piece: Bytes) -> io::Result<Bytes> {
        let Some(mut encoder) = self.0.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let (encoder, ready) = tokio::task::spawn_blocking(move || {
            let ready = match &mut encoder {
                Encoder::Gzip(writer) => writer.write_all(&piece).map(|()| std::mem::take(writer.get_mut())),
                Encoder::Brotli(writer) => writer.write_all(&piece).map(|()| std::mem::take(writer.get_mut())),
            };
            (encoder, ready)
        })
        .await?;
        self.0 = Some(encoder);
        ready.map(Bytes::from)
    }

    /// The rest.
    pub(super) async fn finish(mut self) -> io::Result<Bytes> {
        let Some(encoder) = self.0.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        tokio::task::spawn_blocking(move || match encoder {
            Encoder::Gzip(writer) => writer.finish(),
            Encoder::Brotli(mut writer) => writer.flush().map(|()| writer.into_inner()),
        })
        .await?
        .map(Bytes::from)
    }
}
