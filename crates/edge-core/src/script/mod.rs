//! The JavaScript of CloudFront Functions: what a script is, whether it can be read, and what a run of it comes to.
//!
//! A run is a total function of the script, the event and what the caller says of the world (now, a seed): it ends
//! with a value or a fault, within a count of steps and an amount of memory, and the next run knows nothing of it.
//! This module refuses to know what events and returned values mean: both are JSON texts here, and
//! `function` makes them of requests. What of an event is long is asked for only when the script looks at it. Whether the engine is there at all is a matter of how this was built
//! (feature `functions`): [`CAN_RUN`].

#[cfg(feature = "functions")]
mod cbor;
#[cfg(feature = "functions")]
mod cwt;
#[cfg(feature = "functions")]
mod engine;
#[cfg(feature = "functions")]
mod host;
pub mod store;
mod words;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

pub use store::KeyValueStore;
pub use words::Mistake;

/// Whether scripts are run by this build.
pub const CAN_RUN: bool = cfg!(feature = "functions");

/// The two runtimes (§14.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// `cloudfront-js-1.0`.
    One,
    /// `cloudfront-js-2.0`.
    Two,
}

/// What a script is called with, and so what its function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entry {
    /// `handler(event)`: requests and responses.
    Requests,
    /// `connectionHandler(connection)`: TLS handshakes (§11.6). ES2020 is documented for these.
    Connections,
}

impl Entry {
    /// What the function is called.
    pub fn function(self) -> &'static str {
        match self {
            Self::Requests => "handler",
            Self::Connections => "connectionHandler",
        }
    }
}

/// A function's code, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What people call it.
    pub name: String,
    /// Which contract it was written for.
    pub version: Version,
    /// What calls it.
    pub entry: Entry,
    /// As it came.
    pub code: String,
    /// What `cf.kvs()` reads.
    pub store: Option<Arc<KeyValueStore>>,
}

/// What a run is told.
#[derive(Clone)]
pub struct Input<'a> {
    /// The event, as JSON; what is in `parts` is missing.
    pub event: &'a str,
    /// The rest of the event, and `edge`: what `cf.edgeLocation` gives.
    pub parts: Arc<dyn Parts>,
    /// The query string as it came; `None` without `?`.
    pub query: Option<&'a str>,
    /// What `Date` says during the run.
    pub now: SystemTime,
    /// What `Math.random` starts from.
    pub seed: u32,
}

/// What of an event is made when a script first looks at it.
pub trait Parts {
    /// `request.headers` and the like, or `edge`, as JSON.
    fn part(&self, name: &str) -> String;
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// `{"value": …, "same": […], "origin": …}` as JSON, or why there is nothing. `same` are the fields of the value that
    /// are as they were given, and are not in it. Of [`Entry::Connections`] `{"decision": …, "custom": …}`.
    pub result: Result<String, Fault>,
    /// What it wrote to the console.
    pub log: Vec<String>,
    /// Of the steps a run may take, in hundredths.
    pub utilisation: u8,
}

/// Why a run came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It threw, or could not be read: what, and where.
    Threw(String),
    /// It took more steps than a run may.
    TooLong,
    /// It wanted more memory than a run may have.
    TooLarge,
    /// What it returned cannot be read: a getter throws, or it contains itself.
    Unreadable(String),
    /// There is no engine in this build.
    NoEngine,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threw(what) => write!(f, "it threw {what}"),
            Self::TooLong => f.write_str("it ran too long"),
            Self::TooLarge => f.write_str("it needed too much memory"),
            Self::Unreadable(what) => write!(f, "what it returned cannot be read: {what}"),
            Self::NoEngine => f.write_str("this build runs no functions"),
        }
    }
}

impl Script {
    /// Everything that is wrong with the code, with line and column: errors first, then what only may be.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut found = words::mistakes(&self.code, self.version, self.entry);
        if !found.iter().any(Mistake::is_error) {
            found.extend(self.refused());
            found.sort_by_key(|mistake| !mistake.is_error());
        }
        found
    }

    /// What the engine has against it.
    #[cfg(feature = "functions")]
    fn refused(&self) -> Vec<Mistake> {
        engine::mistakes(self)
    }

    #[cfg(not(feature = "functions"))]
    fn refused(&self) -> Vec<Mistake> {
        Vec::new()
    }

    /// Runs it.
    #[cfg(feature = "functions")]
    pub fn run(self: &Arc<Self>, input: &Input<'_>) -> Output {
        engine::run(self, input)
    }

    /// Says that there is nothing to run it with.
    #[cfg(not(feature = "functions"))]
    pub fn run(self: &Arc<Self>, _input: &Input<'_>) -> Output {
        Output { result: Err(Fault::NoEngine), log: Vec::new(), utilisation: 0 }
    }
}

/// The value of one text of code, as a string, or the error it ends with: how the language is tested.
#[cfg(feature = "functions")]
pub fn evaluate(code: &str) -> Result<String, String> {
    engine::evaluate(code)
}
