"""Measures shipit beside other tools, on the same jar, base image and machine, in one run; prints tables.

Run by `make bench`, which installs the peers and starts the lab. BENCH_RUNS sets how often each job runs (default 5;
the table shows medians), BENCH_ONLY restricts to some of: build push memory. With --write-docs (`make figures`) the
tables in docs/performance.md are written anew.
"""

import os
import pathlib
import sys
import tempfile

import building
import document
import machine
import memory
import pushing
from report import Report

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALL = "build push memory"


def main(arguments):
    write_docs = arguments == ["--write-docs"]
    if arguments and not write_docs:
        raise SystemExit("usage: benches/run.py [--write-docs]")
    runs = int(os.environ.get("BENCH_RUNS", "5"))
    only = os.environ.get("BENCH_ONLY", ALL).split()
    lab = machine.lab()
    report = Report(runs)
    # In the lab's folder, which is removed even where this is killed.
    with tempfile.TemporaryDirectory(prefix="bench.", dir=os.environ["SHIPIT_LAB"]) as work:
        ground = machine.Ground(ROOT, pathlib.Path(work), lab)
        description = machine.describe(ground)
        print(description)
        if "build" in only:
            building.measure(ground, report)
        if "push" in only:
            pushing.measure(ground, report)
        if "memory" in only:
            memory.measure(ground, report)
    if write_docs:
        document.write(ROOT / "docs/performance.md", description, report)
    return report.print()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
