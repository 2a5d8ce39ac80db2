"""`python -m maitred_tools.bench.twins`: the same decisions with what was compiled and without it, compared in full.

Each way decides in a process of its own, at the same moment, from the same seeds and data directory, which
`maitred_tools.bench` left. Names, reasons, features and what is left of contact policies must be equal; of numbers with
a point the last bits may differ.
"""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from maitred_server import compiled
from maitred_server.decide.answer import Answer
from maitred_server.decide.ask import Ask
from maitred_server.decide.pipeline import Pipeline, wall_clock
from maitred_server.decide.receipt import Sealer
from maitred_server.decide.worlds import Worlds
from maitred_server.model import Kind
from maitred_server.store import Store
from maitred_server.store.secrets import KeyDirectory
from maitred_server.subjects.identity import Pseudonyms
from rich.console import Console

from maitred_tools.bench import places, seed
from maitred_tools.throwaway import accept_any_disk

PURE: Final = "MAITRED_PURE_PYTHON"
CLOSE: Final = 1e-9
CONTEXTS: Final[tuple[dict[str, str], ...]] = ({"store": "330", "device": "till"}, {"store": "12", "device": "web"}, {})


def main(
    data: Annotated[Path, typer.Option(help="A data directory to decide from, in which nobody works")],
    decisions: Annotated[int, typer.Option(min=1, help="How many to compare")] = 2_000,
    profiles: Annotated[int, typer.Option(min=1, help="How many subjects the store has; as many more are new")] = 1_000,
    at: Annotated[int, typer.Option(help="The moment, ms since 1970; 0: now")] = 0,
    worker: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Compare; status 1 when anything differs, or nothing was compiled here."""
    accept_any_disk()
    if worker:
        work(data, decisions, profiles, at)
        return
    out = Console()
    if not compiled.built():
        out.print("nothing was compiled here")
        raise typer.Exit(1)
    found = differing(data, decisions, profiles, at)
    for line in found[:10]:
        out.print(line, soft_wrap=True, markup=False, highlight=False)
    out.print(f"{decisions:,} decisions, {len(found):,} differ")
    raise typer.Exit(1 if found else 0)


def differing(data: Path, decisions: int, profiles: int, at: int = 0) -> list[str]:
    """What differs, a line for each decision."""
    moment = at or wall_clock()
    mine, pure = (_told(data, decisions, profiles, moment, value) for value in ("0", "1"))
    assert len(mine) == len(pure) == decisions
    pairs = enumerate(zip(mine, pure, strict=True))
    return [f"{number}: {where}" for number, (one, other) in pairs if (where := difference(one, other))]


def difference(one: Any, other: Any, where: str = "") -> str:
    """Where two JSON values differ first, and how; "": nowhere."""
    if isinstance(one, float) and isinstance(other, float):
        same = math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE) or (math.isnan(one) and math.isnan(other))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        found = (difference(*pair, f"{where}/{at}") for at, pair in enumerate(zip(one, other, strict=True)))
        return next(filter(None, found), "")
    else:
        same = type(one) is type(other) and one == other
    return "" if same else f"{where}: compiled {one!r}, not compiled {other!r}"


def _told(data: Path, decisions: int, profiles: int, at: int, pure: str) -> list[Any]:
    command = [sys.executable, "-m", "maitred_tools.bench.twins", "--worker", "--data", str(data)]
    command += ["--decisions", str(decisions), "--profiles", str(profiles), "--at", str(at)]
    ended = subprocess.run(command, env=os.environ | {PURE: pure}, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def work(data: Path, decisions: int, profiles: int, at: int) -> None:
    """Decide, and print each decision on a line."""
    keys, worlds = KeyDirectory(data / "keys"), Worlds(data)
    worlds.poll()
    pseudonyms = Pseudonyms(keys.pseudonym_key())
    store: Any = Store.open(data, read_only=True)
    with closing(store):
        sealer = Sealer(keys.sealing(), keys.find)
        pipeline = Pipeline(store, worlds.world, sealer, lambda: at, _entropy())
        for ask in _asks(pseudonyms, decisions, profiles):
            answer = pipeline.decide(ask)
            print(json.dumps(_in_full(answer, sealer)))


def _entropy() -> Callable[[int], bytes]:
    numbers = count()
    return lambda size: random.Random(next(numbers)).randbytes(size)  # noqa: S311


def _asks(pseudonyms: Pseudonyms, decisions: int, profiles: int) -> Iterator[Ask]:
    chance = random.Random(5)  # noqa: S311
    names = [places.HABIT, *map(places.placement, places.SIZES)]
    for number in range(decisions):
        subject = pseudonyms.subject_key(seed.BRAND, Kind.PERSON, seed.subject(chance.randrange(2 * profiles)))
        wanted = [(name, chance.choice((0, 1, 3, 5))) for name in chance.sample(names, 1 if number % 4 else 2)]
        context = chance.choice(CONTEXTS)
        yield Ask(seed.BRAND, subject, Kind.PERSON, {Kind.PERSON: subject}, wanted, context=context)


def _in_full(answer: Answer, sealer: Sealer) -> Sequence[Any]:
    receipt = sealer.open(answer.receipt)
    return [_plain(answer.decisions), _plain(receipt)]


def _plain(value: Any) -> Any:
    """As JSON has it: structs and tuples are lists, bytes are hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float | int | str | None):
        return value
    if isinstance(value, dict):
        return [_plain(pair) for pair in value.items()]
    if isinstance(value, list | tuple | frozenset | set):
        return [_plain(one) for one in value]
    return [_plain(getattr(value, name)) for name in value.__struct_fields__]


if __name__ == "__main__":
    typer.run(main)
