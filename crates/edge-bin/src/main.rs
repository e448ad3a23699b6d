//! edge: a CloudFront that runs anywhere.
fn main() {}
