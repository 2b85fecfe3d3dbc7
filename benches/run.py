"""Measures shipit beside other tools, on the same jar, base image and machine, in one run; prints tables.

Run by `make bench`, which installs the peers and starts the lab. BENCH_RUNS sets how often each job runs (default 5;
the table shows medians), BENCH_ONLY restricts to some of: build push memory.
"""

import os
import pathlib
import sys
import tempfile

import building
import machine
import memory
import pushing
from report import Report

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    runs = int(os.environ.get("BENCH_RUNS", "5"))
    only = os.environ.get("BENCH_ONLY", "build push memory").split()
    lab = machine.lab()
    report = Report(runs)
    with tempfile.TemporaryDirectory(prefix="bench.", dir=ROOT / ".lab") as work:
        ground = machine.Ground(ROOT, pathlib.Path(work), lab)
        print(machine.describe(ground))
        if "build" in only:
            building.measure(ground, report)
        if "push" in only:
            pushing.measure(ground, report)
        if "memory" in only:
            memory.measure(ground, report)
    return report.print()


if __name__ == "__main__":
    sys.exit(main())
