//! Any text as a template, plan or XML: never a panic, never much of little, and what loads is what it prints.

use edge_core::distribution::form::{self, Choices};
use edge_core::distribution::load_value;

/// Nothing comes to more than a template may, and the little that is left out of it and filled in.
const BYTES_MAX: usize = 32 << 20;

/// See the module.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match form::load(text, &Choices::default()) {
        Ok(loaded) => {
            let document = loaded.document.value();
            assert!(document.to_string().len() <= BYTES_MAX.max(text.len() * 2));
            let again = load_value(document.clone()).expect("what it was turned into loads");
            assert_eq!(again.document, loaded.document);
            assert_eq!(format!("{:?}", again.distribution), format!("{:?}", loaded.distribution));
        }
        Err(problems) => {
            assert!(problems.errors().next().is_some(), "a refusal names an error");
            assert!(problems.0.iter().all(|problem| !problem.to_string().is_empty()));
        }
    }
}

/// Each form, with most of what it can have.
pub const SEEDS: &[&str] = &[
    include_str!("../../fixtures/templates/cdk.out/SiteStack.template.json"),
    include_str!("../../fixtures/templates/twin.plan.json"),
    include_str!("../../fixtures/templates/legacy-wordpress.xml"),
    include_str!("../../fixtures/templates/small.yaml"),
];
