//! Any bytes into the loader: never a panic, and what loads, loads again as the same.

use edge_core::distribution::{load, load_value};

/// See the module.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match load(text) {
        Ok(loaded) => {
            let again = load_value(loaded.document.value().clone()).expect("what loaded once loads again");
            assert_eq!(again.document, loaded.document);
            assert_eq!(again.warnings, loaded.warnings);
            assert_eq!(format!("{:?}", again.distribution), format!("{:?}", loaded.distribution));
        }
        Err(problems) => {
            assert!(!problems.0.is_empty(), "a refusal names a problem");
            assert!(problems.0.iter().all(|problem| !problem.to_string().is_empty()));
        }
    }
}

/// Documents of every shape.
pub const SEEDS: &[&str] = &[
    include_str!("../../fixtures/distributions/minimal.json"),
    include_str!("../../fixtures/distributions/full.json"),
    include_str!("../../fixtures/distributions/legacy-wordpress.json"),
    include_str!("../../fixtures/distributions/bundle-of-cli-outputs.json"),
    include_str!("../../fixtures/distributions/get-distribution.json"),
    include_str!("../../fixtures/distributions/numbers-as-strings.json"),
];
