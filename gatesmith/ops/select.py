"""Select: the larger or the smaller of two values, element by element.

Source: ONNX Max-8, Min-8 on reals; on integers it becomes hardware.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np

from gatesmith.ir import IntType, Op, Real, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class Select(Op):
    """``max(a, b)`` or ``min(a, b)``; reals broadcast, integers are of one shape.

    Attributes:
        kind: "max" or "min".

    >>> Select("max").infer(TensorType((4,), IntType(-3, 5)), TensorType((4,), IntType(0, 2)))
    u3[0..5][4]
    """

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in ("max", "min"):
            raise ValueError(f"expected max or min, not {self.kind!r}")

    def infer(self, *args: TensorType) -> TensorType:
        """Broadcast shape of reals; of integers the exact range, with a step that both keep."""
        a, b = args
        if isinstance(a.elem, Real) or isinstance(b.elem, Real):
            return broadcast(a, b)
        if a.shape != b.shape:
            raise ValueError(f"expected operands of one shape, not {a} and {b}")
        best = max if self.kind == "max" else min
        x, y = a.elem, b.elem
        step = gcd(x.step, y.step, x.lo - y.lo)
        return TensorType(a.shape, IntType(best(x.lo, y.lo), best(x.hi, y.hi), step))

    def run(self, *args: Values) -> Values:
        """float64 or int64, as the operands."""
        a, b = args
        y: Values = np.maximum(a, b) if self.kind == "max" else np.minimum(a, b)
        return y
