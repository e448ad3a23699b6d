//! QuickJS behind one type, [`Realm`], and the rule that keeps one run from knowing another.
//!
//! A thread keeps one realm for each runtime version, in which everything that runs share is frozen, and each run makes
//! the script's own functions and variables anew. What a frozen realm could show a script is that it is frozen: writing
//! to a prototype throws there. So a run in it counts only if it is clean, which is: it returned, the engine threw no
//! TypeError on the way (caught or not), nothing ran out, and no work is left over. Anything else is run again, from
//! the start, in a realm of its own that is thrown away. As a run depends on its input alone, nobody can tell.
//!
//! Steps are counted by the engine (calls, loops, backtracking), never by a clock, so that a verdict does not depend on
//! the machine. Nothing of QuickJS is seen outside this file.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::promise::PromiseState;
use rquickjs::{Context, Ctx, Exception, Function, Module, Object, Persistent, Promise, Runtime, Value};

use super::words::{Certainty, without_imports};
use super::{Entry, Fault, Input, KeyValueStore, Mistake, Output, Parts, Script, Version, cwt, host};

/// What a run may allocate beyond what its realm has, in bytes (§1.3).
const MEMORY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The engine asks every 10,000 steps whether to go on; a run may be asked so many times. CloudFront's millisecond is
/// some tens of thousands of steps; functions it would run must not fail here, so this is generous *(unsure)*: enough for
/// the five milliseconds of connection functions too.
const TURNS_MAX: u32 = 40;
/// Nested calls, in bytes of stack: within what any thread of a server has.
const STACK_BYTES_MAX: usize = 256 * 1024;
/// What the console keeps of a run, in characters (§1.3: 10 KB).
const LOG_CHARS_MAX: usize = 10 * 1024;
/// A realm keeps so many scripts; with the next one it starts anew, so that reloads leave nothing behind.
const SCRIPTS_MAX: usize = 64;

const PRELUDE: &str = include_str!("prelude.js");
const GUARDS: &str = include_str!("guards.js");

/// Lines before the script's own.
const LINES_BEFORE: usize = 1;

thread_local! {
    static SHARED: RefCell<[Option<Realm>; 2]> = const { RefCell::new([None, None]) };
}

/// Runs a script.
pub(super) fn run(script: &Arc<Script>, input: &Input<'_>) -> Output {
    if let Some(output) = SHARED.with(|shared| run_shared(shared, script, input)) {
        return output;
    }
    match Realm::new(script.version, Sharing::Own) {
        Some(mut realm) => realm.run(script, input).output,
        None => Output { result: Err(Fault::TooLarge), log: Vec::new(), utilisation: 0 },
    }
}

/// `None`: it does not count.
fn run_shared(
    shared: &RefCell<[Option<Realm>; 2]>,
    script: &Arc<Script>,
    input: &Input<'_>,
) -> Option<Output> {
    let mut realms = shared.try_borrow_mut().ok()?;
    let slot = &mut realms[usize::from(script.version == Version::Two)];
    if !slot.as_ref().is_some_and(|realm| realm.knows(script)) {
        if !may_share(&script.code) {
            return None;
        }
        if slot.as_ref().is_some_and(|realm| realm.scripts.len() >= SCRIPTS_MAX) {
            *slot = None;
        }
    }
    if slot.is_none() {
        *slot = Realm::new(script.version, Sharing::Shared);
    }
    let ran = slot.as_mut()?.run(script, input);
    if ran.left_over {
        *slot = None;
    }
    ran.is_clean.then_some(ran.output)
}

/// Whether a script could ask whether its realm is frozen, or reads what a shared realm does not keep.
fn may_share(code: &str) -> bool {
    const ASKS: [&str; 6] =
        ["getOwnPropertyDescriptor", "isFrozen", "isSealed", "isExtensible", "stack", "captureStackTrace"];
    !ASKS.iter().any(|word| code.contains(word))
}

/// Whether a script could tell a field from one that is made when it is first looked at.
fn tells_fields_apart(code: &str) -> bool {
    ["defineProp", "__define", "__lookup"].iter().any(|word| code.contains(word))
}

/// Everything the engine has against a script.
pub(super) fn mistakes(script: &Script) -> Vec<Mistake> {
    let Some(realm) = Realm::new(script.version, Sharing::Own) else { return Vec::new() };
    realm.current.begin(script.store.clone(), None);
    realm.limit_memory();
    let code = without_imports(&script.code);
    let refused = realm.context.with(|ctx| {
        // The code alone first, or one that closes our function would be read.
        Module::declare(ctx.clone(), script.name.as_str(), code.as_str())
            .map(drop)
            .map_err(|_| syntax_error(&ctx, 0))
            .and_then(|()| compile(&ctx, script, &code).map_err(|_| syntax_error(&ctx, LINES_BEFORE)))
            .and_then(|make| {
                make.call::<_, Value<'_>>(()).map(drop).map_err(|_| Mistake {
                    line: 1,
                    column: 1,
                    message: format!("every run ends with {}", realm.said(&ctx)),
                    certainty: Certainty::Possible,
                })
            })
    });
    refused.err().into_iter().collect()
}

