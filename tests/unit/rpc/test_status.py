from __future__ import annotations

import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from maitred_server import errors
from maitred_server.rpc import status


def every_error() -> list[type[errors.MaitredError]]:
    found, open_kinds = [], [errors.MaitredError]
    while open_kinds:
        kind = open_kinds.pop()
        open_kinds += kind.__subclasses__()
        found.append(kind)
    return found


@pytest.mark.parametrize(
    "kind", [kind for kind in every_error() if kind not in (errors.MaitredError, errors.StoreError)]
)
def test_every_error_has_a_status_of_its_own(kind: type[errors.MaitredError]) -> None:
    """No error that is raised on purpose reaches a caller as INTERNAL."""
    made = kind([]) if kind is errors.PlaybookError else kind("what is wrong")
    assert status.code_of(made) != code_pb2.INTERNAL


def test_a_field_is_named_in_a_bad_request() -> None:
    """A wrong field comes as google.rpc.BadRequest with its path and what would be right."""
    made = status.status_of(errors.InvalidRequest("must be finite", "context[age]"))
    bad = error_details_pb2.BadRequest()
    assert status_pb2.Status.FromString(made.details).details[0].Unpack(bad)
    assert [(one.field, one.description) for one in bad.field_violations] == [("context[age]", "must be finite")]
    assert made.code == code_pb2.INVALID_ARGUMENT


def test_every_mistake_of_a_playbook_is_a_violation() -> None:
    """All mistakes travel, each with file, line and column."""
    mistakes = [errors.Mistake("a.yaml", 3, "no", 7), errors.Mistake("b.yaml", 0, "nor this")]
    made = status.status_of(errors.PlaybookError(mistakes))
    bad = error_details_pb2.BadRequest()
    status_pb2.Status.FromString(made.details).details[0].Unpack(bad)
    assert [one.field for one in bad.field_violations] == ["files[a.yaml]:3:7", "files[b.yaml]:0"]


def test_errors_cross_a_process_boundary_whole() -> None:
    """Field and mistakes survive pickling, so that a child process can refuse in the caller's words."""
    import pickle

    one = pickle.loads(pickle.dumps(errors.InvalidRequest("wrong", "items[3].id")))
    assert (one.message, one.field) == ("wrong", "items[3].id")
    two = pickle.loads(pickle.dumps(errors.PlaybookError([errors.Mistake("a", 1, "b")])))
    assert two.mistakes == (errors.Mistake("a", 1, "b"),)


def test_mistakes_come_back_from_the_wire() -> None:
    """What the command line reads out of a refused publish are the mistakes that the server found, places and all."""
    from maitred_server.admin_client import mistakes_in

    mistakes = [
        errors.Mistake("a]:b.yaml", 3, "no", 7),
        errors.Mistake("b.yaml", 4, "nor"),
        errors.Mistake("c", 0, "x"),
    ]
    made = status.status_of(errors.PlaybookError(mistakes))
    assert mistakes_in(made.details) == mistakes
