//! `docs/stack.md`, which is the table of the stack's parts for people.

use std::fmt::Write as _;

use edge_core::generate::stack::{ROWS, SERVICES};

use super::fixtures;

/// What stands before the tables.
const OPENING: &str = "\
# The stack around a WordPress site

`edge-bin gen-cloudfront-policy --stack` prints the distribution that the edge runs, and all around it: the classic
WordPress on AWS as it is built today, for CloudFormation or Terraform. This page is made from the table in
`crates/edge-core/src/generate/stack/table.rs`; after a change there run
`cargo test -p edge-core --no-default-features --test stack -- --ignored page`.

```sh
edge-bin gen-cloudfront-policy edge.toml --stack --format cloudformation --out stack
edge-bin gen-cloudfront-policy edge.toml --stack --format terraform --out stack
edge-bin serve stack/template.yaml --resource Distribution --parameter HostedZoneId=Z1 --parameter CloudFrontPrefixListId=pl-1 \\
  --map origin.example.com=http://127.0.0.1:8000      # the distribution in it, here
```

`stack/README.md` has the commands in their order. Beside the template stand `nginx.conf`, `wp-config.php` and
`user-data.sh`: what instances run, to be read, and for servers of other makes.

| option | what |
| --- | --- |
| `--zones N` | availability zones, 2 to 4 |
| `--existing-vpc` | a network there is; its ids become parameters |
| `--efs` | a shared file system for uploads, copied to the bucket every five minutes; without it instances mount the bucket |
| `--vpc-origin` | CloudFront reaches the load balancer inside the network, where nobody else does |
| `--collector URL` | access logs go there too, by HTTP |
| `--origin-records latency` | the load balancer's name is one of a set, to which other regions add theirs; or `geolocation` |

What is fixed, and why:

- **Who reaches the load balancer.** CloudFront's prefix list lets every distribution of every account in, so a secret
  header tells this one from others: in the listener's rule, and again in nginx. Whoever has no secret gets 403.
- **The load balancer has a name and a certificate.** `origin.` of the site. Behaviors that forward `Host` are checked
  against the site's name, the one that asks for uploads against this.
- **Uploads.** `wp-content/uploads/*` asks the bucket first, and the instances where it says 403 or 404, or is away: old files
  move over by being copied, and nothing breaks meanwhile. GET and HEAD only, as an origin group allows. `Host` stays out
  of it, because a bucket knows its own name only.
- **A database that is away** must not take the instances away: the health check asks PHP, not WordPress.
- **wp-cron.php** is called by EventBridge every five minutes, with a secret that nginx asks for.
- **Secrets** are in Secrets Manager, and instances ask for them once a minute, because RDS changes its password by
  itself. With Terraform the two that CloudFront and EventBridge send are in the state too.
- **us-east-1.** CloudFront takes certificates, access logs and its alarms from there. A CloudFormation stack elsewhere
  needs `CertificateArn`, and has logs and that alarm to be moved; the Terraform module makes them there by itself.

Not in it: a web ACL (`WebACLId` of the distribution is the site's), a CI for the site's code (`SiteArchive` is where it
comes from), a second region.

## The parts

| classic | how it is built here |
| --- | --- |
";

fn page() -> String {
    let mut page = OPENING.to_owned();
    for about in SERVICES {
        _ = writeln!(page, "| {} | {} |", about.serves, about.built);
    }
    page.push_str(
        "\n## What it costs\n\nClasses for a usual site, not prices: those differ by region, and change. \"A few dollars\" are less than ten a month.\n",
    );
    for about in SERVICES {
        _ = write!(
            page,
            "\n### {}\n\n| CloudFormation | Terraform | a month | by what it grows |\n| --- | --- | --- | --- |\n",
            about.serves
        );
        for row in ROWS.iter().filter(|row| row.service == about.service) {
            let code = |text: &str| match text {
                "" => "-".to_owned(),
                text => format!("`{}`", text.replace(' ', "`, `")),
            };
            let (template, module) =
                (code(row.cloudformation.trim_start_matches("AWS::")), code(row.terraform));
            _ = writeln!(page, "| {template} | {module} | {} | {} |", row.cost.words(), row.driver);
        }
    }
    page
}

#[test]
fn the_page_is_the_table() {
    let there = std::fs::read_to_string(fixtures().join("../docs/stack.md")).unwrap();
    assert!(
        there == page(),
        "run: cargo test -p edge-core --no-default-features --test stack -- --ignored page"
    );
}

#[test]
#[ignore = "writes docs/stack.md"]
fn write_the_page() {
    std::fs::write(fixtures().join("../docs/stack.md"), page()).unwrap();
}
