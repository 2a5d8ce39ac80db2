"""The life of a playbook against real servers: publish, history, diff, preview, rollback."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import grpc
import pytest
from harness.server import PLAYBOOK, Refused, Running, eventually, purchase
from maitred.v1 import admin_pb2, decision_pb2, types_pb2

KEY = "k" * 20
Run = Callable[..., subprocess.CompletedProcess[str]]


def marked(mark: int, slots: int = 1) -> dict[str, bytes]:
    """A playbook whose every item says the number of its publish in its content."""
    items = [{"id": f"item-{at}", "variants": [{"content": {"mark": mark}}]} for at in range(6)]
    placements = [{"name": name, "policy": "uniform", "slots": slots} for name in ("home", "till", "banner")]
    return {
        "playbook.yaml": b"name: marked",
        "placements.yaml": json.dumps({"placements": placements}).encode(),
        "items.jsonl": "\n".join(map(json.dumps, items)).encode(),
    }


def publish(server: Running, files: dict[str, bytes], author: str = "", note: str = "", dry_run: bool = False) -> str:
    request = admin_pb2.PublishRequest(files=files, author=author, note=note, dry_run=dry_run)
    return server.call("AdminService/Publish", request, admin_pb2.PublishResponse, 60).versions.catalogue


def history(server: Running, limit: int = 0) -> list[admin_pb2.PublishedVersion]:
    request = admin_pb2.ListVersionsRequest(limit=limit)
    return list(server.call("AdminService/ListVersions", request, admin_pb2.ListVersionsResponse).versions)


def rollback(server: Running, version: str) -> str:
    request = admin_pb2.RollbackRequest(version=version, author="kim", note="oops")
    return server.call("AdminService/Rollback", request, admin_pb2.RollbackResponse, 60).versions.catalogue


def marks(answer: decision_pb2.DecideResponse) -> set[int]:
    return {json.loads(choice.content)["mark"] for one in answer.decisions for choice in one.slate}


def test_history_and_rollback(start: Callable[..., Running]) -> None:
    """Every publish is in the history with who and why; a rollback puts an old playbook in force as a new version."""
    running = start()
    assert history(running) == []
    assert publish(running, marked(1), "mara", "the first one") == "1"
    assert publish(running, marked(2), "jo") == "2"
    assert marks(running.decide("x", "home")) == {2}
    assert rollback(running, "1") == "3"
    assert marks(running.decide("x", "home")) == {1}
    third, second, first = history(running)
    assert (first.author, first.note, first.items, first.kept, first.in_force) == (
        "mara",
        "the first one",
        6,
        True,
        False,
    )
    assert (second.author, second.in_force) == ("jo", False)
    assert (third.author, third.note, third.rollback_of, third.in_force) == ("kim", "oops", "1", True)
    assert 0 < first.published_at_ms <= second.published_at_ms <= third.published_at_ms
    assert [one.version for one in history(running, 1)] == ["3"]


def test_a_rollback_to_what_is_not_there(start: Callable[..., Running]) -> None:
    """An unknown version is NOT_FOUND with those that are kept; what is no number is refused with its field."""
    running = start()
    publish(running, marked(1))
    with pytest.raises(Refused, match="there is no version `7`; kept are 1") as refused:
        rollback(running, "7")
    assert (refused.value.code, refused.value.fields) == (grpc.StatusCode.NOT_FOUND, ["version"])
    with pytest.raises(Refused, match="version must be the number of a version") as refused:
        rollback(running, "../1")
    assert (refused.value.code, refused.value.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["version"])
    assert running.decide("x", "home").versions.catalogue == "1"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (admin_pb2.PublishRequest(files=PLAYBOOK, note="n" * 1025), "note"),
        (admin_pb2.PublishRequest(files=PLAYBOOK, note="a\x1b[31mb"), "note"),
        (admin_pb2.PublishRequest(files=PLAYBOOK, author="a" * 129), "author"),
        (admin_pb2.PublishRequest(), "files"),
    ],
)
def test_a_wrong_publish_is_refused(server: Running, request_: admin_pb2.PublishRequest, field: str) -> None:
    """Nothing is written into the history that could not be shown."""
    with pytest.raises(Refused) as refused:
        server.call("AdminService/Publish", request_, admin_pb2.PublishResponse)
    assert (refused.value.code, refused.value.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_the_key_is_in_the_history(start: Callable[..., Running], tmp_path: Path) -> None:
    """Who an access key belongs to is told beside what the caller says of itself, and cannot be left out."""
    entry = f'name = "web"\nsha256 = "{sha256(KEY.encode()).hexdigest()}"\nbrand = "shop"\nroles = ["admin"]\n'
    (tmp_path / "access.toml").write_text(f"[[key]]\n{entry}")
    running = start("--set", f"access={tmp_path / 'access.toml'}")
    for author in ("mara", ""):
        request = admin_pb2.PublishRequest(files=PLAYBOOK, author=author)
        running.raw("AdminService/Publish", request.SerializeToString(), 60, KEY)
    answer = admin_pb2.ListVersionsResponse.FromString(running.raw("AdminService/ListVersions", b"", key=KEY))
    assert [one.author for one in answer.versions] == ["web", "mara (key web)"]


def test_diff_and_dry_run_over_the_wire(start: Callable[..., Running]) -> None:
    """A diff tells changes in words against what is in force, a dry run what is in force; neither changes it."""
    running = start()
    publish(running, marked(1))
    request = admin_pb2.DiffPlaybookRequest(files=marked(1, slots=2))
    answer = running.call("AdminService/DiffPlaybook", request, admin_pb2.DiffPlaybookResponse, 60)
    told = [(one.what, one.name, one.change, one.text) for one in answer.changes]
    assert (answer.against, told) == (
        "1",
        [("placement", name, "changed", "slots 1 -> 2") for name in ("home", "till", "banner")],
    )
    assert publish(running, marked(2), dry_run=True) == "1"
    assert marks(running.decide("x", "home")) == {1}


def test_preview_over_the_wire(start: Callable[..., Running]) -> None:
    """A preview counts who would see another slate and publishes nothing; how many subjects there are is bounded."""
    running = start()
    publish(running, marked(1))
    files = {**marked(2), "placements.yaml": b"placements: [{name: home, policy: fixed, order: [item-3]}]"}
    subjects = [admin_pb2.PreviewSubject(subject=types_pb2.Subject(id=f"s{at}")) for at in range(20)]
    request = admin_pb2.PreviewPlaybookRequest(files=files, subjects=subjects)
    answer = running.call("AdminService/PreviewPlaybook", request, admin_pb2.PreviewPlaybookResponse, 60)
    assert (answer.subjects, answer.changed["till"]) == (20, 20)
    changes = {(one.placement, one.item): (one.before, one.after) for one in answer.changes}
    assert changes["till", ""] == (0.0, 1.0)
    assert changes["home", "item-3"][1] == 1.0
    assert running.decide("x", "till").versions.catalogue == "1"
    nobody = admin_pb2.PreviewPlaybookRequest(files=files)
    with pytest.raises(Refused) as refused:
        running.call("AdminService/PreviewPlaybook", nobody, admin_pb2.PreviewPlaybookResponse)
    assert refused.value.fields == ["subjects"]


def test_no_answer_mixes_versions(start: Callable[..., Running]) -> None:
    """While versions come and go, no call fails, every page is of one version, and in the end all workers serve the
    last one.
    """
    running = start("--workers", "2")
    publish(running, marked(0))
    assert eventually(lambda: running.versions() == {"1"})
    stopping = threading.Event()
    seen: list[tuple[str, set[int]]] = []
    failed: list[str] = []

    def ask() -> None:
        with grpc.insecure_channel(running.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            decide: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                "/maitred.v1.DecisionService/Decide"
            )
            placements = [decision_pb2.PlacementRequest(placement=name) for name in ("home", "till", "banner")]
            request = decision_pb2.DecideRequest(subject=types_pb2.Subject(id="x"), placements=placements)
            while not stopping.is_set():
                try:
                    answer = decision_pb2.DecideResponse.FromString(decide(request.SerializeToString(), timeout=10))
                except grpc.RpcError as error:
                    failed.append(str(error))
                else:
                    seen.append((answer.versions.catalogue, marks(answer)))

    askers = [threading.Thread(target=ask) for _ in range(6)]
    for asker in askers:
        asker.start()
    made = {publish(running, marked(mark)): mark for mark in range(1, 21)}
    assert eventually(lambda: running.versions() == {"21"})
    stopping.set()
    for asker in askers:
        asker.join()
    assert failed == []
    assert {version: mark for version, marks_ in seen for mark in marks_} == {
        version: {"1": 0, **made}[version] for version, _ in seen
    }
    assert max(len(marks_) for _, marks_ in seen) == 1
    assert len({version for version, _ in seen}) > 3


def test_publishes_between_everything_else(start: Callable[..., Running]) -> None:
    """While items are imported, feedback is learned from and live states are set, each publish serves what is there:
    what was killed stays closed in every version, and what was learned is used.
    """
    running = start("--workers", "2", "--set", "publish_interval_s=0.05")
    running.publish()
    kill = admin_pb2.SetItemStateRequest(states=[admin_pb2.ItemState(item="SOAP", kill=True)])
    running.call("AdminService/SetItemState", kill, admin_pb2.SetItemStateResponse)
    for number in range(1, 11):
        request = admin_pb2.ImportItemsRequest(items=[admin_pb2.Item(id=f"IMPORTED-{number}", groups=["fruit"])])
        running.call("AdminService/ImportItems", request, admin_pb2.ImportItemsResponse)
        running.record(*(purchase(f"s{number}", number * 10 + at, "BREAD") for at in range(5)))
        assert running.publish().items == 5 + number
        shown = {choice.item for choice in running.decide("x", "lottery", "home").decisions[0].slate}
        assert "SOAP" not in shown
    assert eventually(lambda: running.versions() == {"11"} and running.status().learner_lag == 0)
    assert eventually(lambda: running.decide("fresh").decisions[0].slate[0].item == "BREAD")
    assert all(
        choice.item != "SOAP" for one in running.decide("y", "home", "lottery").decisions for choice in one.slate
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs `maitred`, against a server of this module's own."""
    server = Running(tmp_path_factory.mktemp("command") / "data")

    def run_one(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "maitred_server", *arguments, "--server", server.target]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    yield run_one
    server.stop()


