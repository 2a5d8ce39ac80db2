"""`maitred policy`: the models that are in force, what they weigh, and going back to an earlier one."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from maitred_server.cli_apprentice import apprentice
from maitred_server.cli_options import AsJson, Data, out
from maitred_server.errors import NothingKept

if TYPE_CHECKING:
    from maitred_server.policy.snapshot import PolicySnapshot

app = typer.Typer(help="What was learned: versions, weights, going back.", no_args_is_help=True)
app.command()(apprentice)

Brand = Annotated[str, typer.Option(help="Whose.")]
Version = Annotated[str, typer.Argument(help="A version, as `list` names it.")]


@app.command("list")
def list_(data: Data, brand: Brand = "default", as_json: AsJson = False) -> None:
    """The snapshots that are kept, and the models that are in force, pinned or held back."""
    from maitred_server.learn import orders
    from maitred_server.learn.publish import policy_folder

    folder = _known(policy_folder(data, brand), brand)
    found = {
        "pinned": orders.pinned(folder),
        "held_back": [
            {"placement": one.placement, "since": one.since, "at_ms": one.at_ms, "reason": one.reason}
            for one in orders.holds(folder)
            if not one.until
        ],
        "versions": _versions(folder),
    }
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        _show_list(found)


def _known(folder: Path, brand: str) -> Path:
    if not folder.exists():
        raise NothingKept(f"nothing was learned of the brand `{brand}` yet", "brand")
    return folder


def _versions(folder: Path) -> list[dict[str, Any]]:
    from maitred_server.policy.snapshot import SUFFIX, open_snapshot
    from maitred_server.store.published import current, ordered

    held, found = current(folder), []
    for version in reversed(ordered(folder, SUFFIX)):
        try:
            snapshot, written = open_snapshot(folder, version), (folder / f"{version}{SUFFIX}").stat().st_mtime
        except FileNotFoundError:
            continue  # the learner removed it meanwhile
        exposures = {name: round(one.exposures, 1) for name, one in sorted(snapshot.models.items())}
        found.append(
            {
                "version": version,
                "in_force": version == held,
                "cursor": snapshot.cursor,
                "published_at": datetime.fromtimestamp(written, UTC).isoformat(timespec="seconds"),
                "exposures": exposures,
            }
        )
    return found


def _show_list(found: dict[str, Any]) -> None:
    table = Table("version", "", "published", "cursor", "exposures by placement", title="policy snapshots")
    for one in found["versions"]:
        exposures = ", ".join(f"{name} {number:,}" for name, number in one["exposures"].items())
        state = "in force" if one["in_force"] else "pinned" if one["version"] == found["pinned"] else ""
        table.add_row(one["version"], state, one["published_at"], f"{one['cursor']:,}", escape(exposures or "-"))
    out.print(table)
    if found["pinned"]:
        out.print(f"pinned: the models of {found['pinned']} stay in force until `maitred policy resume`")
    for one in found["held_back"]:
        out.print(f"held back: {escape(one['placement'])}, {escape(one['reason'])}; `maitred policy resume` lets it in")


@app.command()
def show(
    version: Version,
    data: Data,
    placement: Annotated[str, typer.Option(help="Whose weights.")],
    brand: Brand = "default",
    most: Annotated[int, typer.Option(min=1, help="How many items: those that differ most from what is wider.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The weights of one model by the names of its features, and the items that differ most."""
    from maitred_server.learn.publish import policy_folder
    from maitred_server.learn.reading import told
    from maitred_server.policy.snapshot import open_snapshot

    folder = _known(policy_folder(data, brand), brand)
    try:
        found = told(data, brand, open_snapshot(folder, version), placement, most)
    except FileNotFoundError:
        raise NothingKept(f"version `{version}` is not kept; `maitred policy list` says which are", "version") from None
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    features = Table(
        "feature", *found["responses"], title=f"{escape(placement)}: weights, {found['exposures']:,.1f} exposures"
    )
    for name, weights in found["weights"].items():
        features.add_row(escape(name), *(f"{weight:+.4f}" for weight in weights))
    out.print(features)
    items = Table("item", "exposures", "feature", *found["responses"], title="items that differ most")
    for one in found["items"]:
        for at, (name, weights) in enumerate(one["deltas"].items()):
            first = (escape(one["item"]), f"{one['exposures']:,.1f}") if not at else ("", "")
            items.add_row(*first, escape(name), *(f"{weight:+.4f}" for weight in weights))
    out.print(items)


@app.command()
def rollback(version: Version, data: Data, brand: Brand = "default") -> None:
    """Put the models of a version in force, and keep them there; a running server takes them up within seconds.

    One that is kept no more is made again from the journal, without who was erased since.

    Learning goes on, and counts too; `maitred policy resume` puts in force what was learned meanwhile.
    """
    from maitred_server.learn import orders
    from maitred_server.learn.publish import policy_folder
    from maitred_server.policy.snapshot import SUFFIX, open_snapshot

    folder = _known(policy_folder(data, brand), brand)
    if not (folder / f"{version}{SUFFIX}").exists():
        _made_again(data, brand, version).save(folder / f"{version}{SUFFIX}")
    if not open_snapshot(folder, version).models:
        raise NothingKept(f"version `{version}` has no models", "version")
    orders.pin(folder, version)
    out.print(f"the models of {version} stay in force until `maitred policy resume`")


def _made_again(data: Path, brand: str, version: str) -> PolicySnapshot:
    from maitred_server.learn.rebuild import Rebuilder
    from maitred_server.policy.fitted import Stamp
    from maitred_server.store import Store

    stamp = Stamp.of(version)
    if stamp is not None:
        with Store.open(data, read_only=True) as store:
            last = store.last_sequence()
            if stamp.through <= last:
                return Rebuilder(store.read_changes, data, most=last).snapshot(brand, version).snapshot
    raise NothingKept(f"version `{version}` is not kept; `maitred policy list` says which are", "version")


@app.command()
def resume(data: Data, brand: Brand = "default") -> None:
    """Put in force what was learned, after a rollback or when it was held back because it moved too far."""
    from maitred_server.learn import orders
    from maitred_server.learn.publish import policy_folder

    orders.resume(_known(policy_folder(data, brand), brand))
    out.print("the next models come in force, and those after them pass the gates again")
