"""From a tree to a model: pydantic's errors become mistakes with places; what is right is kept for further checks."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Generic, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from maitred_server.errors import Mistake
from maitred_server.playbook.hints import did_you_mean, listed
from maitred_server.playbook.places import Place
from maitred_server.playbook.yamltree import MOST_MISTAKES, Node, Path, kind_of

ROUNDS = 4  # each takes out what is wrong; what it leaves may then lack something

M = TypeVar("M", bound=BaseModel)


class Checked(NamedTuple, Generic[M]):
    """What could be read of a file: `part` and `node` are without the values that were wrong."""

    file: str
    part: M
    node: Node

    def place(self, *path: str | int) -> Place:
        """Where the value on a path stands."""
        return self.node.find(path).place

    def mistake(self, path: Path, message: str) -> Mistake:
        return mistake_at(self.file, self.node.find(path).place, message)

    def key_mistake(self, path: Path, message: str) -> Mistake:
        """About the key that a path ends with."""
        return mistake_at(self.file, self.node.key_place(path), message)


def mistake_at(file: str, place: Place, message: str) -> Mistake:
    return Mistake(file, place.line, message, place.column)


def validate(file: str, node: Node, model: type[M]) -> tuple[Checked[M] | None, list[Mistake]]:
    """The model of a tree, or what is left of it when it has mistakes; None when that is nothing."""
    mistakes: list[Mistake] = []
    left: Node | None = node
    for attempt in range(ROUNDS):
        if left is None:
            break
        try:
            return Checked(file, model.model_validate(left.plain()), left), mistakes
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
        if attempt == 0:
            mistakes = [_mistake(file, node, model, one) for one in details[: MOST_MISTAKES + 1]]
        left = _without(left, model, details)
    return None, mistakes


def _without(node: Node, model: type[BaseModel], details: list[ErrorDetails]) -> Node | None:
    paths: list[Path] = []
    for one in details:
        path = _path(node, one["loc"])
        if not _stand_in(node, model, path, one):
            paths.append(path)
    return node.without(paths) if paths else node


def _stand_in(root: Node, model: type[BaseModel], path: list[str | int], one: ErrorDetails) -> bool:
    """Puts something in the place of what is wrong or missing, so that what it belongs to is checked further."""
    node = root.find(path)
    if one["type"] == "missing":
        return _fill_in(node, str(one["loc"][-1]), _fields_at(model, path))
    if one["type"] == "string_type" and node.text:
        node.value = node.text
        return True
    if one["type"] == "literal_error" and isinstance(node.value, str):
        near = get_close_matches(node.value, _expected(one["ctx"]["expected"]), n=1)
        node.value = near[0] if near else node.value
        return bool(near)
    field = _fields_at(model, path[:-1]).get(str(path[-1])) if path else None
    if field is None or not field.examples or node.fields is not None or node.entries is not None:
        return False
    node.value = field.examples[0]
    return True


def _fill_in(node: Node, key: str, fields: dict[str, FieldInfo]) -> bool:
    """A value for a key that is missing: names get one, others have their field's example."""
    if node.fields is None:
        return False
    if key in ("name", "id"):
        node.fields[key] = Node(node.place, f"(line {node.place.line})")
        return True
    if key in fields and fields[key].examples:
        node.fields[key] = Node(node.place, (fields[key].examples or [""])[0])
        return True
    return False


def _path(node: Node, loc: tuple[int | str, ...]) -> list[str | int]:
    """The steps of pydantic's path that exist in the tree: it also names the members of unions."""
    path: list[str | int] = []
    for step in loc:
        below = node.child(step)
        if below is not None:
            node = below
            path.append(step)
    return path


def _mistake(file: str, root: Node, model: type[BaseModel], one: ErrorDetails) -> Mistake:
    path = _path(root, one["loc"])
    if one["type"] == "extra_forbidden":
        key = str(path[-1])
        known = _fields_at(model, path[:-1])
        return mistake_at(file, root.key_place(path), f"unknown key `{key}`{did_you_mean(key, known)}")
    if one["loc"] and one["loc"][-1] == "[key]":
        node = Node(root.key_place(path), str(path[-1]))
        return mistake_at(file, node.place, _message(one, node, f"`{path[-1]}`"))
    node = root.find(path)
    return mistake_at(file, node.place, _message(one, node, _label(path, one)))


def _label(path: list[str | int], one: ErrorDetails) -> str:
    if one["type"] == "missing":
        return f"`{one['loc'][-1]}`"
    name = next((step for step in reversed(path) if isinstance(step, str)), None)
    if name is None:
        return "the file"
    return f"an entry of `{name}`" if isinstance(path[-1], int) else f"`{name}`"


def _fields_at(model: type[BaseModel], path: Path) -> dict[str, FieldInfo]:
    """The fields that are known at a place of a file, by their keys."""
    for step in path:
        field = _by_key(model).get(step) if isinstance(step, str) else None
        model = (_model_within(field.annotation) if field else None) or model
    return _by_key(model)


def _by_key(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_within(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model_within(one))), None)


_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def _message(one: ErrorDetails, node: Node, label: str) -> str:
    context = one.get("ctx", {})
    match one["type"]:
        case "missing":
            return f"{label} is missing"
        case "value_error":
            return f"{label}: {context['error']}"
        case "literal_error":
            return _not_one_of(context["expected"], node, label)
        case "finite_number":
            return f"{label} is a finite number"
        case "greater_than":
            return f"{label} is more than {context['gt']:g}"
        case "greater_than_equal":
            return f"{label} is at least {context['ge']}"
        case "less_than_equal":
            return f"{label} is at most {context['le']}"
        case "too_long" | "string_too_long":
            return f"{label} is too long: at most {context['max_length']} are taken"
        case "too_short" | "string_too_short":
            return f"{label} is empty: at least {context['min_length']} is needed"
        case kind if kind in _WANTED:
            return _wrong_kind(_WANTED[kind], node, label)
    return f"{label}: {one['msg']}"


def _not_one_of(expected: str, node: Node, label: str) -> str:
    known = _expected(expected)
    if not isinstance(node.value, str):
        return _wrong_kind(f"one of {listed(known)}", node, label)
    return f"unknown {label.removeprefix('an entry of ').strip('`')} `{node.value}`{did_you_mean(node.value, known)}"


def _expected(words: str) -> list[str]:
    """The words that pydantic lists in a text."""
    return [word.strip(" '") for word in words.replace(" or ", ",").split(",")]


def _wrong_kind(wanted: str, node: Node, label: str) -> str:
    if node.text == "":
        return f"{label} has no value; give {wanted}, or take the key out"
    if node.text is not None and wanted == "a text":
        return (
            f'{label}: {node.text} is read as {kind_of(node.value)}; write "{node.text}", in quotes, to mean the text'
        )
    return f"{label} is {wanted}, not {kind_of(node.plain())}"
