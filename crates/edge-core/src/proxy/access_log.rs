//! The access log: what each request came to, told when it has ended.
//!
//! A note is taken when a request comes, follows it on the body of its answer, and tells the log when nobody holds on to
//! it any more; so a viewer who leaves, whenever he does, has a line too. Without a log there are no notes, and nothing here
//! runs. What a line says is [`crate::log`]'s.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Version};
use http_body::{Body as _, Frame};
use tokio::time::Instant;

use super::body::Body;
use super::clock::Clock;
use super::edge::Viewer;
use super::fill::Broken;
use super::journal::{Counters, Journal, Line, Target};
use crate::exchange::Rules;
use crate::log::{self, Answered, Asked, End, Format, Record};
use crate::viewer::Refusal;
use crate::viewer::geo::Location;

/// Who wants to know what became of requests.
#[derive(Debug, Clone)]
pub enum AccessLogSettings {
    /// A file of lines.
    Lines {
        /// Where they go.
        target: Target,
        /// What they look like.
        format: Format,
    },
    /// A program, which is told of each.
    Records(Keep),
}

/// Takes records, in the tasks that end requests, so it should be quick.
#[derive(Clone)]
pub struct Keep(Arc<dyn Fn(Box<Record>) + Send + Sync>);

impl Keep {
    /// With this.
    pub fn with(keep: impl Fn(Box<Record>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(keep))
    }
}

impl fmt::Debug for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keep")
    }
}

/// Whom requests are told to when they have ended.
#[derive(Debug)]
pub struct AccessLog {
    keep: Keep,
    journal: Option<Arc<Journal<Entry>>>,
    /// Whether anybody wants to know where viewers are.
    tells_places: bool,
}

/// A line on its way to the file.
#[derive(Debug)]
struct Entry {
    record: Box<Record>,
    format: Arc<Format>,
}

/// What a record weighs beside the request it shares.
const RECORD_BYTES: usize = size_of::<Record>() + 256;

impl Line for Entry {
    fn weight(&self) -> usize {
        let shared = self.record.request.as_ref().map_or(0, |request| request.head_bytes);
        RECORD_BYTES + usize::try_from(shared).unwrap_or(usize::MAX / 2)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.format.line(&self.record, out);
    }
}

impl AccessLog {
    /// Opens the file, if it is one.
    pub fn open(settings: &AccessLogSettings) -> io::Result<Self> {
        let (target, format) = match settings {
            AccessLogSettings::Lines { target, format } => (target, format),
            AccessLogSettings::Records(keep) => {
                return Ok(Self { keep: keep.clone(), journal: None, tells_places: true });
            }
        };
        let (format, tells_places) = (Arc::new(format.clone()), format.tells_places());
        let journal = Arc::new(Journal::open("access log", target.clone(), format.header())?);
        let to = Arc::clone(&journal);
        let keep = Keep::with(move |record| to.write(Entry { record, format: Arc::clone(&format) }));
        Ok(Self { keep, journal: Some(journal), tells_places })
    }

    /// What was written and what was not, where there is a file.
    pub fn counters(&self) -> Option<&Counters> {
        Some(self.journal.as_ref()?.counters())
    }

    /// Opens the file anew.
    pub fn reopen(&self) {
        if let Some(journal) = &self.journal {
            journal.reopen();
        }
    }

    /// Waits until what was told is written, for a few seconds at most.
    pub async fn finish(&self) {
        if let Some(journal) = &self.journal {
            journal.finish().await;
        }
    }

    pub(super) fn tells_places(&self) -> bool {
        self.tells_places
    }
}

/// The note of one request.
#[derive(Debug)]
pub(super) struct Note {
    log: Arc<AccessLog>,
    clock: Clock,
    arrived: Instant,
    /// Gone where there is nothing to tell.
    record: Option<Box<Record>>,
    answer: OnceLock<Head>,
    end: OnceLock<(End, SystemTime, Duration)>,
    /// Of the request's body, or from a viewer whose connection is no longer HTTP.
    received: AtomicU64,
    /// Of the answer's body, likewise.
    sent: AtomicU64,
    /// Chunks have sizes and ends, and the last one is empty.
    framing: AtomicU64,
    progress: AtomicU8,
}

/// The head of an answer.
#[derive(Debug)]
struct Head {
    answered: Answered,
    bytes: u64,
    first_byte: Duration,
    /// How long the body is to be.
    length: Option<u64>,
    chunked: bool,
}

/// How far a body has come.
const UNDER_WAY: u8 = 0;
const DONE: u8 = 1;
const BROKEN: u8 = 2;

