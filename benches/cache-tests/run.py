#!/usr/bin/env python3
"""The edge's row in the public HTTP cache tests (github http-tests/cache-tests), and why it fails what it fails.

    run.py CHECKOUT                 once as CloudFront is (--exact) and once with the guard; says what is wrong
    run.py CHECKOUT --runs 3        a test counts as passed if it passed each time
    run.py CHECKOUT --write         also writes docs/cache-tests.md

CHECKOUT is a copy of the suite with its npm dependencies (README.md). Each failing test has exactly one reason in
reasons.toml, and each reason there is of a test that fails; it is an error (exit code 1) if not, so that neither a
regression nor a repair goes unnoticed.
"""

import argparse
import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ORIGIN_NAME = "origin.cache-tests.example"  # bundle.json's
MODES = {"exact": ["--exact"], "guard": []}
TITLES = {"exact": "**edge** `--exact`", "guard": "**edge**, with the guard"}
# What a reason may be; the text is the heading over its tests in the page.
KINDS = {
    "cloudfront": "CloudFront documents otherwise",
    "guard": "The guard",
    "rfc": "The answer is right",
    "not-yet": "Not yet",
    "defect": "Defects",
}
GOOD = {"pass", "yes"}
DEPENDS = "*"  # behind a mode: a test this one depends on fails there
BEHIND_PEERS_MIN = 5
START_SECONDS_MAX = 30
RUN_SECONDS_MAX = 600
# Not published by the suite but measured with it, on one machine and with the defaults of Debian's packages.
MEASURED = [
    ("Apache Traffic Server 9.2.9", 134, 73, 45),
    ("Varnish 7.1.1", 119, 45, 27),
    ("pingora-cache 0.9.1, minimal", 106, 65, 22),
    ("nginx 1.22.1", 100, 58, 18),
    ("HAProxy 2.6.12", 89, 39, 33),
]


def main():
    args = arguments()
    reasons = read_reasons()
    with tempfile.TemporaryDirectory(prefix="edge-cache-tests-") as scratch:
        scratch = Path(scratch)
        flaky, merged = {}, []
        for mode in MODES:
            results = [one_run(args, mode, scratch / f"{mode}-{number}") for number in range(args.runs)]
            path = scratch / f"{mode}.json"
            result, flaky[mode] = merge(results)
            path.write_text(json.dumps(result))
            merged.append(path)
        judged = judge(args.checkout, merged)
    for mode, ids in flaky.items():
        for test in ids:
            print(f"{mode}: {test} passed in some runs only", file=sys.stderr)
    tests = judged["tests"]
    for index, mode in enumerate(MODES):
        print(mode, *(f"{kind} {count}/{of}" for kind, (count, of) in totals(tests, lambda t: t["ours"][index]).items()))
    problems = disagreements(tests, reasons)
    if args.write and not problems:
        (ROOT / "docs/cache-tests.md").write_text(page(judged, reasons))
    if problems:
        sys.exit("\n".join(problems))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="a copy of http-tests/cache-tests with its npm dependencies")
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--edge", type=Path, default=target / "debug/edge-bin", help="the edge-bin to test (default %(default)s)")
    parser.add_argument("--runs", type=int, default=1, help="runs in each mode, of about a minute (default 1)")
    parser.add_argument("--write", action="store_true", help="write docs/cache-tests.md")
    args = parser.parse_args()
    args.checkout = args.checkout.resolve()
    if not (args.checkout / "test-engine/cli.mjs").is_file():
        parser.error(f"{args.checkout} is no checkout of http-tests/cache-tests")
    if not (args.checkout / "node_modules/undici").is_dir():
        parser.error(f"in {args.checkout}: npm install --omit=dev --ignore-scripts")
    if not os.access(args.edge, os.X_OK):
        parser.error(f"{args.edge} is no program; build it with cargo build -p edge-bin")
    if args.runs < 1:
        parser.error("--runs is at least 1")
    return args


def read_reasons():
    """Test id -> its reason. A test with two reasons, or a section nobody knows, ends the run before it begins."""
    sections = {line.split("\t")[0] for line in (ROOT / "fixtures/cases/sections.txt").read_text().splitlines() if line.startswith("§")}
    reasons = {}
    for reason in tomllib.loads((HERE / "reasons.toml").read_text())["reason"]:
        if reason["kind"] not in KINDS:
            sys.exit(f"reasons.toml: {reason['kind']!r} is none of {', '.join(KINDS)}")
        if reason["kind"] == "cloudfront" and not set(reason["section"].split(", ")) <= sections:
            sys.exit(f"reasons.toml: no section {reason['section']}")
        for test in reason["tests"]:
            if test in reasons:
                sys.exit(f"reasons.toml: {test} has two reasons")
            reasons[test] = reason
    return reasons


