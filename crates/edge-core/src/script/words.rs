//! The words of a script, without understanding them: what a runtime lacks, and imports made into calls.
//!
//! The engine reads more than CloudFront's runtimes do. What the reference documents as missing is an error; what was
//! only seen to be refused is a warning. This refuses to be a parser: the engine has one.

use std::fmt;

use super::{Entry, Version};

/// Something wrong at a place of the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What.
    pub message: String,
    /// Whether CloudFront would certainly not run it.
    pub certainty: Certainty,
}

/// How sure it is that CloudFront would refuse the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It cannot run.
    Certain,
    /// Somebody saw it refused, or it fails in part.
    Possible,
}

impl Mistake {
    /// Whether it cannot run.
    pub fn is_error(&self) -> bool {
        self.certainty == Certainty::Certain
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An identifier or a keyword.
    Word,
    Number,
    Text,
    Template,
    Pattern,
    /// Punctuation, `=>`, `?.` and `...` in one piece.
    Mark,
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    /// In bytes from the start.
    at: usize,
}

/// What the words alone show to be wrong.
pub(super) fn mistakes(code: &str, version: Version, entry: Entry) -> Vec<Mistake> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| tokens.get(index));
        let after = tokens.get(index + 1);
        let is = |token: Option<&Token<'_>>, text: &str| token.is_some_and(|token| token.text == text);
        let is_name = token.kind == Kind::Word
            && (is(before, ".")
                || is(before, "?.")
                || is(after, ":") && !is(before, "?") && !is(before, "case"));
        if is_name {
            continue;
        }
        let Some((message, certainty)) = lacks(token, after, version)
            .or_else(|| seen_refused(&tokens, index).filter(|_| entry == Entry::Requests))
        else {
            continue;
        };
        let (line, column) = place(code, token.at);
        found.push(Mistake { line, column, message, certainty });
    }
    found.sort_by_key(|mistake| !mistake.is_error());
    found
}

/// What the table of §14.3 says the runtime has not.
fn lacks(token: &Token<'_>, after: Option<&Token<'_>>, version: Version) -> Option<(String, Certainty)> {
    let next = after.map_or("", |after| after.text);
    let missing = match (token.kind, token.text, version) {
        (Kind::Word, "const" | "await" | "import", Version::One) => true,
        (Kind::Word, "let", Version::One) => {
            after.is_some_and(|after| after.kind == Kind::Word) || next == "[" || next == "{"
        }
        (Kind::Word, "async", Version::One) => next == "function" || next == "(",
        (Kind::Word, "export", _) => true,
        (Kind::Word, "import", Version::Two) => next == "(" || next == ".",
        (Kind::Number, number, _) => number.ends_with('n'),
        _ => false,
    };
    missing.then(|| (format!("Token \"{}\" not supported in this version", token.text), Certainty::Certain))
}

/// What people reported to be refused (§14.3) *(unsure)*.
fn seen_refused(tokens: &[Token<'_>], index: usize) -> Option<(String, Certainty)> {
    let token = tokens.get(index)?;
    let next = tokens.get(index + 1).map_or("", |after| after.text);
    let refused = match (token.kind, token.text) {
        (Kind::Word, "class") => true,
        (Kind::Word, "function") => next == "*",
        (Kind::Mark, "?.") => true,
        (Kind::Word, "of") => {
            let before: Vec<&str> =
                tokens[index.saturating_sub(4)..index].iter().map(|token| token.text).collect();
            matches!(before[..], [.., "for", "(", "const" | "let" | "var", _] | [_, .., "for", "(", _])
        }
        _ => false,
    };
    refused.then(|| {
        (
            format!("Token \"{}\" was seen to be refused by CloudFront; it works here", token.text),
            Certainty::Possible,
        )
    })
}

/// The code with each `import` at its beginning made into a call: the lines stay.
#[cfg(feature = "functions")]
pub(super) fn without_imports(code: &str) -> String {
    let tokens = tokens(code);
    let mut out = String::with_capacity(code.len() + 64);
    let mut copied = 0;
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let begins = index == 0
            || tokens
                .get(index - 1)
                .is_some_and(|before| [";", "}"].contains(&before.text) || before.kind == Kind::Text);
        let import = (token.kind == Kind::Word && token.text == "import" && begins)
            .then(|| import(&tokens[index + 1..]))
            .flatten();
        if let Some((written, length)) = import {
            let last = tokens[index + length];
            out.push_str(&code[copied..token.at]);
            out.push_str(&written);
            copied = last.at + last.text.len();
            let lines = code[token.at..copied].matches('\n').count();
            out.extend(std::iter::repeat_n('\n', lines));
            index += length;
        }
        index += 1;
    }
    out.push_str(&code[copied..]);
    out
}

/// What stands behind `import`, as a call, and of how many tokens it was.
#[cfg(feature = "functions")]
fn import(rest: &[Token<'_>]) -> Option<(String, usize)> {
    let first = rest.first()?;
    if first.kind == Kind::Text {
        return Some((format!("require({})", first.text), 1));
    }
    let from = rest.iter().take(64).position(|token| token.text == "from")?;
    let module = rest.get(from + 1).filter(|module| module.kind == Kind::Text)?;
    let texts: Vec<&str> = rest[..from].iter().map(|token| token.text).collect();
    let names = match texts[..] {
        [name] | ["*", "as", name] => name.to_owned(),
        ["{", .., "}"] => texts.join(" ").replace(" as ", ": "),
        _ => return None,
    };
    Some((format!("const {names} = require({})", module.text), from + 2))
}

/// Line and column of a byte.
fn place(code: &str, at: usize) -> (usize, usize) {
    let before = &code[..at];
    let line_begins = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_begins..].chars().count() + 1)
}

