"""Least sum of tables that share variables, by eliminating one variable after another.

A table gives a number for every choice of a few variables; the sum over all tables is to be least.
Variables are eliminated in turn: the tables that know one are added up, and its best value is kept
for every choice of its neighbours (Bertele and Brioschi, Nonserial Dynamic Programming, 1972;
"bucket elimination", Dechter 1999). That is exact for every graph; on a chain it is Viterbi's
algorithm. The price is the size of the largest table on the way, which is bounded by MOST.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

MOST = 4_000_000
"""Entries of the largest table that is made on the way."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Numbers for every choice of some variables, an axis each.

    Attributes:
        of: The variables, each once.
        values: Infinite where the choice is not allowed.
    """

    of: tuple[int, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Found:
    """The best choice.

    Attributes:
        values: Of each variable.
        total: The least sum; infinite where nothing is allowed.
        exact: Whether it is the least; false where a table would have been too large, and a
            variable was set to what looked best alone.
    """

    values: tuple[int, ...]
    total: float
    exact: bool


def least(sizes: Sequence[int], tables: Sequence[Table], most: int = MOST) -> Found:
    """The choice with the least sum; of equal ones always the same.

    Args:
        sizes: Number of values of each variable.
        tables: At least one knows each variable of more than one value.
        most: Entries of the largest table on the way.

    >>> a, b = Table((0,), np.array([3.0, 1.0])), Table((0, 1), np.array([[0.0, 9], [5, 2]]))
    >>> least([2, 2], [a, b])
    Found(values=(0, 0), total=3.0, exact=True)
    """
    left = list(tables)
    beside: dict[int, set[int]] = {v: set() for v in range(len(sizes))}
    for table in left:
        for v in table.of:
            beside[v].update(table.of)
    for v, near in beside.items():
        near.discard(v)
    done: list[tuple[int, tuple[int, ...], NDArray[np.intp]]] = []
    total, exact = 0.0, True
    while beside:
        v = min(beside, key=lambda v: (prod(sizes[n] for n in beside[v]) * sizes[v], v))
        own = [table for table in left if v in table.of]
        left = [table for table in left if v not in table.of]
        if prod(sizes[n] for n in beside[v]) * sizes[v] > most:
            exact = False
            own, cut = _fixed(v, own)
            done.append((v, (), np.array(cut)))
            left += own
        else:
            rest = tuple(sorted(beside[v]))
            joint = _sum((*rest, v), sizes, own)
            done.append((v, rest, joint.argmin(axis=-1)))
            left.append(Table(rest, joint.min(axis=-1)))
            for n in rest:
                beside[n].update(rest)
                beside[n].discard(n)
        for n in beside.pop(v):
            beside[n].discard(v)
    for table in left:
        total += float(table.values)
    chosen = [0] * len(sizes)
    for v, rest, best in reversed(done):
        chosen[v] = int(best[tuple(chosen[n] for n in rest)])
    return Found(tuple(chosen), total, exact)


def _sum(of: tuple[int, ...], sizes: Sequence[int], tables: Sequence[Table]) -> NDArray[np.float64]:
    """All tables added up over the variables ``of``, in that order."""
    place = {v: axis for axis, v in enumerate(of)}
    total = np.zeros([sizes[v] for v in of])
    for table in tables:
        axes = sorted(range(len(table.of)), key=lambda axis: place[table.of[axis]])
        shape = [1] * len(of)
        for axis in axes:
            shape[place[table.of[axis]]] = sizes[table.of[axis]]
        total += table.values.transpose(axes).reshape(shape)
    return total


def _fixed(v: int, tables: Sequence[Table]) -> tuple[list[Table], int]:
    """Tables without a variable that is set to its best value, the others being free."""
    alone = sum(
        table.values.min(axis=tuple(a for a, n in enumerate(table.of) if n != v))
        for table in tables
    )
    best = int(np.argmin(alone))
    return [
        Table(
            tuple(n for n in table.of if n != v),
            np.take(table.values, best, axis=table.of.index(v)),
        )
        for table in tables
    ], best
