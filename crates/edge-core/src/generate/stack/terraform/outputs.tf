output "distribution_id" {
  description = "For invalidations"
  value       = aws_cloudfront_distribution.site.id
}

output "distribution_domain_name" {
  description = "What the DNS records of the site point to"
  value       = aws_cloudfront_distribution.site.domain_name
}

output "media_bucket" {
  description = "Where uploads go, as wp-content/uploads/…"
  value       = aws_s3_bucket.media.id
}

output "log_bucket" {
  description = "Where logs are"
  value       = aws_s3_bucket.logs.id
}

output "database_secret_arn" {
  description = "Name and password of the database's user"
  value       = aws_db_instance.site.master_user_secret[0].secret_arn
}