# Running


def one_run(args, mode, home):
    """The suite's whole result: test id -> true, or [kind of failure, message]."""
    home.mkdir()
    with contextlib.ExitStack() as stack:
        port = start_origin(args.checkout, home, stack)
        url = start_edge(args.edge, mode, port, home, stack)
        environment = without_proxies() | {"npm_config_base": url, "npm_config_id": "", "npm_package_config_id": ""}
        done = subprocess.run(
            ["node", "--no-warnings", "test-engine/cli.mjs"],
            cwd=args.checkout, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS_MAX,
        )
    if done.returncode != 0:
        sys.exit(f"the suite's client failed:\n{done.stderr}")
    return json.loads(done.stdout)


def start_origin(checkout, home, stack):
    port = free_port()
    environment = without_proxies() | {
        "npm_config_protocol": "http", "npm_config_port": str(port), "npm_config_pidfile": str(home / "origin.pid"),
    }
    command = ["node", "--no-warnings", "--import", (HERE / "loopback.mjs").as_uri(), "test-engine/server/server.mjs"]
    wait_for(command, home / "origin.log", stack, "Listening on", cwd=checkout, env=environment)
    return port


def start_edge(binary, mode, origin_port, home, stack):
    command = [
        str(binary), "serve", str(HERE / "bundle.json"), *MODES[mode],
        "--http", "127.0.0.1:0", "--https", "off", "--admin", "off", "--data-dir", str(home / "data"),
        "--map", f"{ORIGIN_NAME}=http://127.0.0.1:{origin_port}",
    ]
    line = wait_for(command, home / "edge.log", stack, "listening http ")
    return f"http://{line.split()[2]}"


def wait_for(command, log, stack, ready, **options):
    """Starts a program that ends with `stack`; returns the line of its output that begins with `ready`."""
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, **options)
    stack.callback(end, process)
    lines = queue.Queue()

    def read():
        for line in process.stdout:  # to the end, so that the program never waits for a reader
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    give_up = time.monotonic() + START_SECONDS_MAX
    with contextlib.suppress(queue.Empty):
        while line := lines.get(timeout=max(0.01, give_up - time.monotonic())):
            if line.startswith(ready):
                return line
    sys.exit(f"{' '.join(command)}\nwas not ready; expected a line '{ready}…'.\n{log.read_text()}")


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def without_proxies():
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


# Judging


def merge(runs):
    """A test is passed if it passed each time; otherwise its first failure counts. And the ids that wavered."""
    merged, wavering = {}, []
    for test in runs[0]:
        failures = [run[test] for run in runs if run[test] is not True]
        merged[test] = failures[0] if failures else True
        if 0 < len(failures) < len(runs):
            wavering.append(test)
    return merged, wavering


