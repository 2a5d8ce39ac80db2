"""docs/sdk.md: its examples run, and the limits it names are the real ones."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import Any

import maitred.testing
import pytest
from maitred import _base as base
from maitred.testing import FakeTransport, Slate

PAGE = Path(__file__).parents[3] / "docs" / "sdk.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)


@pytest.mark.parametrize("source", EXAMPLES, ids=lambda source: next(iter(source.splitlines())))
def test_the_example_runs(source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An example of the page runs as it stands; only the network is a fake."""
    slate: Slate = [{"item": "BANANAS", "content": {"text": "Fresh"}}, "MILK"]
    fake = FakeTransport.serving({"till-welcome": slate, "receipt-footer": ["BREAD"]})
    fake.exports["household-900"] = {"history": [{"occurred_at": "2026-01-01T00:00:00.000Z", "words": "visit."}]}
    monkeypatch.setattr(base, "GrpcTransport", lambda address, config: fake)
    monkeypatch.chdir(tmp_path)
    shown: list[Any] = []
    names = {"show": lambda content, why: shown.append((content, why))}
    code = compile(source, str(PAGE), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, names)
    if running is not None:
        asyncio.run(running)
    if "show(" in source:
        assert shown == [({"text": "Fresh"}, "RULE"), (None, "RULE")]
        assert [(one.item, one.value) for one in fake.outcomes] == [("BANANAS", 0.59)]


def test_the_docstring_of_testing_runs() -> None:
    """The example in `maitred.testing` gives what it says."""
    import doctest

    results = doctest.testmod(maitred.testing)
    assert (results.attempted > 0, results.failed) == (True, 0)
