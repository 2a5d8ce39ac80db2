"""Contact policies under load: what is taken for a broken one, and a very small run against real workers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from maitred.v1 import decision_pb2
from maitred_tools.bench.capclients import CHANNELS, GROUPS, Clients
from maitred_tools.bench.capfilter import filter_us
from maitred_tools.bench.plainly import Happened, Thing

NOW = 1_700_000_000_000


def showing(*items: str, at: int = NOW, placement: str = "home", kind: str = "exposure") -> Happened:
    return Happened(at, kind, tuple(Thing(item, GROUPS[item]) for item in items), placement, CHANNELS[placement])


def answer(*items: str, placement: str = "home") -> decision_pb2.DecideResponse:
    slate = [decision_pb2.Choice(slot=slot, item=item) for slot, item in enumerate(items)]
    decision = decision_pb2.PlacementDecision(placement=placement, slate=slate)
    return decision_pb2.DecideResponse(decisions=[decision], decided_at_ms=NOW)


def broken(shown: decision_pb2.DecideResponse, known: Sequence[Happened]) -> dict[str, int]:
    clients = Clients([], 0, lambda: None)
    clients._check(shown, known)
    return dict(clients.tally.broken)


@pytest.mark.parametrize(
    ("shown", "known", "expected"),
    [
        (answer("item-00", "item-06"), [], {}),
        (answer("item-00"), [showing("item-00")] * 3, {}),
        (answer("item-00"), [showing("item-00")] * 4, {"four of an item in 3 s": 1}),
        (answer("item-01"), [showing("item-00")] * 4, {}),
        (answer("item-00"), [showing("item-00", at=NOW - 3_000)] * 4, {}),
        (answer("item-00"), [showing("item-00", kind="outcome.dismiss", at=NOW - 4_999)], {"rest after a no": 1}),
        (answer("item-00"), [showing("item-00", kind="outcome.dismiss", at=NOW - 5_000)], {}),
        (
            answer("item-06", "item-12"),
            [showing("item-00", at=NOW - 9_000 * n) for n in range(29)],
            {"30 of a group": 1},
        ),
        (answer("item-03"), [showing("item-04", at=NOW - 9_000 * n) for n in range(40)], {"40 at home": 1}),
    ],
)
def test_a_broken_policy_is_noticed(
    shown: decision_pb2.DecideResponse, known: Sequence[Happened], expected: dict[str, int]
) -> None:
    """Choices that what was known, or what the slate has before them, forbids are counted by policy; no others are."""
    assert broken(shown, known) == expected


def caps(build: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "maitred_tools.bench.caps", "--build", str(build), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_two_workers_keep_policies(tmp_path: Path) -> None:
    """Clients that decide and show at the same time: nothing that was acknowledged is broken, no decision that knew
    enough went over a policy, every policy was reached by the journal's count too, and it goes into a page of the docs.
    """
    done = caps(tmp_path, "--decisions", "500", "--workers", "2", "--concurrent", "16", "--filter-rounds", "1")
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads((tmp_path / "caps.json").read_text())
    assert (report["decisions"], report["broken"], report["refused"]) == (500, {}, 0)
    policies = report["journal"]["policies"]
    assert {one["aware"] for one in policies.values()} == {0}
    assert policies["four of an item in 3 s"]["checked"] == report["choices"] > 0
    page = tmp_path / "page.md"
    page.write_text("<!-- caps -->\n<!-- /caps -->\n")
    assert caps(tmp_path, "--write-docs", str(page)).returncode == 0
    assert "| `40 at home` | " in page.read_text()


def test_the_filter_is_timed_by_what_was_shown(tmp_path: Path) -> None:
    """Each kind of subject has a time at each number of items."""
    found = filter_us(tmp_path, 1)
    assert [len(times) for times in found.values()] == [2, 2, 2, 2, 2]
    assert all(time > 0 for times in found.values() for time in times)


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    """Without a report there is nothing to write into a page."""
    done = caps(tmp_path, "--write-docs", str(tmp_path / "page.md"))
    assert (done.returncode, done.stderr.startswith("caps: "), "Traceback" in done.stderr) == (1, True, False)
