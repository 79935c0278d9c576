"""Table: any function of one integer with few values, by looking it up.

    y[..., c] = values[c, (x[..., c] - domain.lo) / domain.step]

Sigmoid, tanh, SiLU, GELU between quantizers become one (docs/semantics.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Array, IntType, Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Table(Op):
    """Look up.

    Attributes:
        values: int64 (channels or 1, domain.count): a row for each channel, or one for all.
        out: Type of the result.
        domain: Arguments that the table has a value for, in this order; holds those of x.

    >>> op = Table(Array([[9, 4, 0]]), IntType(0, 15), IntType(-1, 1))
    >>> op.run(np.array([[-1, 0, 1, -1]]))
    array([[9, 4, 0, 9]])
    """

    values: Array
    out: IntType
    domain: IntType

    def __post_init__(self) -> None:
        if len(self.values.shape) != 2 or self.values.shape[1] != self.domain.count:
            raise ValueError(f"values of shape {self.values.shape} for {self.domain}")
        if not self.out.contains(self.values.data):
            raise ValueError(f"values lie outside {self.out}")

    def infer(self, *args: TensorType) -> TensorType:
        """Same shape, the stated type."""
        (x,) = args
        if self.values.shape[0] not in (1, x.channels):
            raise ValueError(f"{self.values.shape[0]} rows of values for {x.channels} channels")
        elem = x.int_elem
        corners = np.array([elem.lo, elem.lo + elem.step * min(1, elem.count - 1), elem.hi])
        if not self.domain.contains(corners):
            raise ValueError(f"a table over {self.domain} for {x}")
        return TensorType(x.shape, self.out)

    def run(self, *args: Values) -> Values:
        """One fancy index."""
        (x,) = args
        place = (x.astype(np.int64) - self.domain.lo) // self.domain.step
        table = self.values.data
        row = np.arange(table.shape[0]) if table.shape[0] > 1 else 0
        y: Values = table[row, place]
        return y
