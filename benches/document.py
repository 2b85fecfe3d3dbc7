"""Writes the figures into docs/performance.md, between two marks."""

import datetime

import goals
from report import UNITS

BEGIN = "<!-- figures: written by make figures -->"
END = "<!-- end of figures -->"


def write(path, machine, report):
    text = path.read_text()
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.write_text(f"{before}{BEGIN}\n{figures(machine, report)}\n{END}{after}")


def figures(machine, report):
    lines = [f"Measured on {datetime.date.today().isoformat()}, each job {report.runs} times.", ""]
    lines += [f"- {line}" for line in machine.splitlines()]
    lines += ["", "| goal | reached | |", "|---|---:|---|"]
    lines += [f"| {goal} | {figure} | {goals.word(met)} |" for goal, figure, met in goals.judged(report)]
    for job, (unit, table) in report.tables.items():
        show = UNITS[unit]
        ours = table.get("shipit")
        lines += ["", f"### {job}", "", "| | median | from – to | times shipit's |", "|---|---:|---:|---:|"]
        for name, figure in table.items():
            if figure is None:
                lines.append(f"| {name} | failed | | |")
                continue
            median, least, most = figure
            spread = f"{show(least)} – {show(most)}" if least != most else ""
            times = f"{median / ours[0]:.2f}" if ours else "–"
            lines.append(f"| {name} | {show(median)} | {spread} | {times} |")
    if report.failures:
        lines += ["", "Failed:", ""] + [f"- {failure}" for failure in report.failures]
    return "\n".join(lines)
