//! The presets: what a kind of site needs, as tables. A new preset is a new row.
//!
//! The facts behind the wordpress row are in its comments: what WordPress and the usual plugins set, send and expect.

use std::time::Duration;

use crate::distribution::PathPattern;
use crate::distribution::rule::DeviceClasses;

/// How a behavior caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// One copy for all anonymous viewers (of a device class); sessions past it.
    Pages,
    /// One copy for everybody: GET and HEAD, no cookies, no arguments but those that name a version.
    Assets,
    /// Every request to the origin, as the viewer sent it.
    Never,
}

/// Which arguments of an asset are in its key and reach the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssetQuery {
    /// Every one but the listed, ten at most.
    AllExcept(&'static [&'static str]),
    /// The listed ones, ten at most.
    Only(&'static [&'static str]),
}

/// A row of [`PRESETS`].
#[derive(Debug)]
pub struct Preset {
    /// As `edge.toml` names it.
    pub name: &'static str,
    /// Which paths are cached how, in order.
    pub behaviors: &'static [(&'static str, Cache)],
    /// And all others.
    pub everything_else: Cache,
    /// Which devices get copies of their own.
    pub devices: DeviceClasses,
    /// Cookies that mark a session; a final `*` stands for any ending.
    pub session_cookies: &'static [&'static str],
    /// Cookies that everybody has: a session cookie of a site must not match them.
    pub everybodys_cookies: &'static [&'static str],
    /// Query arguments that make an answer one viewer's own.
    pub session_query: &'static [&'static str],
    /// Query arguments that change no page.
    pub drop_query: &'static [&'static str],
    /// Query arguments of assets.
    pub asset_query: AssetQuery,
    /// DefaultTTL of pages. MinTTL is 0 everywhere: more would override `private` and `no-store` (§7.1).
    pub ttl_pages: Duration,
    /// DefaultTTL of assets.
    pub ttl_assets: Duration,
    /// `ErrorCachingMinTTL` of 5xx: how long an outage outlives itself, as an error on a page nobody has a copy of
    /// (§7.3) and as a stale copy elsewhere (§7.4).
    pub ttl_errors: Duration,
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

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// All of them.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "wordpress",
        behaviors: &[
            ("wp-admin/*", Cache::Never),
            ("wp-json/*", Cache::Never),
            // Whatever is PHP by name: wp-login, wp-signup, wp-activate, wp-cron, wp-comments-post, wp-trackback,
            // wp-mail, xmlrpc; plugins' own endpoints below wp-content; index.php, through which the editor speaks
            // REST on sites without permalinks (`/index.php?rest_route=`).
            ("*.php", Cache::Never),
            // WooCommerce, by its English names. Translated ones are a `[[behavior]]` of the site.
            ("cart/*", Cache::Never),
            ("checkout/*", Cache::Never),
            ("my-account/*", Cache::Never),
            ("wc-api/*", Cache::Never),
            ("wp-content/*", Cache::Assets),
            ("wp-includes/*", Cache::Assets),
        ],
        everything_else: Cache::Pages,
        devices: DeviceClasses::Three,
        session_cookies: &[
            // Core. `wordpress_HASH`, the admin cookie over plain http, has the path /wp-admin and is not needed.
            "wordpress_logged_in_*",
            "wordpress_sec_*",
            "wordpress_rec_*",  // recovery mode
            "wp-postpass_*",    // unlocked posts: same URL, to 6.7 without Cache-Control
            "comment_author_*", // name and e-mail are printed into the form
            // Shops.
            "woocommerce_items_in_cart",
            "woocommerce_cart_hash",
            "wp_woocommerce_session_*",
            "edd_items_in_cart",
            // A page that starts a PHP session says no-store anyway, and whoever has one needs it.
            "PHPSESSID",
            "wptouch_switch_toggle", // "show me the desktop site"
        ],
        everybodys_cookies: &[
            "wordpress_test_cookie", // whoever once saw the log-in page
            "wp-settings-1",         // these two outlive the session
            "wp-settings-time-1",
            "woocommerce_recently_viewed",
            "_ga",
            "_gid",
            "_fbp",
            "__utma",
        ],
        session_query: &[
            // One viewer's answers, by links that anybody can follow: they may set a cart's or a session's cookies.
            "add-to-cart",
            "remove_item",
            "undo_item",
            "order_again",
            "download_file",
            "wc-ajax",
            "wc-api",
            "edd_action",
            "eddfile",
            "rest_route", // as wp-json/*
            "preview",
            "preview_*",
            "customize_*",
            "unapproved", // the author's view of a comment in moderation
            "moderation-hash",
            "doing_wp_cron",
            "_wpnonce",
        ],
        drop_query: &[
            "utm_*",
            "fbclid",
            "fb_action_ids",
            "fb_action_types",
            "fb_source",
            "gclid",
            "gclsrc",
            "gbraid",
            "dclid",
            "wbraid",
            "msclkid",
            "ttclid",
            "twclid",
            "li_fat_id",
            "igshid",
            "ScCid",
            "epik",
            "mc_cid",
            "mc_eid",
            "_ga",
            "_gl",
            "_ke",
            "mkt_tok",
            "ck_subscriber_id",
            "matomo_*",
            "mtm_*",
            "pk_*",
            "piwik_*",
            "hsa_*",
            "trk_*",
            "ef_id",
            "s_kwcid",
            "sscid",
            "tblci",
            "dicbo",
            "usqp",
            "campaignid",
            "adgroupid",
            "cn-reloaded",
            "age-verified",
            "ao_noptimize",
        ],
        asset_query: AssetQuery::Only(&["v", "ver"]),
        ttl_pages: Duration::from_secs(DAY),
        ttl_assets: Duration::from_secs(30 * DAY),
        // A database that fails over comes back for all pages at once; until then one request a second and page asks.
        ttl_errors: Duration::from_secs(1),
        // Six seconds until a stale copy is served for an origin that cannot be reached, not CloudFront's thirty.
        connect_attempts: 2,
        connect_timeout: Duration::from_secs(3),
        read_timeout: Duration::from_secs(60), // imports and updates in wp-admin are slow
        keepalive_timeout: Duration::from_secs(30), // below nginx's 75 s and a load balancer's 60 s
    },
    Preset {
        name: "static",
        behaviors: &[],
        everything_else: Cache::Assets,
        ttl_assets: Duration::from_secs(DAY),
        ..PLAIN
    },
    Preset { name: "api", behaviors: &[], everything_else: Cache::Never, ..PLAIN },
];

