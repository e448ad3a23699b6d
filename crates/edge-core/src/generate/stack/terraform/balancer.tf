data "aws_ec2_managed_prefix_list" "cloudfront" {
  name = "com.amazonaws.global.cloudfront.origin-facing"
}

resource "aws_security_group" "balancer" {
  name_prefix = "${var.name}-balancer-"
  description = "CloudFront to the balancer"
  vpc_id      = local.vpc_id
}

# The list counts as 55 rules of the 60 that a group has.
resource "aws_vpc_security_group_ingress_rule" "balancer" {
  security_group_id = aws_security_group.balancer.id
  description       = "CloudFront"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront.id
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "Pages"
  ip_protocol                  = "tcp"
  from_port                    = 80
  to_port                      = 80
  referenced_security_group_id = aws_security_group.instances.id
}

# What CloudFront says to the balancer; who does not gets 403.
resource "random_password" "origin" {
  length  = 48
  special = false
}

resource "aws_secretsmanager_secret" "origin" {
  name_prefix = "${var.name}-origin-"
  description = "What CloudFront says to the balancer"
}

resource "aws_secretsmanager_secret_version" "origin" {
  secret_id     = aws_secretsmanager_secret.origin.id
  secret_string = random_password.origin.result
}

resource "aws_lb" "site" {
  name                       = var.name
  internal                   = @internal@
  subnets                    = local.@balancer_subnets@_subnet_ids
  security_groups            = [aws_security_group.balancer.id]
  enable_deletion_protection = true
  drop_invalid_header_fields = true
  # Above CloudFront's keep-alive, or it meets connections that have just been closed.
  idle_timeout = 75

  access_logs {
    enabled = true
    bucket  = aws_s3_bucket.logs.id
    prefix  = "balancer"
  }

  depends_on = [aws_s3_bucket_policy.logs]
}

resource "aws_lb_target_group" "site" {
  name                          = var.name
  vpc_id                        = local.vpc_id
  protocol                      = "HTTP"
  port                          = 80
  deregistration_delay          = 60
  load_balancing_algorithm_type = "least_outstanding_requests"

  # PHP answers it, not WordPress: a database that is away must not take the instances away too.
  health_check {
    path                = "/healthz"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "site" {
  load_balancer_arn = aws_lb.site.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate_validation.balancer.certificate_arn

  # Whoever has not come through this distribution.
  default_action {
    type = "fixed-response"

    fixed_response {
      status_code  = "403"
      content_type = "text/plain"
      message_body = "This site is served by CloudFront."
    }
  }
}

resource "aws_lb_listener_rule" "site" {
  listener_arn = aws_lb_listener.site.arn
  priority     = 10

  condition {
    http_header {
      http_header_name = "@secret_header@"
      values           = [random_password.origin.result]
    }
  }

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.site.arn
  }
}
