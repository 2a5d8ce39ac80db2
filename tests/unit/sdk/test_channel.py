"""The real transport against a real gRPC server on this machine."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from maitred import TLS, AsyncClient, Client, Config, OutboxConfig

SLACK = 0.5  # seconds: a busy machine's, far below what a call without a deadline would take


def test_the_example_of_the_documentation(server: Any) -> None:
    """Decide, expose and record come back from the server as they were meant."""
    with Client(server.address) as maitred:
        decision = maitred.decide("welcome", subject="household-900", context={"store": "330"}, timeout=5)
        assert [choice.item for choice in decision] == ["A", "B"]
        decision.expose()
        maitred.record("purchase", subject="household-900", item="A", value=0.59, decision=decision)
        assert maitred.flush(10)
    assert server.fake.asked[0].context == {"store": "330"}
    assert [(one.subject, one.slots, one.showing) for one in server.fake.exposures] == [("household-900", (0, 1), 1)]
    assert [(one.item, one.value, one.decision_id) for one in server.fake.outcomes] == [("A", 0.59, decision.id)]


def test_asyncio(server: Any) -> None:
    """The same over AsyncClient."""

    async def visit() -> None:
        async with AsyncClient(server.address) as maitred:
            decision = await maitred.decide("welcome", subject="household-900", timeout=5)
            assert decision.items == ("A", "B")
            decision.expose()
            assert await maitred.flush(10)

    asyncio.run(visit())
    assert len(server.fake.exposures) == 1


def test_the_key_is_sent(server: Any) -> None:
    """The API key travels as a bearer credential."""
    with Client(server.address, Config(api_key="k-1")) as maitred:
        maitred.decide("welcome", "s", timeout=5)
    assert server.metadata["authorization"] == "Bearer k-1"


def test_decisions_are_retried_when_unavailable(server: Any) -> None:
    """A decide that meets UNAVAILABLE is tried again within its deadline, three times in all."""
    server.fail_next = 2
    with Client(server.address, Config(channels=1)) as maitred:
        assert maitred.decide("welcome", "s", timeout=5).items == ("A", "B")
    assert server.calls == 3


@pytest.mark.parametrize("code", ["NOT_FOUND", "INVALID_ARGUMENT", "INTERNAL", "RESOURCE_EXHAUSTED"])
def test_statuses_become_errors_on_the_decision(server: Any, code: str) -> None:
    """A status of the server is the decision's error, with the server's words."""
    server.fake.fail(code, "because")
    with Client(server.address) as maitred:
        decision = maitred.decide("welcome", "s", timeout=5, fallback=["Z"])
    assert (decision.reason, decision.error, decision.error_message) == ("ERROR", code, "because")
    assert decision.items == ("Z",)


def test_a_hung_server_costs_the_deadline(server: Any) -> None:
    """A server that never answers costs the caller its deadline, not more."""
    server.fake.hang()
    with Client(server.address) as maitred:
        began = time.monotonic()
        decision = maitred.decide("welcome", "s", fallback=["Z"])
        took = time.monotonic() - began
    assert (decision.error, decision.items) == ("DEADLINE_EXCEEDED", ("Z",))
    assert took < 0.05 + SLACK


def test_nobody_listens() -> None:
    """A server that is down at the start is an outage like any other."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with Client(f"127.0.0.1:{closed.getsockname()[1]}") as maitred:
            began = time.monotonic()
            decision = maitred.decide("welcome", "s", fallback=["Z"])
            assert time.monotonic() - began < 0.05 + SLACK
    assert (decision.reason, decision.items) == ("ERROR", ("Z",))
    assert decision.error in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_server_that_takes_the_connection_and_says_nothing(asynchronous: bool) -> None:
    """A connection that is accepted and then silent costs the deadline, for both clients."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        if asynchronous:
            decision = asyncio.run(_decide(address))
        else:
            maitred = Client(address)
            decision = maitred.decide("welcome", "s", fallback=["Z"])
            maitred.close()
    assert time.monotonic() - began < 0.05 + SLACK
    assert (decision.error, decision.items) == ("DEADLINE_EXCEEDED", ("Z",))


async def _decide(address: str) -> Any:
    async with AsyncClient(address) as maitred:
        return await maitred.decide("welcome", "s", fallback=["Z"])


def test_feedback_waits_for_the_server(server: Any, eventually: Callable[[Callable[[], bool]], None]) -> None:
    """What is recorded while the server is away is delivered when it is back, each event once."""
    with Client(server.address) as maitred:
        maitred.record("view", "s", item="A")
        assert maitred.flush(10)
        server.stop()
        for number in range(1200):
            maitred.record("view", f"s{number}", item="A")
        eventually(lambda: maitred.statistics().errors != {})
        server.start()
        assert maitred.flush(30)
        statistics = maitred.statistics()
    assert statistics.sent == statistics.acknowledged == 1201
    assert sorted(one.subject for one in server.fake.events) == sorted(["s", *(f"s{n}" for n in range(1200))])


def test_tls(server: Any) -> None:
    """A server with a certificate that the client was told to trust is trusted, under the name it carries."""
    key, certificate = _certificate("till.example")
    server.stop()
    server.start(grpc.ssl_server_credentials([(key, certificate)]))
    with Client(server.address, Config(tls=TLS(certificate, server_name="till.example"))) as maitred:
        assert maitred.decide("welcome", "s", timeout=5).items == ("A", "B")
    with Client(server.address, Config(tls=TLS(certificate))) as maitred:
        assert maitred.decide("welcome", "s", timeout=1).reason == "ERROR"


def _certificate(name: str) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, built.public_bytes(pem)


def test_calls_take_turns_on_the_channels(server: Any) -> None:
    """With two channels, decisions go over two connections."""
    peers = set()
    unary = server._unary

    def noting(method: str, request: bytes, context: grpc.ServicerContext) -> Any:
        peers.add(context.peer())
        return unary(method, request, context)

    server._unary = noting
    with Client(server.address, Config(channels=2, outbox=OutboxConfig(close_timeout=0))) as maitred:
        for number in range(4):
            maitred.decide("welcome", f"s{number}", timeout=5)
    assert len(peers) == 2
