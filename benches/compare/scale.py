#!/usr/bin/env python3
"""Does a cache hit cost more where much is invalidated, or much is stored? Two edges of one build, in one run.

    scale.py target/release/edge-bin

rules    one of them has 10,000 invalidations in force, and ten more every second; none covers what is asked for,
         and all of it was stored before they came
objects  one of them holds 1,000,000 objects, the other 1,000; hits are drawn at random from all that each holds
popular  the same two; the same 1,000 are asked for in both
sweep    with the 1,000,000 objects: how quickly an invalidation of 3,000 paths is answered and Completed, and what
         viewers notice while sweeps go on all the time

One worker each. Rounds alternate as in compare.py, and the ratio of CPU per hit is formed pair by pair.
"""

import argparse
import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import rounds
import servers
from admin import Admin

PARTS = ("rules", "objects", "popular", "sweep")
FIRST = 10_000_000  # all object numbers have the same length, and so have all requests
FILL_STEP = 100_000
FEW = 1_000
RULES_PER_BATCH = 100
RULES_PER_SECOND = 10
SWEEP_ITEMS = 3_000
SWEEP_WILDCARDS = 15
SWEEPS = 5


def main():
    args = arguments()
    servers.need("nginx", "wrk")
    results = {}
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(servers.scratch())
        origin = servers.start_origin(directory, tags="news, sports, page:1")
        stack.callback(origin.stop)

        def edge(name, cache_size="256M"):
            server = servers.start_edge(args.edge, directory, origin, name, cache_size, admin=True)
            stack.callback(server.stop)
            return Subject(server, directory, args)

        if "rules" in args.parts:
            results["rules"] = rules(edge("rules"), edge("no rules"), args)
        if {"objects", "popular", "sweep"} & set(args.parts):
            many, few = edge("many", args.cache_size), edge("few")
            memory = many.fill(args.objects), few.fill(FEW)
            if "objects" in args.parts:
                results["objects"] = objects(many, few, memory, args)
            if "popular" in args.parts:
                results["popular"] = popular(many, few, args)
            if "sweep" in args.parts:
                results["sweep"] = sweep(many, args)
    if args.json:
        print(json.dumps({"connections": args.connections, "seconds": args.seconds, **results}, indent=2))
    maxima = {"rules": args.ratio_max_rules, "objects": args.ratio_max_objects, "popular": args.ratio_max_objects}
    over = [part for part, most in maxima.items() if most and part in results and results[part]["ratio"]["median"] > most]
    if over:
        sys.exit(" and ".join(f"the ratio of {part} is over {maxima[part]}" for part in over))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("edge", help="the edge-bin to measure, which also fills the caches")
    parser.add_argument("--parts", default=PARTS, type=parts, help="of " + ",".join(PARTS) + " (default all)")
    parser.add_argument("--rules", type=int, default=10_000, help="invalidations in force (default 10,000)")
    parser.add_argument("--objects", type=int, default=1_000_000, help="objects held (default 1,000,000)")
    parser.add_argument("--cache-size", default="6G", help="for those (default 6G; an object of 1 KiB weighs 4 KiB)")
    parser.add_argument("--rounds", type=int, default=9, help="pairs of rounds (default 9)")
    parser.add_argument("--seconds", type=int, default=3, help="length of one round (default 3)")
    parser.add_argument("-c", "--connections", type=int, default=32, help="connections (default 32)")
    parser.add_argument("--ratio-max-rules", type=float, metavar="RATIO", help="exit 1 if the median for rules is above this")
    parser.add_argument("--ratio-max-objects", type=float, metavar="RATIO", help="exit 1 if the median for objects is above this")
    parser.add_argument("--json", action="store_true", help="also print everything as JSON on stdout; the rest goes to stderr")
    args = parser.parse_args()
    if shutil.which(args.edge) is None:
        parser.error(f"{args.edge} is no program; build it with cargo build --release -p edge-bin")
    return args


def parts(text):
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}; known are {', '.join(PARTS)}")
    return names


