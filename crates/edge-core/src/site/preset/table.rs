//! The presets, one row each: a list, and nothing but.
//!
//! The facts behind a row are in its comments: what the software and its usual plugins set, send and expect.

use std::time::Duration;

use super::{AssetQuery, Cache, Preset, PresetPage};
use crate::distribution::rule::DeviceClasses;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// All of them.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "wordpress",
        about: "A WordPress site, with or without a shop. Pages are cached for everybody who is not logged in and has no \
                cart, comment or unlocked post, one copy per device class; nobody ever sees another's.",
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
        implied_cookies: WORDPRESS_IMPLIED,
        everybodys_cookies: WORDPRESS_EVERYBODYS,
        session_query: WORDPRESS_SESSION_QUERY,
        drop_query: TRACKERS,
        page_query: WORDPRESS_PAGE_QUERY,
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
        ..PLAIN
    },
    Preset {
        name: "woocommerce",
        about: "A WordPress site that is a shop first: as wordpress, with wish lists and currencies, and pages for an hour, \
                because prices and stock change. Cart, checkout and account are never cached, whatever WooCommerce says \
                of guests' (since 10.1 without no-store).",
        behaviors: &[
            ("wp-admin/*", Cache::Never),
            ("wp-json/*", Cache::Never),
            ("*.php", Cache::Never),
            ("cart/*", Cache::Never),
            ("checkout/*", Cache::Never),
            ("my-account/*", Cache::Never),
            ("wishlist/*", Cache::Never),
            ("wc-api/*", Cache::Never),
            ("wc-auth/*", Cache::Never),
            ("wp-content/*", Cache::Assets),
            ("wp-includes/*", Cache::Assets),
        ],
        everything_else: Cache::Pages,
        devices: DeviceClasses::Three,
        session_cookies: &[
            "wordpress_logged_in_*",
            "wordpress_sec_*",
            "wordpress_rec_*",
            "wp-postpass_*",
            "comment_author_*",
            "woocommerce_items_in_cart",
            "woocommerce_cart_hash",
            "wp_woocommerce_session_*",
            "yith_wcwl_session_*",  // wish lists
            "wmc_current_currency", // a currency that was chosen
            "PHPSESSID",
        ],
        implied_cookies: WORDPRESS_IMPLIED,
        everybodys_cookies: WORDPRESS_EVERYBODYS,
        session_query: WORDPRESS_SESSION_QUERY,
        drop_query: TRACKERS,
        page_query: WORDPRESS_PAGE_QUERY,
        asset_query: AssetQuery::Only(&["v", "ver"]),
        ttl_pages: Duration::from_secs(HOUR),
        ttl_assets: Duration::from_secs(30 * DAY),
        ttl_errors: Duration::from_secs(1),
        read_timeout: Duration::from_secs(60),
        ..PLAIN
    },
    Preset {
        name: "drupal",
        about: "A Drupal site. Pages are cached for everybody without a session, for as long as Drupal says or an hour; \
                whoever has a session gets pages of his own.",
        behaviors: &[
            ("admin/*", Cache::Never),
            ("user/*", Cache::Never),
            ("jsonapi/*", Cache::Never),
            ("big_pipe/*", Cache::Never),
            ("system/*", Cache::Never), // private files, and ajax of old
            ("cron/*", Cache::Never),   // its address is a secret
            ("*.php", Cache::Never),    // update.php, core/install.php, core/authorize.php
            ("sites/*/files/*", Cache::Assets),
            ("core/*", Cache::Assets),
            ("modules/*", Cache::Assets),
            ("themes/*", Cache::Assets),
            ("libraries/*", Cache::Assets),
            ("profiles/*", Cache::Assets),
        ],
        everything_else: Cache::Pages,
        session_cookies: &[
            "SESS*",  // SESS and a hash, over plain HTTP
            "SSESS*", // over HTTPS
            "NO_CACHE",
        ],
        everybodys_cookies: &["has_js", "_ga", "_gid", "_fbp", "__utma"],
        session_query: &["pass-reset-token", "check_logged_in", "token"],
        drop_query: TRACKERS,
        page_query: &["page", "q", "keys", "search_api_fulltext", "sort_by", "sort_order", "items_per_page"],
        // Aggregates carry what they are made of (`delta`, `include`, `theme`), image styles a token (`itok`).
        asset_query: AssetQuery::AllButTrackers,
        ttl_pages: Duration::from_secs(HOUR),
        ttl_assets: Duration::from_secs(30 * DAY),
        ttl_errors: Duration::from_secs(1),
        read_timeout: Duration::from_secs(60),
        ..PLAIN
    },
    Preset {
        name: "laravel",
        about: "A Laravel application. It gives every visitor a session, so no page is shared; what Vite built is kept for \
                a year. Public pages without sessions are a [[behavior]] of the site.",
        behaviors: &[
            ("build/*", Cache::Immutable),
            ("vendor/*", Cache::Assets),
            ("storage/*", Cache::Assets),
        ],
        everything_else: Cache::Never,
        session_cookies: &["laravel_session", "remember_web_*"],
        everybodys_cookies: &["XSRF-TOKEN", "_ga", "_gid", "_fbp", "__utma"],
        session_query: &["signature", "expires"],
        drop_query: TRACKERS,
        page_query: &["page", "q"],
        ttl_pages: Duration::from_secs(HOUR),
        ttl_assets: Duration::from_secs(DAY),
        ..PLAIN
    },
    Preset {
        name: "static",
        about: "Files: of a web server, or of an S3 bucket, which is then private behind an origin access control.",
        everything_else: Cache::Assets,
        root: "index.html",
        ttl_assets: Duration::from_secs(DAY),
        ..PLAIN
    },
    Preset {
        name: "spa",
        about: "An application of one page: every path that is no file shows /index.html, which is asked for anew each \
                minute; what the bundler named by its content is kept for a year.",
        behaviors: &[
            ("assets/*", Cache::Immutable),         // Vite
            ("static/*", Cache::Immutable),         // Create React App
            ("_next/static/*", Cache::Immutable),   // Next.js
            ("_nuxt/*", Cache::Immutable),          // Nuxt
            ("_app/immutable/*", Cache::Immutable), // SvelteKit
            ("_astro/*", Cache::Immutable),         // Astro
        ],
        everything_else: Cache::Assets,
        root: "index.html",
        // A bucket says 403 for what it does not have, a web server 404.
        error_page: Some(PresetPage { codes: &[403, 404], page: "/index.html", status: 200 }),
        ttl_assets: Duration::from_secs(60),
        ..PLAIN
    },
    Preset {
        name: "api",
        about: "An interface for programs. Nothing is cached unless a [[behavior]] says \"answers\": those are kept as long as \
                the origin says, with Authorization, Accept and all arguments in the key.",
        everything_else: Cache::Never,
        ..PLAIN
    },
];

