"""TopK: indices of the k largest (or smallest) channels, best first. Source: ONNX TopK-11.

Among equal values the lower index comes first; ``last`` turns that round (ONNX ArgMax with
select_last_index). ArgMax is k = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import IntType, Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class TopK(Op):
    """(..., channels) to (..., k) indices.

    >>> TopK(2).run(np.array([[3, 9, 9, 1]])), TopK(1, last=True).run(np.array([[3, 9, 9, 1]]))
    (array([[1, 2]]), array([[2]]))
    """

    k: int
    largest: bool = True
    last: bool = False

    def infer(self, *args: TensorType) -> TensorType:
        """Indices 0..channels - 1."""
        (x,) = args
        if not 1 <= self.k <= x.channels:
            raise ValueError(f"k must be 1..{x.channels}, not {self.k}")
        return TensorType((*x.shape[:-1], self.k), IntType(0, x.channels - 1))

    def run(self, *args: Values) -> Values:
        """A stable sort keeps equal values in the order of their indices."""
        (x,) = args
        key = -x if self.largest else x
        if not self.last:
            first: Values = np.argsort(key, axis=-1, kind="stable")[..., : self.k]
            return first
        order = np.argsort(key[..., ::-1], axis=-1, kind="stable")[..., : self.k]
        y: Values = x.shape[-1] - 1 - order
        return y
