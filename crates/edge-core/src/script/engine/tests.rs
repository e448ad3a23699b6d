//! What the engine promises: a run is a function of its input, ends within its limits, and leaves nothing behind.

use super::*;

fn script(code: &str) -> Arc<Script> {
    Arc::new(Script {
        name: "f".to_owned(),
        version: Version::Two,
        entry: Entry::Requests,
        code: code.to_owned(),
        store: None,
    })
}

/// Of every part the same: a field.
struct Field;

impl Parts for Field {
    fn part(&self, _name: &str) -> String {
        r#"{"a":{"value":"1"}}"#.to_owned()
    }
}

fn input() -> Input<'static> {
    Input {
        event: r#"{"request":{"uri":"/a"}}"#,
        parts: Arc::new(Field),
        query: Some("a=1"),
        now: UNIX_EPOCH,
        seed: 7,
    }
}

fn value(code: &str) -> Result<serde_json::Value, Fault> {
    let script = script(code);
    let output = script.run(&input());
    output.result.map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap()["value"].clone())
}

#[test]
fn a_handler_returns_what_it_makes() {
    assert_eq!(value("function handler(e) { e.request.uri += '/b'; return e.request.uri }").unwrap(), "/a/b");
    assert_eq!(
        value("async function handler(e) { return await e.request.rawQueryString() }").unwrap(),
        "a=1"
    );
}

/// What it is, its code, and what it must end in.
type Hostile = (&'static str, &'static str, fn(&Fault) -> bool);

/// Ends in a fault within the limits, and what runs next on the same thread finds everything as it was.
#[test]
fn whatever_a_script_does_it_ends_and_the_next_run_is_clean() {
    let clean = "function handler(e) {\
                   return [typeof [].leaked, typeof {}.leaked, typeof globalThis.leaked, JSON.stringify([1]), 'a'.toUpperCase(),\
                           Object.keys(e).length, typeof leaked, ''.concat('b'), Math.max(1, 2), /a/.test('a'), new Date().getTime()].join() }";
    let expected = "undefined,undefined,undefined,[1],A,1,undefined,b,2,true,0";
    assert_eq!(value(clean).unwrap(), expected);
    let hostile: &[Hostile] = &[
        ("endless loop", "while (true) {}", |f| *f == Fault::TooLong),
        ("endless loop that catches", "for (;;) { try { for (;;) {} } catch (e) {} }", |f| {
            *f == Fault::TooLong
        }),
        ("endless loop of promises", "const f = () => Promise.resolve().then(f); return f()", |f| {
            // Where memory ends while a promise is settled, it never is.
            matches!(f, Fault::TooLong | Fault::TooLarge | Fault::Threw(_))
        }),
        ("never settled", "return new Promise(() => {})", |f| matches!(f, Fault::Threw(_))),
        ("array that grows", "const a = []; for (;;) a.push('x' + a.length)", |f| *f == Fault::TooLarge),
        ("objects that grow", "let a = {}; for (;;) a = { a, b: {} }", |f| {
            matches!(f, Fault::TooLarge | Fault::TooLong)
        }),
        ("huge string", "return 'x'.repeat(100000000)", |f| *f == Fault::TooLarge),
        ("doubled string", "let s = 'xxxxxxxx'; for (;;) s += s", |f| {
            matches!(f, Fault::TooLarge | Fault::TooLong | Fault::Threw(_))
        }),
        ("padded string", "return 'x'.padEnd(1 << 29, 'abc')", |f| *f == Fault::TooLarge),
        ("huge array", "return new Uint8Array(1 << 28)", |f| matches!(f, Fault::TooLarge | Fault::Threw(_))),
        ("recursion", "const f = () => f() + 1; return f()", |f| matches!(f, Fault::Threw(_))),
        ("recursion in JSON", "let a = []; for (let i = 0; i < 20000; i++) a = [a]; return a", |f| {
            matches!(f, Fault::Unreadable(_) | Fault::TooLarge)
        }),
        ("backtracking", "return /(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')", |f| {
            *f == Fault::TooLong
        }),
        ("getter that throws", "return { get uri() { throw new Error('no') } }", |f| {
            matches!(f, Fault::Unreadable(_))
        }),
        ("getter that does not end", "return { get uri() { for (;;) {} } }", |f| *f == Fault::TooLong),
        ("toJSON that does not end", "return { toJSON() { for (;;) {} } }", |f| *f == Fault::TooLong),
        ("proxy", "return new Proxy({}, {})", |f| matches!(f, Fault::Threw(_))),
        ("circle", "const a = {}; a.a = a; return a", |f| matches!(f, Fault::Unreadable(_))),
        ("thrown nothing", "throw undefined", |f| matches!(f, Fault::Threw(_))),
        ("thrown that throws", "throw { toString() { throw 1 } }", |f| {
            matches!(f, Fault::Threw(_) | Fault::TooLarge)
        }),
        ("eval", "return eval('1')", |f| matches!(f, Fault::Threw(_))),
        ("made of text", "return new Function('return 1')()", |f| matches!(f, Fault::Threw(_))),
        ("made of text, from behind", "return (async () => {}).constructor('return 1')()", |f| {
            matches!(f, Fault::Threw(_))
        }),
    ];
    for (name, body, is_expected) in hostile {
        let fault = value(&format!("function handler(e) {{ {body} }}"));
        assert!(fault.as_ref().is_err_and(is_expected), "{name}: {fault:?}");
        assert_eq!(value(clean).as_ref().unwrap(), expected, "after {name}");
    }
}

