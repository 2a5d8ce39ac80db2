"""The proto files are what another language's team builds a client from: nothing in them goes unexplained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PROTOS = Path(__file__).parents[2] / "protos" / "maitred" / "v1"
BLOCK = re.compile(r"(?P<what>message|enum|service)\s+(?P<name>\w+)\s*\{")
RPC = re.compile(r"rpc\s+(?P<name>\w+)\(")
FIELD = re.compile(r"(?:(?:repeated|optional)\s+)?(?:map<[^>]+>|[\w.]+)\s+(?P<name>\w+)\s*=\s*\d+\s*;")
CONSTANT = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*)\s*=\s*\d+\s*;")
ROLE = re.compile(r"\bRoles?: \w+")
LIMIT = re.compile(r"\b(Message limit|Limit of a batch): \d+ [KM]iB")


class Element(NamedTuple):
    """Something that a proto file defines, with the comment that explains it."""

    what: str
    name: str
    comment: str


def elements(text: str) -> Iterator[Element]:
    """Everything that a proto file defines, in its order. A comment stands directly above or behind on the line."""
    above: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if line.startswith("//"):
            above.append(line)
            continue
        code, _, behind = line.partition("//")
        found = element_of(code.strip())
        if found is not None:
            yield Element(*found, " ".join([*above, behind]).strip())
        above = []


def element_of(code: str) -> tuple[str, str] | None:
    """What a line of a proto file defines, and its name."""
    if block := BLOCK.match(code):
        return block["what"], block["name"]
    for what, pattern in (("rpc", RPC), ("constant", CONSTANT), ("field", FIELD)):
        if match := pattern.match(code):
            return what, match["name"]
    return None


def every_element() -> list[tuple[str, Element]]:
    files = sorted(PROTOS.glob("*.proto"))
    return [(file.name, element) for file in files for element in elements(file.read_text())]


def test_the_parser_sees_what_protoc_sees() -> None:
    """What the stubs know is seen in the text, and nothing else."""
    assert stub_names() == sorted(element.name for _, element in every_element())


def stub_names() -> list[str]:
    from maitred.v1 import admin_pb2, decision_pb2, feedback_pb2, profile_pb2, types_pb2

    names: list[str] = []
    for module in (admin_pb2, decision_pb2, feedback_pb2, profile_pb2, types_pb2):
        file = module.DESCRIPTOR
        for message in file.message_types_by_name.values():
            names += [message.name, *(field.name for field in message.fields)]
        for enum in file.enum_types_by_name.values():
            names += [enum.name, *(value.name for value in enum.values)]
        for service in file.services_by_name.values():
            names += [service.name, *(method.name for method in service.methods)]
    return sorted(names)


def test_everything_is_explained() -> None:
    """Each message, enum, service, field, constant and call has a comment of its own."""
    assert [f"{file}: {e.what} {e.name}" for file, e in every_element() if not e.comment] == []


@pytest.mark.parametrize("element", [e for _, e in every_element() if e.what == "rpc"], ids=lambda e: e.name)
def test_a_call_names_its_role_and_limit(element: Element) -> None:
    """Who may call and how large a message may be stands at the call."""
    assert ROLE.search(element.comment), "no role"
    assert LIMIT.search(element.comment), "no limit"


def test_a_missing_comment_is_found() -> None:
    """A field is not explained by the comment of the one before, nor by one above an empty line."""
    known, apart = "  // Known.\n  string a = 1;\n  string b = 2;\n", "  // Apart.\n\n  int64 c = 3;  // Behind.\n"
    text = f"// About it.\nmessage Thing {{\n{known}{apart}}}"
    assert [e.name for e in elements(text) if not e.comment] == ["b"]
    assert [e.name for e in elements("// Apart.\n\nmessage Thing {}") if not e.comment] == ["Thing"]
