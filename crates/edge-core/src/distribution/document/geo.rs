//! `Restrictions` (§1.2.1, §12.1): which countries are served.

use super::super::{Country, GeoRestriction};
use super::node::Node;

/// Reads `Restrictions`, with every mistake in it.
pub(super) fn restriction(restrictions: &Node<'_>) -> GeoRestriction {
    if !restrictions.is_present() {
        return GeoRestriction::None;
    }
    let geo = restrictions.required("GeoRestriction");
    let kind = geo.required("RestrictionType");
    let words = ["none", "whitelist", "blacklist"];
    let kind_text = kind.as_text().unwrap_or("none");
    if !words.contains(&kind_text) {
        let message = format!("{kind_text:?} is not one of the values of this field");
        kind.error_with(
            "InvalidGeoRestrictionParameter",
            message,
            format!("use one of {}", words.join(", ")),
        );
    }
    let mut countries = Vec::new();
    for location in &geo.items() {
        let Some(code) = location.as_text() else { continue };
        match Country::parse(code) {
            Some(country) => countries.push(country),
            None => {
                location
                    .error("InvalidLocationCode", format!("{code:?} is not a country, two capital letters"));
            }
        }
    }
    match kind_text {
        "whitelist" | "blacklist" if geo.items().is_empty() => {
            geo.error("InvalidGeoRestrictionParameter", "at least one country is needed");
            GeoRestriction::None
        }
        "whitelist" => GeoRestriction::Only(countries),
        "blacklist" => GeoRestriction::AllBut(countries),
        _ => {
            if kind_text == "none" && !geo.items().is_empty() {
                geo.error("InvalidGeoRestrictionParameter", "RestrictionType none takes no countries");
            }
            GeoRestriction::None
        }
    }
}
