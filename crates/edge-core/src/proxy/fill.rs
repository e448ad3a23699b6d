//! A fill: one origin response on its way to its readers, and perhaps into the store.
//!
//! Pieces hang in a chain. The writer appends; any number of readers follow, each at its own pace. While the response
//! may be stored the fill holds the first link, so that a late reader starts at the first byte. When it may not be,
//! nothing holds a link but the readers, and a byte budget makes the writer wait for the slowest. A fill that breaks
//! is an error to its readers, never an end (threats S1).
//!
//! It refuses to know why something is stored and how viewers are answered.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The origin's response broke off: the viewer's connection must, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the origin's response broke off")
    }
}

impl std::error::Error for Broken {}

/// A place in the chain; empty until the writer gets there.
#[derive(Debug, Default)]
struct Link(OnceLock<Piece>);

#[derive(Debug)]
enum Piece {
    Data {
        bytes: Bytes,
        /// Returned to the budget when the last reader has passed.
        _budget: Option<OwnedSemaphorePermit>,
        next: Arc<Link>,
    },
    End(Result<(), Broken>),
}

impl Drop for Link {
    /// Frees a long chain in a loop: dropping link by link would nest as deep as the chain is long.
    fn drop(&mut self) {
        let Some(Piece::Data { mut next, .. }) = self.0.take() else { return };
        while let Some(mut link) = Arc::into_inner(next) {
            match link.0.take() {
                Some(Piece::Data { next: after, .. }) => next = after,
                _ => return,
            }
        }
    }
}

/// What writer and readers share.
#[derive(Debug)]
struct Shared {
    wakers: Mutex<HashMap<u64, Waker>>,
    readers: AtomicUsize,
    next_reader: AtomicU64,
    abandoned: Notify,
    /// Not kept, or not any more: the writer waits for its readers.
    passes: AtomicBool,
}

/// How much a response that is not stored may run ahead of its slowest reader, in bytes.
const PASSING_BYTES_MAX: usize = 256 * 1024;

/// The writing end.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    at: Arc<Link>,
    first: Option<Arc<Link>>,
    budget: Arc<Semaphore>,
    kept: Vec<Bytes>,
    kept_bytes: u64,
    ended: AtomicBool,
}

/// Whether a response is kept for late readers and the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// All of it.
    Whole,
    /// Nothing: it passes through.
    Nothing,
}

/// Starts a fill; the reader is the first.
pub fn begin(keeping: Keeping) -> (Writer, Reader) {
    let first = Arc::new(Link::default());
    let shared = Arc::new(Shared {
        wakers: Mutex::default(),
        readers: AtomicUsize::new(0),
        next_reader: AtomicU64::new(0),
        abandoned: Notify::new(),
        passes: AtomicBool::new(keeping == Keeping::Nothing),
    });
    let reader = Reader::new(&shared, &first);
    let writer = Writer {
        shared,
        at: Arc::clone(&first),
        first: (keeping == Keeping::Whole).then_some(first),
        budget: Arc::new(Semaphore::new(PASSING_BYTES_MAX)),
        kept: Vec::new(),
        kept_bytes: 0,
        ended: AtomicBool::new(false),
    };
    (writer, reader)
}

impl Writer {
    /// Appends a piece; waits where the response passes through and its slowest reader is far behind. `Err`: nobody
    /// reads any more and nothing is kept, so there is no point in going on.
    pub async fn push(&mut self, bytes: Bytes) -> Result<(), Abandoned> {
        if bytes.is_empty() {
            return Ok(());
        }
        let budget = match self.first {
            Some(_) => None,
            None => Some(self.room_for(bytes.len()).await?),
        };
        if self.first.is_some() {
            self.kept_bytes += bytes.len() as u64;
            self.kept.push(bytes.clone());
        }
        let next = Arc::new(Link::default());
        let piece = Piece::Data { bytes, _budget: budget, next: Arc::clone(&next) };
        // Only this writer sets links, each once.
        _ = self.at.0.set(piece);
        self.at = next;
        self.shared.wake();
        Ok(())
    }

