"""Take: y = x.take(index, axis), elements along one axis by number. Source: ONNX Gather-1, -13.

Slice, Split, Tile, Expand, resizing to the nearest element and padding with copies become it.
It moves and repeats elements and computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.ir import Array, Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Take(Op):
    """Element ``i`` of the result along ``axis`` is element ``index[i]``; reals and integers alike.

    Attributes:
        axis: Axis of the frame, 0 or more; the batch axis is not counted.
        index: int64 (n,), n > 0, each in 0 .. x.shape[axis] - 1.

    >>> import numpy as np
    >>> Take(0, Array([2, 0, 0])).run(np.array([[5, 6, 7]]))
    array([[7, 5, 5]])
    """

    axis: int
    index: Array

    def infer(self, *args: TensorType) -> TensorType:
        """The extent of ``axis`` becomes the number of indices."""
        (x,) = args
        if not 0 <= self.axis < len(x.shape):
            raise ValueError(f"{x} has no axis {self.axis}")
        index = self.index.data
        if index.ndim != 1 or index.size == 0:
            raise ValueError(f"indices of the shape {self.index.shape}, not one axis of them")
        extent = x.shape[self.axis]
        if index.min() < 0 or index.max() >= extent:
            raise ValueError(f"indices {index.min()} to {index.max()} of {extent} elements")
        shape = (*x.shape[: self.axis], index.size, *x.shape[self.axis + 1 :])
        return TensorType(shape, x.elem)

    def run(self, *args: Values) -> Values:
        """A copy."""
        (x,) = args
        y: Values = x.take(self.index.data, axis=self.axis + 1)
        return y
