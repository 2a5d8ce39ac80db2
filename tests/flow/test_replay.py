"""`maitred replay --journal`: another policy on real decisions, against what is known to be true."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from harness.replays import Shop, bought, person
from maitred_server.cli import app
from maitred_server.errors import InvalidRequest, MaitredError, NothingKept, UnknownName
from maitred_server.evaluate.report import Evaluation
from maitred_server.model import Exposure, Merge
from maitred_server.playbook.control import Control, Learning, Response, SlatePlan, Worth
from msgspec import convert
from msgspec.structs import replace
from typer.testing import CliRunner

RATES = {"APPLES": 0.7, "PEARS": 0.2, "BREAD": 0.1, "MILK": 0.4, "SOAP": 0.3}
HOUR = 3_600_000
PLACEMENTS = """
placements:
  - {name: lottery, slots: 1, policy: uniform, order: [APPLES, PEARS]}
  - {name: pair, slots: 2, policy: uniform}
  - {name: certain, slots: 1, policy: popular}
"""
LEARNED = """
placements:
  - {name: lottery, slots: 1, policy: inverse_gap}
"""
CLICKED = Response("clicked", 48 * HOUR)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    one = Shop(tmp_path / "data", PLACEMENTS, Control())
    yield one
    one.close()


def replayed(shop: Shop, policy: str, *words: str, placement: str = "lottery") -> tuple[Evaluation, dict[str, object]]:
    """By the command, with the outcome `clicked` as reward unless the words say otherwise."""
    given = ["--journal", str(shop.data), "--placement", placement, "--policy", policy, "--resamples", "200", *words]
    shop.close()
    try:
        answer = CliRunner().invoke(app, ["replay", *given, "--json"], catch_exceptions=False)
    finally:
        shop.open()
    assert answer.exit_code == 0
    told = json.loads(answer.stdout)
    journal = told.pop("journal")
    return convert(told, Evaluation), journal


def holds(found: Evaluation, name: str, truth: float) -> bool:
    """Whether an estimate is within four standard errors: so that chance fails no test."""
    (one,) = [figure for figure in found.estimates if figure.name == name]
    return abs(one.value - truth) <= 4.0 * one.error


def test_another_policy_is_told_from_a_lottery(shop: Shop) -> None:
    """A fixed order and what is popular earn what their items are known to earn; every decision was made again."""
    shop.tell(person(999), *(bought("MILK") for _ in range(3)))
    shop.learn()
    shop.serve(500, RATES, "lottery")
    for policy, best in (("popular", "MILK"), ("fixed", "APPLES")):
        found, journal = replayed(shop, policy, "--response", "clicked")
        assert holds(found, "DR", RATES[best])
        assert holds(found, "SNIPS", RATES[best])
        assert (journal["decisions"], journal["replayed"], journal["left_out"]) == (500, 500, {})
        assert journal["checked"] == journal["same"] == 500
    assert found.verdict.word == "better"
    other, _ = replayed(shop, "fixed", "--response", "clicked", "--setting", "order=BREAD,MILK")
    assert holds(other, "DR", RATES["BREAD"])
    assert other.verdict.word == "worse"


def test_what_is_personal_is_decided_as_of_then(shop: Shop) -> None:
    """`habit` is asked with what each subject had bought by then, not with what it bought since."""
    for number in range(100):
        shop.tell(person(number), bought("SOAP"))
    shop.serve(300, RATES, "lottery", subjects=100)
    for number in range(100):
        shop.tell(person(number), bought("BREAD"), bought("BREAD"))
    found, journal = replayed(shop, "habit", "--response", "clicked")
    assert journal["replayed"] == 300
    assert holds(found, "SNIPS", RATES["SOAP"])
    weighted = found.effective_sample
    soap = sum(one.shown[0].item == "SOAP" for one in exposures(shop))
    assert weighted == pytest.approx(soap)


def test_a_learned_policy_is_asked_with_the_models_of_then(tmp_path: Path) -> None:
    """The model in force at each decision, made again from the journal: the policy that served gives back every
    probability, and `greedy` is told to be better. The latest model does with a warning.
    """
    shop = Shop(tmp_path / "data", LEARNED, learned(exploration=1.0))
    for _ in range(5):
        shop.serve(70, RATES, "lottery")
        shop.learn()
    folder = shop.data / "brands" / "default" / "policy"
    assert len(list(folder.glob("*.snapshot"))) < 5
    again, journal = replayed(shop, "inverse_gap")
    assert (journal["checked"], journal["same"], journal["model"]) == (350, 350, "in force then")
    assert again.largest_weight == pytest.approx(1.0)
    assert again.mean_weight == pytest.approx(1.0)
    found, _ = replayed(shop, "greedy")
    assert found.verdict.word == "better"
    latest, told = replayed(shop, "greedy", "--model", "latest")
    assert holds(latest, "DR", RATES["APPLES"])
    assert "that flatters it" in str(told["warnings"])
    shop.close()


def test_slots_and_pages_are_told_again(shop: Shop) -> None:
    """Two slots of two placements on a page: what the first shows is closed in the second, and all that is checked
    comes out as it was logged.
    """
    shop.serve(150, RATES, "lottery", "pair")
    found, journal = replayed(
        shop, "fixed", "--response", "clicked", "--setting", "order=APPLES,MILK", placement="pair"
    )
    assert (journal["replayed"], journal["checked"], journal["same"]) == (150, 150, 150)
    assert found.slots == 2
    uniform, _ = replayed(shop, "uniform", "--response", "clicked", placement="pair")
    assert [uniform.largest_weight, uniform.mean_weight] == pytest.approx([1.0, 1.0])


def test_rewards_are_what_the_playbook_says(tmp_path: Path) -> None:
    """What is learned, times its worth and the item's value; an outcome after its wait earns nothing."""
    control = replace(learned(worth=10.0), slates=(SlatePlan("lottery", worth=Worth("", 2.0)),))
    shop = Shop(tmp_path / "data", LEARNED.replace("inverse_gap", "uniform"), control)
    shop.serve(120, RATES, "lottery")
    valued, journal = replayed(shop, "uniform")
    plain, _ = replayed(shop, "uniform", "--response", "clicked")
    assert valued.logged.value == pytest.approx(20.0 * plain.logged.value)
    assert journal["reward"] == "10 x clicked, times the item's value, within 2d"
    shop.close()


