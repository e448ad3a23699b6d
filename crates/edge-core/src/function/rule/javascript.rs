//! The rule as a CloudFront Function: the same decisions in the words of `cloudfront-js-2.0`.
//!
//! The edge runs the rule itself, because that costs no engine; CloudFront runs this text. `tests/rule_javascript.rs`
//! holds the two to be one. What is written keeps to what the runtime is known to have (§14.3): no `for…of`, no
//! destructuring, no classes, no spread, no optional chaining. Names are matched by patterns that are literals: those
//! are read with the code, and no name (`constructor`, `__proto__`) can mean anything else. A reader who knows
//! CloudFront is told at each step which fact it rests on.

use std::fmt::Write as _;

use crate::distribution::rule::{DeviceClasses, NameOrPrefix, Rule};

use super::TRANSPORT;

impl Rule {
    /// The source of the viewer-request function that does what [`Rule::apply`] does. Equal rules give equal bytes.
    pub fn javascript(&self) -> String {
        let mut out = String::with_capacity(4_096);
        out.push_str(HEAD);
        self.patterns(&mut out);
        out.push_str("function handler(event) {\n  const request = event.request;\n  const headers = request.headers;\n");
        if self.device != DeviceClasses::None {
            out.push_str(DEVICE_READ);
        }
        out.push_str(FORGED);
        if self.examines() || self.rewrites() {
            out.push_str(SHAREABLE);
            if self.rewrites() || !self.session_query.is_empty() {
                out.push_str(QUERY_READ);
            }
            if self.examines() {
                self.sessions(&mut out);
            }
            if self.rewrites() {
                self.arguments(&mut out);
            }
            out.push_str("  }\n");
        }
        match self.device {
            DeviceClasses::None => out.push_str("\n  delete headers['x-viewer-device'];\n"),
            _ => out.push_str("\n  headers['x-viewer-device'] = { value: device };\n"),
        }
        out.push_str("  return request;\n}\n");
        if self.rewrites() || !self.session_query.is_empty() {
            out.push_str(NAME_OF);
        }
        self.device_function(&mut out);
        out
    }

    fn patterns(&self, out: &mut String) {
        let mut pattern = |about: &str, name: &str, entries: &[NameOrPrefix]| {
            if !entries.is_empty() {
                _ = writeln!(out, "// {about}\nconst {name} = {};\n", pattern(entries));
            }
        };
        pattern("Cookies that mark a session.", "SESSION_COOKIES", &self.session_cookies);
        pattern(
            "Query arguments whose answer is one viewer's own.",
            "SESSION_ARGUMENTS",
            &self.session_query,
        );
        pattern("Query arguments that change no page.", "DROP", &self.drop_query);
        if !self.drop_query.is_empty() {
            pattern("Exceptions: these do.", "KEEP", &self.keep_query);
        }
        if let Some(shared) = &self.shared_headers {
            let mut names: Vec<NameOrPrefix> = vec![NameOrPrefix::Prefix("cloudfront-".to_owned())];
            names.extend(TRANSPORT.iter().map(|name| NameOrPrefix::Name((*name).to_owned())));
            names.extend(shared.iter().map(|name| NameOrPrefix::Name(name.to_ascii_lowercase())));
            pattern(
                "Headers of shared pages: CloudFront's own, what HTTP needs, what no function may touch, what is in the key.",
                "SHARED",
                &names,
            );
        }
    }

    fn sessions(&self, out: &mut String) {
        let cookies = "Object.keys(request.cookies).some((name) => SESSION_COOKIES.test(name))";
        let arguments = "parts.some((part) => SESSION_ARGUMENTS.test(nameOf(part)))";
        let test = match (self.session_cookies.is_empty(), self.session_query.is_empty()) {
            (false, false) => format!("{cookies} ||\n        {arguments}"),
            (false, true) => cookies.to_owned(),
            (true, false) => arguments.to_owned(),
            (true, true) => "false".to_owned(),
        };
        let marked = !(self.session_cookies.is_empty() && self.session_query.is_empty());
        let indent = if marked {
            _ = write!(out, "\n    if ({test}) {{\n{SESSION}    }} else {{\n");
            "      "
        } else {
            out.push('\n');
            "    "
        };
        _ = writeln!(out, "{indent}// One copy for all others, so nothing of one of them may change it.");
        _ = writeln!(out, "{indent}request.cookies = {{}};");
        if self.shared_headers.is_some() {
            _ = writeln!(out, "{indent}Object.keys(headers).forEach((name) => {{");
            _ = writeln!(out, "{indent}  if (!SHARED.test(name)) delete headers[name];");
            _ = writeln!(out, "{indent}}});");
        }
        if marked {
            out.push_str("    }\n");
        }
    }

