"""What the command line asks of a running server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2
from maitred.v1 import admin_pb2, decision_pb2, profile_pb2, types_pb2

from maitred_server.errors import InvalidRequest, MaitredError, Mistake, PlaybookError

TIMEOUT_S = 120.0
PREVIEW_TIMEOUT_S = 600.0
LARGEST_PLAYBOOK = 16 * 1024 * 1024
LARGEST_EXPORT = 64 * 1024 * 1024
SUFFIXES = frozenset({".yaml", ".yml", ".jsonl"})

PlaybookChange: TypeAlias = admin_pb2.PlaybookChange
PreviewPlaybookResponse: TypeAlias = admin_pb2.PreviewPlaybookResponse
PublishedVersion: TypeAlias = admin_pb2.PublishedVersion
ShareChange: TypeAlias = admin_pb2.ShareChange
Explained: TypeAlias = decision_pb2.ExplainResponse
ExplainedPlacement: TypeAlias = decision_pb2.PlacementExplanation
ExplainedCandidate: TypeAlias = decision_pb2.CandidateExplanation

_PLACE = re.compile(r"files\[(?P<file>.*)\]:(?P<line>[0-9]+)(:(?P<column>[0-9]+))?", re.S)


def publish(
    server: str, key: str | None, playbook: Path, author: str, *, note: str = "", dry_run: bool = False
) -> admin_pb2.PublishResponse:
    """Send a playbook's files. Raises PlaybookError with every mistake, MaitredError."""
    request = admin_pb2.PublishRequest(files=read_playbook(playbook), author=author, note=note, dry_run=dry_run)
    return admin_pb2.PublishResponse.FromString(_call(server, key, "AdminService/Publish", request.SerializeToString()))


def diff(server: str, key: str | None, playbook: Path, against: str) -> admin_pb2.DiffPlaybookResponse:
    """What a playbook would change, in words. Raises PlaybookError, MaitredError."""
    request = admin_pb2.DiffPlaybookRequest(files=read_playbook(playbook), against=against)
    answer = _call(server, key, "AdminService/DiffPlaybook", request.SerializeToString())
    return admin_pb2.DiffPlaybookResponse.FromString(answer)


class PreviewLine(Protocol):
    """One subject at one moment."""

    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def context(self) -> Mapping[str, bool | float | str | list[str]]: ...


def preview(
    server: str, key: str | None, playbook: Path, subjects: Sequence[PreviewLine]
) -> admin_pb2.PreviewPlaybookResponse:
    """Who would see what. Raises PlaybookError, MaitredError."""
    wire = [
        admin_pb2.PreviewSubject(subject=_subject(one.id, one.kind), context=dict(map(_context, one.context.items())))
        for one in subjects
    ]
    request = admin_pb2.PreviewPlaybookRequest(files=read_playbook(playbook), subjects=wire)
    answer = _call(server, key, "AdminService/PreviewPlaybook", request.SerializeToString(), PREVIEW_TIMEOUT_S)
    return admin_pb2.PreviewPlaybookResponse.FromString(answer)


class Told(NamedTuple):
    """What is to be told of an explanation: some items (none: all), at most so many candidates of each placement."""

    items: Sequence[str] = ()
    limit: int = 0


class Visit(NamedTuple):
    """Who asks, when and where. `aliases`: pairs of kind and id."""

    id: str
    kind: str
    aliases: Sequence[tuple[str, str]]
    context: Mapping[str, bool | float | str | list[str]]


def explain(server: str, key: str | None, visit: Visit, placements: Sequence[str], told: Told) -> Explained:
    """How a decision would come about now. Raises MaitredError."""
    subject = _subject(visit.id, visit.kind)
    subject.aliases.extend(
        types_pb2.SubjectAlias(id=other.id, kind=other.kind)
        for other in (_subject(id_, kind) for kind, id_ in visit.aliases)
    )
    asked = decision_pb2.DecideRequest(
        subject=subject,
        context=dict(map(_context, visit.context.items())),
        placements=[decision_pb2.PlacementRequest(placement=name) for name in placements],
    )
    return _explain(server, key, decision_pb2.ExplainRequest(request=asked, items=told.items, limit=told.limit))


def explain_past(
    server: str, key: str | None, receipt: bytes, placement: str, decision_id: str, told: Told
) -> Explained:
    """How a decision came about. Raises MaitredError."""
    past = decision_pb2.PastDecision(receipt=receipt, decision_id=decision_id)
    request = decision_pb2.ExplainRequest(past=past, placement=placement, items=told.items, limit=told.limit)
    return _explain(server, key, request)


