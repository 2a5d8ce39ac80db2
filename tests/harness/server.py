"""A real server in a process of its own, and a bare client over the stubs' messages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from maitred.v1 import admin_pb2, decision_pb2, feedback_pb2, types_pb2

M = TypeVar("M", bound=Message)

PLACEMENTS = """
placements:
  - name: home
    slots: 3
    candidates: all
    policy: habit
    ttl: 5s
  - name: banner
    slots: 1
    candidates: {groups: [fruit]}
    policy: fixed
    order: [PEARS, APPLES]
  - name: lottery
    slots: 2
    candidates: all
    policy: uniform
"""
ITEMS = "\n".join(
    f'{{"id": "{name}", "groups": ["{group}"], "variants": [{{"content": {{"title": "{name.title()}"}}}}]}}'
    for name, group in [
        ("APPLES", "fruit"),
        ("PEARS", "fruit"),
        ("BREAD", "bakery"),
        ("MILK", "dairy"),
        ("SOAP", "home"),
    ]
)
PLAYBOOK = {
    "playbook.yaml": b"name: test\n",
    "placements.yaml": PLACEMENTS.encode(),
    "items.jsonl": ITEMS.encode(),
}


class Refused(Exception):
    """A call that ended with a status."""

    def __init__(self, error: grpc.RpcError) -> None:
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code = error.code()
        self.message = str(error.details())
        self.fields = [violation.field for violation in _violations(error)]


def _violations(error: grpc.RpcError) -> list[error_details_pb2.BadRequest.FieldViolation]:
    found: list[error_details_pb2.BadRequest.FieldViolation] = []
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                bad = error_details_pb2.BadRequest()
                if detail.Unpack(bad):
                    found += bad.field_violations
    return found


class Running:
    """A server process and a channel to it."""

    def __init__(self, data: Path, *options: str, front: str = "grpcio") -> None:
        self.data = data
        self.front = front
        self.log = data.parent / f"{data.name}.log"
        self.ready = data.parent / f"{data.name}.ready"
        self.ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "maitred_server", "serve", "--data", str(data)]
        command += [
            "--listen",
            "127.0.0.1:0",
            "--metrics",
            "",
            "--ready-file",
            str(self.ready),
            "--set",
            "drain_s=0",
            "--front",
            front,
            *options,
        ]
        environment = {**os.environ, "MAITRED_ALLOW_OVERLAY": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=environment)
        self.target = self._wait()
        self.channel = grpc.insecure_channel(self.target, options=[("grpc.max_send_message_length", -1)])

    def _wait(self) -> str:
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            if self.ready.exists():
                return self.ready.read_text().strip()
            time.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def raw(self, method: str, request: bytes, timeout: float = 20.0, key: str | None = None) -> bytes:
        """Make a call with whatever bytes. Raises Refused."""
        unary: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(f"/maitred.v1.{method}")
        try:
            return unary(request, timeout=timeout, metadata=(("authorization", f"Bearer {key}"),) if key else ())
        except grpc.RpcError as error:
            raise Refused(error) from None

    def call(self, method: str, request: Message, answer: type[M], timeout: float = 20.0) -> M:
        return answer.FromString(self.raw(method, request.SerializeToString(), timeout))

    def publish(self, files: dict[str, bytes] = PLAYBOOK) -> admin_pb2.PublishResponse:
        return self.call("AdminService/Publish", admin_pb2.PublishRequest(files=files), admin_pb2.PublishResponse, 60)

    def decide(self, subject: str, *placements: str, **more: object) -> decision_pb2.DecideResponse:
        request = decision_pb2.DecideRequest(
            subject=types_pb2.Subject(id=subject),
            placements=[decision_pb2.PlacementRequest(placement=name) for name in placements or ("home",)],
            **more,  # type: ignore[arg-type]
        )
        return self.call("DecisionService/Decide", request, decision_pb2.DecideResponse)

    def record(
        self, *events: feedback_pb2.FeedbackEvent, client: str = "test", epoch: int = 1
    ) -> feedback_pb2.BatchResult:
        batch = feedback_pb2.FeedbackBatch(client=client, epoch=epoch, events=events)
        request = feedback_pb2.RecordRequest(batch=batch)
        return self.call("FeedbackService/Record", request, feedback_pb2.RecordResponse).result

    def status(self) -> admin_pb2.GetStatusResponse:
        return self.call("AdminService/GetStatus", admin_pb2.GetStatusRequest(), admin_pb2.GetStatusResponse)

    def versions(self, connections: int = 12) -> set[str]:
        """The catalogues in force, as new connections see them: with several workers they spread over all."""
        found = set()
        for _ in range(connections):
            with grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                status: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                    "/maitred.v1.AdminService/GetStatus"
                )
                found.add(admin_pb2.GetStatusResponse.FromString(status(b"", timeout=20)).versions.catalogue)
        return found

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self._gone()

    def stop(self) -> int:
        """Ask it to stop and tell how it ended."""
        if self.process.poll() is None:
            self.process.terminate()
        return self._gone()

    def _gone(self) -> int:
        self.channel.close()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not stop:\n{self.log.read_text()}") from None


def purchase(subject: str, sequence: int, item: str, **more: object) -> feedback_pb2.FeedbackEvent:
    """A purchase that no decision led to."""
    return feedback_pb2.FeedbackEvent(
        sequence=sequence,
        subject=types_pb2.Subject(id=subject),
        event=feedback_pb2.Event(type="purchase", item=item, value=1.0),
        **more,  # type: ignore[arg-type]
    )


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether something comes true in bounded time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return holds()
