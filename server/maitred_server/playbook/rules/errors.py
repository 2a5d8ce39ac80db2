"""What can be wrong with a rule: as it is written (`RuleError`), and as it is answered (`RuleFailure`)."""

from __future__ import annotations

import msgspec


class RuleError(ValueError):
    """A rule that cannot be taken. `line` and `column` count from 1, within the expression, in characters."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.message, self.line, self.column)


class RuleFailure(msgspec.Struct, frozen=True):
    """An error instead of an answer, in CEL's sense: the rule does not match. Holds no value of the subject's."""

    message: str


class Failure(Exception):
    """Raised inside an expression when it has no value; `&&` and `||` may do without it."""
