from __future__ import annotations

from maitred import Choice, Decision, Reason
from maitred_tools.demo.more import More, Said


def _decision(*choices: Choice) -> Decision:
    return Decision("till-more", choices, Reason.HABIT)


def _page() -> Decision:
    return _decision(
        Choice("APPLES", slot=0, reason_text="Because you bought Apples"),
        Choice("MILK", slot=1, reason_text="Popular"),
        Choice("BREAD", slot=2, reason_text="Popular", stretch=True),
    )


def _more() -> More:
    more = More()
    more.add(1, _page(), {"APPLES", "BREAD"})
    more.add(2, _page(), {"MILK"})
    more.add(2, _decision(Choice("TEA", slot=2)), {"TEA"})
    return more


def test_slots_are_told_apart() -> None:
    """The first slot is the reserved one, a marked one is a stretch; the third slot without the mark is ordinary."""
    found = {kind: (rate.value, rate.visits, rate.households) for kind, rate in _more().by_kind().items()}
    assert found == {"ordinary": (2 / 3, 3, 2), "reserved": (0.5, 2, 2), "stretch": (0.5, 2, 2)}


def test_reasons_are_counted_as_they_were_said() -> None:
    """The most often said come first, each with how often what it was said of was bought."""
    assert _more().said() == [Said("Popular", 4, 2), Said("Because you bought Apples", 2, 1), Said("", 1, 1)]


def test_segments_are_of_households() -> None:
    """A household counts in each of its segments, the segment with the most visits first."""
    found = _more().by_segment({1: ["families"], 2: ["seniors", "couples"]})
    sizes = {name: (rate.visits, rate.households) for name, rate in found.items()}
    assert sizes == {"couples": (2, 1), "seniors": (2, 1), "families": (1, 1)}
    assert found["families"].value == 2 / 3
    assert list(found)[-1] == "families"


def test_without_visits_there_are_no_rates() -> None:
    """Before the first visit nothing was offered, said or counted."""
    assert [rate.visits for rate in More().by_kind().values()] == [0, 0, 0]
    assert More().by_segment({}) == {}
    assert More().said() == []
