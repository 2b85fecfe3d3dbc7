"""Collects figures and prints them as tables, with the ratio of each peer to shipit."""

import statistics
import sys

import goals
from machine import Failed

UNITS = {
    "seconds": lambda value: f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms",
    "bytes": lambda value: f"{value / 1e6:.1f} MB",
}


class Report:
    def __init__(self, runs):
        self.runs = runs
        self.tables = {}
        self.failures = []

    def median(self, job, contestant):
        """None where it was not measured, or failed."""
        figure = self.tables.get(job, (None, {}))[1].get(contestant)
        return figure and figure[0]

    def measure(self, job, contestant, run, unit="seconds", runs=None):
        """Calls run() several times and keeps the median of what it gives."""
        table = self.tables.setdefault(job, (unit, {}))[1]
        try:
            figures = [run() for _ in range(runs or self.runs)]
        except (Failed, OSError) as failure:
            self.failures.append(f"{job}, {contestant}: {failure}")
            print(f"  {job}, {contestant}: failed", file=sys.stderr)
            table[contestant] = None
            return
        table[contestant] = (statistics.median(figures), min(figures), max(figures))
        print(f"  {job}, {contestant}: {', '.join(UNITS[unit](figure) for figure in figures)}", file=sys.stderr)

    def print(self):
        for job, (unit, table) in self.tables.items():
            show = UNITS[unit]
            ours = table.get("shipit")
            print(f"\n{job} (median of {self.runs} runs, from least to most)" if unit == "seconds" else f"\n{job}")
            width = max(len(name) for name in table) + 2
            for name, figure in table.items():
                if figure is None:
                    print(f"  {name:<{width}}failed")
                    continue
                median, least, most = figure
                ratio = f"{median / ours[0]:7.2f} ×" if ours else "        –"
                spread = f"   {show(least)} – {show(most)}" if least != most else ""
                print(f"  {name:<{width}}{show(median):>10}{ratio}{spread}")
        print("\nGoals")
        for goal, figure, met in goals.judged(self):
            print(f"  {goal:<56}{figure:>14}  {goals.word(met)}")
        print("\nRatios: how many times shipit's figure the other is; above 1, shipit is the smaller.")
        for failure in self.failures:
            print(f"FAILED: {failure}", file=sys.stderr)
        return 1 if self.failures else 0
