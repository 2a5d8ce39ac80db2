from collections.abc import Callable, Sequence

from maitred_server.decide.choice import Choice
from maitred_server.model import Reason
from maitred_server.policy.base import Bools, Floats, Policy, Positions, Scores

Filled = tuple[int, int, float, float, bool, bool, bool]

def choose(policy: Policy, priority: Floats, draw: float) -> tuple[int, float] | None: ...
def fill(
    priority: Floats,
    policy: Policy,
    slots: int,
    seed: int,
    step: int,
    first_row: Positions,
    end_row: Positions,
    guarded: bool,
) -> list[Filled]: ...
def choices(
    make: type[Choice],
    filled: list[Filled],
    actions: Positions,
    names_of: Callable[[int], tuple[str, str]],
    served: Reason | None,
    scores: Scores,
    features: Sequence[bytes] | None,
    met: Sequence[bool] | None,
) -> list[Choice]: ...
def with_remaining(choices: Sequence[Choice], left: Sequence[int | None]) -> list[Choice]: ...
def close(priority: Floats, open_rows: Bools | None) -> Floats: ...
def weighed(found: Floats, by: Floats) -> Floats: ...
