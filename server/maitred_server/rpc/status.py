"""Which status each error gets; the one place where errors meet the wire."""

from __future__ import annotations

from typing import NamedTuple

from google.rpc import code_pb2, error_details_pb2, status_pb2

from maitred_server import errors

_CODES: dict[type[errors.MaitredError], int] = {
    errors.InvalidRequest: code_pb2.INVALID_ARGUMENT,
    errors.UnknownName: code_pb2.NOT_FOUND,
    errors.NotPublished: code_pb2.FAILED_PRECONDITION,
    errors.WrongMode: code_pb2.FAILED_PRECONDITION,
    errors.NotAllowed: code_pb2.PERMISSION_DENIED,
    errors.NotAuthenticated: code_pb2.UNAUTHENTICATED,
    errors.Expired: code_pb2.FAILED_PRECONDITION,
    errors.Erased: code_pb2.FAILED_PRECONDITION,
    errors.NothingKept: code_pb2.NOT_FOUND,
    errors.NotMerged: code_pb2.FAILED_PRECONDITION,
    errors.TooLarge: code_pb2.RESOURCE_EXHAUSTED,
    errors.TooMany: code_pb2.RESOURCE_EXHAUSTED,
    errors.DeadlinePassed: code_pb2.DEADLINE_EXCEEDED,
    errors.Stopping: code_pb2.UNAVAILABLE,
    errors.Lacking: code_pb2.UNIMPLEMENTED,
    errors.StoreFull: code_pb2.RESOURCE_EXHAUSTED,
    errors.StoreBroken: code_pb2.UNAVAILABLE,
    errors.RecordDamaged: code_pb2.DATA_LOSS,
    errors.StoreRefused: code_pb2.UNAVAILABLE,
    errors.PlaybookError: code_pb2.INVALID_ARGUMENT,
}


class Status(NamedTuple):
    """A gRPC status: code, what a person reads, and google.rpc.Status bytes for `grpc-status-details-bin`."""

    code: int
    message: str
    details: bytes


def code_of(error: errors.MaitredError) -> int:
    """The gRPC status code of an error, by its class or the nearest one above it."""
    for kind in type(error).__mro__:
        if kind in _CODES:
            return _CODES[kind]
    return int(code_pb2.INTERNAL)


def status_of(error: errors.MaitredError) -> Status:
    """The status that a caller gets. Violations name their fields in a google.rpc.BadRequest."""
    status = status_pb2.Status(code=code_of(error), message=error.message)
    violations = _violations(error)
    if violations:
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=violations))
    return Status(int(status.code), error.message, status.SerializeToString())


def _violations(error: errors.MaitredError) -> list[error_details_pb2.BadRequest.FieldViolation]:
    violation = error_details_pb2.BadRequest.FieldViolation
    if isinstance(error, errors.PlaybookError):
        return [violation(field=_place(mistake), description=mistake.message) for mistake in error.mistakes]
    return [violation(field=error.field, description=error.message)] if error.field else []


def _place(mistake: errors.Mistake) -> str:
    """`files[placements.yaml]:12:5`, without the column where it is not known."""
    return f"files[{mistake.file}]:{mistake.line}" + (f":{mistake.column}" if mistake.column else "")


INTERNAL = Status(
    code_pb2.INTERNAL,
    "a defect of the server; its log says more",
    status_pb2.Status(code=code_pb2.INTERNAL, message="a defect of the server; its log says more").SerializeToString(),
)
