variable "vpc_id" {
  description = "The network"
  type        = string
}

variable "public_subnet_ids" {
  description = "Subnets with a way in, one in each zone"
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "Subnets with a way out only, one in each zone"
  type        = list(string)
}

locals {
  vpc_id             = var.vpc_id
  public_subnet_ids  = var.public_subnet_ids
  private_subnet_ids = var.private_subnet_ids
}
