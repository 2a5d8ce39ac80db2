"""The mapping file: which column of a file is which field of a row, and how its cells are written."""

from __future__ import annotations

from datetime import UTC, tzinfo
from pathlib import Path
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml

from maitred_server.errors import InvalidRequest
from maitred_server.importing.checks import one_of
from maitred_server.importing.profiles import SOURCES, STATES

LARGEST = 1 << 20

CellType: TypeAlias = Literal["text", "number", "flag", "time", "texts"]


class TraitsMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where traits that come from columns have come from."""

    source: str = ""
    purpose: str = ""


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping file. Fields are those of a row; `attributes.NAME`, `traits.NAME` and `consents.PURPOSE` too."""

    columns: dict[str, str] = {}  # column of the file -> field. Columns that are not named are left out
    constants: dict[str, str | bool | float] = {}  # field -> what it is in every row
    types: dict[str, CellType] = {}  # attribute or trait -> how its cells are read; else as they are
    time: str = "auto"  # "auto" (ISO 8601, or milliseconds), "ms", "s", or a format such as "%d.%m.%Y %H:%M"
    timezone: str = "UTC"  # of times that say none
    consents: dict[str, str] = {}  # word of the file -> granted, denied or revoked
    traits: TraitsMapping = TraitsMapping()
    delimiter: str = ","  # of a CSV's cells
    separator: str = "|"  # of the texts in a cell of type `texts`
    decimal: str = "."  # of a CSV's numbers
    encoding: str = "utf-8"  # of a CSV

    @property
    def zone(self) -> tzinfo:
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)  # some machines have no table of zones


def load(path: Path) -> Mapping:
    """Read a mapping file. Raises InvalidRequest with what is wrong."""
    try:
        text = path.read_bytes()[: LARGEST + 1]
        mapping = msgspec.convert(yaml.safe_load(text), Mapping)
    except OSError as error:
        raise InvalidRequest(f"cannot read the mapping {path}: {error.strerror}", "mapping") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise InvalidRequest(f"the mapping {path} is no YAML{where}", "mapping") from None
    except msgspec.ValidationError as error:
        hint = "write words such as yes and no in quotes"
        raise InvalidRequest(f"the mapping {path}: {error} ({hint})", "mapping") from None
    _check(mapping, path)
    return mapping


def _check(mapping: Mapping, path: Path) -> None:
    try:
        mapping.zone.utcoffset(None)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        raise InvalidRequest(f"the mapping {path}: timezone {mapping.timezone!r} is not known", "mapping") from None
    try:
        "".encode(mapping.encoding)
    except LookupError:
        raise InvalidRequest(f"the mapping {path}: encoding {mapping.encoding!r} is not known", "mapping") from None
    if len(mapping.delimiter) != 1 or not mapping.separator or len(mapping.decimal) != 1:
        raise InvalidRequest(f"the mapping {path}: delimiter and decimal are one character each", "mapping")
    for word, state in mapping.consents.items():
        one_of(STATES, state, f"mapping consents {word!r}")
    if mapping.traits.source:
        one_of(SOURCES, mapping.traits.source, "mapping traits.source")
