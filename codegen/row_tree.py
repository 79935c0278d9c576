"""Rows of +1, 0 and -1 over the same inputs as trees: inputs that go the same way are summed once.

Of the rows in a set, inputs whose columns are equal or opposite there add up to one number that all
rows of the set share. k rows tell at most ``2**(k-1)`` such classes of inputs (``(3**k - 1) / 2``
with zeros), whatever the weights are: the method of the four Russians (Arlazarov et al., 1970),
turned around. So rows form trees: a node is a set of rows and has a sum for each class; a child has
a subset of the rows, and fewer and larger classes, which are sums of the parent's; a leaf is a row.

An input enters as many trees as there are, once each, so few trees of many rows are good; but the
classes of many rows are small and many. The size of the trees and which rows share one are searched
with an estimate of the LUTs, by swaps of two rows under a budget of swaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Ints

SIZES = (1, 2, 4, 8)
"""Rows of the trees that are tried."""

SWAPS = 2000
"""Swaps of two rows between trees that are tried for each size."""

INNER_SWAPS = 60
"""The same between the two halves of a tree."""


@dataclass(frozen=True, slots=True)
class RowTree:
    """A set of rows.

    Attributes:
        rows: Their numbers.
        children: A partition of them; none of a single row.
    """

    rows: tuple[int, ...]
    children: tuple[RowTree, ...] = ()


def codes(weights: Ints | NDArray[np.float64]) -> NDArray[np.float64]:
    """Number of the class of each input, negative where it counts the other way; 0 of no class.

    >>> import numpy as np
    >>> codes(np.array([[1, -1, 0, 1], [1, -1, 0, -1]])).tolist()
    [4.0, -4.0, 0.0, -2.0]
    """
    powers = 3.0 ** np.arange(len(weights))  # exact: sets have a dozen rows
    found: NDArray[np.float64] = powers @ weights
    return found


def row_trees(weights: Ints) -> list[RowTree]:
    """The trees that are estimated to be cheapest.

    Args:
        weights: -1, 0 and 1, (rows, inputs); every row has one that is not 0.
    """
    real = weights.astype(np.float64)
    sizes = [size for size in SIZES if size <= len(weights)]
    forests = [_Search(real).forest(size) for size in sizes]
    alone = np.ones(weights.shape[1])
    return min(forests, key=lambda trees: sum(_price(real, tree, alone) for tree in trees))


def _price(weights: NDArray[np.float64], tree: RowTree, given: NDArray[np.float64]) -> float:
    """LUTs of a node and those below.

    Args:
        weights: Of all rows.
        tree: The node.
        given: Bits that stand for each input; those of a class are spread over its inputs.
    """
    classes, place, inputs = np.unique(
        np.abs(codes(weights[list(tree.rows)])), return_inverse=True, return_counts=True
    )
    has = np.where(classes == 0, 0.0, np.bincount(place, given))
    left = np.minimum(has, _bits(inputs))
    luts = float(((has - left) / np.where(has > 12, 1.5, 1.15)).sum())
    below = (left / inputs)[place]
    return luts + sum(_price(weights, child, below) for child in tree.children)


def _bits(counts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Bits of a heap of so many bits that was compressed where it pays."""
    exact = np.frexp(counts.astype(np.float64))[1].astype(np.float64)
    return np.where(counts == 4, 3.0, np.where((counts == 6) | (counts == 8), 4.0, exact))


class _Search:
    """Search for a forest of trees of one size."""

    def __init__(self, weights: NDArray[np.float64]) -> None:
        self.weights = weights
        self.random = Random(0)

    def forest(self, size: int) -> list[RowTree]:
        """Trees of ``size`` rows or a few less."""
        rows = list(range(len(self.weights)))
        count = -(-len(rows) // size)
        parts = [rows[part::count] for part in range(count)]
        if size > 2:
            self._improve(parts, SWAPS)
        return [self._tree(part) for part in parts]

    def _tree(self, rows: list[int]) -> RowTree:
        if len(rows) == 1:
            return RowTree(tuple(rows))
        half = (len(rows) + 1) // 2
        parts = [rows[:half], rows[half:]]
        if half > 2:
            self._improve(parts, INNER_SWAPS)
        return RowTree(tuple(rows), tuple(self._tree(part) for part in parts))

    def _improve(self, parts: list[list[int]], swaps: int) -> None:
        """Swap rows between parts where that leaves fewer bits."""
        if len(parts) < 2:
            return
        left = [self._left(part) for part in parts]
        for _ in range(swaps):
            a, b = self.random.sample(range(len(parts)), 2)
            i, j = self.random.randrange(len(parts[a])), self.random.randrange(len(parts[b]))
            one, two = list(parts[a]), list(parts[b])
            one[i], two[j] = two[j], one[i]
            bits = self._left(one), self._left(two)
            if sum(bits) <= left[a] + left[b]:
                parts[a], parts[b] = one, two
                left[a], left[b] = bits

    def _left(self, rows: list[int]) -> float:
        """Bits that the sums of all classes of these rows have."""
        found = np.sort(np.abs(codes(self.weights[rows])))
        found = found[np.searchsorted(found, 0.5) :]
        edges = np.flatnonzero(np.diff(found, prepend=-1.0, append=-1.0))
        return float(_bits(np.diff(edges)).sum())
