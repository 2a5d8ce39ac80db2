"""Maitred: ask what is the best experience for this customer, here, now; and say what happened.

    from maitred import Client

    with Client("localhost:7400") as maitred:
        decision = maitred.decide("till-welcome", subject="household-900", context={"store": "330"})

Names are loaded when first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .aio import AsyncClient
    from .client import Client
    from .config import TLS, CacheConfig, Config, OutboxConfig
    from .errors import CallFailed, InvalidArgument, MaitredError, OutboxUnavailable
    from .types import (
        Arm,
        Choice,
        Consent,
        Decision,
        ErasedStore,
        Erasure,
        OutboxStatistics,
        Reason,
        Request,
        Statistics,
        Subject,
        Trait,
        Versions,
    )

__all__ = [
    "Client",
    "AsyncClient",
    "Config",
    "CacheConfig",
    "OutboxConfig",
    "TLS",
    "Subject",
    "Request",
    "Decision",
    "Choice",
    "Reason",
    "Arm",
    "Versions",
    "Trait",
    "Consent",
    "Erasure",
    "ErasedStore",
    "Statistics",
    "OutboxStatistics",
    "MaitredError",
    "InvalidArgument",
    "OutboxUnavailable",
    "CallFailed",
]

_HOMES = {
    "client": ("Client",),
    "aio": ("AsyncClient",),
    "config": ("Config", "CacheConfig", "OutboxConfig", "TLS"),
    "errors": ("MaitredError", "InvalidArgument", "OutboxUnavailable", "CallFailed"),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _HOMES.items() if name in names), "types")
    value = globals()[name] = getattr(import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
