"""What the peer benchmarks share: arguments, the skip line, timing and the table."""

import argparse
import importlib
import json
import os
import statistics
import sys
import time


def options(description, **more):
    """`--threads`, `--json`, `--repeats`, `--only`, and the benchmark's own arguments."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=5, help="timed runs; the median counts")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    for name, settings in more.items():
        parser.add_argument("--" + name.replace("_", "-"), **settings)
    return parser.parse_args()


def require(*modules):
    """Ends with exit code 0 and a `skipped` line when a module is missing: a peer is never a requirement."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError:
            print(f"skipped: {name} not installed")
            sys.exit(0)


def median_seconds(run, repeats):
    """The median of `repeats` runs after one warm-up."""
    run()
    seconds = []
    for _ in range(max(1, repeats)):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


class Report:
    """Prints rows as they are measured: name, what, milliseconds, GFLOP/s."""

    def __init__(self, as_json, facts):
        self.as_json = as_json
        print(json.dumps(facts) if as_json else "  ".join(f"{name} {value}" for name, value in facts.items()))

    def add(self, name, what, seconds, gflop):
        row = {"name": name, "what": what, "milliseconds": round(seconds * 1000, 3),
               "gflop": round(gflop, 3), "gflop_per_second": round(gflop / seconds, 1)}
        if self.as_json:
            print(json.dumps(row), flush=True)
        else:
            print(f"{name:34} {what:16} {row['milliseconds']:12.2f} ms {row['gflop_per_second']:9.1f} GFLOP/s",
                  flush=True)