class Subject:
    """An edge with the objects FIRST … it was filled with."""

    def __init__(self, server, directory, args):
        self.name = server.name
        self.server = server
        self.admin = Admin(server.ports["admin"])
        self.directory = directory
        self.args = args
        self.held = 0
        self.seeds = itertools.count(1)

    def fill(self, count):
        """Asks for that many objects once each. Every body is checked; returns the resident memory they took."""
        before = self.server.memory_kib("VmRSS")
        say = lambda text, end="": print(f"\r{self.name}: {text:<40}", end=end, file=sys.stderr, flush=True)
        while self.held < count:
            step = min(FILL_STEP, count - self.held)
            self.load(range(FIRST + self.held, FIRST + self.held + step), "Miss")
            self.held += step
            say(f"{self.held} of {count} objects")
        say(f"{count} objects, all held", "\n")
        sample = range(FIRST, FIRST + count, max(1, count // FEW))
        self.load(sample, "Hit")
        counters = self.admin.counters()
        if counters["edge_cache_objects"] < count * 0.999:  # moka counts when it has leisure
            sys.exit(f"{self.name}: {counters['edge_cache_objects']} objects are held, not {count}: is the cache large enough?")
        resident = (self.server.memory_kib("VmRSS") - before) * 1024
        return {"objects": count, "bytes_per_object": resident / count, "weight_per_object": counters["edge_cache_bytes"] / count}

    def load(self, numbers, expected):
        urls = self.directory / "urls"
        urls.write_text("".join(f"{self.server.url(f'/{number}/1k')}\n" for number in numbers))
        command = [self.args.edge, "load", "--json", "--h1", "-c16", "-n", str(len(numbers)), "--urls", str(urls), "--fail-on-status"]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0 or json.loads(run.stdout)["x_cache"] != {expected: len(numbers)}:
            sys.exit(f"{self.name}: not each was a {expected}:\n{run.stdout}{run.stderr}")

    def hits(self, among=None):
        """One round of hits drawn at random from all that is held, or from the first so many."""
        script = str(Path(__file__).with_name("random.lua"))
        drawn = [str(FIRST), str(among or self.held), str(next(self.seeds))]
        options = ["-t1", f"-c{self.args.connections}", f"-d{self.args.seconds}s", "--latency", "-s", script]
        before = self.admin.counters()["edge_origin_requests_total"]
        figures = rounds.measured(self.server, "wrk", [*options, self.server.url("/"), "--", *drawn], self.args.seconds)
        asked = self.admin.counters()["edge_origin_requests_total"] - before
        if asked > 0:
            sys.exit(f"{self.name}: {asked} requests of {figures['requests']} were no hits")
        return figures


def rules(many, none, args):
    for subject in (many, none):
        subject.fill(FEW)
    coming = uncovering()
    for _ in range(0, args.rules, RULES_PER_BATCH):
        last = many.admin.invalidate(list(itertools.islice(coming, RULES_PER_BATCH)))
    many.admin.wait_completed(last)

    def one_round(subject):
        if subject is none:
            return subject.hits()
        with subject.admin.meanwhile(lambda: subject.admin.invalidate([next(coming)]), 1 / RULES_PER_SECOND):
            return subject.hits()

    heading(f"h1, 1k: {args.rules} invalidations in force and {RULES_PER_SECOND} more every second, against none", args)
    return compared((many, none), one_round, args)


def uncovering():
    """Rules that come as close to the objects as they can without covering one: of a hundred, eighty are exact, fifteen
    prefixes, five tags."""
    for number in itertools.count():
        beside = f"/{FIRST + number % FEW}/1k"
        kind = number % RULES_PER_BATCH
        if kind < 80:
            yield f"{beside}{number}"
        elif kind < 95:
            yield f"{beside}/{number}*"
        else:
            yield f"#page:{number}"


def objects(many, few, memory, args):
    heading(f"h1, 1k: random hits among {many.held} objects, against {few.held}", args)
    result = compared((many, few), Subject.hits, args) | {"memory": memory[0]}
    print(f"  {memory[0]['bytes_per_object']:.0f} bytes resident for each of {many.held} objects; "
          f"the cache counts {memory[0]['weight_per_object']:.0f}", file=out(args), flush=True)
    return result


def popular(many, few, args):
    heading(f"h1, 1k: the same {FEW} of {many.held} objects, against {few.held} that are all", args)
    return compared((many, few), lambda subject: subject.hits(FEW), args)


def sweep(many, args):
    answered, completed = [], []

    def invalidate():
        items = [f"/{FIRST + number}/2k" for number in range(SWEEP_ITEMS - SWEEP_WILDCARDS)]
        items += [f"/{FIRST + number}/3*" for number in range(SWEEP_WILDCARDS)]
        begun = time.monotonic()
        identifier = many.admin.invalidate(items)
        answered.append(time.monotonic() - begun)
        many.admin.wait_completed(identifier)
        completed.append(time.monotonic() - begun)

    heading(f"{SWEEP_ITEMS} paths in one invalidation, {many.held} objects held", args)
    for _ in range(SWEEPS):
        invalidate()
    result = {"idle": {"answered_s": rounds.spread(answered), "completed_s": rounds.spread(completed)}}
    quiet = many.hits()
    answered.clear(), completed.clear()
    with many.admin.meanwhile(invalidate, 0):
        busy = many.hits()
    result["under load"] = {"answered_s": rounds.spread(answered), "completed_s": rounds.spread(completed)}
    result["latency"] = {"without": latencies(quiet["output"]), "with sweeps": latencies(busy["output"])}
    for name in ("idle", "under load"):
        (answer, complete) = (result[name][field] for field in ("answered_s", "completed_s"))
        print(f"  {name}: answered after {answer['median'] * 1e3:.1f} ms (at most {answer['max'] * 1e3:.1f}), "
              f"Completed after {complete['median']:.2f} s (at most {complete['max']:.2f})", file=out(args))
    for name, latency in result["latency"].items():
        print(f"  hits {name}: " + ", ".join(f"{percentile} {value}" for percentile, value in latency.items()), file=out(args))
    return result


def latencies(output):
    """As wrk prints them: 1.23ms."""
    return {f"p{percent}": value for percent, value in re.findall(r"^ +(50|90|99)% +(\S+)$", output, re.MULTILINE)}


def compared(pair, one_round, args):
    result = rounds.summary(pair, rounds.alternate(pair, args.rounds, one_round)) | {"load_average": os.getloadavg()[0]}
    rounds.show(result, out(args))
    return result


def heading(text, args):
    print(f"{text} (load average {os.getloadavg()[0]:.1f})", file=out(args), flush=True)


def out(args):
    return sys.stderr if args.json else sys.stdout


if __name__ == "__main__":
    main()
