//! What a document says and the edge does not do: each such field gets a remark with its place.
//!
//! Three loudnesses. A field that would protect something and does not is a warning that says so in capitals. A field
//! that changes answers and is not acted on yet is a warning `NotInForce`. A field that can mean nothing on this
//! machine is a note (§17.7). When a feature lands, its line here goes away and the model gains a field.

use super::super::problem::codes::INVALID_ARGUMENT;
use super::node::Node;

/// The fields of `DistributionConfig` outside origins and behaviors.
pub(super) fn distribution(config: &Node<'_>) {
    config.ignore(&["AliasICPRecordals"]);
    price_class(config);
    if config.boolean("IsIPV6Enabled") == Some(true) {
        config.at("IsIPV6Enabled").no_local_effect("the listeners' addresses are this machine's to choose");
    }
    if config.filled("AnycastIpListId").is_some() {
        config.at("AnycastIpListId").no_local_effect("addresses are those of this machine");
    }
    if config.filled("WebACLId").is_some() {
        config.at("WebACLId").not_in_force_with(
            "the web ACL is not evaluated: the distribution is NOT protected by it here",
            "what WAF would block reaches the origin",
        );
    }
    logging(&config.at("Logging"));
    let tenant_only = config.choice("ConnectionMode", &[("direct", false), ("tenant-only", true)]);
    if tenant_only == Some(true) {
        config
            .at("ConnectionMode")
            .not_in_force("tenants are not modelled: the distribution is served itself");
    }
    if config.at("TenantConfig").is_present() {
        config.at("TenantConfig").not_in_force("parameters of tenants are not filled in");
    }
}

fn price_class(config: &Node<'_>) {
    let everywhere =
        [("PriceClass_All", true), ("PriceClass_100", false), ("PriceClass_200", false), ("None", false)];
    if config.choice("PriceClass", &everywhere) == Some(false) {
        config.at("PriceClass").no_local_effect("there is one edge location, this one");
    }
}

fn logging(logging: &Node<'_>) {
    logging.ignore(&["Bucket", "Prefix"]);
    if logging.boolean("Enabled") == Some(true) {
        logging
            .not_in_force("log files are not delivered to S3; --access-log writes the same lines to a file");
    }
}

/// The fields of an origin that name its servers' AWS side.
pub(super) fn origin(node: &Node<'_>) {
    let shield = node.at("OriginShield");
    if !shield.is_present() {
        return;
    }
    let region = shield.at("OriginShieldRegion");
    if shield.required_boolean("Enabled") {
        if region.as_text().unwrap_or_default().is_empty() {
            region.error(INVALID_ARGUMENT, "Origin Shield needs a region");
        }
        shield.no_local_effect("there is one tier, this one");
    } else {
        region.as_text();
    }
}

/// TLS towards a custom origin is rustls's: 1.2 and 1.3.
pub(super) fn custom_origin(custom: &Node<'_>) {
    let protocols = custom.at("OriginSslProtocols");
    let words = ["SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2"].map(|word| (word, word));
    let items = protocols.items();
    let known: Vec<&str> = items.iter().filter_map(|item| item.as_choice(&words)).collect();
    if !known.is_empty() && !known.contains(&"TLSv1.2") {
        protocols.not_in_force("the origin is spoken to in TLS 1.2 or 1.3 only");
    }
    let families = ["ipv4", "ipv6", "dualstack"].map(|word| (word, word));
    if matches!(custom.choice("IpAddressType", &families), Some("ipv6" | "dualstack")) {
        custom.at("IpAddressType").no_local_effect("addresses are those this machine resolves");
    }
}

/// Ports and protocol of a VPC origin stand in an object of its own, which no document carries.
pub(super) fn vpc_origin(vpc: &Node<'_>) {
    vpc.not_in_force_with(
        "the ports and the protocol of a VPC origin are not in this document: 80, 443 and the viewer's are assumed",
        "map the origin to the server you mean",
    );
}

pub(super) fn origin_group(node: &Node<'_>) {
    let words = [("default", false), ("media-quality-based", true)];
    if node.choice("SelectionCriteria", &words) == Some(true) {
        node.at("SelectionCriteria").not_in_force("the primary is always asked first");
    }
}

/// The fields of a behavior; `pattern` is what people call it by.
pub(super) fn behavior(node: &Node<'_>, pattern: &str) {
    if node.filled("FieldLevelEncryptionId").is_some() {
        let field = node.at("FieldLevelEncryptionId");
        field.not_in_force(format!("fields of requests to {pattern} are NOT encrypted here"));
    }
    if node.filled("RealtimeLogConfigArn").is_some() {
        node.at("RealtimeLogConfigArn").not_in_force("real-time logs are not delivered");
    }
    if node.boolean("SmoothStreaming") == Some(true) {
        node.at("SmoothStreaming").no_local_effect("Microsoft Smooth Streaming needs nothing of the edge");
    }
}
