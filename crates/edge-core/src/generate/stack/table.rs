//! Which part of the classic stack a resource serves, and what it costs: the one list of both writers and of
//! docs/stack.md.
//!
//! Costs are classes with what drives them, never prices: those differ by region and change.

/// A part of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Zones, subnets, the way out.
    Network,
    /// Route 53.
    Names,
    /// ACM.
    Certificate,
    /// CloudFront.
    Edge,
    /// The load balancer.
    Balancer,
    /// nginx and PHP.
    Instances,
    /// MariaDB.
    Database,
    /// Uploads in S3.
    Media,
    /// Uploads on EFS.
    Files,
    /// Backups.
    Backup,
    /// WordPress's own clock.
    Cron,
    /// Access logs.
    Logs,
    /// Alarms and a dashboard.
    Watching,
}

/// A part, with what it is and what of the old stack it stands for.
#[derive(Debug)]
pub struct About {
    /// Which.
    pub service: Service,
    /// What it was, or is, in the classic stack.
    pub serves: &'static str,
    /// How it is built here.
    pub built: &'static str,
}

/// The parts, in the order of a request's way and then of what stands beside it.
#[rustfmt::skip]
pub const SERVICES: &[About] = &[
    About { service: Names, serves: "Route 53", built: "alias records, A and AAAA, of every name of the site to the distribution; `origin.` of the site to the balancer" },
    About { service: Certificate, serves: "ACM", built: "one certificate for all names and the balancer's, validated by DNS; CloudFront takes it from us-east-1 only" },
    About { service: Edge, serves: "CloudFront 1-5", built: "the distribution as the edge runs it: assets, pages of anonymous viewers, devices, TLS, compression" },
    About { service: Balancer, serves: "ALB", built: "over all zones; admits CloudFront's prefix list, and of that only who sends the secret" },
    About { service: Instances, serves: "EC2 + nginx + PHP-FPM", built: "an Auto Scaling group of instances without state, replaced one after the other" },
    About { service: Database, serves: "RDS Multi-AZ", built: "MariaDB in two zones, encrypted, its password in Secrets Manager" },
    About { service: Media, serves: "EFS -> S3 for media", built: "a versioned bucket behind an origin access control; what it lacks is asked of the instances (origin group, GET and HEAD)" },
    About { service: Files, serves: "EFS", built: "a shared file system for uploads, until all of them are in the bucket" },
    About { service: Backup, serves: "Data Pipeline -> AWS Backup", built: "a daily plan over database, bucket and file system, 35 days" },
    About { service: Cron, serves: "Lambda cron -> EventBridge", built: "wp-cron.php is called every five minutes, with a secret; page views do it no more (DISABLE_WP_CRON)" },
    About { service: Logs, serves: "LogDNA", built: "standard logging v2 to S3, and through Firehose to a collector by HTTP" },
    About { service: Watching, serves: "Datadog", built: "alarms on errors, latency, targets and database, and one dashboard" },
    About { service: Network, serves: "VPC", built: "public and private subnets in every zone; instances and database are in the private ones" },
];

/// What a kind of resource costs a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Nothing.
    Free,
    /// Below ten dollars for a usual site.
    Dollars,
    /// Ten to a hundred.
    Tens,
    /// A hundred and more.
    Hundreds,
}

impl Cost {
    /// `a few dollars`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Dollars => "a few dollars",
            Self::Tens => "tens of dollars",
            Self::Hundreds => "hundreds of dollars",
        }
    }
}

/// A kind of resource.
#[derive(Debug)]
pub struct Row {
    /// What it serves; of what several have, a group or a role, the first.
    pub service: Service,
    /// `AWS::EC2::VPC`; empty where only Terraform has it apart.
    pub cloudformation: &'static str,
    /// `aws_vpc`, several with blanks between; empty where CloudFormation has it apart.
    pub terraform: &'static str,
    /// What it costs a month.
    pub cost: Cost,
    /// By what the cost grows.
    pub driver: &'static str,
}

impl Row {
    /// The row of a type of either writer.
    pub(super) fn of(kind: &str) -> Option<&'static Self> {
        ROWS.iter()
            .find(|row| row.cloudformation == kind || row.terraform.split(' ').any(|name| name == kind))
    }

    /// The comment of a resource of it that serves this.
    pub(super) fn remark(&self, service: Service) -> String {
        let about = SERVICES.iter().find(|about| about.service == service);
        let serves = about.map_or("", |about| about.serves);
        format!("{serves}; {} a month: {}", self.cost.words(), self.driver)
    }
}

