"""Labels: which element of a value belongs to which unit.

Every element has a number; numbers are united until each set is what can only go together. A set
can be **fixed**: none of it may be cut. A label array has the rank of its value, and extent 1 where
labels do not vary along an axis. In the end they vary along one axis at most: what is left of a
value after a cut must be an array again (:meth:`Units.rectangular`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Ints

FIXED = 0
"""Root of every fixed number."""


class Units:
    """Union-find over numbers; sets know why they are as they are."""

    def __init__(self) -> None:
        self._root = np.zeros(1, np.int64)  # of every number, always up to date
        self._cut = np.zeros(1, np.bool_)  # of every root: whether it can go
        self._members: dict[int, list[int]] = {}
        self._count = 1
        self._fixed: dict[int, tuple[str, str]] = {}
        self._tie: dict[int, str] = {}

    def fresh(self, shape: tuple[int, ...]) -> Ints:
        """Numbers of their own for an array."""
        size = math.prod(shape)
        while self._count + size > len(self._root):
            self._root = np.concatenate([self._root, np.zeros_like(self._root)])
            self._cut = np.concatenate([self._cut, np.ones_like(self._cut)])
        numbers = np.arange(self._count, self._count + size)
        self._root[numbers] = numbers
        self._members |= {number: [number] for number in numbers.tolist()}
        self._count += size
        return numbers.reshape(shape)

    def roots(self, labels: Ints) -> Ints:
        """The set of each label: :data:`FIXED` or the number of one member."""
        roots = self._root[labels]
        return np.where(self._cut[roots], roots, FIXED)

    def unite(self, a: Ints, b: Ints, by: str) -> None:
        """Put ``a[i]`` and ``b[i]`` into one set, for every i; ``by`` says who does."""
        a, b = np.broadcast_arrays(a, b)
        pairs = np.stack([self._root[a].reshape(-1), self._root[b].reshape(-1)], axis=1)
        pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
        for one, other in pairs.tolist():
            self._join(int(self._root[one]), int(self._root[other]), by)

    def _join(self, a: int, b: int, by: str) -> None:
        if a == b or (a in self._fixed and b in self._fixed):
            return
        if a in self._fixed or b in self._fixed:
            free, fixed = (b, a) if a in self._fixed else (a, b)
            what = self._fixed[fixed][0]
            self._fix(free, what, f"{by} ties them to {what}")
            return
        if len(self._members[a]) < len(self._members[b]):
            a, b = b, a
        moved = self._members.pop(b)
        self._root[moved] = a
        self._members[a] += moved
        self._tie[a] = by

    def fix(self, labels: Ints, what: str, why: str) -> None:
        """Nothing of these sets may be cut.

        Args:
            labels: Any.
            what: What they are, for sets that others tie to them.
            why: For themselves.
        """
        for root in np.unique(self._root[labels]).tolist():
            self._fix(root, what, why)

    def _fix(self, root: int, what: str, why: str) -> None:
        self._fixed.setdefault(root, (what, why))
        self._cut[root] = False

    def why(self, label: int) -> str:
        """Why a fixed label is fixed."""
        return self._fixed[int(self._root[label])][1]

    def tie(self, label: int) -> str:
        """Who united the set last; empty for a set of one number."""
        return self._tie.get(int(self._root[label]), "")

    # -- arrays ------------------------------------------------------------------------------------

    def merged(self, labels: Ints, axes: tuple[int, ...], by: str) -> Ints:
        """Unite along ``axes``, which get extent 1."""
        for axis in axes:
            first = labels.take([0], axis)
            if labels.shape[axis] > 1:
                self.unite(labels, first, by)
                labels = first
        return labels

    def rectangular(self, labels: Ints, by: str) -> Ints:
        """Unite along all axes but one: that which leaves most sets, the last one of equals."""
        labels = self.flattened(labels)
        axes = [axis for axis, extent in enumerate(labels.shape) if extent > 1]
        if len(axes) < 2:
            return labels
        best = max(axes, key=lambda axis: (self._sets_along(labels, axis), axis))
        return self.merged(labels, tuple(axis for axis in axes if axis != best), by)

    def flattened(self, labels: Ints) -> Ints:
        """Extent 1 along the axes along which nothing varies; exactly, so it unites nothing."""
        roots = self.roots(labels)
        for axis, extent in enumerate(labels.shape):
            if extent > 1 and (roots == roots.take([0], axis)).all():
                roots, labels = roots.take([0], axis), labels.take([0], axis)
        return labels

    def _sets_along(self, labels: Ints, axis: int) -> int:
        """How many sets would be left along one axis, with all others united."""
        roots = self.roots(np.moveaxis(labels, axis, 0).reshape(labels.shape[axis], -1))
        distinct, numbers = np.unique(roots, return_inverse=True)
        numbers = numbers.reshape(roots.shape)
        pairs = np.unique(
            np.stack([np.repeat(numbers[:, :1], roots.shape[1], 1), numbers], -1).reshape(-1, 2),
            axis=0,
        )
        parent = list(range(len(distinct)))

        def find(node: int) -> int:
            while parent[node] != node:
                parent[node] = node = parent[parent[node]]
            return node

        for one, other in pairs.tolist():
            parent[find(one)] = find(other)
        return len({find(node) for node in range(len(distinct))})


def varying(labels: NDArray[np.int64]) -> int | None:
    """The axis along which labels vary, if there is one.

    >>> varying(np.array([[3, 4]])), varying(np.array([[3]]))
    (1, None)
    """
    return next((axis for axis, extent in enumerate(labels.shape) if extent > 1), None)
