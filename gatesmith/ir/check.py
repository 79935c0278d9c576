"""Verifier: run after every pass, so that a broken pass is caught where it broke.

1. Names are unique.
2. Types are those that the operators infer (a node holds its type; a pass may have forged one).
3. On sample data every value lies inside its inferred range.

A failure is a bug in gatesmith, not the user's: it raises :class:`BrokenGraphError`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from gatesmith.ir.execute import execute
from gatesmith.ir.graph import Graph, Node
from gatesmith.ir.types import IntType, Values


class BrokenGraphError(AssertionError):
    """A graph that breaks the rules of the IR."""


def check(graph: Graph, after: str, samples: Mapping[str, Values] | None = None) -> None:
    """Raise BrokenGraphError, naming the pass ``after`` which the graph was found broken."""
    nodes = list(graph)
    twice = [name for name, count in Counter(n.name for n in nodes).items() if count > 1]
    if twice:
        raise BrokenGraphError(f"after {after}: names used twice: {', '.join(twice)}")
    for node in nodes:
        inferred = node.op.infer(*(arg.type for arg in node.args))
        if inferred != node.type:
            why = f"{node.name} has {node.type}, inferred {inferred}"
            raise BrokenGraphError(f"after {after}: {why}")
    if samples is not None:
        for node, value in execute(graph, samples, keep=nodes).items():
            _inside(node, value, after)


def _inside(node: Node, value: Values, after: str) -> None:
    elem = node.type.elem
    if isinstance(elem, IntType) and not elem.contains(value):
        raise BrokenGraphError(
            f"after {after}: {node.name} is {elem}, got {value.min()} to {value.max()}"
        )


def samples(graph: Graph, frames: int, seed: int = 0) -> dict[str, Values]:
    """Random inputs of an integer graph, both ends of each range included."""
    rng = np.random.default_rng(seed)
    found: dict[str, Values] = {}
    for node in graph:
        if not node.args and type(node.op).__name__ == "Input":
            elem = node.type.int_elem
            n = rng.integers(0, elem.count, (frames, *node.type.shape))
            n[0], n[-1] = 0, elem.count - 1
            found[node.name] = elem.lo + elem.step * n
    return found
