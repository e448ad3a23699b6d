terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.6"
    }
  }
}

# What CloudFront takes from us-east-1 only says so itself.
provider "aws" {
  region = var.region
}

data "aws_caller_identity" "own" {}
data "aws_partition" "own" {}
