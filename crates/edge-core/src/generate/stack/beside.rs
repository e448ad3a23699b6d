//! What stands beside a template: what instances run, and in which order the commands go.
//!
//! The same texts go into the instances and into the folder, so that one can be read for the other.

use super::super::File;
use super::site::Site;
use super::{Network, Stack};

const USER_DATA: &str = include_str!("text/user-data.sh");
const NGINX: &str = include_str!("text/nginx.conf");
const WP_CONFIG: &str = include_str!("text/wp-config.php");

/// The texts.
pub(super) struct Beside {
    read_me: String,
    user_data: String,
}

/// Of one format, whose order of commands is `read_me`.
pub(super) fn beside(site: &Site, stack: &Stack, read_me: &str) -> Beside {
    let vpc = match stack.network {
        Network::Made => "",
        Network::Existing => " \\\n     VpcId=vpc-… PublicSubnetIds=subnet-…,… PrivateSubnetIds=subnet-…,…",
    };
    let read_me = read_me
        .replace("@host@", site.host())
        .replace("@zone@", site.origin.trim_start_matches("origin."))
        .replace("@slug@", &site.slug())
        .replace("@vpc@", vpc);
    let user_data = USER_DATA.replace("@wp-config.php@", WP_CONFIG).replace("@nginx.conf@", NGINX);
    Beside { read_me, user_data }
}

impl Beside {
    /// The script of an instance, but for what the stack knows.
    pub(super) fn user_data(&self) -> &str {
        &self.user_data
    }

    pub(super) fn files(self) -> Vec<File> {
        let file = |path: &str, text: String| File { path: path.to_owned(), text };
        vec![
            file("nginx.conf", NGINX.to_owned()),
            file("wp-config.php", WP_CONFIG.to_owned()),
            file("user-data.sh", self.user_data),
            file("README.md", self.read_me),
        ]
    }
}
