"""Calls that are answered on the queue's thread, as soon as their message is there."""

from __future__ import annotations

import time

from maitred_server.errors import DeadlinePassed, TooMany
from maitred_server.rpc.access import Access
from maitred_server.rpc.calls import refusal
from maitred_server.rpc.queue.serving import NO_FLAGS, NOTHING, Event, answered, cygrpc, start
from maitred_server.rpc.turns import Turns
from maitred_server.telemetry import Telemetry

_UNIMPLEMENTED = 12


class Prompt:
    """Of the queue's thread; `others` and `check` are for the event loop, too, which alone writes `others`."""

    def __init__(self, turns: Turns, access: Access, telemetry: Telemetry, most: int) -> None:
        self._turns = turns
        self._access = access
        self._everybody = access.everybody
        self._telemetry = telemetry
        self._most = most
        self.under_way = 0
        self.others = 0  # calls under way elsewhere

    def begin(self, name: str, event: Event) -> None:
        """Take a call up, unless there are too many: those that wait for their message count, too."""
        self.under_way += 1
        waiting = _Waiting(self, name, event)
        try:
            self.check()
        except TooMany as error:
            waiting.refuse(error)
            return
        start(event.call, (cygrpc.ReceiveMessageOperation(NO_FLAGS),), waiting.arrived)

    def answer(self, name: str, message: bytes, call: Event) -> bytes:
        """Raises anything."""
        caller = self._everybody or self._access.caller_of(call.invocation_metadata)
        if call.call_details.deadline <= time.time():
            raise DeadlinePassed("the deadline passed before the call was begun")
        answer = self._turns.call(name, message, caller)
        assert isinstance(answer, bytes)
        return answer

    def check(self) -> None:
        """Raises TooMany."""
        if self.under_way + self.others > self._most:
            raise TooMany(f"{self._most} calls are under way already; try again later")

    def ended(self, event: Event | None) -> None:
        """A call ended."""
        self.under_way -= 1

    def refused(self, name: str, error: Exception) -> tuple[tuple[tuple[str, bytes], ...], int, bytes]:
        """Trailers, code and text."""
        status = refusal(name, error)
        self._telemetry.refused(status.code)
        return (("grpc-status-details-bin", status.details),), status.code, status.message.encode()


class _Waiting:
    """A call that waits for its message."""

    __slots__ = ("_call", "_name", "_prompt")

    def __init__(self, prompt: Prompt, name: str, call: Event) -> None:
        self._prompt = prompt
        self._name = name
        self._call = call

    def arrived(self, event: Event | None) -> None:
        """Answer."""
        prompt, call = self._prompt, self._call
        message = None if event is None else event.batch_operations[0].message()
        if message is None:  # the client is gone, or had nothing to say
            self._end(NOTHING, _UNIMPLEMENTED, b"exactly one message is wanted")
            return
        try:
            answer = prompt.answer(self._name, message, call)
        except Exception as error:  # noqa: BLE001 - every error gets a status
            self.refuse(error)
            return
        answered(call.call, answer, prompt.ended)

    def refuse(self, error: Exception) -> None:
        """End the call with the status of an error."""
        self._end(*self._prompt.refused(self._name, error))

    def _end(self, trailers: tuple[tuple[str, bytes], ...] | tuple[()], code: int, text: bytes) -> None:
        operations = (
            cygrpc.SendInitialMetadataOperation(NOTHING, NO_FLAGS),
            cygrpc.SendStatusFromServerOperation(trailers, code, text, NO_FLAGS),
            cygrpc.ReceiveCloseOnServerOperation(NO_FLAGS),
        )
        start(self._call.call, operations, self._prompt.ended)
