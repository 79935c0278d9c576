"""Small functions of wires: from a table with don't-cares to an expression of few operators.

A function of n wires is an array of shape (2,) * n; axis k is wire k. Where ``care`` is False the
word never comes, and either result will do. Two steps use that freedom, neither loses an input that
the function needs:

1. a wire goes where the two halves of the table agree wherever both are defined (the halves become
   one, defined where either was);
2. what is left is decided wire by wire (a binary decision diagram, Bryant, 1986), with the same
   test at every node (the ``restrict`` of Coudert and Madre, 1990).

Step 1 begins with the last wire, step 2 with the first: give those that decide most first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bools: TypeAlias = NDArray[np.bool_]

ZERO, ONE = 0, 1
"""Nodes of the two constants; others are numbered from 2."""


@dataclass(slots=True)
class Decision:
    """A function as decisions.

    Attributes:
        nodes: Of node ``n``, at ``n - 2``: the wire, the nodes where it is 1 and where it is 0.
        root: The function itself.
    """

    nodes: list[tuple[int, int, int]] = field(default_factory=list)
    root: int = ZERO

    @property
    def support(self) -> tuple[int, ...]:
        """Wires that are read, ascending."""
        return tuple(sorted({wire for wire, _, _ in self.nodes}))

    def run(self, bits: Sequence[int]) -> int:
        """The value for one word."""
        at = self.root
        while at > ONE:
            wire, high, low = self.nodes[at - 2]
            at = high if bits[wire] else low
        return at

    @property
    def luts(self) -> int:
        """6-input LUTs: one up to six wires.

        Above: tables of six wires behind multiplexers, or two decisions in a LUT: the lesser.
        """
        wires = len(self.support)
        if wires <= 6:
            return int(wires > 1)
        return min(1 << wires - 6, (len(self.nodes) + 1) // 2)


def decide(table: Bools, care: Bools) -> Decision:
    """Decisions that agree with a table wherever it matters.

    Args:
        table: The function, shape (2,) * n.
        care: Words that come, the same shape.

    >>> both = np.array([[False, False], [False, True]])
    >>> decide(both, np.ones((2, 2), bool)).nodes
    [(1, 1, 0), (0, 2, 0)]
    >>> decide(both, np.array([[True, True], [False, True]])).nodes  # never 1, then 0
    [(0, 1, 0)]
    """
    wires = list(range(table.ndim))
    for axis in reversed(range(table.ndim)):
        merged = _merged(table, care, axis)
        if merged is not None:
            (table, care), _ = merged, wires.pop(axis)
    found = Decision()
    known: dict[tuple[int, bytes, bytes], int] = {}
    unique: dict[tuple[int, int, int], int] = {}

    def build(table: Bools, care: Bools, first: int) -> int:
        if not (table & care).any():
            return ZERO
        if not (~table & care).any():
            return ONE
        key = (first, (table & care).tobytes(), care.tobytes())
        if key not in known:
            merged = _merged(table, care, 0)
            if merged is not None:
                known[key] = build(*merged, first + 1)
            else:
                high = build(table[1], care[1], first + 1)
                low = build(table[0], care[0], first + 1)
                node = (wires[first], high, low)
                if high != low and node not in unique:
                    found.nodes.append(node)
                    unique[node] = len(found.nodes) + 1
                known[key] = high if high == low else unique[node]
        return known[key]

    found.root = build(table, care, 0)
    return found


def _merged(table: Bools, care: Bools, axis: int) -> tuple[Bools, Bools] | None:
    """Both halves along an axis as one, where nothing speaks against it."""
    low, high = np.take(table, 0, axis), np.take(table, 1, axis)
    low_care, high_care = np.take(care, 0, axis), np.take(care, 1, axis)
    if ((low != high) & low_care & high_care).any():
        return None
    return np.where(low_care, low, high), low_care | high_care


@dataclass(frozen=True, slots=True)
class Text:
    """A function in SystemVerilog.

    Attributes:
        lines: Name and value of wires that it reads, in order.
        value: The function.
    """

    lines: tuple[tuple[str, str], ...]
    value: str


def text_of(function: Decision, wires: Sequence[str], prefix: str) -> Text:
    """An expression; what is read more than once gets a wire.

    Args:
        function: The function.
        wires: Names of its wires.
        prefix: Names of new wires begin with it.

    >>> either = decide(np.array([[0, 1], [1, 1]], bool), np.ones((2, 2), bool))
    >>> text_of(either, ["a", "b"], "t").value
    '(a | b)'
    """
    reads = Counter(child for _, high, low in function.nodes for child in (high, low))
    names = {ZERO: "1'b0", ONE: "1'b1"}
    lines = []
    for number, (wire, high, low) in enumerate(function.nodes, 2):
        value = _choice(wires[wire], high, low, names)
        if reads[number] > 1 and value != wires[wire]:
            names[number] = f"{prefix}_{number}"
            lines.append((names[number], value))
        else:
            names[number] = value
    return Text(tuple(lines), names[function.root])


def _choice(wire: str, high: int, low: int, names: dict[int, str]) -> str:
    match high, low:
        case (1, 0):
            return wire
        case (0, 1):
            return f"~{wire}"
        case (1, _):
            return f"({wire} | {names[low]})"
        case (_, 0):
            return f"({wire} & {names[high]})"
        case (0, _):
            return f"(~{wire} & {names[low]})"
        case (_, 1):
            return f"(~{wire} | {names[high]})"
        case _:
            return f"({wire} ? {names[high]} : {names[low]})"
