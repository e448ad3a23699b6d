//! Properties that hold for any input. A target is a function of bytes that panics when its property does not hold.
//!
//! libFuzzer drives them (`make fuzz`), and so does `tests/smoke.rs` with the seeds below and what it makes of them
//! (`make fuzz-smoke`, part of CI). To add one: a file here, a row in [`TARGETS`], a `[[bin]]` and its three lines.

pub mod cache_control;
pub mod cookie;
pub mod document;
pub mod exchange;
pub mod fingerprint;
pub mod form;
pub mod key;
pub mod path_pattern;
pub mod range;
pub mod viewer_head;

/// A fuzz target.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name of its program.
    pub name: &'static str,
    /// Panics if the property does not hold for these bytes.
    pub check: fn(&[u8]),
    /// Inputs that reach far: what mutations begin with.
    pub seeds: &'static [&'static str],
}

/// All of them.
pub const TARGETS: [Target; 10] = [
    Target { name: "cache_control", check: cache_control::check, seeds: cache_control::SEEDS },
    Target { name: "cookie", check: cookie::check, seeds: cookie::SEEDS },
    Target { name: "document", check: document::check, seeds: document::SEEDS },
    Target { name: "exchange", check: exchange::check, seeds: exchange::SEEDS },
    Target { name: "fingerprint", check: fingerprint::check, seeds: fingerprint::SEEDS },
    Target { name: "form", check: form::check, seeds: form::SEEDS },
    Target { name: "key", check: key::check, seeds: key::SEEDS },
    Target { name: "path_pattern", check: path_pattern::check, seeds: path_pattern::SEEDS },
    Target { name: "range", check: range::check, seeds: range::SEEDS },
    Target { name: "viewer_head", check: viewer_head::check, seeds: viewer_head::SEEDS },
];

/// The program of a target: libFuzzer's under cargo-fuzz; else one that checks the files it is given, so that a
/// finding can be looked at with the stable compiler.
#[macro_export]
macro_rules! program {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$target::check(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for path in std::env::args_os().skip(1) {
                $crate::$target::check(&std::fs::read(&path)?);
                println!("{}: holds", path.display());
            }
            Ok(())
        }
    };
}

/// Text up to the first line end, and what follows it.
fn first_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}
