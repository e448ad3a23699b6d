data "aws_ssm_parameter" "image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
}

resource "aws_security_group" "instances" {
  name_prefix = "${var.name}-instances-"
  description = "The balancer to the instances"
  vpc_id      = local.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "instances" {
  security_group_id            = aws_security_group.instances.id
  description                  = "Pages"
  ip_protocol                  = "tcp"
  from_port                    = 80
  to_port                      = 80
  referenced_security_group_id = aws_security_group.balancer.id
}

resource "aws_vpc_security_group_egress_rule" "instances" {
  security_group_id = aws_security_group.instances.id
  description       = "Updates, AWS, and whatever the site calls"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

# What WordPress's keys and salts are derived from; a new one ends all sessions.
resource "random_password" "salts" {
  length  = 64
  special = false
}

resource "aws_secretsmanager_secret" "salts" {
  name_prefix = "${var.name}-salts-"
  description = "What WordPress's keys and salts are derived from"
}

resource "aws_secretsmanager_secret_version" "salts" {
  secret_id     = aws_secretsmanager_secret.salts.id
  secret_string = random_password.salts.result
}

resource "aws_iam_role" "instances" {
  name_prefix        = "${var.name}-web-"
  assume_role_policy = data.aws_iam_policy_document.instances_trust.json
}

data "aws_iam_policy_document" "instances_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "instances" {
  statement {
    actions = ["secretsmanager:GetSecretValue"]
    resources = [
      aws_secretsmanager_secret.salts.arn,
      aws_secretsmanager_secret.origin.arn,
      aws_secretsmanager_secret.cron.arn,
      aws_db_instance.site.master_user_secret[0].secret_arn,
    ]
  }

  statement {
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = ["${aws_s3_bucket.media.arn}/wp-content/uploads/*"]
  }

  statement {
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.media.arn}/releases/*"]
  }

  statement {
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.media.arn]
  }

  statement {
    actions   = ["ec2:GetManagedPrefixListEntries"]
    resources = [data.aws_ec2_managed_prefix_list.cloudfront.arn]
  }
@efs_statement@}

resource "aws_iam_role_policy" "instances" {
  name   = "site"
  role   = aws_iam_role.instances.id
  policy = data.aws_iam_policy_document.instances.json
}

# A shell by Session Manager: no port for SSH, no keys.
resource "aws_iam_role_policy_attachment" "instances" {
  role       = aws_iam_role.instances.name
  policy_arn = "arn:${data.aws_partition.own.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "instances" {
  name_prefix = "${var.name}-web-"
  role        = aws_iam_role.instances.name
}

locals {
  # The only lines of the script with values of the stack.
  settings = <<-END
    #!/bin/bash
    # What the stack knows.
    REGION=${var.region}
    HOST=${local.host}
    DATABASE_HOST=${aws_db_instance.site.address}
    DATABASE_SECRET=${aws_db_instance.site.master_user_secret[0].secret_arn}
    SALTS_SECRET=${aws_secretsmanager_secret_version.salts.arn}
    ORIGIN_SECRET=${aws_secretsmanager_secret_version.origin.arn}
    CRON_SECRET=${aws_secretsmanager_secret_version.cron.arn}
    MEDIA_BUCKET=${aws_s3_bucket.media.id}
    PREFIX_LIST=${data.aws_ec2_managed_prefix_list.cloudfront.id}
    SITE_ARCHIVE='${var.site_archive}'
    FILE_SYSTEM=@file_system@
    done_with() { :; }
  END
}

resource "aws_launch_template" "site" {
  name_prefix            = "${var.name}-"
  image_id               = data.aws_ssm_parameter.image.insecure_value
  instance_type          = var.instance_type
  vpc_security_group_ids = [aws_security_group.instances.id]
  update_default_version = true
  user_data              = base64encode("${local.settings}${file("${path.module}/user-data.sh")}")

  iam_instance_profile {
    arn = aws_iam_instance_profile.instances.arn
  }

  # IMDSv2 only: a request that a page can be made to send finds no credentials.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  monitoring {
    enabled = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_size           = 20
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }
}

resource "aws_autoscaling_group" "site" {
  name_prefix               = "${var.name}-"
  min_size                  = var.instances_min
  max_size                  = var.instances_max
  vpc_zone_identifier       = local.private_subnet_ids
  target_group_arns         = [aws_lb_target_group.site.arn]
  health_check_type         = "ELB"
  health_check_grace_period = 300

  launch_template {
    id      = aws_launch_template.site.id
    version = aws_launch_template.site.latest_version
  }

  # One after the other, each only once the one before answers.
  instance_refresh {
    strategy = "Rolling"

    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 150
    }
  }

  tag {
    key                 = "Name"
    value               = "${var.name}-web"
    propagate_at_launch = true
  }

  depends_on = [aws_lb_listener_rule.site, aws_iam_role_policy.instances@efs_wait@]
}

resource "aws_autoscaling_policy" "cpu" {
  name                   = "cpu"
  autoscaling_group_name = aws_autoscaling_group.site.name
  policy_type            = "TargetTrackingScaling"

  target_tracking_configuration {
    target_value = 50

    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}
