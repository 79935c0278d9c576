"""Range of sums of products with constants, exact however large the numbers are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir.types import IntType

SAFE = 1 << 62
"""Sums below this fit int64; larger ones are computed in Python's integers."""


def sum_range(weights: NDArray[Any], axis: int, x: IntType) -> IntType:
    """Least and largest sum of ``weights * x`` along an axis, each x any of its type.

    >>> sum_range(np.array([[1, -2], [3, 0]]), 1, IntType(0, 5))
    i5[-10..15]
    >>> sum_range(np.array([[2**60]]), 1, IntType(0, 2**60)).hi == 2**120
    True
    """
    largest = max(int(weights.max(initial=0)), -int(weights.min(initial=0)))
    if largest * weights.shape[axis] * max(abs(x.lo), abs(x.hi)) >= SAFE:
        weights = weights.astype(object)
    positive = np.maximum(weights, 0).sum(axis=axis)
    negative = np.minimum(weights, 0).sum(axis=axis)
    lo = positive * x.lo + negative * x.hi
    hi = positive * x.hi + negative * x.lo
    return IntType(int(lo.min()), int(hi.max()))