def test_who_is_no_example_is_left_out(shop: Shop) -> None:
    """Erased subjects are in no figure; merged ones and overridden arms are counted, and so are other times."""
    shown = shop.serve(200, RATES, "lottery", subjects=50)
    shop.store.delete(person(1), shop.now).result()
    shop.tell(person(2), Merge(person(3)))
    shop.tell(person(2), replace(shown[0], decision_id="ab" * 15 + "00", merged=True))
    shop.tell(person(2), replace(shown[0], decision_id="ac" * 15 + "00", overridden=("layer",)))
    shop.tell(person(2), replace(shown[0], decision_id="ad" * 15 + "00", pending=True))
    found, journal = replayed(shop, "fixed", "--response", "clicked")
    assert journal["left_out"] == {
        "of a subject that was merged": 1,
        "an arm was asked for": 1,
        "feedback on its way took part, which is in no profile of the journal": 1,
    }
    assert (found.decisions, found.clusters) == (196, 49)
    _, early = replayed(shop, "fixed", "--response", "clicked", "--to", "2025-06-15T16:46:40Z")
    before = sum(one.decided_at < 1_750_006_000_000 for one in shown)
    assert early["decisions"] == before - 2 + 3  # without who was erased, with the three told twice


def test_a_sample_is_bounded_and_fair(shop: Shop) -> None:
    """With --most so many decisions are looked at, and the answer is the same but for chance."""
    shop.serve(400, RATES, "lottery")
    found, journal = replayed(shop, "fixed", "--response", "clicked", "--most", "150")
    assert (journal["decisions"], journal["sampled"], found.decisions) == (400, 150, 150)
    assert holds(found, "SNIPS", RATES["APPLES"])


def test_a_journal_that_does_not_give_back_its_probabilities_is_refused(shop: Shop) -> None:
    """When what was logged is not what the policy does, nothing is told."""
    for one in shop.serve(60, RATES, "lottery"):
        wrong = replace(one.shown[0], probability=0.5)
        shop.tell(person(7), replace(one, decision_id=one.decision_id[::-1][:-2] + "00", shown=(wrong,)))
    with pytest.raises(InvalidRequest, match="got other probabilities than were logged"):
        replayed(shop, "fixed", "--response", "clicked")


@pytest.mark.parametrize(
    ("words", "error", "why"),
    [
        (("popular", "--response", "clicked", "--placement", "certain"), InvalidRequest, "had the probability 1"),
        (("popular",), InvalidRequest, "name an outcome type with --response"),
        (("popular", "--response", "clickd"), InvalidRequest, "did you mean `clicked`"),
        (("populr", "--response", "clicked"), InvalidRequest, "^no policy `populr`; did you mean `popular`\\?$"),
        (("",), InvalidRequest, "^give --policy, one of `epsilon`, "),
        (("popular", "--response", "clicked", "--placement", "lotery"), UnknownName, r"did you mean `lottery`\?$"),
        (("popular", "--response", "clicked", "--placement", ""), InvalidRequest, "name one with --placement"),
        (("uniform", "--setting", "exploration=1"), InvalidRequest, "has no setting `exploration`; it has none"),
        (("greedy", "--setting", "scale"), InvalidRequest, "is no NAME=VALUE, such as exploration=0.1"),
        (("greedy", "--setting", "exploration=2"), InvalidRequest, "must be a number from 0 to 1"),
        (("greedy", "--response", "clicked", "--model", "latest"), NothingKept, "no models"),
        (("popular", "--response", "clicked", "--from", "yesterday"), InvalidRequest, "no time as 2026-05-01"),
        (
            ("popular", "--response", "clicked", "--from", "2030-01-01"),
            InvalidRequest,
            "no such decisions",
        ),
        (("popular", "--response", "clicked", "--brand", "other"), NothingKept, "nothing was published"),
        (("popular", "--response", "clicked", "--arm", "first=chance"), InvalidRequest, "no such decisions"),
        (("popular", "--response", "clicked", "--arm", "first"), InvalidRequest, "is no LAYER=ARM"),
        (("popular", "--log", "x.csv"), InvalidRequest, "give --journal DIR"),
        (("popular", "--column", "reward=r"), InvalidRequest, "--column goes with --log alone"),
    ],
)
def test_what_cannot_be_told_is_refused(
    shop: Shop, words: tuple[str, ...], error: type[MaitredError], why: str
) -> None:
    """With what would be right."""
    shop.serve(30, RATES, "lottery", "certain")
    with pytest.raises(error, match=why):
        replayed(shop, *words)


