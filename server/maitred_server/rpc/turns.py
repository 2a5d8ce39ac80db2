"""One call at a time, whichever thread brings it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from maitred_server.errors import Stopping
from maitred_server.rpc.access import Caller
from maitred_server.rpc.durable import Durable
from maitred_server.rpc.handlers import Handlers
from maitred_server.rpc.watch import Subscription


class Turns:
    """The handlers, for the thread of a front and for that of the event loop. `turn`: who holds it may call them."""

    def __init__(self, handlers: Handlers, turn: Lock) -> None:
        self._handlers = handlers
        self._turn = turn
        self._ended = False

    def call(self, name: str, data: bytes, caller: Caller) -> bytes | Durable:
        """As `Handlers.call`. Raises also Stopping."""
        with self._turn:
            if self._ended:
                self._check()
            return self._handlers.call(name, data, caller)

    def open(self, name: str, data: bytes, caller: Caller, wake: Callable[[], None]) -> Subscription:
        """As `Handlers.open`. Raises also Stopping."""
        with self._turn:
            self._check()
            return self._handlers.open(name, data, caller, wake)

    def close(self) -> None:
        """As `Handlers.close`: end the calls that would not end by themselves."""
        with self._turn:
            self._handlers.close()

    def end(self) -> None:
        """Wait for the call that is being made, and let no more be made: what they use is going to be closed."""
        with self._turn:
            self._ended = True

    def _check(self) -> None:
        if self._ended:
            raise Stopping("this server stops; another one answers")
