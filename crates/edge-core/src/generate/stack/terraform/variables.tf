# What differs from one account to the next.

variable "region" {
  description = "Where all is but CloudFront's own"
  type        = string
  default     = "us-east-1"
}

variable "name" {
  description = "What resources are called"
  type        = string
  default     = "@slug@"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,24}$", var.name))
    error_message = "Small letters, digits and dashes, 25 at most: buckets and roles have longer names made of it."
  }
}

variable "hosted_zone_id" {
  description = "The zone of @zone@"
  type        = string
}

variable "certificate_arn" {
  description = "An ARN of ACM in us-east-1, where there is one; empty: one is made"
  type        = string
  default     = "@certificate@"
}

variable "zones" {
  description = "Availability zones"
  type        = number
  default     = @zones@

  validation {
    condition     = var.zones >= 2 && var.zones <= 4
    error_message = "A load balancer wants two at least."
  }
}

variable "instance_type" {
  description = "An instance of the arm64 architecture"
  type        = string
  default     = "t4g.small"
}

variable "instances_min" {
  description = "Instances at night"
  type        = number
  default     = @zones@
}

variable "instances_max" {
  description = "Instances at most"
  type        = number
  default     = @instances_max@
}

variable "site_archive" {
  description = "The site's code, a .tar.gz with wp-admin and wp-content in its one folder: https://… or s3://… of the media bucket"
  type        = string
  default     = "https://wordpress.org/latest.tar.gz"
}

variable "database_class" {
  description = "The size of both database instances"
  type        = string
  default     = "db.t4g.medium"
}

variable "database_storage" {
  description = "GiB to begin with; it grows by itself to five times that"
  type        = number
  default     = 50
}

variable "alarm_address" {
  description = "Who gets a letter when something is wrong; empty: nobody"
  type        = string
  default     = ""
}
