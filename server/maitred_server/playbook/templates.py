"""Content and reasons with places that are filled in for each subject: `Hello {{ subject.first_name }}`.

Only names and a few filters may stand in a place: no statements, no calls, nothing that computes. Values are escaped
for the format they are put into. A value that is missing, or may not be seen, makes the whole text unusable, and what
stands in for it is shown instead.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from html.parser import HTMLParser
from typing import Any, Final, NamedTuple, TypeAlias

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from maitred_server.playbook.hints import did_you_mean

ROOTS: Final = ("subject", "context", "item", "last", "because")
FILTERS: Final = ("capitalize", "lower", "title", "trim", "upper")
ABOUT_ITEMS: Final = ("id", "name")  # what is known of every item, and of what `last` and `because` name
LONGEST_VALUE: Final = 256  # characters; longer ones are cut
_UNSAFE: Final = ("href", "src", "style", "srcdoc", "action", "formaction", "data")  # attributes
_OPEN: Final = "{{"
_MARK: Final = "\ufdd0"  # a character that no text holds

Values: TypeAlias = Mapping[str, Mapping[str, object]]


class Vocabulary(NamedTuple):
    """The names that templates may use."""

    subject: Collection[str]
    context: Collection[str]
    item: Collection[str]
    sensitive: Collection[str] = ()


class Use(NamedTuple):
    """A name in a place: `last.purchase.name` is root `last` with the path (`purchase`, `name`)."""

    root: str
    path: tuple[str, ...]


def is_template(content: bytes) -> bool:
    """Whether content has places to fill in."""
    return _OPEN.encode() in content


class Filled:
    """A text with places, ready to be filled in."""

    def __init__(self, text: str, content_type: str) -> None:
        """Raises ValueError, in words for whoever wrote it."""
        kind = content_type.partition(";")[0].strip().lower()
        self.uses: frozenset[Use] = frozenset()
        self._fill: Callable[[Values], str]
        if kind == "application/json" or kind.endswith("+json"):
            self._fill = self._json(text)
        elif kind in ("text/html", "application/xhtml+xml"):
            _check_places(text)
            self._fill = self._part(text, _html)
        else:
            self._fill = self._part(text, str)

    def fill(self, values: Values) -> str | None:
        """The text for these values (by root, then by name); None when one of them is missing."""
        try:
            return self._fill(values)
        except UndefinedError:
            return None

    def _part(self, text: str, escape: Callable[[str], str]) -> Callable[[Values], str]:
        environment = _ENVIRONMENTS[escape]
        try:
            tree = environment.parse(text)
        except TemplateError as error:
            raise ValueError(f"a place is not written right: {error.message}") from None
        self.uses |= frozenset(_uses(tree))
        return partial(_render, environment.from_string(tree))

    def _json(self, text: str) -> Callable[[Values], str]:
        try:
            plan = self._plan(json.loads(text))
        except json.JSONDecodeError:
            raise ValueError("content that is JSON has its places inside of texts") from None
        return lambda values: json.dumps(_filled(plan, values), ensure_ascii=False, separators=(",", ":"))

    def _plan(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._part(value, str) if _OPEN in value else value
        if isinstance(value, list):
            return [self._plan(one) for one in value]
        return {key: self._plan(one) for key, one in value.items()} if isinstance(value, dict) else value


def check(text: str, content_type: str, vocabulary: Vocabulary) -> list[str]:
    """What is wrong with a template, in words; empty: nothing."""
    try:
        filled = Filled(text, content_type)
    except ValueError as error:
        return [str(error)]
    if not filled.uses:
        return ["nothing is filled in here; a place is written {{ subject.first_name }}"]
    return [said for use in sorted(filled.uses) if (said := _wrong(use, vocabulary))]


def spoken(value: object) -> str | None:
    """A value as people read it; None: it cannot be said."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).date().isoformat()
    text = ", ".join(value) if isinstance(value, tuple | list) else str(value)
    return text[:LONGEST_VALUE] or None


