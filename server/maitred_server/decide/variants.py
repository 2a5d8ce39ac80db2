"""Variants: of an item's renditions those that fit the device, the locale and the placement's format.

What a variant is for is what it names; one that names nothing of a kind is for all of that kind. Among the variants
of an item that fit, those made for the moment close the others: the nearest locale first, then the device, then the
format. Variants that fit equally well stay open beside each other, as actions of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from maitred_server.model import Value
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.columns import Fit
from maitred_server.playbook.control import SlatePlan
from maitred_server.playbook.hints import listed
from maitred_server.playbook.nouns import Placement
from maitred_server.policy.base import Bools, Positions

MOST_KEPT: Final = 1_024  # moments whose rows are remembered
UNFIT: Final = -1

Asked: TypeAlias = tuple[str, tuple[str, ...]]  # device, and the locale with what it is a case of


def ranges(locale: str) -> tuple[str, ...]:
    """A locale and what it is a case of, nearest first: `de-CH` is `de-ch`, `de` (the lookup of RFC 4647)."""
    parts = locale.replace("_", "-").lower().split("-")
    return tuple("-".join(parts[:count]) for count in range(len(parts), 0, -1)) if locale else ()


class Fitting:
    """Which of a placement's variants fit which device and locale. What was asked once is remembered, in bounds."""

    def __init__(self, fits: Sequence[Fit], fit_of: Positions, item_index: Positions, plan: SlatePlan, locale: str):
        """`fit_of`: int32[m], each row's place in `fits`; `item_index`: int32[m]. `locale`: of who says none."""
        self._fits = fits
        self._fit_of = fit_of
        begins = np.flatnonzero(np.diff(item_index, prepend=-1))
        self._begins = begins
        self._lengths = np.diff(begins, append=len(item_index))
        self._format = plan.format
        self._locale = locale
        self._locales = [frozenset(_plain(name) for name in fit.locales) for fit in fits]
        self._known = frozenset(device for fit in fits for device in fit.devices)
        self._known_locales = frozenset().union(*self._locales)
        self._kept: dict[Asked, Bools | None] = {}

    @classmethod
    def lay(cls, catalogue: Catalogue, placement: Placement, plan: SlatePlan) -> Fitting | None:
        """Of a placement; None when each of its variants is for everything."""
        fit_of = np.ascontiguousarray(catalogue.fit_index[placement.candidates])
        if all(catalogue.fits[one] == Fit() for one in np.unique(fit_of).tolist()):
            return None
        item_index = catalogue.item_index[placement.candidates]
        return cls(catalogue.fits, fit_of, item_index, plan, catalogue.control.wording.locale)

    def open(self, context: Mapping[str, Value]) -> Bools | None:
        """bool[m]: the rows whose variants are to be used; None: all of them."""
        asked = self._asked(context)
        found = self._kept.get(asked, self)
        return self._opened(asked) if isinstance(found, Fitting) else found

    def why(self, context: Mapping[str, Value], row: int) -> str:
        """Why a row is closed, in words."""
        fit, (device, locales) = self._fits[self._fit_of[row]], self._asked(context)
        if fit.devices and device not in fit.devices:
            return f"its variant is for {_some('device', fit.devices)}, and the request {_says('device', context)}"
        if fit.locales and not self._locales[self._fit_of[row]].intersection(locales):
            return f"its variant is for {_some('locale', fit.locales)}, and the request {_says('locale', context)}"
        if fit.formats and self._format not in fit.formats:
            has = f"has `{self._format}`" if self._format else "has none"
            return f"its variant is for {_some('format', fit.formats)}, and the placement {has}"
        return "another variant of the item fits better"

    def _asked(self, context: Mapping[str, Value]) -> Asked:
        """What of the context makes a difference here, so that no caller can make the memory grow by odd names."""
        device, said = context.get("device"), context.get("locale")
        locale = said if isinstance(said, str) and said else self._locale
        known = tuple(one for one in ranges(locale) if one in self._known_locales)
        return device if isinstance(device, str) and device in self._known else "", known

    def _opened(self, asked: Asked) -> Bools | None:
        levels = np.array([self._level(number, *asked) for number in range(len(self._fits))])[self._fit_of]
        best = np.maximum.reduceat(levels, self._begins).repeat(self._lengths)
        opened: Bools = (levels == best) & (levels != UNFIT)
        opened.flags.writeable = False
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[asked] = found = None if opened.all() else opened
        return found

    def _level(self, number: int, device: str, locales: tuple[str, ...]) -> int:
        """How well a variant fits: the higher the better; UNFIT: not at all."""
        fit = self._fits[number]
        near = [len(locales) - at for at, locale in enumerate(locales) if locale in self._locales[number]]
        if (
            (fit.devices and device not in fit.devices)
            or (fit.locales and not near)
            or (fit.formats and self._format not in fit.formats)
        ):
            return UNFIT
        return max(near, default=0) * 4 + bool(fit.devices) * 2 + bool(fit.formats)


def _plain(locale: str) -> str:
    return locale.replace("_", "-").lower()


def _some(kind: str, names: Sequence[str]) -> str:
    return f"{kind}{'s' if len(names) > 1 else ''} {listed(names)}"


def _says(kind: str, context: Mapping[str, Value]) -> str:
    said = context.get(kind)
    return f"says `{said}`" if said else "says none"
