"""`maitred import`: each row counts once, whatever is killed, sent again or wrong."""

from __future__ import annotations

import errno
import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.server import Running, purchase
from maitred_server.errors import MaitredError
from maitred_server.importing import local, runner
from maitred_server.importing.plan import Asked
from maitred_server.importing.report import Summary
from maitred_server.importing.runner import Target
from maitred_server.model import Consents, Event, Kind, Record, SubjectKey, Traits
from maitred_server.store import Store
from maitred_server.store.secrets import KeyDirectory
from maitred_server.subjects.identity import Pseudonyms

MAY = 1_714_557_600_000
MAP_SIZE = 256 << 20
SUBJECTS = 40

# Imports with small parts and batches, and says each step.
IMPORTER = """
import sys
from pathlib import Path
from maitred_server.importing import local, runner, sources
from maitred_server.importing.plan import Asked
local.BATCH, sources.PART_BYTES = 20, 5_000
class Steps:
    def stage(self, what, total): print(what, flush=True)
    def at(self, done, said): print(done, flush=True)
asked = Asked("events", Path(sys.argv[1]), remember_ids=sys.argv[3] == "ids")
runner.run(asked, runner.Target(Path(sys.argv[2]), "default", 256 << 20), Steps())
print("done", flush=True)
"""


class Quiet:
    """Nobody looks."""

    def stage(self, what: str, total: int) -> None: ...

    def at(self, done: int, said: str) -> None: ...


@pytest.fixture(autouse=True)
def _any_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAITRED_ALLOW_OVERLAY", "1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def event(number: int, **more: Any) -> dict[str, Any]:
    """The subject is drawn by the number, so that subjects come mixed."""
    subject = f"s{random.Random(number).randrange(SUBJECTS)}"
    return {"subject": subject, "type": "view", "item": f"I{number}", "time": MAY + number} | more


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" if isinstance(row, dict) else f"{row}\n" for row in rows))
    return path


def imported(data: Path, file: Path, kind: str = "events", **more: Any) -> Summary:
    return runner.run(Asked(kind, file, **more), Target(data, "default", MAP_SIZE), Quiet())


def journal(data: Path) -> list[Record]:
    with Store.open(data, read_only=True) as store:
        assert store.audit().sound
        return [record for _, record in store.read_journal(0, 1_000_000)]


def by_subject(records: list[Record]) -> dict[SubjectKey, list[str]]:
    found: dict[SubjectKey, list[str]] = defaultdict(list)
    for record in records:
        assert isinstance(record.body, Event)
        found[record.subject].append(record.body.item)
    return found


def expected(data: Path, rows: list[dict[str, Any]]) -> dict[SubjectKey, list[str]]:
    """Each subject's items in the order of the file."""
    key = subject_keys(data)
    found: dict[SubjectKey, list[str]] = defaultdict(list)
    for row in rows:
        found[key(row["subject"])].append(row["item"])
    return found


def subject_keys(data: Path) -> Any:
    pseudonyms = Pseudonyms(KeyDirectory(data / "keys").pseudonym_key())
    return lambda subject: pseudonyms.subject_key("default", Kind.PERSON, subject)


def test_each_row_is_recorded_once_in_the_subjects_order(data: Path, tmp_path: Path) -> None:
    """All rows are in the journal, under pseudonyms, those of a subject in the file's order; again adds nothing."""
    rows = [event(number) for number in range(3_000)]
    file = written(tmp_path / "e.jsonl", rows)
    first = imported(data, file)
    assert (first.rows, first.accepted, first.rejected, first.imported_before) == (3_000, 3_000, 0, False)
    assert by_subject(journal(data)) == expected(data, rows)
    again = imported(data, file.rename(tmp_path / "other-name.jsonl"))
    assert (again.accepted, again.before, again.imported_before) == (0, 3_000, True)
    assert len(journal(data)) == 3_000