def judge(checkout, files):
    command = ["node", "--no-warnings", str(HERE / "judge.mjs"), str(checkout), *map(str, files)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def totals(tests, verdict):
    """Kind of test -> (how many passed, of how many)."""
    counts = {}
    for test in tests:
        passed, of = counts.get(test["kind"], (0, 0))
        counts[test["kind"]] = (passed + (verdict(test) in GOOD), of + 1)
    return {kind: counts[kind] for kind in ("required", "optimal", "check")}


def failed_in(test):
    """The modes a test fails in. A check cannot fail: it asks what a cache does, and nothing is wrong with a no."""
    if test["kind"] == "check":
        return []
    return [mode for mode, verdict in zip(MODES, test["ours"]) if verdict not in GOOD]


def peers(test):
    return sum(verdict in GOOD for verdict in test["theirs"])


def disagreements(tests, reasons):
    """Where reasons.toml and what happened do not fit each other, one line each."""
    problems = []
    known = set()
    for test in tests:
        known.add(test["id"])
        failed, reason = failed_in(test), reasons.get(test["id"])
        said = " / ".join(sorted(filter(None, set(test["said"]))))
        if failed and reason is None:
            problems.append(f"{test['id']} ({test['kind']}, {peers(test)} peers) fails in {' and '.join(failed)} without a reason: {said}")
        elif reason and not failed:
            problems.append(f"{test['id']} passes, or is a check, and has a reason: {reason['says']}")
        elif reason and reason["kind"] == "guard" and failed != ["guard"]:
            problems.append(f"{test['id']} fails with --exact too, so the guard is not the reason")
        elif reason and reason["kind"] != "guard" and failed == ["guard"]:
            problems.append(f"{test['id']} fails with the guard only; its reason is of kind {reason['kind']}")
    problems.extend(f"there is no test {test}" for test in reasons.keys() - known)
    return problems


# The page


def page(judged, reasons):
    tests, caches = judged["tests"], judged["caches"]
    lines = [
        "<!-- made by benches/cache-tests/run.py --write; do not edit -->",
        "",
        "# The public HTTP cache tests",
        "",
        "[cache-tests](https://cache-tests.fyi) is the field's own yardstick for HTTP caches: what RFC 9111 demands",
        "(*required*), what makes a cache good (*optimal*), and what caches may do either way (*check*; the figure says how",
        "often the answer is yes, which is neither good nor bad). This is the edge's row, in both of its modes, beside those",
        "the suite publishes and a few that were measured with it on one machine. `make cache-tests CHECKOUT=…` makes this page",
        "([how](../benches/cache-tests/README.md)); the distribution caches only what the origin gives a lifetime.",
        "",
        "| cache | required | optimal | check | source |",
        "| --- | --- | --- | --- | --- |",
    ]
    rows = []
    for index, mode in enumerate(MODES):
        rows.append((TITLES[mode], totals(tests, lambda t: t["ours"][index]), "measured"))
    excused = lambda t: "pass" if reasons.get(t["id"], {}).get("kind") == "cloudfront" else t["ours"][0]
    counted = totals(tests, excused) | {"check": None}
    rows.append(("**edge** `--exact`, where CloudFront documents otherwise counted as passed", counted, "counted"))
    for index, cache in enumerate(caches):
        rows.append((f"{cache['name']} {cache['version']}", totals(tests, lambda t: t["theirs"][index]), "published"))
    for name, required, optimal, check in MEASURED:
        of = {kind: of for kind, (_, of) in totals(tests, lambda _: "").items()}
        rows.append((name, {"required": (required, of["required"]), "optimal": (optimal, of["optimal"]), "check": (check, of["check"])}, "measured"))
    for name, counts, source in rows:
        cells = [f"{pair[0]}/{pair[1]}" if (pair := counts[kind]) else "" for kind in ("required", "optimal", "check")]
        lines.append(f"| {name} | {' | '.join(cells)} | {source} |")
    lines += behind(tests, reasons, len(caches))
    lines += ["", "A star in the lists below: in this mode a test fails that this one depends on, so it counts as failed whatever it does itself."]
    for kind, title in KINDS.items():
        lines += failures(tests, reasons, kind, title, len(caches))
    return "\n".join(lines) + "\n"


def behind(tests, reasons, of):
    """What most of the published caches pass and CloudFront's own row does not."""
    rows = [t for t in tests if t["kind"] != "check" and peers(t) >= BEHIND_PEERS_MIN and "exact" in failed_in(t)]
    lines = ["", "## Behind the others", "", f"Tests that at least {BEHIND_PEERS_MIN} of the {of} published caches pass and `--exact` does not:", ""]
    if not rows:
        return lines[:-2] + [f"There is no test that at least {BEHIND_PEERS_MIN} of the {of} published caches pass and `--exact` does not."]
    lines += ["| test | peers | reason |", "| --- | --- | --- |"]
    for test in sorted(rows, key=lambda t: (-peers(t), t["id"])):
        reason = reasons[test["id"]]
        lines.append(f"| {test['id']} | {peers(test)} | {KINDS[reason['kind']]}: {reason['section']} |")
    return lines


def failures(tests, reasons, kind, title, of):
    rows = [t for t in tests if t["id"] in reasons and reasons[t["id"]]["kind"] == kind]
    if not rows:
        return []
    lines = ["", f"## {title}", "", f"| test | kind | peers of {of} | fails in | § | reason |", "| --- | --- | --- | --- | --- | --- |"]
    order = {id(reason): number for number, reason in enumerate(reasons.values())}
    for test in sorted(rows, key=lambda t: (order[id(reasons[t["id"]])], t["id"])):
        reason, modes = reasons[test["id"]], ", ".join(map(marked(test), failed_in(test)))
        lines.append(f"| {test['id']} | {test['kind']} | {peers(test)} | {modes} | {reason['section']} | {reason['says']} |")
    return lines


def marked(test):
    """Names a mode, with a mark if the test counts as failed there for the sake of another."""
    verdicts = dict(zip(MODES, test["ours"]))
    return lambda mode: mode + DEPENDS * (verdicts[mode] == "dependency_fail")


if __name__ == "__main__":
    main()