def _explain(server: str, key: str | None, request: decision_pb2.ExplainRequest) -> Explained:
    return Explained.FromString(_call(server, key, "DecisionService/Explain", request.SerializeToString()))


def _context(pair: tuple[str, bool | float | str | list[str]]) -> tuple[str, types_pb2.Value]:
    name, value = pair
    if isinstance(value, bool):
        return name, types_pb2.Value(flag=value)
    if isinstance(value, str):
        return name, types_pb2.Value(text=value)
    if isinstance(value, list):
        return name, types_pb2.Value(texts=types_pb2.TextList(texts=value))
    return name, types_pb2.Value(number=value)


def versions(server: str, key: str | None, limit: int) -> admin_pb2.ListVersionsResponse:
    """The newest versions. Raises MaitredError."""
    request = admin_pb2.ListVersionsRequest(limit=limit)
    answer = _call(server, key, "AdminService/ListVersions", request.SerializeToString())
    return admin_pb2.ListVersionsResponse.FromString(answer)


def rollback(server: str, key: str | None, version: str, author: str, note: str) -> admin_pb2.RollbackResponse:
    """Bring a version's playbook back. Raises PlaybookError, MaitredError."""
    request = admin_pb2.RollbackRequest(version=version, author=author, note=note)
    answer = _call(server, key, "AdminService/Rollback", request.SerializeToString())
    return admin_pb2.RollbackResponse.FromString(answer)


def read_playbook(folder: Path) -> dict[str, bytes]:
    """The files of a playbook by their path in it. Raises InvalidRequest."""
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is no folder", "playbook")
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in SUFFIXES and path.is_file()
    }
    if not files:
        raise InvalidRequest(f"{folder} holds no .yaml or .jsonl file", "playbook")
    return files


def status(server: str, key: str | None) -> dict[str, Any]:
    """The server's status as plain values."""
    answer = _call(server, key, "AdminService/GetStatus", b"")
    message = admin_pb2.GetStatusResponse.FromString(answer)
    values = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return {name: _numbers(value) for name, value in values.items()}


class StatesSet(NamedTuple):
    """What became of states. `refused`: positions, each with what would be right."""

    refused: list[tuple[int, str]]
    sequence: int  # of the journal


def set_item_states(server: str, key: str | None, states: Sequence[Mapping[str, Any]]) -> StatesSet:
    """Set live states, each with the fields of `maitred.v1.ItemState`; None: not given. At most 10,000.

    Raises MaitredError.
    """
    given = [{name: value for name, value in state.items() if value is not None} for state in states]
    try:
        request = admin_pb2.SetItemStateRequest(states=[admin_pb2.ItemState(**state) for state in given])
    except ValueError as error:
        raise InvalidRequest(f"this cannot be sent: {error}", "states") from None
    answer = _call(server, key, "AdminService/SetItemState", request.SerializeToString())
    message = admin_pb2.SetItemStateResponse.FromString(answer)
    return StatesSet([_refusal(refused) for refused in message.refused], message.journal_sequence)


def _refusal(refused: decision_pb2.CallError) -> tuple[int, str]:
    state, _, _ = refused.field.partition(".")
    position = int(state.removeprefix("states[").removesuffix("]"))
    return position, refused.message.replace(f"{state}.", "").replace(state, "each state")


def item_states(server: str, key: str | None, items: Sequence[str], groups: Sequence[str]) -> list[dict[str, Any]]:
    """Live states by item and group; without names all. Fields that say nothing are left out."""
    request = admin_pb2.GetItemStateRequest(items=items, groups=groups)
    answer = _call(server, key, "AdminService/GetItemState", request.SerializeToString())
    states = admin_pb2.GetItemStateResponse.FromString(answer).states
    return [{field.name: value for field, value in state.ListFields()} for state in states]


def profile(
    server: str, key: str | None, id_: str, kind: str, recent: int, as_of_sequence: int, as_of_ms: int
) -> profile_pb2.GetProfileResponse:
    """What is kept about a subject, now or as it was. Raises MaitredError."""
    request = profile_pb2.GetProfileRequest(
        subject=_subject(id_, kind), recent=recent, as_of_sequence=as_of_sequence, as_of_ms=as_of_ms
    )
    return profile_pb2.GetProfileResponse.FromString(
        _call(server, key, "ProfileService/GetProfile", request.SerializeToString())
    )


class Exported(NamedTuple):
    """All that is kept about a subject; `html` is b"" unless asked for."""

    json: bytes
    html: bytes


