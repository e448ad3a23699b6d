resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

# An alarm tells a topic of its own region only.
resource "aws_sns_topic" "edge_alarms" {
  region = "us-east-1"
  name   = "${var.name}-edge-alarms"
}

resource "aws_sns_topic_subscription" "alarms" {
  count     = var.alarm_address == "" ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_address
}

resource "aws_sns_topic_subscription" "edge_alarms" {
  count     = var.alarm_address == "" ? 0 : 1
  region    = "us-east-1"
  topic_arn = aws_sns_topic.edge_alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_address
}

# CloudFront's metrics are in us-east-1.
resource "aws_cloudwatch_metric_alarm" "errors" {
  region              = "us-east-1"
  alarm_name          = "${var.name}-errors"
  alarm_description   = "Viewers see errors: more than 2 % of answers are 5xx"
  namespace           = "AWS/CloudFront"
  metric_name         = "5xxErrorRate"
  dimensions          = { DistributionId = aws_cloudfront_distribution.site.id, Region = "Global" }
  statistic           = "Average"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.edge_alarms.arn]
  ok_actions          = [aws_sns_topic.edge_alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "latency" {
  alarm_name          = "${var.name}-latency"
  alarm_description   = "The origin is slow: one answer in twenty takes more than 3 s"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "TargetResponseTime"
  dimensions          = { LoadBalancer = aws_lb.site.arn_suffix }
  extended_statistic  = "p95"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "targets" {
  alarm_name          = "${var.name}-targets"
  alarm_description   = "An instance does not answer"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "UnHealthyHostCount"
  dimensions          = { LoadBalancer = aws_lb.site.arn_suffix, TargetGroup = aws_lb_target_group.site.arn_suffix }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "database_storage" {
  alarm_name          = "${var.name}-database-storage"
  alarm_description   = "The database has less than 5 GB left"
  namespace           = "AWS/RDS"
  metric_name         = "FreeStorageSpace"
  dimensions          = { DBInstanceIdentifier = aws_db_instance.site.identifier }
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 5000000000
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "database_cpu" {
  alarm_name          = "${var.name}-database-cpu"
  alarm_description   = "The database has been busy for a quarter of an hour"
  namespace           = "AWS/RDS"
  metric_name         = "CPUUtilization"
  dimensions          = { DBInstanceIdentifier = aws_db_instance.site.identifier }
  statistic           = "Average"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 80
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

locals {
  edge_metric     = ["DistributionId", aws_cloudfront_distribution.site.id, "Region", "Global"]
  balancer_metric = ["LoadBalancer", aws_lb.site.arn_suffix]
  database_metric = ["DBInstanceIdentifier", aws_db_instance.site.identifier]
  # Two columns: what viewers see, and what stands behind it.
  widgets = [
    { title = "Requests at the edge", region = "us-east-1", stat = "Sum", metrics = [concat(["AWS/CloudFront", "Requests"], local.edge_metric)] },
    { title = "Errors viewers see, %", region = "us-east-1", stat = "Average", metrics = [for name in ["4xxErrorRate", "5xxErrorRate"] : concat(["AWS/CloudFront", name], local.edge_metric)] },
    { title = "Bytes to viewers and from them", region = "us-east-1", stat = "Sum", metrics = [for name in ["BytesDownloaded", "BytesUploaded"] : concat(["AWS/CloudFront", name], local.edge_metric)] },
    { title = "Requests at the balancer: misses", region = var.region, stat = "Sum", metrics = [concat(["AWS/ApplicationELB", "RequestCount"], local.balancer_metric)] },
    { title = "Time to answer, s", region = var.region, stat = "p95", metrics = [concat(["AWS/ApplicationELB", "TargetResponseTime"], local.balancer_metric)] },
    { title = "The database's CPU, %", region = var.region, stat = "Average", metrics = [concat(["AWS/RDS", "CPUUtilization"], local.database_metric)] },
    { title = "The database's free bytes", region = var.region, stat = "Minimum", metrics = [concat(["AWS/RDS", "FreeStorageSpace"], local.database_metric)] },
    { title = "The database's connections", region = var.region, stat = "Maximum", metrics = [concat(["AWS/RDS", "DatabaseConnections"], local.database_metric)] },
  ]
}

resource "aws_cloudwatch_dashboard" "site" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [for at, widget in local.widgets : {
      type       = "metric"
      x          = 12 * (at % 2)
      y          = 6 * floor(at / 2)
      width      = 12
      height     = 6
      properties = merge(widget, { period = 300, view = "timeSeries" })
    }]
  })
}
