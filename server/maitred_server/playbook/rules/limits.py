"""How large a rule may be: in parts, in depth, and in steps that it may take."""

from __future__ import annotations

from typing import Final

from maitred_server.playbook.rules.tree import Call, ListOf, Macro, MapOf, Node, children

MOST_NODES: Final = 200
MOST_DEPTH: Final = 32
MOST_STEPS: Final = 10_000
ASSUMED: Final = 64  # how long a list is taken to be that is not written out
TOO_DEEP: Final = f"nested more than {MOST_DEPTH} deep; each operator after another nests, but for `&&` and `||`"
_DEAR: Final = {"matches": 20, "matches_of": 20, "contains": 4}


def too_dear(node: Node) -> str:
    """What to say of a node that may take too many steps; "" of others."""
    steps = cost(node)
    if steps <= MOST_STEPS:
        return ""
    return f"may take some {steps:,} steps; at most {MOST_STEPS:,} are allowed. Nest fewer macros"


def cost(node: Node) -> int:
    """Steps that a rule takes at most, when no list is longer than 64: about, and for comparison only."""
    if isinstance(node, Macro):
        return cost(node.over) + length(node.over) * (cost(node.test) + cost(node.result))
    steps = 1 + sum(map(cost, children(node)))
    if isinstance(node, Call):
        steps += _DEAR.get(node.overload, 0)
        if node.overload in ("in_list", "in_double_ints", "equals", "not_equals", "add_list"):
            steps += sum(length(arg) // 8 for arg in node.args if arg.type.startswith(("list(", "map(")))
    return steps


def length(node: Node) -> int:
    """How long a list or a map is taken to be."""
    if isinstance(node, ListOf):
        return len(node.items)
    if isinstance(node, MapOf):
        return len(node.keys)
    if isinstance(node, Macro):
        return length(node.over)
    if isinstance(node, Call) and node.overload == "add_list":
        return sum(map(length, node.args))
    return ASSUMED
