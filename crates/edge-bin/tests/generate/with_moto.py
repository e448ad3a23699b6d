"""Runs the script of `gen-cloudfront-policy --format cli` twice against a stand-in for AWS, with the real AWS CLI, and
prints what is there then, as a bundle.

moto is the service for distributions and access controls; what it takes of a distribution is kept here too, because it
gives back less than it got. It knows no policies and functions: those are kept here as the XML they came in, with the
versions (ETag, If-Match) that make an update one.

    with_moto.py FOLDER FOLDER-OF-THE-AWS-CLI
"""

import base64
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from moto.server import ThreadedMotoServer

POLICIES = {
    "cache-policy": "CachePolicy",
    "origin-request-policy": "OriginRequestPolicy",
    "response-headers-policy": "ResponseHeadersPolicy",
}
WHEN = "<LastModifiedTime>2026-01-01T00:00:00Z</LastModifiedTime>"
KEPT = {}  # (kind, id): [version, XML]
CALLS = []


def tagged(xml, tag):
    return re.search(rf"<{tag}>(.*?)</{tag}>", xml, re.S).group(1)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def kept(self, status, kind, key, around="{}"):
        version, xml = KEPT[kind, key]
        self.answer(status, around.format(xml).encode(), [("ETag", f"V{version}")])

    def is_old(self, kind, key):
        if self.headers.get("If-Match") == f"V{KEPT[kind, key][0]}":
            return False
        self.answer(412, b"<ErrorResponse><Error><Code>PreconditionFailed</Code></Error></ErrorResponse>")
        return True

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind, *rest = self.path.split("?")[0].removeprefix("/2020-05-31/").split("/")
        CALLS.append(f"{self.command} {kind}")
        if kind in POLICIES:
            self.policy(kind, rest, body.decode())
        elif kind == "function":
            self.function(rest, body.decode())
        else:
            self.to_moto(body)

    do_GET = do_POST = do_PUT = do

    def policy(self, kind, rest, body):
        word = POLICIES[kind]
        config = re.sub(r'^<\?xml.*?\?>|\s*xmlns="[^"]*"', "", body)
        if self.command == "POST":
            name = tagged(config, "Name")
            assert all(tagged(xml, "Name") != name for (other, _), (_, xml) in KEPT.items() if other == kind)
            key = f"{kind}-{len(KEPT)}"
            KEPT[kind, key] = [1, f"<{word}><Id>{key}</Id>{WHEN}{config}</{word}>"]
            self.kept(201, kind, key)
        elif self.command == "PUT":
            if not self.is_old(kind, rest[0]):
                version = KEPT[kind, rest[0]][0]
                KEPT[kind, rest[0]] = [version + 1, f"<{word}><Id>{rest[0]}</Id>{WHEN}{config}</{word}>"]
                self.kept(200, kind, rest[0])
        elif rest:
            self.kept(200, kind, rest[0])
        else:
            of_kind = [xml for (other, _), (_, xml) in KEPT.items() if other == kind]
            items = "".join(f"<{word}Summary><Type>custom</Type>{xml}</{word}Summary>" for xml in of_kind)
            head = f"<MaxItems>100</MaxItems><Quantity>{len(of_kind)}</Quantity>"
            self.answer(200, f"<{word}List>{head}<Items>{items}</Items></{word}List>".encode())

    def function(self, rest, body):
        name = rest[0] if rest else tagged(body, "Name")
        arn = f"arn:aws:cloudfront::123456789012:function/{name}"
        missing = ("function", name) not in KEPT
        if self.command == "GET" and missing:
            self.answer(404, b"<ErrorResponse><Error><Code>NoSuchFunctionExists</Code></Error></ErrorResponse>")
            return
        if self.command == "POST" and not rest:
            assert missing
        elif self.command != "GET" and self.is_old("function", name):
            return
        if body:
            version = 0 if missing else KEPT["function", name][0]
            config = tagged(body, "FunctionConfig")
            KEPT["function", name] = [version + 1, f"<Code>{tagged(body, 'FunctionCode')}</Code>{config}"]
        version, xml = KEPT["function", name]
        config = re.sub(r"<Code>.*?</Code>", "", xml, flags=re.S)
        stage = "LIVE" if rest[1:] == ["publish"] else "DEVELOPMENT"
        data = f"<FunctionMetadata><FunctionARN>{arn}</FunctionARN><Stage>{stage}</Stage>{WHEN}</FunctionMetadata>"
        summary = f"<Name>{name}</Name><FunctionConfig>{config}</FunctionConfig>{data}"
        status = 201 if self.command == "POST" and not rest else 200
        answer = f"<FunctionSummary>{summary}</FunctionSummary>".encode()
        self.answer(status, answer, [("ETag", f"V{version}")])

    def to_moto(self, body):
        """What moto answers, but for the settings of a distribution: those are as they came."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
        headers.setdefault("Content-Type", "application/xml")  # Else it would be said to be a form.
        request = urllib.request.Request(MOTO + self.path, body or None, headers, method=self.command)
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        # Who waits for the end asks once a minute.
        text = answer.read().replace(b"<Status>InProgress</Status>", b"<Status>Deployed</Status>")
        if "DistributionConfig" in body.decode() and answer.status < 300:
            KEPT["distribution", tagged(text.decode(), "Id")] = [0, body.decode()]
        key = ("distribution", self.path.split("/")[3] if self.path.endswith("/config") else "")
        if self.command == "GET" and key in KEPT:
            text = KEPT[key][1].encode()
        passed = [(name, value) for name, value in answer.headers.items() if name.lower() in ("etag", "location")]
        self.answer(answer.status, text, passed)


moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
MOTO = "http://{}:{}".format(*moto.get_host_and_port())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
ENDPOINT = f"http://127.0.0.1:{server.server_port}"

folder, aws = sys.argv[1:]
environment = {
    "PATH": f"{aws}{os.pathsep}{os.environ['PATH']}",
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "1",
    "CERTIFICATE_ARN": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "ORIGIN_DOMAIN_NAME": "origin.invalid",
}
os.environ.update(environment)
for _ in range(2):
    done = subprocess.run(["sh", str(pathlib.Path(folder) / "deploy.sh")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"deploy.sh ended with {done.returncode}")

assert all(version == 2 for (kind, _), (version, _) in KEPT.items() if kind != "distribution"), "not brought up to date"
before_live = len(CALLS)
live = subprocess.run(["sh", str(pathlib.Path(folder) / "deploy.sh"), "live"], stdout=subprocess.PIPE, check=True)
bundle = json.loads(live.stdout)
assert not any(call.startswith(("POST", "PUT")) for call in CALLS[before_live:]), "live changes something"
# The script cannot ask for code: it is here as it came.
bundle["Functions"] = [
    {
        "Name": name,
        "FunctionConfig": {"Comment": tagged(xml, "Comment"), "Runtime": tagged(xml, "Runtime")},
        "Code": base64.b64decode(tagged(xml, "Code")).decode(),
    }
    for (kind, name), (_, xml) in KEPT.items()
    if kind == "function"
]
json.dump(bundle, sys.stdout, indent=1)
