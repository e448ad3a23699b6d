//! What is selected of a `Cookie` field: a part of its pairs, sorted by name, and selecting again changes nothing.

use edge_core::distribution::{Glob, Name, Names};
use edge_core::header::cookie::{pairs, select};

/// The first line is names (`,` between them, `!` before all for "all but"), the rest the field.
pub fn check(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (names, header) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let Ok(names) = std::str::from_utf8(names) else { return };
    let names = read(names);
    let mut out = Vec::new();
    let any = select(header, &names, &mut out);
    assert_eq!(any, !out.is_empty());
    if !any {
        return;
    }
    let selected: Vec<_> = pairs(&out).collect();
    assert!(selected.is_sorted_by_key(|pair| pair.name));
    let mut left: Vec<&[u8]> = pairs(header).map(|pair| pair.raw).collect();
    for pair in &selected {
        assert!(names.select(pair.name));
        let at = left.iter().position(|raw| *raw == pair.raw).expect("selected pairs were sent");
        left.remove(at);
    }
    let is_left_out = |raw: &&[u8]| !names.select(raw.split(|&byte| byte == b'=').next().unwrap_or_default());
    assert!(left.iter().all(is_left_out), "nothing that is selected is missing");
    let mut again = Vec::new();
    select(&out, &names, &mut again);
    assert_eq!(out, again);
}

fn read(text: &str) -> Names {
    let (all_but, list) = text.strip_prefix('!').map_or((false, text), |list| (true, list));
    let entry = |name: &str| match name.contains(['*', '?']) {
        true => Name::Pattern(Glob::new(name)),
        false => Name::Literal(name.to_owned()),
    };
    match (text, all_but) {
        ("", _) => Names::None,
        ("*", _) => Names::All,
        (_, true) => Names::AllExcept(list.split(',').map(entry).collect()),
        (_, false) => Names::Only(list.split(',').map(entry).collect()),
    }
}

/// Fields of browsers, and of nobody.
pub const SEEDS: &[&str] = &[
    "wordpress_logged_in_*,a\nb=2; a=1; wordpress_logged_in_x=admin%7C1; a=0",
    "*\nz=1;y=2 ;; =3; $x=4; bare;a=\"1;2\"",
    "!_ga*\n_ga=1; _gat=2; c=3",
    "a\na=1; a=1; a=2; A=3",
];
