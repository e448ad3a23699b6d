//! The instances: nginx and PHP-FPM, without state of their own.

use serde_json::{Value, json};

use super::super::Service;
use super::super::beside::Beside;
use super::super::site::Site;
use super::super::{Files, Stack};
use super::network;
use super::template::Template;
use super::{get, policy, reference, sub, trust};

pub(super) fn add(template: &mut Template, site: &Site, stack: &Stack, beside: &Beside) {
    template.serve(Service::Instances);
    template.parameter(
        "InstanceType",
        "An instance of the arm64 architecture",
        json!({ "Type": "String", "Default": "t4g.small" }),
    );
    template.parameter(
        "InstanceImage",
        "Where AWS says which image is the newest Amazon Linux 2023",
        json!({
            "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
            "Default": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
        }),
    );
    template.parameter(
        "SiteArchive",
        "The site's code, a .tar.gz with wp-admin and wp-content in its one folder: https://… or s3://… of the media bucket",
        json!({ "Default": "https://wordpress.org/latest.tar.gz" }),
    );
    let at_least = |least: u8| json!({ "Type": "Number", "Default": least, "MinValue": 1 });
    template.parameter("InstancesMin", "Instances at night", at_least(stack.zones));
    template.parameter("InstancesMax", "Instances at most", at_least(stack.zones * 3));
    template.add(
        "Salts",
        "AWS::SecretsManager::Secret",
        json!({
            "Description": "What WordPress's keys and salts are derived from; a new one ends all sessions",
            "GenerateSecretString": { "PasswordLength": 64, "ExcludePunctuation": true },
        }),
    );
    role(template, stack);
    template.add(
        "InstanceProfile",
        "AWS::IAM::InstanceProfile",
        json!({ "Roles": [reference("InstanceRole")] }),
    );
    template.add(
        "LaunchTemplate",
        "AWS::EC2::LaunchTemplate",
        json!({
            "LaunchTemplateData": {
                "ImageId": reference("InstanceImage"),
                "InstanceType": reference("InstanceType"),
                "IamInstanceProfile": { "Arn": get("InstanceProfile", "Arn") },
                "SecurityGroupIds": [get("InstanceSecurityGroup", "GroupId")],
                "#MetadataOptions": "IMDSv2 only: a request that a page can be made to send finds no credentials",
                "MetadataOptions": { "HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled" },
                "Monitoring": { "Enabled": true },
                "BlockDeviceMappings": [{
                    "DeviceName": "/dev/xvda",
                    "Ebs": { "VolumeSize": 20, "VolumeType": "gp3", "Encrypted": true, "DeleteOnTermination": true },
                }],
                "UserData": { "Fn::Base64": { "Fn::Join": ["", [sub(&settings(site, stack)), beside.user_data()]] } },
            },
        }),
    );
    group(template, stack);
}

/// What the script is told: the only lines with values of the stack.
fn settings(site: &Site, stack: &Stack) -> String {
    let files = match stack.files {
        Files::Bucket => "",
        Files::Efs => "${FileSystem}",
    };
    format!(
        "#!/bin/bash
# What the stack knows.
REGION=${{AWS::Region}}
HOST={host}
DATABASE_HOST=${{Database.Endpoint.Address}}
DATABASE_SECRET=${{Database.MasterUserSecret.SecretArn}}
SALTS_SECRET=${{Salts}}
ORIGIN_SECRET=${{OriginSecret}}
CRON_SECRET=${{CronSecret}}
MEDIA_BUCKET=${{MediaBucket}}
PREFIX_LIST=${{CloudFrontPrefixListId}}
SITE_ARCHIVE='${{SiteArchive}}'
FILE_SYSTEM={files}
done_with() {{
  /opt/aws/bin/cfn-signal --exit-code \"$1\" --stack ${{AWS::StackName}} --resource Instances --region ${{AWS::Region}}
}}
",
        host = site.host(),
    )
}

fn role(template: &mut Template, stack: &Stack) {
    let read = |secrets: Value| json!({ "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secrets });
    let mut statements = vec![
        read(json!([
            reference("Salts"),
            reference("OriginSecret"),
            reference("CronSecret"),
            get("Database", "MasterUserSecret.SecretArn"),
        ])),
        json!({
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            "Resource": sub("${MediaBucket.Arn}/wp-content/uploads/*"),
        }),
        json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": sub("${MediaBucket.Arn}/releases/*") }),
        json!({ "Effect": "Allow", "Action": "s3:ListBucket", "Resource": get("MediaBucket", "Arn") }),
        json!({
            "Effect": "Allow",
            "Action": "ec2:GetManagedPrefixListEntries",
            "Resource": sub("arn:${AWS::Partition}:ec2:${AWS::Region}:aws:prefix-list/${CloudFrontPrefixListId}"),
        }),
    ];
    if stack.files == Files::Efs {
        statements.push(json!({
            "Effect": "Allow",
            "Action": ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
            "Resource": get("FileSystem", "Arn"),
        }));
    }
    template.add(
        "InstanceRole",
        "AWS::IAM::Role",
        json!({
            "AssumeRolePolicyDocument": trust("ec2.amazonaws.com"),
            "#ManagedPolicyArns": "a shell by Session Manager: no port for SSH, no keys",
            "ManagedPolicyArns": [sub("arn:${AWS::Partition}:iam::aws:policy/AmazonSSMManagedInstanceCore")],
            "Policies": [{ "PolicyName": "site", "PolicyDocument": policy(Value::Array(statements)) }],
        }),
    );
}

fn group(template: &mut Template, stack: &Stack) {
    let mut waits = vec!["ListenerRule"];
    if stack.files == Files::Efs {
        waits.extend(
            ["MountTarget1", "MountTarget2", "MountTarget3", "MountTarget4"].iter().take(stack.zones.into()),
        );
    }
    template.add_with(
        "Instances",
        "AWS::AutoScaling::AutoScalingGroup",
        json!({
            "DependsOn": waits,
            "CreationPolicy": { "ResourceSignal": { "Count": reference("InstancesMin"), "Timeout": "PT15M" } },
            "#UpdatePolicy": "one after the other, each only once the one before answers",
            "UpdatePolicy": {
                "AutoScalingRollingUpdate": {
                    "MinInstancesInService": reference("InstancesMin"),
                    "MaxBatchSize": 1,
                    "WaitOnResourceSignals": true,
                    "PauseTime": "PT15M",
                    "SuspendProcesses": ["HealthCheck", "ReplaceUnhealthy", "AZRebalance", "AlarmNotification", "ScheduledActions"],
                },
            },
        }),
        json!({
            "MinSize": reference("InstancesMin"),
            "MaxSize": reference("InstancesMax"),
            "VPCZoneIdentifier": network::subnets(stack, "Private"),
            "LaunchTemplate": {
                "LaunchTemplateId": reference("LaunchTemplate"),
                "Version": get("LaunchTemplate", "LatestVersionNumber"),
            },
            "TargetGroupARNs": [reference("Targets")],
            "HealthCheckType": "ELB",
            "HealthCheckGracePeriod": 300,
            "Tags": [{ "Key": "Name", "Value": sub("${AWS::StackName}-web"), "PropagateAtLaunch": true }],
        }),
    );
    template.add(
        "ScaleByCpu",
        "AWS::AutoScaling::ScalingPolicy",
        json!({
            "AutoScalingGroupName": reference("Instances"),
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingConfiguration": {
                "PredefinedMetricSpecification": { "PredefinedMetricType": "ASGAverageCPUUtilization" },
                "TargetValue": 50,
            },
        }),
    );
}
