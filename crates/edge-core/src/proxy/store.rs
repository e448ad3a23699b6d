//! The store: whole objects by key, bounded by weight. moka decides what stays (TinyLFU); it is told what things
//! weigh and nothing else. What is fresh, who may see what, and when to ask again are the core's questions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use moka::sync::Cache;

use crate::cache::{Key, Stored};

/// A stored object: the head that decides, the bytes that travel.
#[derive(Debug, Clone)]
pub struct Object {
    /// What the decisions read.
    pub head: Arc<Stored>,
    /// The body.
    pub content: Content,
}

/// A whole body. Small ones are one slice, so that a hit is one write.
#[derive(Debug, Clone)]
pub enum Content {
    /// In one piece.
    One(Bytes),
    /// As it arrived.
    Many(Arc<[Bytes]>),
}

/// Up to here a body is copied into one piece when its fill is done.
const ONE_PIECE_BYTES_MAX: usize = 256 * 1024;

impl Content {
    /// Joins the pieces of a finished fill.
    pub fn of(pieces: Vec<Bytes>) -> Self {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        match <[Bytes; 1]>::try_from(pieces) {
            // A piece may be a view of a larger read buffer; a copy keeps what is weighed and what is held the same.
            Ok([one]) if length <= ONE_PIECE_BYTES_MAX => Self::One(Bytes::copy_from_slice(&one)),
            Ok([one]) => Self::One(one),
            Err(pieces) if length <= ONE_PIECE_BYTES_MAX => {
                let mut joined = BytesMut::with_capacity(length);
                pieces.iter().for_each(|piece| joined.extend_from_slice(piece));
                Self::One(joined.freeze())
            }
            Err(pieces) => Self::Many(pieces.into()),
        }
    }

    /// How many bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::One(bytes) => bytes.len() as u64,
            Self::Many(pieces) => pieces.iter().map(|piece| piece.len() as u64).sum(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Keys to objects.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Cache<Key, Arc<Object>>,
    bytes_max: u64,
    filling: Arc<AtomicU64>,
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
            .weigher(|key: &Key, object: &Arc<Object>| u32::try_from(weight(key, object).div_ceil(1_024)).unwrap_or(u32::MAX))
            .max_capacity((bytes_max / 1_024).max(1))
            .build();
        Self { objects, bytes_max, filling: Arc::default() }
    }

    /// What is held under the key.
    pub fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.objects.get(key)
    }

    /// Keeps an object, instead of what was there.
    pub fn put(&self, key: Key, object: Arc<Object>) {
        let large = object.content.len() > LARGE_BYTES;
        self.objects.insert(key, object);
        if large {
            // moka evicts when it has leisure; a few large objects must not wait for that above the bound.
            self.objects.run_pending_tasks();
        }
    }

    /// Forgets what is held under the key.
    pub fn remove(&self, key: &Key) {
        self.objects.invalidate(key);
    }

    /// The largest body that is stored, in bytes.
    pub fn object_bytes_max(&self) -> u64 {
        self.bytes_max / OBJECT_SHARE
    }

    /// Room for a fill that may be kept; it grows as the fill does.
    pub fn reserve(&self) -> Room {
        Room { filling: Arc::clone(&self.filling), taken: 0, limit: self.bytes_max / FILLING_SHARE }
    }

    /// How many objects, roughly, and how many bytes they weigh.
    pub fn size(&self) -> (u64, u64) {
        (self.objects.entry_count(), self.objects.weighted_size() * 1_024)
    }
}

/// All fills that may be kept take this part of the cache's size at most; what goes beyond streams through.
const FILLING_SHARE: u64 = 4;
/// From here on an object is worth an eviction at once.
const LARGE_BYTES: u64 = 64 * 1_024;

/// What a fill takes of the memory all fills share; given back when it is dropped.
#[derive(Debug)]
pub struct Room {
    filling: Arc<AtomicU64>,
    taken: u64,
    limit: u64,
}

impl Room {
    /// Takes more; `false`: there is no more.
    pub fn grow(&mut self, bytes: u64) -> bool {
        self.taken += bytes;
        self.filling.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.limit
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.filling.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

fn weight(key: &Key, object: &Object) -> u64 {
    let headers: u64 = object.head.headers.values().map(|value| value.len() as u64 + HEADER_BYTES).sum();
    ENTRY_BYTES + 2 * key.size() as u64 + headers + object.content.len()
}
