"""What was measured, as a report for scripts, a table for people, and a section of docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.table import Table

from maitred_tools.bench.measure import Round, Spread, cheapest, ratios, spreads

LIBRARIES = ("maitred", "grpcio", "protobuf", "numpy", "lmdb")
Report = dict[str, Any]
Rows = Sequence[tuple[str, ...]]


def stamp(command: str) -> Report:
    """When, where and with what a measurement was made."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_gib": round(memory, 1),
            "system": f"{platform.system()} {platform.release().partition('-')[0]}",
            "load_average": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in LIBRARIES},
    }


def _cpu() -> str:
    names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return names[0] if names else platform.machine()


def compared(found: Mapping[str, Sequence[Round]], decide: str = "decide") -> Report:
    """The server `decide` and the others, of which the cheapest is the reference `echo`."""
    others = {name: rounds for name, rounds in found.items() if name != decide}
    front = cheapest(others)
    ratio = ratios(found[decide], others[front])
    return {
        "decide": {"ratio_to_echo": round(ratio.median, 3), "ratio_range": _range(ratio, 3)} | _figures(found[decide]),
        "echo": {"front": front} | _figures(others[front]),
        "echo_fronts": {name: _figures(rounds) for name, rounds in others.items()},
        "rounds": {name: [one._asdict() for one in rounds] for name, rounds in found.items()},
    }


def _figures(rounds: Sequence[Round]) -> Report:
    found = spreads(rounds)
    medians = {name: round(spread.median, 1) for name, spread in found.items()}
    return medians | {f"{name}_range": _range(spread, 1) for name, spread in found.items()}


def _range(spread: Spread, digits: int) -> list[float]:
    return [round(spread.least, digits), round(spread.most, digits)]


def save(path: Path, report: Report) -> None:
    """Write a report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")


def table(title: str, header: Sequence[str], rows: Rows) -> Table:
    """Rows as a table for a terminal; the first column is words, the others are figures."""
    drawn = Table(title=title)
    for number, name in enumerate(header):
        drawn.add_column(name, justify="right" if number else "left")
    for row in rows:
        drawn.add_row(*row)
    return drawn


def markdown(header: Sequence[str], rows: Rows) -> str:
    """The same rows as a Markdown table."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


COMPARED = ("", "echo", "maitred")
STAGES = ("stage", "us")
GROWN = ("", "fewer profiles", "more profiles")


def compared_rows(report: Report) -> list[tuple[str, ...]]:
    """Both servers, figure by figure: median and, in brackets, least and most of the rounds."""
    echo, decide = report["echo"], report["decide"]
    names = {
        "server_us": ("server CPU, us a call", 1),
        "calls_per_s": ("calls/s, closed loop", 0),
        "p50": ("p50 us, closed loop", 0),
        "p99": ("p99 us, closed loop", 0),
        "open_p50": ("p50 us, open loop", 0),
        "open_p99": ("p99 us, open loop", 0),
    }
    ratio = f"{decide['ratio_to_echo']:.2f} ({_span(decide['ratio_range'], 2)})"
    rows = [(text, *(_reading(one, name, digits) for one in (echo, decide))) for name, (text, digits) in names.items()]
    return [*rows, ("ratio to echo, CPU", "1", ratio)]


def stage_rows(report: Report) -> list[tuple[str, ...]]:
    """Microseconds of each stage of a decision, and their sum."""
    stages: dict[str, float] = report["stages_us"]
    return [*((name, f"{value:.1f}") for name, value in stages.items()), ("all", f"{sum(stages.values()):.1f}")]


def grown_rows(report: Report) -> list[tuple[str, ...]]:
    """A small and a large store, figure by figure."""
    less, more = report["sizes"]
    names = {
        "start_s": ("start to first answer, s", 2),
        "resident_mib": ("resident memory, MiB", 0),
        "anonymous_mib": ("of it not file-backed, MiB", 0),
        "server_us": ("server CPU, us a call", 1),
        "p50": ("p50 us, closed loop", 0),
        "p99": ("p99 us, closed loop", 0),
    }
    rows = [
        (text, _reading(less, name, digits), _reading(more, name, digits)) for name, (text, digits) in names.items()
    ]
    return [("profiles", f"{less['profiles']:,}", f"{more['profiles']:,}"), *rows]


def _reading(figures: Report, name: str, digits: int) -> str:
    return f"{figures[name]:,.{digits}f} ({_span(figures[f'{name}_range'], digits)})"


def _span(span: Sequence[float], digits: int) -> str:
    return f"{span[0]:,.{digits}f}-{span[1]:,.{digits}f}"


def stamped(report: Report) -> str:
    """One line that says when, where and how."""
    machine, versions = report["machine"], report["versions"]
    used = ", ".join(f"{name} {version}" for name, version in versions.items())
    where = f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, {machine['system']}"
    where += f", load average {machine['load_average']} before"
    return f"`{report['command']}`, {report['date'][:10]}, {where}; {used}."


def write_section(page: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- /NAME -->` on a page. Raises ValueError without them."""
    before, opening, rest = page.read_text().partition(f"<!-- {name} -->\n")
    _, closing, after = rest.partition(f"<!-- /{name} -->")
    if not opening or not closing:
        raise ValueError(f"{page} has no section {name}")
    page.write_text(f"{before}{opening}{text}\n{closing}{after}")
