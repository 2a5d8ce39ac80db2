"""The playbook's rules as a filter, and what each of them says, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple, get_args

from maitred_server.decide.gates import Gates
from maitred_server.decide.ground import Ground
from maitred_server.decide.moment import Moment
from maitred_server.decide.rulebook import subject_of
from maitred_server.playbook.control import Layer
from maitred_server.playbook.control import Rule as Written
from maitred_server.playbook.rules import Rule, RuleFailure
from maitred_server.policy.base import Bools

LAYERS: Final[tuple[Layer, ...]] = get_args(Layer)


class Refusal(NamedTuple):
    """A rule that does not hold of a candidate. `saw`: each value that it names; `failure`: why it has no answer."""

    written: Written
    saw: tuple[str, ...]
    failure: str = ""

    def __str__(self) -> str:
        rule = self.written
        why = f" ({rule.why})" if rule.why else ""
        failed = f"; it cannot be answered: {self.failure}" if self.failure else ""
        return f"{rule.layer} rule `{rule.name}`{why} does not hold: {rule.expression}; {', '.join(self.saw)}{failed}"


class Rules:
    """Nothing is shown that is not eligible, applicable and suitable: all layers at once."""

    name = "rules"

    def open(self, ground: Ground, moment: Moment, taken: Sequence[int]) -> Bools | None:
        gates = ground.gate
        if gates is None or moment.answers is None:
            return None
        gate = gates.at(ground.channel(moment.ask.context)) if gates.by_channel else gates.everywhere
        return None if gate is None else gate.open(moment.answers)

    def why(self, ground: Ground, moment: Moment, taken: Sequence[int], row: int) -> list[str]:
        return [str(refusal) for refusal in refusals(ground, moment, row)]

    def closed_by_layer(self, ground: Ground, moment: Moment, row: int) -> dict[Layer, list[str]]:
        """The same by layer; layers that close nothing have no entry."""
        found: dict[Layer, list[str]] = {}
        for refusal in refusals(ground, moment, row):
            found.setdefault(refusal.written.layer, []).append(str(refusal))
        return {layer: found[layer] for layer in LAYERS if layer in found}


def refusals(ground: Ground, moment: Moment, row: int) -> Iterator[Refusal]:
    """The rules that close a row, in the playbook's order."""
    gates, channel = ground.gate, ground.channel(moment.ask.context)
    gate = gates.at(channel) if gates else None
    if gates is None or gate is None or moment.answers is None:
        return
    said = dict(gate.verdicts(moment.answers, row))
    for guard in gates.guards:
        verdict = said.get(guard.number, True)
        if verdict is not True and guard.is_at(channel) and row in guard.rows:
            failure = verdict.message if isinstance(verdict, RuleFailure) else ""
            yield Refusal(guard.written, tuple(_saw(guard.rule, gates, moment, row)), failure)


def _saw(rule: Rule, gates: Gates, moment: Moment, row: int) -> Iterator[str]:
    """Each name of a rule with its value, as the rule saw it."""
    subject, context = subject_of(moment), moment.view.context
    item = gates.columns.row(int(gates.item_index[row]), rule.item_types)
    for root, names, values in (
        ("subject", rule.uses.subject - {"segments"}, subject),
        ("context", rule.uses.context, context),
        ("item", rule.uses.item, item),
    ):
        for name in sorted(names):
            full = f"{root}.{name}"
            yield f"{full} is {_shown(values.get(name), full in gates.times)}"
    for name in sorted(rule.uses.segments):
        yield f"the subject is {'' if name in moment.segments else 'not '}in segment `{name}`"
    if rule.uses.now:
        yield f"now is {_shown(moment.now, True)}"


def _shown(value: object, is_time: bool) -> str:
    if value is None:
        return "absent"
    if is_time and isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, tuple):
        value = list(value)
    return json.dumps(value, ensure_ascii=False)
