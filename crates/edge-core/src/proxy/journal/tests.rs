//! A journal on real files.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// A directory of its own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("edge-journal-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("log")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

fn journal(file: &Path) -> Journal<String> {
    Journal::open("test log", Target::File(file.to_owned()), b"#head\n".to_vec()).unwrap()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

/// Waits until it is so, within reason.
async fn until(what: &str, so: impl Fn() -> bool) {
    let comes = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(30), comes).await;
    came.unwrap_or_else(|_| panic!("{what} did not come"));
}

#[tokio::test]
async fn what_was_queued_is_written_at_the_end() {
    let scratch = Scratch::new("end");
    for run in 0..2 {
        let journal = journal(&scratch.file());
        for line in 0..1_000 {
            journal.write(format!("{run} {line}"));
        }
        journal.finish().await;
        assert_eq!(journal.counters().written.load(Relaxed), 1_000);
        journal.write("too late".to_owned());
        assert_eq!(journal.counters().dropped.load(Relaxed), 1);
    }
    let text = read(&scratch.file());
    // The header is there once, although the file was opened twice.
    assert!(text.starts_with("#head\n0 0\n0 1\n") && text.ends_with("1 999\n"), "{text}");
    assert_eq!(text.lines().count(), 2_001);
}

/// Says when it is made text of, and waits until it may be.
struct Held(Sender<()>, Receiver<()>);

enum Text {
    Plain(String),
    Held(Mutex<Held>),
}

impl Line for Text {
    fn weight(&self) -> usize {
        match self {
            Self::Plain(text) => text.len(),
            Self::Held(_) => 0,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Plain(text) => text.write(out),
            Self::Held(held) => {
                let Held(begun, go) = &*held.lock().unwrap();
                begun.send(()).unwrap();
                go.recv().unwrap();
                out.push(b'\n');
            }
        }
    }
}

/// A journal whose thread is held up, until the sender says go on.
fn held_up(file: &Path) -> (Journal<Text>, Sender<()>) {
    let journal: Journal<Text> =
        Journal::open("test log", Target::File(file.to_owned()), Vec::new()).unwrap();
    let ((begun, has_begun), (go_on, go)) = (channel(), channel());
    journal.write(Text::Held(Mutex::new(Held(begun, go))));
    has_begun.recv().unwrap();
    (journal, go_on)
}

#[tokio::test]
async fn what_does_not_fit_is_dropped_and_counted() {
    let scratch = Scratch::new("full");
    let (journal, go_on) = held_up(&scratch.file());
    for _ in 0..QUEUED_LINES_MAX + 10 {
        journal.write(Text::Plain("x".to_owned()));
    }
    assert_eq!(journal.counters().dropped.load(Relaxed), 10);
    go_on.send(()).unwrap();
    journal.finish().await;
    assert_eq!(journal.counters().written.load(Relaxed), QUEUED_LINES_MAX as u64 + 1);
    assert_eq!(read(&scratch.file()).lines().count(), QUEUED_LINES_MAX + 1);
}

#[tokio::test]
async fn few_large_lines_fill_it_too() {
    let scratch = Scratch::new("large");
    let (journal, go_on) = held_up(&scratch.file());
    for _ in 0..40 {
        journal.write(Text::Plain("x".repeat(QUEUED_BYTES_MAX / 16)));
    }
    // The last one in may go beyond.
    assert_eq!(journal.counters().dropped.load(Relaxed), 40 - 16);
    go_on.send(()).unwrap();
    journal.finish().await;
    assert_eq!(journal.counters().written.load(Relaxed), 17);
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_followed_by_a_new_one() {
    let scratch = Scratch::new("moved");
    let journal = journal(&scratch.file());
    journal.write("before".to_owned());
    until("the line", || journal.counters().written.load(Relaxed) == 1).await;
    let old = scratch.0.join("log.1");
    std::fs::rename(scratch.file(), &old).unwrap();
    journal.reopen();
    until("the new file", || scratch.file().exists()).await;
    journal.write("after".to_owned());
    journal.finish().await;
    assert_eq!((read(&old).as_str(), read(&scratch.file()).as_str()), ("#head\nbefore\n", "#head\nafter\n"));
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_again_stays_in_use() {
    let scratch = Scratch::new("stays");
    let journal = journal(&scratch.file());
    let old = scratch.0.join("log.1");
    std::fs::rename(scratch.file(), &old).unwrap();
    std::fs::create_dir(scratch.file()).unwrap();
    journal.reopen();
    journal.write("on".to_owned());
    journal.finish().await;
    assert_eq!(read(&old), "#head\non\n");
}

#[test]
fn what_cannot_be_opened_is_an_error() {
    let scratch = Scratch::new("none");
    let target = Target::File(scratch.0.join("nowhere/log"));
    assert!(Journal::<String>::open("test log", target, Vec::new()).is_err());
}

/// A disk with room for so many bytes.
struct Disk {
    room: usize,
    text: Arc<Mutex<Vec<u8>>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= taken;
        self.text.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A full disk costs lines, and where one was torn the next begins on a line of its own.
#[test]
fn a_full_disk_costs_lines() {
    let text = Arc::default();
    let shared = Shared {
        name: "test log",
        counters: Counters::default(),
        lines: AtomicUsize::new(0),
        bytes: AtomicUsize::new(0),
        overflowed: AtomicBool::new(false),
        reopen: AtomicBool::new(false),
        finish: AtomicBool::new(false),
    };
    let mut writer = Writer {
        target: Target::Stdout,
        header: Vec::new(),
        out: Box::new(Disk { room: 7, text: Arc::clone(&text) }),
        buffered: 0,
        buffer: Vec::new(),
        state: State::Whole,
    };
    let mut write = |room: Option<usize>, lines: &[&str]| {
        if let Some(room) = room {
            writer.out = Box::new(Disk { room, text: Arc::clone(&text) });
        }
        for line in lines {
            line.to_string().write(&mut writer.buffer);
            writer.buffered += 1;
        }
        writer.flush(&shared);
        (shared.counters.written.load(Relaxed), shared.counters.dropped.load(Relaxed), writer.state)
    };
    assert_eq!(write(None, &["one", "two", "three"]), (1, 2, State::Torn));
    assert_eq!(write(None, &["four"]), (1, 3, State::Torn));
    assert_eq!(write(Some(100), &["five"]), (2, 3, State::Whole));
    assert_eq!(String::from_utf8(text.lock().unwrap().clone()).unwrap(), "one\ntwo\nfive\n");
}
