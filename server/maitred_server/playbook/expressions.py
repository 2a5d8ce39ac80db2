"""CEL expressions of a playbook: where they stand, and what the rules engine makes of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from maitred_server.errors import Mistake
from maitred_server.playbook.rules.declarations import Declarations
from maitred_server.playbook.rules.errors import RuleError
from maitred_server.playbook.templates import Vocabulary
from maitred_server.playbook.validation import Checked, mistake_at
from maitred_server.playbook.yamltree import Node, Path

if TYPE_CHECKING:
    from maitred_server.playbook.rules import Rule


class Declared(NamedTuple):
    """What rules and templates may name. `unclear`: attributes of items that have several types, and which."""

    names: Declarations
    sensitive: frozenset[str] = frozenset()
    unclear: Mapping[str, str] = {}

    @property
    def vocabulary(self) -> Vocabulary:
        """The same for templates."""
        names = self.names
        subject = [name for name in names.subject if name not in self.sensitive]
        return Vocabulary(subject, names.context, names.item, self.sensitive)


class Expression(NamedTuple):
    """An expression and where it stands. `node`: gives its value in the file's tree; asked for mistakes only."""

    text: str
    file: str
    node: Callable[[], Node]

    @classmethod
    def of(cls, checked: Checked[Any], path: Path, text: str) -> Expression:
        """The one at a path of a file."""
        return cls(text, checked.file, lambda: checked.node.find(path))

    def mistake(self, message: str, line: int = 1, column: int = 1) -> Mistake:
        """About a place within it."""
        return mistake_at(self.file, self.node().place_within(line, column), message)


class Compiler:
    """Compiles each distinct expression once."""

    def __init__(self, declared: Declared) -> None:
        self.declared = declared
        self.segments_used: set[str] = set()  # by anything but segments
        self._done: dict[str, Rule | RuleError] = {}

    def rule(self, expression: Expression, no_item: str = "", of_segment: bool = False) -> Rule | list[Mistake]:
        """The compiled rule, or its mistakes. `no_item`: why `item` may not be used here."""
        text = expression.text.rstrip()
        done = self._done.get(text)
        if done is None:
            done = self._done[text] = _compiled(text, self.declared.names)
        if isinstance(done, RuleError):
            return [expression.mistake(done.message, done.line, done.column)]
        mistakes = [expression.mistake(said, *_position(text, name)) for name, said in self._forbidden(done, no_item)]
        if mistakes:
            return mistakes
        if not of_segment:
            self.segments_used |= done.uses.segments
        return done

    def _forbidden(self, rule: Rule, no_item: str) -> Iterator[tuple[str, str]]:
        """Names that are used and may not be, each with why."""
        for name in sorted(rule.uses.subject & self.declared.sensitive):
            yield f"subject.{name}", f"trait `{name}` is sensitive: it is kept, and never used"
        for name in sorted(rule.uses.item):
            if no_item:
                yield f"item.{name}", no_item
            elif name in self.declared.unclear:
                yield f"item.{name}", self.declared.unclear[name]


def _compiled(text: str, names: Declarations) -> Rule | RuleError:
    from maitred_server.playbook import rules  # CEL is big; it loads where something is compiled

    try:
        return rules.compile(text, names)
    except RuleError as error:
        return error


def _position(text: str, name: str) -> tuple[int, int]:
    """Line and column of `ROOT.NAME` in an expression; its beginning when it is written otherwise."""
    root, _, field = name.partition(".")
    found = re.search(rf"\b{root}\s*(\.\s*{re.escape(field)}\b|\[\s*[\"']{re.escape(field)}[\"'])", text)
    before = text[: found.start()] if found else ""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def restored(plan: bytes) -> Rule:
    """A rule from its plan."""
    from maitred_server.playbook.rules import Rule as Engine

    return Engine.from_plan(plan)