def export_subject(server: str, key: str | None, id_: str, kind: str, html: bool) -> Exported:
    """Everything that is kept about a subject. Raises MaitredError."""
    request = profile_pb2.ExportSubjectRequest(subject=_subject(id_, kind), html=html)
    answer = profile_pb2.ExportSubjectResponse.FromString(
        _call(server, key, "ProfileService/ExportSubject", request.SerializeToString())
    )
    return Exported(answer.json, answer.html)


def erase_subject(server: str, key: str | None, id_: str, kind: str) -> dict[str, Any]:
    """Forget a subject; the record of the erasure. Raises MaitredError."""
    request = profile_pb2.DeleteProfileRequest(subject=_subject(id_, kind))
    answer = _call(server, key, "ProfileService/DeleteProfile", request.SerializeToString())
    return _told(profile_pb2.DeleteProfileResponse.FromString(answer).erasure)


def erasure(server: str, key: str | None, erasure_id: str) -> dict[str, Any]:
    """How far an erasure has come. Raises MaitredError."""
    request = profile_pb2.GetErasureRequest(erasure_id=erasure_id)
    answer = _call(server, key, "ProfileService/GetErasure", request.SerializeToString())
    return _told(profile_pb2.GetErasureResponse.FromString(answer).erasure)


def _told(erasure: profile_pb2.Erasure) -> dict[str, Any]:
    stores = [{"name": one.name, "records": one.records, "done_at_ms": one.done_at_ms} for one in erasure.stores]
    return {"erasure_id": erasure.erasure_id, "erased_at_ms": erasure.erased_at_ms, "stores": stores}


def _subject(id_: str, kind: str) -> types_pb2.Subject:
    if kind.upper() not in ("", "PERSON", "HOUSEHOLD", "DEVICE", "SESSION"):
        raise InvalidRequest("a kind is person, household, device or session", "kind")
    name = f"SUBJECT_KIND_{kind.upper() or 'UNSPECIFIED'}"
    return types_pb2.Subject(id=id_, kind=name)


def _numbers(value: Any) -> Any:
    """JSON's protobuf form writes 64-bit integers as text."""
    if isinstance(value, dict):
        return {name: _numbers(item) for name, item in value.items()}
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _call(server: str, key: str | None, method: str, request: bytes, timeout_s: float = TIMEOUT_S) -> bytes:
    with connected(server, key, timeout_s) as call:
        return call(method, request)


@contextmanager
def connected(server: str, key: str | None, timeout_s: float = TIMEOUT_S) -> Iterator[Callable[[str, bytes], bytes]]:
    """What makes calls over one channel, of a method ("Service/Method") with a request's bytes. Raises MaitredError."""
    options = [
        ("grpc.max_send_message_length", LARGEST_PLAYBOOK + 65_536),
        ("grpc.max_receive_message_length", LARGEST_EXPORT),
    ]
    metadata = (("authorization", f"Bearer {key}"),) if key else ()
    with grpc.insecure_channel(server, options=options) as channel:

        def call(method: str, request: bytes) -> bytes:
            unary: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/maitred.v1.{method}")
            with _errors_in_words(server):
                return unary(request, timeout=timeout_s, metadata=metadata)

        yield call


@contextmanager
def _errors_in_words(server: str) -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        if mistakes := _mistakes(error):
            raise PlaybookError(mistakes) from None
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            raise MaitredError(f"no server answers at {server}; is it running?") from None
        raise MaitredError(f"{error.code().name}: {error.details()}") from None


def _mistakes(error: grpc.RpcError) -> list[Mistake]:
    metadata: Any = error.trailing_metadata() or ()
    return [one for key, value in metadata if key == "grpc-status-details-bin" for one in mistakes_in(value)]


def mistakes_in(details: bytes) -> list[Mistake]:
    """The mistakes of a playbook that a google.rpc.Status tells of."""
    found: list[Mistake | None] = []
    for detail in status_pb2.Status.FromString(details).details:
        request = error_details_pb2.BadRequest()
        if detail.Unpack(request):
            found += [_mistake(violation) for violation in request.field_violations]
    return [mistake for mistake in found if mistake is not None]


def _mistake(violation: error_details_pb2.BadRequest.FieldViolation) -> Mistake | None:
    """`files[placements.yaml]:12:5` back into file, line and column."""
    found = _PLACE.fullmatch(violation.field)
    if found is None:
        return None
    return Mistake(found["file"], int(found["line"]), violation.description, int(found["column"] or 0))
