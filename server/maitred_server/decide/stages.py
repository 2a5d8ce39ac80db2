"""The filters of a placement one after the other: which candidates each of them leaves, and why it closes others.

Rules are told apart by layer. For explanations; decisions ask all filters at once (see `filters.open_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from maitred_server.decide import filters
from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.rule_filter import LAYERS, Rules
from maitred_server.decide.world import World
from maitred_server.playbook.control import Layer
from maitred_server.policy.base import Bools

Places: TypeAlias = npt.NDArray[np.int64]


class Mesh(NamedTuple):
    """One filter, or one layer of the rules."""

    name: str
    opened: Bools | None  # bool[m]; None: it closes nothing
    why: Callable[[int], list[str]]  # of a row that it closes

    def closes(self, row: int) -> bool:
        """Whether it closes a row."""
        return self.opened is not None and not self.opened[row]


class Sieve:
    """All of them, in their order. Of m candidates."""

    def __init__(self, meshes: Sequence[Mesh], size: int) -> None:
        self._meshes = meshes
        self.names = [mesh.name for mesh in meshes]
        self.fell: Places = np.full(size, len(meshes))  # int64[m]: the first that closes a row; len(names): none
        for at in reversed(range(len(meshes))):
            opened = meshes[at].opened
            if opened is not None:
                self.fell[~opened] = at

    def left(self) -> list[int]:
        """How many candidates are open after each."""
        closed = np.bincount(self.fell, minlength=len(self._meshes) + 1)[: len(self._meshes)]
        left: list[int] = (len(self.fell) - closed.cumsum()).tolist()
        return left

    def why(self, row: int) -> list[str]:
        """Why a closed row is closed, in words: where it fell first, then where it would have fallen too."""
        first = int(self.fell[row])
        later = [mesh for mesh in self._meshes[first + 1 :] if mesh.closes(row)]
        also = [f"{mesh.name} would close it too: {reason}" for mesh in later for reason in mesh.why(row)]
        return [*self._meshes[first].why(row), *also]


def sieve(world: World, ground: Ground, moment: Moment, taken: Sequence[int]) -> Sieve:
    """Of a placement at one moment. `taken`: see `filters.Filter`."""
    return Sieve(list(_meshes(world, ground, moment, taken)), len(ground.actions))


def _meshes(world: World, ground: Ground, moment: Moment, taken: Sequence[int]) -> Iterator[Mesh]:
    for one in filters.FILTERS:
        if isinstance(one, Rules):
            for layer in LAYERS:
                yield Mesh(layer, _open(world, ground, moment, layer), partial(_why, one, ground, moment, layer))
        elif isinstance(one, filters.Available):
            yield Mesh(one.name, ground.available, partial(_unavailable, world, ground))
        else:
            yield Mesh(one.name, one.open(ground, moment, taken), partial(one.why, ground, moment, taken))


def _unavailable(world: World, ground: Ground, row: int) -> list[str]:
    if world.overlay.stock[ground.actions[row]] == 0:
        return ["it, or one of its groups, is out of stock"]
    return ["it, or one of its groups, is paused or killed"]


def _open(world: World, ground: Ground, moment: Moment, layer: Layer) -> Bools | None:
    if ground.gate is None or moment.answers is None:
        return None
    gate = world.rulebook.gate_of(ground.gate, layer, ground.channel(moment.ask.context))
    return None if gate is None else gate.open(moment.answers)


def _why(rules: Rules, ground: Ground, moment: Moment, layer: Layer, row: int) -> list[str]:
    return rules.closed_by_layer(ground, moment, row).get(layer, [])
