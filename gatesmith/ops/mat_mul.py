"""MatMul: y = x @ w, on reals, w a constant matrix. Source: ONNX MatMul-1, -9, -13."""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.ir import Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class MatMul(Op):
    """Matrix product over the last axis: x is (..., in), w is (in, out)."""

    def infer(self, *args: TensorType) -> TensorType:
        """(..., out), real."""
        x, w = args
        broadcast(x), broadcast(w)  # both real
        if len(w.shape) != 2 or not x.shape or x.shape[-1] != w.shape[0]:
            raise ValueError(f"a matrix product of {x} and {w} does not fit")
        return TensorType((*x.shape[:-1], w.shape[1]), x.elem)

    def run(self, *args: Values) -> Values:
        """float64."""
        x, w = args
        y: Values = x @ w
        return y
