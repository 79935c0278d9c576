"""Concat: several arrays, one behind the other along an axis of the frame. Source: ONNX Concat-13.

On reals and integers alike, but not mixed. Integers of different types meet in the least range
that holds them all (:func:`union`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from gatesmith.ir import IntType, Op, TensorType, Values


def union(types: Sequence[IntType]) -> IntType:
    """Least range that holds every value of all types; its step is 1 where they differ.

    >>> bipolar = IntType(-1, 1, 2)
    >>> union([bipolar, bipolar]), union([bipolar, IntType(0, 0)]), union([IntType(0, 9)])
    (bipolar, i2[-1..1], u4[0..9])
    """
    if len(set(types)) == 1:
        return types[0]
    return IntType(min(t.lo for t in types), max(t.hi for t in types))


@dataclass(frozen=True, slots=True)
class Concat(Op):
    """``axis`` is counted without the batch axis, from 0.

    >>> Concat(0).run(np.array([[1, 2]]), np.array([[3]]))
    array([[1, 2, 3]])
    """

    axis: int

    def infer(self, *args: TensorType) -> TensorType:
        """Extents along ``axis`` add up, the others agree."""
        first = args[0]
        if not 0 <= self.axis < len(first.shape):
            raise ValueError(f"{first} has no axis {self.axis}")

        def others(arg: TensorType) -> tuple[int, ...]:
            return (*arg.shape[: self.axis], *arg.shape[self.axis + 1 :])

        for arg in args[1:]:
            if len(arg.shape) != len(first.shape) or others(arg) != others(first):
                raise ValueError(f"{first} and {arg} differ on another axis than {self.axis}")
        extent = sum(arg.shape[self.axis] for arg in args)
        shape = (*first.shape[: self.axis], extent, *first.shape[self.axis + 1 :])
        integers = [arg.elem for arg in args if isinstance(arg.elem, IntType)]
        if not integers:
            return TensorType(shape, first.elem)
        if len(integers) < len(args):
            raise ValueError("cannot put integers and reals in one array")
        return TensorType(shape, union(integers))

    def run(self, *args: Values) -> Values:
        """Constants come without the batch axis and are repeated for every frame."""
        rank = max(arg.ndim for arg in args)
        frames = next(len(arg) for arg in args if arg.ndim == rank)
        whole = [a if a.ndim == rank else np.broadcast_to(a, (frames, *a.shape)) for a in args]
        return cast(Values, np.concatenate(whole, axis=self.axis + 1))
