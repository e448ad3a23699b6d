"""The servers under comparison: how each is started, found, measured and stopped.

Everything that knows a command line or a configuration file is here; the other files only measure.
"""

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

OBJECTS = {"1k": 1024, "10k": 10 * 1024, "64k": 64 * 1024}
START_SECONDS_MAX = 20
PACKAGES = {"nginx": "nginx", "wrk": "wrk", "h2load": "nghttp2-client"}
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# CloudFront's headers on a hit, beside the origin's own; nginx is given the same work.
NGINX_HEADERS = """
        add_header X-Cache $x_cache always;
        add_header Via "1.1 0123456789abcdef0123456789abcdef.cloudfront.net (CloudFront)" always;
        add_header X-Amz-Cf-Pop FRA56-P1 always;
        add_header X-Amz-Cf-Id $request_id always;
        add_header Age 1 always;
"""


class Server:
    """A running server: its ports, and the processes whose CPU and memory count."""

    def __init__(self, name, process, pids, ports):
        self.name = name
        self.process = process
        self.pids = pids
        self.ports = ports  # {"http": 1234, "https": 1235}

    def url(self, path, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.ports[scheme]}{path}"

    def cpu_seconds(self):
        """User and system time of all threads so far, from /proc/PID/stat."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # utime, stime: fields 14 and 15 of proc(5)
        return ticks / TICKS_PER_SECOND

    def memory_kib(self, field):
        """VmRSS, or VmHWM, the highest it has ever been."""
        total = 0
        for pid in self.pids:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(field + ":"):
                    total += int(line.split()[1])
        return total

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def need(*tools):
    """Installs what is missing from Debian's packages, and says so."""
    missing = sorted({PACKAGES[tool] for tool in tools if shutil.which(tool) is None})
    if not missing:
        return
    print(f"installing {' '.join(missing)} with apt-get", file=sys.stderr)
    if shutil.which("apt-get") is None:
        sys.exit(f"please install {' '.join(missing)}: there is no apt-get here")
    quiet = {"stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-q"], check=True, **quiet)
    subprocess.run(["apt-get", "install", "-qy", "--no-install-recommends", *missing], check=True, **quiet)


@contextlib.contextmanager
def scratch():
    """A directory in memory, so that no disk is part of any measurement."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="edge-compare-", dir=base) as path:
        os.chmod(path, 0o755)
        yield Path(path)


def start_origin(directory, tags=""):
    """nginx with static files: /1k, /10k and /64k, and the same files again under /N/1k for any N; with these tags."""
    root = directory / "objects"
    root.mkdir()
    for name, size in OBJECTS.items():
        line = b"The quick brown fox jumps over the lazy dog, %s.\n" % name.encode()
        (root / name).write_bytes((line * (size // len(line) + 1))[:size])
    port = free_port()
    return start_nginx_process("origin", directory, {"http": port}, f"""
    open_file_cache max=100;
    sendfile on;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {root};
        default_type text/html;
        add_header Cache-Control "public, max-age=86400";
        add_header {TAG_HEADER} "{tags}";
        location ~ ^/[0-9]+/(?<object>[0-9]+k)$ {{ try_files /$object =404; }}
    }}
""")


def start_nginx(directory, origin, name="nginx", cache_size="256m", tuning=""):
    """nginx's proxy_cache tuned for small hot objects, in memory, one worker.

    sendfile is off because it was measured: with objects that fit one buffer a read and one writev cost about 15 %
    less CPU than a writev of the head and a sendfile of the body. `tuning` is put into each server, where it overrules
    what is said here.
    """
    ports = {"http": free_port(), "http2": free_port(), "https": free_port()}
    key, certificate = self_signed(directory)
    location = f"""
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_cache hot;
            proxy_cache_valid 200 1d;
            {NGINX_HEADERS}
        }}
"""
    return start_nginx_process(name, directory, ports, f"""
    proxy_cache_path {directory}/{name}-cache levels=1:2 keys_zone=hot:32m max_size={cache_size}
        inactive=1d use_temp_path=off;
    map $upstream_cache_status $x_cache {{
        HIT "Hit from cloudfront";
        REVALIDATED "RefreshHit from cloudfront";
        default "Miss from cloudfront";
    }}
    upstream origin {{ server 127.0.0.1:{origin.ports["http"]}; keepalive 64; }}
    open_file_cache max=10000 inactive=1d;
    open_file_cache_valid 1d;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_session_cache shared:tls:10m;
    sendfile off;
    http2_chunk_size 16k;
    server {{ listen 127.0.0.1:{ports["http"]} backlog=4096; {tuning} {location} }}
    server {{ listen 127.0.0.1:{ports["http2"]} http2 backlog=4096; {tuning} {location} }}
    server {{ listen 127.0.0.1:{ports["https"]} ssl http2 backlog=4096; {tuning} {location} }}