/// What is written to what runs share succeeds, as in a realm of one's own, and is gone with the run.
#[test]
fn what_a_run_changes_is_its_own() {
    let runs = [
        "[].__proto__.leaked = 1; return [].leaked",
        "Object.prototype.leaked = 1; return {}.leaked",
        "globalThis.leaked = 1; return leaked",
        "try { Object.prototype.leaked = 1 } catch (e) {} return {}.leaked",
        "JSON.stringify = () => 'leaked'; return 1",
        "String.prototype.toUpperCase = () => 'leaked'; return 'a'.toUpperCase() === 'leaked' ? 1 : 0",
        "Math.max = undefined; return 1",
        "RegExp.prototype.test = () => 'leaked'; return 1",
        "Array.prototype[0] = 'leaked'; return 1",
        "delete Object.keys; return 1",
        "Object.setPrototypeOf(Object.prototype.constructor, null); return 1",
        "Date.now = () => 5; return 1",
        "console.log = 0; return 1",
        "(async () => {}).__proto__.leaked = 1; return 1",
        "const o = {}; o.toString = () => 'x'; return o + '' === 'x' ? 1 : 0",
        "Promise.resolve().then(() => {}).then(() => {}); return 1",
        "Error.prepareStackTrace = () => { leaked }; return 1",
        "Error.stackTraceLimit = 0; return 1",
        "require('crypto').createHash = 0; return 1",
    ];
    let clean = "function handler(e) { return [typeof {}.leaked, typeof [].leaked, typeof leaked, JSON.stringify({}), 'a'.toUpperCase(),\
                 Math.max(1), /a/.test('b'), [][0], Object.keys({}).length, typeof Date.now(), typeof console.log,\
                 typeof require('crypto').createHash].join() }";
    let before = value(clean).unwrap();
    assert_eq!(before, "undefined,undefined,undefined,{},A,1,false,,0,number,function,function");
    for body in runs {
        assert_eq!(value(&format!("function handler(e) {{ {body} }}")).unwrap(), 1, "{body}");
        assert_eq!(value(clean).unwrap(), before, "after {body}");
    }
}