def test_with_several_processes_it_is_the_same(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is read by other processes, in many parts, gives the same journal, rejects and order."""
    monkeypatch.setattr(local, "SMALL", 0)
    monkeypatch.setattr("maitred_server.importing.sources.PART_BYTES", 10_000)
    rows = [event(number) for number in range(3_000)]
    summary = imported(data, written(tmp_path / "e.jsonl", [*rows[:2_000], "bad", *rows[2_000:]]))
    assert (summary.rows, summary.accepted, summary.rejected) == (3_001, 3_000, 1)
    assert by_subject(journal(data)) == expected(data, rows)
    assert json.loads((tmp_path / "e.jsonl.rejects.jsonl").read_text())["line"] == 2_001


def lost_files(data: Path, pattern: str) -> None:
    """Someone cleans up what an import left."""
    for path in (data / "import").glob(f"*/{pattern}"):
        path.unlink()


@pytest.mark.parametrize(
    ("ids", "cleaned"),
    [("no", ""), ("ids", "*"), ("no", "staged"), ("ids", "state.json")],
    ids=["kept", "all-cleaned", "staging-cleaned", "state-cleaned"],
)
def test_killed_again_and_again_it_loses_and_doubles_nothing(
    data: Path, tmp_path: Path, ids: str, cleaned: str
) -> None:
    """Killed with -9 at random steps of reading and recording, it goes on; also when its own files are gone."""
    rows = [event(number, event_id=f"id-{number}") for number in range(1_600)]
    file = written(tmp_path / "e.jsonl", rows)
    rng = random.Random(f"{ids}{cleaned}")
    kills = [rng.randrange(0, 8), rng.randrange(8, 25), rng.randrange(12, 25), rng.randrange(8, 20)]
    unfinished = 0
    for steps in kills:
        with started(file, data, ids) as process:
            said = list(steps_of(process, steps))
            process.kill()
        unfinished += "done" not in said
        if cleaned:
            lost_files(data, cleaned)
    assert unfinished >= 2  # the later ones may come too late
    with started(file, data, ids) as process:
        assert list(steps_of(process, 1_000))[-1] == "done"
    assert by_subject(journal(data)) == expected(data, rows)


def started(file: Path, data: Path, ids: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", IMPORTER, str(file), str(data), ids], stdout=subprocess.PIPE, text=True
    )


def steps_of(process: subprocess.Popen[str], count: int) -> Iterator[str]:
    assert process.stdout is not None
    for _ in range(count):
        line = process.stdout.readline().strip()
        if not line:
            break
        yield line


def test_without_its_marks_a_second_run_would_double(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests above can fail: with nothing that tells the files apart, a second import counts again."""
    file = written(tmp_path / "e.jsonl", [event(number) for number in range(10)])
    imported(data, file)
    imported(data, file, source_id="another")
    assert len(journal(data)) == 20


def test_another_mapping_is_refused_for_the_same_file(data: Path, tmp_path: Path) -> None:
    """What was read in one way is not gone on with in another: it says so and records nothing."""
    file = written(tmp_path / "e.jsonl", [event(number) for number in range(10)])
    imported(data, file)
    with pytest.raises(MaitredError, match="another mapping or other options"):
        imported(data, file, touchpoint="web")
    assert len(journal(data)) == 10


def test_bad_rows_go_to_a_private_file(data: Path, tmp_path: Path) -> None:
    """Rejects have line, field, reason and text; only the owner can read them; the other rows are recorded."""
    file = written(tmp_path / "e.jsonl", [event(1), event(2, time="soon"), "{", event(3)])
    old = tmp_path / "e.jsonl.rejects.jsonl"
    old.write_text("of before, readable by all")
    old.chmod(0o644)
    summary = imported(data, file)
    assert (summary.accepted, summary.rejected, summary.rejects_file) == (2, 2, str(old))
    rejects = [json.loads(line) for line in old.read_text().splitlines()]
    assert [(one["line"], one["field"], one["text"]) for one in rejects] == [
        (2, "time", json.dumps(event(2, time="soon"))),
        (3, "", "{"),
    ]
    assert old.stat().st_mode & 0o777 == 0o600


def test_too_many_bad_rows_stop_it_before_anything_is_recorded(data: Path, tmp_path: Path) -> None:
    """With more bad rows than allowed nothing of the file is recorded; with the rows made right it is."""
    file = written(tmp_path / "e.jsonl", [event(1), "x", "y"])
    with pytest.raises(MaitredError, match="more than 1 bad rows"):
        imported(data, file, max_rejects=1)
    assert journal(data) == []
    assert len((tmp_path / "e.jsonl.rejects.jsonl").read_text().splitlines()) == 2
    assert imported(data, file, max_rejects=2).accepted == 1


def test_own_ids_are_known_in_other_files(data: Path, tmp_path: Path) -> None:
    """With --remember-ids an event of the same source, id and time counts once over all files; others count."""
    one = written(tmp_path / "1.jsonl", [event(1, event_id="a"), event(2, event_id="b"), event(3)])
    other = [event(1, event_id="a"), event(2, event_id="b", time=MAY), event(1, event_id="a", source="shop"), event(3)]
    two = written(tmp_path / "2.jsonl", other)
    first = imported(data, one, remember_ids=True)
    again = imported(data, two, remember_ids=True)
    assert (first.accepted, again.accepted, again.duplicates) == (3, 3, 1)
    with Store.open(data, map_size=MAP_SIZE) as store:
        assert store.forget_foreign(MAY + 2 * 365 * 86_400_000).result() == 0
        assert store.forget_foreign(MAY + 4 * 365 * 86_400_000).result() == 4


def test_an_id_that_is_a_uuid_of_version_7_is_the_events_everywhere(data: Path, tmp_path: Path) -> None:
    """What came over the wire with a foreign id is known when it comes in a file, and the other way round."""
    ids = [
        f"{MAY + number:012x}"[:8] + "-" + f"{MAY + number:012x}"[8:] + "-774b-bcce-b302099a8057" for number in (1, 2)
    ]
    running = Running(data)
    try:
        running.record(purchase("s1", 0, "A", foreign_id=ids[0], occurred_at_ms=MAY))
        summary = imported(data, written(tmp_path / "e.jsonl", [event(1, event_id=ids[0]), event(2, event_id=ids[1])]))
        assert (summary.accepted, summary.duplicates) == (1, 1)
        result = running.record(purchase("s1", 0, "A", foreign_id=ids[1], occurred_at_ms=MAY))
        assert (result.accepted, result.duplicates) == (0, 1)
    finally:
        running.stop()


def test_what_an_erased_subject_did_before_stays_out(data: Path, tmp_path: Path) -> None:
    """Rows older than the erasure of their subject are left out and counted; what came after is taken."""
    imported(data, written(tmp_path / "1.jsonl", [event(1, subject="anna")]))
    key = subject_keys(data)("anna")
    with Store.open(data, map_size=MAP_SIZE) as store:
        store.delete(key, MAY + 100).result()
    late = [event(50, subject="anna"), event(150, subject="anna"), event(60, subject="bert")]
    summary = imported(data, written(tmp_path / "2.jsonl", late))
    assert (summary.accepted, summary.erased) == (2, 1)
    with Store.open(data, read_only=True) as store:
        profile = store.profile(key)
        assert profile is not None
        assert profile.totals["event"] == 1


def test_profiles_become_traits_and_consents(data: Path, tmp_path: Path) -> None:
    """A CSV of profiles gives two records a row, each with its source."""
    file = tmp_path / "p.csv"
    file.write_text("subject,traits.city,consents.email\nanna,Ghent,granted\nbert,Lyon,\n")
    summary = imported(data, file, "profiles", source="crm")
    assert (summary.rows, summary.accepted) == (2, 3)
    kinds = [type(record.body) for record in journal(data)]
    assert (kinds.count(Traits), kinds.count(Consents)) == (2, 1)
    assert {record.source for record in journal(data)} == {"crm"}


def test_events_from_parquet(data: Path, tmp_path: Path) -> None:
    """A Parquet file of events is recorded like any other."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [event(number) for number in range(50)]
    table = pyarrow.Table.from_pylist(rows)
    parquet.write_table(table, tmp_path / "e.parquet")
    assert imported(data, tmp_path / "e.parquet").accepted == 50
    assert by_subject(journal(data)) == expected(data, rows)


def test_a_full_disk_is_told_and_gone_on_from(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When what is read cannot be set aside it says so; the same import then goes on."""
    file = written(tmp_path / "e.jsonl", [event(number) for number in range(100)])

    def full(staging: object, block: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("maitred_server.importing.staged.StagingFile.append", full)
        with pytest.raises(MaitredError, match="data directory: No space"):
            imported(data, file)
    assert imported(data, file).accepted == 100


def test_two_at_once_are_refused(data: Path, tmp_path: Path) -> None:
    """While one process imports a file another one is told so."""
    from maitred_server.importing import progress
    from maitred_server.importing.plan import prepare

    file = written(tmp_path / "e.jsonl", [event(1)])
    identity = prepare(Asked("events", file), "default", Quiet()).identity
    with progress.held(data, "default", identity), pytest.raises(MaitredError, match="another process"):
        imported(data, file)


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maitred_server", "import", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
        timeout=60,
    )


def test_beside_and_into_a_running_server(data: Path, tmp_path: Path) -> None:
    """Into the data directory of a running server, or over gRPC: it serves what came; what comes again is known."""
    events = written(tmp_path / "e.jsonl", [event(n, subject="anna", item="SOAP", type="purchase") for n in range(700)])
    people = written(
        tmp_path / "p.jsonl", [{"subject": "anna", "traits": {"age": 41}, "consents": {"email": "denied"}}]
    )
    items = written(tmp_path / "i.jsonl", [{"id": "NEW", "groups": ["home"]}, {"id": ""}])
    running = Running(data)
    try:
        running.publish()
        beside = json.loads(command("events", str(events), "--data", str(data), "--json").stdout)
        over = [json.loads(command("profiles", str(people), "--server", running.target, "--json").stdout) for _ in "12"]
        sent = [json.loads(command("events", str(events), "--server", running.target, "--json").stdout) for _ in "12"]
        put = json.loads(command("items", str(items), "--server", running.target, "--json").stdout)
        assert (beside["accepted"], put["accepted"], put["rejected"]) == (700, 1, 1)
        assert [(one["accepted"], one["duplicates"]) for one in sent] == [(700, 0), (0, 700)]
        assert [(one["accepted"], one["duplicates"]) for one in over] == [(2, 0), (0, 2)]
        assert running.decide("anna").decisions[0].slate[0].item == "SOAP"
        assert "NEW" in {item.id for item in Store.open(data, read_only=True).items("default")}
    finally:
        running.stop()
    assert {record.body.groups for record in journal(data) if isinstance(record.body, Event)} == {("home",)}


def test_the_command_tells_in_words(data: Path, tmp_path: Path) -> None:
    """Figures at the end, the rejects' place and what it holds; a mistake is one message and status 1."""
    file = written(tmp_path / "e.jsonl", [event(1), "x"])
    done = command("events", str(file), "--data", str(data))
    assert (done.returncode, "accepted" in done.stdout, "personal data" in done.stderr) == (0, True, True)
    assert "was imported before" in command("events", str(file), "--data", str(data)).stdout
    for words in (["--data", str(data), "--kind", "robot"], [], ["--data", str(data), "--mapping", "gone.yaml"]):
        wrong = command("events", str(file), *words)
        assert (wrong.returncode, wrong.stderr.startswith("maitred: "), "Traceback" in wrong.stderr) == (1, True, False)
