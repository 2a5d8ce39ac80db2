"""What nothing uses: segments, items, and scopes that reach nothing."""

from __future__ import annotations

from collections.abc import Iterator

from maitred_server.errors import Mistake
from maitred_server.playbook.control import Scope
from maitred_server.playbook.lint.scene import Scene, some


def unused_segments(scene: Scene) -> Iterator[Mistake]:
    """Segments that no rule, weight or pin asks for, nor any segment that one asks for."""
    uses = {segment.name: scene.rule(segment.plan).uses.segments for segment in scene.control.segments}
    used, fresh = set[str](), set(scene.playbook.mentions.segments)
    while fresh:
        used |= fresh
        fresh = {name for one in fresh for name in uses.get(one, ())} - used
    for name in uses:
        if name not in used:
            yield scene.warning("segments", name, f"segment `{name}` is used by no item and no placement")


def unplaced_items(scene: Scene) -> Iterator[Mistake]:
    """Items that are no candidate anywhere, and no fallback."""
    placed = frozenset[str]().union(*scene.candidates.values())
    placed |= {one.name for plan in scene.playbook.placements for one in plan.fallback}
    left = scene.everything - placed
    if left:
        message = f"{some(left)} {'are' if len(left) > 1 else 'is'} no candidate of any placement"
        yield scene.about_items(left, ("playbook", ""), message)


def beyond_reach(scene: Scene) -> Iterator[Mistake]:
    """What is about no candidate of any placement. Channels are not looked at: a request may name any.

    When no items are known nothing is said.
    """
    for kind, what, name, scope in _scoped(scene) if scene.items else ():
        if not any(scene.reached(scope, placement) for placement in scene.candidates):
            yield scene.warning(kind, name, f"{what} `{name}` has no effect: its `for` reaches no candidate")


def _scoped(scene: Scene) -> Iterator[tuple[str, str, str, Scope]]:
    control = scene.control
    yield from (("rules", "rule", one.name, one.scope) for one in control.rules)
    yield from (("contact_policies", "contact policy", one.name, one.scope) for one in control.contact_policies)
    yield from (("quiet_hours", "quiet hours", one.name, one.scope) for one in control.quiet_hours)
    yield from (("levers", "lever", one.name, one.scope) for one in control.levers)
    yield from (("context_weights", "context weight", one.name, one.scope) for one in control.context_weights)
