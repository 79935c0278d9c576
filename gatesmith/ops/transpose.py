"""Transpose: axes of the frame in another order. Source: ONNX Transpose-1.

Before a matrix product it becomes another order of the weights and costs no hardware.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.ir import Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Transpose(Op):
    """``perm[i]`` is the axis of x that becomes axis i of y; the batch axis is not counted."""

    perm: tuple[int, ...]

    def infer(self, *args: TensorType) -> TensorType:
        """Shape in the new order."""
        (x,) = args
        if sorted(self.perm) != list(range(len(x.shape))):
            raise ValueError(f"{self.perm} is no order of the axes of {x}")
        return TensorType(tuple(x.shape[axis] for axis in self.perm), x.elem)

    def run(self, *args: Values) -> Values:
        """A view."""
        (x,) = args
        return x.transpose(0, *(axis + 1 for axis in self.perm))
