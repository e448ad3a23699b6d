# What calls of wp-cron.php bring along; nginx refuses others.
resource "random_password" "cron" {
  length  = 48
  special = false
}

resource "aws_secretsmanager_secret" "cron" {
  name_prefix = "${var.name}-cron-"
  description = "What calls of wp-cron.php bring along"
}

resource "aws_secretsmanager_secret_version" "cron" {
  secret_id     = aws_secretsmanager_secret.cron.id
  secret_string = random_password.cron.result
}

resource "aws_cloudwatch_event_connection" "cron" {
  name               = "${var.name}-cron"
  authorization_type = "API_KEY"

  auth_parameters {
    api_key {
      key   = "X-Cron-Secret"
      value = random_password.cron.result
    }
  }
}

# It answers at once, and works on after that.
resource "aws_cloudwatch_event_api_destination" "cron" {
  name                             = "${var.name}-cron"
  connection_arn                   = aws_cloudwatch_event_connection.cron.arn
  invocation_endpoint              = "https://${local.host}/wp-cron.php?doing_wp_cron"
  http_method                      = "GET"
  invocation_rate_limit_per_second = 1
}

data "aws_iam_policy_document" "cron_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "cron" {
  statement {
    actions   = ["events:InvokeApiDestination"]
    resources = [aws_cloudwatch_event_api_destination.cron.arn]
  }
}

resource "aws_iam_role" "cron" {
  name_prefix        = "${var.name}-cron-"
  assume_role_policy = data.aws_iam_policy_document.cron_trust.json
}

resource "aws_iam_role_policy" "cron" {
  name   = "call"
  role   = aws_iam_role.cron.id
  policy = data.aws_iam_policy_document.cron.json
}

resource "aws_cloudwatch_event_rule" "cron" {
  name                = "${var.name}-cron"
  schedule_expression = "rate(5 minutes)"
}

resource "aws_cloudwatch_event_target" "cron" {
  rule      = aws_cloudwatch_event_rule.cron.name
  target_id = "wp-cron"
  arn       = aws_cloudwatch_event_api_destination.cron.arn
  role_arn  = aws_iam_role.cron.arn

  # The next call comes soon enough.
  retry_policy {
    maximum_retry_attempts       = 0
    maximum_event_age_in_seconds = 60
  }
}
