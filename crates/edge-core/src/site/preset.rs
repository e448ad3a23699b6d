//! The presets: what a kind of site needs, as tables. A new preset is a new row.

mod table;

use std::time::Duration;

pub(super) use table::COMMON_TRACKERS;
pub use table::PRESETS;

use crate::distribution::PathPattern;
use crate::distribution::rule::DeviceClasses;

/// How a behavior caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// One copy for all anonymous viewers (of a device class); sessions past it.
    Pages,
    /// One copy for everybody: GET and HEAD, no cookies, no arguments but those that name a version.
    Assets,
    /// As assets, and for a year where the origin does not say: what changes has another name.
    Immutable,
    /// As long as the origin says and not a second longer; one copy for each set of credentials and arguments.
    Answers,
    /// Every request to the origin, as the viewer sent it.
    Never,
}

impl Cache {
    /// Each with its word in `edge.toml`, and what it means.
    pub const ALL: [(&'static str, Self, &'static str); 5] = [
        ("pages", Self::Pages, "one copy for all who have no session (of a device class); sessions past it"),
        (
            "assets",
            Self::Assets,
            "one copy for everybody: GET and HEAD, no cookies, no arguments but those that name a version",
        ),
        (
            "immutable",
            Self::Immutable,
            "as assets, for a year where the origin does not say: what changes has another name",
        ),
        (
            "answers",
            Self::Answers,
            "as long as the origin says; Authorization, Accept and all arguments in the key, no cookies",
        ),
        ("never", Self::Never, "every request to the origin, as the viewer sent it"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, cache, _)| *cache == self).map_or("", |(word, ..)| word)
    }
}

/// Which arguments of an asset are in its key and reach the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetQuery {
    /// Every one but the usual trackers and the site's own, ten at most.
    AllButTrackers,
    /// The listed ones, ten at most.
    Only(&'static [&'static str]),
}

/// What stands for an error (§10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresetPage {
    /// For which statuses of the origin.
    pub codes: &'static [u16],
    /// Which object.
    pub page: &'static str,
    /// With which status.
    pub status: u16,
}

/// A row of [`PRESETS`].
#[derive(Debug)]
pub struct Preset {
    /// As `edge.toml` names it.
    pub name: &'static str,
    /// What kind of site it is for, and what it promises: a sentence or two.
    pub about: &'static str,
    /// Which paths are cached how, in order.
    pub behaviors: &'static [(&'static str, Cache)],
    /// And all others.
    pub everything_else: Cache,
    /// Which devices get copies of their own.
    pub devices: DeviceClasses,
    /// Cookies that mark a session; a final `*` stands for any ending.
    pub session_cookies: &'static [&'static str],
    /// Session cookies that never come without another of the list, or not on pages: a policy of ten names does
    /// without them.
    pub implied_cookies: &'static [&'static str],
    /// Cookies that everybody has: a session cookie of a site must not match them.
    pub everybodys_cookies: &'static [&'static str],
    /// Query arguments that make an answer one viewer's own.
    pub session_query: &'static [&'static str],
    /// Query arguments that change no page.
    pub drop_query: &'static [&'static str],
    /// Query arguments that choose the page: a site must not drop them.
    pub page_query: &'static [&'static str],
    /// Query arguments of assets.
    pub asset_query: AssetQuery,
    /// DefaultTTL of pages. MinTTL is 0 everywhere: more would override `private` and `no-store` (§7.1).
    pub ttl_pages: Duration,
    /// DefaultTTL of assets.
    pub ttl_assets: Duration,
    /// `ErrorCachingMinTTL` of 5xx: how long an outage outlives itself, as an error on a page nobody has a copy of
    /// (§7.3) and as a stale copy elsewhere (§7.4).
    pub ttl_errors: Duration,
    /// What `/` stands for (§2.5); empty: itself.
    pub root: &'static str,
    /// A page that stands for errors.
    pub error_page: Option<PresetPage>,
    /// How often a connection is tried.
    pub connect_attempts: u8,
    /// And for how long each time.
    pub connect_timeout: Duration,
    /// To the first byte and between reads.
    pub read_timeout: Duration,
    /// How long an idle connection is kept.
    pub keepalive_timeout: Duration,
}

impl Preset {
    /// The row called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Its behaviors; the test below says that every pattern is one.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = (PathPattern, Cache)> {
        self.behaviors.iter().filter_map(|&(path, cache)| Some((PathPattern::parse(path).ok()?, cache)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::rule::NameOrPrefix;

    #[test]
    fn rows_are_well_formed() {
        for preset in PRESETS {
            assert_eq!(preset.patterns().count(), preset.behaviors.len(), "{}", preset.name);
            for list in [preset.session_cookies, preset.session_query, preset.drop_query] {
                let mut sorted = list.to_vec();
                sorted.sort_unstable();
                sorted.dedup();
                assert_eq!(sorted.len(), list.len(), "{}: a name twice", preset.name);
            }
            for entry in preset.session_cookies {
                let entry = NameOrPrefix::from((*entry).to_owned());
                let common = preset.everybodys_cookies.iter().find(|name| entry.matches(name.as_bytes()));
                assert_eq!(common, None, "{}: {entry:?}", preset.name);
            }
            for entry in preset.drop_query {
                let entry = NameOrPrefix::from((*entry).to_owned());
                let needed = [preset.session_query, preset.page_query].concat();
                let needed = needed.iter().find(|name| entry.matches(name.as_bytes()));
                assert_eq!(needed, None, "{}: {entry:?}", preset.name);
            }
            for implied in preset.implied_cookies {
                assert!(preset.session_cookies.contains(implied), "{}: {implied}", preset.name);
            }
            if let AssetQuery::Only(names) = preset.asset_query {
                assert!(names.len() <= 10 && names.is_sorted());
            }
        }
        assert!(COMMON_TRACKERS.len() <= 10 && COMMON_TRACKERS.is_sorted());
    }
}
