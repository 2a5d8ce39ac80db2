"""`python -m maitred_tools.bench.rules`: what rules cost, ours and the CEL library's, in microseconds of CPU time.

One program of 500 rules and 200 segments: 380 rules ask the subject and the context, 100 ask items, 20 ask both.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

import numpy as np
from cel_expr_python import cel
from google.protobuf import timestamp_pb2
from maitred_server.model import Item, Value
from maitred_server.playbook import rules
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.columns import Frozen
from maitred_server.playbook.draft import Draft
from maitred_server.playbook.rules import Answers, Declarations, Gate, ItemColumns, Program, Rule, typed

NOW = 1_760_000_000_000
DAY = 86_400_000
PEOPLE = 2_000  # more than any cache of the rules keeps
TOWNS = [f"town-{number}" for number in range(40)]
TAGS = [f"tag-{number}" for number in range(30)]
SEGMENTS = tuple(f"segment-{number}" for number in range(200))
DECLARED = Declarations(
    subject={
        **{f"text_{number}": "text" for number in range(10)},
        **{f"number_{number}": "number" for number in range(10)},
        **{f"flag_{number}": "flag" for number in range(5)},
        **{f"time_{number}": "time" for number in range(3)},
        "likes": "texts",
        "budget": "number",
        "town": "text",
    },
    context={"device": "text", "channel": "text", "basket": "number", "town": "text"},
    item={"price": "number", "margin": "number", "town": "text", "tags": "texts", "from": "time", "to": "time"},
    segments=SEGMENTS,
)
# Rules that ask both, one of each.
BOTH = (
    "item.price <= subject.budget",
    "item.price <= subject.number_1",
    "item.price * 1.19 <= context.basket",
    "item.price > subject.number_2 && subject.flag_1",
    "item.margin >= subject.number_3",
    "item.town == subject.town",
    "item.town == context.town || item.price < 5",
    "item.town != subject.text_1",
    "subject.town in item.tags",
    "context.channel in item.groups",
    "subject.likes.exists(like, like in item.tags)",
    "item.tags.exists(tag, tag in subject.likes)",
    "item.from <= now && now < item.to",
    "item.to > subject.time_1",
    "now - item.from < duration('720h')",
    "!(item.town in subject.likes)",
    "item.id in subject.likes || has(item.price)",
    "item.price < subject.budget && 'segment-7' in subject.segments",
    "has(subject.budget) ? item.price < subject.budget : item.price < 20",
    "item.price - subject.number_4 < 10.0",
)


def of_subject(random: Random) -> str:
    """A condition on the subject or the context."""
    number, many = random.randrange(10), random.randrange(100)
    forms = [
        f"subject.text_{number} == 'town-{many % 40}'",
        f"subject.text_{number} in ['town-{many % 40}', 'town-{number}', 'town-3']",
        f"subject.number_{number} >= {many}",
        f"subject.number_{number} < {many}.5",
        f"subject.flag_{number % 5}",
        f"now - subject.time_{number % 3} > duration('{many}h')",
        f"'tag-{many % 30}' in subject.likes",
        f"context.device == 'device-{number}'",
        f"context.basket > {many}",
        f"'segment-{2 * many}' in subject.segments",
        f"has(subject.number_{number})",
        f"now.getHours('Europe/Berlin') < {many % 24}",
    ]
    return random.choice(forms)


def joined(random: Random, one: Callable[[Random], str]) -> str:
    """One to three conditions."""
    parts = [one(random) for _ in range(random.choice([1, 2, 2, 3]))]
    return f" {random.choice(['&&', '&&', '||'])} ".join(parts)


def of_items(random: Random) -> str:
    """A condition on items."""
    many = random.randrange(100)
    forms = [f"item.price < {many}", f"item.town == 'town-{many % 40}'", f"'tag-{many % 30}' in item.tags"]
    return random.choice([*forms, f"item.margin > 0.{many}", "has(item.price)"])


def program(random: Random) -> tuple[Program, list[Rule], list[Rule], float]:
    """The program, its rules and segments, and the milliseconds that it takes to make it of plans."""
    texts = [joined(random, of_subject) for _ in range(380)]
    texts += [joined(random, of_items) for _ in range(100)] + list(BOTH)
    plans = [rules.compile(text, DECLARED).plan for text in texts]
    named = {name: rules.compile(joined(random, of_subject_alone), DECLARED).plan for name in SEGMENTS}
    begin = time.thread_time()
    segments = {name: Rule.from_plan(plan) for name, plan in named.items()}
    made = Program.of(segments, [Rule.from_plan(plan) for plan in plans])
    return made, list(made.rules), list(segments.values()), (time.thread_time() - begin) * 1e3


def of_subject_alone(random: Random) -> str:
    """A condition that uses no segment."""
    while "segments" in (text := of_subject(random)):
        pass
    return text


def subject(random: Random) -> dict[str, Value]:
    """The traits of somebody, of whom now and then something is not known."""
    traits: dict[str, Value] = {
        **{f"text_{number}": random.choice(TOWNS) for number in range(10)},
        **{f"number_{number}": random.random() * 100 for number in range(10)},
        **{f"flag_{number}": random.random() < 0.5 for number in range(5)},
        **{f"time_{number}": NOW - random.randrange(30) * DAY for number in range(3)},
        "likes": tuple(random.sample(TAGS, 4)),
        "budget": random.random() * 100,
        "town": random.choice(TOWNS),
    }
    return {name: value for name, value in traits.items() if random.random() < 0.9}


def context(random: Random) -> dict[str, Value]:
    """The attributes of a request."""
    device, town = f"device-{random.randrange(10)}", random.choice(TOWNS)
    return {"device": device, "channel": "tag-1", "basket": random.random() * 100, "town": town}


def columns(random: Random, items: int) -> ItemColumns:
    """Some items."""
    draft = Draft([_item(random, number) for number in range(items)])
    attributes = draft.attributes
    frozen = Frozen(
        name="",
        description="",
        placements=(),
        layers=(),
        groups=tuple(draft.groups),
        variants=tuple(draft.variants),
        content_types=tuple(draft.content_types),
        number_names=tuple(attributes.number_names),
        text_names=tuple(attributes.text_names),
        texts=tuple(attributes.texts),
        list_names=tuple(attributes.list_names),
    )
    return ItemColumns.of(Catalogue("1", frozen, {**draft.columns(), "placement_actions": np.zeros(0, np.int32)}))


def _item(random: Random, number: int) -> Item:
    attributes: dict[str, Value] = {
        "price": round(random.random() * 100, 2),
        "margin": random.random(),
        "town": random.choice(TOWNS),
        "tags": tuple(random.sample(TAGS, 3)),
        "from": NOW - random.randrange(1000) * DAY // 10,
        "to": NOW + random.randrange(-100, 900) * DAY // 10,
    }
    return Item(f"item-{number:06d}", (random.choice(TAGS),), attributes)


def gate(made: Program, over: ItemColumns, random: Random, share: float) -> Gate:
    """All rules over all items, each guarding a share of them."""
    flags = np.random.default_rng(random.randrange(1000)).random((len(made.rules), over.size)) < share
    guarded = [(number, np.flatnonzero(rows).astype(np.int32)) for number, rows in enumerate(flags)]
    return made.gate(guarded, over, np.arange(over.size, dtype=np.int32))


def micros(run: Callable[[int], object], calls: int, rounds: int = 9) -> float:
    """Microseconds of CPU time a call: the median over the rounds of the mean over the calls, which are numbered."""
    found = []
    for _ in range(rounds):
        begin = time.thread_time()
        for number in range(calls):
            run(number)
        found.append((time.thread_time() - begin) / calls * 1e6)
    return statistics.median(found)


class Asked(NamedTuple):
    """Somebody who asks, typed."""

    subject: dict[str, object]
    context: dict[str, object]


def people(random: Random, count: int) -> list[Asked]:
    """Many who ask."""
    return [
        Asked({**typed(subject(random), DECLARED.subject), "kind": "person"}, typed(context(random), DECLARED.context))
        for _ in range(count)
    ]


def library_micros(made: Program, asked: list[Asked], calls: int) -> float:
    """Microseconds that the library takes for each of the rules that ask no items, over maps."""
    kind = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    env = cel.NewEnv(variables={"subject": kind, "context": kind, "now": cel.Type.TIMESTAMP})
    compiled = [env.compile(rule.expression, disable_check=True) for rule in made.rules if not rule.uses.item]
    activations = [env.Activation(_as_maps(one, made)) for one in asked[:10]]
    each = micros(lambda number: [one.eval(activations[number % 10]) for one in compiled], calls)
    return each / len(compiled)


def _as_maps(one: Asked, made: Program) -> dict[str, Any]:
    names = made.names(made.segments(one.subject, one.context, NOW))
    return {
        "subject": {name: _plain(name, value) for name, value in {**one.subject, "segments": names}.items()},
        "context": dict(one.context),
        "now": timestamp_pb2.Timestamp(seconds=NOW // 1000),
    }


def _plain(name: str, value: Any) -> Any:
    if name.startswith("time_"):
        return timestamp_pb2.Timestamp(seconds=value // 1000)
    return list(value) if isinstance(value, tuple) else value


def measured(sizes: tuple[int, ...], share: float, calls: int) -> Mapping[str, float]:
    """Each figure by its name, microseconds if it does not say otherwise."""
    random = Random(7)  # noqa: S311 - figures that can be had again
    made, listed, _, of_plans = program(random)
    asked = people(random, PEOPLE)
    alone = [rule for rule in listed if not rule.uses.item]
    found = {"program of 700 plans, ms": of_plans}
    found["a rule by the library"] = library_micros(made, asked, max(1, calls // 200))
    found["a rule by itself (matches)"] = micros(
        lambda number: [rule.matches({**asked[number % PEOPLE].subject, "segments": ()}, {}, NOW) for rule in alone],
        max(1, calls // 200),
    ) / len(alone)
    in_segments = [made.segments(one.subject, one.context, NOW) for one in asked]
    found["200 segments"] = micros(lambda n: made.segments(*asked[n % PEOPLE], NOW), calls)
    known = list(zip(asked, in_segments, strict=True))
    found["answers to 500 rules"] = micros(
        lambda n: made.answers(*known[n % PEOPLE][0], NOW, known[n % PEOPLE][1]), calls
    )
    answers = [made.answers(*one, NOW, bits) for one, bits in known]
    for size in sizes:
        found.update(_of_gate(made, columns(random, size), answers, share, calls))
    return found


def _of_gate(made: Program, over: ItemColumns, answers: list[Answers], share: float, calls: int) -> Mapping[str, float]:
    size, random = over.size, Random(7)  # noqa: S311
    begin = time.thread_time()
    opened = gate(made, over, random, share)
    built = (time.thread_time() - begin) * 1e3
    prices = over.numeric("price", "double").values
    return {
        f"gate.open at {size:,} items": micros(lambda number: opened.open(answers[number % PEOPLE]), calls),
        f"gate made at {size:,} items, ms": built,
        f"gate made after prices changed at {size:,} items, ms": micros(
            lambda number: opened.with_columns(over.with_price(prices + number)), 2, 3
        )
        / 1e3,
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="calls of a round")
    parser.add_argument("--share", type=float, default=0.004, help="of the items that each rule guards")
    options = parser.parse_args()
    for name, value in measured((1_000, 10_000), options.share, options.calls).items():
        print(f"{name:55} {value:10.2f}")


if __name__ == "__main__":
    main()
