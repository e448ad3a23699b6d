resource "aws_backup_vault" "site" {
  name = "${var.name}-vault"
}

resource "aws_backup_plan" "site" {
  name = "${var.name}-daily"

  rule {
    rule_name         = "daily"
    target_vault_name = aws_backup_vault.site.name
    schedule          = "cron(0 3 * * ? *)"
    start_window      = 60
    completion_window = 480

    lifecycle {
      delete_after = 35
    }
  }
}

data "aws_iam_policy_document" "backup_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["backup.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "backup" {
  name_prefix        = "${var.name}-backup-"
  assume_role_policy = data.aws_iam_policy_document.backup_trust.json
}

resource "aws_iam_role_policy_attachment" "backup" {
  for_each = toset([
    "service-role/AWSBackupServiceRolePolicyForBackup",
    "service-role/AWSBackupServiceRolePolicyForRestores",
    "AWSBackupServiceRolePolicyForS3Backup",
    "AWSBackupServiceRolePolicyForS3Restore",
  ])

  role       = aws_iam_role.backup.name
  policy_arn = "arn:${data.aws_partition.own.partition}:iam::aws:policy/${each.key}"
}

resource "aws_backup_selection" "site" {
  name         = "site"
  plan_id      = aws_backup_plan.site.id
  iam_role_arn = aws_iam_role.backup.arn
  resources    = [aws_db_instance.site.arn, aws_s3_bucket.media.arn@efs_backup@]
}
