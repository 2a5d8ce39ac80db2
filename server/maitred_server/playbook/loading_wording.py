"""reasons.yaml, and content with places: what is said to people, and that all of it can be filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from maitred_server.errors import Mistake
from maitred_server.model import Item, Reason, Variant
from maitred_server.playbook.control import ReasonText, Wording
from maitred_server.playbook.desk import Desk
from maitred_server.playbook.draft import ITEMS
from maitred_server.playbook.items import Written
from maitred_server.playbook.schema.wording import ReasonPart, ReasonsFile
from maitred_server.playbook.templates import is_template
from maitred_server.playbook.validation import Checked, mistake_at
from maitred_server.playbook.yamltree import Path


def wording(checked: Checked[ReasonsFile], desk: Desk) -> Wording:
    """The file as nouns."""
    part, texts = checked.part, []
    for at, one in enumerate(part.reasons):
        path = ("reasons", at)
        desk.placements(checked, (*path, "placements"), one.placements)
        desk.mistakes += _check_texts(checked, (*path, "text"), one, desk)
        texts.append(
            ReasonText(Reason[one.reason.upper()], _texts(one, part.locale), tuple(one.placements), one.stretch)
        )
    return Wording(part.locale, part.name_attribute, tuple(texts))


def _texts(part: ReasonPart, locale: str) -> tuple[tuple[str, str], ...]:
    return ((locale, part.text),) if isinstance(part.text, str) else tuple(part.text.items())


def _check_texts(checked: Checked[ReasonsFile], path: Path, part: ReasonPart, desk: Desk) -> Iterator[Mistake]:
    by_path = (
        {path: part.text} if isinstance(part.text, str) else {(*path, key): text for key, text in part.text.items()}
    )
    for place, text in by_path.items():
        if is_template(text.encode()):
            yield from (checked.mistake(place, message) for message in desk.template(text, "text/plain"))


def check_items(written: Iterable[Written], imported: Iterable[Item], desk: Desk) -> Iterator[Mistake]:
    """What is wrong with the places in items' content."""
    for one in written:
        for at, variant in enumerate(one.item.variants):
            for message in _check_content(variant, desk):
                assert one.node is not None  # templates have it
                node = one.node().find(["variants", at, "content"])
                yield mistake_at(one.file, node.place, f"item `{one.item.id}`: {message}")
    for item in imported:
        for variant in item.variants:
            for message in _check_content(variant, desk):
                yield Mistake(ITEMS, 0, f"item `{item.id}`: {message}")


def _check_content(variant: Variant, desk: Desk) -> list[str]:
    return desk.template(variant.content.decode("utf-8", "replace"), variant.content_type) if variant.template else []
