//! `--stack`: all around the distribution of a WordPress site on AWS, from its names to its database.
//!
//! Three things make it. `table` says which part of the classic stack each kind of resource serves and what it costs
//! a month; the comments of every format and docs/stack.md are read from it. `site` takes a distribution's document
//! and makes the stack's of it: the balancer's name and secret, the bucket for media. A writer for each format knows
//! the shapes. It refuses to know accounts and prices: what an account decides is a parameter.

mod beside;
mod cloudformation;
mod site;
mod table;
mod terraform;

use serde_json::Value;

use super::{File, Format, Options, refused};
use crate::distribution::Problems;
use site::Site;

pub use table::{About, Cost, ROWS, Row, SERVICES, Service};

/// What the stack has, beside what every one has.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Availability zones, 2 to 4.
    pub zones: u8,
    /// Where the network comes from.
    pub network: Network,
    /// How CloudFront reaches the balancer.
    pub balancer: Balancer,
    /// Where the site's media lie, beside the bucket.
    pub files: Files,
    /// Where access logs go too, by HTTP: an `https://` URL.
    pub collector: Option<String>,
    /// How the balancer's name is resolved.
    pub origin_records: OriginRecords,
}

/// Where the network comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The stack makes one.
    Made,
    /// There is one: its ids are parameters.
    Existing,
}

/// How CloudFront reaches the balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balancer {
    /// Over the internet: admitted by CloudFront's prefix list and by a secret header.
    Public,
    /// Inside the network: a VPC origin (§5), and the secret all the same.
    VpcOrigin,
}

/// Where media lie, beside the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Nowhere: instances mount the bucket.
    Bucket,
    /// On a shared file system, from which they move to the bucket.
    Efs,
}

/// How the balancer's name is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginRecords {
    /// One balancer.
    Simple,
    /// One of several, the nearest by latency: further regions add theirs to the set.
    Latency,
    /// One of several, by where CloudFront asks from: this region's is the default of the set.
    Geolocation,
}

impl Default for Stack {
    fn default() -> Self {
        Self {
            zones: 2,
            network: Network::Made,
            balancer: Balancer::Public,
            files: Files::Bucket,
            collector: None,
            origin_records: OriginRecords::Simple,
        }
    }
}

/// A balancer wants two, and no region is sure to have more than four that it may use.
const ZONES: std::ops::RangeInclusive<u8> = 2..=4;

/// Prints the stack around the distribution of a document that loads.
pub fn print(
    document: &Value,
    format: Format,
    stack: &Stack,
    options: &Options,
) -> Result<Vec<File>, Problems> {
    let mut problems = Vec::new();
    if !ZONES.contains(&stack.zones) {
        let message = format!("{} availability zones: a stack has 2 to 4", stack.zones);
        problems.push(refused("--zones", message, "a load balancer wants two at least"));
    }
    if let Some(url) = &stack.collector
        && !is_collector(url)
    {
        let message = format!("{url} is no address that Firehose delivers to");
        problems.push(refused("--collector", message, "https://, a name, port 443, at most 1000 characters"));
    }
    if !has_stack(format) {
        let message = format!("{format:?} has no stack");
        problems.push(refused("--stack", message, "--format cloudformation or terraform has one"));
    }
    let site = match Site::of(document, stack) {
        Ok(site) if problems.is_empty() => site,
        Ok(_) => return Err(Problems(problems)),
        Err(Problems(more)) => {
            problems.extend(more);
            return Err(Problems(problems));
        }
    };
    match format {
        Format::Terraform => terraform::print(&site, stack, options),
        _ => cloudformation::print(&site, stack, options),
    }
}

fn has_stack(format: Format) -> bool {
    matches!(format, Format::CloudFormation | Format::Terraform)
}

fn is_collector(url: &str) -> bool {
    let host = url.strip_prefix("https://").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
    let is_host = |host: &str| {
        let name = host.strip_suffix(":443").unwrap_or(host);
        name.contains('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
    };
    url.len() <= 1000 && host.is_some_and(is_host) && url.chars().all(|c| c.is_ascii_graphic() && c != '"')
}