#[test]
fn variables_are_new_in_each_run() {
    let script = script(
        "let count = 0; const seen = {}; function handler(e) { seen[count] = 1; count++; return [count, Object.keys(seen).length].join() }",
    );
    for _ in 0..3 {
        assert_eq!(script.run(&input()).result.unwrap(), r#"{"value":"1,1","origin":null}"#);
    }
}

#[test]
fn time_and_chance_are_the_callers() {
    let code = "function handler() { const a = Date.now(), b = new Date(), c = new Date(5); for (let i = 0; i < 1e5; i++);\
                return [a, b.getTime(), Date.now(), c.getTime(), b instanceof Date, Math.random(), Math.random()].join() }";
    let now = UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_123);
    let run = |seed| script(code).run(&Input { now, seed, ..input() }).result.unwrap();
    assert!(run(1).contains("1700000000123,1700000000123,1700000000123,5,true,0."), "{}", run(1));
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

/// What a run gives, and what it must not differ from: the same in a realm of its own, where the event is made at once.
#[test]
fn that_the_event_is_made_part_by_part_is_never_seen() {
    let bodies = [
        "return r",
        "r.uri = '/b'; return r",
        "r.uri = '/a'; r.method = 5; return r",
        "delete r.uri; return r",
        "delete r.headers; return r",
        "delete r.headers; r.headers = { b: { value: '2' } }; return r",
        "r.headers = {}; r.cookies = undefined; return r",
        "r.headers.a.value = '2'; return r",
        "r.headers.b = { value: '\"2' }; return r",
        "r.cookies; return r",
        "return JSON.stringify(e)",
        "return { ...r }",
        "return Object.assign({}, r)",
        "const d = Object.create(r); d.headers = 1; return [d.headers, r.headers]",
        "return [r.headers === r.headers, r.headers === r.cookies, Object.keys(r), r.rawQueryString()]",
        "const seen = []; for (const name in r) seen.push(name, typeof r[name]); return seen",
        "return Object.entries(r)",
        "Object.freeze(r); return r.headers",
        "Object.freeze(r); r.headers.b = 1; return r",
        "Object.freeze(r); try { r.headers = 1 } catch (wrong) { return wrong.name } return r",
        "Object.defineProperty(r, 'headers', { writable: false }); return r",
        "Object.defineProperty(r, 'headers', { enumerable: false }); return r",
        "Object.defineProperties(r, { uri: { get() { r.headers.a.value = '9'; return '/g' } } }); return r",
        "Object.defineProperties(r, { cookies: { get() { r.headers.a.value = '9'; return 1 } } }); return r",
        "return [typeof r.__lookupGetter__('headers'), typeof r.__lookupGetter__('uri')]",
        "r.__defineGetter__('headers', () => 5); return r",
        "r.toJSON = () => 5; return r",
        "Object.prototype.toJSON = () => 1; return r",
        "r.headers.toJSON = (name) => name; return r",
        "r.uri = { toJSON: (name) => name }; return r",
        "r.statusCode = 200; return r",
        "r.more = () => 1; r.other = null; r.third = NaN; return r",
        "r.a = r; return r",
        "e.request = { uri: '/x' }; return r",
        "e.request = { uri: '/x' }; return e.request",
        "Object.setPrototypeOf(r, { inherited: 1 }); return r",
        "r['__proto__'] = { inherited: 1 }; return r",
        "r.uri = new String('/s'); return r",
        "r.headers = [1]; return r",
        "return [r]",
        "r.headers.a = undefined; return r",
        "r.uri = '\\ud800'; return r",
    ];
    for body in bodies {
        let code = format!("function handler(e) {{ const r = e.request; {body} }}");
        assert_eq!(whole(&code), whole(&format!("{code} // stack")), "{body}");
    }
}

/// A request with a status is a response, so nothing of it is what the request had.
#[test]
fn of_a_request_with_a_status_all_is_given_back() {
    let run = |body: &str| {
        script(&format!("function handler(e) {{ {body}; return e.request }}")).run(&input()).result.unwrap()
    };
    assert!(run("").contains("\"same\":[\"uri\",\"querystring\",\"headers\",\"cookies\"]"), "{}", run(""));
    assert!(!run("e.request.statusCode = 200").contains("same"));
}

/// What a run gives, with what is the same put back; the order of its fields says nothing.
fn whole(code: &str) -> Result<String, Fault> {
    let text = script(code).run(&input()).result?;
    let Ok(mut back) = serde_json::from_str::<serde_json::Value>(&text) else {
        return Ok("no text".to_owned());
    };
    if !back.is_object() {
        return Ok(text);
    }
    let same = back["same"].take();
    for name in same.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str) {
        let head = serde_json::from_str::<serde_json::Value>(input().event).unwrap();
        back["value"][name] = match &head["request"][name] {
            serde_json::Value::Null => serde_json::from_str(&Field.part(name)).unwrap(),
            field => field.clone(),
        };
    }
    let fields = back["value"].as_object().map(|fields| {
        fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect::<std::collections::BTreeSet<_>>()
    });
    Ok(fields.map_or_else(|| back["value"].to_string(), |fields| format!("{fields:?}")))
}