fn syntax_error(ctx: &Ctx<'_>, lines_before: usize) -> Mistake {
    let thrown = ctx.catch();
    let thrown = thrown.as_object().and_then(|object| Exception::from_object(object.clone()));
    let message =
        thrown.as_ref().and_then(Exception::message).unwrap_or_else(|| "it cannot be read".to_owned());
    let stack = thrown.as_ref().and_then(Exception::stack).unwrap_or_default();
    let mut numbers =
        stack.lines().next().unwrap_or_default().rsplit(':').map(|part| part.trim().parse::<usize>());
    let column = numbers.next().and_then(Result::ok).unwrap_or(1);
    let line = numbers.next().and_then(Result::ok).unwrap_or(1);
    Mistake { line: line.saturating_sub(lines_before).max(1), column, message, certainty: Certainty::Certain }
}

/// The value of a text of code, or the name and message of its error.
pub(super) fn evaluate(code: &str) -> Result<String, String> {
    let realm = Realm::new(Version::Two, Sharing::Own).ok_or("no realm")?;
    realm.current.begin(None, None);
    realm.limit_memory();
    realm.context.with(|ctx| {
        let mut options = EvalOptions::default();
        options.strict = false;
        let value = ctx.eval_with_options::<Value<'_>, _>(code, options).map_err(|_| realm.said(&ctx))?;
        let text = realm.entries.text.clone().restore(&ctx).and_then(|text| text.call::<_, String>((value,)));
        text.map_err(|_| realm.said(&ctx))
    })
}

/// Who uses a realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// One run.
    Own,
    /// One after the other.
    Shared,
}

/// What the engine's callbacks know of the run.
#[derive(Default)]
struct Current {
    turns_left: Cell<u32>,
    tainted: Cell<bool>,
    store: RefCell<Option<Arc<KeyValueStore>>>,
    parts: RefCell<Option<Arc<dyn Parts>>>,
}

impl Current {
    fn begin(&self, store: Option<Arc<KeyValueStore>>, parts: Option<Arc<dyn Parts>>) {
        self.turns_left.set(TURNS_MAX);
        self.tainted.set(false);
        *self.store.borrow_mut() = store;
        *self.parts.borrow_mut() = parts;
    }

    fn end(&self) {
        *self.store.borrow_mut() = None;
        *self.parts.borrow_mut() = None;
    }
}

/// What the prelude gives.
struct Entries {
    begin: Persistent<Function<'static>>,
    end: Persistent<Function<'static>>,
    log: Persistent<Function<'static>>,
    said: Persistent<Function<'static>>,
    text: Persistent<Function<'static>>,
}

/// A global object with everything a script finds there. The order of fields is that of their end.
struct Realm {
    scripts: Vec<Prepared>,
    entries: Entries,
    current: Rc<Current>,
    context: Context,
    runtime: Runtime,
}

/// A script as a realm has read it.
#[derive(Clone)]
struct Prepared {
    script: Arc<Script>,
    /// Makes its handler.
    make: Persistent<Function<'static>>,
    /// It is given the whole event at once.
    at_once: bool,
}

/// What came of a run, and of its realm.
struct Ran {
    output: Output,
    /// It may count though the realm was shared.
    is_clean: bool,
    /// The realm is not what it was.
    left_over: bool,
}

type Intrinsics = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
);

impl Realm {
    /// `None` where there is no memory for it.
    fn new(version: Version, sharing: Sharing) -> Option<Self> {
        let runtime = Runtime::new().ok()?;
        runtime.set_max_stack_size(STACK_BYTES_MAX);
        let context = Context::custom::<Intrinsics>(&runtime).ok()?;
        let current = Rc::new(Current::default());
        let entries = context.with(|ctx| prelude(&ctx, &current, version, sharing)).ok()?;
        let counting = Rc::clone(&current);
        runtime.set_interrupt_handler(Some(Box::new(move || {
            let left = counting.turns_left.get().saturating_sub(1);
            counting.turns_left.set(left);
            left == 0
        })));
        Some(Self { scripts: Vec::new(), entries, current, context, runtime })
    }

    fn limit_memory(&self) {
        let used = usize::try_from(self.runtime.memory_usage().malloc_size).unwrap_or_default();
        self.runtime.set_memory_limit(used + MEMORY_BYTES_MAX);
    }

