//! Compression at fill (§9): once per stored variant, on the blocking pool, never per hit. Which coding, if any, the
//! core decided.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::GzEncoder;

use crate::header::encoding::Coding;

/// gzip's middle, as nginx and CloudFront seem to do.
const GZIP_LEVEL: u32 = 6;
/// Brotli's usual choice for content made on the fly: as fast as gzip 6 and smaller.
const BROTLI_QUALITY: i32 = 5;
/// Base-2 logarithms of the window: as large as the body, since the encoder's memory grows with it (some megabytes at
/// 22) and many bodies are compressed at once.
const BROTLI_WINDOW: std::ops::RangeInclusive<u32> = 16..=22;
const BUFFER_BYTES: usize = 4_096;

/// An encoder that is moved to the blocking pool and back for each piece.
pub(super) struct Coder(Option<Encoder>);

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
}

impl Coder {
    /// For a body of this length before it is compressed, if that is known.
    pub(super) fn new(coding: Coding, length: Option<u64>) -> Self {
        Self(Some(match coding {
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL))),
            Coding::Brotli => {
                let window = length.map_or(*BROTLI_WINDOW.end(), |length| u64::BITS - length.leading_zeros());
                let params = brotli::enc::BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    lgwin: window.clamp(*BROTLI_WINDOW.start(), *BROTLI_WINDOW.end()) as i32,
                    size_hint: usize::try_from(length.unwrap_or(0)).unwrap_or(0),
                    ..brotli::enc::BrotliEncoderParams::default()
                };
                Encoder::Brotli(Box::new(brotli::CompressorWriter::with_params(
                    Vec::new(),
                    BUFFER_BYTES,
                    &params,
                )))
            }
        }))
    }

    /// Compresses a piece; what is ready comes back, perhaps nothing.
    pub(super) async fn write(&mut self, piece: Bytes) -> io::Result<Bytes> {
        let Some(mut encoder) = self.0.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let (encoder, ready) = tokio::task::spawn_blocking(move || {
            let ready = match &mut encoder {
                Encoder::Gzip(writer) => writer.write_all(&piece).map(|()| std::mem::take(writer.get_mut())),
                Encoder::Brotli(writer) => {
                    writer.write_all(&piece).map(|()| std::mem::take(writer.get_mut()))
                }
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
