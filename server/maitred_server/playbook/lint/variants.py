"""Placements that may show nothing: without a fallback, or with items that lack a variant for what they serve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

from maitred_server.errors import Mistake
from maitred_server.model import Variant
from maitred_server.playbook.lint.scene import Scene, some


def without_fallback(scene: Scene) -> Iterator[Mistake]:
    """Placements that show nothing when no candidate may be."""
    for plan in scene.playbook.placements:
        if not plan.fallback:
            message = f"placement `{plan.name}` has no `fallback`: it shows nothing when no candidate may be shown"
            yield scene.warning("placements", plan.name, message)


def missing_variants(scene: Scene) -> Iterator[Mistake]:
    """Candidates that have no variant for a device and locale that their placement serves, or for its format."""
    for plan in scene.control.slates:
        if not (plan.devices or plan.locales or plan.format):
            continue
        for device, locale in product(plan.devices or ("",), plan.locales or ("",)):
            lacking = [
                name
                for name in scene.candidates[plan.placement]
                if not any(_fits(variant, device, locale, plan.format) for variant in scene.items[name].variants)
            ]
            if lacking:
                moment = _moment((("device", device), ("locale", locale), ("format", plan.format)))
                message = f"placement `{plan.placement}` has no variant for {moment} of {some(lacking)}"
                yield scene.warning("placements", plan.placement, message)


def _moment(named: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{what} `{name}`" for what, name in named if name)


def _fits(variant: Variant, device: str, locale: str, form: str) -> bool:
    """Whether a variant may be shown. What is not said (a device, a locale) is left open."""
    return (
        (not variant.devices or not device or device in variant.devices)
        and (not variant.locales or not locale or not _plain(variant.locales).isdisjoint(_cases(locale)))
        and (not variant.formats or form in variant.formats)
    )


def _plain(locales: tuple[str, ...]) -> set[str]:
    return {locale.replace("_", "-").lower() for locale in locales}


def _cases(locale: str) -> set[str]:
    """A locale and what it is a case of: `de-CH` is `de-ch` and `de`."""
    parts = locale.replace("_", "-").lower().split("-")
    return {"-".join(parts[:count]) for count in range(1, len(parts) + 1)}
