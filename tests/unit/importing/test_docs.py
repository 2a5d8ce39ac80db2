"""docs/import.md: its examples are imported as they stand, and its tables are whole."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from maitred_server.cli import app
from maitred_server.importing.mapping import Mapping
from maitred_server.importing.rows import EventRow, ProfileRow
from maitred_server.model import Consents, Record, Traits
from maitred_server.store import Store
from typer.testing import CliRunner

PAGE = (Path(__file__).parents[3] / "docs" / "import.md").read_text()
FILES = {
    match["name"]: match["body"]
    for match in re.finditer(r"^`(?P<name>[\w.]+)`[^\n]*\n\n```\w+\n(?P<body>.*?)^```", PAGE, re.M | re.S)
}
COMMANDS = re.findall(r"^`[\w.]+`, with `maitred (import [^`]+)`", PAGE, re.M)


def rows(file: str) -> int:
    lines = FILES[file].strip().count("\n") + 1
    return lines - file.endswith(".csv")


def recorded(data: Path) -> list[Record]:
    with Store.open(data, read_only=True) as store:
        return [record for _, record in store.read_journal(0, 100)]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.split()[2])
def test_an_example_is_imported_whole(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row of an example is taken, and says its source, touchpoint or purpose as the page does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAITRED_ALLOW_OVERLAY", "1")
    for name, body in FILES.items():
        Path(name).write_text(body)
    words = shlex.split(command)
    answer = CliRunner().invoke(app, [*words, "--data", "data", "--json"], catch_exceptions=False)
    assert '"rejected": 0' in answer.stdout
    found = recorded(Path("data"))
    tellings = [record for record in found if not isinstance(record.body, Consents)]
    assert len(tellings) == rows(words[2])
    assert all(record.source != "import" for record in found)
    assert all(isinstance(record.body, Traits) == (words[1] == "profiles") for record in tellings)


def test_the_page_has_an_example_for_every_source() -> None:
    """CRM, orders, web behaviour, call centre, survey answers, social touchpoints."""
    names = [command.split()[2].partition(".")[0] for command in COMMANDS]
    assert names == ["crm", "orders", "web", "calls", "survey", "social"]


def test_the_tables_name_every_field_and_key() -> None:
    """No field of a row and no key of a mapping is left out."""
    named = set(re.findall(r"`(\w+)`", "\n".join(line for line in PAGE.splitlines() if line.startswith("|"))))
    fields = {*EventRow.__struct_fields__, *ProfileRow.__struct_fields__, *Mapping.__struct_fields__}
    assert fields - named == set()
