"""Places inside texts: every character of a value is found where it stands in the file, however it is written."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from maitred_server.playbook.jsontree import tree
from maitred_server.playbook.yamltree import Node, read

LETTERS = st.text(alphabet="ab'\"\\:#&|>{}é \n-=(),.!", min_size=1, max_size=40)

ESCAPED = '"\\é'


def at(source: str, line: int, column: int) -> str:
    """The character at a place."""
    return source.split("\n")[line - 1][column - 1]


def found(source: str, value: Node) -> list[tuple[str, str]]:
    """Each visible character of a value, with what stands at its place in the file."""
    pairs = []
    for number, line in enumerate(str(value.value).split("\n"), 1):
        for column, letter in enumerate(line, 1):
            if not letter.isspace():
                pairs.append((letter, at(source, *value.place_within(number, column))))
    return pairs


def field(source: str) -> Node:
    node, mistakes = read("any.yaml", source.encode(), 10_000)
    assert node is not None
    assert mistakes == []
    return node.find(["a", 0, "b"])


@settings(deadline=None)
@given(text=LETTERS, style=st.sampled_from([None, "'", '"', "|", ">"]), width=st.sampled_from([10, 1_000]))
def test_any_text_in_any_style(text: str, style: str | None, width: int) -> None:
    """Whatever the text and its style, the place of each character that can be seen is that character's."""
    source = yaml.dump({"a": [{"b": Styled(text, style)}]}, Dumper=StyleDumper, allow_unicode=True, width=width)
    value = field(source)
    assert value.value == text
    for letter, there in found(source, value):
        assert there == ("\\" if letter in ESCAPED and there == "\\" else letter)


class Styled(str):
    """A text with the style it is to be written in."""

    style: str | None

    def __new__(cls, text: str, style: str | None) -> Styled:
        made = super().__new__(cls, text)
        made.style = style
        return made


class StyleDumper(yaml.SafeDumper):
    """Writes texts in their style."""


StyleDumper.add_representer(
    Styled, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=text.style)
)


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("b: subject.age > 18 && subject.agee < 5", (2, 28)),
        ("b: 'subject.age > 18 && subject.agee < 5'", (2, 29)),
        ('b: "subject.age > 18 && subject.agee < 5"', (2, 29)),
        ("b: |\n        subject.age > 18 && subject.agee < 5", (3, 29)),
        ("b: >\n        subject.age > 18 &&\n        subject.agee < 5", (4, 9)),
        ("b: subject.age > 18 &&\n        subject.agee < 5", (3, 9)),
        ("b: 'subject.age > 18 &&\n        subject.agee < 5'", (3, 9)),
    ],
)
def test_the_second_half_of_a_rule(written: str, place: tuple[int, int]) -> None:
    """The place of a word in a rule is where a person sees it: plain, quoted, in a block, folded over two lines."""
    value = field(f"a:\n  - {written}\n")
    before = str(value.value).index("subject.agee")
    line, column = str(value.value).count("\n", 0, before) + 1, before + 1
    assert value.place_within(line, column) == place


@settings(deadline=None)
@given(text=LETTERS, ascii_only=st.booleans())
def test_texts_in_json(text: str, ascii_only: bool) -> None:
    """The same for a text in a line of JSON, and the line's tree is what the line says."""
    source = json.dumps({"x": [1, None, {"y": {}}], "b": text}, ensure_ascii=ascii_only)
    node = tree(source, 1)
    assert node.plain() == {"x": [1, None, {"y": {}}], "b": text}
    for letter, there in found(source, node.find(["b"])):
        assert there in (letter, "\\")
    assert (node.keys["b"].line, source[node.keys["b"].column - 1 :][:3]) == (1, '"b"')