    fn knows(&self, script: &Arc<Script>) -> bool {
        self.scripts.iter().any(|known| Arc::ptr_eq(&known.script, script))
    }

    fn run(&mut self, script: &Arc<Script>, input: &Input<'_>) -> Ran {
        self.current.begin(script.store.clone(), Some(Arc::clone(&input.parts)));
        let result = match self.prepared(script) {
            Ok(prepared) => self.call(prepared, input),
            Err(fault) => Err(fault),
        };
        let turns_left = self.current.turns_left.get();
        let result = if turns_left == 0 { Err(Fault::TooLong) } else { result };
        let pending = self.runtime.is_job_pending();
        let log = self.context.with(|ctx| self.log(&ctx));
        self.current.end();
        let used = u64::from(TURNS_MAX - turns_left) * 100 / u64::from(TURNS_MAX);
        Ran {
            // The engine's count goes on from run to run, so the last turn is decided where it begins with the run.
            is_clean: result.is_ok() && !self.current.tainted.get() && !pending && turns_left > 1,
            left_over: pending || matches!(result, Err(Fault::TooLong | Fault::TooLarge)),
            output: Output { result, log, utilisation: u8::try_from(used).unwrap_or(100) },
        }
    }

    fn prepared(&mut self, script: &Arc<Script>) -> Result<Prepared, Fault> {
        if let Some(known) = self.scripts.iter().find(|known| Arc::ptr_eq(&known.script, script)) {
            return Ok(known.clone());
        }
        let code = without_imports(&script.code);
        let make = self.context.with(|ctx| match compile(&ctx, script, &code) {
            Ok(make) => Ok(Persistent::save(&ctx, make)),
            Err(_) => Err(Fault::Threw(self.said(&ctx))),
        })?;
        let prepared =
            Prepared { script: Arc::clone(script), make, at_once: tells_fields_apart(&script.code) };
        self.scripts.push(prepared.clone());
        self.limit_memory();
        Ok(prepared)
    }

    fn call(&self, prepared: Prepared, input: &Input<'_>) -> Result<String, Fault> {
        let value = self.context.with(|ctx| self.begin(&ctx, prepared, input))?;
        while self.context.with(|ctx| is_pending(&ctx, &value)) {
            match self.runtime.execute_pending_job() {
                Ok(true) => {}
                Ok(false) => break,
                // What scripts throw rejects a promise; the rest is the engine's.
                Err(failed) => {
                    failed.0.with(|ctx| drop(ctx.catch()));
                    return Err(Fault::TooLarge);
                }
            }
        }
        self.context.with(|ctx| self.end(&ctx, value))
    }

    fn begin(
        &self,
        ctx: &Ctx<'_>,
        prepared: Prepared,
        input: &Input<'_>,
    ) -> Result<Persistent<Value<'static>>, Fault> {
        let now = input.now.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_millis() as f64);
        let is_connection = prepared.script.entry == Entry::Connections;
        let run = || -> rquickjs::Result<Value<'_>> {
            let make = prepared.make.restore(ctx)?;
            let begin = self.entries.begin.clone().restore(ctx)?;
            begin.call((make, input.event, prepared.at_once, input.query, now, input.seed, is_connection))
        };
        run().map(|value| Persistent::save(ctx, value)).map_err(|_| self.fault(ctx, Fault::Threw))
    }

    fn end(&self, ctx: &Ctx<'_>, value: Persistent<Value<'static>>) -> Result<String, Fault> {
        let value = value.restore(ctx).map_err(|_| Fault::TooLarge)?;
        let value = match value.as_promise().map(Promise::result::<Value<'_>>) {
            None => value,
            Some(None) => {
                return Err(Fault::Threw("the promise it returned is never settled".to_owned()));
            }
            Some(Some(settled)) => settled.map_err(|_| self.fault(ctx, Fault::Threw))?,
        };
        let end = self.entries.end.clone().restore(ctx).map_err(|_| Fault::TooLarge)?;
        end.call((value,)).map_err(|_| self.fault(ctx, Fault::Unreadable))
    }

    /// What the pending exception stands for.
    fn fault(&self, ctx: &Ctx<'_>, or: impl FnOnce(String) -> Fault) -> Fault {
        let said = self.said(ctx);
        // Where there is no memory for an error there is none to say so either.
        let is_out = ["out of memory", "created a unknown error"].iter().any(|word| said.contains(word));
        if said.is_empty() || is_out { Fault::TooLarge } else { or(said) }
    }

    /// The pending exception, for people.
    fn said(&self, ctx: &Ctx<'_>) -> String {
        let thrown = ctx.catch();
        if thrown.is_null() {
            return String::new(); // what the engine throws where there is no memory for an error
        }
        let said = self.entries.said.clone().restore(ctx).and_then(|said| said.call::<_, String>((thrown,)));
        ctx.catch();
        said.unwrap_or_default()
    }

    fn log(&self, ctx: &Ctx<'_>) -> Vec<String> {
        // A run that used up its turns may still be heard.
        self.current.turns_left.set(TURNS_MAX);
        let log = self.entries.log.clone().restore(ctx).and_then(|log| log.call::<_, String>(()));
        ctx.catch();
        log.ok()
            .filter(|json| !json.is_empty())
            .and_then(|json| serde_json::from_str(&json).ok())
            .unwrap_or_default()
    }
}

