//! How a stream of HTTP/3 is cut into frames (RFC 9114 §7), and the numbers they are made of (RFC 9000 §16).
//!
//! It takes bytes and gives frames, and waits for nothing. What it keeps of a frame is bounded: bodies go out as they
//! come, a head is taken whole up to a size, and what nobody knows is dropped as it comes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Why a connection or a stream ends (RFC 9114 §8.1, RFC 9204 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Code {
    NoError = 0x100,
    InternalError = 0x102,
    StreamCreationError = 0x103,
    ClosedCriticalStream = 0x104,
    FrameUnexpected = 0x105,
    FrameError = 0x106,
    ExcessiveLoad = 0x107,
    SettingsError = 0x109,
    MissingSettings = 0x10a,
    RequestCancelled = 0x10c,
    RequestIncomplete = 0x10d,
    QpackDecompressionFailed = 0x200,
    QpackEncoderStreamError = 0x201,
}

impl From<Code> for quinn::VarInt {
    fn from(code: Code) -> Self {
        Self::from_u32(code as u32)
    }
}

/// The types of frames we know.
pub(super) mod kind {
    pub(in crate::proxy::listen::http3) const DATA: u64 = 0x0;
    pub(in crate::proxy::listen::http3) const HEADERS: u64 = 0x1;
    pub(in crate::proxy::listen::http3) const CANCEL_PUSH: u64 = 0x3;
    pub(in crate::proxy::listen::http3) const SETTINGS: u64 = 0x4;
    pub(in crate::proxy::listen::http3) const PUSH_PROMISE: u64 = 0x5;
    pub(in crate::proxy::listen::http3) const GOAWAY: u64 = 0x7;
    pub(in crate::proxy::listen::http3) const MAX_PUSH_ID: u64 = 0xd;
    /// Of HTTP/2, and never to be sent here (RFC 9114 §7.2.8).
    pub(in crate::proxy::listen::http3) const HTTP2: [u64; 4] = [0x2, 0x6, 0x8, 0x9];
}

/// What a control stream's frame may be long; ours are a few bytes.
const CONTROL_BYTES_MAX: usize = 1_024;
/// The longest front of a frame: its type and its length.
pub(super) const FRONT_BYTES_MAX: usize = 16;

/// What a viewer's stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A request; its head, as it is sent, has at most so many bytes.
    Request { block_bytes_max: usize },
    /// The control stream.
    Control,
}

/// A frame, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Some of a body.
    Data(Bytes),
    /// All of another frame.
    Whole(u64, Bytes),
}

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A head has more bytes than it may have.
    TooLarge,
    /// It ends the connection.
    Connection(Code),
}

/// Where in a stream we are.
#[derive(Debug)]
pub(super) struct Frames {
    role: Role,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Front,
    Data(u64),
    Whole(u64, usize),
    Skipped(u64),
}

impl Frames {
    pub(super) fn new(role: Role) -> Self {
        Self { role, place: Place::Front }
    }

    /// Takes the next frame, or what is there of a body, off the front of what was read; `None`: more is needed.
    pub(super) fn next(&mut self, read: &mut BytesMut) -> Result<Option<Frame>, Wrong> {
        loop {
            match &mut self.place {
                Place::Front => {
                    let Some((kind, length, front)) = front(read) else { return Ok(None) };
                    self.place = self.at(kind, length)?;
                    read.advance(front);
                }
                Place::Data(0) | Place::Skipped(0) => self.place = Place::Front,
                Place::Data(_) | Place::Skipped(_) if read.is_empty() => return Ok(None),
                Place::Data(left) => {
                    let taken = read.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    return Ok(Some(Frame::Data(read.split_to(taken).freeze())));
                }
                Place::Skipped(left) => {
                    let taken = read.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    read.advance(taken);
                }
                Place::Whole(kind, length) => {
                    if read.len() < *length {
                        return Ok(None);
                    }
                    let whole = Frame::Whole(*kind, read.split_to(*length).freeze());
                    self.place = Place::Front;
                    return Ok(Some(whole));
                }
            }
        }
    }

    /// Whether the stream may end here: not within a frame (RFC 9114 §7.1).
    pub(super) fn may_end(&self, read: &BytesMut) -> bool {
        read.is_empty() && matches!(self.place, Place::Front | Place::Data(0) | Place::Skipped(0))
    }

    fn at(&self, kind: u64, length: u64) -> Result<Place, Wrong> {
        let whole = |max: usize, too_large: Wrong| match usize::try_from(length) {
            Ok(length) if length <= max => Ok(Place::Whole(kind, length)),
            _ => Err(too_large),
        };
        match (self.role, kind) {
            (Role::Request { .. }, kind::DATA) => Ok(Place::Data(length)),
            (Role::Request { block_bytes_max }, kind::HEADERS) => whole(block_bytes_max, Wrong::TooLarge),
            (Role::Control, kind::SETTINGS | kind::GOAWAY | kind::CANCEL_PUSH | kind::MAX_PUSH_ID) => {
                whole(CONTROL_BYTES_MAX, Wrong::Connection(Code::ExcessiveLoad))
            }
            (_, kind::DATA..=kind::HEADERS | kind::CANCEL_PUSH..=kind::PUSH_PROMISE)
            | (_, kind::GOAWAY | kind::MAX_PUSH_ID) => Err(Wrong::Connection(Code::FrameUnexpected)),
            (_, kind) if kind::HTTP2.contains(&kind) => Err(Wrong::Connection(Code::FrameUnexpected)),
            _ => Ok(Place::Skipped(length)),
        }
    }
}

/// Type and length of a frame, and how many bytes they take.
fn front(read: &[u8]) -> Option<(u64, u64, usize)> {
    let (kind, kind_bytes) = number(read)?;
    let (length, length_bytes) = number(read.get(kind_bytes..)?)?;
    Some((kind, length, kind_bytes + length_bytes))
}

