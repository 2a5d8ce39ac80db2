"""The filter of variants."""

from __future__ import annotations

from collections.abc import Sequence

from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.policy.base import Bools


class Fits:
    """Of each item only the variants are open that fit the moment best."""

    name = "variants"

    def open(self, ground: Ground, moment: Moment, taken: Sequence[int]) -> Bools | None:
        return None if ground.fitting is None else ground.fitting.open(moment.ask.context)

    def why(self, ground: Ground, moment: Moment, taken: Sequence[int], row: int) -> list[str]:
        return [] if ground.fitting is None else [ground.fitting.why(moment.ask.context, row)]
