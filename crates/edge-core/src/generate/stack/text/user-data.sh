
# An instance of the site: everything on it can be thrown away.
set -euo pipefail
trap 'done_with $?' EXIT
SITE=/var/www/wordpress

dnf install --assumeyes --quiet nginx php8.3-fpm php8.3-cli php8.3-mysqlnd php8.3-gd php8.3-mbstring php8.3-xml \
  php8.3-zip php8.3-intl php8.3-opcache amazon-efs-utils \
  https://s3.amazonaws.com/mountpoint-s3-release/latest/arm64/mount-s3.rpm

# The site's code.
mkdir -p $SITE
case $SITE_ARCHIVE in
  s3://*) aws s3 cp --only-show-errors "$SITE_ARCHIVE" /tmp/site.tar.gz ;;
  *) curl --fail --silent --show-error --location --retry 5 --output /tmp/site.tar.gz "$SITE_ARCHIVE" ;;
esac
tar -xzf /tmp/site.tar.gz --strip-components=1 --directory $SITE

# Media: the bucket itself, or the file system that is copied to the bucket.
UPLOADS=$SITE/wp-content/uploads
rm -rf $UPLOADS && mkdir -p $UPLOADS
ids="uid=$(id -u apache),gid=$(id -g apache)"
if [ -n "$FILE_SYSTEM" ]; then
  echo "$FILE_SYSTEM:/ $UPLOADS efs _netdev,tls,iam 0 0" >>/etc/fstab
  mount $UPLOADS && chown apache:apache $UPLOADS
  cat >/etc/systemd/system/uploads-to-bucket.service <<END
[Service]
Type=oneshot
ExecStart=/usr/bin/aws s3 sync --only-show-errors $UPLOADS s3://$MEDIA_BUCKET/wp-content/uploads
END
  printf '[Timer]\nOnCalendar=*:0/5\nRandomizedDelaySec=60\n[Install]\nWantedBy=timers.target\n' \
    >/etc/systemd/system/uploads-to-bucket.timer
else
  echo "s3://$MEDIA_BUCKET/wp-content/uploads/ $UPLOADS mount-s3 _netdev,nosuid,nodev,nofail,allow-other,allow-delete,allow-overwrite,$ids,region=$REGION 0 0" >>/etc/fstab
  mount $UPLOADS
fi

# Secrets: asked for once a minute, because RDS changes the password by itself.
cat >/usr/local/bin/site-secrets <<END
#!/bin/bash
set -euo pipefail
umask 077
get() { aws secretsmanager get-secret-value --region $REGION --query SecretString --output text --secret-id \$1; }
database=\$(get $DATABASE_SECRET)
salts=\$(get $SALTS_SECRET)
new=\$(mktemp /etc/site/XXXXXX)
DATABASE=\$database SALTS=\$salts HOST=$DATABASE_HOST SITE=$HOST php -r '
  \$login = json_decode(getenv("DATABASE"), true);
  \$all = ["user" => \$login["username"], "password" => \$login["password"], "host" => getenv("HOST"), "name" => "wordpress",
    "salts" => getenv("SALTS"), "site" => getenv("SITE")];
  echo "<?php return ", var_export(\$all, true), ";\n";' >\$new
chgrp apache \$new && chmod 640 \$new && mv \$new /etc/site/secrets.php
END
chmod 755 /usr/local/bin/site-secrets
mkdir -p /etc/site && chgrp apache /etc/site && chmod 750 /etc/site
/usr/local/bin/site-secrets
printf '[Service]\nType=oneshot\nExecStart=/usr/local/bin/site-secrets\n' >/etc/systemd/system/site-secrets.service
printf '[Timer]\nOnCalendar=minutely\n[Install]\nWantedBy=timers.target\n' >/etc/systemd/system/site-secrets.timer

cat >$SITE/wp-config.php <<'END'
@wp-config.php@END
chown root:apache $SITE/wp-config.php && chmod 640 $SITE/wp-config.php

# What nginx trusts and whom it admits.
secret() { aws secretsmanager get-secret-value --region "$REGION" --query SecretString --output text --secret-id "$1"; }
(
  umask 077
  echo "\"$(secret "$ORIGIN_SECRET")\" 0;" >/etc/nginx/site-origin-secret.map
  echo "\"$(secret "$CRON_SECRET")\" 0;" >/etc/nginx/site-cron-secret.map
)
aws ec2 get-managed-prefix-list-entries --region "$REGION" --prefix-list-id "$PREFIX_LIST" --query 'Entries[].Cidr' --output text |
  tr '\t' '\n' | sed 's/.*/set_real_ip_from &;/' >/etc/nginx/site-cloudfront.ranges
cat >/etc/nginx/conf.d/site.conf <<'END'
@nginx.conf@END
nginx -t

printf 'ping.path = /healthz\n' >>/etc/php-fpm.d/www.conf
printf 'upload_max_filesize = 64M\npost_max_size = 64M\nmemory_limit = 256M\n' >/etc/php.d/90-site.ini
systemctl daemon-reload
systemctl enable --now php-fpm nginx site-secrets.timer
[ -z "$FILE_SYSTEM" ] || systemctl enable --now uploads-to-bucket.timer
curl --fail --silent --retry 10 --retry-connrefused http://127.0.0.1/healthz
