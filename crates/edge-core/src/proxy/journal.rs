//! Lines to a file: one bounded queue, and one thread that makes text of what is in it and writes.
//!
//! Whoever has a line never waits: what the queue has no room for is dropped and counted, and a disk that is full or gone
//! costs lines, not requests. The thread comes around a few times a second, or at once when the queue fills up, so that a
//! line costs its sender neither a system call nor a wake-up. What the lines say is the business of their [`Line`].

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::oneshot;

/// Lines that may wait to be written …
const QUEUED_LINES_MAX: usize = 8 * 1024;
/// … and what they may weigh.
const QUEUED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How often the thread looks for lines; it is woken before that when the queue is half full.
const ROUND: Duration = Duration::from_millis(200);
/// Text that is written at once, roughly.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long the end waits for what is queued to be written.
const FINISH_MAX: Duration = Duration::from_secs(5);

/// Something that is a line of a journal.
pub trait Line: Send + 'static {
    /// What it holds in memory while it waits, roughly, in bytes.
    fn weight(&self) -> usize;

    /// Appends its text to `out`, line end included.
    fn write(&self, out: &mut Vec<u8>);
}

impl Line for String {
    fn weight(&self) -> usize {
        self.len()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
        out.push(b'\n');
    }
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The process's standard output.
    Stdout,
    /// A file, which grows; it is made where there is none.
    File(PathBuf),
}

impl Target {
    /// As people write it on command lines: a path, or `-`.
    pub fn of(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Stdout } else { Self::File(path.to_owned()) }
    }
}

/// What a journal has done so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Lines that were written.
    pub written: AtomicU64,
    /// Lines that were lost: there was no room for them in the queue or on the disk.
    pub dropped: AtomicU64,
}

/// A file of lines that is being written; it ends when this is dropped.
#[derive(Debug)]
pub struct Journal<L> {
    queue: SyncSender<L>,
    shared: Arc<Shared>,
    thread: Thread,
    /// Gone when the last line is written.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

#[derive(Debug)]
struct Shared {
    /// What it is to the operator.
    name: &'static str,
    counters: Counters,
    lines: AtomicUsize,
    bytes: AtomicUsize,
    /// That there was no room is said once.
    overflowed: AtomicBool,
    reopen: AtomicBool,
    finish: AtomicBool,
}

impl<L: Line> Journal<L> {
    /// Opens `target` and starts the thread. `header` comes first in a file that does not begin with it.
    pub fn open(name: &'static str, target: Target, header: Vec<u8>) -> io::Result<Self> {
        let out = open(&target, &header)?;
        let (queue, lines) = mpsc::sync_channel(QUEUED_LINES_MAX);
        let shared = Arc::new(Shared {
            name,
            counters: Counters::default(),
            lines: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            overflowed: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            finish: AtomicBool::new(false),
        });
        let (ends, ended) = oneshot::channel();
        let writer = Writer { target, header, out, buffered: 0, buffer: Vec::new(), state: State::Whole };
        let hers = Arc::clone(&shared);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            writer.run(&lines, &hers);
            drop(ends);
        })?;
        Ok(Self { queue, shared, thread: thread.thread().clone(), ended: Mutex::new(Some(ended)) })
    }

    /// Has a line written, if there is room for it now. Never waits.
    pub fn write(&self, line: L) {
        let Shared { counters, lines, bytes, overflowed, name, .. } = &*self.shared;
        let weight = line.weight();
        if bytes.fetch_add(weight, Ordering::Relaxed) < QUEUED_BYTES_MAX && self.queue.try_send(line).is_ok()
        {
            if lines.fetch_add(1, Ordering::Relaxed) + 1 == QUEUED_LINES_MAX / 2 {
                self.thread.unpark();
            }
            return;
        }
        bytes.fetch_sub(weight, Ordering::Relaxed);
        counters.dropped.fetch_add(1, Ordering::Relaxed);
        self.thread.unpark();
        if !overflowed.swap(true, Ordering::Relaxed) {
            tracing::warn!(target: "edge::log", "the {name} is written too slowly: lines are dropped, and counted");
        }
    }

    /// Closes the file and opens it anew: what had its name may have been moved away. Standard output stays.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Waits until what is queued is written, for a few seconds at most; later lines are dropped.
    pub async fn finish(&self) {
        self.ask_to_finish();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended
            && tokio::time::timeout(FINISH_MAX, ended).await.is_err()
        {
            let name = self.shared.name;
            tracing::error!(target: "edge::log", "the {name} could not be written to its end");
        }
    }
}

