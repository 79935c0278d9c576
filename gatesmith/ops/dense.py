"""Dense: integer matrix-vector product, y[..., o] = sum over i of weights[o, i] * x[..., i].

Bias, scale and activation are not here: lowering has moved them into the Threshold or Requantize
behind it. The accumulator's range follows from the actual weights, so it cannot overflow and no
bit of it is wasted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gatesmith.ir import BIPOLAR, Array, IntType, Op, TensorType, Values

FLOAT32_EXACT, FLOAT64_EXACT = 2**24, 2**53


@dataclass(frozen=True, slots=True)
class Dense(Op):
    """Fully connected layer.

    Attributes:
        weights: int64 (out, in).
        weight_type: Type of a weight in the ROM: BIPOLAR (one bit), TERNARY, or a range.
    """

    weights: Array
    weight_type: IntType

    def __post_init__(self) -> None:
        if not self.weight_type.contains(self.weights.data):
            raise ValueError(f"weights lie outside {self.weight_type}")

    def infer(self, *args: TensorType) -> TensorType:
        """Exact range; counted in steps of two when every product is bipolar."""
        (x,) = args
        outs, ins = self.weights.shape
        if x.channels != ins:
            raise ValueError(f"weights of {ins} inputs for {x}")
        shape = (*x.shape[:-1], outs)
        if x.elem == BIPOLAR and self.weight_type == BIPOLAR:
            return TensorType(shape, IntType(-ins, ins, 2))
        return TensorType(shape, _range(self.weights, x.int_elem))

    def run(self, *args: Values) -> Values:
        """BLAS in the narrowest float that holds every partial sum exactly, else int64."""
        (x,) = args
        largest = max(abs(int(x.min(initial=0))), abs(int(x.max(initial=0))))
        bound = largest * int(np.abs(self.weights.data).sum(axis=1).max(initial=0))
        for kind, limit in ((np.float32, FLOAT32_EXACT), (np.float64, FLOAT64_EXACT)):
            if bound <= limit:
                product = x.astype(kind) @ self.weights.data.T.astype(kind)
                exact: Values = product.astype(np.int64)
                return exact
        y: Values = x @ self.weights.data.T
        return y


@lru_cache(maxsize=1024)  # the search for a fold asks again and again
def _range(weights: Array, x: IntType) -> IntType:
    """Least and largest accumulator over all outputs."""
    positive = np.maximum(weights.data, 0).sum(axis=1)
    negative = np.minimum(weights.data, 0).sum(axis=1)
    lo = positive * x.lo + negative * x.hi
    hi = positive * x.hi + negative * x.lo
    return IntType(int(lo.min()), int(hi.max()))