    fn arguments(&self, out: &mut String) {
        out.push_str("\n    // CloudFront keys on the query string byte by byte: what changes no page must not be in it");
        out.push_str(if self.sort_query { ", and order\n    // splits copies too.\n" } else { ".\n" });
        let kept = match (self.drop_query.is_empty(), self.keep_query.is_empty()) {
            (true, _) => "parts".to_owned(),
            (false, true) => "parts.filter((part) => !DROP.test(nameOf(part)))".to_owned(),
            (false, false) => {
                "parts.filter((part) => !DROP.test(nameOf(part)) || KEEP.test(nameOf(part)))".to_owned()
            }
        };
        _ = writeln!(out, "    let kept = {kept};");
        if self.sort_query {
            out.push_str(SORT);
        }
        out.push_str(REWRITE);
    }

    fn device_function(&self, out: &mut String) {
        let lines: &[&str] = match self.device {
            DeviceClasses::None => return,
            DeviceClasses::Two => &["if (is('mobile') || is('tablet')) return 'mobile';"],
            DeviceClasses::Three => {
                &["if (is('tablet')) return 'tablet';", "if (is('mobile')) return 'mobile';"]
            }
            DeviceClasses::Four => &[
                "if (is('smarttv')) return 'tv';",
                "if (is('tablet')) return 'tablet';",
                "if (is('mobile')) return 'mobile';",
            ],
        };
        out.push_str(DEVICE_FUNCTION);
        for line in lines {
            _ = writeln!(out, "  {line}");
        }
        out.push_str("  return 'desktop';\n}\n");
    }
}

const HEAD: &str = "\
// Runs before CloudFront looks into its cache: viewer-request, cloudfront-js-2.0.
// Made by edge from a site policy; change that, not this. In patterns a name that ends with $ is the whole name, others
// are beginnings. Names are compared as sent: case counts, nothing is decoded.

";

const DEVICE_READ: &str = "  const device = deviceOf(headers);\n";

const FORGED: &str = "
  // Whoever sends this himself is no session of ours.
  delete headers['x-viewer-session'];
";

const SHAREABLE: &str = "
  // CloudFront answers nothing but GET and HEAD from its cache: forms keep all they came with.
  if (request.method === 'GET' || request.method === 'HEAD') {
";

const QUERY_READ: &str =
    "    // The text as it came: request.querystring joins what repeats and would have to be encoded again.
    const query = request.rawQueryString() || '';
    const parts = query.split('&').filter((part) => part !== '');
";

const SESSION: &str = "      // CloudFront cannot pass its cache by a cookie; it can only key on one. A header in the key whose value no other
      // request has is the same.
      headers['x-viewer-session'] = { value: event.context.requestId };
";

const SORT: &str = "    kept = kept
      .map((part, index) => ({ part: part, name: nameOf(part), index: index }))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.index - b.index))
      .map((argument) => argument.part);
";

const REWRITE: &str = "    const text = kept.join('&');
    // Returned as text, or CloudFront would encode it; a first ? could be taken for the query string's own.
    if (text !== query) request.querystring = text[0] === '?' ? '&' + text : text;
";

const NAME_OF: &str = "
function nameOf(part) {
  return part.split('=')[0];
}
";

const DEVICE_FUNCTION: &str = "
// The device headers are there because the origin request policy names them. Several can be true: a tablet may be said
// to be mobile too. One header of few values in the key makes as many copies, three of two values up to eight.
function deviceOf(headers) {
  const is = (kind) => {
    const header = headers['cloudfront-is-' + kind + '-viewer'];
    return header !== undefined && header.value === 'true';
  };
";

/// A pattern that matches what any of the entries matches.
fn pattern(entries: &[NameOrPrefix]) -> String {
    let mut out = String::from("/^(?:");
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.push('|');
        }
        match entry {
            NameOrPrefix::Name(name) => {
                escape(&mut out, name);
                out.push('$');
            }
            NameOrPrefix::Prefix(prefix) => escape(&mut out, prefix),
        }
    }
    out.push_str(")/");
    out
}

/// A text as a part of a pattern. Rules hold ASCII; what else there were would be written in UTF-16.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' | '^' | '$' | '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '/' => {
                out.extend(['\\', c]);
            }
            ' '..='~' => out.push(c),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(out, "\\u{unit:04x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_patterns_that_mean_nothing_else() {
        let entries = ["utm_*", "a.b$", "", "x[]", "/*", "é"].map(|text| NameOrPrefix::from(text.to_owned()));
        assert_eq!(pattern(&entries), r"/^(?:utm_|a\.b\$$|$|x\[\]$|\/|\u00e9$)/");
    }

    #[test]
    fn what_a_rule_does_not_want_is_not_written() {
        let code = Rule::default().javascript();
        assert!(code.contains("delete headers['x-viewer-session']") && code.contains("return request;"));
        for word in ["const DROP", "nameOf", "deviceOf", "cookies", "rawQueryString", "if ("] {
            assert!(!code.contains(word), "{word}: {code}");
        }
    }
}