impl<L> Journal<L> {
    /// What was written and what was not.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    fn ask_to_finish(&self) {
        self.shared.finish.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl<L> Drop for Journal<L> {
    fn drop(&mut self) {
        self.ask_to_finish();
    }
}

/// Opens what lines go to. The header is written unless the file begins with it already.
fn open(target: &Target, header: &[u8]) -> io::Result<Box<dyn Write + Send>> {
    let mut out: Box<dyn Write + Send> = match target {
        Target::Stdout => Box::new(io::stdout()),
        Target::File(path) => {
            let file = OpenOptions::new().append(true).create(true).open(path)?;
            if begins_with(path, header) {
                return Ok(Box::new(file));
            }
            Box::new(file)
        }
    };
    // What cannot be written is said when the first lines cannot.
    _ = out.write_all(header).and_then(|()| out.flush());
    Ok(out)
}

/// Whether a file (nothing else has a beginning) begins with these bytes.
fn begins_with(path: &PathBuf, header: &[u8]) -> bool {
    let is_file = std::fs::metadata(path).is_ok_and(|about| about.is_file());
    let mut beginning = vec![0; header.len()];
    let read = || File::open(path)?.read_exact(&mut beginning);
    is_file && { read }().is_ok() && beginning == header
}

/// How the text so far ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// With a whole line.
    Whole,
    /// With a whole line, but some before it were lost.
    Failing,
    /// In the middle of a line.
    Torn,
}

/// What the thread has.
struct Writer {
    target: Target,
    header: Vec<u8>,
    out: Box<dyn Write + Send>,
    /// Lines in the buffer.
    buffered: u64,
    buffer: Vec<u8>,
    state: State,
}

impl Writer {
    /// Writes until it is told to end, or nobody is left who could have lines.
    fn run<L: Line>(mut self, lines: &Receiver<L>, shared: &Shared) {
        loop {
            // Before the look at the queue: what was in it when this was asked is written first.
            let finish = shared.finish.load(Ordering::Acquire);
            let reopen = shared.reopen.swap(false, Ordering::Acquire);
            for line in lines.try_iter() {
                shared.lines.fetch_sub(1, Ordering::Relaxed);
                shared.bytes.fetch_sub(line.weight(), Ordering::Relaxed);
                line.write(&mut self.buffer);
                self.buffered += 1;
                if self.buffer.len() >= BUFFER_BYTES {
                    self.flush(shared);
                }
            }
            self.flush(shared);
            if reopen {
                self.reopen(shared);
            }
            if finish {
                return;
            }
            thread::park_timeout(ROUND);
        }
    }

    fn reopen(&mut self, shared: &Shared) {
        if self.target == Target::Stdout {
            return;
        }
        match open(&self.target, &self.header) {
            Ok(out) => (self.out, self.state) = (out, State::Whole),
            Err(error) => {
                let name = shared.name;
                tracing::error!(target: "edge::log", %error, "the {name} cannot be opened again: the old file stays in use");
            }
        }
    }

    /// Writes the buffer. What cannot be written is lost, and counted.
    fn flush(&mut self, shared: &Shared) {
        if self.buffered == 0 {
            return;
        }
        let Shared { counters, name, .. } = shared;
        if self.state == State::Torn {
            self.buffer.insert(0, b'\n');
        }
        let mut rest = &self.buffer[..];
        let failed = loop {
            match self.out.write(rest) {
                Ok(0) => break Some(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(error),
            }
            if rest.is_empty() {
                break self.out.flush().err();
            }
        };
        let lost = rest.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let lost = if failed.is_some() { lost.clamp(1, self.buffered) } else { 0 };
        counters.written.fetch_add(self.buffered - lost, Ordering::Relaxed);
        counters.dropped.fetch_add(lost, Ordering::Relaxed);
        if let (Some(error), State::Whole) = (&failed, self.state) {
            tracing::error!(target: "edge::log", %error, "the {name} cannot be written: lines are dropped, and counted");
        }
        let begun = self.buffer.len() - rest.len();
        self.state = match failed {
            None => State::Whole,
            Some(_) if begun == 0 => self.state.with_nothing_more(),
            Some(_) if self.buffer[begun - 1] == b'\n' => State::Failing,
            Some(_) => State::Torn,
        };
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES * 2);
        self.buffered = 0;
    }
}

impl State {
    /// After a failure that left nothing.
    fn with_nothing_more(self) -> Self {
        if self == Self::Torn { Self::Torn } else { Self::Failing }
    }
}

#[cfg(test)]
mod tests;
