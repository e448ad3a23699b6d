//! Where a chunked body ends. Hyper decodes it; this only follows, by the same grammar and no wider.

/// Where in a chunked body we are (RFC 9112 §7.1).
#[derive(Debug, Default)]
pub(super) struct Chunks {
    state: ChunkState,
    size: u64,
    digits: u8,
    /// Bytes of extensions and trailers so far: nobody reads them, so there must not be many.
    overhead: u32,
}

#[derive(Clone, Copy, Debug, Default)]
enum ChunkState {
    #[default]
    Size,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    LastLf,
}

/// What comes after the bytes that were read.
pub(super) enum End {
    ToCome,
    Reached,
    /// The next byte is not what the grammar says.
    Lost,
}

/// What a chunked body may have in extensions and trailers. hyper's own limit for either is the same.
const OVERHEAD_MAX: u32 = 16 * 1024;

impl Chunks {
    /// How many bytes belong to the body, and what comes then.
    pub(super) fn read(&mut self, bytes: &[u8]) -> (usize, End) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let ChunkState::Data = self.state {
                let taken = (bytes.len() - at).min(usize::try_from(self.size).unwrap_or(usize::MAX));
                self.size -= taken as u64;
                at += taken;
                if self.size == 0 {
                    self.state = ChunkState::DataCr;
                }
                continue;
            }
            if let (ChunkState::LastLf, b'\n') = (self.state, byte) {
                return (at + 1, End::Reached);
            }
            let Some(state) = self.after(byte) else { return (at, End::Lost) };
            self.state = state;
            at += 1;
        }
        (at, End::ToCome)
    }

    fn after(&mut self, byte: u8) -> Option<ChunkState> {
        use ChunkState::{
            Data, DataCr, DataLf, Extension, LastLf, Size, SizeEnd, Trailer, TrailerLf, TrailerStart,
        };
        Some(match (self.state, byte) {
            (Size, b'\r') if self.digits > 0 => SizeEnd,
            (Size, b';' | b' ' | b'\t') if self.digits > 0 => Extension,
            (Size, _) => {
                self.size = self.size.checked_mul(16)? + u64::from((byte as char).to_digit(16)?);
                self.digits += 1;
                if self.digits > 15 {
                    return None;
                }
                Size
            }
            (Extension, b'\r') => SizeEnd,
            (SizeEnd, b'\n') => {
                self.digits = 0;
                if self.size == 0 { TrailerStart } else { Data }
            }
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size,
            (TrailerStart, b'\r') => LastLf,
            (Trailer, b'\r') => TrailerLf,
            (TrailerLf, b'\n') => TrailerStart,
            (Extension | Trailer | TrailerStart, 0 | b'\n') => return None,
            (Extension, _) => self.more_overhead(Extension)?,
            (TrailerStart | Trailer, _) => self.more_overhead(Trailer)?,
            _ => return None,
        })
    }

    fn more_overhead(&mut self, state: ChunkState) -> Option<ChunkState> {
        self.overhead += 1;
        (self.overhead <= OVERHEAD_MAX).then_some(state)
    }
}
