"""docs/contact.md: its example is a playbook, and what the page says of it is what is decided."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from harness.desk import SUBJECT, Desk
from maitred_server.decide.world import World
from maitred_server.model import Entry, Kind, Record, Trait, Traits, TraitSource
from maitred_server.playbook.build import build
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.loader import load
from maitred_tools.bench.plainly import Happened, Thing

PAGE = (Path(__file__).parents[3] / "docs" / "contact.md").read_text()
EXAMPLE = {
    match["file"]: match["body"].encode()
    for match in re.finditer(r"^`(?P<file>[\w.]+)`\n\n```\w+\n(?P<body>.*?)^```", PAGE, re.M | re.S)
}
TABLE = re.search(r"^\| at \(UTC\) .*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.M)


def test_what_is_decided_is_as_the_page_says(tmp_path: Path) -> None:
    """Line by line: what is decided, how often it may still be shown, and what that does to the next."""
    build(load(EXAMPLE, ()), (), tmp_path)
    desk = Desk(World(Catalogue.open(tmp_path), None))
    desk.tell(Traits((Trait("timezone", "Europe/Paris", TraitSource.EXPLICIT),)))
    assert TABLE is not None
    for line in TABLE[1].splitlines():
        when, items, left, then = (cell.strip() for cell in line.strip("|").split("|"))
        at = int(datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp() * 1_000)
        (decision,) = desk.answer("home", at=at).decisions
        shown = [choice.item for choice in decision.slate]
        assert (when, ", ".join(shown) or "nothing") == (when, items)
        assert (when, ", ".join(str(choice.remaining) for choice in decision.slate)) == (when, left)
        for happened in _then(then, at, shown):
            desk.store.submit([Entry(Record(SUBJECT, Kind.PERSON, at, at, happened.body))]).result()


def _then(words: str, at: int, shown: list[str]) -> list[Happened]:
    if words == "both are shown":
        return [Happened(at, "exposure", tuple(Thing(item, ()) for item in shown), "home", "")]
    if words.endswith(" is dismissed"):
        return [Happened(at, "outcome.dismiss", (Thing(words.split()[0], ()),), "home", "")]
    return []