/// Loops of the engine's own, which it does not count: each of these hung before they were paid for in steps.
#[test]
fn what_the_engine_does_not_count_is_paid_for() {
    let endless = [
        "return [].fill.call(Object.create(new Uint8Array(1), { length: { value: 2 ** 53 - 1 } }), 1)",
        "const t = new Uint8Array(1); Object.defineProperty(t, 'length', { value: 2 ** 53 - 1 }); return [].fill.call(t)",
        "return [].reverse.call({ length: 2 ** 53 - 1 })",
        "return [].copyWithin.call({ length: 2 ** 53 - 1 }, 0, 1)",
        "return [].join.call({ length: 2 ** 53 - 1 }, '')",
        "return [].toLocaleString.call({ length: 2 ** 53 - 1 })",
        "return new Array(1e9).join()",
        "return String(new Array(4294967295))",
        "const a = [1]; a[1e9] = 1; return a.join('')",
        "return [].concat({ length: 2 ** 53 - 1, [Symbol.isConcatSpreadable]: true })",
        "return [].concat([], new Array(4294967295))",
        "const b = []; return [].concat({ get 0() { b.length = 4294967295 }, length: 1, [Symbol.isConcatSpreadable]: true }, b)",
        "return new Array(4294967295).slice()",
        "return [].splice.call({ length: 2 ** 53 - 1 }, 0, 1)",
        "return [].shift.call({ length: 2 ** 53 - 1 })",
        "return [].unshift.call({ length: 2 ** 53 - 2 }, 1)",
        "return new Array(4294967295).sort()",
        "return new Array(4294967295).flat()",
        "return [new Array(4294967295)].flat()",
        "return [].flatMap.call({ length: 2 ** 53 - 1 }, (x) => x)",
        "return [1].flatMap(() => new Array(4294967295))",
        "let x = []; for (let i = 0; i < 40; i++) x = [x, x]; return x.flat(Infinity)",
        "return JSON.stringify(1, new Array(4294967295))",
        "let x = {}; for (let i = 0; i < 40; i++) x = { a: x, b: x }; return JSON.stringify(x)",
        "let x = {}; for (let i = 0; i < 40; i++) x = { a: x, b: x }; return JSON.stringify(x, ['a', 'b'])",
        "let x = {}; for (let i = 0; i < 40; i++) x = { a: x, b: x }; return x",
        "let x = {}; for (let i = 0; i < 40; i++) x = { a: x, b: x }; console.log(x)",
        "return String.raw({ raw: { length: 2 ** 53 - 1 } })",
        "const s = 'a'.repeat(1e6); return s.indexOf('a'.repeat(5e5) + 'b')",
        "const s = 'a'.repeat(1e6); return s.includes('a'.repeat(5e5) + 'b')",
        "const s = 'a'.repeat(1e6); return s.lastIndexOf('a' + 'b'.repeat(5e5))",
        "const s = 'a'.repeat(1e6); return s.split('a'.repeat(5e5) + 'b')",
        "const s = 'a'.repeat(1e6); return s.replace('a'.repeat(5e5) + 'b', '')",
        "const s = 'a'.repeat(1e6); return s.replaceAll('a'.repeat(5e5) + 'b', '')",
        "const s = { toString: () => 'a'.repeat(1e6) }; return ''.indexOf.call(s, { toString: () => 'a'.repeat(5e5) + 'b' })",
        "const a = new Array(5e4).fill(1); for (;;) a.slice()",
        "const a = new Array(5e4).fill(1); for (;;) a.join('')",
        "const s = 'a'.repeat(1e6); for (;;) s.indexOf('b')",
        "const s = 'a'.repeat(1e6); for (;;) s.toUpperCase()",
        "const s = 'a'.repeat(1e5); for (;;) require('crypto').createHash('md5').update(s).digest('hex')",
        "for (;;) 'a'.repeat(1e6)",
    ];
    for body in endless {
        let fault = value(&format!("function handler(e) {{ {body} }}"));
        assert_eq!(fault, Err(Fault::TooLong), "{body}");
    }
    // What is paid for has a length that stays.
    let computed = "function handler() { return [].reverse.call({ get length() { return 2 ** 53 - 1 } }) }";
    assert!(matches!(value(computed), Err(Fault::Threw(what)) if what.contains("length must be a number")));
}

