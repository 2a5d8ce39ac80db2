"""The files of a playbook, as pydantic models: what may be written where. Their JSON Schema is published from here."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from maitred_server.playbook.schema.header import PlaybookFile
from maitred_server.playbook.schema.items import GroupsFile, ItemPart, ItemsFile
from maitred_server.playbook.schema.placements import PlacementsFile
from maitred_server.playbook.schema.rules import ArbitrationFile, ContactPoliciesFile, RulesFile
from maitred_server.playbook.schema.subjects import SegmentsFile, SubjectsFile
from maitred_server.playbook.schema.values import KNOWN_POLICIES, Part
from maitred_server.playbook.schema.wording import ReasonsFile

FILES: Final[dict[str, type[Part]]] = {
    "playbook.yaml": PlaybookFile,
    "placements.yaml": PlacementsFile,
    "subjects.yaml": SubjectsFile,
    "segments.yaml": SegmentsFile,
    "rules.yaml": RulesFile,
    "contact_policies.yaml": ContactPoliciesFile,
    "arbitration.yaml": ArbitrationFile,
    "reasons.yaml": ReasonsFile,
    "groups.yaml": GroupsFile,
    "items.yaml": ItemsFile,
    "items.jsonl": ItemPart,
}


def json_schema(policies: Collection[str] = KNOWN_POLICIES) -> dict[str, Any]:
    """The JSON Schema of any file of a playbook: one of `anyOf`. For items.jsonl: of each line."""
    models = [(model, "validation") for model in FILES.values()]
    references, definitions = models_json_schema(models, by_alias=True)  # type: ignore[arg-type]
    _name_policies(definitions["$defs"], sorted(policies))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A file of a Maitred playbook",
        "description": "The keys at the top tell which file it is.",
        "anyOf": [references[(model, "validation")] for model in FILES.values()],
        **definitions,
    }


def _name_policies(definitions: dict[str, Any], policies: list[str]) -> None:
    placement = definitions["PlacementPart"]["properties"]
    for field in (placement["policy"], placement["baseline"]):
        field["enum"] = policies
    definitions["ArmPart"]["properties"]["policies"]["additionalProperties"] = {"enum": policies}
