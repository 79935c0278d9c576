"""Reduce: sum, mean, maximum or minimum over the last axis but one, channel by channel.

    y[..., c] = sum, mean, max or min over n of x[..., n, c]

With the map's positions on that axis it is a global pool. Sources: ONNX GlobalAveragePool-1,
GlobalMaxPool-1, ReduceSum-13, ReduceMean-13, ReduceMax-13, ReduceMin-13.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from gatesmith.ir import IntType, Op, Real, TensorType, Values

Kind: TypeAlias = Literal["sum", "mean", "max", "min"]


@dataclass(frozen=True, slots=True)
class Reduce(Op):
    """(..., n, C) to (..., C). On integers and reals alike, but the mean: reals only.

    >>> x = np.array([[[1, -2], [5, 4], [0, 3]]])
    >>> Reduce("sum").run(x), Reduce("max").run(x)
    (array([[6, 5]]), array([[5, 4]]))
    """

    kind: Kind

    def __post_init__(self) -> None:
        if self.kind not in ("sum", "mean", "max", "min"):
            raise ValueError(f"unknown kind of reduction {self.kind!r}")

    def infer(self, *args: TensorType) -> TensorType:
        """Without the axis; a sum has n times the range, in the same steps."""
        (x,) = args
        if len(x.shape) < 2:
            raise ValueError(f"no axis before the channels of {x}")
        if self.kind == "mean" and not isinstance(x.elem, Real):
            raise ValueError(f"the mean of {x} is no integer: sum, and scale behind it")
        elem = x.elem
        if self.kind == "sum" and isinstance(elem, IntType):
            elem = self.accumulator(elem, x.shape[-2])
        return TensorType((*x.shape[:-2], x.shape[-1]), elem)

    def accumulator(self, x: IntType, count: int) -> IntType:
        """Type of the result over ``count`` integers of type x."""
        if self.kind in ("max", "min"):
            return x
        return IntType(count * x.lo, count * x.hi, x.step)

    def run(self, *args: Values) -> Values:
        """int64 on integers, float64 on reals."""
        (x,) = args
        match self.kind:
            case "sum":
                y: Values = np.sum(x, axis=-2)
            case "mean":
                y = np.mean(x, axis=-2)
            case "max":
                y = np.max(x, axis=-2)
            case "min":
                y = np.min(x, axis=-2)
        return y