def _wrong(use: Use, vocabulary: Vocabulary) -> str:
    written = ".".join((use.root, *use.path))
    if use.root not in ROOTS:
        return f"unknown name `{use.root}` in a place{did_you_mean(use.root, ROOTS)}"
    if use.root == "last":
        right = len(use.path) == 2 and use.path[1] in ABOUT_ITEMS
        return "" if right else f"`{written}`: write last.TYPE.name or last.TYPE.id, e.g. last.purchase.name"
    if len(use.path) != 1:
        return f"`{written}`: write {use.root}.NAME"
    name = use.path[0]
    if use.root == "subject" and name in vocabulary.sensitive:
        return f"trait `{name}` is sensitive: it is never used"
    known: Collection[str] = {
        "subject": vocabulary.subject,
        "context": vocabulary.context,
        "item": [*ABOUT_ITEMS, *vocabulary.item],
        "because": [*ABOUT_ITEMS, "times"],
    }[use.root]
    what = {"subject": "trait", "context": "context key", "item": "attribute", "because": "name in `because`"}[use.root]
    return "" if name in known else f"unknown {what} `{name}`{did_you_mean(name, known)}"


def _uses(tree: nodes.Template) -> Iterator[Use]:
    """The names in all places. Raises ValueError for anything that is more than a name and filters."""
    for statement in tree.body:
        if not isinstance(statement, nodes.Output):
            raise ValueError("only places are filled in: {{ NAME }}; statements ({% %}) are not taken")
        for place in statement.nodes:
            if not isinstance(place, nodes.TemplateData):
                yield _use(place)


def _use(place: nodes.Expr) -> Use:
    path: list[str] = []
    while not isinstance(place, nodes.Name):
        if isinstance(place, nodes.Filter):
            if place.name not in FILTERS or place.args or place.kwargs or place.node is None or path:
                raise ValueError(f"unknown filter `{place.name}`{did_you_mean(place.name, FILTERS)}")
            place = place.node
        elif isinstance(place, nodes.Getattr):
            path.append(place.attr)
            place = place.node
        elif isinstance(place, nodes.Getitem) and isinstance(place.arg, nodes.Const):
            path.append(str(place.arg.value))
            place = place.node
        else:
            raise ValueError("a place holds a name and filters, as {{ subject.first_name | title }}, nothing else")
    return Use(place.name, tuple(reversed(path)))


def _render(template: Template, values: Values) -> str:
    return template.render(values)


def _filled(plan: Any, values: Values) -> Any:
    if callable(plan):
        return plan(values)
    if isinstance(plan, list):
        return [_filled(one, values) for one in plan]
    return {key: _filled(one, values) for key, one in plan.items()} if isinstance(plan, dict) else plan


def _html(text: str) -> str:
    return html.escape(text, quote=True)


class _Environment(ImmutableSandboxedEnvironment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        """Names of mappings only: never an attribute of a Python object."""
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        value = obj.get(argument) if isinstance(obj, Mapping) else None
        if isinstance(value, Mapping):
            return value
        text = spoken(value)
        return self.undefined(obj=obj, name=str(argument)) if text is None else text


def _environment(escape: Callable[[str], str]) -> _Environment:
    environment = _Environment(undefined=StrictUndefined, finalize=escape, autoescape=False, keep_trailing_newline=True)
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.globals.clear()
    return environment


_ENVIRONMENTS: Final[dict[Callable[[str], str], _Environment]] = {
    escape: _environment(escape) for escape in (_html, str)
}


class _Places(HTMLParser):
    """Where in HTML the places stand: only text and plain quoted attributes can be escaped for."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self._within: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag if tag in ("script", "style") else None
        if _MARK in tag or any(_MARK in name for name, _ in attrs):
            self.wrong.append("a place stands in a tag's name or in that of an attribute; put it into text")
        for name, value in attrs:
            if _MARK in (value or "") and (name in _UNSAFE or name.startswith("on")):
                self.wrong.append(f"a place stands in the attribute `{name}`, where no value is safe; put it into text")

    def handle_endtag(self, tag: str) -> None:
        self._within = None

    def handle_data(self, data: str) -> None:
        if self._within and _MARK in data:
            self.wrong.append(f"a place stands inside of <{self._within}>, where no value is safe; put it into text")

    def handle_comment(self, data: str) -> None:
        if _MARK in data:
            self.wrong.append("a place stands in a comment")


def _check_places(text: str) -> None:
    marked = text.replace(_OPEN, _MARK + _OPEN)
    places = _Places()
    places.feed(marked)
    places.close()
    if places.wrong:
        raise ValueError(places.wrong[0])
    unquoted = _unquoted(text)
    if unquoted:
        raise ValueError("a place stands in an attribute without quotes; write the attribute's value in quotes")


def _unquoted(text: str) -> bool:
    """Whether a place follows an equals sign at once, within a tag."""
    at = text.find(_OPEN)
    while at >= 0:
        before = text[:at].rstrip()
        if before.rfind("<") > before.rfind(">") and before.endswith("="):
            return True
        at = text.find(_OPEN, at + 2)
    return False
