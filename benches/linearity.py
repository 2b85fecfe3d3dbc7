"""Time and peak memory of a cold build over the size of the jar: encoding should be linear, memory constant.

Run by itself, `benches/linearity.py [MEGABYTES …]`, inside `lab/with`; prints one line of tab-separated figures for each
size, for a plot.
"""

import os
import pathlib
import sys
import tempfile

import machine
import memory

SIZES = [10, 30, 100, 300, 1000]


def main():
    sizes = [int(word) for word in sys.argv[1:]] or SIZES
    root = pathlib.Path(__file__).resolve().parent.parent
    runs = int(os.environ.get("BENCH_RUNS", "3"))
    lab = machine.lab()
    with tempfile.TemporaryDirectory(prefix="linearity.", dir=root / ".lab") as work:
        ground = machine.Ground(root, pathlib.Path(work), lab)
        print("jar, MB\tcold, s\tnothing changed, s\tpeak memory, MB")
        for size in sizes:
            jar = ground.work / "synthetic.jar"
            memory.synthetic_jar(jar, jars=max(1, size // 10))
            print("\t".join(figures(ground, jar, runs)), flush=True)


def figures(ground, jar, runs):
    command = [ground.shipit, "build", "--jar", jar, "--base", ground.base]
    cold, warm = [], []
    for _ in range(runs):
        cache, out = ground.folder("linearity-cache"), ground.folder("linearity")
        env = {"SHIPIT_CACHE_DIR": str(cache)}
        cold.append(ground.timed(command, cwd=out, env=env))
        warm.append(ground.timed(command, cwd=out, env=env))
    ground.folder("linearity-cache")
    peak = ground.peak(*command, cwd=ground.folder("linearity"), env=env)
    middle = len(cold) // 2
    return [
        f"{jar.stat().st_size / 1e6:.1f}", f"{sorted(cold)[middle]:.3f}", f"{sorted(warm)[middle]:.3f}",
        f"{peak / 1e6:.1f}",
    ]


if __name__ == "__main__":
    main()
