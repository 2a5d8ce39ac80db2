from collections.abc import Callable

from maitred_server.decide.answer import Answer, Decision
from maitred_server.decide.choice import Choice
from maitred_server.rpc.encoded import Published

class Responses:
    def __init__(
        self,
        nouns: tuple[type[Answer], type[Decision], type[Choice]],
        placement: Callable[[str, int, str, int, int], bytes],
        rarer: Callable[[Choice], bytes],
    ) -> None: ...
    def response(self, answer: Answer, tag: bytes, shared: bytes, published: Published) -> bytes: ...
