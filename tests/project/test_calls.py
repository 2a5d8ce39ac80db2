"""Driven by the descriptors: no call of the wire is without a role, an access rule, a handler and a way to make it."""

from __future__ import annotations

import re
from pathlib import Path

import maitred
import pytest
from google.protobuf.descriptor import ServiceDescriptor
from maitred.v1 import admin_pb2, decision_pb2, feedback_pb2, profile_pb2

ROOT = Path(__file__).parents[2]
MODULES = (decision_pb2, feedback_pb2, profile_pb2, admin_pb2)
SERVICES: list[ServiceDescriptor] = [one for m in MODULES for one in m.DESCRIPTOR.services_by_name.values()]
CALLS = [f"{service.name}/{method.name}" for service in SERVICES for method in service.methods]

# How the SDK makes each call; a reason where it does not.
CLIENT = {
    "DecisionService/Decide": ["decide", "decide_page"],
    "DecisionService/DecideBatch": ["decide_many"],
    "DecisionService/Watch": ["decide"],
    "ProfileService/ExportSubject": ["export"],
    "ProfileService/DeleteProfile": ["erase"],
    "FeedbackService/Stream": [
        *("expose", "record", "put_traits", "put_consents", "consent", "set_intensity", "not_for_me", "take_back"),
        "merge",
    ],
    "ProfileService/EndSession": ["end_session"],
}
WITHOUT_CLIENT = {
    "DecisionService/Explain": "for people who ask why; `maitred explain`",
    "FeedbackService/Record": "for clients without streams; the SDK streams",
    "ProfileService/GetProfile": "for the systems that own profiles, not for the place that asks",
    "ProfileService/PutTraits": "the SDK sends traits as feedback, so that an outage loses none",
    "ProfileService/RecordEvents": "for imports",
    "ProfileService/GetErasure": "for the systems that own profiles; `maitred subject erasure`",
    "ProfileService/PutConsents": "the SDK sends consents as feedback, so that an outage loses none",
    "ProfileService/MergeSubjects": "the SDK sends merges as feedback, so that an outage loses none",
    "ProfileService/UnmergeSubjects": "for the systems that own profiles",
    "AdminService/Publish": "`maitred publish`",
    "AdminService/DiffPlaybook": "`maitred diff`",
    "AdminService/PreviewPlaybook": "`maitred preview`",
    "AdminService/ListVersions": "`maitred history`",
    "AdminService/Rollback": "`maitred rollback`",
    "AdminService/ImportItems": "for the systems that own the catalogue",
    "AdminService/SetItemState": "`maitred item set`: for operators and the systems that own the stock",
    "AdminService/GetItemState": "`maitred item show`",
    "AdminService/GetStatus": "`maitred status`",
}


def test_every_call_is_accounted_for() -> None:
    """Each call has a client method, or a reason why it has none."""
    assert sorted(CALLS) == sorted([*CLIENT, *WITHOUT_CLIENT])


@pytest.mark.parametrize("call", CLIENT)
def test_the_clients_have_the_methods(call: str) -> None:
    """Both clients have the methods that make the call."""
    for client in (maitred.Client, maitred.AsyncClient):
        assert [verb for verb in CLIENT[call] if not callable(getattr(client, verb, None))] == []


def test_every_call_has_an_access_rule() -> None:
    """Who may make a call is said for every call, and for no other."""
    from maitred_server.rpc.access import ROLES

    assert sorted(ROLES) == sorted(CALLS)


@pytest.mark.parametrize("call", CALLS)
def test_the_access_rule_and_the_limit_are_the_documented_ones(call: str) -> None:
    """A call's role and message limit are those that its comment in the proto file names."""
    from maitred_server.rpc.access import ROLES
    from maitred_server.rpc.handlers import METHODS

    role, limit = documented(call)
    assert role == ROLES[call]
    assert limit == size(METHODS[call].limit)


def size(limit: int) -> str:
    kib, mib = limit // 1024, limit // 1024**2
    return f"{mib} MiB" if mib else f"{kib} KiB"


@pytest.mark.parametrize("call", CALLS)
def test_every_call_is_documented(call: str) -> None:
    """docs/wire.md has a line for every call, with its role and limit."""
    role, limit = documented(call)
    assert f"| `{call.replace('/', '.')}` | `{role}` | {limit} | " in (ROOT / "docs" / "wire.md").read_text()


def documented(call: str) -> tuple[str, str]:
    """The role and the message limit that the comment of a call gives: ("admin", "64 KiB")."""
    service, method = call.split("/")
    text = next(text for text in proto_texts() if f"service {service} " in text)
    before = text[text.index(f"service {service} ") : text.index(f"rpc {method}(")]
    comment = " ".join(line.strip("/ ") for line in before.rpartition("\n\n")[2].splitlines())
    role = re.search(r"Roles?: (\w+)", comment)
    limit = re.search(r"(?:Message limit|Limit of a batch): (\d+ [KM]iB)", comment)
    assert role is not None, call
    assert limit is not None, call
    return role[1], limit[1]


def proto_texts() -> list[str]:
    return [path.read_text() for path in sorted((ROOT / "protos" / "maitred" / "v1").glob("*.proto"))]
