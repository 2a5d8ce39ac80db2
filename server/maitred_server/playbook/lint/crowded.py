"""A warning that needs data: values of traits that share columns of features, so that they are learned as one."""

from __future__ import annotations

from collections.abc import Iterator

from maitred_server.errors import Mistake
from maitred_server.model import Trait
from maitred_server.playbook.control import Learning
from maitred_server.playbook.lint.observed import ReadProfile, Seen
from maitred_server.playbook.lint.scene import Scene
from maitred_server.policy.told import collisions, values

_ROOT = "subject."
_MOST_NAMED = 2  # together, in one warning


def crowded(scene: Scene, seen: Seen, profile: ReadProfile) -> Iterator[Mistake]:
    """Placements that learn from traits of which values meet in a column, in the sampled subjects' profiles."""
    learned = [one for one in scene.control.learning if one.traits]
    if not learned:
        return
    traits = [trait for subject in seen.subjects if (found := profile(subject)) for trait in found.traits.values()]
    for learning in learned:
        pairs = _pairs(learning, traits)
        if shared := collisions(pairs, learning.hashed):
            named = " and ".join(f"`{name}` {value}" for name, value in shared[0][:_MOST_NAMED])
            message = (
                f"placement `{learning.placement}`: of {len(pairs):,} values of its `traits` "
                f"{sum(map(len, shared)):,} share a column of {learning.hashed} with others, e.g. {named}"
            )
            yield scene.warning("placements", learning.placement, message)


def _pairs(learning: Learning, traits: list[Trait]) -> list[tuple[str, str]]:
    names = {name.removeprefix(_ROOT) for name in learning.traits if name.startswith(_ROOT)}
    found = (trait for trait in traits if trait.name in names and trait.value is not None)
    return sorted({(f"{_ROOT}{trait.name}", value) for trait in found for value in values(trait.value)})
