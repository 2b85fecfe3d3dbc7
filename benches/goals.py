"""What shipit sets out to reach, held against the figures: met or missed, never left out."""

import building
import memory

JIB = "Jib buildTar"
SHIPIT = "shipit"


def ratio(report, job):
    ours, theirs = report.median(job, SHIPIT), report.median(job, JIB)
    return theirs / ours if ours and theirs else None


def judged(report):
    """Pairs of a goal with what was reached: (goal, figure, met); met is None where nothing was measured."""
    cold = ratio(report, building.COLD)
    size = ratio(report, building.BYTES)
    warm = report.median(building.WARM, SHIPIT)
    peak = report.median(memory.PEAK, memory.BIG)
    return [
        row("A cold build at least 8 times as fast as Jib's buildTar", cold, lambda n: n >= 8, lambda n: f"{n:.1f} ×"),
        row("Image bytes at most 5 % above Jib's", size, lambda n: 1 / n <= 1.05, lambda n: f"{(1 / n - 1) * 100:+.1f} %"),
        row("At most 100 ms with nothing changed", warm, lambda n: n <= 0.1, lambda n: f"{n * 1000:.0f} ms"),
        row("At most 128 MiB of memory for a jar of 1 GB", peak, lambda n: n <= 128 << 20,
            lambda n: f"{n / (1 << 20):.0f} MiB"),
    ]


def row(goal, figure, reached, show):
    return (goal, "not measured", None) if figure is None else (goal, show(figure), reached(figure))


def word(met):
    return {True: "met", False: "missed", None: "–"}[met]
