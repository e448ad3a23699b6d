# CloudFront takes certificates of us-east-1 only.
resource "aws_acm_certificate" "edge" {
  region                    = "us-east-1"
  domain_name               = local.names[0]
  subject_alternative_names = slice(local.names, 1, length(local.names))
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

# And the balancer one of its own region, with the same names: the same records validate it.
resource "aws_acm_certificate" "balancer" {
  domain_name               = local.names[0]
  subject_alternative_names = slice(local.names, 1, length(local.names))
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = { for option in aws_acm_certificate.edge.domain_validation_options : option.domain_name => option }

  zone_id = var.hosted_zone_id
  name    = each.value.resource_record_name
  type    = each.value.resource_record_type
  records = [each.value.resource_record_value]
  ttl     = 300
  # A name and its wildcard share one.
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "edge" {
  region                  = "us-east-1"
  certificate_arn         = aws_acm_certificate.edge.arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

resource "aws_acm_certificate_validation" "balancer" {
  certificate_arn         = aws_acm_certificate.balancer.arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}
