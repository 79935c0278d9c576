"""A tensor of the float runtime, and how far it can be from the exact one (error_bound.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Reals

UNIT = 2.0**-24 + 2.0**-50
"""Roundoff of float32, and with it that of the float64 in which the exact value is computed."""

SIGNIFICAND = 2.0**24


@dataclass(frozen=True, slots=True)
class Bounded:
    """What is known of one tensor, element by element.

    Attributes:
        value: The exact value, to float64.
        carried: Bound on the error that comes from settled tensors and constants.
        size: Bound on every partial result, in either arithmetic.
        roundings: Operations since the last settled tensors.
        grid: Power of two of which every operand so far is exactly a multiple, if there is one;
            then ``carried`` is 0.

    Where a bound is NaN (of infinity times 0, say), nothing is known: it becomes infinite.
    """

    value: Reals
    carried: Reals
    size: Reals
    roundings: int = 0
    grid: float | None = None

    def __post_init__(self) -> None:
        for name in ("carried", "size"):
            bound: Reals = getattr(self, name)
            if np.isnan(bound).any():
                object.__setattr__(self, name, np.where(np.isnan(bound), np.inf, bound))

    @property
    def error(self) -> Reals:
        """Bound on |runtime - value|."""
        if self.exact:
            return np.zeros_like(self.value)
        if self.roundings == 0:  # the size may be infinite
            return self.carried
        return self.carried + gamma(self.roundings) * self.size

    @property
    def exact(self) -> bool:
        """Whether point 3 applies."""
        return self.grid is not None and bool(self.size.max(initial=0.0) <= SIGNIFICAND * self.grid)

    def settled(self) -> Bounded:
        """The same tensor once the runtime has written it to memory."""
        if self.roundings == 0 and self.grid is None:
            return self
        error = self.error
        grid = self.grid if self.exact else None
        return Bounded(self.value, error, np.abs(self.value) + error, 0, grid)


def gamma(roundings: int) -> float:
    """Relative error of ``roundings`` successive roundings.

    >>> gamma(0), gamma(1) < 1.001 * 2**-24
    (0.0, True)
    """
    total: float = roundings * UNIT
    return total / (1 - total)


def grid_of(array: Reals) -> float:
    """Largest power of two of which every element is a multiple; 1 for zeros.

    >>> grid_of(np.array([0.75, -2.0, 0.0])), grid_of(np.array([4.0, 12.0]))
    (0.25, 4.0)
    """
    mantissa, exponent = np.frexp(array[array != 0])
    if mantissa.size == 0:
        return 1.0
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    _, trailing = np.frexp((whole & -whole).astype(np.float64))
    return float(np.ldexp(1.0, int((exponent - 53 + trailing - 1).min())))


def common_grid(args: Sequence[Bounded]) -> float | None:
    """Power of two of which every element of all tensors is a multiple, if one is known."""
    grids = [arg.grid for arg in args if arg.grid is not None]
    return min(grids) if len(grids) == len(args) else None
