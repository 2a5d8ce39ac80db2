"""Explaining beside decisions: few at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from harness.server import eventually
from maitred.v1 import decision_pb2
from maitred_server.errors import NothingKept, TooMany
from maitred_server.rpc import explaining
from maitred_server.rpc.explaining import AT_ONCE, Explaining

REQUEST = decision_pb2.ExplainRequest(request=decision_pb2.DecideRequest()).SerializeToString()
CALLER: Any = None


def is_taken(service: Explaining) -> bool:
    """Whether one more is explained, however that ends."""
    try:
        future = service.explain(REQUEST, CALLER).future
    except TooMany:
        return False
    return future.exception(20) is None or isinstance(future.exception(), NothingKept)


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    """While it is not set, nothing that is explained comes to an end."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def service(let_go: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Iterator[Explaining]:
    """Explains nothing, for as long as it is told to."""
    monkeypatch.setattr(explaining, "explain", lambda *_: let_go.wait(20))
    ask: Callable[..., Any] = lambda *_: SimpleNamespace(placements=[("home", 0)])  # noqa: E731
    look: Callable[..., Any] = lambda *_: (None, None)  # noqa: E731
    fakes: Any = SimpleNamespace(ask=ask), SimpleNamespace(look=look), None, None
    one = Explaining(*fakes)
    yield one
    let_go.set()
    one.close()


def test_more_than_two_at_once_are_refused(service: Explaining, let_go: threading.Event) -> None:
    """Two are explained at once; the third is refused at once, and is welcome when one is done."""
    under_way = [service.explain(REQUEST, CALLER).future for _ in range(AT_ONCE)]
    with pytest.raises(TooMany, match="2 decisions are being explained already"):
        service.explain(REQUEST, CALLER)
    let_go.set()
    assert [one.result(20).explanation for one in under_way] == [True, True]
    assert eventually(lambda: is_taken(service))


def test_one_that_fails_makes_room_again(service: Explaining, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends with an error is done, too."""

    def fail(*_: object) -> None:
        raise NothingKept("it is gone")

    monkeypatch.setattr(explaining, "explain", fail)
    for _ in range(2 * AT_ONCE):
        assert eventually(lambda: is_taken(service))
