locals {
  domains         = @domains@
  host            = "@host@"
  origin          = "@origin@"
  names           = concat(local.domains, [local.origin])
  certificate_arn = var.certificate_arn != "" ? var.certificate_arn : aws_acm_certificate_validation.edge.certificate_arn
  # The hosted zone of all distributions, wherever they are.
  cloudfront_zone = "Z2FDTNDATAQYW2"
}

resource "aws_route53_record" "site" {
  for_each = { for pair in setproduct(local.domains, ["A", "AAAA"]) : "${pair[0]} ${pair[1]}" => pair }

  zone_id = var.hosted_zone_id
  name    = each.value[0]
  type    = each.value[1]

  alias {
    name                   = aws_cloudfront_distribution.site.domain_name
    zone_id                = local.cloudfront_zone
    evaluate_target_health = false
  }
}

resource "aws_route53_record" "origin" {
  zone_id = var.hosted_zone_id
  name    = local.origin
  type    = "A"
@origin_records@
  alias {
    name                   = aws_lb.site.dns_name
    zone_id                = aws_lb.site.zone_id
    evaluate_target_health = true
  }
}