/// Cuts the code into words. What is cut wrongly (a `/` in a place nobody writes it) may hide a mistake or show one.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let bytes = code.as_bytes();
    let mut tokens: Vec<Token<'_>> = Vec::new();
    // How deep in braces each open `${` is.
    let mut templates: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &code[at..];
        let (kind, length) = match byte {
            _ if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'/' if rest.starts_with("//") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            b'/' if rest.starts_with("/*") => {
                at += rest.find("*/").map_or(rest.len(), |end| end + 2);
                continue;
            }
            b'"' | b'\'' => (Kind::Text, quoted(rest, byte)),
            b'`' => (Kind::Template, template(&rest[1..], &mut templates, depth) + 1),
            b'}' if templates.last() == Some(&depth) => {
                templates.pop();
                (Kind::Template, template(&rest[1..], &mut templates, depth) + 1)
            }
            b'/' if is_pattern_place(tokens.last()) => (Kind::Pattern, pattern(rest)),
            b'0'..=b'9' => (Kind::Number, run(rest, |c| c.is_alphanumeric() || c == '.' || c == '_')),
            _ if rest.starts_with(is_word) => (Kind::Word, run(rest, is_word)),
            _ => {
                match byte {
                    b'{' => depth += 1,
                    b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                let long = ["...", "=>", "?."].into_iter().find(|mark| rest.starts_with(mark));
                let alone = rest.chars().next().map_or(1, char::len_utf8);
                (Kind::Mark, long.map_or(alone, str::len))
            }
        };
        let length = length.clamp(1, rest.len());
        tokens.push(Token { kind, text: &rest[..length], at });
        at += length;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '#' | '\\')
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// To the quote that ends it, or the line.
fn quoted(text: &str, quote: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'\n' => return at,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// To its end, or to the `${` that interrupts it.
fn template(text: &str, templates: &mut Vec<usize>, depth: usize) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'`' => return at + 1,
            b'$' if text[at..].starts_with("${") => {
                templates.push(depth);
                return at + 2;
            }
            _ => {}
        }
    }
    text.len()
}

fn pattern(text: &str) -> usize {
    let (mut escaped, mut in_class) = (false, false);
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'\n' => return at,
            b'/' if !in_class => return at + 1 + run(&text[at + 1..], is_word),
            _ => {}
        }
    }
    text.len()
}

/// Whether a `/` begins a pattern after this token, and does not divide.
fn is_pattern_place(before: Option<&Token<'_>>) -> bool {
    const BEFORE_VALUES: [&str; 12] = [
        "return",
        "typeof",
        "case",
        "in",
        "of",
        "delete",
        "void",
        "throw",
        "new",
        "else",
        "do",
        "instanceof",
    ];
    before.is_none_or(|before| match before.kind {
        Kind::Mark => ![")", "]"].contains(&before.text),
        Kind::Word => BEFORE_VALUES.contains(&before.text),
        Kind::Number | Kind::Text | Kind::Template | Kind::Pattern => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str, version: Version) -> Vec<String> {
        mistakes(code, version, Entry::Requests)
            .iter()
            .map(|mistake| format!("{}:{} {}", mistake.line, mistake.column, mistake.message))
            .collect()
    }

    #[test]
    fn the_first_runtime_has_neither_const_nor_let_nor_async() {
        for (code, place) in
            [("const a = 1;", "1:1"), ("var b;\n  let a = 1;", "2:3"), ("async function f() {}", "1:1")]
        {
            let mistakes = found(code, Version::One);
            assert_eq!(mistakes.len(), 1, "{code}");
            assert!(mistakes[0].starts_with(place), "{mistakes:?}");
            assert!(found(code, Version::Two).is_empty(), "{code}");
        }
    }

    #[test]
    fn words_inside_texts_comments_and_patterns_are_none() {
        let code = "var a = 'const x'; // let y\n/* async function */ var b = /const [/\"'] x/.test(\"let\");\n\
                    var c = `const ${a + `let ${b}`} class`; var d = a.const; var e = { let: 1 }; var f = a / b / a;";
        assert!(found(code, Version::One).is_empty(), "{:?}", found(code, Version::One));
        assert_eq!(found(&format!("{code} const g = 1;"), Version::One).len(), 1);
    }

    #[test]
    fn what_was_seen_to_be_refused_is_said_and_no_more() {
        for code in ["class A {}", "function* f() {}", "for (const a of b) {}", "a?.b"] {
            let of = |entry| mistakes(code, Version::Two, entry);
            let mistakes = of(Entry::Requests);
            assert!(matches!(&mistakes[..], [mistake] if !mistake.is_error()), "{code}: {mistakes:?}");
            assert!(of(Entry::Connections).is_empty(), "{code}");
        }
        assert!(found("a ? .5 : 1; b ? c : d", Version::Two).is_empty());
        for entry in [Entry::Requests, Entry::Connections] {
            assert!(mistakes("var a = 10n;", Version::Two, entry)[0].is_error());
            assert!(mistakes("var a = 0x10n;", Version::Two, entry)[0].is_error());
        }
    }

    #[cfg(feature = "functions")]
    #[test]
    fn imports_become_calls_in_their_lines() {
        let code =
            "// a\nimport cf from 'cloudfront';\nimport { createHash as h,\n  x } from \"crypto\";\nvar a;";
        let written = without_imports(code);
        assert_eq!(
            written,
            "// a\nconst cf = require('cloudfront');\nconst { createHash: h , x } = require(\"crypto\")\n;\nvar a;"
        );
        assert_eq!(
            without_imports("var important = 'import x from'; f(important);"),
            "var important = 'import x from'; f(important);"
        );
    }
}
