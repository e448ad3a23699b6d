#!/usr/bin/env python3
"""Does the cache keep to its size? 1 GiB of distinct objects through an edge with a cache of 128 MiB.

    memory.py target/release/edge-bin

Asks for every object once over HTTP/1.1, then for as many again at random over HTTP/2, samples the resident memory
meanwhile, and fails if it was ever more than 1.25 × the cache + 64 MiB. Every body is checked by `edge-bin load`.
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import time

import servers

OBJECT = "64k"
MIB = 1 << 20


def main():
    args = arguments()
    servers.need("nginx")
    count = args.mebibytes * MIB // servers.OBJECTS[OBJECT]
    limit_kib = int((args.cache * 1.25 + 64) * 1024)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(servers.scratch())
        origin = servers.start_origin(directory)
        stack.callback(origin.stop)
        if args.nginx:
            subject = servers.start_nginx(directory, origin, cache_size=f"{args.cache}m")
        else:
            subject = servers.start_edge(args.edge, directory, origin, cache_size=f"{args.cache}M")
        stack.callback(subject.stop)
        idle_kib = subject.memory_kib("VmRSS")
        passes = {
            "each once, h1": load(args, directory, subject, "http", ["--h1"], count),
            "at random, h2": load(args, directory, subject, "http2", ["--h2", "--seed", "1"], count),
        }
        result = {
            "objects": count, "object_bytes": servers.OBJECTS[OBJECT], "cache_mib": args.cache,
            "idle_kib": idle_kib, "peak_kib": subject.memory_kib("VmHWM"), "limit_kib": limit_kib, "passes": passes,
        }
    result["ok"] = result["peak_kib"] <= limit_kib and all(one["failed"] == 0 for one in passes.values())
    if args.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)
    sys.exit(0 if result["ok"] else 1)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edge", help="the edge-bin to measure, which also makes the load")
    parser.add_argument("--cache", type=int, default=128, metavar="MIB", help="the cache's size (default 128)")
    parser.add_argument("--mebibytes", type=int, default=1024, metavar="MIB", help="all objects together (default 1024)")
    parser.add_argument("--nginx", action="store_true", help="try this script on nginx, whose cache is outside its memory")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if shutil.which(args.edge) is None:
        parser.error(f"{args.edge} is no program; build it with cargo build --release -p edge-bin")
    return args


def load(args, directory, subject, port, options, count):
    urls = directory / f"urls-{port}"
    urls.write_text("".join(f"http://127.0.0.1:{subject.ports[port]}/{n}/{OBJECT}\n" for n in range(count)))
    command = [args.edge, "load", "--json", "-c16", "-n", str(count), "--urls", str(urls), "--fail-on-status", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    samples = []
    while process.poll() is None:
        samples.append(subject.memory_kib("VmRSS"))
        time.sleep(0.1)
    report = json.loads(process.stdout.read())
    samples.append(subject.memory_kib("VmRSS"))
    return {
        "responses": report["responses"], "failed": report["failed"], "errors": report["errors"],
        "x_cache": report["x_cache"], "requests_per_s": report["requests_per_s"], "rss_kib": samples,
    }


def show(result):
    mib = lambda kib: f"{kib / 1024:.1f} MiB"
    for name, one in result["passes"].items():
        samples = one["rss_kib"]
        print(f"{name}: {one['responses']} responses, {one['failed']} failed, {one['x_cache']}, "
              f"memory {mib(min(samples))} to {mib(max(samples))}, {mib(samples[-1])} at the end")
    print(f"idle {mib(result['idle_kib'])}, peak {mib(result['peak_kib'])}, limit {mib(result['limit_kib'])} for a cache of "
          f"{result['cache_mib']} MiB: {'ok' if result['ok'] else 'NOT OK'}")


if __name__ == "__main__":
    main()
