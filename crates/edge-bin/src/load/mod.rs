//! `edge-bin load`: many viewers at once, from one small program.
//!
//! It exists because the usual load generators do not know what an edge answers: they count a body cut short as a
//! success and cannot tell a Hit from a Miss. This one checks every body against its Content-Length and counts per
//! `X-Cache`. It knows nothing of distributions: to it the edge is a server like any other, so the same command
//! measures nginx or CloudFront itself.
//!
//! `args` is the command line, `plan` what it means once checked, `connection` keeps one connection busy, `report`
//! counts. This file starts the threads and decides when the run is over.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

mod args;
mod connection;
mod plan;
mod report;

pub(crate) use args::Load;
use plan::Plan;
use report::{Report, Tally};

/// How long requests in flight may still take once the user pressed Ctrl-C.
const GRACE_AFTER_INTERRUPT: Duration = Duration::from_secs(1);
/// The longest a viewer sleeps before it looks again whether the run is over.
const NAP_MAX: Duration = Duration::from_millis(100);
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Exit code of a run in which a request failed.
const FAILED: u8 = 1;
/// Exit code of a command line that cannot be carried out.
const BAD_USAGE: u8 = 2;

/// Runs the load, prints the report, and says by its exit code whether every request succeeded.
pub(crate) fn run(args: Load) -> anyhow::Result<ExitCode> {
    let runtime = runtime()?;
    let plan = match Plan::read(&args).and_then(|plan| runtime.block_on(plan.resolved())) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Ok(ExitCode::from(BAD_USAGE));
        }
    };
    let report = runtime.block_on(carry_out(plan, &args))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(if report.failed == 0 && report.responses > 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

async fn carry_out(plan: Plan, args: &Load) -> anyhow::Result<Report> {
    let tallies = (0..plan.threads)
        .map(|_| Ok(Arc::new(Mutex::new(Tally::new()?))))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let run = Arc::new(Run::new(plan));
    let (abandon, abandoned) = watch::channel(false);
    let (done, mut all_done) = mpsc::channel::<()>(1);
    let mut threads = Vec::new();
    for (index, tally) in tallies.iter().enumerate() {
        let (run, tally, abandoned, done) = (run.clone(), tally.clone(), abandoned.clone(), done.clone());
        let runtime = runtime()?;
        threads.push(std::thread::Builder::new().name(format!("load-{index}")).spawn(move || {
            runtime.block_on(keep_busy(run, index, tally, abandoned));
            runtime.shutdown_background();
            drop(done); // the last thread to drop its sender ends `all_done`
        })?);
    }
    drop(done);

    let interrupted = tokio::select! {
        _ = all_done.recv() => false,
        never = show_progress(&run, &tallies) => never,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            run.stop();
            tokio::select! {
                _ = all_done.recv() => {}
                () = tokio::time::sleep(GRACE_AFTER_INTERRUPT) => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            true
        }
    };
    let elapsed = now() - run.started;
    abandon.send_replace(true);
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a load thread panicked"))?;
    }
    let mut total = Tally::new()?;
    for tally in &tallies {
        total.add(&lock(tally));
    }
    let gave_up = run.gave_up.load(Ordering::Relaxed);
    Ok(Report::new(&total, &run.plan, elapsed, report::Ending { interrupted, gave_up }, args.fail_on_status))
}

/// One thread: its share of the connections, until they have nothing left to ask or the run is abandoned.
async fn keep_busy(
    run: Arc<Run>,
    thread: usize,
    tally: Arc<Mutex<Tally>>,
    mut abandoned: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    for server in run.plan.connections.iter().copied().skip(thread).step_by(run.plan.threads) {
        connections.spawn(connection::keep_busy(run.clone(), server, tally.clone()));
    }
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        _ = abandoned.wait_for(|abandoned| *abandoned) => {}
    }
}

/// Draws a line on a terminal, and only there; never ends by itself.
async fn show_progress(run: &Run, tallies: &[Arc<Mutex<Tally>>]) -> bool {
    if !std::io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    let mut tick = tokio::time::interval(PROGRESS_INTERVAL);
    loop {
        tick.tick().await;
        let (mut responses, mut errors) = (0, 0);
        for tally in tallies {
            let tally = lock(tally);
            responses += tally.responses();
            errors += tally.errors();
        }
        let seconds = (now() - run.started).as_secs_f64();
        bar.set_message(format!(
            "{responses} responses, {errors} errors, {:.0} per second",
            responses as f64 / seconds.max(0.001)
        ));
        bar.tick();
    }
}

/// What all connections of one run share: the plan, and how much of it has been handed out.
struct Run {
    plan: Plan,
    started: Instant,
    deadline: Option<Instant>,
    issued: AtomicU64,
    turns: Vec<AtomicU64>, // one per server: where its rotation stands
    stopped: AtomicBool,
    answered: AtomicBool,
    gave_up: AtomicBool,
}

/// One request to make: which one, and the moment it was due if that moment has passed already.
struct Job {
    turn: u64,
    due: Option<Instant>,
    /// How many connections it has been tried on in vain.
    attempts: u8,
}

impl Run {
    fn new(plan: Plan) -> Run {
        let started = now();
        Run {
            started,
            deadline: plan.duration.map(|duration| started + duration),
            issued: AtomicU64::new(0),
            turns: plan.servers.iter().map(|_| AtomicU64::new(0)).collect(),
            stopped: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            gave_up: AtomicBool::new(false),
            plan,
        }
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Ends a run in which nothing has ever answered; once something has, failing is a result and the run goes on.
    fn give_up_unless_answered(&self) {
        if !self.answered.load(Ordering::Relaxed) {
            self.gave_up.store(true, Ordering::Relaxed);
            self.stop();
        }
    }

    /// The next request for `server`, when its time has come; `None` once the run is over.
    async fn next_job(&self, server: usize) -> Option<Job> {
        if self.is_over(now()) {
            return None;
        }
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        if self.plan.requests_max.is_some_and(|max| number >= max) {
            return None;
        }
        let due = match self.plan.rate {
            None => None,
            Some(rate) => {
                self.wait_until(self.started + Duration::from_secs_f64(number as f64 / rate)).await?
            }
        };
        let turn = self.turns[server].fetch_add(1, Ordering::Relaxed);
        Some(Job { turn, due, attempts: 0 })
    }

    /// Waits for a moment of the schedule. Whoever is late is told since when: its latency counts from then, or a
    /// server that stalls would be asked less while it stalls and look better than it is.
    async fn wait_until(&self, moment: Instant) -> Option<Option<Instant>> {
        let mut slept = false;
        loop {
            let now = now();
            if self.is_over(now) {
                return None;
            }
            if moment <= now {
                return Some((!slept).then_some(moment));
            }
            tokio::time::sleep((moment - now).min(NAP_MAX)).await;
            slept = true;
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.stopped.load(Ordering::Relaxed) || self.deadline.is_some_and(|deadline| now >= deadline)
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a load generator measures real time; nothing else here reads it"
)]
fn now() -> Instant {
    Instant::now()
}
