"""`maitred caps`: what was shown over contact policies."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from maitred_server.cli_options import AsJson, Data, out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maitred_server.playbook.control import ContactPolicy


def caps(data: Data, brand: Annotated[str, typer.Option(help="Whose.")] = "default", as_json: AsJson = False) -> None:
    """Count what was shown over the contact policies of its time, from the journal; a server may run meanwhile.

    Ends with 1 when a decision that knew enough to close something showed it all the same.
    """
    from maitred_server.learn import overshoot
    from maitred_server.store import Store

    reading = overshoot.Overshoot(brand, _Versions(data, brand).policies)
    with Store.open(data, read_only=True) as store:
        found = overshoot.count(store.read_journal, reading)
    if as_json:
        sys.stdout.write(json.dumps(overshoot.as_json(found, reading.unchecked), indent=2) + "\n")
    else:
        table = Table("policy", "shown", "over it", "of that decided knowing enough", title="contact policies")
        for name, one in found.items():
            table.add_row(escape(name), f"{one.checked:,}", f"{one.over:,}", f"{one.aware:,}")
        out.print(table)
        out.print(f"showings of versions that are kept no more, not checked: {reading.unchecked:,}")
    if any(one.aware for one in found.values()):
        raise typer.Exit(1)


class _Versions:
    """The contact policies of each catalogue version that is kept."""

    def __init__(self, data: Path, brand: str) -> None:
        from maitred_server.decide.worlds import CATALOGUE
        from maitred_server.store.published import brand_folder

        self._folder = brand_folder(data, brand) / CATALOGUE
        self._known: dict[str, Sequence[ContactPolicy] | None] = {}

    def policies(self, version: str) -> Sequence[ContactPolicy] | None:
        """None: the version is kept no more."""
        if version not in self._known:
            self._known[version] = self._read(version)
        return self._known[version]

    def _read(self, version: str) -> Sequence[ContactPolicy] | None:
        from maitred_server.errors import RecordDamaged
        from maitred_server.playbook.catalogue import Catalogue

        try:
            return Catalogue.open(self._folder, version).control.contact_policies
        except RecordDamaged:
            return None
