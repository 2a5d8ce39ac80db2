"""One decision's moment: who it is for, what may be seen of them, and when. Made once, handed to every stage."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from maitred_server.decide.ask import Ask
from maitred_server.decide.contacts import Contacts
from maitred_server.decide.profile import Known
from maitred_server.decide.view import View
from maitred_server.playbook.rules import Answers
from maitred_server.subjects.assignment import Assignment


class Moment(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What every stage may look at. Rules and features look at `view` only; caps and wishes at `who` too."""

    ask: Ask
    who: Known
    view: View
    assignment: Assignment
    now: int  # ms, by the decision's clock
    answers: Answers | None = None  # of the playbook's rules; None: it has none
    segments: tuple[str, ...] = ()
    contacts: Contacts | None = None  # None: there are no contact policies

    def for_page(self, contacts: Contacts) -> Moment:
        """The same, as a page begins."""
        return msgspec.structs.replace(self, contacts=contacts.for_page())

    @property
    def context(self) -> Mapping[str, object]:
        """The request's context, as rules see it."""
        return self.view.context