    async fn room_for(&self, length: usize) -> Result<OwnedSemaphorePermit, Abandoned> {
        let wanted = u32::try_from(length.min(PASSING_BYTES_MAX)).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            () = self.abandoned() => Err(Abandoned),
            permit = Arc::clone(&self.budget).acquire_many_owned(wanted) => permit.map_err(|_| Abandoned),
        }
    }

    /// Waits until nobody reads and nobody can begin to. While it is kept, somebody can.
    pub async fn abandoned(&self) {
        loop {
            let left = self.shared.abandoned.notified();
            if self.first.is_none() && self.shared.readers.load(Ordering::Acquire) == 0 {
                return;
            }
            left.await;
        }
    }

    /// Gives up keeping it: too large. Those who read it go on reading.
    pub fn keep_nothing(&mut self) {
        self.first = None;
        self.kept = Vec::new();
        self.shared.passes.store(true, Ordering::Release);
        self.shared.wake();
    }

    /// How many bytes are kept so far.
    pub fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// Whether it is still kept.
    pub fn is_keeping(&self) -> bool {
        self.first.is_some()
    }

    /// A reader that starts at the first byte; only while all of it is kept.
    pub fn follower(&self) -> Option<Follower> {
        let first = self.first.as_ref()?;
        Some(Follower::new(&self.shared, first))
    }

    /// The response is complete. Returns what was kept.
    pub fn finish(mut self) -> Option<Vec<Bytes>> {
        self.end(Ok(()));
        self.first.take().map(|_| std::mem::take(&mut self.kept))
    }

    /// The response broke off; so does every reader.
    pub fn fail(self) {
        self.end(Err(Broken));
    }

    fn end(&self, result: Result<(), Broken>) {
        if !self.ended.swap(true, Ordering::AcqRel) {
            _ = self.at.0.set(Piece::End(result));
            self.shared.wake();
        }
    }
}

impl Drop for Writer {
    /// A writer that goes away without an end has failed, whatever the reason.
    fn drop(&mut self) {
        self.end(Err(Broken));
    }
}

/// Nobody reads, nothing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abandoned;

/// Makes readers of a fill that is kept. It holds the first byte, and counts as a reader: let it go when the fill is
/// done or not kept any more.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    first: Arc<Link>,
}

impl Follower {
    fn new(shared: &Arc<Shared>, first: &Arc<Link>) -> Self {
        shared.joined();
        Self { shared: Arc::clone(shared), first: Arc::clone(first) }
    }

    /// A reader that starts at the first byte.
    pub fn reader(&self) -> Reader {
        Reader::new(&self.shared, &self.first)
    }
}

impl Clone for Follower {
    fn clone(&self) -> Self {
        Self::new(&self.shared, &self.first)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.left();
    }
}

/// How far a response has come, for one who would rather not begin to send what may break off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// To its end.
    Whole,
    /// Far enough.
    Enough,
    /// It will never be whole.
    Broken,
}

/// The reading end: an iterator in time.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    at: Arc<Link>,
    id: u64,
}

impl Reader {
    fn new(shared: &Arc<Shared>, at: &Arc<Link>) -> Self {
        shared.joined();
        let id = shared.next_reader.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(shared), at: Arc::clone(at), id }
    }

    /// Waits until the response is whole or broken, or so many bytes of it are there, or it is one that waits for its
    /// readers. Nothing is read by it.
    pub fn arrived(&self, enough: u64) -> impl Future<Output = Arrived> + use<> {
        let mut ahead = Self::new(&self.shared, &self.at);
        async move {
            let mut bytes = 0;
            poll_fn(|context| {
                loop {
                    match Pin::new(&mut ahead).poll_next(context) {
                        Poll::Ready(None) => return Poll::Ready(Arrived::Whole),
                        Poll::Ready(Some(Err(Broken))) => return Poll::Ready(Arrived::Broken),
                        Poll::Ready(Some(Ok(piece))) => bytes += piece.len() as u64,
                        Poll::Pending if ahead.shared.passes.load(Ordering::Acquire) => bytes = enough,
                        Poll::Pending => return Poll::Pending,
                    }
                    if bytes >= enough {
                        return Poll::Ready(Arrived::Enough);
                    }
                }
            })
            .await
        }
    }

    /// The next piece; `Ready(None)` only after the last byte of a whole response.
    pub fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Broken>>> {
        if self.at.0.get().is_none() {
            let mut wakers = self.shared.lock();
            // The writer sets the link before it takes this lock to wake: looking again under it misses nothing.
            if self.at.0.get().is_none() {
                match wakers.get_mut(&self.id) {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => _ = wakers.insert(self.id, context.waker().clone()),
                }
                return Poll::Pending;
            }
        }
        let (bytes, next) = match self.at.0.get() {
            Some(Piece::Data { bytes, next, .. }) => (bytes.clone(), Arc::clone(next)),
            Some(Piece::End(Ok(()))) => return Poll::Ready(None),
            Some(Piece::End(Err(broken))) => return Poll::Ready(Some(Err(*broken))),
            None => return Poll::Pending,
        };
        self.at = next;
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.id);
        self.shared.left();
    }
}

