//! WordPress's clock: who calls wp-cron.php.

use serde_json::json;

use super::super::Service;
use super::super::site::Site;
use super::template::Template;
use super::{get, policy, sub, trust};

/// Checked by nginx.
const HEADER: &str = "X-Cron-Secret";

pub(super) fn add(template: &mut Template, site: &Site) {
    template.serve(Service::Cron);
    template.add(
        "CronSecret",
        "AWS::SecretsManager::Secret",
        json!({
            "Description": "What calls of wp-cron.php bring along; nginx refuses others",
            "GenerateSecretString": { "PasswordLength": 48, "ExcludePunctuation": true },
        }),
    );
    template.add(
        "CronConnection",
        "AWS::Events::Connection",
        json!({
            "AuthorizationType": "API_KEY",
            "AuthParameters": {
                "ApiKeyAuthParameters": {
                    "ApiKeyName": HEADER,
                    "ApiKeyValue": sub("{{resolve:secretsmanager:${CronSecret}:SecretString}}"),
                },
            },
        }),
    );
    template.add(
        "CronDestination",
        "AWS::Events::ApiDestination",
        json!({
            "ConnectionArn": get("CronConnection", "Arn"),
            "HttpMethod": "GET",
            "#InvocationEndpoint": "it answers at once, and works on after that",
            "InvocationEndpoint": format!("https://{}/wp-cron.php?doing_wp_cron", site.host()),
            "InvocationRateLimitPerSecond": 1,
        }),
    );
    template.add(
        "CronRole",
        "AWS::IAM::Role",
        json!({
            "AssumeRolePolicyDocument": trust("events.amazonaws.com"),
            "Policies": [{
                "PolicyName": "call",
                "PolicyDocument": policy(json!([{
                    "Effect": "Allow",
                    "Action": "events:InvokeApiDestination",
                    "Resource": get("CronDestination", "Arn"),
                }])),
            }],
        }),
    );
    template.add(
        "CronSchedule",
        "AWS::Events::Rule",
        json!({
            "ScheduleExpression": "rate(5 minutes)",
            "State": "ENABLED",
            "Targets": [{
                "Id": "wp-cron",
                "Arn": get("CronDestination", "Arn"),
                "RoleArn": get("CronRole", "Arn"),
                "#RetryPolicy": "the next call comes soon enough",
                "RetryPolicy": { "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60 },
            }],
        }),
    );
}