/// `wordpress_sec_…` has the paths of the dashboard and of plugins, and never comes without `wordpress_logged_in_…`;
/// who repairs a site with `wordpress_rec_…` logs in too before he sees more than the log-in page.
const WORDPRESS_IMPLIED: &[&str] = &["wordpress_sec_*", "wordpress_rec_*"];

const WORDPRESS_EVERYBODYS: &[&str] = &[
    "wordpress_test_cookie", // whoever once saw the log-in page
    "wp-settings-1",         // these two outlive the session
    "wp-settings-time-1",
    "woocommerce_recently_viewed",
    "_ga",
    "_gid",
    "_fbp",
    "__utma",
];

/// What WordPress itself finds a page by.
const WORDPRESS_PAGE_QUERY: &[&str] = &[
    "s",
    "p",
    "page_id",
    "paged",
    "page",
    "cat",
    "tag",
    "author",
    "feed",
    "m",
    "post_type",
    "replytocom",
    "orderby",
];

const WORDPRESS_SESSION_QUERY: &[&str] = &[
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
];

/// What advertisements, letters and statistics append.
const TRACKERS: &[&str] = &[
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
];

/// The ten a policy has room for: pages that are files are linked to from advertisements and letters too.
pub(in crate::site) const COMMON_TRACKERS: &[&str] = &[
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
    about: "",
    behaviors: &[],
    everything_else: Cache::Never,
    devices: DeviceClasses::None,
    session_cookies: &[],
    implied_cookies: &[],
    everybodys_cookies: &[],
    session_query: &[],
    drop_query: &[],
    page_query: &[],
    asset_query: AssetQuery::AllButTrackers,
    ttl_pages: Duration::ZERO,
    ttl_assets: Duration::ZERO,
    ttl_errors: Duration::from_secs(5),
    root: "",
    error_page: None,
    connect_attempts: 2,
    connect_timeout: Duration::from_secs(3),
    read_timeout: Duration::from_secs(30),
    keepalive_timeout: Duration::from_secs(30),
};
