"""`python -m maitred_tools.baskets`: what learning brings over a year of real shopping visits.

Every visit is given to every policy, in this process, without a server: with the features, the policies, the sums and
the weights that the server has. Each learned policy learns from its own exposures alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from maitred_server.policy.families import DEFAULTS
from rich.console import Console

from maitred_tools.baskets.contest import hold
from maitred_tools.baskets.figures import figures
from maitred_tools.baskets.student import Course
from maitred_tools.bench.progress import progress
from maitred_tools.bench.report import markdown, save, stamp, stamped, table, write_section
from maitred_tools.demo.groceries import DataMissingError, load, package_folder

HEADER = ("policy", "second half", "95% interval", "beside habit", "95% interval", "tried")
# At a till it makes no difference where something stood: it is bought or not.
AT_A_TILL = tuple(name for name in DEFAULTS if name != "slot")
COURSES = (
    Course("learned", families=AT_A_TILL),
    Course("learned, without due-ness", families=tuple(name for name in AT_A_TILL if name != "due")),
    Course("learned, with the slot", families=DEFAULTS),
    Course("learned, trying things", "inverse_gap", 0.05, AT_A_TILL),
)

out = Console()


def main(
    visits: Annotated[int, typer.Option(help="How many visits, in time order; 0: all.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 1,
    report: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("build/learn/baskets.json"),
    write_docs: Annotated[
        Path | None, typer.Option(help="Put the last figures into this page, and measure none.")
    ] = None,
) -> None:
    """Give every visit to every policy, and say which share of the offered categories was bought."""
    if write_docs is not None:
        write_section(write_docs, "baskets", _page(_read(report)))
        return
    try:
        groceries = load(package_folder())
    except DataMissingError as error:
        raise typer.BadParameter(str(error)) from error
    total = min(visits or len(groceries), len(groceries))
    with progress("visits", total) as watch:
        contest = hold(groceries, COURSES, total, seed, watch)
    command = "python -m maitred_tools.baskets" + (f" --visits {total}" if total < len(groceries) else "")
    found = stamp(command) | figures(contest, groceries)
    save(report, found)
    out.print(table("Share of the offered categories that were bought", HEADER, _rows(found)))


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{one['precision']:.4f}",
            "{:.4f} to {:.4f}".format(*one["interval"]),
            f"{one['to_habit']['value']:+.4f}",
            f"{one['to_habit']['low']:+.4f} to {one['to_habit']['high']:+.4f}",
            f"{one['tried']:.1%}",
        )
        for name, one in found["policies"].items()
    ]


def _page(found: dict[str, Any]) -> str:
    return f"{markdown(HEADER, _rows(found))}\n\n{found['visits']:,} visits. {stamped(found)}"


if __name__ == "__main__":
    typer.run(main)
