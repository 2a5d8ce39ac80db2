"""How subjects meet the candidates of a placement: what they did and said becomes features and predictions.

`maitred_server.compiled.learned` has the same class, which does all of it in one step.
"""

from __future__ import annotations

from collections.abc import Mapping

from maitred_server.policy.meeting import Stage, meet
from maitred_server.policy.past import past
from maitred_server.policy.scorer import Encounter, Scorer
from maitred_server.store import Profile


class Encounters:
    """Of one placement; made when a snapshot is taken up."""

    def __init__(self, scorer: Scorer, stage: Stage, counts: str) -> None:
        """`counts`: the counter type that is looked at."""
        self._scorer = scorer
        self._stage = stage
        self._counts = counts
        told = [(name, *name.partition(".")) for name in scorer.space.traits]
        self._said = tuple((name, origin == "subject", key) for name, origin, _, key in told)

    def meet(
        self, profile: Profile | None, now: int, subject: Mapping[str, object], context: Mapping[str, object]
    ) -> Encounter:
        """`profile` None: nothing is known of what the subject did, or nothing may be. `now`: ms."""
        said = {name: (subject if of_subject else context).get(key) for name, of_subject, key in self._said}
        return Encounter(self._scorer, meet(self._stage, past(profile, self._counts, now), said))
