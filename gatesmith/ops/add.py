"""Add: y = a + b, element by element, on reals. Source: ONNX Add-7, later: more types."""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.ir import Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class Add(Op):
    """``a + b`` with NumPy broadcasting over the frame shape."""

    def infer(self, *args: TensorType) -> TensorType:
        """Broadcast shape, real."""
        a, b = args
        return broadcast(a, b)

    def run(self, *args: Values) -> Values:
        """float64."""
        a, b = args
        return a + b
