//! What each field of a site policy says may be right, and all of them together wrong: settings without effect, paths
//! that hide others, exceptions from nothing, more than CloudFront has room for.
//!
//! It looks at a complete policy and knows no files: where in `edge.toml` a mistake stands is found by its field and
//! its text.

use super::preset::{COMMON_TRACKERS, Cache};
use super::problem::{Fault, Problems};
use super::{Policy, SiteOrigin};
use crate::distribution::PathPattern;
use crate::distribution::check::quotas;
use crate::distribution::rule::{DeviceClasses, NameOrPrefix};

/// A mistake, by its field and, in a list, by the text of its entry.
pub(super) struct Wrong {
    pub(super) place: &'static str,
    pub(super) entry: Option<String>,
    pub(super) fault: Fault,
}

impl Wrong {
    fn of_field(place: &'static str, fault: Fault) -> Self {
        Self { place, entry: None, fault }
    }

    fn of_entry(place: &'static str, entry: impl Into<String>, fault: Fault) -> Self {
        Self { place, entry: Some(entry.into()), fault }
    }
}

impl Policy {
    /// Refuses a policy that is wrong as a whole.
    pub(super) fn checked(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        for Wrong { place, fault, .. } in self.wrongs() {
            problems.add(None, place, fault);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Everything that is wrong with it as a whole.
    pub(super) fn wrongs(&self) -> Vec<Wrong> {
        let mut wrongs = Vec::new();
        self.counts(&mut wrongs);
        self.names(&mut wrongs);
        self.paths(&mut wrongs);
        self.arguments(&mut wrongs);
        self.without_effect(&mut wrongs);
        self.of_a_bucket(&mut wrongs);
        wrongs.extend(self.misfits().into_iter().map(|(place, fault)| Wrong::of_field(place, fault)));
        wrongs
    }

    fn counts(&self, wrongs: &mut Vec<Wrong>) {
        let headers = &self.origin.headers;
        let response = &self.headers;
        for (place, count, quota, hint) in [
            (
                "behavior",
                self.behaviors.len(),
                quotas::BEHAVIORS,
                "one pattern may stand for several: * is any text, ? any character",
            ),
            ("domains", self.domains.len(), quotas::ALIASES, "\"*.example.com\" is one for all its names"),
            ("origin.headers", headers.len(), quotas::ORIGIN_HEADERS, "one may carry several values"),
            (
                "query.assets",
                self.asset_query.as_ref().map_or(0, Vec::len),
                quotas::KEY_QUERY,
                "those that name a version, and no others",
            ),
            ("headers.set", response.set.len(), quotas::SET_HEADERS, "the origin can send the others"),
            (
                "headers.remove",
                response.remove.len(),
                quotas::REMOVED_HEADERS,
                "the origin can leave the others out",
            ),
        ] {
            if count > quota.max {
                let fault = Fault::new(format!("{count} are more than CloudFront's {}", quota.max));
                wrongs.push(Wrong::of_field(place, fault.hint(hint)));
            }
        }
    }

    fn names(&self, wrongs: &mut Vec<Wrong>) {
        let SiteOrigin { name, .. } = &self.origin;
        for domain in &self.domains {
            if domain == name {
                let fault =
                    Fault::new(format!("{domain:?} is the origin's name too: CloudFront would ask itself"));
                let fault = fault.hint("the origin needs a name of its own, as in \"origin.example.com\"");
                wrongs.push(Wrong::of_entry("domains", domain, fault));
            } else if domain.ends_with(".cloudfront.net") {
                let fault = Fault::new(format!("{domain:?}: the distribution's own name is always answered"));
                wrongs.push(Wrong::of_entry("domains", domain, fault.hint("leave it out")));
            }
        }
        if self.certificate.is_some() && self.domains.is_empty() {
            let fault =
                Fault::new("a certificate, and no domains it is for").hint("domains = [\"www.example.com\"]");
            wrongs.push(Wrong::of_field("certificate", fault));
        }
    }

    /// The first match wins (§2.1), so an entry may hide those after it.
    fn paths(&self, wrongs: &mut Vec<Wrong>) {
        let of_preset = |path: &PathPattern, cache: Cache| {
            self.preset.patterns().any(|(own, own_cache)| own == *path && own_cache == cache)
        };
        let mut told: Vec<&PathPattern> = Vec::new();
        for (index, (path, cache)) in self.behaviors.iter().enumerate() {
            let hides =
                |(wide, _): &&(PathPattern, Cache)| wide.anchored() != path.anchored() && wide.covers(path);
            let Some((wide, wide_cache)) = self.behaviors.iter().take(index).find(hides) else { continue };
            if !of_preset(path, *cache) {
                let fault = Fault::new(format!("\"{path}\" never matches: \"{wide}\" stands before it"));
                let hint = "the first match wins: put the narrower one first";
                wrongs.push(Wrong::of_entry("behavior.path", path.as_str(), fault.hint(hint)));
            } else if *cache == Cache::Never && *wide_cache != Cache::Never && !told.contains(&wide) {
                told.push(wide);
                let fault = Fault::new(format!(
                    "\"{wide}\" takes the paths of \"{path}\", which the preset {} never caches",
                    self.preset.name
                ));
                let hint = format!("put {{ path = \"{path}\", cache = \"never\" }} before it, if it must be");
                wrongs.push(Wrong::of_entry("behavior.path", wide.as_str(), fault.hint(hint)));
            }
        }
    }

    fn arguments(&self, wrongs: &mut Vec<Wrong>) {
        let preset = self.preset;
        let is_own = |entry: &&NameOrPrefix| !preset.drop_query.contains(&text(entry).as_str());
        for entry in self.drop_query.iter().filter(is_own) {
            let kept = |name: &str| self.keep_query.iter().any(|keep| keep.matches(name.as_bytes()));
            let pages = preset.page_query.iter().find(|name| entry.matches(name.as_bytes()) && !kept(name));
            let marks = self.session_query.iter().find(|mark| overlap(entry, mark));
            let fault = |what: &str| Fault::new(format!("\"{}\" {what}", text(entry)));
            if let Some(name) = pages {
                let fault = fault(&format!("drops \"{name}\", which chooses the page"));
                wrongs.push(Wrong::of_entry(
                    "query.drop",
                    text(entry),
                    fault.hint("sessions and forms would miss it too"),
                ));
            } else if let Some(mark) = marks {
                let fault = fault(&format!("drops \"{}\", which marks a session", text(mark)));
                wrongs.push(Wrong::of_entry(
                    "query.drop",
                    text(entry),
                    fault.hint("the origin needs it: leave it out"),
                ));
            }
        }
        let usual = if self.drops_of_files() { COMMON_TRACKERS } else { &[] };
        let usual: Vec<NameOrPrefix> =
            usual.iter().map(|name| NameOrPrefix::Name((*name).to_owned())).collect();
        for keep in &self.keep_query {
            if !self.drop_query.iter().chain(&usual).any(|drop| overlap(keep, drop)) {
                let fault =
                    Fault::new(format!("\"{}\" is dropped by nothing, so this keeps nothing", text(keep)));
                let fault = fault.hint("all arguments are kept but those of the preset and of query.drop");
                wrongs.push(Wrong::of_entry("query.keep", text(keep), fault));
            }
        }
    }

    /// What was written for pages where there are none, and the like.
    fn without_effect(&self, wrongs: &mut Vec<Wrong>) {
        let preset = self.preset;
        let mut unused = |place: &'static str, what: &str| {
            let fault = Fault::new(format!("it has no effect: no path of this site has {what}"));
            let hint = format!("the preset {} has none; a [[behavior]] may", preset.name);
            wrongs.push(Wrong::of_field(place, fault.hint(hint)));
        };
        if !self.has_pages() {
            let names = |list: &[NameOrPrefix]| list.iter().map(text).collect::<Vec<_>>();
            if self.devices != DeviceClasses::None {
                unused("devices.classes", "pages");
            }
            if names(&self.session_cookies) != preset.session_cookies {
                unused("sessions.cookies", "pages");
            }
            if names(&self.session_query) != preset.session_query {
                unused("sessions.arguments", "pages");
            }
            if self.ttl_pages != preset.ttl_pages {
                unused("ttl.pages", "pages");
            }
        }
        if self.asset_query.is_some() && !self.has(Cache::Assets) && !self.has(Cache::Immutable) {
            unused("query.assets", "assets");
        } else if self.asset_query.is_some() && self.origin.is_bucket() {
            unused("query.assets", "arguments: a bucket reads none");
        }
        if !self.has(Cache::Assets) && self.ttl_assets != preset.ttl_assets {
            unused("ttl.assets", "assets");
        }
        if !self.has_pages() && !self.drops_of_files() && self.drop_query.len() > preset.drop_query.len() {
            unused("query.drop", "pages");
        }
    }

    /// A bucket has files: it knows no sessions, runs nothing and takes no forms.
    fn of_a_bucket(&self, wrongs: &mut Vec<Wrong>) {
        if !self.origin.is_bucket() {
            return;
        }
        let other = |cache: Cache| !matches!(cache, Cache::Assets | Cache::Immutable);
        let hint = "\"assets\" or \"immutable\"; for anything else the origin is a web server";
        if other(self.everything_else) {
            let name = &self.origin.name;
            let (word, preset) = (self.everything_else.word(), self.preset);
            let (place, fault, hint) = if self.everything_else == preset.everything_else {
                let wants =
                    format!("{name:?} is a bucket, and the preset {} wants a web server", preset.name);
                ("origin.name", Fault::new(wants), "the presets static and spa serve buckets")
            } else {
                ("everything_else", Fault::new(format!("it is \"{word}\", and the origin is a bucket")), hint)
            };
            wrongs.push(Wrong::of_field(place, fault.hint(hint)));
            return;
        }
        for (path, cache) in self.behaviors.iter().filter(|(_, cache)| other(*cache)) {
            let fault = Fault::new(format!("\"{path}\" is \"{}\", and the origin is a bucket", cache.word()));
            wrongs.push(Wrong::of_entry("behavior.path", path.as_str(), fault.hint(hint)));
        }
    }
}

fn text(entry: &NameOrPrefix) -> String {
    String::from(entry.clone())
}

/// Whether a name can be both.
fn overlap(one: &NameOrPrefix, other: &NameOrPrefix) -> bool {
    match (one, other) {
        (NameOrPrefix::Name(name), entry) | (entry, NameOrPrefix::Name(name)) => {
            entry.matches(name.as_bytes())
        }
        (NameOrPrefix::Prefix(one), NameOrPrefix::Prefix(other)) => {
            one.starts_with(other.as_str()) || other.starts_with(one.as_str())
        }
    }
}
