resource "aws_security_group" "files" {
  name_prefix = "${var.name}-files-"
  description = "The instances to the file system"
  vpc_id      = local.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "files" {
  security_group_id            = aws_security_group.files.id
  description                  = "The instances"
  ip_protocol                  = "tcp"
  from_port                    = 2049
  to_port                      = 2049
  referenced_security_group_id = aws_security_group.instances.id
}

resource "aws_efs_file_system" "site" {
  encrypted       = true
  throughput_mode = "elastic"

  lifecycle_policy {
    transition_to_ia = "AFTER_30_DAYS"
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_efs_mount_target" "site" {
  count           = var.zones
  file_system_id  = aws_efs_file_system.site.id
  subnet_id       = local.private_subnet_ids[count.index]
  security_groups = [aws_security_group.files.id]
}
