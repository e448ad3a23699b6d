//! Where an origin's body begins and ends in the bytes of its connection (RFC 9112 §6, §7.1).
//!
//! No input or output here: bytes go in, pieces of the body come out. What cannot be read in exactly one way is an
//! error, and an end that the framing did not announce is an error too.

use bytes::{Buf, Bytes, BytesMut};

/// Longest chunk-size line, extensions included.
const CHUNK_LINE_BYTES_MAX: usize = 4096;

/// Most trailer bytes; they are dropped.
const TRAILER_BYTES_MAX: usize = 32_768;

/// Pieces from here on are handed out without copying. A smaller one would pin a read buffer much larger than itself,
/// for as long as a cache keeps it.
const SHARED_PIECE_BYTES_MIN: usize = 57_344;

/// How the length of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The response has no body, whatever its headers say.
    None,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The end of the connection is the end of the body: it may be cut short unnoticed.
    UntilClose,
}

/// What a look at the input gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The next part of the body.
    Data(Bytes),
    /// Nothing before more bytes have come.
    Wanting,
    /// The body is complete.
    End,
}

/// Follows one body through the input.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Fixed(u64),
    UntilClose,
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailer { seen_bytes: usize },
    Done,
}

impl Decoder {
    pub(super) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Fixed(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    /// Whether the end has been reached; what is left in the input belongs to nobody.
    pub(super) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next piece from `input`; the error says what is wrong with the framing.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Piece, &'static str> {
        loop {
            match self.state {
                State::Done => return Ok(Piece::End),
                _ if input.is_empty() => return Ok(Piece::Wanting),
                State::UntilClose => return Ok(Piece::Data(take(input, u64::MAX))),
                State::Fixed(left) => {
                    let data = take(input, left);
                    let left = left - data.len() as u64;
                    self.state = if left == 0 { State::Done } else { State::Fixed(left) };
                    return Ok(Piece::Data(data));
                }
                State::ChunkData(left) => {
                    let data = take(input, left);
                    let left = left - data.len() as u64;
                    self.state = if left == 0 { State::ChunkEnd } else { State::ChunkData(left) };
                    return Ok(Piece::Data(data));
                }
                State::ChunkSize => {
                    let Some(line) = take_line(input, CHUNK_LINE_BYTES_MAX)? else {
                        return Ok(Piece::Wanting);
                    };
                    self.state = match chunk_size(&line)? {
                        0 => State::Trailer { seen_bytes: 0 },
                        size => State::ChunkData(size),
                    };
                }
                State::ChunkEnd => {
                    let Some(line) = take_line(input, 2)? else { return Ok(Piece::Wanting) };
                    if !line.is_empty() {
                        return Err("a chunk longer than its size");
                    }
                    self.state = State::ChunkSize;
                }
                State::Trailer { seen_bytes } => {
                    let room = TRAILER_BYTES_MAX - seen_bytes;
                    let Some(line) = take_line(input, room)? else { return Ok(Piece::Wanting) };
                    self.state = match line.len() {
                        0 => State::Done,
                        length => State::Trailer { seen_bytes: seen_bytes + length + 2 },
                    };
                }
            }
        }
    }

    /// What the end of the connection means: only a body without a length may end so.
    pub(super) fn closed(&mut self) -> Result<(), ()> {
        match self.state {
            State::UntilClose | State::Done => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(()),
        }
    }
}

fn take(input: &mut BytesMut, most: u64) -> Bytes {
    let length = usize::try_from(most).unwrap_or(usize::MAX).min(input.len());
    if length >= SHARED_PIECE_BYTES_MIN {
        return input.split_to(length).freeze();
    }
    let piece = Bytes::copy_from_slice(&input[..length]);
    input.advance(length);
    piece
}

/// The bytes before the next CRLF, which is taken too; no more than `most` bytes in all.
fn take_line(input: &mut BytesMut, most: usize) -> Result<Option<Bytes>, &'static str> {
    let within = &input[..input.len().min(most)];
    let Some(newline) = within.iter().position(|&byte| byte == b'\n') else {
        return if input.len() >= most { Err("a line of the chunked coding is too long") } else { Ok(None) };
    };
    let Some((b'\r', line)) = within[..newline].split_last() else {
        return Err("a line of the chunked coding does not end in CRLF");
    };
    if line.iter().any(|&byte| byte < b' ' && byte != b'\t') {
        return Err("a control byte in the chunked coding");
    }
    let line = Bytes::copy_from_slice(line);
    input.advance(newline + 1);
    Ok(Some(line))
}

