"""Data directories to measure on: many profiles with a history, and a playbook of a thousand items.

Profiles are built by the store's own code from journal records, as a server would; only the way into the file is
shorter: one sorted bulk load instead of millions of acknowledged events. A directory is made once and used again.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from maitred.v1 import decision_pb2, types_pb2
from maitred_server import admin_client
from maitred_server.model import Entry, Event, Kind, Record, SubjectKey, Trait, Traits, Value
from maitred_server.store import Store
from maitred_server.store.env import DEFAULT_MAP_SIZE, FORMAT, Environment, Txn
from maitred_server.store.profiles import LAYOUT as PROFILE_LAYOUT
from maitred_server.store.profiles import Profile
from maitred_server.store.secrets import KeyDirectory
from maitred_server.subjects.identity import Pseudonyms

from maitred_tools.bench.process import ServerProcess

LAYOUT = 2  # raise it when seeded directories of before must not be used again
BRAND = "default"
GRPCIO, ENVOY = "grpcio", "envoy"
ITEMS = 1_000
GROUPS = 40
PLACEMENT = "bench"
SLOTS = 3
PURCHASE = "purchase"
SHAPES = 500  # different histories; each is had by many subjects
DAY_MS = 86_400_000
FIRST_MS = time.time_ns() // 1_000_000 - 91 * DAY_MS
SEEDED = "seeded"  # the file that says that a directory is whole
STALE_S = 30 * 86_400.0  # histories that end so long ago are made anew
SHOPPERS = 1_000
COMMIT_PROFILES = 25_000
LEARN_TIMEOUT_S = 60.0


def data_directory(
    folder: Path,
    profiles: int,
    done: Callable[[int], None] = lambda count: None,
    files: dict[str, bytes] | None = None,
) -> Path:
    """The data directory with that many profiles, made below `folder` when it is not there. `files`: the playbook to
    publish; None: the plain one.

    `done` is told how many profiles are in. What is published is made anew each time, by the code of today.
    """
    data = made(folder, profiles, done)
    with server(data) as running:
        publish(running.target, files or playbook())
        learned(running.target)
    return data


def made(folder: Path, profiles: int, done: Callable[[int], None] = lambda count: None) -> Path:
    """The data directory with that many profiles, as it was left."""
    data = _folder(folder, profiles)
    if not is_made(folder, profiles):
        shutil.rmtree(data, ignore_errors=True)
        _make(data, profiles, done)
        (data / SEEDED).touch()
    done(profiles)
    return data


def is_made(folder: Path, profiles: int) -> bool:
    """Whether that data directory is there, and not too old."""
    finished = _folder(folder, profiles) / SEEDED
    return finished.exists() and time.time() - finished.stat().st_mtime <= STALE_S


def _folder(folder: Path, profiles: int) -> Path:
    return folder / f"data-{LAYOUT}.{FORMAT}.{PROFILE_LAYOUT}-{profiles}"


def server(
    data: Path, front: str = GRPCIO, workers: int = 1, environment: Mapping[str, str] | None = None
) -> ServerProcess:
    """The real server on a data directory, on any free port."""
    settings = ["--data", str(data), "--listen", "127.0.0.1:0", "--metrics", "", "--set", "drain_s=0"]
    more = [] if front == GRPCIO else ["--front", front]
    return ServerProcess("maitred_server", ["serve", *settings, "--workers", str(workers), *more], environment)


def _make(data: Path, profiles: int, done: Callable[[int], None]) -> None:
    keys = KeyDirectory(data / "keys")
    keys.prepare()
    pseudonyms = Pseudonyms(keys.pseudonym_key())
    Store.open(data).close()
    _load(data, stored_profiles(profiles, pseudonyms), done)
    _sell(data, pseudonyms)


def _load(data: Path, stored: Iterator[tuple[SubjectKey, bytes]], done: Callable[[int], None]) -> None:
    environment = Environment.open(data / "store", DEFAULT_MAP_SIZE, read_only=False, allow_overlay=None)
    loaded = 0
    try:
        while part := list(islice(stored, COMMIT_PROFILES)):
            environment.write(_appending(environment, part))
            loaded += len(part)
            done(loaded)
    finally:
        environment.close()


def _appending(environment: Environment, part: Iterable[tuple[SubjectKey, bytes]]) -> Callable[[Txn], None]:
    def append(transaction: Txn) -> None:
        for key, value in part:
            transaction.put(key, value, db=environment.databases.profiles, append=True)

    return append


def _sell(data: Path, pseudonyms: Pseudonyms) -> None:
    """Purchases in the journal, so that the learner knows what is popular."""
    chance = random.Random(3)  # noqa: S311
    shoppers = [pseudonyms.subject_key(BRAND, Kind.PERSON, f"shopper-{number}") for number in range(SHOPPERS)]
    with Store.open(data) as store:
        sold = [store.submit([_sale(key, chance) for _ in range(5)]) for key in shoppers]
        for future in sold:
            future.result()


def _sale(key: SubjectKey, chance: random.Random) -> Entry:
    return Entry(Record(key, Kind.PERSON, FIRST_MS, FIRST_MS, _purchase(_favourite(chance))))


def publish(target: str, files: dict[str, bytes]) -> None:
    """Put a playbook in force on a server. Raises MaitredError."""
    with TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        admin_client.publish(target, None, Path(folder), "bench", dry_run=False)


def learned(target: str) -> None:
    """Wait until the learner has read the whole journal. Raises TimeoutError."""
    until = time.monotonic() + LEARN_TIMEOUT_S
    while admin_client.status(target, None)["learner_lag"] > 0:
        if time.monotonic() > until:
            raise TimeoutError("the learner did not read the journal in time")
        time.sleep(0.1)


def item(number: int) -> str:
    """The id of an item."""
    return f"item-{number:04}"


def group(number: int) -> str:
    """The group of an item."""
    return f"group-{number % GROUPS:02}"


def subject(number: int) -> str:
    """The id of a subject."""
    return f"subject-{number}"


def playbook() -> dict[str, bytes]:
    """One placement with a thousand candidates, served by `habit`."""
    return {
        "playbook.yaml": b"name: bench\n",
        "placements.yaml": (
            f"placements:\n- {{name: {PLACEMENT}, slots: {SLOTS}, policy: habit, counts: {PURCHASE}}}\n".encode()
        ),
        "groups.yaml": ("groups:\n" + "".join(f"- id: {group(number)}\n" for number in range(GROUPS))).encode(),
        "items.jsonl": items(ITEMS),
    }


def items(count: int) -> bytes:
    """The lines of so many items."""
    return "\n".join(map(_item_line, range(count))).encode()


def _item_line(number: int) -> str:
    content = {"title": f"Item {number}", "image": f"images/{number}.webp", "text": "Fresh today, at your shop."}
    attributes = {"price": round(0.5 + number % 97 / 7, 2), "colour": ("red", "green", "blue")[number % 3]}
    line = {"id": item(number), "groups": [group(number)], "attributes": attributes, "variants": [{"content": content}]}
    return json.dumps(line, separators=(",", ":"))


def histories(seed: int = 7) -> list[Profile]:
    """Profiles as the store makes them from records: a dozen items bought in twenty purchases, four traits."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    return [Profile.empty(Kind.PERSON).with_records(_records(chance)) for _ in range(SHAPES)]


