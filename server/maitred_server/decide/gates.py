"""The rules that a placement's candidates must meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from maitred_server.decide.ruleset import Guard
from maitred_server.playbook.rules import Gate, ItemColumns
from maitred_server.policy.base import Positions


class Gates(NamedTuple):
    """The rules of a placement's candidates, by channel. `guards` and `times`: the same for people."""

    guards: tuple[Guard, ...]
    times: frozenset[str]  # names that are moments
    columns: ItemColumns
    item_index: Positions  # int32[m]
    everywhere: Gate | None  # in all channels that no rule names; None: no rule is asked there
    by_channel: Mapping[str, Gate]

    def at(self, channel: str) -> Gate | None:
        """The gate of a channel."""
        return self.by_channel.get(channel, self.everywhere)

    def with_columns(self, columns: ItemColumns) -> Gates:
        """The same after prices changed."""
        return self._replace(
            columns=columns,
            everywhere=self.everywhere and self.everywhere.with_columns(columns),
            by_channel={channel: gate.with_columns(columns) for channel, gate in self.by_channel.items()},
        )