/// The ten a policy has room for: pages that are files are linked to from advertisements and letters too.
const COMMON_TRACKERS: &[&str] = &[
    "fbclid",
    "gclid",
    "mc_cid",
    "mc_eid",
    "msclkid",
    "utm_campaign",
    "utm_content",
    "utm_medium",
    "utm_source",
    "utm_term",
];

/// What the small presets have in common.
const PLAIN: Preset = Preset {
    name: "",
    behaviors: &[],
    everything_else: Cache::Never,
    devices: DeviceClasses::None,
    session_cookies: &[],
    everybodys_cookies: &[],
    session_query: &[],
    drop_query: &[],
    asset_query: AssetQuery::AllExcept(COMMON_TRACKERS),
    ttl_pages: Duration::ZERO,
    ttl_assets: Duration::ZERO,
    ttl_errors: Duration::from_secs(5),
    connect_attempts: 2,
    connect_timeout: Duration::from_secs(3),
    read_timeout: Duration::from_secs(30),
    keepalive_timeout: Duration::from_secs(30),
};

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
                let needed = preset.session_query.iter().find(|name| entry.matches(name.as_bytes()));
                assert_eq!(needed, None, "{}: {entry:?}", preset.name);
            }
            let (AssetQuery::Only(names) | AssetQuery::AllExcept(names)) = preset.asset_query;
            assert!(names.len() <= 10 && names.is_sorted());
        }
    }
}