/// What is paid for is what it was.
#[test]
fn what_is_paid_for_does_what_it_did() {
    let same = [
        ("[3, 1, 2].sort().join()", "1,2,3"),
        ("[[1, [2, [3]]], 4].flat().length", "3"),
        ("[1, [2, [3, [4]]]].flat(Infinity).join()", "1,2,3,4"),
        ("[1, , 2].flat().length", "2"),
        ("[1, 2].flatMap((x, i) => [x, [i]]).length", "4"),
        ("[1].concat(2, [3, [4]], 'a').length", "5"),
        ("[1, 2, 3, 4].slice(-3, -1).join()", "2,3"),
        ("[1, 2, 3, 4].slice().length", "4"),
        ("const a = [1, 2, 3, 4]; a.splice(1, 2, 'x') + '|' + a", "2,3|1,x,4"),
        ("const a = [1, 2, 3]; a.splice(1) + '|' + a", "2,3|1"),
        (
            "'a-b-c'.split('-').length + 'a-b'.replace(/-/g, '+') + 'aXbX'.replaceAll('X', (x) => '.')",
            "3a+ba.b.",
        ),
        ("'abc'.indexOf('c') + ' ' + 'abc'.includes(/b/.source) + ' ' + 'nullx'.indexOf(null)", "2 true 0"),
        ("JSON.stringify({ a: [1, { b: 2 }], c: undefined }, ['a', 'b'], 1).length", "37"),
        (
            "JSON.stringify({ a: 1 }) + JSON.stringify(undefined) + JSON.stringify([() => 1])",
            "{\"a\":1}undefined[null]",
        ),
        (
            "[].concat.length + '' + [].flat.length + [].slice.length + ''.indexOf.length + JSON.stringify.length",
            "10213",
        ),
        ("[].slice.name + ''.split.name + [].flatMap.name", "slicesplitflatMap"),
        ("encodeURIComponent('é') + parseInt('7f', 16) + Number.parseFloat('1.5')", "%C3%A91271.5"),
        ("String(new Uint8Array([3, 1]).sort()) + String.raw`a\\n${1}`", "1,3a\\n1"),
        ("typeof DataView.prototype.getBigInt64", "undefined"),
    ];
    for (code, expected) in same {
        let got = evaluate(code);
        assert!(got.as_deref() == Ok(expected), "{code}: {got:?}");
    }
}
