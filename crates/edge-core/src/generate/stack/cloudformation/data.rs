//! What must not be lost: database, media, files, and their backups.

use serde_json::{Value, json};

use super::super::Service;
use super::super::{Files, Stack};
use super::template::Template;
use super::{get, network, policy, reference, sub, trust};

pub(super) fn add(template: &mut Template, stack: &Stack) {
    database(template, stack);
    media(template);
    if stack.files == Files::Efs {
        files(template, stack);
    }
    backup(template, stack);
}

/// A group that admits the instances on one port, and leads nowhere.
fn group(template: &mut Template, name: &str, about: &str, port: u16, stack: &Stack) {
    template.add(
        name,
        "AWS::EC2::SecurityGroup",
        json!({
            "VpcId": network::vpc(stack),
            "GroupDescription": about,
            "SecurityGroupIngress": [{
                "Description": "The instances",
                "IpProtocol": "tcp",
                "FromPort": port,
                "ToPort": port,
                "SourceSecurityGroupId": get("InstanceSecurityGroup", "GroupId"),
            }],
            "SecurityGroupEgress": [{
                "Description": "Nowhere",
                "IpProtocol": "icmp",
                "FromPort": 252,
                "ToPort": 86,
                "CidrIp": "255.255.255.255/32",
            }],
        }),
    );
}

fn database(template: &mut Template, stack: &Stack) {
    template.serve(Service::Database);
    template.parameter(
        "DatabaseClass",
        "The size of both database instances",
        json!({ "Default": "db.t4g.medium" }),
    );
    template.parameter(
        "DatabaseStorage",
        "GiB to begin with; it grows by itself to 250",
        json!({ "Type": "Number", "Default": 50, "MinValue": 20, "MaxValue": 200 }),
    );
    group(template, "DatabaseSecurityGroup", "The instances to the database", 3306, stack);
    template.add(
        "DatabaseSubnets",
        "AWS::RDS::DBSubnetGroup",
        json!({
            "DBSubnetGroupDescription": "The private subnets of all zones",
            "SubnetIds": network::subnets(stack, "Private"),
        }),
    );
    template.add(
        "DatabaseParameters",
        "AWS::RDS::DBParameterGroup",
        json!({
            "Description": "Encrypted connections only; slow queries are logged",
            "Family": "mariadb11.4",
            "Parameters": { "require_secure_transport": "1", "slow_query_log": "1", "long_query_time": "2" },
        }),
    );
    template.add_with(
        "Database",
        "AWS::RDS::DBInstance",
        json!({ "DeletionPolicy": "Snapshot", "UpdateReplacePolicy": "Snapshot" }),
        json!({
            "Engine": "mariadb",
            "EngineVersion": "11.4.12",
            "DBInstanceClass": reference("DatabaseClass"),
            "AllocatedStorage": reference("DatabaseStorage"),
            "MaxAllocatedStorage": 250,
            "StorageType": "gp3",
            "StorageEncrypted": true,
            "DBName": "wordpress",
            "MasterUsername": "wordpress",
            "#ManageMasterUserPassword": "RDS makes it, keeps it in Secrets Manager, and changes it every week",
            "ManageMasterUserPassword": true,
            "#MultiAZ": "a second instance takes over in two to three minutes; CloudFront serves what it has meanwhile",
            "MultiAZ": true,
            "DBSubnetGroupName": reference("DatabaseSubnets"),
            "DBParameterGroupName": reference("DatabaseParameters"),
            "VPCSecurityGroups": [get("DatabaseSecurityGroup", "GroupId")],
            "PubliclyAccessible": false,
            "BackupRetentionPeriod": 14,
            "CopyTagsToSnapshot": true,
            "DeletionProtection": true,
            "AutoMinorVersionUpgrade": true,
            "EnableCloudwatchLogsExports": ["error", "slowquery"],
        }),
    );
    template.output(
        "DatabaseSecretArn",
        "Name and password of the database's user",
        get("Database", "MasterUserSecret.SecretArn"),
    );
}

/// What every bucket is.
pub(super) fn closed_bucket() -> Value {
    json!({
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": true,
            "BlockPublicPolicy": true,
            "IgnorePublicAcls": true,
            "RestrictPublicBuckets": true,
        },
        "OwnershipControls": { "Rules": [{ "ObjectOwnership": "BucketOwnerEnforced" }] },
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{ "ServerSideEncryptionByDefault": { "SSEAlgorithm": "AES256" } }],
        },
    })
}