impl Shared {
    fn joined(&self) {
        self.readers.fetch_add(1, Ordering::AcqRel);
    }

    fn left(&self) {
        if self.readers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.abandoned.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waker>> {
        // Nothing under this lock can panic half way through a change.
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let wakers = std::mem::take(&mut *self.lock());
        for waker in wakers.into_values() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(reader: &mut Reader) -> Option<Result<Bytes, Broken>> {
        poll_fn(|context| Pin::new(&mut *reader).poll_next(context)).await
    }

    #[tokio::test]
    async fn followers_read_all_from_the_first_byte() {
        let (mut writer, mut first) = begin(Keeping::Whole);
        writer.push(Bytes::from_static(b"a")).await.unwrap();
        let mut late = writer.follower().unwrap().reader();
        assert_eq!(read(&mut first).await.unwrap().unwrap(), "a");
        let waiting = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(piece) = read(&mut late).await {
                all.extend_from_slice(&piece.unwrap());
            }
            all
        });
        tokio::task::yield_now().await;
        writer.push(Bytes::from_static(b"b")).await.unwrap();
        assert_eq!(writer.finish().unwrap(), vec!["a", "b"]);
        assert_eq!(waiting.await.unwrap(), b"ab");
        assert_eq!(read(&mut first).await.unwrap().unwrap(), "b");
        assert!(read(&mut first).await.is_none());
    }

    #[tokio::test]
    async fn a_dropped_writer_is_an_error_never_an_end() {
        let (mut writer, mut reader) = begin(Keeping::Whole);
        writer.push(Bytes::from_static(b"a")).await.unwrap();
        drop(writer);
        assert!(read(&mut reader).await.unwrap().is_ok());
        assert_eq!(read(&mut reader).await, Some(Err(Broken)));
    }

    #[tokio::test]
    async fn how_far_it_has_come_is_told_without_reading() {
        for (enough, end, arrived) in [
            (4, Some(Ok(())), Arrived::Whole),
            (4, Some(Err(Broken)), Arrived::Broken),
            (3, None, Arrived::Enough),
        ] {
            let (mut writer, mut reader) = begin(Keeping::Whole);
            writer.push(Bytes::from_static(b"a")).await.unwrap();
            let waiting = tokio::spawn(reader.arrived(enough));
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            writer.push(Bytes::from_static(b"bc")).await.unwrap();
            let _open = match end {
                Some(Ok(())) => writer.finish().map(|_| None),
                Some(Err(Broken)) => {
                    writer.fail();
                    None
                }
                None => Some(Some(writer)),
            };
            assert_eq!(waiting.await.unwrap(), arrived);
            assert_eq!(read(&mut reader).await.unwrap().unwrap(), "a");
        }
    }

    #[tokio::test]
    async fn what_is_kept_no_longer_has_come_far_enough() {
        let (mut writer, reader) = begin(Keeping::Whole);
        let waiting = tokio::spawn(reader.arrived(u64::MAX));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        writer.keep_nothing();
        assert_eq!(waiting.await.unwrap(), Arrived::Enough);
    }

    #[tokio::test]
    async fn passing_through_waits_for_the_reader_and_ends_with_it() {
        let (mut writer, mut reader) = begin(Keeping::Nothing);
        let piece = Bytes::from(vec![0; PASSING_BYTES_MAX]);
        writer.push(piece.clone()).await.unwrap();
        let more = tokio::spawn(async move {
            let first = writer.push(piece.clone()).await;
            (first, writer.push(piece).await)
        });
        tokio::task::yield_now().await;
        assert!(!more.is_finished());
        assert!(read(&mut reader).await.unwrap().is_ok());
        drop(reader);
        let (_, second) = more.await.unwrap();
        assert_eq!(second, Err(Abandoned));
    }

    #[tokio::test]
    async fn a_long_chain_is_dropped_without_recursion() {
        let (mut writer, reader) = begin(Keeping::Whole);
        for _ in 0..300_000 {
            writer.push(Bytes::from_static(b"x")).await.unwrap();
        }
        drop(reader);
        assert_eq!(writer.finish().unwrap().len(), 300_000);
    }
}
