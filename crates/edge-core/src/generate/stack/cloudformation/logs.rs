//! Access logs: to a bucket, and to a collector.

use serde_json::json;

use super::super::Service;
use super::super::Stack;
use super::super::site::Site;
use super::data::{closed_bucket, over_tls};
use super::template::Template;
use super::{get, policy, reference, sub, trust};

pub(super) fn add(template: &mut Template, site: &Site, stack: &Stack) {
    template.serve(Service::Logs);
    bucket(template);
    template.add(
        "AccessLogs",
        "AWS::Logs::DeliverySource",
        json!({
            "Name": format!("{}-access", site.slug()),
            "LogType": "ACCESS_LOGS",
            "#ResourceArn": "standard logging, version 2: it can be had in us-east-1 only",
            "ResourceArn": sub("arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Distribution}"),
        }),
    );
    template.add_with(
        "AccessLogsToBucket",
        "AWS::Logs::Delivery",
        json!({ "DependsOn": ["AccessLogs", "LogBucketPolicy"] }),
        json!({
            "DeliverySourceName": format!("{}-access", site.slug()),
            "DeliveryDestinationArn": get("LogBucketDestination", "Arn"),
            "S3SuffixPath": "{DistributionId}/{yyyy}/{MM}/{dd}/{HH}",
        }),
    );
    template.add(
        "LogBucketDestination",
        "AWS::Logs::DeliveryDestination",
        json!({
            "Name": format!("{}-bucket", site.slug()),
            "OutputFormat": "json",
            "DestinationResourceArn": sub("${LogBucket.Arn}/cloudfront"),
        }),
    );
    if let Some(url) = &stack.collector {
        collector(template, site, url);
    }
    template.output("LogBucketName", "Where logs are", reference("LogBucket"));
}

fn bucket(template: &mut Template) {
    let mut bucket = closed_bucket();
    bucket["VersioningConfiguration"] = json!({ "Status": "Enabled" });
    bucket["LifecycleConfiguration"] = json!({
        "Rules": [{
            "Id": "a-year",
            "Status": "Enabled",
            "Transitions": [{ "StorageClass": "STANDARD_IA", "TransitionInDays": 30 }],
            "ExpirationInDays": 365,
            "NoncurrentVersionExpiration": { "NoncurrentDays": 30 },
            "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": 7 },
        }],
    });
    template.add_with(
        "LogBucket",
        "AWS::S3::Bucket",
        json!({ "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain" }),
        bucket,
    );
    let writes = |name: &str, service: &str, folder: &str| {
        json!({
            "Sid": name,
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "s3:PutObject",
            "Resource": sub(&format!("${{LogBucket.Arn}}/{folder}/*")),
            "Condition": { "StringEquals": { "aws:SourceAccount": reference("AWS::AccountId") } },
        })
    };
    let mut balancer = writes("Balancer", "logdelivery.elasticloadbalancing.amazonaws.com", "balancer");
    // The service that writes these sends no account; the folder has it.
    balancer["Resource"] = sub("${LogBucket.Arn}/balancer/AWSLogs/${AWS::AccountId}/*");
    if let Some(fields) = balancer.as_object_mut() {
        fields.remove("Condition");
    }
    template.add(
        "LogBucketPolicy",
        "AWS::S3::BucketPolicy",
        json!({
            "Bucket": reference("LogBucket"),
            "PolicyDocument": policy(json!([
                writes("CloudFront", "delivery.logs.amazonaws.com", "cloudfront"),
                writes("Buckets", "logging.s3.amazonaws.com", "media"),
                balancer,
                over_tls("LogBucket"),
            ])),
        }),
    );
}

/// Firehose posts batches to the URL, and keeps in the bucket what could not be delivered.
fn collector(template: &mut Template, site: &Site, url: &str) {
    template.parameter(
        "CollectorKey",
        "What the collector knows us by; Firehose sends it as X-Amz-Firehose-Access-Key",
        json!({ "NoEcho": true, "Default": "" }),
    );
    template.condition(
        "HasCollectorKey",
        json!({ "Fn::Not": [{ "Fn::Equals": [reference("CollectorKey"), ""] }] }),
    );
    template.add(
        "CollectorRole",
        "AWS::IAM::Role",
        json!({
            "AssumeRolePolicyDocument": trust("firehose.amazonaws.com"),
            "Policies": [{
                "PolicyName": "keep",
                "PolicyDocument": policy(json!([
                    {
                        "Effect": "Allow",
                        "Action": ["s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:PutObject"],
                        "Resource": [get("LogBucket", "Arn"), sub("${LogBucket.Arn}/collector/*")],
                    },
                    { "Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": get("CollectorErrors", "Arn") },
                ])),
            }],
        }),
    );
    template.add("CollectorErrors", "AWS::Logs::LogGroup", json!({ "RetentionInDays": 30 }));
    template.add(
        "Collector",
        "AWS::KinesisFirehose::DeliveryStream",
        json!({
            "DeliveryStreamType": "DirectPut",
            "DeliveryStreamEncryptionConfigurationInput": { "KeyType": "AWS_OWNED_CMK" },
            "HttpEndpointDestinationConfiguration": {
                "EndpointConfiguration": {
                    "Name": "collector",
                    "Url": url,
                    "AccessKey": { "Fn::If": ["HasCollectorKey", reference("CollectorKey"), reference("AWS::NoValue")] },
                },
                "RequestConfiguration": { "ContentEncoding": "GZIP" },
                "BufferingHints": { "IntervalInSeconds": 60, "SizeInMBs": 1 },
                "RetryOptions": { "DurationInSeconds": 300 },
                "CloudWatchLoggingOptions": {
                    "Enabled": true,
                    "LogGroupName": reference("CollectorErrors"),
                    "LogStreamName": "http",
                },
                "RoleARN": get("CollectorRole", "Arn"),
                "S3BackupMode": "FailedDataOnly",
                "S3Configuration": {
                    "BucketARN": get("LogBucket", "Arn"),
                    "Prefix": "collector/",
                    "CompressionFormat": "GZIP",
                    "RoleARN": get("CollectorRole", "Arn"),
                },
            },
            "#Tags": "without it the delivery may not write",
            "Tags": [{ "Key": "LogDeliveryEnabled", "Value": "true" }],
        }),
    );
    template.add(
        "CollectorDestination",
        "AWS::Logs::DeliveryDestination",
        json!({
            "Name": format!("{}-collector", site.slug()),
            "OutputFormat": "json",
            "DestinationResourceArn": get("Collector", "Arn"),
        }),
    );
    template.add_with(
        "AccessLogsToCollector",
        "AWS::Logs::Delivery",
        // Deliveries of one source are made one after the other.
        json!({ "DependsOn": ["AccessLogs", "AccessLogsToBucket"] }),
        json!({
            "DeliverySourceName": format!("{}-access", site.slug()),
            "DeliveryDestinationArn": get("CollectorDestination", "Arn"),
        }),
    );
}
