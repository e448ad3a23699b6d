//! The stack as a Terraform module: a file for each part, and the distribution as its own printer writes it.
//!
//! Terraform counts zones and chooses by itself, so the parts are texts; what an option decides is which of them are
//! there, and a few words in them between `@`. Each resource gets its comment from the table.

use super::super::set::Set;
use super::super::{File, Options, terraform};
use super::beside::beside;
use super::site::{BUCKET, SECRET, SECRET_HEADER, Site, VPC_ORIGIN};
use super::table::{Row, Service};
use super::{Balancer, Files, Network, OriginRecords, Stack};
use crate::distribution::Problems;

/// A file of the module: always, or where its option asks for it.
struct Text {
    path: &'static str,
    /// What its resources are for.
    service: Service,
    text: &'static str,
    is_asked: fn(&Stack) -> bool,
}

const fn always(path: &'static str, service: Service, text: &'static str) -> Text {
    Text { path, service, text, is_asked: |_| true }
}

const TEXTS: &[Text] = &[
    always("versions.tf", Service::Edge, include_str!("terraform/versions.tf")),
    always("variables.tf", Service::Edge, include_str!("terraform/variables.tf")),
    Text {
        path: "network.tf",
        service: Service::Network,
        text: include_str!("terraform/network.tf"),
        is_asked: |stack| stack.network == Network::Made,
    },
    Text {
        path: "network.tf",
        service: Service::Network,
        text: include_str!("terraform/network_existing.tf"),
        is_asked: |stack| stack.network == Network::Existing,
    },
    always("names.tf", Service::Names, include_str!("terraform/names.tf")),
    always("certificate.tf", Service::Certificate, include_str!("terraform/certificate.tf")),
    always("balancer.tf", Service::Balancer, include_str!("terraform/balancer.tf")),
    Text {
        path: "vpc_origin.tf",
        service: Service::Balancer,
        text: include_str!("terraform/vpc_origin.tf"),
        is_asked: |stack| stack.balancer == Balancer::VpcOrigin,
    },
    always("instances.tf", Service::Instances, include_str!("terraform/instances.tf")),
    always("database.tf", Service::Database, include_str!("terraform/database.tf")),
    always("media.tf", Service::Media, include_str!("terraform/media.tf")),
    Text {
        path: "files.tf",
        service: Service::Files,
        text: include_str!("terraform/files.tf"),
        is_asked: |stack| stack.files == Files::Efs,
    },
    always("backup.tf", Service::Backup, include_str!("terraform/backup.tf")),
    always("cron.tf", Service::Cron, include_str!("terraform/cron.tf")),
    always("logs.tf", Service::Logs, include_str!("terraform/logs.tf")),
    Text {
        path: "collector.tf",
        service: Service::Logs,
        text: include_str!("terraform/collector.tf"),
        is_asked: |stack| stack.collector.is_some(),
    },
    always("watching.tf", Service::Watching, include_str!("terraform/watching.tf")),
    always("outputs.tf", Service::Edge, include_str!("terraform/outputs.tf")),
];

const READ_ME: &str = include_str!("text/README.terraform.md");

/// The module, and what stands beside it.
pub(super) fn print(site: &Site, stack: &Stack, options: &Options) -> Result<Vec<File>, Problems> {
    let made_by = format!("# Made by {}; change what it was made from, and run it again.\n", options.command);
    let mut files = vec![];
    for text in TEXTS.iter().filter(|text| (text.is_asked)(stack)) {
        let body = told(&filled(text.text, site, stack), Some(text.service));
        files.push(File { path: text.path.to_owned(), text: format!("{made_by}\n{body}") });
    }
    for file in terraform::print(&Set::of(&site.document)?, options) {
        match file.path.as_str() {
            "main.tf" => {
                files
                    .push(File { path: "distribution.tf".to_owned(), text: told(&linked(&file.text), None) });
            }
            // These the stack has of its own.
            "versions.tf" | "variables.tf" | "outputs.tf" => {}
            _ => files.push(file),
        }
    }
    files.extend(beside(site, stack, READ_ME).files());
    Ok(files)
}

/// What an option decides, in its places.
fn filled(text: &str, site: &Site, stack: &Stack) -> String {
    let mut words = vec![
        ("@slug@", site.slug()),
        ("@zone@", site.origin.trim_start_matches("origin.").to_owned()),
        ("@certificate@", site.certificate.clone().unwrap_or_default()),
        ("@zones@", stack.zones.to_string()),
        ("@instances_max@", (stack.zones * 3).to_string()),
        (
            "@domains@",
            serde_json::Value::from(site.domains.as_slice()).to_string().replace("\",\"", "\", \""),
        ),
        ("@host@", site.host().to_owned()),
        ("@origin@", site.origin.clone()),
        ("@secret_header@", SECRET_HEADER.to_owned()),
        (
            "@collector@",
            stack.collector.clone().unwrap_or_default().replace("${", "$${").replace("%{", "%%{"),
        ),
        ("@origin_records@", records(stack.origin_records).to_owned()),
    ];
    let (internal, subnets) = match stack.balancer {
        Balancer::Public => ("false", "public"),
        Balancer::VpcOrigin => ("true", "private"),
    };
    words.extend([("@internal@", internal.to_owned()), ("@balancer_subnets@", subnets.to_owned())]);
    let of_efs = match stack.files {
        Files::Bucket => ["", "", "", ""],
        Files::Efs => [
            "${aws_efs_file_system.site.id}",
            ", aws_efs_mount_target.site",
            ", aws_efs_file_system.site.arn",
            MOUNTS,
        ],
    };
    words.extend(
        ["@file_system@", "@efs_wait@", "@efs_backup@", "@efs_statement@"]
            .into_iter()
            .zip(of_efs.map(str::to_owned)),
    );
    words.into_iter().fold(text.to_owned(), |text, (place, word)| text.replace(place, &word))
}

const MOUNTS: &str = "
  statement {
    actions   = [\"elasticfilesystem:ClientMount\", \"elasticfilesystem:ClientWrite\"]
    resources = [aws_efs_file_system.site.arn]
  }
";

fn records(how: OriginRecords) -> &'static str {
    match how {
        OriginRecords::Simple => "",
        OriginRecords::Latency => {
            "
  # One of several: further regions add theirs to the set.
  set_identifier = var.region

  latency_routing_policy {
    region = var.region
  }
"
        }
        OriginRecords::Geolocation => {
            "
  # The default of several: further regions add theirs to the set.
  set_identifier = var.region

  geolocation_routing_policy {
    country = \"*\"
  }
"
        }
    }
}

/// References where something stands for what only the stack knows.
fn linked(text: &str) -> String {
    [
        (BUCKET, "aws_s3_bucket.media.bucket_regional_domain_name"),
        (SECRET, "random_password.origin.result"),
        (VPC_ORIGIN, "aws_cloudfront_vpc_origin.site.id"),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (stand, meant)| text.replace(&format!("\"{stand}\""), meant))
    .replace("var.certificate_arn", "local.certificate_arn")
}

/// Each resource with its comment before it; behind a comment of its own. Without a service it is each resource's own.
fn told(text: &str, service: Option<Service>) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let kind = line.strip_prefix("resource \"").and_then(|rest| rest.split('"').next());
        if let Some(row) = kind.and_then(Row::of) {
            out.push_str(&format!("# {}\n", row.remark(service.unwrap_or(row.service))));
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}
