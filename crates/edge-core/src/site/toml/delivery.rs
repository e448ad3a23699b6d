//! The parts of `edge.toml` about what stands around pages: error pages, headers, logs, and the distribution's own
//! switches; and what is sent to the origin with every request.

use http::{HeaderName, HeaderValue};

use super::super::problem::Fault;
use super::super::reader::{Found, Reader};
use super::super::{ErrorPage, Logging, Policy, Security, SiteOrigin, value};
use crate::distribution::check::{self, quotas};

use ::toml::de::DeTable;

/// Of a page for errors where only the page is given: what does not exist, in the words of web servers and buckets.
const ERROR_PAGE_CODES: [u16; 2] = [403, 404];

impl Reader<'_> {
    pub(super) fn delivery(&mut self, top: &DeTable<'_>, policy: &mut Policy) {
        if let Some(found) = self.text(("", top), "root", value::root) {
            policy.root = found.value;
        }
        if let Some(found) = self.text(("", top), "web_acl", value::web_acl) {
            policy.web_acl = Some(found.value);
        }
        let classes = [("all", "PriceClass_All"), ("200", "PriceClass_200"), ("100", "PriceClass_100")];
        if let Some(found) = self.text(("", top), "price_class", |text| value::choice(text, classes)) {
            policy.price_class = found.value;
        }
        let versions = ["http1.1", "http2", "http3", "http2and3"].map(|word| (word, word));
        if let Some(found) = self.text(("", top), "http_version", |text| value::choice(text, versions)) {
            policy.http_version = found.value;
        }
        self.errors(top, policy);
        self.response_headers(top, policy);
        if let Some(Found { line, value: table }) = self.section(top, "logging") {
            let at = ("logging", table);
            let prefix = self.text(at, "prefix", |text| Ok(text.to_owned()));
            match self.text(at, "bucket", value::log_bucket) {
                Some(bucket) => {
                    let prefix = prefix.map(|found| found.value).unwrap_or_default();
                    policy.logging = Some(Logging { bucket: bucket.value, prefix });
                }
                None if table.contains_key("bucket") => {}
                None => {
                    let fault = Fault::new("it is missing").hint("bucket = \"logs.s3.amazonaws.com\"");
                    self.problems.add(line, "logging.bucket", fault);
                }
            }
        }
    }

    fn errors(&mut self, top: &DeTable<'_>, policy: &mut Policy) {
        let Some(Found { line, value: table }) = self.section(top, "errors") else { return };
        let at = ("errors", table);
        let before = policy.error_page.take();
        let page = self.text(at, "page", |text| match check::page_path(text) {
            Ok(()) => Ok(text.to_owned()),
            Err(wrong) => Err(Fault::new(format!("{text:?}: {wrong}")).hint("as in \"/404.html\"")),
        });
        let codes = self.numbers(at, "codes", |code| match check::ERROR_CODES.contains(&code) {
            true => Ok(code),
            false => {
                let known = check::ERROR_CODES.map(|code| code.to_string()).join(", ");
                Err(Fault::new(format!("CloudFront has no pages for {code}")).hint(format!("for {known}")))
            }
        });
        let status = self.number(at, "status", (200, 599)).and_then(|found| {
            if check::RESPONSE_CODES.contains(&found.value) {
                return Some(found.value);
            }
            let known = check::RESPONSE_CODES.map(|code| code.to_string()).join(", ");
            let fault = Fault::new(format!("CloudFront sends no page with {}", found.value));
            self.problems.add(found.line, "errors.status", fault.hint(format!("with {known}")));
            None
        });
        let (page, codes_before, status_before) = match (page, before) {
            (Some(page), Some(before)) => (page.value, before.codes, before.status),
            (Some(page), None) => (page.value, ERROR_PAGE_CODES.to_vec(), 404),
            (None, Some(before)) => (before.page, before.codes, before.status),
            (None, None) if table.contains_key("page") => return,
            (None, None) => {
                let fault = Fault::new("it is missing").hint("page = \"/404.html\"");
                return self.problems.add(line, "errors.page", fault);
            }
        };
        let codes = match codes {
            Some(codes) => self.each_once("errors.codes", codes, u16::to_string),
            None => codes_before,
        };
        policy.error_page = Some(ErrorPage { codes, page, status: status.unwrap_or(status_before) });
    }

    fn response_headers(&mut self, top: &DeTable<'_>, policy: &mut Policy) {
        let Some(Found { value: table, .. }) = self.section(top, "headers") else { return };
        let at = ("headers", table);
        let words = [("none", Security::None), ("managed", Security::Managed)];
        if let Some(found) = self.text(at, "security", |text| value::choice(text, words)) {
            policy.headers.security = found.value;
        }
        let csp = self.text(at, "content_security_policy", |text| match text.chars().count() {
            count if count > quotas::CSP.max => {
                Err(Fault::new(format!("{count} characters are more than CloudFront's {}", quotas::CSP.max))
                    .hint("the origin may send a longer one"))
            }
            _ => header_value(text),
        });
        policy.headers.content_security_policy = csp.map(|found| found.value);
        let removed = self.texts(at, "remove", |text| {
            let name = header_name(text)?;
            check::removable_header(&name).map_err(|wrong| {
                Fault::new(format!("{text:?}: {wrong}")).hint("the origin can leave others out")
            })?;
            Ok(text.to_owned())
        });
        let lower = |name: &String| name.to_ascii_lowercase();
        policy.headers.remove = self.each_once("headers.remove", removed.unwrap_or_default(), lower);
        policy.headers.set = self.pairs(at, "set", |name, text| {
            header_name(name)?;
            header_value(text)
        });
    }

    pub(super) fn path_and_headers(&mut self, at: (&str, &DeTable<'_>), origin: &mut SiteOrigin) {
        let path = self.text(at, "path", |text| match check::origin_path(text) {
            Ok(()) => Ok(text.to_owned()),
            Err(wrong) => Err(Fault::new(format!("{text:?}: {wrong}")).hint("as in \"/public\"")),
        });
        origin.path = path.map(|found| found.value).unwrap_or_default();
        origin.headers = self.pairs(at, "headers", |name, text| {
            let header = header_name(name)?;
            check::custom_header(&header).map_err(|wrong| {
                Fault::new(format!("{name:?}: {wrong}")).hint("a name of your own, as in \"X-Origin-Secret\"")
            })?;
            let (chars, most) = (text.chars().count(), quotas::ORIGIN_HEADER_VALUE.max);
            if chars > most {
                let fault = Fault::new(format!("{chars} characters are more than CloudFront's {most}"));
                return Err(fault.hint("a secret of 32 is enough"));
            }
            header_value(text)
        });
    }
}

fn header_name(text: &str) -> Result<HeaderName, Fault> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| {
        Fault::new(format!("{text:?} is no name of a header"))
            .hint("as in \"X-Origin-Secret\", without the colon")
    })
}

fn header_value(text: &str) -> Result<String, Fault> {
    match HeaderValue::from_str(text) {
        Ok(_) if text.trim() == text && !text.is_empty() => Ok(text.to_owned()),
        _ => Err(Fault::new(format!("{text:?} is no value of a header"))
            .hint("visible characters of ASCII, no line ends, no spaces around them")),
    }
}