/// Whether a value is a promise that is not settled.
fn is_pending(ctx: &Ctx<'_>, value: &Persistent<Value<'static>>) -> bool {
    let value = value.clone().restore(ctx);
    value
        .is_ok_and(|value| value.as_promise().is_some_and(|promise| promise.state() == PromiseState::Pending))
}

/// The script as a function that makes its handler, so that each run has variables of its own.
fn compile<'js>(ctx: &Ctx<'js>, script: &Script, code: &str) -> rquickjs::Result<Function<'js>> {
    let mut options = EvalOptions::default();
    options.filename = Some(script.name.clone());
    let function = script.entry.function();
    ctx.eval_with_options(format!("(function () {{ 'use strict';\n{code}\n;return {function};\n}})"), options)
}

/// Evaluates the prelude.
fn prelude(
    ctx: &Ctx<'_>,
    current: &Rc<Current>,
    version: Version,
    sharing: Sharing,
) -> rquickjs::Result<Entries> {
    let given = Object::new(ctx.clone())?;
    given.set("version", if version == Version::Two { 2 } else { 1 })?;
    given.set("shared", sharing == Sharing::Shared)?;
    given.set("logMax", LOG_CHARS_MAX)?;
    given.set("linesBefore", LINES_BEFORE)?;
    given.set(
        "hash",
        Function::new(ctx.clone(), |algorithm: String, key: Option<String>, data: String| {
            host::hash(&algorithm, key.as_deref(), &data)
        })?,
    )?;
    given.set(
        "encode",
        Function::new(ctx.clone(), |encoding: String, data: String| host::encode(&encoding, &data))?,
    )?;
    given.set(
        "decode",
        Function::new(ctx.clone(), |encoding: String, data: String| host::decode(&encoding, &data))?,
    )?;
    given.set("tokenBytesMax", cwt::TOKEN_BYTES_MAX)?;
    given.set("tokenDepthMax", cwt::DEPTH_MAX)?;
    given.set(
        "validateToken",
        Function::new(ctx.clone(), |token: String, key: String| cwt::validate(&token, &key))?,
    )?;
    given.set(
        "generateToken",
        Function::new(ctx.clone(), |parts: String, key: String, is_tagged: bool| {
            cwt::generate(&parts, &key, is_tagged)
        })?,
    )?;
    let run = Rc::clone(current);
    given.set("tainted", Function::new(ctx.clone(), move || run.tainted.set(true))?)?;
    let run = Rc::clone(current);
    given.set(
        "value",
        Function::new(ctx.clone(), move |key: String| {
            run.store.borrow().as_ref().and_then(|store| store.items.get(&key).cloned())
        })?,
    )?;
    let run = Rc::clone(current);
    given.set(
        "part",
        Function::new(ctx.clone(), move |name: String| {
            run.parts.borrow().as_ref().map_or_else(|| "null".to_owned(), |parts| parts.part(&name))
        })?,
    )?;
    let run = Rc::clone(current);
    given.set("store", Function::new(ctx.clone(), move || run.store.borrow().as_deref().map(meta))?)?;
    let read = |name: &str, code: &str| {
        let mut options = EvalOptions::default();
        options.filename = Some(name.to_owned());
        ctx.eval_with_options::<Function<'_>, _>(code, options)
    };
    given.set("guards", read("guards", GUARDS)?)?;
    let prelude = read("prelude", PRELUDE)?;
    let entries: Object<'_> = prelude.call((given,))?;
    let entry = |name: &str| entries.get::<_, Function<'_>>(name).map(|entry| Persistent::save(ctx, entry));
    Ok(Entries {
        begin: entry("begin")?,
        end: entry("end")?,
        log: entry("log")?,
        said: entry("said")?,
        text: entry("text")?,
    })
}

fn meta(store: &KeyValueStore) -> String {
    serde_json::json!({
        "creationDateTime": store.created,
        "lastUpdatedDateTime": store.modified,
        "keyCount": store.items.len(),
    })
    .to_string()
}

#[cfg(test)]
mod tests;
