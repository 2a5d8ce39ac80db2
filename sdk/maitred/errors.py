"""Every error of the SDK, as one tree. An outage is never one of them: it is a reason on the answer.

MaitredError
|-- InvalidArgument    misuse, raised before anything is sent; names the argument
|-- OutboxUnavailable  the outbox file cannot be opened where the configuration wants it
`-- CallFailed         what a transport raises when a call ends without an answer; clients turn it into a reason
"""

from __future__ import annotations


class MaitredError(Exception):
    """Base of all. Its text holds no subject id and no secret."""


class InvalidArgument(MaitredError, ValueError):
    """An argument is wrong. `argument` names it, e.g. "subject" or "context['store']"."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(f"{argument}: {message}")
        self.argument = argument


class OutboxUnavailable(MaitredError):
    """The outbox file cannot be opened: no such folder, no permission, or written by a newer version."""


class CallFailed(MaitredError):
    """A call ended without an answer. `code`: a gRPC status name, e.g. "UNAVAILABLE"; `message`: the server's text."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