/// `1*HEXDIG`, then nothing, white space or an extension (RFC 9112 §7.1).
fn chunk_size(line: &[u8]) -> Result<u64, &'static str> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let size = std::str::from_utf8(&line[..digits]).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
    let rest = line[digits..].trim_ascii_start();
    match size {
        Some(size) if rest.is_empty() || rest[0] == b';' => Ok(size),
        _ => Err("not a chunk size"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` in steps of `step` bytes; the body, and the bytes left over.
    fn run(framing: Framing, wire: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>), String> {
        let (mut decoder, mut input, mut body) = (Decoder::new(framing), BytesMut::new(), Vec::new());
        let mut feed = wire.chunks(step);
        loop {
            match decoder.next(&mut input)? {
                Piece::Data(data) => body.extend_from_slice(&data),
                Piece::Wanting => match feed.next() {
                    Some(more) => input.extend_from_slice(more),
                    None if decoder.closed().is_ok() => {}
                    None => return Err("truncated".to_owned()),
                },
                Piece::End => {
                    input.extend_from_slice(&feed.flatten().copied().collect::<Vec<_>>());
                    return Ok((body, input.to_vec()));
                }
            }
        }
    }

    /// A framing, what is on the wire, and the body and the rest that are read from it.
    type Case = (Framing, &'static [u8], &'static [u8], &'static [u8]);

    #[test]
    fn bodies_are_read_the_same_however_they_arrive() {
        let cases: [Case; 7] = [
            (Framing::None, b"", b"", b""),
            (Framing::Length(3), b"abcX", b"abc", b"X"),
            (Framing::UntilClose, b"abc", b"abc", b""),
            (Framing::Chunked, b"0\r\n\r\n", b"", b""),
            (
                Framing::Chunked,
                b"3\r\nabc\r\n00a;x=\"y\"\r\n0123456789\r\n0\r\n\r\nH",
                b"abc0123456789",
                b"H",
            ),
            (Framing::Chunked, b"1 \r\na\r\n0\r\nExpires: 0\r\nX: y\r\n\r\n", b"a", b""),
            (Framing::Chunked, b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", b""),
        ];
        for (framing, wire, body, left) in cases {
            for step in 1..=wire.len().max(1) {
                let read = run(framing, wire, step).unwrap();
                assert_eq!((&*read.0, &*read.1), (body, left), "{} by {step}", wire.escape_ascii());
            }
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        let cases: [(Framing, &[u8]); 14] = [
            (Framing::Length(4), b"abc"),
            (Framing::Chunked, b""),
            (Framing::Chunked, b"3\r\nabc\r\n"),
            (Framing::Chunked, b"3\r\nabc\r\n0\r\n"),
            (Framing::Chunked, b"3\r\nabcd\r\n0\r\n\r\n"),
            (Framing::Chunked, b"3\nabc\r\n0\r\n\r\n"),
            (Framing::Chunked, b"3\r\nabc\n0\r\n\r\n"),
            (Framing::Chunked, b"-1\r\n"),
            (Framing::Chunked, b"0x3\r\nabc\r\n0\r\n\r\n"),
            (Framing::Chunked, b"\r\n\r\n"),
            (Framing::Chunked, b" 3\r\nabc\r\n0\r\n\r\n"),
            (Framing::Chunked, b"3 4\r\nabc\r\n0\r\n\r\n"),
            (Framing::Chunked, b"10000000000000000\r\n"),
            (Framing::Chunked, b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
        ];
        for (framing, wire) in cases {
            for step in 1..=wire.len().max(1) {
                assert!(run(framing, wire, step).is_err(), "{} by {step}", wire.escape_ascii());
            }
        }
        let endless = [b"3;".as_slice(), &[b'a'; 5000]].concat();
        assert!(run(Framing::Chunked, &endless, 100).unwrap_err().contains("too long"));
    }
}
