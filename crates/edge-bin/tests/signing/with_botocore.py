#!/usr/bin/env python3
"""Signs URLs with botocore's CloudFrontSigner, as boto3's users do: a list of orders on stdin, a list of URLs on stdout.

An order has `url`, `id` and `key` (a PEM file), and `policy` or `until`; `after`, `ip` and `hash` if wanted. botocore
makes no cookies: people take them out of the URL, and so does this.
"""

import datetime
import json
import subprocess
import sys

import rsa
from botocore.signers import CloudFrontSigner


def moment(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def sign(order):
    digest = order.get("hash", "SHA1")

    def signature(message):
        with open(order["key"], "rb") as file:
            pem = file.read()
        if b"RSA" in pem:
            return rsa.sign(message, rsa.PrivateKey.load_pkcs1(pem), "SHA-" + digest.removeprefix("SHA"))
        command = ["openssl", "dgst", "-" + digest.lower(), "-sign", order["key"]]
        return subprocess.run(command, input=message, stdout=subprocess.PIPE, check=True).stdout

    signer = CloudFrontSigner(order["id"], signature)
    policy = order.get("policy")
    if policy is None and ("after" in order or "ip" in order):
        after = moment(order["after"]) if "after" in order else None
        resource = order.get("resource", order["url"])
        policy = signer.build_policy(resource, moment(order["until"]), after, order.get("ip"))
    if policy is None:
        url = signer.generate_presigned_url(order["url"], date_less_than=moment(order["until"]))
    else:
        url = signer.generate_presigned_url(order["url"], policy=policy)
    if digest != "SHA1":
        url += "&Hash-Algorithm=" + digest
    parameters = url[len(order["url"]) + 1 :].split("&")
    cookies = "; ".join("CloudFront-" + parameter for parameter in parameters)
    return {"url": url, "cookies": cookies}


if __name__ == "__main__":
    json.dump([sign(order) for order in json.load(sys.stdin)], sys.stdout)
