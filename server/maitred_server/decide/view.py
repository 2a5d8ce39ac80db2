"""What may be seen of a subject: its consents, the purposes of what is kept, and the intensity it allows.

Whoever looks through a view cannot see what is not allowed; caps and wishes, which protect the subject, look at the
whole profile instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from maitred_server.model import ConsentState, Intensity, Kind, Trait, TraitSource, Value
from maitred_server.playbook.control import Control, TypeName
from maitred_server.playbook.rules.declarations import typed
from maitred_server.policy.base import Bools
from maitred_server.store import Profile
from maitred_server.store.consents import NONE as NOTHING_SAID
from maitred_server.store.keys import type_code

try:
    from maitred_server.compiled.subject import Types
except ImportError:  # nothing was compiled here
    Types = None  # type: ignore[assignment,misc]

SERVICE: Final = "service"  # the purpose of what nothing else was said of; assumed unless the playbook says else

Codes: TypeAlias = npt.NDArray[np.uint32]

_KINDS: Final[Mapping[Kind, Mapping[str, object]]] = {kind: {"kind": kind.name.lower()} for kind in Kind}
_EXPLICIT: Final = TraitSource.EXPLICIT
_NOTHING: Final[Mapping[str, object]] = {}


class View(msgspec.Struct, frozen=True, gc=False, eq=False):
    """The part of a profile that rules and features may use."""

    sight: Sight
    known: Profile | None  # all that is kept, for `unseen` and `said` alone
    intensity: Intensity
    profile: Profile | None  # for counters, with `may_count`; None: none may be used, or nothing is known
    subject: Mapping[str, object]  # typed traits by name, and `kind`
    context: Mapping[str, object]  # typed, for rules
    purposes: frozenset[str]  # that are allowed
    whole: bool  # every counter may be used

    def may_count(self, counter_type: str) -> bool:
        """Whether counters of a type may be used."""
        return self.profile is not None and (self.whole or self.sight.purpose_of(counter_type) in self.purposes)

    @property
    def stamp(self) -> bytes:
        """What was worked out of the profile when it was written; b"": nothing, or as of another kind of subject."""
        known = self.known
        return known.stamp if known is not None and _KINDS[known.kind]["kind"] == self.subject["kind"] else b""

    def said(self, names: Iterable[str]) -> dict[str, Trait]:
        """Of some traits those that may be seen, as they are kept; also of such as are declared nowhere."""
        return self.sight.said(self, names)

    def unseen(self) -> list[str]:
        """What is kept and was not looked at, and why, in words. Asked for explanations only."""
        return list(self.sight.unseen(self)) if self.known is not None else []

    def seen_types(self, codes: Codes) -> Bools:
        """bool[n]: which counter types, by their codes, may be used."""
        return self.sight.seen_types(self.purposes, codes)


class Sight:
    """What a playbook lets be seen, made ready once for each published version."""

    def __init__(self, control: Control) -> None:
        self._intensity = control.intensity
        self._required = frozenset(one.name for one in control.purposes if one.required)
        self._assumed = frozenset((SERVICE, *(one.name for one in control.purposes))) - self._required
        self._sensitive = frozenset(one.name for one in control.traits if one.sensitive)
        self._declared = {one.name: one.purpose for one in control.traits if not one.sensitive}
        self._subject = {one.name: one.type for one in control.traits if not one.sensitive}
        self._allowed = lru_cache(maxsize=256)(self._allowed_types)
        self._compiled = None if Types is None else Types(self._subject, self._declared)
        self._typed = _typing({one.name: one.type for one in control.context})
        self._counted = {one.type: one.purpose for one in control.events}
        self._counted_for = frozenset((SERVICE, *self._counted.values()))
        self._assumed_count = self._counted_for <= self._assumed

    def see(self, known: Profile | None, kind: Kind, context: Mapping[str, Value]) -> View:
        """What may be seen at one moment. `known`: all that is kept; None: nothing is. `context`: the request's."""
        subject = _KINDS[kind]
        typed_context = self._typed(context) if self._typed is not None and context else _NOTHING
        if known is None:
            return View(self, None, self._intensity, None, subject, typed_context, self._assumed, True)
        purposes, intensity = self._assumed, self._intensity
        if known.stored_consents != NOTHING_SAID:
            purposes, intensity = self.purposes(known), known.intensity or intensity
        if intensity >= Intensity.EXPLICIT and self._subject:
            subject = {**self._traits(known, purposes, intensity), **subject}
        profile = known if intensity is Intensity.FULL else None
        whole = self._assumed_count if purposes is self._assumed else self._counted_for <= purposes
        return View(self, known, intensity, profile, subject, typed_context, purposes, whole)

    def purposes(self, profile: Profile) -> frozenset[str]:
        """Those that are allowed: assumed ones unless refused, all others only when granted."""
        said = profile.consents
        if not said:
            return self._assumed
        granted = {name for name, consent in said.items() if consent.state is ConsentState.GRANTED}
        return frozenset(self._assumed - said.keys() | granted)

    def purpose_of(self, counter_type: str) -> str:
        """What the counters of a type are kept for."""
        return self._counted.get(counter_type, SERVICE)

    def _traits(self, profile: Profile, purposes: frozenset[str], intensity: Intensity) -> dict[str, object]:
        if self._compiled is not None:
            only = 0 if intensity is Intensity.FULL else _EXPLICIT
            found = self._compiled.traits(profile.stored_traits, purposes, only)
            if found is not None:
                return found
        kept = profile.traits.items()
        if intensity is Intensity.FULL:
            raw = {name: one.value for name, one in kept if one.purpose in purposes}
        else:
            raw = {name: one.value for name, one in kept if one.purpose in purposes and one.source is _EXPLICIT}
        return typed(raw, self._allowed(purposes))  # type: ignore[arg-type]  # no trait of a profile is without value

    def _allowed_types(self, purposes: frozenset[str]) -> dict[str, TypeName]:
        """Of the declared traits those whose purpose is allowed."""
        return {name: kind for name, kind in self._subject.items() if self._declared[name] in purposes}

    def said(self, view: View, names: Iterable[str]) -> dict[str, Trait]:
        """See `View.said`."""
        if view.known is None:
            return {}
        kept = view.known.traits
        return {name: kept[name] for name in names if name in kept and not self._why_not(view, kept[name], False)}

    def unseen(self, view: View) -> Iterable[str]:
        """See `View.unseen`."""
        assert view.known is not None
        for name, trait in view.known.traits.items():
            if why := self._why_not(view, trait, True):
                yield f"trait `{name}`: {why}"
        yield from self._uncounted(view)

    def _why_not(self, view: View, trait: Trait, declared: bool) -> str:
        """Why a trait may not be used, or "". `declared`: whether it must be, to be used."""
        if trait.name in self._sensitive:
            return "it is sensitive, and never used"
        if declared and trait.name not in self._declared:
            return "the playbook does not declare it"
        if view.intensity < Intensity.EXPLICIT:
            return f"the intensity is {_name(view.intensity)}"
        if view.intensity is Intensity.EXPLICIT and trait.source is not TraitSource.EXPLICIT:
            return "the intensity is explicit, and the subject did not say it itself"
        for purpose in (trait.purpose, self._declared.get(trait.name, trait.purpose)):
            if purpose not in view.purposes:
                return self._why_purpose(view, purpose)
        return ""

    def _uncounted(self, view: View) -> Iterable[str]:
        if view.profile is None:
            yield f"what the subject did: the intensity is {_name(view.intensity)}"
            return
        for counted, purpose in self._counted.items():
            if purpose not in view.purposes:
                yield f"counters of `{counted}`: {self._why_purpose(view, purpose)}"
        if SERVICE not in view.purposes:
            yield f"all other counters: {self._why_purpose(view, SERVICE)}"

    def _why_purpose(self, view: View, purpose: str) -> str:
        said = view.known.consent(purpose) if view.known is not None else None
        return f"purpose `{purpose}` is not granted" if said is None else f"purpose `{purpose}` was {_name(said)}"

    def seen_types(self, purposes: frozenset[str], codes: Codes) -> Bools:
        """See `View.seen_types`."""
        by_code = {type_code(name): purpose for name, purpose in self._counted.items()}
        return np.array([by_code.get(code, SERVICE) in purposes for code in codes.tolist()], np.bool_)


def _typing(declared: dict[str, TypeName]) -> Callable[[Mapping[str, Value]], dict[str, object]] | None:
    """What gives values as rules see them; None: nothing is declared."""
    if not declared:
        return None
    return partial(typed, declared=declared) if Types is None else Types(declared, {}).typed


def _name(one: Intensity | ConsentState) -> str:
    return one.name.lower()
