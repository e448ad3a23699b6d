//! The two ways to say it to CloudFront: with a viewer-request function, or with policies alone.
//!
//! A policy knows no methods, drops ten arguments by their whole names, and keys on ten cookies. So with policies alone
//! less can be promised; [`Policy::gives_up`] says what, and what does not fit at all is refused when the style is
//! chosen. Nothing is ever shared that the function would not share, but for what that list names.

use super::Policy;
use super::preset::COMMON_TRACKERS;
use super::problem::{Fault, Problems};
use crate::distribution::check::quotas;
use crate::distribution::rule::{DeviceClasses, NameOrPrefix};

/// How a site policy is put into CloudFront's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// A function decides who has a session, and takes from everybody else what is not in the key.
    #[default]
    Function,
    /// Cookies and device headers stand in the key as they are; no code runs.
    Policy,
}

impl Style {
    /// As files and flags name them.
    pub const WORDS: [(&'static str, Self); 2] = [("function", Self::Function), ("policy", Self::Policy)];

    /// The style called `word`.
    pub fn named(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(name, _)| *name == word).map(|(_, style)| style)
    }
}

impl Policy {
    /// Chooses the style: `--style`. What does not fit is refused, and nothing is changed then.
    pub fn set_style(&mut self, style: Style) -> Result<(), Problems> {
        let before = std::mem::replace(&mut self.style, style);
        let mut problems = Problems::default();
        for (place, fault) in self.misfits() {
            problems.add(None, place, fault);
        }
        if problems.is_empty() {
            return Ok(());
        }
        self.style = before;
        Err(problems)
    }

    /// What of the function's promises policies alone cannot keep, one sentence each; nothing for the other style.
    pub fn gives_up(&self) -> Vec<&'static str> {
        if self.style == Style::Function || !self.has_pages() {
            return Vec::new();
        }
        let mut list = vec![
            "Only what is in the key reaches the origin, of forms too: no other cookie, no Referer, no User-Agent.",
            "A session's pages are kept under its cookies for as long as all others, where the origin does not say no.",
            "Ten trackers are dropped, by their whole names; any other argument, and the order of arguments, makes a copy.",
        ];
        if !self.session_query.is_empty() {
            list.push("Answers to arguments of one viewer (previews, carts) and the cookies they set are shared unless the origin forbids it.");
        }
        if self.devices != DeviceClasses::None {
            list.push(
                "The origin finds the device in CloudFront's own headers; there is no X-Viewer-Device.",
            );
        }
        list
    }

    /// What of the policy CloudFront has no room for, each with its field.
    pub(super) fn misfits(&self) -> Vec<(&'static str, Fault)> {
        match self.style {
            _ if !self.has_pages() && self.drops_of_files() => self.undroppable().into_iter().collect(),
            _ if !self.has_pages() => Vec::new(),
            Style::Function => self.function_too_long().into_iter().collect(),
            Style::Policy => [self.too_many_cookies(), self.undroppable()].into_iter().flatten().collect(),
        }
    }

    /// Some room is left for what people add by hand.
    fn function_too_long(&self) -> Option<(&'static str, Fault)> {
        let (bytes, most) = (self.rule().javascript().len(), quotas::FUNCTION_CODE.max - 512);
        (bytes > most).then(|| {
            let fault = Fault::new(format!("{bytes} bytes of code do not fit into a function of 10 KB"));
            ("query.drop", fault.hint("prefixes, as in \"utm_*\", are shorter"))
        })
    }

    fn too_many_cookies(&self) -> Option<(&'static str, Fault)> {
        let names = self.keyed_cookies();
        let (count, bytes) = (names.len(), names.iter().map(String::len).sum::<usize>());
        let most = quotas::KEY_COOKIES.max;
        let hint =
            "prefixes count once; name in sessions.ignore what this site never sets; or style = \"function\"";
        if count > most {
            let fault = Fault::new(format!("{count} cookies are more than a cache policy's {most}"));
            return Some(("sessions.cookies", fault.hint(hint)));
        }
        // The other names in the key are ours, and few.
        let room = quotas::POLICY_NAMES_TOTAL.max - 400;
        (bytes > room).then(|| {
            let fault =
                Fault::new(format!("{bytes} characters of names are more than a cache policy's {room}"));
            ("sessions.cookies", fault.hint(hint))
        })
    }

    fn undroppable(&self) -> Option<(&'static str, Fault)> {
        let own = self.own_drops();
        let prefix = own.iter().find_map(|entry| match entry {
            NameOrPrefix::Prefix(prefix) => Some(prefix),
            NameOrPrefix::Name(_) => None,
        });
        if let Some(prefix) = prefix {
            let fault =
                Fault::new(format!("\"{prefix}*\": a cache policy drops arguments by their whole names"));
            return Some(("query.drop", fault.hint("write the names out; only a function knows beginnings")));
        }
        let most = quotas::KEY_QUERY.max;
        (own.len() > most).then(|| {
            let fault = Fault::new(format!("{} arguments are more than a cache policy's {most}", own.len()));
            ("query.drop", fault.hint("the ten most usual; only a function drops more"))
        })
    }

    /// The site's own, without the preset's.
    fn own_drops(&self) -> Vec<NameOrPrefix> {
        let is_own = |entry: &&NameOrPrefix| {
            let text = String::from((*entry).clone());
            !self.preset.drop_query.contains(&text.as_str())
        };
        self.drop_query.iter().filter(is_own).cloned().collect()
    }

    /// The session cookies a key needs: one of those that always come together is enough.
    pub(super) fn keyed_cookies(&self) -> Vec<String> {
        let names = self.session_cookies.iter().map(|entry| String::from(entry.clone()));
        names.filter(|name| !self.preset.implied_cookies.contains(&name.as_str())).collect()
    }

    /// The arguments a policy has room to drop: the site's own first.
    pub(super) fn dropped_arguments(&self) -> Vec<String> {
        let own = self.own_drops().into_iter().filter_map(|entry| match entry {
            NameOrPrefix::Name(name) => Some(name),
            NameOrPrefix::Prefix(_) => None,
        });
        let usual = COMMON_TRACKERS.iter().map(|name| (*name).to_owned());
        let kept = |name: &String| self.keep_query.iter().any(|entry| entry.matches(name.as_bytes()));
        let mut names: Vec<String> = Vec::new();
        for name in own.chain(usual).filter(|name| !kept(name)) {
            if names.len() < quotas::KEY_QUERY.max && !names.contains(&name) {
                names.push(name);
            }
        }
        names.sort_unstable();
        names
    }
}