/// Nobody reads or writes a bucket in the clear.
pub(super) fn over_tls(bucket: &str) -> Value {
    json!({
        "Sid": "OverTlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [get(bucket, "Arn"), sub(&format!("${{{bucket}.Arn}}/*"))],
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    })
}

fn media(template: &mut Template) {
    template.serve(Service::Media);
    let mut bucket = closed_bucket();
    bucket["#VersioningConfiguration"] =
        json!("what is overwritten or deleted can be had back, and backups ask for it");
    bucket["VersioningConfiguration"] = json!({ "Status": "Enabled" });
    bucket["LoggingConfiguration"] =
        json!({ "DestinationBucketName": reference("LogBucket"), "LogFilePrefix": "media/" });
    bucket["LifecycleConfiguration"] = json!({
        "Rules": [{
            "Id": "old-versions",
            "Status": "Enabled",
            "NoncurrentVersionExpiration": { "NoncurrentDays": 90 },
            "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": 7 },
        }],
    });
    template.add_with(
        "MediaBucket",
        "AWS::S3::Bucket",
        json!({ "DependsOn": "LogBucketPolicy", "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain" }),
        bucket,
    );
    template.add(
        "MediaBucketPolicy",
        "AWS::S3::BucketPolicy",
        json!({
            "Bucket": reference("MediaBucket"),
            "PolicyDocument": policy(json!([
                {
                    "Sid": "ThisDistributionReadsUploads",
                    "Effect": "Allow",
                    "Principal": { "Service": "cloudfront.amazonaws.com" },
                    "Action": "s3:GetObject",
                    "Resource": sub("${MediaBucket.Arn}/wp-content/uploads/*"),
                    "Condition": { "StringEquals": {
                        "AWS:SourceArn": sub("arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Distribution}"),
                    } },
                },
                over_tls("MediaBucket"),
            ])),
        }),
    );
    template.output("MediaBucketName", "Where uploads go, as wp-content/uploads/…", reference("MediaBucket"));
}

fn files(template: &mut Template, stack: &Stack) {
    template.serve(Service::Files);
    group(template, "FileSystemSecurityGroup", "The instances to the file system", 2049, stack);
    template.add_with(
        "FileSystem",
        "AWS::EFS::FileSystem",
        json!({ "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain" }),
        json!({
            "Encrypted": true,
            "ThroughputMode": "elastic",
            "LifecyclePolicies": [{ "TransitionToIA": "AFTER_30_DAYS" }],
            "#BackupPolicy": "the plan below has it already",
            "BackupPolicy": { "Status": "DISABLED" },
        }),
    );
    for zone in 1..=stack.zones {
        template.add(
            &format!("MountTarget{zone}"),
            "AWS::EFS::MountTarget",
            json!({
                "FileSystemId": reference("FileSystem"),
                "SubnetId": network::private_subnet(stack, zone),
                "SecurityGroups": [get("FileSystemSecurityGroup", "GroupId")],
            }),
        );
    }
}

fn backup(template: &mut Template, stack: &Stack) {
    template.serve(Service::Backup);
    template.add_with(
        "BackupVault",
        "AWS::Backup::BackupVault",
        json!({ "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain" }),
        json!({ "BackupVaultName": sub("${AWS::StackName}-vault") }),
    );
    template.add(
        "BackupPlan",
        "AWS::Backup::BackupPlan",
        json!({
            "BackupPlan": {
                "BackupPlanName": sub("${AWS::StackName}-daily"),
                "BackupPlanRule": [{
                    "RuleName": "daily",
                    "TargetBackupVault": reference("BackupVault"),
                    "ScheduleExpression": "cron(0 3 * * ? *)",
                    "StartWindowMinutes": 60,
                    "CompletionWindowMinutes": 480,
                    "Lifecycle": { "DeleteAfterDays": 35 },
                }],
            },
        }),
    );
    let managed = |name: &str| sub(&format!("arn:${{AWS::Partition}}:iam::aws:policy/{name}"));
    template.add(
        "BackupRole",
        "AWS::IAM::Role",
        json!({
            "AssumeRolePolicyDocument": trust("backup.amazonaws.com"),
            "ManagedPolicyArns": [
                managed("service-role/AWSBackupServiceRolePolicyForBackup"),
                managed("service-role/AWSBackupServiceRolePolicyForRestores"),
                managed("AWSBackupServiceRolePolicyForS3Backup"),
                managed("AWSBackupServiceRolePolicyForS3Restore"),
            ],
        }),
    );
    let mut resources = vec![get("Database", "DBInstanceArn"), get("MediaBucket", "Arn")];
    if stack.files == Files::Efs {
        resources.push(get("FileSystem", "Arn"));
    }
    template.add(
        "BackupSelection",
        "AWS::Backup::BackupSelection",
        json!({
            "BackupPlanId": reference("BackupPlan"),
            "BackupSelection": {
                "SelectionName": "site",
                "IamRoleArn": get("BackupRole", "Arn"),
                "Resources": resources,
            },
        }),
    );
}
