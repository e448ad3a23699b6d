//! The store: objects by key, bounded by weight. moka decides what stays (TinyLFU); it is told what things
//! weigh and nothing else. What is fresh, who may see what, and when to ask again are the core's questions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use bytes::{Bytes, BytesMut};
use moka::ops::compute::Op;
use moka::sync::Cache;

use super::invalidations::InForce;
use crate::cache::invalidation::Subject;
use crate::cache::parts::{self, Placing};
use crate::cache::{Epoch, Held, Holds, Key, Stored};
use crate::header::range::Span;

/// A stored object: the head that decides, the bytes that travel.
#[derive(Debug)]
pub struct Object {
    /// What the decisions read.
    pub head: Arc<Stored>,
    /// The body.
    pub content: Content,
    /// No invalidation up to this place covers it: what was looked at is not looked at again.
    checked: AtomicU64,
}

impl Object {
    /// Nothing that came before its request covers it.
    pub fn new(head: Arc<Stored>, content: Content) -> Self {
        let checked = AtomicU64::new(head.since.0);
        Self { head, content, checked }
    }

    /// As the core sees it.
    pub fn held(&self) -> Held<'_> {
        let length = match &self.head.holds {
            Holds::Parts(parts) => parts.total(),
            Holds::Whole | Holds::Head => self.content.len(),
        };
        Held { head: &self.head, length: Some(length) }
    }
}

/// A body, or the parts of one that are held. Small ones are one slice, so that a hit is one write.
#[derive(Debug, Clone)]
pub enum Content {
    /// All of it, in one piece.
    One(Bytes),
    /// As it arrived, ascending and without overlap; where parts are held, with gaps.
    Many(Arc<[Piece]>),
}

/// Some bytes of a body.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Where in the body they begin.
    pub first: u64,
    /// They are never none.
    pub bytes: Bytes,
    /// How many bytes they keep in memory: those they were cut from.
    pinned: usize,
}

impl Piece {
    /// Where the next one begins, if there is no gap.
    fn end(&self) -> u64 {
        self.first + self.bytes.len() as u64
    }

    /// What of it is inside the span.
    fn within(&self, span: Span) -> Option<Self> {
        let first = self.first.max(span.first);
        let end = self.end().min(span.last.saturating_add(1));
        if first >= end {
            return None;
        }
        let at = |place: u64| usize::try_from(place - self.first).unwrap_or(usize::MAX);
        Some(Self { first, bytes: self.bytes.slice(at(first)..at(end)), pinned: self.pinned })
    }
}

/// An object that came in parts has no more pieces than this: each further part would copy the list of them.
const PIECES_MAX: usize = 16 * 1_024;
/// Up to here a body is copied into one piece when its fill is done.
const ONE_PIECE_BYTES_MAX: usize = 256 * 1024;

impl Content {
    /// Where it ends, in bytes: for a whole body its length.
    pub fn len(&self) -> u64 {
        match self {
            Self::One(bytes) => bytes.len() as u64,
            Self::Many(pieces) => pieces.last().map_or(0, Piece::end),
        }
    }

    fn cost(&self) -> u64 {
        match self {
            Self::One(bytes) => cost(bytes),
            Self::Many(pieces) => pieces.iter().map(|piece| piece.pinned as u64 + PIECE_BYTES).sum(),
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first of a span's bytes that lie together, none of them copied.
    pub fn first_of(&self, span: Span) -> Option<Bytes> {
        self.pieces(span).next().map(|piece| piece.bytes)
    }

    fn pieces(&self, span: Span) -> impl Iterator<Item = Piece> {
        let one = match self {
            Self::One(bytes) => Some(Piece { first: 0, bytes: bytes.clone(), pinned: bytes.len() }),
            Self::Many(_) => None,
        };
        let many = match self {
            Self::One(_) => &[],
            Self::Many(pieces) => &pieces[pieces.partition_point(|piece| piece.end() <= span.first)..],
        };
        let many = many.iter().take_while(move |piece| piece.first <= span.last).cloned();
        one.into_iter().chain(many).filter_map(move |piece| piece.within(span))
    }

    /// This part and what is held around it.
    fn beside(&self, held: &Self) -> Self {
        let (Some(begin), end) = (self.begin(), self.len()) else { return held.clone() };
        let before = begin.checked_sub(1).map(|last| Span { first: 0, last });
        let after = Span { first: end, last: u64::MAX };
        let all = Span { first: 0, last: u64::MAX };
        let pieces = before.into_iter().flat_map(|span| held.pieces(span));
        Self::Many(pieces.chain(self.pieces(all)).chain(held.pieces(after)).collect())
    }

    /// In how many pieces.
    fn count(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(pieces) => pieces.len(),
        }
    }

    /// Where the first byte is.
    fn begin(&self) -> Option<u64> {
        match self {
            Self::One(bytes) => (!bytes.is_empty()).then_some(0),
            Self::Many(pieces) => pieces.first().map(|piece| piece.first),
        }
    }
}

/// Keys to objects.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Cache<Key, Arc<Object>>,
    bytes_max: u64,
    held: Arc<AtomicU64>,
    in_force: Arc<InForce>,
}