impl Note {
    /// Of a request that came at `arrived`; `parts` are gone where nobody could read it.
    pub(super) fn new(
        (log, clock): (&Arc<AccessLog>, &Clock),
        parts: Option<&Parts>,
        viewer: &Viewer,
        (id, rules): (&HeaderValue, &Arc<Rules>),
        arrived: Instant,
    ) -> Self {
        let request = parts.map(Asked::of);
        let record = Record {
            rules: Arc::clone(rules),
            id: id.clone(),
            viewer: viewer.addr,
            scheme: viewer.scheme,
            tls: viewer.tls.as_ref().map(|tls| (tls.version, tls.cipher)),
            location: None,
            received: request.as_ref().map_or(0, |request| request.head_bytes),
            request,
            answer: None,
            end: End::ViewerLeft,
            ended_at: SystemTime::UNIX_EPOCH,
            taken: Duration::ZERO,
            first_byte: Duration::ZERO,
            sent: 0,
        };
        Self {
            log: Arc::clone(log),
            clock: clock.clone(),
            arrived,
            record: Some(Box::new(record)),
            answer: OnceLock::new(),
            end: OnceLock::new(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            framing: AtomicU64::new(0),
            progress: AtomicU8::new(UNDER_WAY),
        }
    }

    /// The distribution it is for, and where the viewer is.
    pub(super) fn is_for(&mut self, rules: &Arc<Rules>, location: Option<&Arc<Location>>) {
        if let Some(record) = &mut self.record {
            record.rules = Arc::clone(rules);
            record.location = location.cloned();
        }
    }

    /// The request could not be read; nothing is told of those that CloudFront does not log (§10.2).
    pub(super) fn refused(mut self, refusal: Refusal) -> Option<Arc<Self>> {
        if log::is_logged(refusal) {
            return Some(Arc::new(self));
        }
        self.record = None;
        None
    }

    /// This many bytes came from the viewer, behind the head.
    pub(super) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// This many bytes went to the viewer, behind the head.
    pub(super) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// This is what the viewer gets; the note follows its body.
    pub(super) fn answered(self: &Arc<Self>, response: &mut http::Response<Body>) {
        let (status, body) = (response.status(), response.body());
        let asked = self.record.as_ref().and_then(|record| record.request.as_ref());
        let head = asked.is_some_and(|asked| asked.method == Method::HEAD);
        let version = asked.map_or(Version::HTTP_11, |asked| asked.version);
        let bodiless = head
            || status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        let length = body.size_hint().exact().filter(|_| !bodiless);
        let answered = Answered::of(status, response.headers(), length, body.results());
        let mut bytes = log::response_head_bytes(status, response.headers());
        let says_length = response.headers().contains_key(http::header::CONTENT_LENGTH);
        let chunked = !says_length && !bodiless && length.is_none() && version == Version::HTTP_11;
        // What hyper adds.
        if chunked {
            bytes += "transfer-encoding: chunked\r\n".len() as u64;
        } else if let Some(length) = length.filter(|_| !says_length) {
            bytes += "content-length: \r\n".len() as u64 + digits(length, 10);
        }
        // Of such a body hyper reads nothing.
        if bodiless || length == Some(0) || body.is_end_stream() {
            self.progress.store(DONE, Ordering::Relaxed);
        }
        let first_byte = self.arrived.elapsed();
        _ = self.answer.set(Head { answered, bytes, first_byte, length, chunked });
        response.body_mut().follow(Following(Arc::clone(self)));
    }

    /// What a body gave, or did not.
    fn saw(&self, frame: &Poll<Option<Result<Frame<Bytes>, Broken>>>, last: bool) {
        let Poll::Ready(frame) = frame else { return };
        let Some(head) = self.answer.get() else { return };
        let end = match frame {
            None => Some(DONE),
            Some(Err(_)) => Some(BROKEN),
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                let sent = self.sent.fetch_add(bytes, Ordering::Relaxed) + bytes;
                if head.chunked && bytes > 0 {
                    self.framing.fetch_add(digits(bytes, 16) + 4, Ordering::Relaxed);
                }
                // Whoever said how much there is is not asked for the end.
                (last || head.length.is_some_and(|length| sent >= length)).then_some(DONE)
            }
        };
        if let Some(end) = end {
            self.progress.store(end, Ordering::Relaxed);
        }
    }

    /// Nobody sends the body any more.
    fn ended(&self) {
        let Some(head) = self.answer.get() else { return };
        if head.answered.status == StatusCode::SWITCHING_PROTOCOLS {
            return; // it ends with the connection
        }
        let end = match self.progress.load(Ordering::Relaxed) {
            DONE => End::Whole,
            BROKEN => End::BrokenOff,
            _ => End::ViewerLeft,
        };
        _ = self.end.set((end, self.clock.now(), self.arrived.elapsed()));
    }
}

impl Drop for Note {
    /// Tells the log.
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        let unanswered = self.answer.get().is_none();
        let (end, ended_at, taken) = self.end.take().unwrap_or_else(|| {
            let end = if unanswered { End::ViewerLeft } else { End::Whole };
            (end, self.clock.now(), self.arrived.elapsed())
        });
        (record.end, record.ended_at, record.taken) = (end, ended_at, taken);
        record.received += *self.received.get_mut();
        record.first_byte = taken;
        if let Some(head) = self.answer.take() {
            let last_chunk = if head.chunked && end == End::Whole { "0\r\n\r\n".len() as u64 } else { 0 };
            record.sent = head.bytes + *self.sent.get_mut() + *self.framing.get_mut() + last_chunk;
            (record.answer, record.first_byte) = (Some(head.answered), head.first_byte);
        }
        (self.log.keep.0)(record);
    }
}

/// A note that follows a body.
#[derive(Debug)]
pub(super) struct Following(Arc<Note>);

impl Following {
    /// What the body gave; `last`: nothing comes after it.
    pub(super) fn saw(&self, frame: &Poll<Option<Result<Frame<Bytes>, Broken>>>, last: bool) {
        self.0.saw(frame, last);
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// How many digits a number has.
fn digits(number: u64, base: u64) -> u64 {
    u64::from(number.checked_ilog(base).unwrap_or(0)) + 1
}
