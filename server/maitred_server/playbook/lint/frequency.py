"""Contact policies that can never bind, and that count what nothing is declared as."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from maitred_server.errors import Mistake
from maitred_server.playbook.control import ContactPolicy, Scope
from maitred_server.playbook.lint.scene import Scene
from maitred_server.playbook.words import duration
from maitred_server.store.keys import EXPOSURE_TYPE


def never_binding(scene: Scene) -> Iterator[Mistake]:
    """Policies that another one is always ahead of."""
    policies = scene.control.contact_policies
    for number, policy in enumerate(policies):
        covering = [(at, other) for at, other in enumerate(policies) if at != number and _covers(other, policy)]
        why = next((said for at, other in covering if (said := _ahead(other, policy, at < number))), "")
        if why:
            message = f"contact policy `{policy.name}` can never bind: {why}"
            yield scene.warning("contact_policies", policy.name, message)


def _covers(other: ContactPolicy, policy: ContactPolicy) -> bool:
    """Whether it holds for all that the policy holds for, and counts no less."""
    same = other.counts == policy.counts and other.per == policy.per
    return same and other.scope in (policy.scope, Scope())


def _ahead(other: ContactPolicy, policy: ContactPolicy, is_first: bool) -> str:
    """Why the other always binds before the policy would; "" when it may not."""
    if _terms(other) == _terms(policy):
        return f"`{other.name}` is the same" if is_first or other.scope != policy.scope else ""
    stricter = other.most <= policy.most and other.window_ms >= policy.window_ms
    if stricter and other.suppress_ms >= policy.suppress_ms:
        return f"`{other.name}` allows {_allowance(other)}, which is stricter"
    if policy.counts == EXPOSURE_TYPE and policy.per == "item" and _most_in(other, policy.window_ms) < policy.most:
        never = f"{policy.most:,} in {duration(policy.window_ms)}"
        return f"`{other.name}` allows {_allowance(other)}, so that it never comes to {never}"
    return ""


def _terms(policy: ContactPolicy) -> tuple[int, int, int]:
    return policy.most, policy.window_ms, policy.suppress_ms


def _most_in(policy: ContactPolicy, window_ms: int) -> int:
    """How many it can allow in a window of another length: so many in each of its own that are needed to cover it."""
    return -(-window_ms // policy.window_ms) * policy.most


def _allowance(policy: ContactPolicy) -> str:
    rest = f", then nothing for {duration(policy.suppress_ms)}" if policy.suppress_ms else ""
    return f"{policy.most:,} in {duration(policy.window_ms)}{rest}"


def unknown_counts(scene: Scene) -> Iterator[Mistake]:
    """Policies that count what is nearly, and not quite, something that is counted."""
    known = {EXPOSURE_TYPE, *(event.type for event in scene.control.events)}
    known |= {plan.counts for plan in scene.playbook.placements}
    for policy in scene.control.contact_policies:
        near = get_close_matches(policy.counts, known, n=1, cutoff=0.8)
        if policy.counts not in known and near:
            message = f"contact policy `{policy.name}` counts `{policy.counts}`; did you mean `{near[0]}`?"
            yield scene.warning("contact_policies", policy.name, message)
