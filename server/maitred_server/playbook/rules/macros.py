"""Which macro an expanded loop was: they come out of the parser as loops of five known forms."""

from __future__ import annotations

from typing import Any, NamedTuple


class Form(NamedTuple):
    """A macro. `test` and `result` are None where the macro has none."""

    kind: str
    over: Any
    test: Any
    result: Any


def recognized(loop: Any) -> Form | None:
    """The macro that was expanded to this loop."""
    if loop.iter_var2:
        return None
    start, step = loop.accu_init, loop.loop_step.call_expr
    if start.HasField("list_expr"):
        return _building(loop.iter_range, step)
    if not start.HasField("const_expr"):
        return None
    if step.function == "_||_":
        return Form("exists", loop.iter_range, step.args[1], None)
    if step.function == "_&&_":
        return Form("all", loop.iter_range, step.args[1], None)
    if step.function == "_?_:_":
        return Form("exists_one", loop.iter_range, step.args[0], None)
    return None


def _building(over: Any, step: Any) -> Form | None:
    """`map`: list + [result]; with a test, or `filter`: test ? list + [result] : list."""
    test = None
    if step.function == "_?_:_":
        test, step = step.args[0], step.args[1].call_expr
    if step.function != "_+_":
        return None
    return Form("map", over, test, step.args[1].list_expr.elements[0])
