variable "collector_key" {
  description = "What the collector knows us by; Firehose sends it as X-Amz-Firehose-Access-Key"
  type        = string
  sensitive   = true
  default     = null
}

data "aws_iam_policy_document" "collector_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["firehose.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "collector" {
  statement {
    actions = [
      "s3:AbortMultipartUpload",
      "s3:GetBucketLocation",
      "s3:GetObject",
      "s3:ListBucket",
      "s3:ListBucketMultipartUploads",
      "s3:PutObject",
    ]
    resources = [aws_s3_bucket.logs.arn, "${aws_s3_bucket.logs.arn}/collector/*"]
  }

  statement {
    actions   = ["logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.collector.arn}:*"]
  }
}

resource "aws_iam_role" "collector" {
  name_prefix        = "${var.name}-collector-"
  assume_role_policy = data.aws_iam_policy_document.collector_trust.json
}

resource "aws_iam_role_policy" "collector" {
  name   = "keep"
  role   = aws_iam_role.collector.id
  policy = data.aws_iam_policy_document.collector.json
}

resource "aws_cloudwatch_log_group" "collector" {
  region            = "us-east-1"
  name              = "/${var.name}/collector"
  retention_in_days = 30
}

# Posts batches to the URL, and keeps in the bucket what could not be delivered.
resource "aws_kinesis_firehose_delivery_stream" "collector" {
  region      = "us-east-1"
  name        = "${var.name}-collector"
  destination = "http_endpoint"

  server_side_encryption {
    enabled  = true
    key_type = "AWS_OWNED_CMK"
  }

  http_endpoint_configuration {
    name               = "collector"
    url                = "@collector@"
    access_key         = var.collector_key
    buffering_interval = 60
    buffering_size     = 1
    retry_duration     = 300
    role_arn           = aws_iam_role.collector.arn
    s3_backup_mode     = "FailedDataOnly"

    request_configuration {
      content_encoding = "GZIP"
    }

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.collector.name
      log_stream_name = "http"
    }

    s3_configuration {
      role_arn           = aws_iam_role.collector.arn
      bucket_arn         = aws_s3_bucket.logs.arn
      prefix             = "collector/"
      compression_format = "GZIP"
    }
  }

  # Without it the delivery may not write.
  tags = { LogDeliveryEnabled = "true" }
}

resource "aws_cloudwatch_log_delivery_destination" "collector" {
  region        = "us-east-1"
  name          = "${var.name}-collector"
  output_format = "json"

  delivery_destination_configuration {
    destination_resource_arn = aws_kinesis_firehose_delivery_stream.collector.arn
  }
}

resource "aws_cloudwatch_log_delivery" "collector" {
  region                   = "us-east-1"
  delivery_source_name     = aws_cloudwatch_log_delivery_source.access.name
  delivery_destination_arn = aws_cloudwatch_log_delivery_destination.collector.arn

  # Deliveries of one source are made one after the other.
  depends_on = [aws_cloudwatch_log_delivery.bucket]
}
