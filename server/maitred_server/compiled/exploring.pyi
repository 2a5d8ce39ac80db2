from maitred_server.policy.base import Floats

def choose_by_gap(
    priority: Floats, draw: float, gamma: float, share: float, scale: float
) -> tuple[int, float] | None: ...
