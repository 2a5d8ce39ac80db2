from collections.abc import Sequence

from maitred_server.decide.answer import Decision
from maitred_server.decide.choice import Choice

class Packer:
    def __init__(self, nouns: tuple[type[Decision], type[Choice]]) -> None: ...
    def pack(
        self,
        before: tuple[object, ...],
        decisions: Sequence[Decision],
        wanted: Sequence[int],
        behind: tuple[object, ...],
    ) -> bytes: ...