const fn row(
    service: Service,
    cloudformation: &'static str,
    terraform: &'static str,
    cost: Cost,
    driver: &'static str,
) -> Row {
    Row { service, cloudformation, terraform, cost, driver }
}

/// Nothing else is ever charged for it.
const NOTHING: &str = "nothing is charged for it";

use Cost::{Dollars, Free, Hundreds, Tens};
use Service::{
    Backup, Balancer, Certificate, Cron, Database, Edge, Files, Instances, Logs, Media, Names, Network,
    Watching,
};

/// All kinds, by part.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row(Names, "AWS::Route53::RecordSet", "aws_route53_record", Free, "answers of aliases to CloudFront and balancers are not charged; the hosted zone they are in is half a dollar"),
    row(Certificate, "AWS::CertificateManager::Certificate", "aws_acm_certificate", Free, "public certificates are not charged"),
    row(Certificate, "", "aws_acm_certificate_validation", Free, NOTHING),
    row(Edge, "AWS::CloudFront::Distribution", "aws_cloudfront_distribution", Tens, "bytes to viewers and requests; the first 1 TB and 10 million requests of a month are free"),
    row(Edge, "AWS::CloudFront::CachePolicy", "aws_cloudfront_cache_policy", Free, NOTHING),
    row(Edge, "AWS::CloudFront::OriginRequestPolicy", "aws_cloudfront_origin_request_policy", Free, NOTHING),
    row(Edge, "AWS::CloudFront::ResponseHeadersPolicy", "aws_cloudfront_response_headers_policy", Free, NOTHING),
    row(Edge, "AWS::CloudFront::Function", "aws_cloudfront_function", Dollars, "calls: one for each page view; the first 2 million of a month are free"),
    row(Edge, "AWS::CloudFront::KeyValueStore", "aws_cloudfront_key_value_store", Dollars, "reads by functions"),
    row(Edge, "AWS::CloudFront::PublicKey", "aws_cloudfront_public_key", Free, NOTHING),
    row(Edge, "AWS::CloudFront::KeyGroup", "aws_cloudfront_key_group", Free, NOTHING),
    row(Edge, "AWS::CloudFront::VpcOrigin", "aws_cloudfront_vpc_origin", Free, NOTHING),
    row(Balancer, "AWS::ElasticLoadBalancingV2::LoadBalancer", "aws_lb", Tens, "hours, and capacity units by connections and bytes"),
    row(Balancer, "AWS::ElasticLoadBalancingV2::Listener", "aws_lb_listener", Free, "part of the balancer's price"),
    row(Balancer, "AWS::ElasticLoadBalancingV2::ListenerRule", "aws_lb_listener_rule", Free, "the first ten rules are"),
    row(Balancer, "AWS::ElasticLoadBalancingV2::TargetGroup", "aws_lb_target_group", Free, "part of the balancer's price"),
    row(Balancer, "AWS::SecretsManager::Secret", "aws_secretsmanager_secret aws_secretsmanager_secret_version random_password", Dollars, "secrets, 40 cents each, and reads of them"),
    row(Balancer, "AWS::EC2::SecurityGroup", "aws_security_group", Free, NOTHING),
    row(Balancer, "AWS::EC2::SecurityGroupIngress", "aws_vpc_security_group_ingress_rule", Free, NOTHING),
    row(Balancer, "AWS::EC2::SecurityGroupEgress", "aws_vpc_security_group_egress_rule", Free, NOTHING),
    row(Instances, "AWS::AutoScaling::AutoScalingGroup", "aws_autoscaling_group", Tens, "hours of its instances, by size and number, and their disks"),
    row(Instances, "AWS::AutoScaling::ScalingPolicy", "aws_autoscaling_policy", Free, "but for the instances it adds"),
    row(Instances, "AWS::EC2::LaunchTemplate", "aws_launch_template", Free, NOTHING),
    row(Instances, "AWS::IAM::Role", "aws_iam_role aws_iam_role_policy aws_iam_role_policy_attachment", Free, NOTHING),
    row(Instances, "AWS::IAM::InstanceProfile", "aws_iam_instance_profile", Free, NOTHING),
    row(Database, "AWS::RDS::DBInstance", "aws_db_instance", Hundreds, "hours of both instances by size, and twice the storage; tens with the smallest"),
    row(Database, "AWS::RDS::DBSubnetGroup", "aws_db_subnet_group", Free, NOTHING),
    row(Database, "AWS::RDS::DBParameterGroup", "aws_db_parameter_group", Free, NOTHING),
    row(Media, "AWS::S3::Bucket", "aws_s3_bucket aws_s3_bucket_versioning aws_s3_bucket_public_access_block aws_s3_bucket_server_side_encryption_configuration aws_s3_bucket_lifecycle_configuration aws_s3_bucket_logging aws_s3_bucket_ownership_controls", Dollars, "bytes kept, old versions among them, and requests; what goes to CloudFront is free"),
    row(Media, "AWS::S3::BucketPolicy", "aws_s3_bucket_policy", Free, NOTHING),
    row(Media, "AWS::CloudFront::OriginAccessControl", "aws_cloudfront_origin_access_control", Free, NOTHING),
    row(Files, "AWS::EFS::FileSystem", "aws_efs_file_system", Tens, "bytes kept, ten times the price of a bucket's, and bytes read and written"),
    row(Files, "AWS::EFS::MountTarget", "aws_efs_mount_target", Free, NOTHING),
    row(Backup, "AWS::Backup::BackupPlan", "aws_backup_plan", Free, NOTHING),
    row(Backup, "AWS::Backup::BackupVault", "aws_backup_vault", Dollars, "bytes of recovery points"),
    row(Backup, "AWS::Backup::BackupSelection", "aws_backup_selection", Free, NOTHING),
    row(Cron, "AWS::Events::Rule", "aws_cloudwatch_event_rule aws_cloudwatch_event_target", Free, "schedules are not charged"),
    row(Cron, "AWS::Events::Connection", "aws_cloudwatch_event_connection", Free, NOTHING),
    row(Cron, "AWS::Events::ApiDestination", "aws_cloudwatch_event_api_destination", Free, "20 cents for each million of calls"),
    row(Logs, "AWS::Logs::DeliverySource", "aws_cloudwatch_log_delivery_source", Free, NOTHING),
    row(Logs, "AWS::Logs::DeliveryDestination", "aws_cloudwatch_log_delivery_destination", Free, NOTHING),
    row(Logs, "AWS::Logs::Delivery", "aws_cloudwatch_log_delivery", Free, "to S3; to Firehose by the bytes of the logs"),
    row(Logs, "AWS::Logs::LogGroup", "aws_cloudwatch_log_group", Dollars, "bytes taken in, and kept"),
    row(Logs, "AWS::KinesisFirehose::DeliveryStream", "aws_kinesis_firehose_delivery_stream", Dollars, "bytes of the logs, each record rounded up to 5 KB"),
    row(Watching, "AWS::CloudWatch::Alarm", "aws_cloudwatch_metric_alarm", Free, "the first ten are; then ten cents each"),
    row(Watching, "AWS::CloudWatch::Dashboard", "aws_cloudwatch_dashboard", Free, "the first three are; then three dollars each"),
    row(Watching, "AWS::SNS::Topic", "aws_sns_topic aws_sns_topic_policy", Free, "the first thousand letters are"),
    row(Watching, "AWS::SNS::TopicPolicy", "", Free, NOTHING),
    row(Watching, "AWS::SNS::Subscription", "aws_sns_topic_subscription", Free, "the first thousand letters are"),
    row(Network, "AWS::EC2::VPC", "aws_vpc aws_default_security_group", Free, NOTHING),
    row(Network, "AWS::EC2::Subnet", "aws_subnet", Free, NOTHING),
    row(Network, "AWS::EC2::InternetGateway", "aws_internet_gateway", Free, NOTHING),
    row(Network, "AWS::EC2::VPCGatewayAttachment", "", Free, NOTHING),
    row(Network, "AWS::EC2::RouteTable", "aws_route_table", Free, NOTHING),
    row(Network, "AWS::EC2::Route", "aws_route", Free, NOTHING),
    row(Network, "AWS::EC2::SubnetRouteTableAssociation", "aws_route_table_association", Free, NOTHING),
    row(Network, "AWS::EC2::EIP", "aws_eip", Dollars, "hours of the address"),
    row(Network, "AWS::EC2::NatGateway", "aws_nat_gateway", Tens, "hours of each zone's, and bytes through it"),
    row(Network, "AWS::EC2::VPCEndpoint", "aws_vpc_endpoint", Free, "gateways to S3 are"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_once_and_each_part_has_one() {
        let kinds = |row: &'static Row| row.terraform.split(' ').chain([row.cloudformation]);
        let mut seen = Vec::new();
        for kind in ROWS.iter().flat_map(kinds).filter(|kind| !kind.is_empty()) {
            assert!(!seen.contains(&kind), "{kind}");
            seen.push(kind);
        }
        for about in SERVICES {
            assert!(ROWS.iter().any(|row| row.service == about.service), "{:?}", about.service);
        }
        for row in ROWS {
            assert!(SERVICES.iter().any(|about| about.service == row.service) && !row.driver.is_empty());
        }
    }
}
