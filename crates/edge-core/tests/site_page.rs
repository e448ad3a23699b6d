//! `docs/presets.md` is made of the presets' table:
//! `cargo test -p edge-core --no-default-features --test site_page -- --ignored`.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_core::site::preset::{AssetQuery, Cache, PRESETS, Preset};
use edge_core::site::{Policy, Style};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/presets.md")
}

const HEAD: &str = "\
# Presets

A preset is what a kind of site needs: which paths are cached how, who has a session, what changes no page. It is a row
of `crates/edge-core/src/site/preset/table.rs`; this page is made of it by
`cargo test -p edge-core --no-default-features --test site_page -- --ignored`. What becomes of requests stands in
`fixtures/site/NAME.requests`, and is tested.

```sh
edge-bin init --preset wordpress --origin http://127.0.0.1:8000 --domain blog.example.com   # writes edge.toml, every field explained
edge-bin serve edge.toml                                                                    # serves it
edge-bin serve --preset wordpress --origin http://127.0.0.1:8000                            # the same without a file
```

Every field of a row can be another in `edge.toml`: `[[behavior]]` comes before the preset's paths, `[sessions]` adds cookies
and arguments and ignores cookies, `[query]` drops and keeps, `[devices]`, `[ttl]`, `[origin]`, `[errors]` and `root` take the
place of the preset's. What is wrong is said with its line.

";

fn page() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("## How a path is cached\n\n| word | what it means |\n| --- | --- |\n");
    for (word, _, what) in Cache::ALL {
        _ = writeln!(out, "| `{word}` | {what} |");
    }
    out.push_str(
        "\n## Two styles\n\n`style = \"function\"` (the default; `--style` as a flag) puts a viewer-request function before pages: it tells sessions \
         from visitors,\ntakes from what is shared whatever is not in the key, drops arguments by name and beginning, and names \
         the device\nclass. `edge-bin serve` runs the rule it is written from; `--javascript` runs the code itself.\n\n\
         `style = \"policy\"` needs no code: at most ten session cookies stand in the key, with raw device headers, and ten\n\
         arguments are dropped. It gives up:\n\n",
    );
    let mut policy = Policy::from_preset("wordpress", &["https://origin.example.com"]).unwrap();
    policy.set_style(Style::Policy).unwrap();
    for sentence in policy.gives_up() {
        _ = writeln!(out, "- {sentence}");
    }
    for preset in PRESETS {
        section(&mut out, preset);
    }
    out
}

fn section(out: &mut String, preset: &Preset) {
    _ = writeln!(out, "\n## {}\n\n{}\n\n| path | cache |\n| --- | --- |", preset.name, preset.about);
    for (path, cache) in preset.behaviors {
        _ = writeln!(out, "| `{path}` | {} |", cache.word());
    }
    _ = writeln!(out, "| everything else | {} |", preset.everything_else.word());
    out.push_str("\n| field | value |\n| --- | --- |\n");
    let uses =
        |cache| preset.everything_else == cache || preset.behaviors.iter().any(|(_, other)| *other == cache);
    let mut row = |field: &str, value: String| {
        if !value.is_empty() {
            _ = writeln!(out, "| {field} | {value} |");
        }
    };
    row("`devices.classes`", format!("{:?}", preset.devices).to_lowercase());
    row("`sessions.cookies`", names(preset.session_cookies));
    row("of those not in a policy's key, because another is always there too", names(preset.implied_cookies));
    row("`sessions.arguments`", names(preset.session_query));
    row("cookies that everybody has", names(preset.everybodys_cookies));
    row("`query.drop`", names(preset.drop_query));
    row("arguments that choose the page, and are never dropped", names(preset.page_query));
    if uses(Cache::Assets) || uses(Cache::Immutable) {
        row(
            "arguments of assets",
            match preset.asset_query {
                AssetQuery::AllButTrackers => "all but the usual trackers".to_owned(),
                AssetQuery::Only(list) => format!("only {}", names(list)),
            },
        );
    }
    if uses(Cache::Pages) {
        row("`ttl.pages`", seconds(preset.ttl_pages));
    }
    if uses(Cache::Assets) {
        row("`ttl.assets`", seconds(preset.ttl_assets));
    }
    row("`ttl.errors`", seconds(preset.ttl_errors));
    row("`root`", if preset.root.is_empty() { String::new() } else { format!("`{}`", preset.root) });
    if let Some(page) = preset.error_page {
        let codes: Vec<String> = page.codes.iter().map(u16::to_string).collect();
        row("`errors`", format!("`{}` with {} for {}", page.page, page.status, codes.join(", ")));
    }
    row(
        "`origin.connect_attempts`, `origin.connect_timeout`",
        format!("{}, {}", preset.connect_attempts, seconds(preset.connect_timeout)),
    );
    row(
        "`origin.read_timeout`, `origin.keepalive_timeout`",
        format!("{}, {}", seconds(preset.read_timeout), seconds(preset.keepalive_timeout)),
    );
}

fn names(list: &[&str]) -> String {
    list.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => "0 s".to_owned(),
        _ if seconds.is_multiple_of(86_400) => format!("{} d", seconds / 86_400),
        _ if seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        _ => format!("{seconds} s"),
    }
}

#[test]
fn the_page_of_presets_is_the_table_s() {
    let written = std::fs::read_to_string(path()).unwrap_or_default();
    assert!(written == page(), "run `cargo test --test site_page -- --ignored`, read the diff");
}

#[test]
#[ignore = "writes docs/presets.md; the diff is the review"]
fn write_the_page() {
    std::fs::write(path(), page()).unwrap();
}