def written(folder: Path, files: dict[str, bytes]) -> str:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return str(folder)


def test_the_commands(run: Run, tmp_path: Path) -> None:
    """Diff, publish, preview, history and rollback from the command line: for people, and as JSON for scripts."""
    first, second = written(tmp_path / "a", marked(1)), written(tmp_path / "b", marked(1, slots=2))
    assert "nothing was published yet" in run("history").stdout
    assert run("publish", first, "--author", "mara", "--note", "hello").returncode == 0
    told = run("diff", second).stdout
    assert "~ placement `home`: slots 1 -> 2" in told
    assert "3 changed; compared with version 1" in told
    (tmp_path / "subjects").write_text('one\n\n{"id": "two", "kind": "household", "context": {"device": "web"}}\n')
    previewed = json.loads(run("preview", second, "--subjects", str(tmp_path / "subjects"), "--json").stdout)
    assert (previewed["subjects"], previewed["changed"]) == (2, {"home": 2, "till": 2, "banner": 2})
    assert "2 subjects" in run("preview", second, "--subjects", str(tmp_path / "subjects")).stdout
    assert run("publish", second).returncode == 0
    assert "published version 3: the playbook of version 1" in run("rollback", "1").stdout
    versions = json.loads(run("history", "--json").stdout)["versions"]
    assert [(one["version"], one["rollback_of"]) for one in versions] == [("3", "1"), ("2", ""), ("1", "")]
    assert "rollback to 1" in run("history").stdout
    assert "nothing would change; compared with version 3" in run("diff", first).stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "names no subject"),
        ('one\n{"id": 5}\n', ":2: Expected `str`, got `int` - at `$.id`"),
        ('{"id": "a", "contxt": {}}', ":1: Object contains unknown field `contxt`"),
        ('{"id": "a", "kind": "robot"}', "a kind is person, household, device or session"),
    ],
)
def test_a_wrong_file_of_subjects(run: Run, tmp_path: Path, content: str, message: str) -> None:
    """What is wrong in the file is told with its line, before anything is asked of the server."""
    (tmp_path / "subjects").write_text(content)
    answer = run("preview", written(tmp_path / "a", marked(1)), "--subjects", str(tmp_path / "subjects"))
    assert (answer.returncode, answer.stdout) == (1, "")
    assert message in " ".join(answer.stderr.split())
