"""Every call: request bytes and caller in, answer bytes out, or a MaitredError. There is no transport in here.

A handler that must wait for the disk answers with a `Durable`: the front waits for its future, without holding a
thread, and then asks it for the bytes. A call that pushes answers with a `Subscription`, see `watch`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from maitred_server.errors import TooLarge
from maitred_server.rpc.access import Caller
from maitred_server.rpc.admin import Admin
from maitred_server.rpc.decisions import Decisions
from maitred_server.rpc.durable import Durable
from maitred_server.rpc.explaining import Explaining
from maitred_server.rpc.feedback import Feedback
from maitred_server.rpc.playbooks import Playbooks
from maitred_server.rpc.rights import Rights
from maitred_server.rpc.subjects import Subjects
from maitred_server.rpc.watch import Subscription, Watch

KIB, MIB = 1024, 1024 * 1024

Handler: TypeAlias = Callable[[bytes, Caller], bytes | Durable]
Pusher: TypeAlias = Callable[[bytes, Caller, Callable[[], None]], Subscription]


class Method(NamedTuple):
    """How large a call's message may be, in bytes. `streams`: the handler is called for every message of a stream;
    `pushes`: for the first one, and messages come back whenever there are any.
    """

    limit: int
    streams: bool = False
    pushes: bool = False


METHODS: dict[str, Method] = {
    "DecisionService/Decide": Method(64 * KIB),
    "DecisionService/DecideBatch": Method(MIB),
    "DecisionService/Explain": Method(64 * KIB),
    "DecisionService/Watch": Method(64 * KIB, pushes=True),
    "FeedbackService/Record": Method(MIB),
    "FeedbackService/Stream": Method(MIB, streams=True),
    "ProfileService/GetProfile": Method(64 * KIB),
    "ProfileService/PutTraits": Method(MIB),
    "ProfileService/RecordEvents": Method(MIB),
    "ProfileService/DeleteProfile": Method(64 * KIB),
    "ProfileService/GetErasure": Method(64 * KIB),
    "ProfileService/ExportSubject": Method(64 * KIB),
    "ProfileService/PutConsents": Method(64 * KIB),
    "ProfileService/MergeSubjects": Method(64 * KIB),
    "ProfileService/UnmergeSubjects": Method(64 * KIB),
    "ProfileService/EndSession": Method(64 * KIB),
    "AdminService/Publish": Method(16 * MIB),
    "AdminService/DiffPlaybook": Method(16 * MIB),
    "AdminService/PreviewPlaybook": Method(16 * MIB),
    "AdminService/ListVersions": Method(64 * KIB),
    "AdminService/Rollback": Method(64 * KIB),
    "AdminService/ImportItems": Method(8 * MIB),
    "AdminService/SetItemState": Method(4 * MIB),
    "AdminService/GetItemState": Method(64 * KIB),
    "AdminService/GetStatus": Method(64 * KIB),
}

PACKAGE = "maitred.v1"
SERVICES = tuple(dict.fromkeys(name.split("/")[0] for name in METHODS))  # decisions first: gRPC asks them in turn


class Handlers:
    """All calls of one worker."""

    def __init__(
        self,
        decisions: Decisions,
        explaining: Explaining,
        feedback: Feedback,
        subjects: Subjects,
        rights: Rights,
        playbooks: Playbooks,
        admin: Admin,
        watch: Watch,
    ) -> None:
        self._watch = watch
        self._pushers: dict[str, Pusher] = {"DecisionService/Watch": watch.open}
        self._handlers: dict[str, Handler] = {
            "DecisionService/Decide": decisions.decide,
            "DecisionService/DecideBatch": decisions.decide_batch,
            "DecisionService/Explain": explaining.explain,
            "FeedbackService/Record": feedback.record,
            "FeedbackService/Stream": feedback.stream,
            "ProfileService/GetProfile": subjects.get_profile,
            "ProfileService/PutTraits": subjects.put_traits,
            "ProfileService/RecordEvents": feedback.record,
            "ProfileService/DeleteProfile": rights.delete_profile,
            "ProfileService/GetErasure": rights.get_erasure,
            "ProfileService/ExportSubject": rights.export_subject,
            "ProfileService/PutConsents": subjects.put_consents,
            "ProfileService/MergeSubjects": subjects.merge_subjects,
            "ProfileService/UnmergeSubjects": subjects.unmerge_subjects,
            "ProfileService/EndSession": subjects.end_session,
            "AdminService/Publish": playbooks.publish,
            "AdminService/DiffPlaybook": playbooks.diff_playbook,
            "AdminService/PreviewPlaybook": playbooks.preview_playbook,
            "AdminService/ListVersions": playbooks.list_versions,
            "AdminService/Rollback": playbooks.rollback,
            "AdminService/ImportItems": admin.import_items,
            "AdminService/SetItemState": admin.set_item_state,
            "AdminService/GetItemState": admin.get_item_state,
            "AdminService/GetStatus": admin.get_status,
        }

    def call(self, name: str, data: bytes, caller: Caller) -> bytes | Durable:
        """Make a call by its name ("Service/Method"). Raises MaitredError; nothing else that a caller could cause."""
        _check(name, data, caller)
        return self._handlers[name](data, caller)

    def open(self, name: str, data: bytes, caller: Caller, wake: Callable[[], None]) -> Subscription:
        """Begin a call that pushes, with its first message; it is to be closed. `wake`: from any thread, there may be
        something to take. Raises as `call`.
        """
        _check(name, data, caller)
        return self._pushers[name](data, caller, wake)

    def close(self) -> None:
        """The server stops: end the calls that would not end by themselves."""
        self._watch.close()


def _check(name: str, data: bytes, caller: Caller) -> None:
    caller.require(name)
    limit = METHODS[name].limit
    if len(data) > limit:
        raise TooLarge(f"the message has {len(data)} bytes; at most {limit} are allowed for this call")
