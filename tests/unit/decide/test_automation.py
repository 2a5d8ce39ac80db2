"""Who serves a placement: what its automation allows, the arm, the subject's intensity, and the holdout before all."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.desk import intensity
from harness.shop import decided, shop
from maitred_server.model import Intensity, Reason

BOOK = b"""
name: t
holdout: {share: 0.5}
layers:
  - {name: trial, arms: [{name: chance, share: 0.5, policies: {home: uniform}}]}
"""
NOBODY = {"holdout": "", "trial": ""}
CHANCE = {"holdout": "", "trial": "chance"}
HELD = {"holdout": "holdout", "trial": "chance"}


@pytest.mark.parametrize(
    ("automation", "overrides", "level", "expected"),
    [
        *(
            (one, NOBODY, Intensity.FULL, ("popular", Reason.BASELINE))
            for one in ("fixed", "logging_only", "apprentice")
        ),
        *(
            (one, CHANCE, Intensity.FULL, ("popular", Reason.BASELINE))
            for one in ("fixed", "logging_only", "apprentice")
        ),
        ("online", NOBODY, Intensity.FULL, ("fixed", Reason.RULE)),
        ("online", CHANCE, Intensity.FULL, ("uniform", Reason.EXPLORED)),
        ("online", CHANCE, Intensity.CONTEXTUAL, ("uniform", Reason.EXPLORED)),
        ("online", CHANCE, Intensity.OFF, ("popular", Reason.BASELINE)),
        *((one, HELD, Intensity.FULL, ("popular", Reason.HOLDOUT)) for one in ("fixed", "apprentice", "online")),
        ("online", HELD, Intensity.OFF, ("popular", Reason.HOLDOUT)),
    ],
)
def test_who_serves(
    tmp_path: Path, automation: str, overrides: dict[str, str], level: Intensity, expected: tuple[str, Reason]
) -> None:
    """The holdout gets the baseline first of all; then whoever wants no personalization, and placements that are less
    than `online`; else the arm's policy serves, or the placement's own. The choices say so too.
    """
    placement = (
        f"{{name: home, slots: 2, policy: fixed, order: [soap, milk], baseline: popular, automation: {automation}}}"
    )
    desk = shop(tmp_path, placements=(placement,), playbook=BOOK)
    (decision,) = decided(desk, overrides=overrides, pending=[intensity(level)])
    assert (decision.policy, decision.reason) == expected
    assert {choice.reason for choice in decision.slate} == {expected[1]}
