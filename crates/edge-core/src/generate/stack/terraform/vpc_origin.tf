resource "aws_cloudfront_vpc_origin" "site" {
  vpc_origin_endpoint_config {
    name                   = "${var.name}-balancer"
    arn                    = aws_lb.site.arn
    http_port              = 80
    https_port             = 443
    origin_protocol_policy = "https-only"

    origin_ssl_protocols {
      items    = ["TLSv1.2"]
      quantity = 1
    }
  }

  # Nothing answers on the port before.
  depends_on = [aws_lb_listener.site]
}
