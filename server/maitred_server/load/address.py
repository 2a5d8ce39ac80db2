"""Whose server it is: load is put on this machine, or on a server that its owner answers for."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TypeAlias

from maitred_server.errors import InvalidRequest, NotAllowed

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST_PORT = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<port>\d{1,5})")
OWN = "--i-own-this-server"


def resolve(server: str, owned: bool) -> str:
    """The ADDRESS:PORT behind HOST:PORT, looked up once.

    Raises InvalidRequest, and NotAllowed for an address that is not this machine's, unless it is `owned`.
    """
    found = _HOST_PORT.fullmatch(server)
    if found is None or not 0 < int(found["port"]) < 65_536:
        raise InvalidRequest(f"--server {server!r} is no HOST:PORT, e.g. localhost:7400", "server")
    addresses = _looked_up(found["host"].strip("[]"), int(found["port"]))
    if not owned and (foreign := [one for one in addresses if not is_own(one)]):
        raise NotAllowed(
            f"{server} is {foreign[0]}, which is not this machine: load is put on this machine's own servers only; "
            f"give {OWN} if you answer for that one"
        )
    return _target(addresses[0], int(found["port"]))


def is_own(address: Address) -> bool:
    """Whether it is an address of this machine: what is sent to it would come from it. Nothing is sent."""
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:
            return False
        return ipaddress.ip_address(probe.getsockname()[0].partition("%")[0]) == address


def _looked_up(host: str, port: int) -> list[Address]:
    """All addresses of a host, IPv4 first as most servers listen there. Raises InvalidRequest."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InvalidRequest(f"--server: no address is known for {host!r}", "server") from None
    addresses = {ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found}
    return sorted(addresses, key=lambda one: (one.version, int(one)))


def _target(address: Address, port: int) -> str:
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
