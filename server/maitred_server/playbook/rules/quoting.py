"""`subject["shoe size"]` as the library's type checker can read it: as a field of another name, of the same length.

So that what it says of places in the text stays true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import product
from string import ascii_lowercase, digits
from typing import Final

IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_WORDS: Final = {"true", "false", "null", "in"}  # what stands after a dot, but for these
_STRING: Final = r"[rR]?(?:\"\"\"(?s:\\.|.)*?\"\"\"|'''(?s:\\.|.)*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
_TOKEN: Final = re.compile(
    rf"//[^\n]*|\b[bB]{_STRING}|(?P<root>(?<![\w.])(?:subject|context|item)\b)(?P<index>\s*\[\s*(?P<name>{_STRING})\s*\])"
    rf"|{_STRING}|[A-Za-z_]\w*|.",
    re.ASCII | re.DOTALL,
)


def is_identifier(name: str) -> bool:
    """Whether `ROOT.name` can be written."""
    return IDENTIFIER.fullmatch(name) is not None and name not in _WORDS


def aliases(names: Iterable[str]) -> dict[str, str]:
    """For each name that is no identifier a short one that is free. Raises ValueError for more than 46,000."""
    names = sorted(names)
    free = ("_" + "".join(pair) for size in (2, 3) for pair in product(ascii_lowercase + digits, repeat=size))
    taken = set(names)
    usable = (alias for alias in free if alias not in taken)
    return dict(zip([name for name in names if not is_identifier(name)], usable, strict=False))


def unquoted(text: str, alias: Callable[[str, str, int], str]) -> str:
    """The text with each `ROOT["NAME"]` as `ROOT.ALIAS`, padded with spaces.

    `alias`: root, the quoted name and its place in the text -> what to write instead.
    """
    parts = []
    for token in _TOKEN.finditer(text):
        if token["root"] is None:
            parts.append(token[0])
            continue
        field = "." + alias(token["root"], token["name"], token.start("name"))
        rest = re.sub(r"[^\n]", " ", token["index"][len(field) :])
        parts.append(token["root"] + field + rest)
    return "".join(parts)
