"""Dense: integer matrix-vector product, y[..., o] = sum over i of weights[o, i] * x[..., i].

With ``groups`` the channels of x and y are cut into as many equal parts, one behind the other, and
output o reads only the part of x that has the number of its own: a grouped convolution behind a
Window.

Bias, scale and activation are not here: lowering has moved them into the Threshold or Requantize
behind it. The accumulator's range follows from the actual weights, so it cannot overflow and no
bit of it is wasted; where weights can be reloaded it follows from their type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import BIPOLAR, Array, IntType, Op, TensorType, Values
from gatesmith.ir.sum_range import sum_range

FLOAT32_EXACT, FLOAT64_EXACT = 2**24, 2**53


@dataclass(frozen=True, slots=True)
class Dense(Op):
    """Fully connected layer.

    Attributes:
        weights: int64 (out, in); ``in`` is that of one group.
        weight_type: Type of a weight in the ROM: BIPOLAR (one bit), TERNARY, or a range.
        groups: Parts of x that are multiplied on their own; divides ``out``.
        reloadable: Whether the weights are only the first ones: the accumulator then has room for
            any weights of their type.

    >>> Dense(Array([[1, 1], [1, -1]]), IntType(-1, 1), 2).run(np.array([[5, 3, 7, 4]]))
    array([[8, 3]])
    """

    weights: Array
    weight_type: IntType
    groups: int = 1
    reloadable: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        if self.groups < 1 or self.weights.shape[0] % self.groups:
            raise ValueError(f"{self.groups} groups do not divide {self.weights.shape[0]} outputs")
        if not self.weight_type.contains(self.weights.data):
            raise ValueError(f"weights lie outside {self.weight_type}")

    def infer(self, *args: TensorType) -> TensorType:
        """Exact range; counted in steps of two when every product is bipolar."""
        (x,) = args
        outs, ins = self.weights.shape
        if x.channels != self.groups * ins:
            times = f"{self.groups} x " if self.groups > 1 else ""
            raise ValueError(f"weights of {times}{ins} inputs for {x}")
        return TensorType((*x.shape[:-1], outs), self.accumulator(x.int_elem))

    def accumulator(self, x: IntType) -> IntType:
        """Type of the sums when the inputs are of type x."""
        ins = self.weights.shape[1]
        if x == BIPOLAR and self.weight_type == BIPOLAR:
            return IntType(-ins, ins, 2)
        if self.reloadable:
            ends = [a * b for a in (x.lo, x.hi) for b in (self.weight_type.lo, self.weight_type.hi)]
            return IntType(ins * min(ends), ins * max(ends))
        return _range(self.weights, x)

    def run(self, *args: Values) -> Values:
        """BLAS in the narrowest float that holds every partial sum exactly, else int64."""
        (x,) = args
        largest = max(abs(int(x.min(initial=0))), abs(int(x.max(initial=0))))
        bound = largest * int(np.abs(self.weights.data).sum(axis=1).max(initial=0))
        for kind, limit in ((np.float32, FLOAT32_EXACT), (np.float64, FLOAT64_EXACT)):
            if bound <= limit:
                product = self._product(x.astype(kind), self.weights.data.astype(kind))
                exact: Values = product.astype(np.int64)
                return exact
        return self._product(x, self.weights.data)

    def _product(self, x: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
        if self.groups == 1:
            product: NDArray[Any] = x @ weights.T
            return product
        outs, ins = weights.shape
        parts = np.moveaxis(x.reshape(-1, self.groups, ins), 1, 0)
        sums = parts @ weights.reshape(self.groups, -1, ins).transpose(0, 2, 1)
        product = np.moveaxis(sums, 0, 1).reshape(*x.shape[:-1], outs)
        return product


@lru_cache(maxsize=1024)  # the search for a fold asks again and again
def _range(weights: Array, x: IntType) -> IntType:
    """Least and largest accumulator over all outputs."""
    return sum_range(weights.data, 1, x)
