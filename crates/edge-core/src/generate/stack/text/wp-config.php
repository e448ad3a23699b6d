<?php
// A WordPress site behind CloudFront. The names, the passwords and the salts are in a file that is made anew every minute.
$site = require '/etc/site/secrets.php';

// How the viewer came: CloudFront says so, the balancer speaks of its own connection only. Without these lines
// wp-login.php and wp-admin redirect to themselves for ever.
$proto = $_SERVER['HTTP_CLOUDFRONT_FORWARDED_PROTO'] ?? $_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '';
if (strtolower(trim(explode(',', $proto)[0])) === 'https') {
    $_SERVER['HTTPS'] = 'on';
}
define('WP_HOME', 'https://' . $site['site']);
define('WP_SITEURL', WP_HOME);

// The device's class is in the key of a page; CloudFront's own User-Agent says nothing.
if (in_array($_SERVER['HTTP_X_VIEWER_DEVICE'] ?? '', ['mobile', 'tablet'], true)) {
    $_SERVER['HTTP_SEC_CH_UA_MOBILE'] = '?1'; // What wp_is_mobile() looks at first.
}

define('DB_NAME', $site['name']);
define('DB_USER', $site['user']);
define('DB_PASSWORD', $site['password']);
define('DB_HOST', $site['host']);
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL);

// The same on every instance, so that a session is good on each.
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $name) {
    define($name . '_KEY', hash_hmac('sha256', $name . '_KEY', $site['salts']));
    define($name . '_SALT', hash_hmac('sha256', $name . '_SALT', $site['salts']));
}
unset($site, $proto, $name);

// A schedule calls wp-cron.php, not a page view.
define('DISABLE_WP_CRON', true);
// Instances are replaced, never changed: code comes with the next archive.
define('DISALLOW_FILE_MODS', true);
define('FORCE_SSL_ADMIN', true);

$table_prefix = 'wp_';
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
