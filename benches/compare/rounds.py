"""Rounds of load that alternate between two servers, and what their requests cost each of them.

compare.py and scale.py differ in what they ask for; how it is measured is here.
"""

import re
import statistics
import subprocess
import sys

REQUESTS_MIN = 1000


def alternate(pair, count, one_round):
    """That many pairs of rounds, A B, B A, …, each pair in the order of the servers."""
    rounds = []
    for number in range(count + 1):
        order = pair if number % 2 == 0 else pair[::-1]
        figures = {server.name: one_round(server) for server in order}
        if number > 0:  # the first pair warms allocators, branch predictors and the CPU's clock
            rounds.append([figures[server.name] for server in pair])
    return rounds


def measured(server, tool, options, seconds):
    """One round of `wrk` or `h2load`: the server's own user and system time divided by the requests completed."""
    command = [tool, *options]
    before = server.cpu_seconds()
    run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
    cpu = server.cpu_seconds() - before
    requests = {"wrk": wrk_requests, "h2load": h2load_requests}[tool](run)
    if requests < REQUESTS_MIN or cpu == 0:
        sys.exit(f"{' '.join(command)}: too little to measure: {requests} requests\n{run.stdout}{run.stderr}")
    return {"cpu_us": cpu * 1e6 / requests, "requests": requests, "requests_per_s": requests / seconds, "output": run.stdout}


def wrk_requests(run):
    done = re.search(r"(\d+) requests in", run.stdout)
    if run.returncode != 0 or done is None or "Socket errors" in run.stdout or "Non-2xx" in run.stdout:
        sys.exit(f"wrk failed:\n{run.stdout}{run.stderr}")
    return int(done[1])


def h2load_requests(run):
    done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", run.stdout)
    if run.returncode != 0 or done is None or int(done[2]) + int(done[3]) > 0:
        sys.exit(f"h2load failed:\n{run.stdout}{run.stderr}")
    return int(done[1])


def summary(pair, rounds):
    """Medians and spreads: of each server, and of the ratio of the first to the second, pair by pair."""
    result = {"servers": {}}
    for index, server in enumerate(pair):
        result["servers"][server.name] = {
            "cpu_us_per_request": spread([figures[index]["cpu_us"] for figures in rounds]),
            "requests_per_s": spread([figures[index]["requests_per_s"] for figures in rounds]),
            "requests": sum(figures[index]["requests"] for figures in rounds),
        }
    result["ratio"] = spread([a["cpu_us"] / b["cpu_us"] for a, b in rounds])
    return result


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def show(result, out):
    def line(name, figures, unit, digits):
        return f"  {name:<10}{figures['median']:8.{digits}f} {unit} ({figures['min']:.{digits}f} to {figures['max']:.{digits}f})"

    for name, figures in result["servers"].items():
        rate = figures["requests_per_s"]["median"]
        print(line(name, figures["cpu_us_per_request"], "µs CPU per hit", 2) + f", {rate:.0f} per second", file=out)
    print(line("ratio", result["ratio"], " / ".join(result["servers"]), 3), file=out, flush=True)