def test_nothing_is_written(shop: Shop) -> None:
    """The data directory is the same to the byte, but for LMDB's table of readers, beside an open server."""
    shop.serve(60, RATES, "lottery")
    shop.close()
    before = digests(shop.data)
    run(shop, "--policy", "fixed", "--response", "clicked")
    after = digests(shop.data)
    shop.open()
    assert after == before


def test_the_written_log_says_the_same(shop: Shop, tmp_path: Path) -> None:
    """Read as a log it gives the same estimates, and no key of anybody is in it."""
    shop.serve(80, RATES, "lottery", "pair")
    path = tmp_path / "log.parquet"
    found, _ = replayed(
        shop, "fixed", "--response", "clicked", "--write-log", str(path), "--setting", "order=MILK,SOAP"
    )
    words = ["replay", "--log", str(path), "--policy", "column:target", "--resamples", "200", "--json"]
    answer = CliRunner().invoke(app, words, catch_exceptions=False)
    again = convert(json.loads(answer.stdout), Evaluation)
    assert [(one.name, one.value) for one in again.estimates] == [(one.name, one.value) for one in found.estimates]
    assert person(1)[-16:].hex().encode() not in path.read_bytes()


def test_the_page_says_where_its_figures_come_from(shop: Shop) -> None:
    """For people: what was left out, what was checked, what the reward is, and the verdict last."""
    shop.serve(60, RATES, "lottery")
    shop.close()
    text = run(shop, "--policy", "fixed", "--response", "clicked")
    shop.open()
    assert "60 of 60 gave back the probabilities that were logged" in text
    assert "clicked, within 7d" in text
    assert "\nCannot be told from this much data: `fixed` would have earned" in text


def run(shop: Shop, *words: str) -> str:
    """The command on a shop that is closed."""
    given = ["replay", "--journal", str(shop.data), "--placement", "lottery", "--resamples", "200", *words]
    answer = CliRunner().invoke(app, given, catch_exceptions=False)
    assert answer.exit_code == 0
    return answer.stdout


def learned(exploration: float = 0.05, worth: float = 1.0) -> Control:
    response = replace(CLICKED, worth=worth)
    return Control(learning=(Learning("lottery", (response,), ("habit",), exploration=exploration),))


def exposures(shop: Shop) -> list[Exposure]:
    return [one.body for _, one in shop.store.read_journal(0, 9_999) if isinstance(one.body, Exposure)]


def digests(data: Path) -> Mapping[str, str]:
    files = [one for one in data.rglob("*") if one.is_file() and one.name != "lock.mdb"]
    return {str(one): sha256(one.read_bytes()).hexdigest() for one in files}


def test_there_is_no_apprentice_where_the_policy_serves(shop: Shop) -> None:
    """A placement that is online is refused, with what to use instead."""
    shop.serve(30, RATES, "lottery")
    shop.close()
    words = ["policy", "apprentice", "lottery", "--data", str(shop.data)]
    with pytest.raises(InvalidRequest, match="`automation: online`: there is no apprentice; `maitred replay`"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    shop.open()


def test_the_apprentices_page(tmp_path: Path) -> None:
    """For people: since when, agreement, both values, the sentence, and last how to promote it."""
    placements = """
placements:
  - {name: lottery, slots: 1, policy: inverse_gap, baseline: popular, automation: apprentice}
"""
    shop = Shop(tmp_path / "data", placements, learned())
    shop.serve(60, RATES, "lottery")
    shop.close()
    words = ["policy", "apprentice", "lottery", "--data", str(shop.data), "--resamples", "200"]
    text = " ".join(CliRunner().invoke(app, words, catch_exceptions=False).stdout.split())
    for said in ("apprentice: lottery", "2025-06-15 15:07 UTC, 60 decisions", "of 60 slots", "the model (DM)"):
        assert said in text
    assert text.endswith("then run `maitred publish PLAYBOOK`")
