// Signs URLs and cookies with the AWS SDK for JavaScript: a list of orders on stdin, a list of both on stdout.
//
// An order has `url`, `id` and `key` (a PEM file), and `policy` or `until`; `after`, `ip` and `hash` if wanted. Run it
// where `@aws-sdk/cloudfront-signer` is installed: the folder is the first argument.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { getSignedUrl, getSignedCookies } = createRequire(`${process.argv[2]}/`)("@aws-sdk/cloudfront-signer");

const date = (seconds) => (seconds === undefined ? undefined : new Date(seconds * 1000).toISOString());

function sign(order) {
  const settings = {
    url: order.url,
    keyPairId: order.id,
    privateKey: readFileSync(order.key, "utf8"),
    algorithm: order.hash,
    policy: order.policy,
    dateLessThan: date(order.until),
    dateGreaterThan: date(order.after),
    ipAddress: order.ip,
  };
  const cookies = Object.entries(getSignedCookies(settings));
  return { url: getSignedUrl(settings), cookies: cookies.map(([name, value]) => `${name}=${value}`).join("; ") };
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(sign)));
