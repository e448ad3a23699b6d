//! Alarms, who is told of them, and one page to look at.

use serde_json::{Value, json};

use super::super::Service;
use super::super::site::Site;
use super::template::Template;
use super::{get, policy, reference, sub};

pub(super) fn add(template: &mut Template, site: &Site) {
    template.serve(Service::Watching);
    template.parameter(
        "AlarmAddress",
        "Who gets a letter when something is wrong; empty: nobody",
        json!({ "Default": "" }),
    );
    template.condition(
        "HasAlarmAddress",
        json!({ "Fn::Not": [{ "Fn::Equals": [reference("AlarmAddress"), ""] }] }),
    );
    template.add("Alarms", "AWS::SNS::Topic", json!({}));
    template.add(
        "AlarmsPolicy",
        "AWS::SNS::TopicPolicy",
        json!({
            "Topics": [reference("Alarms")],
            "PolicyDocument": policy(json!([{
                "Effect": "Allow",
                "Principal": { "Service": "cloudwatch.amazonaws.com" },
                "Action": "sns:Publish",
                "Resource": reference("Alarms"),
                "Condition": { "StringEquals": { "aws:SourceAccount": reference("AWS::AccountId") } },
            }])),
        }),
    );
    template.add_with(
        "AlarmsByLetter",
        "AWS::SNS::Subscription",
        json!({ "Condition": "HasAlarmAddress" }),
        json!({ "TopicArn": reference("Alarms"), "Protocol": "email", "Endpoint": reference("AlarmAddress") }),
    );
    for alarm in ALARMS {
        template.add(alarm.name, "AWS::CloudWatch::Alarm", alarm.properties());
    }
    template.add(
        "Dashboard",
        "AWS::CloudWatch::Dashboard",
        json!({ "DashboardName": site.slug(), "DashboardBody": sub(&dashboard().to_string()) }),
    );
}

/// A metric of one part of the stack, and from where on it is wrong.
struct Alarm {
    name: &'static str,
    about: &'static str,
    namespace: &'static str,
    metric: &'static str,
    /// `Average`, or `p95`.
    statistic: &'static str,
    comparison: &'static str,
    threshold: u64,
    /// Of five minutes, one after the other.
    periods: u8,
    /// What it means that there is no value.
    missing: &'static str,
}

const OVER: &str = "GreaterThanThreshold";
const UNDER: &str = "LessThanThreshold";

#[rustfmt::skip]
const ALARMS: &[Alarm] = &[
    Alarm { name: "ErrorsAlarm", about: "Viewers see errors: more than 2 % of answers are 5xx", namespace: "AWS/CloudFront", metric: "5xxErrorRate", statistic: "Average", comparison: OVER, threshold: 2, periods: 2, missing: "notBreaching" },
    Alarm { name: "LatencyAlarm", about: "The origin is slow: one answer in twenty takes more than 3 s", namespace: "AWS/ApplicationELB", metric: "TargetResponseTime", statistic: "p95", comparison: OVER, threshold: 3, periods: 3, missing: "notBreaching" },
    Alarm { name: "TargetsAlarm", about: "An instance does not answer", namespace: "AWS/ApplicationELB", metric: "UnHealthyHostCount", statistic: "Maximum", comparison: OVER, threshold: 0, periods: 2, missing: "notBreaching" },
    Alarm { name: "DatabaseStorageAlarm", about: "The database has less than 5 GB left", namespace: "AWS/RDS", metric: "FreeStorageSpace", statistic: "Minimum", comparison: UNDER, threshold: 5_000_000_000, periods: 1, missing: "missing" },
    Alarm { name: "DatabaseCpuAlarm", about: "The database has been busy for a quarter of an hour", namespace: "AWS/RDS", metric: "CPUUtilization", statistic: "Average", comparison: OVER, threshold: 80, periods: 3, missing: "missing" },
];

