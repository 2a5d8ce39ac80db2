"""What may be used of a subject, through a real server; docs/consent.md is a test's script."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.server import Running, eventually
from maitred.v1 import feedback_pb2, profile_pb2, types_pb2
from maitred_server.decide.ruleset import Ruleset
from maitred_server.model import Kind
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.store import Store
from maitred_server.store.published import brand_folder
from maitred_server.store.secrets import KeyDirectory
from maitred_server.subjects.identity import Pseudonyms

PAGE = (Path(__file__).parents[2] / "docs" / "consent.md").read_text()
PLAYBOOK = {
    match["file"]: match["body"].encode()
    for match in re.finditer(r"^`(?P<file>[\w.]+)`\n\n```yaml\n(?P<body>.*?)^```", PAGE, re.M | re.S)
}
BRAND = "default"
STEPS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
CONTEXT = {"weather": types_pb2.Value(text="rain")}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Any:
    running = Running(tmp_path_factory.mktemp("consent") / "data")
    running.publish(PLAYBOOK)
    yield running
    assert running.stop() == 0, running.log.read_text()


def test_the_page(shop: Running) -> None:
    """Each step of docs/consent.md holds."""
    names: dict[str, Any] = {}
    for number, step in enumerate(STEPS):
        code = step.replace("localhost:7400", shop.target)
        exec(compile(code, f"docs/consent.md, block {number + 1}", "exec"), names)
    assert len(STEPS) == 4


def put_traits(shop: Running, subject: str, **traits: str) -> None:
    given = [
        types_pb2.Trait(name=name, value=types_pb2.Value(text=value), source=types_pb2.TRAIT_SOURCE_EXPLICIT)
        for name, value in traits.items()
    ]
    request = profile_pb2.PutTraitsRequest(subject=types_pb2.Subject(id=subject), traits=given)
    shop.call("ProfileService/PutTraits", request, profile_pb2.PutTraitsResponse)


def put_consents(shop: Running, subject: str, **request: Any) -> None:
    asked = profile_pb2.PutConsentsRequest(subject=types_pb2.Subject(id=subject), **request)
    shop.call("ProfileService/PutConsents", asked, profile_pb2.PutConsentsResponse)


def offered(shop: Running, subject: str, **more: Any) -> tuple[set[str], int]:
    decision = shop.decide(subject, "home", context=CONTEXT, **more).decisions[0]
    return {choice.item for choice in decision.slate}, decision.reason


def view(sequence: int) -> feedback_pb2.FeedbackEvent:
    return feedback_pb2.FeedbackEvent(sequence=sequence, event=feedback_pb2.Event(type="view", item="tent"))


GRANTED = [types_pb2.Consent(purpose="browsing", state=types_pb2.CONSENT_STATE_GRANTED)]
REVOKED = [types_pb2.Consent(purpose="browsing", state=types_pb2.CONSENT_STATE_REVOKED)]
EXPECTED = {
    types_pb2.INTENSITY_OFF: ({"boots", "tent"}, types_pb2.REASON_BASELINE),
    types_pb2.INTENSITY_CONTEXTUAL: ({"boots", "tent", "umbrella"}, types_pb2.REASON_POPULAR),
    types_pb2.INTENSITY_EXPLICIT: ({"boots", "tent", "umbrella", "skis"}, types_pb2.REASON_POPULAR),
    types_pb2.INTENSITY_FULL: ({"boots", "tent", "umbrella", "skis"}, types_pb2.REASON_HABIT),
}


@pytest.mark.parametrize("level", EXPECTED)
def test_each_intensity(shop: Running, level: Any) -> None:
    """The baseline alone; context; what the subject said; what it did: in force when the call has returned."""
    subject = f"level-{level}"
    put_traits(shop, subject, sport="skiing")
    event = view(level)
    event.subject.id = subject
    shop.record(event)
    put_consents(shop, subject, consents=GRANTED, intensity=level)
    assert offered(shop, subject) == EXPECTED[level]


def test_a_stranger_is_served_from_context_at_once(shop: Running) -> None:
    """The first visit has a full answer, in which rules about people see nobody."""
    assert offered(shop, "stranger") == EXPECTED[types_pb2.INTENSITY_CONTEXTUAL]


def test_a_revoked_consent_hides_at_once(shop: Running) -> None:
    """On its way it holds in the decision that it travels with; durable, in every one."""
    event = view(101)
    event.subject.id = "revoking"
    shop.record(event)
    put_consents(shop, "revoking", consents=GRANTED)
    assert offered(shop, "revoking")[1] == types_pb2.REASON_HABIT
    on_its_way = feedback_pb2.FeedbackEvent(sequence=102, consents=feedback_pb2.ConsentsPut(consents=REVOKED))
    on_its_way.subject.id = "revoking"
    pending = feedback_pb2.FeedbackBatch(client="test", epoch=1, events=[on_its_way])
    assert offered(shop, "revoking", pending=pending)[1] == types_pb2.REASON_POPULAR
    assert offered(shop, "revoking")[1] == types_pb2.REASON_HABIT
    put_consents(shop, "revoking", consents=REVOKED)
    assert offered(shop, "revoking")[1] == types_pb2.REASON_POPULAR


def test_a_sensitive_trait_is_kept_and_never_used(start: Callable[..., Running]) -> None:
    """No playbook with a rule over it can be published; it is shown to whom it is about."""
    server = start()
    asking = PLAYBOOK["segments.yaml"] + b'  - {name: injured, if: subject.injury == "knee"}\n'
    with pytest.raises(Exception, match="injury"):
        server.publish({**PLAYBOOK, "segments.yaml": asking})
    server.publish(PLAYBOOK)
    put_traits(server, "hurt", injury="knee")
    request = profile_pb2.GetProfileRequest(subject=types_pb2.Subject(id="hurt"))
    profile = server.call("ProfileService/GetProfile", request, profile_pb2.GetProfileResponse)
    assert [trait.name for trait in profile.traits] == ["injury"]


@pytest.mark.parametrize("workers", [1, 2])
def test_segments_are_kept_with_profiles(start: Callable[..., Running], workers: int) -> None:
    """A server stamps the profiles that it writes with what is published, and decides with it as without."""
    server = start("--workers", str(workers))
    server.publish(PLAYBOOK)
    assert eventually(lambda: server.versions() == {"1"})
    put_traits(server, "skier", sport="skiing")
    put_traits(server, "walker", sport="walking")
    assert offered(server, "skier") == EXPECTED[types_pb2.INTENSITY_EXPLICIT]
    assert offered(server, "walker") == EXPECTED[types_pb2.INTENSITY_CONTEXTUAL]
    server.stop()
    pseudonyms = Pseudonyms(KeyDirectory(server.data / "keys").pseudonym_key())
    timeless = Ruleset(Catalogue.open(brand_folder(server.data, BRAND) / "catalogue")).timeless
    assert timeless is not None
    with Store.open(server.data, read_only=True) as store:
        for subject, bits in (("skier", b"\x01"), ("walker", b"")):
            profile = store.profile(pseudonyms.subject_key(BRAND, Kind.PERSON, subject))
            assert profile is not None
            assert profile.stamp == timeless.mark + bits
