"""What is said: content filled in for the subject, and the reason of each choice in plain words.

A reason is said only when all it names is true of this decision and may be seen; else the next one that fits, or
none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maitred_server.model import Reason
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.store.keys import type_code

if TYPE_CHECKING:  # a choice and a moment are made of worlds, and a world has its wording
    from maitred_server.decide.choice import Choice
    from maitred_server.decide.moment import Moment
    from maitred_server.playbook.templates import Filled

PLAIN = "text/plain"


def _filled(text: str, content_type: str) -> Filled:
    """Of a catalogue that says nothing the templates' library is never imported."""
    from maitred_server.playbook.templates import Filled

    return Filled(text, content_type)


class _Said(NamedTuple):
    """One reason text of the playbook, ready to be filled in."""

    reason: Reason
    stretch: bool
    placements: tuple[str, ...]
    texts: dict[str, Filled]

    def fits(self, choice: Choice, placement: str) -> bool:
        right = self.reason is choice.reason and (not self.placements or placement in self.placements)
        return right and (choice.stretch or not self.stretch)


class Wording:
    """The words of one catalogue version."""

    def __init__(self, catalogue: Catalogue) -> None:
        control = catalogue.control.wording
        self._catalogue = catalogue
        self._default = control.locale
        self.types = dict(catalogue.control.item_types)
        self._named = catalogue.texts(control.name_attribute)
        self._reasons = sorted(
            (
                _Said(one.reason, one.stretch, one.placements, {at: _filled(text, PLAIN) for at, text in one.texts})
                for one in control.reasons
            ),
            key=lambda one: (not one.stretch, not one.placements),  # what says more goes first
        )
        self._is_template = frozenset(catalogue.templates.tolist())
        self._templates: dict[int, Filled] = {}
        self.silent = not self._reasons and not self._is_template
        if not self.silent:
            _filled("", PLAIN)  # its library is imported now, and not in the first decision

    def worded(self, choices: Sequence[Choice], placement: str, moment: Moment) -> list[Choice]:
        """The choices with what is said of them."""
        return [self._worded(choice, placement, moment) for choice in choices]

    def _worded(self, choice: Choice, placement: str, moment: Moment) -> Choice:
        values = _Values(self._catalogue, self, choice, moment)
        content = self._content(choice.action, values) if choice.action in self._is_template else None
        return choice._replace(content=content, reason_text=self._reason(choice, placement, values))

    def _content(self, action: int, values: _Values) -> bytes:
        filled = self._templates.get(action)
        if filled is None:  # compiled when it is first shown: a catalogue may have many
            text = self._catalogue.content(action).decode()
            filled = self._templates[action] = _filled(text, self._catalogue.content_type(action))
        text_or_none = filled.fill(values)
        return self._plain(action) if text_or_none is None else text_or_none.encode()

    def _plain(self, action: int) -> bytes:
        return self._catalogue.template(action) or b""

    def _reason(self, choice: Choice, placement: str, values: _Values) -> str:
        for one in self._reasons:
            if one.fits(choice, placement):
                for filled in self._in_locale(one.texts, values.locale):
                    said = filled.fill(values)
                    if said is not None:
                        return said
        return ""

    def _in_locale(self, texts: Mapping[str, Filled], locale: str) -> Iterator[Filled]:
        """The text in the asked locale, else its language, else the playbook's own locale."""
        for wanted in (locale, locale.partition("-")[0], self._default):
            if wanted in texts:
                yield texts[wanted]
                return

    def name(self, item: int) -> str:
        """What people call an item of the catalogue; its id when it has no name."""
        code = -1 if self._named is None else int(self._named[0][item])
        if code >= 0 and self._named is not None:
            return self._named[1][code]
        return self._catalogue.item_id(item)


class _Values(Mapping[str, Mapping[str, object]]):
    """What places can name, by root; each is looked up only when it is asked for."""

    def __init__(self, catalogue: Catalogue, wording: Wording, choice: Choice, moment: Moment) -> None:
        self._catalogue = catalogue
        self._wording = wording
        self._choice = choice
        self._moment = moment

    @property
    def locale(self) -> str:
        """What the request asks for; empty: nothing."""
        said = self._moment.ask.context.get("locale")
        return said if isinstance(said, str) else ""

    def __getitem__(self, root: str) -> Mapping[str, object]:
        if root == "subject":
            return self._moment.view.subject
        if root == "context":
            return self._moment.view.context
        if root == "item":
            return self._item
        return _Last(self._catalogue, self._wording, self._moment) if root == "last" else self._because

    def __iter__(self) -> Iterator[str]:
        return iter(("subject", "context", "item", "last", "because"))

    def __len__(self) -> int:
        return 5

    @cached_property
    def _item(self) -> Mapping[str, object]:
        number = int(self._catalogue.item_index[self._choice.action])
        attributes = self._catalogue.attributes_of(number).items()
        return {
            **{name: _typed(value, self._wording.types.get(name)) for name, value in attributes},
            "id": self._choice.item,
            "name": self._wording.name(number),
        }

    @property
    def _because(self) -> Mapping[str, object]:
        """What decided it: of a habit, what the subject did before with this very item; so too of what is learned."""
        learned = self._choice.reason is Reason.LEARNED and self._choice.met
        if self._choice.reason is not Reason.HABIT and not learned:
            return {}
        return {"id": self._item["id"], "name": self._item["name"]}


def _typed(value: float | str, kind: str | None) -> object:
    """A column's value as what it is: flags cannot be said, and moments are said as days."""
    if kind == "flag":
        return None
    return datetime.fromtimestamp(float(value) / 1000, UTC) if kind == "time" else value


class _Last(Mapping[str, Mapping[str, object]]):
    """The item of the newest event of each type, as far as it may be seen."""

    def __init__(self, catalogue: Catalogue, wording: Wording, moment: Moment) -> None:
        self._catalogue = catalogue
        self._wording = wording
        self._view = moment.view

    def __getitem__(self, event: str) -> Mapping[str, object]:
        profile = self._view.profile
        if profile is None or not self._view.may_count(event):
            return {}
        code = type_code(event)
        key = next((one.item_key for one in profile.recent(256) if one.type_code == code and one.item_key), 0)
        item = int(self._catalogue.items_of(np.array([key], np.uint64))[0]) if key else -1
        return {} if item < 0 else {"id": self._catalogue.item_id(item), "name": self._wording.name(item)}

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
