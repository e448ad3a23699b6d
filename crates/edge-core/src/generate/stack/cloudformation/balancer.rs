//! The balancer, whom it admits, and to whom it passes on.

use serde_json::json;

use super::super::Service;
use super::super::site::SECRET_HEADER;
use super::super::{Balancer, Stack};
use super::network;
use super::template::Template;
use super::{get, reference, sub};

pub(super) fn add(template: &mut Template, stack: &Stack) {
    template.serve(Service::Balancer);
    template.parameter(
        "CloudFrontPrefixListId",
        "The id of com.amazonaws.global.cloudfront.origin-facing in this region; README.md says how to ask for it",
        json!({ "AllowedPattern": "^pl-[0-9a-f]+$" }),
    );
    groups(template, stack);
    template.add(
        "OriginSecret",
        "AWS::SecretsManager::Secret",
        json!({
            "Description": "What CloudFront says to the balancer; who does not gets 403",
            "GenerateSecretString": { "PasswordLength": 48, "ExcludePunctuation": true },
        }),
    );
    let (scheme, subnets) = match stack.balancer {
        Balancer::Public => ("internet-facing", "Public"),
        Balancer::VpcOrigin => ("internal", "Private"),
    };
    let attribute = |key: &str, value: &str| json!({ "Key": key, "Value": value });
    template.add_with(
        "Balancer",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        json!({ "DependsOn": "LogBucketPolicy" }),
        json!({
            "Type": "application",
            "Scheme": scheme,
            "Subnets": network::subnets(stack, subnets),
            "SecurityGroups": [reference("BalancerSecurityGroup")],
            "LoadBalancerAttributes": [
                attribute("deletion_protection.enabled", "true"),
                // Above CloudFront's keep-alive, or it meets connections that have just been closed.
                attribute("idle_timeout.timeout_seconds", "75"),
                attribute("routing.http.drop_invalid_header_fields.enabled", "true"),
                attribute("access_logs.s3.enabled", "true"),
                json!({ "Key": "access_logs.s3.bucket", "Value": reference("LogBucket") }),
                attribute("access_logs.s3.prefix", "balancer"),
            ],
        }),
    );
    template.add(
        "Targets",
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        json!({
            "VpcId": network::vpc(stack),
            "TargetType": "instance",
            "Protocol": "HTTP",
            "Port": 80,
            "#HealthCheckPath": "PHP answers it, not WordPress: a database that is away must not take the instances away too",
            "HealthCheckPath": "/healthz",
            "HealthCheckIntervalSeconds": 10,
            "HealthCheckTimeoutSeconds": 5,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": 3,
            "Matcher": { "HttpCode": "200" },
            "TargetGroupAttributes": [
                attribute("deregistration_delay.timeout_seconds", "60"),
                attribute("load_balancing.algorithm.type", "least_outstanding_requests"),
            ],
        }),
    );
    template.add(
        "Listener",
        "AWS::ElasticLoadBalancingV2::Listener",
        json!({
            "LoadBalancerArn": reference("Balancer"),
            "Port": 443,
            "Protocol": "HTTPS",
            "SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
            "Certificates": [{ "CertificateArn": reference("Certificate") }],
            "#DefaultActions": "whoever has not come through this distribution",
            "DefaultActions": [{
                "Type": "fixed-response",
                "FixedResponseConfig": {
                    "StatusCode": "403",
                    "ContentType": "text/plain",
                    "MessageBody": "This site is served by CloudFront.",
                },
            }],
        }),
    );
    template.add(
        "ListenerRule",
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        json!({
            "ListenerArn": reference("Listener"),
            "Priority": 10,
            "Conditions": [{
                "Field": "http-header",
                "HttpHeaderConfig": {
                    "HttpHeaderName": SECRET_HEADER,
                    "Values": [sub("{{resolve:secretsmanager:${OriginSecret}:SecretString}}")],
                },
            }],
            "Actions": [{ "Type": "forward", "TargetGroupArn": reference("Targets") }],
        }),
    );
    if stack.balancer == Balancer::VpcOrigin {
        vpc_origin(template);
    }
    template.output("OriginSecretArn", "What tells CloudFront from others", reference("OriginSecret"));
}

fn vpc_origin(template: &mut Template) {
    template.add_with(
        "VpcOrigin",
        "AWS::CloudFront::VpcOrigin",
        // Nothing answers on the port before.
        json!({ "DependsOn": "Listener" }),
        json!({
            "VpcOriginEndpointConfig": {
                "Name": sub("${AWS::StackName}-balancer"),
                "Arn": reference("Balancer"),
                "HTTPPort": 80,
                "HTTPSPort": 443,
                "OriginProtocolPolicy": "https-only",
                "OriginSSLProtocols": ["TLSv1.2"],
            },
        }),
    );
}

fn groups(template: &mut Template, stack: &Stack) {
    let group = |about: &str| json!({ "VpcId": network::vpc(stack), "GroupDescription": about });
    let mut balancer = group("CloudFront to the balancer");
    balancer["#SecurityGroupIngress"] = json!("the list counts as 55 rules of the 60 that a group has");
    balancer["SecurityGroupIngress"] = json!([{
        "Description": "CloudFront",
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "SourcePrefixListId": reference("CloudFrontPrefixListId"),
    }]);
    balancer["#SecurityGroupEgress"] = json!("one that leads nowhere, or AWS adds one that leads everywhere");
    balancer["SecurityGroupEgress"] = json!([{
        "Description": "Nowhere but to the instances",
        "IpProtocol": "icmp",
        "FromPort": 252,
        "ToPort": 86,
        "CidrIp": "255.255.255.255/32",
    }]);
    template.add("BalancerSecurityGroup", "AWS::EC2::SecurityGroup", balancer);
    let mut instances = group("The balancer to the instances");
    instances["SecurityGroupEgress"] = json!([{
        "Description": "Updates, AWS, and whatever the site calls",
        "IpProtocol": "-1",
        "CidrIp": "0.0.0.0/0",
    }]);
    template.add("InstanceSecurityGroup", "AWS::EC2::SecurityGroup", instances);
    template.add(
        "BalancerToInstances",
        "AWS::EC2::SecurityGroupEgress",
        json!({
            "GroupId": get("BalancerSecurityGroup", "GroupId"),
            "Description": "Pages",
            "IpProtocol": "tcp",
            "FromPort": 80,
            "ToPort": 80,
            "DestinationSecurityGroupId": get("InstanceSecurityGroup", "GroupId"),
        }),
    );
    template.add(
        "InstancesFromBalancer",
        "AWS::EC2::SecurityGroupIngress",
        json!({
            "GroupId": get("InstanceSecurityGroup", "GroupId"),
            "Description": "Pages",
            "IpProtocol": "tcp",
            "FromPort": 80,
            "ToPort": 80,
            "SourceSecurityGroupId": get("BalancerSecurityGroup", "GroupId"),
        }),
    );
}
