//! `docs/lint.md`, which is the table of rules for people.

use std::fmt::Write as _;

use edge_core::lint::report::{JSON_SCHEMA, word};
use edge_core::lint::{RULES, Rule};

use crate::documents::root;

/// What stands before the rules.
const OPENING: &str = "\
# What `edge-bin lint` finds

This page is made from the table in `crates/edge-core/src/lint/table.rs`; after a change there run
`cargo test -p edge-core --no-default-features --test lint -- --ignored`.

```sh
edge-bin lint d.json                        # what `edge-bin serve` takes: a distribution, a bundle, an edge.toml, a preset
edge-bin lint d.json --level error          # only errors make it fail
edge-bin lint d.json --allow EDGE510        # as often as needed, by code or name
edge-bin lint d.json --json                 # or --sarif, which code hosts show beside the file
edge-bin lint --explain EDGE102             # all that is known of a rule; --list names them all
```

It ends with 0 where nothing is found, with 1 where something is (of the level asked for, `warning` unless said
otherwise), and with 2 where the document does not load.

An error leaks, fails or is refused by CloudFront. A warning costs hits, money, time or safety. An info is a note: it
depends on what the document does not show. A finding of a rule may weigh less than the rule where the document shows
that something else, a function above all, may have mended it.

## The JSON document

| field | what |
| --- | --- |
| `schema` | `SCHEMA`: another number where a field changes its meaning or goes away; new fields change nothing |
| `file` | what was looked at, as it was named; empty for a preset |
| `summary` | `errors`, `warnings`, `infos`: how many findings there are of each |
| `findings` | a list: errors first, then in the order below |
| … `code`, `name`, `title`, `why`, `fix`, `link` | of the rule; a code is never given to another rule |
| … `severity` | `error`, `warning` or `info`, of this finding |
| … `place` | where in the document, as in `DistributionConfig.CacheBehaviors.Items[2].PathPattern` |
| … `line` | of that place in the JSON text, or of what it would stand in; `null` where the document is no JSON |
| … `pattern` | of the behavior it is about, `*` for the default one; `null` where it is about none |
| … `value` | what stands there |
| … `message` | what is wrong with it here |

## The rules

";

fn page() -> String {
    let mut page = OPENING.replace("SCHEMA", JSON_SCHEMA);
    page.push_str("| code | severity | what |\n| --- | --- | --- |\n");
    for Rule { code, name, severity, title, .. } in RULES {
        let lower = code.to_ascii_lowercase();
        _ = writeln!(page, "| [{code}](#{lower}-{name}) | {} | {title} |", word(*severity));
    }
    for Rule { code, name, severity, title, why, fix, sure, link, .. } in RULES {
        _ = write!(
            page,
            "\n### {code} {name}\n\n**{}**: {title}. {why}\n\n{fix}\n\n*When it speaks.* {sure} [Source]({link}).\n",
            word(*severity)
        );
    }
    page
}

#[test]
fn the_page_is_the_table() {
    let written = std::fs::read_to_string(root().join("docs/lint.md")).unwrap_or_default();
    assert!(written == page(), "docs/lint.md is not what the table says: see its first lines");
}

#[test]
#[ignore = "rewrites docs/lint.md"]
fn rewrite_the_page() {
    std::fs::write(root().join("docs/lint.md"), page()).unwrap();
}
