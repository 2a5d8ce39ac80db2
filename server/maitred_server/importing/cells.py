"""From cells of whatever type a format has to the types of a row's fields."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, TypeAlias

from maitred_server.errors import InvalidRequest
from maitred_server.importing.checks import in_ms, moment, one_of
from maitred_server.importing.mapping import CellType, Mapping
from maitred_server.importing.profiles import STATES
from maitred_server.importing.rows import Plain, ValuePart

Read: TypeAlias = Callable[[Any, str], Any]  # a cell that is not empty, and the field it is for

FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "t": True, "f": False}


def text(cell: Any, field: str) -> str:
    """Texts as they are; whole numbers, for ids often are."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    raise InvalidRequest(f"{field} must be a text or a whole number", field)


def whole(cell: Any, field: str) -> int:
    """A whole number."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    read = cell if isinstance(cell, float | Decimal) else _float(cell, field)
    if read != read or read in (float("inf"), float("-inf")) or read != int(read):
        raise InvalidRequest(f"{field} must be a whole number", field)
    return int(read)


def flag(cell: Any, field: str) -> bool:
    """True or false."""
    return cell if isinstance(cell, bool) else one_of(FLAGS, text(cell, field), field)


def _float(cell: Any, field: str) -> float:
    try:
        if isinstance(cell, bool):
            raise ValueError
        return float(cell)
    except (ValueError, TypeError, OverflowError):
        raise InvalidRequest(f"{field} must be a number", field) from None


def plain(cell: Any, field: str) -> Plain | ValuePart:
    """A value as its type says."""
    if isinstance(cell, str | bool):
        return cell
    if isinstance(cell, int | float | Decimal):
        return _float(cell, field)
    if isinstance(cell, list) and all(isinstance(one, str) for one in cell):
        return cell
    if isinstance(cell, date):
        return ValuePart(time=in_ms(_whole_day(cell), UTC))
    raise InvalidRequest(f"{field} must be a text, a number, true or false, a time, or a list of texts", field)


def _whole_day(day: date) -> datetime:
    return day if isinstance(day, datetime) else datetime.combine(day, time())


class Cells:
    """Reads cells as a mapping says that they are written."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._zone = mapping.zone
        self._typed: dict[CellType, Read] = {
            "text": text,
            "number": self.number,
            "flag": flag,
            "time": lambda cell, field: ValuePart(time=self.time(cell, field)),
            "texts": self._texts,
        }

    def typed(self, cell_type: CellType | None) -> Read:
        """What reads an attribute or a trait; None: as it is."""
        return plain if cell_type is None else self._typed[cell_type]

    def number(self, cell: Any, field: str) -> float:
        if isinstance(cell, str) and self._mapping.decimal != ".":
            cell = cell.replace(self._mapping.decimal, ".")
        return _float(cell, field)

    def time(self, cell: Any, field: str) -> int:
        """Milliseconds since the epoch."""
        try:
            return self._time(cell, field)
        except (ValueError, TypeError, OverflowError):
            raise InvalidRequest(f"{field} is no time as the mapping says: {self._mapping.time}", field) from None

    def _time(self, cell: Any, field: str) -> int:
        written = self._mapping.time
        if isinstance(cell, date):
            return in_ms(_whole_day(cell), self._zone)
        if written == "auto":
            return moment(cell if isinstance(cell, int) else text(cell, field), field, self._zone)
        if written in ("ms", "s"):
            return round(float(cell) * (1000 if written == "s" else 1))
        return in_ms(datetime.strptime(text(cell, field), written), self._zone)

    def state(self, cell: Any, field: str) -> str:
        """A consent's state by its name."""
        if isinstance(cell, bool):
            cell = str(cell).lower()
        word = text(cell, field)
        if self._mapping.consents:
            return one_of(self._mapping.consents, word, field)
        one_of(STATES, word, field)
        return word

    def _texts(self, cell: Any, field: str) -> Plain | ValuePart:
        if isinstance(cell, str):
            return [part.strip() for part in cell.split(self._mapping.separator) if part.strip()]
        return plain(cell, field)
