resource "aws_security_group" "database" {
  name_prefix = "${var.name}-database-"
  description = "The instances to the database"
  vpc_id      = local.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  description                  = "The instances"
  ip_protocol                  = "tcp"
  from_port                    = 3306
  to_port                      = 3306
  referenced_security_group_id = aws_security_group.instances.id
}

resource "aws_db_subnet_group" "site" {
  name_prefix = "${var.name}-"
  subnet_ids  = local.private_subnet_ids
}

# Encrypted connections only; slow queries are logged.
resource "aws_db_parameter_group" "site" {
  name_prefix = "${var.name}-"
  family      = "mariadb11.4"

  parameter {
    name  = "require_secure_transport"
    value = "1"
  }

  parameter {
    name  = "slow_query_log"
    value = "1"
  }

  parameter {
    name  = "long_query_time"
    value = "2"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_db_instance" "site" {
  identifier_prefix     = "${var.name}-"
  engine                = "mariadb"
  engine_version        = "11.4"
  instance_class        = var.database_class
  allocated_storage     = var.database_storage
  max_allocated_storage = var.database_storage * 5
  storage_type          = "gp3"
  storage_encrypted     = true
  db_name               = "wordpress"
  username              = "wordpress"
  # RDS makes it, keeps it in Secrets Manager, and changes it every week.
  manage_master_user_password = true
  # A second instance takes over in two to three minutes; CloudFront serves what it has meanwhile.
  multi_az                        = true
  db_subnet_group_name            = aws_db_subnet_group.site.name
  parameter_group_name            = aws_db_parameter_group.site.name
  vpc_security_group_ids          = [aws_security_group.database.id]
  publicly_accessible             = false
  backup_retention_period         = 14
  copy_tags_to_snapshot           = true
  deletion_protection             = true
  final_snapshot_identifier       = "${var.name}-last"
  auto_minor_version_upgrade      = true
  enabled_cloudwatch_logs_exports = ["error", "slowquery"]
}