""")


def start_nginx_process(name, directory, ports, http):
    home = directory / name
    home.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    config = home / "nginx.conf"
    config.write_text(f"""
{user}
worker_processes 1;
daemon off;
pid {home}/pid;
error_log {home}/error.log warn;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    http2_max_concurrent_streams 256;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
{http}
}}
""")
    process = subprocess.Popen(["nginx", "-p", str(home), "-e", str(home / "error.log"), "-c", str(config)])
    server = Server(name, process, [], ports)
    try:
        for port in ports.values():
            wait_for_port(port, process, home / "error.log")
        server.pids = workers_of(process.pid)
    except BaseException:
        server.stop()
        raise
    return server


def workers_of(master):
    """The processes that answer; nginx's cache manager and loader are not among them."""
    give_up = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < give_up:
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        workers = [int(pid) for pid in children if b"worker process" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        if workers:
            return workers
        time.sleep(0.01)
    sys.exit("nginx started no worker")


def start_edge(binary, directory, origin, name="edge", cache_size="256M", tls=False, admin=False):
    """`edge-bin serve`: the one place that knows its command line and what it prints when it is ready."""
    home = directory / name
    home.mkdir()
    config = home / "distribution.json"
    config.write_text(json.dumps(distribution_config(), indent=2))
    command = [
        str(binary), "serve", str(config),
        "--http", "127.0.0.1:0",
        "--https", "127.0.0.1:0" if tls else "off",
        "--admin", "127.0.0.1:0" if admin else "off",
        "--data-dir", str(home / "data"),
        "--threads", "1",
        "--cache-size", cache_size,
        "--map", f"{ORIGIN_NAME}=http://127.0.0.1:{origin.ports['http']}",
    ]
    log = home / "stderr.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    server = Server(name, process, [process.pid], {})
    lines = queue.Queue()

    def read():
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    wanted = {"http"} | ({"https"} if tls else set()) | ({"admin"} if admin else set())
    give_up = time.monotonic() + START_SECONDS_MAX
    while not wanted <= server.ports.keys():
        try:
            line = lines.get(timeout=max(0.01, give_up - time.monotonic()))
        except queue.Empty:
            line = None
        if line is None or time.monotonic() > give_up:
            server.stop()
            sys.exit(f"{' '.join(command)}\nwas not ready; expected a line 'listening http ADDRESS'.\n{log.read_text()}")
        match line.split():
            case ["listening", scheme, address]:
                server.ports[scheme] = int(address.rpartition(":")[2])
    server.ports["http2"] = server.ports["http"]  # one port speaks both
    return server


ORIGIN_NAME = "origin.example.com"
TAG_HEADER = "Cache-Tag"


def distribution_config():
    """A DistributionConfig as the AWS API takes it: one custom origin, everything cached by Managed-CachingOptimized."""
    methods = {"Quantity": 2, "Items": ["HEAD", "GET"]}
    return {
        "CallerReference": "compare",
        "Comment": "benchmark",
        "Enabled": True,
        "Aliases": {"Quantity": 0},
        "DefaultRootObject": "",
        "HttpVersion": "http2",
        "IsIPV6Enabled": True,
        "PriceClass": "PriceClass_All",
        "Origins": {"Quantity": 1, "Items": [{
            "Id": "origin",
            "DomainName": ORIGIN_NAME,
            "OriginPath": "",
            "CustomHeaders": {"Quantity": 0},
            "CustomOriginConfig": {
                "HTTPPort": 80,
                "HTTPSPort": 443,
                "OriginProtocolPolicy": "http-only",
                "OriginSslProtocols": {"Quantity": 1, "Items": ["TLSv1.2"]},
                "OriginReadTimeout": 30,
                "OriginKeepaliveTimeout": 5,
            },
            "ConnectionAttempts": 3,
            "ConnectionTimeout": 10,
        }]},
        "OriginGroups": {"Quantity": 0},
        "DefaultCacheBehavior": {
            "TargetOriginId": "origin",
            "ViewerProtocolPolicy": "allow-all",
            "AllowedMethods": methods | {"CachedMethods": methods},
            "Compress": False,
            "SmoothStreaming": False,
            "FieldLevelEncryptionId": "",
            "TrustedSigners": {"Enabled": False, "Quantity": 0},
            "TrustedKeyGroups": {"Enabled": False, "Quantity": 0},
            "LambdaFunctionAssociations": {"Quantity": 0},
            "FunctionAssociations": {"Quantity": 0},
            "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        },
        "CacheBehaviors": {"Quantity": 0},
        "CacheTagConfig": {"HeaderName": TAG_HEADER},
        "CustomErrorResponses": {"Quantity": 0},
        "Logging": {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""},
        "ViewerCertificate": {"CloudFrontDefaultCertificate": True, "MinimumProtocolVersion": "TLSv1"},
        "Restrictions": {"GeoRestriction": {"RestrictionType": "none", "Quantity": 0}},
        "WebACLId": "",
    }


def fetch(url):
    """One plain request; the status, the headers in lower case, the body."""
    anybody = ssl._create_unverified_context() if url.startswith("https") else None
    with urllib.request.urlopen(url, timeout=10, context=anybody) as response:
        return response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()


def self_signed(directory):
    """A P-256 key and certificate, the kind the edge makes for itself."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    if not key.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)],
            check=True, stderr=subprocess.DEVNULL,
        )
    return key, certificate


def free_port():
    """A port nobody uses now. nginx cannot choose one itself and tell; the edge can, and does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, log):
    give_up = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > give_up:
                sys.exit(f"nginx does not listen on port {port}:\n{log.read_text()}")
            time.sleep(0.01)
