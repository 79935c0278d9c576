"""A histogram of a stream of values whose range is not known before.

A bin is as wide as a power of two and starts at a multiple of it, so that a wider histogram is
made of the narrower one exactly: the result does not depend on the order of the values, and none
are kept. Zeros, which every grid has and of which ReLU makes many, are counted apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Reals

HALF = 4096
"""Bins on either side of zero."""

_LEAST = -140
"""Exponent of the narrowest bin, near the least float32."""


class Histogram:
    """Counts of values; see the top of this file.

    Attributes:
        total: Values seen.
        zeros: How many of them were 0.
        lo: Least value, 0 when there was none.
        hi: Largest value, likewise.
        sum_abs: Sum of the magnitudes.

    >>> seen = Histogram()
    >>> seen.update(np.array([0.0, 1.5, -3.0]))
    >>> seen.total, seen.zeros, seen.lo, seen.hi, int(seen.counts.sum())
    (3, 1, -3.0, 1.5, 2)
    """

    def __init__(self) -> None:
        self.total = self.zeros = 0
        self.lo = self.hi = self.sum_abs = 0.0
        self.exponent = _LEAST
        self.counts = np.zeros(2 * HALF, np.int64)

    def update(self, values: NDArray[np.floating[Any]]) -> None:
        """Count finite values of any shape."""
        if values.size == 0:
            return
        lo, hi = float(values.min()), float(values.max())
        self.lo, self.hi = (min(self.lo, lo), max(self.hi, hi)) if self.total else (lo, hi)
        self.total += values.size
        self.sum_abs += float(np.abs(values).sum(dtype=np.float64))
        self.zeros += values.size - int(np.count_nonzero(values))
        largest = max(abs(lo), abs(hi))
        if largest == 0:
            return
        self._widen(int(np.frexp(largest)[1]) - HALF.bit_length() + 1)
        flat = values[values != 0] if lo <= 0 else values.ravel()
        bins = np.floor(np.ldexp(flat, -self.exponent)).astype(np.int64) + HALF
        self.counts += np.bincount(bins, minlength=2 * HALF)

    def _widen(self, exponent: int) -> None:
        """Make bins at least 2**exponent wide."""
        steps = exponent - self.exponent
        if steps <= 0:
            return
        self.exponent = exponent
        seen = np.flatnonzero(self.counts)
        counts = np.zeros_like(self.counts)
        np.add.at(counts, ((seen - HALF) >> min(steps, 62)) + HALF, self.counts[seen])
        self.counts = counts

    @property
    def width(self) -> float:
        """Width of a bin."""
        return float(np.ldexp(1.0, self.exponent))

    def bins(self) -> tuple[Reals, Reals]:
        """Centre and count of each bin that is not empty, and of zero; float64."""
        seen = np.flatnonzero(self.counts)
        centres = np.clip((seen - HALF + 0.5) * self.width, self.lo, self.hi)
        counts = self.counts[seen].astype(np.float64)
        if self.zeros:
            centres, counts = np.append(centres, 0.0), np.append(counts, float(self.zeros))
        return centres, counts

    def magnitudes(self) -> Reals:
        """Count of each bin of magnitudes, zeros left out, float64 (HALF,)."""
        return np.asarray(self.counts[HALF:] + self.counts[:HALF][::-1], np.float64)

    def quantile(self, part: float) -> float:
        """Value that ``part`` of all values are not above, to the width of a bin."""
        below = np.concatenate([[0], np.cumsum(self.counts)])
        below[HALF + 1 :] += self.zeros
        place = int(np.searchsorted(below, part * self.total))
        return float(np.clip((place - HALF) * self.width, self.lo, self.hi))