impl Alarm {
    fn properties(&self) -> Value {
        let where_it_is = match self.namespace {
            "AWS/CloudFront" => "CloudFront's metrics are in us-east-1, whatever the stack's region",
            _ => "",
        };
        let mut alarm = json!({
            "AlarmDescription": self.about,
            "#Namespace": where_it_is,
            "Namespace": self.namespace,
            "MetricName": self.metric,
            "Dimensions": dimensions(self.namespace, self.metric),
            "Period": 300,
            "EvaluationPeriods": self.periods,
            "Threshold": self.threshold,
            "ComparisonOperator": self.comparison,
            "TreatMissingData": self.missing,
            "AlarmActions": [reference("Alarms")],
            "OKActions": [reference("Alarms")],
        });
        let field = if self.statistic.starts_with('p') { "ExtendedStatistic" } else { "Statistic" };
        alarm[field] = json!(self.statistic);
        alarm
    }
}

fn dimensions(namespace: &str, metric: &str) -> Value {
    let dimension = |name: &str, value: Value| json!({ "Name": name, "Value": value });
    match namespace {
        "AWS/CloudFront" => json!([
            dimension("DistributionId", reference("Distribution")),
            dimension("Region", json!("Global")),
        ]),
        "AWS/RDS" => json!([dimension("DBInstanceIdentifier", reference("Database"))]),
        _ if metric == "UnHealthyHostCount" => json!([
            dimension("LoadBalancer", get("Balancer", "LoadBalancerFullName")),
            dimension("TargetGroup", get("Targets", "TargetGroupFullName")),
        ]),
        _ => json!([dimension("LoadBalancer", get("Balancer", "LoadBalancerFullName"))]),
    }
}

/// Two columns: what viewers see, and what stands behind it.
fn dashboard() -> Value {
    let edge = |metric: &str| {
        json!(["AWS/CloudFront", metric, "DistributionId", "${Distribution}", "Region", "Global"])
    };
    let balancer = |metric: &str, statistic: &str| json!(["AWS/ApplicationELB", metric, "LoadBalancer", "${Balancer.LoadBalancerFullName}", { "stat": statistic }]);
    let database = |metric: &str| json!(["AWS/RDS", metric, "DBInstanceIdentifier", "${Database}"]);
    let rows = [
        ("Requests at the edge", "us-east-1", "Sum", json!([edge("Requests")])),
        (
            "Errors viewers see, %",
            "us-east-1",
            "Average",
            json!([edge("4xxErrorRate"), edge("5xxErrorRate")]),
        ),
        (
            "Bytes to viewers and from them",
            "us-east-1",
            "Sum",
            json!([edge("BytesDownloaded"), edge("BytesUploaded")]),
        ),
        (
            "Requests at the balancer: misses",
            "${AWS::Region}",
            "Sum",
            json!([balancer("RequestCount", "Sum")]),
        ),
        (
            "Time to answer, s",
            "${AWS::Region}",
            "Average",
            json!([balancer("TargetResponseTime", "p50"), balancer("TargetResponseTime", "p95")]),
        ),
        ("The database's CPU, %", "${AWS::Region}", "Average", json!([database("CPUUtilization")])),
        ("The database's free bytes", "${AWS::Region}", "Minimum", json!([database("FreeStorageSpace")])),
        ("The database's connections", "${AWS::Region}", "Maximum", json!([database("DatabaseConnections")])),
    ];
    let widgets = rows.into_iter().enumerate().map(|(at, (title, region, statistic, metrics))| {
        json!({
            "type": "metric",
            "x": 12 * (at % 2),
            "y": 6 * (at / 2),
            "width": 12,
            "height": 6,
            "properties": {
                "title": title,
                "region": region,
                "stat": statistic,
                "period": 300,
                "view": "timeSeries",
                "metrics": metrics,
            },
        })
    });
    json!({ "widgets": widgets.collect::<Vec<_>>() })
}