def _records(chance: random.Random) -> list[tuple[int, Record]]:
    favourites = [_favourite(chance) for _ in range(12)]
    times = sorted(FIRST_MS + chance.randrange(90 * DAY_MS) for _ in range(20))
    bought = [_record(at, _purchase(chance.choice(favourites))) for at in times]
    return list(enumerate([_record(FIRST_MS, _traits(chance)), *bought], start=1))


def _favourite(chance: random.Random) -> int:
    """Some items are bought far more often than others."""
    return int(ITEMS * chance.random() ** 2)


def _record(at: int, body: Event | Traits) -> Record:
    return Record(b"", Kind.PERSON, at, at, body, source="bench", touchpoint="till")


def _purchase(number: int) -> Event:
    return Event(PURCHASE, item(number), groups=(group(number),), value=2.5)


def _traits(chance: random.Random) -> Traits:
    values: dict[str, Value] = {
        "age": float(chance.randrange(18, 90)),
        "city": chance.choice(["Ghent", "Lyon", "Porto"]),
        "loyal": chance.random() < 0.5,
        "likes": ("bread", "tea"),
    }
    return Traits(tuple(Trait(name, value, observed_at=FIRST_MS) for name, value in values.items()))


def stored_profiles(profiles: int, pseudonyms: Pseudonyms) -> Iterator[tuple[SubjectKey, bytes]]:
    """Key and bytes of each profile as the store keeps them, in the order of their keys."""
    shapes = histories()
    keys = sorted(pseudonyms.subject_key(BRAND, Kind.PERSON, subject(number)) for number in range(profiles))
    return ((key, shapes[int.from_bytes(key[-2:], "big") % SHAPES].encode(key)) for key in keys)


def asked(profiles: int, count: int, seed: int = 11) -> list[int]:
    """The numbers of subjects drawn at random from all."""
    chance = random.Random(seed)  # noqa: S311
    return [chance.randrange(profiles) for _ in range(count)]


def requests(profiles: int, count: int, seed: int = 11) -> list[bytes]:
    """Serialized Decide requests for subjects drawn at random from all."""
    return [request(number).SerializeToString() for number in asked(profiles, count, seed)]


def request(number: int, placements: Sequence[str] = (PLACEMENT,), slots: int = SLOTS) -> decision_pb2.DecideRequest:
    """What is asked for a subject."""
    return decision_pb2.DecideRequest(
        subject=types_pb2.Subject(kind=types_pb2.SUBJECT_KIND_PERSON, id=subject(number)),
        context={"store": types_pb2.Value(text="330"), "device": types_pb2.Value(text="till")},
        placements=[decision_pb2.PlacementRequest(placement=name, slots=slots) for name in placements],
    )
