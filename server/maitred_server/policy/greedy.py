"""`greedy`: what is predicted to be best, always. It learns only from what it believes already."""

from __future__ import annotations

from maitred_server.policy.base import Greedy


class Best(Greedy):
    """Takes the highest prediction."""

    name = "greedy"
    weighted = True