/// A number at the front of these bytes, and how many it takes.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = 1 << (first >> 6);
    let value = bytes
        .get(1..length)?
        .iter()
        .fold(u64::from(first & 0x3f), |value, &byte| value << 8 | u64::from(byte));
    Some((value, length))
}

/// Writes a number below 2^62.
pub(super) fn put_number(out: &mut BytesMut, value: u64) {
    match value {
        0..0x40 => out.put_u8(value as u8),
        0x40..0x4000 => out.put_u16(value as u16 | 0x4000),
        0x4000..0x4000_0000 => out.put_u32(value as u32 | 0x8000_0000),
        _ => out.put_u64(value | 0xc000_0000_0000_0000),
    }
}

/// The front of a frame.
pub(super) fn put_front(out: &mut BytesMut, kind: u64, length: usize) {
    put_number(out, kind);
    put_number(out, length as u64);
}

/// Settings are in order: none of HTTP/2's, and none twice (RFC 9114 §7.2.4). None of them changes what we do.
pub(super) fn check_settings(mut payload: &[u8]) -> Result<(), Code> {
    let mut seen = Vec::new();
    while !payload.is_empty() {
        let (id, at) = number(payload).ok_or(Code::FrameError)?;
        let (_, length) = number(payload.get(at..).unwrap_or_default()).ok_or(Code::FrameError)?;
        if matches!(id, 0x2..=0x5) || seen.contains(&id) {
            return Err(Code::SettingsError);
        }
        seen.push(id);
        payload = payload.get(at + length..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUEST: Role = Role::Request { block_bytes_max: 20 };

    fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        put_front(&mut out, kind, payload.len());
        out.extend_from_slice(payload);
        out.to_vec()
    }

    /// What comes of `bytes` in pieces of this length: data joined, and whether the stream may end there.
    fn taken(role: Role, bytes: &[u8], piece: usize) -> Result<(Vec<Frame>, bool), Wrong> {
        let (mut frames, mut read, mut out) = (Frames::new(role), BytesMut::new(), Vec::<Frame>::new());
        for piece in bytes.chunks(piece.max(1)) {
            read.extend_from_slice(piece);
            while let Some(frame) = frames.next(&mut read)? {
                match (out.last_mut(), frame) {
                    (Some(Frame::Data(before)), Frame::Data(more)) => {
                        *before = [&before[..], &more].concat().into();
                    }
                    (_, frame) => out.push(frame),
                }
            }
        }
        Ok((out, frames.may_end(&read)))
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for value in [0, 63, 64, 16_383, 16_384, 1_073_741_823, 1_073_741_824, (1 << 62) - 1] {
            let mut out = BytesMut::new();
            put_number(&mut out, value);
            assert_eq!(number(&out), Some((value, out.len())));
            assert_eq!(number(&out[..out.len() - 1]), None);
        }
    }

    #[test]
    fn what_belongs_on_no_stream_of_its_kind_ends_the_connection() {
        let unexpected = Err(Wrong::Connection(Code::FrameUnexpected));
        for kind in [0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0x9, 0xd] {
            assert_eq!(taken(REQUEST, &frame(kind, b"x"), 9), unexpected, "{kind}");
        }
        for kind in [0x0, 0x1, 0x2, 0x5, 0x6, 0x8, 0x9] {
            assert_eq!(taken(Role::Control, &frame(kind, b"x"), 9), unexpected, "{kind}");
        }
        let long = Err(Wrong::Connection(Code::ExcessiveLoad));
        assert_eq!(taken(Role::Control, &frame(0x4, &[0; 2_000]), 9), long);
    }

    #[test]
    fn heads_have_a_size() {
        assert!(taken(REQUEST, &frame(0x1, &[7; 20]), 3).is_ok());
        assert_eq!(taken(REQUEST, &frame(0x1, &[7; 21])[..2], 3), Err(Wrong::TooLarge), "before it is there");
    }

    #[test]
    fn settings_are_checked() {
        assert_eq!(check_settings(&[0x6, 0x40, 0x80, 0x33, 0x1]), Ok(()));
        assert_eq!(check_settings(&[0x6, 0x1, 0x6, 0x2]), Err(Code::SettingsError));
        assert_eq!(check_settings(&[0x2, 0x1]), Err(Code::SettingsError));
        assert_eq!(check_settings(&[0x6]), Err(Code::FrameError));
    }

    proptest! {
        /// Unknown frames between, empty ones, any cuts: the same comes out; and inside a frame nothing may end.
        #[test]
        fn frames_do_not_depend_on_how_they_come(
            sent in prop::collection::vec((prop::sample::select(vec![0u64, 1, 0x21, 0x40]), prop::collection::vec(any::<u8>(), 0..20)), 0..8),
            piece in 1usize..40,
            missing in 0usize..3,
        ) {
            let bytes: Vec<u8> = sent.iter().flat_map(|(kind, payload)| frame(*kind, payload)).collect();
            let whole = taken(REQUEST, &bytes, usize::MAX).unwrap();
            prop_assert!(whole.1);
            prop_assert_eq!(&taken(REQUEST, &bytes, piece).unwrap(), &whole);
            let last = sent.last().map_or(0, |(_, payload)| payload.len());
            if missing > 0 && missing <= last {
                prop_assert!(!taken(REQUEST, &bytes[..bytes.len() - missing], piece).unwrap().1);
            }
        }

        #[test]
        fn any_bytes_are_dealt_with(bytes: Vec<u8>, piece in 1usize..9) {
            for role in [REQUEST, Role::Control] {
                let _ = taken(role, &bytes, piece);
            }
        }
    }
}
