"""Load is put on this machine only."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from maitred_server.errors import InvalidRequest, NotAllowed
from maitred_server.load.address import resolve


@pytest.mark.parametrize(
    ("server", "target"),
    [
        ("127.0.0.1:7400", "127.0.0.1:7400"),
        ("127.9.9.9:7400", "127.9.9.9:7400"),
        ("localhost:7400", "127.0.0.1:7400"),
        ("0.0.0.0:7400", "127.0.0.1:7400"),
        ("[::1]:7400", "[::1]:7400"),
    ],
)
def test_loopback_is_this_machine(server: str, target: str) -> None:
    """Loopback addresses are taken, names are looked up once."""
    assert resolve(server, owned=False) == target


def test_an_own_interface_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that what is sent to it would come from is this machine's."""
    monkeypatch.setattr(socket, "socket", _Routed)
    assert resolve("192.0.2.7:7400", owned=False) == "192.0.2.7:7400"
    with pytest.raises(NotAllowed):
        resolve("192.0.2.8:7400", owned=False)


class _Routed:
    """A machine whose only interface is 192.0.2.7."""

    def __init__(self, family: int, kind: int) -> None: ...

    def __enter__(self) -> _Routed:
        return self

    def __exit__(self, *_: object) -> None: ...

    def connect(self, address: tuple[str, int]) -> None: ...

    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.7", 40_000


@pytest.mark.parametrize("host", ["192.0.2.1", "198.51.100.7", "[2001:db8::1]", "224.0.0.1", "255.255.255.255"])
def test_another_machine_is_refused(host: str) -> None:
    """Documentation, multicast and broadcast addresses are nobody's here; the refusal names the way out."""
    with pytest.raises(NotAllowed) as refused:
        resolve(f"{host}:7400", owned=False)
    assert "--i-own-this-server" in refused.value.message


def test_a_name_with_one_foreign_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """All addresses of a name must be this machine's: which one answers is not for chance to decide."""
    told = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 7400)) for one in ("127.0.0.1", "192.0.2.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: told)
    with pytest.raises(NotAllowed):
        resolve("shop.example.com:7400", owned=False)


def test_an_owner_may_name_another_machine() -> None:
    """Who answers for the server may put load on it."""
    assert resolve("192.0.2.1:7400", owned=True) == "192.0.2.1:7400"


@pytest.mark.parametrize(
    "server", ["localhost", "localhost:0", "localhost:99999", ":7400", "a:b:c", "nowhere.invalid:7400"]
)
def test_what_is_no_address_is_refused(server: str) -> None:
    """HOST:PORT it is, and the host is known."""
    with pytest.raises(InvalidRequest):
        resolve(server, owned=False)


def test_the_documentation_addresses_are_foreign() -> None:
    """The addresses of these tests belong to nobody, so that no packet could reach anybody."""
    assert not ipaddress.ip_address("192.0.2.1").is_global
