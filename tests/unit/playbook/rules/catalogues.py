"""Items as a catalogue in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from maitred_server.model import Item
from maitred_server.playbook.catalogue import Catalogue
from maitred_server.playbook.columns import Frozen
from maitred_server.playbook.draft import Draft
from maitred_server.playbook.rules import ItemColumns


def columns_of(items: Sequence[Item]) -> ItemColumns:
    """The columns of some items, in the order of their ids."""
    draft = Draft(items)
    frozen = Frozen(
        name="",
        description="",
        placements=(),
        layers=(),
        groups=tuple(draft.groups),
        variants=tuple(draft.variants),
        content_types=tuple(draft.content_types),
        number_names=tuple(draft.attributes.number_names),
        text_names=tuple(draft.attributes.text_names),
        texts=tuple(draft.attributes.texts),
        list_names=tuple(draft.attributes.list_names),
    )
    return ItemColumns.of(Catalogue("1", frozen, {**draft.columns(), "placement_actions": np.zeros(0, np.int32)}))
