"""What was measured, as a report for scripts, a table for people, and a section of docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.table import Table

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


def commit() -> str:
    """The commit of what is measured; "": this is no checkout."""
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def _cpu() -> str:
    names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return names[0] if names else platform.machine()


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


def stamped(report: Report) -> str:
    """One line that says when, where and how."""
    machine, versions = report["machine"], report["versions"]
    used = ", ".join(f"{name} {version}" for name, version in versions.items())
    where = f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, {machine['system']}"
    where += f", load average {machine['load_average']} before"
    where += f", commit {report['commit']}" if report.get("commit") else ""
    return f"`{report['command']}`, {report['date'][:10]}, {where}; {used}."


def write_section(page: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- /NAME -->` on a page. Raises ValueError without them."""
    before, opening, rest = page.read_text().partition(f"<!-- {name} -->\n")
    _, closing, after = rest.partition(f"<!-- /{name} -->")
    if not opening or not closing:
        raise ValueError(f"{page} has no section {name}")
    page.write_text(f"{before}{opening}{text}\n{closing}{after}")
