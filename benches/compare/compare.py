#!/usr/bin/env python3
"""CPU time per cache hit of the edge beside nginx's proxy_cache, in one run on one machine.

    compare.py target/release/edge-bin                    the edge (A) against nginx (B)
    compare.py NEW --self OLD                             two builds of the edge
    compare.py --nginx-only                               nginx against itself: how much the machine wavers

Both serve the same warm objects with one worker. Load alternates between them round by round (A B, B A, …), so that
what else the machine does falls on both. Each round's CPU is the servers' own user and system time divided by the
requests it completed; the ratio is formed pair by pair.
"""

import argparse
import contextlib
import json
import shutil
import sys

import rounds
import servers

PROTOCOLS = {
    # name: (port, scheme in the URL, tool)
    "h1": ("http", "http", "wrk"),
    "h2": ("http2", "http", "h2load"),
    "h1-tls": ("https", "https", "wrk"),
    "h2-tls": ("https", "https", "h2load"),
}


def main():
    args = arguments()
    tools = {PROTOCOLS[protocol][2] for protocol in args.protocols}
    servers.need("nginx", *tools)
    results = []
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(servers.scratch())
        started = lambda server: (stack.callback(server.stop), server)[1]
        origin = started(servers.start_origin(directory))
        tls = any(protocol.endswith("tls") for protocol in args.protocols)
        edge = lambda binary, name: started(servers.start_edge(binary, directory, origin, name, tls=tls))
        nginx = lambda name, tuning="": started(servers.start_nginx(directory, origin, name, tuning=tuning))
        if args.nginx_only:
            pair = nginx("nginx-a", args.nginx_tuning), nginx("nginx-b")
        elif args.old:
            pair = edge(args.edge, "new"), edge(args.old, "old")
        else:
            pair = edge(args.edge, "edge"), nginx("nginx", args.nginx_tuning)
        for protocol in args.protocols:
            for size in args.sizes:
                results.append(compare(pair, protocol, size, args))
    if args.json:
        json.dump({"connections": args.connections, "streams": args.streams, "seconds": args.seconds,
                   "comparisons": results}, sys.stdout, indent=2)
        print()
    if args.ratio_max is not None and any(result["ratio"]["median"] > args.ratio_max for result in results):
        sys.exit(f"a ratio is over {args.ratio_max}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edge", nargs="?", help="the edge-bin to measure")
    parser.add_argument("--self", dest="old", metavar="PATH", help="compare with this other edge-bin instead of nginx")
    parser.add_argument("--nginx-only", action="store_true", help="compare nginx with itself")
    parser.add_argument("--nginx-tuning", default="", metavar="TEXT", help="more lines for nginx's server blocks (with --nginx-only for the first nginx only)")
    parser.add_argument("--protocols", default="h1,h2", type=listed(PROTOCOLS), help="of " + ",".join(PROTOCOLS) + " (default h1,h2)")
    parser.add_argument("--sizes", default="1k,10k", type=listed(servers.OBJECTS), help="of " + ",".join(servers.OBJECTS) + " (default 1k,10k)")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of rounds (default 7)")
    parser.add_argument("--seconds", type=int, default=3, help="length of one round (default 3)")
    parser.add_argument("-c", "--connections", type=int, default=32, help="h1 connections; h2 has a quarter of them (default 32)")
    parser.add_argument("--streams", type=int, default=10, help="concurrent h2 streams on each connection (default 10)")
    parser.add_argument("--ratio-max", type=float, help="exit 1 if a median ratio is above this")
    parser.add_argument("--json", action="store_true", help="also print everything as JSON on stdout; the table goes to stderr")
    args = parser.parse_args()
    if args.edge is None and not args.nginx_only:
        parser.error("name the edge-bin to measure, or use --nginx-only")
    for binary in filter(None, [args.edge, args.old]):
        if shutil.which(binary) is None:
            parser.error(f"{binary} is no program; build it with cargo build --release -p edge-bin")
    return args


def listed(known):
    def parse(text):
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; known are {', '.join(known)}")
        return names
    return parse


def compare(pair, protocol, size, args):
    for server in pair:
        warm(server, protocol, size)
    measured = rounds.alternate(pair, args.rounds, lambda server: one_round(server, protocol, size, args))
    result = {"protocol": protocol, "size": size} | rounds.summary(pair, measured)
    out = sys.stderr if args.json else sys.stdout
    print(f"{protocol}, {size}", file=out)
    rounds.show(result, out)
    return result


def warm(server, protocol, size):
    """Fills the cache, and makes sure that what is measured is a hit of the right length with CloudFront's headers."""
    url = server.url(f"/{size}", PROTOCOLS[protocol][1])
    for _ in range(3):
        status, headers, body = servers.fetch(url)
    missing = {"x-cache", "via", "x-amz-cf-pop", "x-amz-cf-id", "age", "etag", "last-modified"} - headers.keys()
    if status != 200 or len(body) != servers.OBJECTS[size] or not headers.get("x-cache", "").startswith("Hit") or missing:
        sys.exit(f"{server.name}: no warm hit of {url}: {status}, {len(body)} bytes, missing {missing or 'nothing'}, {headers}")


def one_round(server, protocol, size, args):
    port, scheme, tool = PROTOCOLS[protocol]
    url = f"{scheme}://127.0.0.1:{server.ports[port]}/{size}"
    h2_connections = max(1, args.connections // 4)
    options = {
        "wrk": ["-t1", f"-c{args.connections}", f"-d{args.seconds}s", url],
        "h2load": ["-t1", f"-c{h2_connections}", f"-m{args.streams}", f"-D{args.seconds}", "--warm-up-time=0", url],
    }[tool]
    return rounds.measured(server, tool, options, args.seconds)


if __name__ == "__main__":
    main()
