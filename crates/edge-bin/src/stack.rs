//! `--stack` of `gen-cloudfront-policy`, and what says which stack.

use edge_core::generate::stack::{Balancer, Files, Network, OriginRecords, Stack};

/// All around the distribution of a WordPress site.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "The stack")]
pub(crate) struct StackArgs {
    /// Print the whole stack of a WordPress site: names and certificate, the distribution, a load balancer that admits
    /// CloudFront only, instances with nginx and PHP-FPM, MariaDB in two zones, a bucket for media, backups, wp-cron,
    /// logs, alarms, the network. Of CloudFormation and Terraform; docs/stack.md has its parts and what they cost.
    #[arg(long)]
    stack: bool,
    /// Availability zones, 2 to 4.
    #[arg(long, value_name = "N", default_value_t = 2, requires = "stack")]
    zones: u8,
    /// Put it into a network there is: its ids become parameters.
    #[arg(long, requires = "stack")]
    existing_vpc: bool,
    /// Make a shared file system for uploads, from which they move to the bucket. Without it instances mount the bucket.
    #[arg(long, requires = "stack")]
    efs: bool,
    /// Have CloudFront reach the load balancer inside the network, where nobody else does.
    #[arg(long, requires = "stack")]
    vpc_origin: bool,
    /// Send access logs to this URL too (Firehose's HTTP requests).
    #[arg(long, value_name = "URL", requires = "stack")]
    collector: Option<String>,
    /// How the load balancer's name is resolved: as one of several regions' where that is asked for.
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Records::Simple, requires = "stack")]
    origin_records: Records,
}

/// As the command line has it.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Records {
    /// One load balancer.
    Simple,
    /// The nearest of several by latency.
    Latency,
    /// By where CloudFront asks from; this one is the default.
    Geolocation,
}

impl StackArgs {
    /// The stack that is asked for, if one is.
    pub(crate) fn core(&self) -> Option<Stack> {
        self.stack.then(|| Stack {
            zones: self.zones,
            network: if self.existing_vpc { Network::Existing } else { Network::Made },
            balancer: if self.vpc_origin { Balancer::VpcOrigin } else { Balancer::Public },
            files: if self.efs { Files::Efs } else { Files::Bucket },
            collector: self.collector.clone(),
            origin_records: match self.origin_records {
                Records::Simple => OriginRecords::Simple,
                Records::Latency => OriginRecords::Latency,
                Records::Geolocation => OriginRecords::Geolocation,
            },
        })
    }

    /// The flags again, for the line that says what made a file.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let flags = [
            ("--stack", self.stack),
            ("--existing-vpc", self.existing_vpc),
            ("--efs", self.efs),
            ("--vpc-origin", self.vpc_origin),
        ];
        words.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.to_owned()));
        if self.zones != 2 {
            words.push(format!("--zones {}", self.zones));
        }
        words.extend(self.collector.as_ref().map(|url| format!("--collector {url}")));
        if self.origin_records != Records::Simple {
            let value = clap::ValueEnum::to_possible_value(&self.origin_records);
            words.extend(value.map(|value| format!("--origin-records {}", value.get_name())));
        }
        words
    }
}