/// What an entry costs beyond its bytes: the map's node, the policy's, the header map and its values.
const ENTRY_BYTES: u64 = 1_024;
/// One header: name, value and their places in the map.
const HEADER_BYTES: u64 = 96;
/// An object may take this part of the cache at most; larger ones stream through.
const OBJECT_SHARE: u64 = 8;

impl Store {
    /// A store for this many bytes.
    pub fn new(bytes_max: u64) -> Self {
        let objects = Cache::builder()
            // moka counts in u32: kibibytes, so that one weight can be 4 TiB.
            .weigher(|key: &Key, object: &Arc<Object>| {
                u32::try_from(weight(key, object).div_ceil(1_024)).unwrap_or(u32::MAX)
            })
            .max_capacity((bytes_max / 1_024).max(1))
            .build();
        Self { objects, bytes_max, held: Arc::default(), in_force: Arc::default() }
    }

    /// The invalidations in force.
    pub fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// What is held under the key and may still be used.
    pub fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.objects.get(key).filter(|object| !self.is_covered(key, object))
    }

    /// Two loads where nothing was invalidated since it was looked at last.
    fn is_covered(&self, key: &Key, object: &Object) -> bool {
        let checked = Epoch(object.checked.load(Ordering::Relaxed));
        let newest = self.in_force.epoch();
        if checked >= newest {
            return false;
        }
        let covered = self.in_force.covers(checked, &Subject::of(key, &object.head));
        if !covered {
            object.checked.fetch_max(newest.0, Ordering::Relaxed);
        }
        covered
    }

    /// Removes what was invalidated: nobody gets it any more, and it takes room.
    pub fn sweep(&self) {
        for (number, (key, object)) in self.objects.iter().enumerate() {
            if number % SLICE == SLICE - 1 {
                thread::yield_now();
            }
            if self.is_covered(&key, &object) {
                self.remove(&key, &object); // what came under the same key in the meantime stays
            }
        }
        // moka frees when it has leisure; who invalidates everything wants the memory.
        self.objects.run_pending_tasks();
    }

    /// Keeps an object, instead of what was there; not if it was invalidated on its way: what was fetched since then is
    /// not to be replaced by it.
    pub fn put(&self, key: Key, object: Arc<Object>) {
        if self.is_covered(&key, &object) {
            return;
        }
        // What a HEAD brought takes no place of a body that came meanwhile.
        let yields = object.head.holds == Holds::Head && object.head.status.as_u16() < 400;
        let large = object.content.len() > LARGE_BYTES;
        // One after the other with what sweeps and replaces: moka promises that of computed entries alone.
        self.objects.entry(key.fitted()).and_compute_with(|entry| match entry {
            Some(entry) if yields && entry.value().head.holds != Holds::Head => Op::Nop,
            _ => Op::Put(object),
        });
        if large {
            // moka evicts when it has leisure; a few large objects must not wait for that above the bound.
            self.objects.run_pending_tasks();
        }
    }

    /// Keeps what a fill brought, all of it or a part. A part that is not as long as it said is not kept; two that
    /// arrive together may lose one of them, which costs a request and no more.
    pub fn put_filled(&self, key: Key, head: Arc<Stored>, pieces: Vec<Bytes>) {
        let Holds::Parts(parts) = &head.holds else {
            return self.put(key, Arc::new(Object::new(head, self.content(pieces))));
        };
        let [span] = parts.spans() else { return };
        let length: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        if length != span.length() {
            return;
        }
        let content = self.spread(pieces, span.first);
        let held = self.get(&key);
        let object = match parts::place(&head, held.as_ref().map(|held| &*held.head)) {
            Placing::Needless => return,
            Placing::Instead => Object::new(head, content),
            Placing::Beside(joined) => match held {
                Some(held) if held.content.count() + content.count() <= PIECES_MAX => {
                    Object::new(Arc::new(*joined), self.unpinned(content.beside(&held.content)))
                }
                _ => Object::new(head, content),
            },
        };
        self.put(key, Arc::new(object));
    }

    /// Keeps a new head for what is held; not if something else is held by now.
    pub fn replace(&self, key: Key, held: &Arc<Object>, object: Arc<Object>) {
        if self.is_covered(&key, &object) {
            return;
        }
        self.objects.entry(key).and_compute_with(|entry| match entry {
            Some(entry) if Arc::ptr_eq(entry.value(), held) => Op::Put(object),
            _ => Op::Nop,
        });
    }

    /// Forgets what is held under the key; not if something else is held by now.
    pub fn remove(&self, key: &Key, held: &Arc<Object>) {
        self.objects.entry_by_ref(key).and_compute_with(|entry| match entry {
            Some(entry) if Arc::ptr_eq(entry.value(), held) => Op::Remove,
            _ => Op::Nop,
        });
    }

    /// The largest body that is stored, in bytes.
    pub fn object_bytes_max(&self) -> u64 {
        self.bytes_max / OBJECT_SHARE
    }

    /// Counts a piece of a body that is to be kept, from now until nobody has any of its bytes any more: not the
    /// store, not a fill, not a viewer who reads slowly. `None`: there is no room.
    pub fn hold(&self, piece: &Bytes) -> Option<Bytes> {
        if !self.has_room_for(piece) {
            // moka evicts when it has leisure; that may be all that is in the way.
            self.objects.run_pending_tasks();
            if !self.has_room_for(piece) {
                return None;
            }
        }
        Some(self.counted(piece))
    }

    fn has_room_for(&self, piece: &Bytes) -> bool {
        self.held_bytes() + cost(piece) <= self.bytes_max + self.bytes_max / BEYOND_SHARE
    }

    fn counted(&self, piece: &Bytes) -> Bytes {
        let cost = cost(piece);
        self.held.fetch_add(cost, Ordering::Relaxed);
        Bytes::from_owner(Counted { bytes: piece.clone(), cost, all: Arc::clone(&self.held) })
    }

    /// The body of a finished fill. Its pieces are counted already.
    pub fn content(&self, pieces: Vec<Bytes>) -> Content {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        if length > ONE_PIECE_BYTES_MAX {
            return self.spread(pieces, 0);
        }
        let mut joined = BytesMut::with_capacity(length);
        pieces.iter().for_each(|piece| joined.extend_from_slice(piece));
        self.text(&joined.freeze())
    }

    /// A body, or a part of one that begins at `first`, in many pieces. They are counted already.
    fn spread(&self, pieces: Vec<Bytes>, mut first: u64) -> Content {
        let piece = |bytes: Bytes| {
            let piece = Piece { first, pinned: bytes.len(), bytes };
            first = piece.end();
            piece
        };
        Content::Many(pieces.into_iter().map(piece).collect())
    }

    /// Copies what keeps more than twice its own bytes in memory.
    fn unpinned(&self, content: Content) -> Content {
        let Content::Many(pieces) = &content else { return content };
        let freed = |piece: &Piece| {
            if piece.bytes.len() * 2 >= piece.pinned {
                return piece.clone();
            }
            let bytes = self.counted(&Bytes::copy_from_slice(&piece.bytes));
            Piece { first: piece.first, pinned: bytes.len(), bytes }
        };
        Content::Many(pieces.iter().map(freed).collect())
    }

    /// A body that is at hand in one piece; whether there is room was asked before, or it is a page of ours.
    pub fn text(&self, text: &Bytes) -> Content {
        Content::One(self.counted(text))
    }

    /// Bytes of bodies that are in memory because they are stored, or were to be when they came.
    pub fn held_bytes(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// How many objects, roughly, and how many bytes they weigh.
    pub fn size(&self) -> (u64, u64) {
        (self.objects.entry_count(), self.objects.weighted_size() * 1_024)
    }
}

/// Objects a sweep looks at before it lets others have the processor.
const SLICE: usize = 1_024;
/// Bodies that are not stored, or not any more, take this part of the cache's size beyond it; what would need more
/// streams through.
const BEYOND_SHARE: u64 = 4;
/// What a piece costs beyond its bytes: its place in a chain, in a list, and its count.
const PIECE_BYTES: u64 = 256;
/// From here on an object is worth an eviction at once.
const LARGE_BYTES: u64 = 64 * 1_024;

/// Bytes that are counted as long as they live.
struct Counted {
    bytes: Bytes,
    cost: u64,
    all: Arc<AtomicU64>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.all.fetch_sub(self.cost, Ordering::Relaxed);
    }
}

fn cost(piece: &Bytes) -> u64 {
    piece.len() as u64 + PIECE_BYTES
}

fn weight(key: &Key, object: &Object) -> u64 {
    let headers: u64 = object.head.headers.values().map(|value| value.len() as u64 + HEADER_BYTES).sum();
    ENTRY_BYTES + 2 * key.size() as u64 + headers + object.content.cost()
}
