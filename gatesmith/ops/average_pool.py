"""AveragePool: mean of each channel in a sliding window, on reals. Source: ONNX AveragePool-19.

    y[p, q, c] = (sum over i, j of x[p * sh + i * dh - top, q * sw + j * dw - left, c]) / n[p, q]

where x is zero outside the map, and n[p, q] is how many taps of the window lie inside the map
enlarged by ``counted``: nothing with count_include_pad 0, the pads of the file with 1. What
ceil_mode adds behind those is never counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Ints, Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast
from gatesmith.ops.max_pool import Axis, axes


@dataclass(frozen=True, slots=True)
class AveragePool(Op):
    """Channels last, two-dimensional: x is (H, W, C).

    Attributes:
        kernel: Taps, (h, w).
        strides: (h, w).
        pads: (top, left, bottom, right), zeros.
        counted: How much of the padding is counted as elements, in the same order.
        dilations: Distance of neighbouring taps, (h, w).

    >>> op = AveragePool((1, 2), (1, 2), (0, 0, 0, 1), (0, 0, 0, 0))
    >>> op.run(np.array([[[[3.0], [5.0], [7.0]]]])).ravel()
    array([4., 7.])
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    counted: tuple[int, int, int, int]
    dilations: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if not all(0 <= c <= p for c, p in zip(self.counted, self.pads, strict=True)):
            raise ValueError(f"counted {self.counted} is more than the padding {self.pads}")

    def infer(self, *args: TensorType) -> TensorType:
        """(H', W', C), real; every window must have something to count."""
        (x,) = args
        if len(x.shape) != 3:
            raise ValueError(f"a pool over the rows and columns of (H, W, C) does not fit {x}")
        if not self.counts(x.shape).all():
            raise ValueError(f"a window of {self} lies wholly in the padding of {x}")
        shape = tuple(axis.count for axis in self.axes(x.shape))
        return TensorType((*shape, x.channels), broadcast(x).elem)

    def axes(self, shape: tuple[int, ...]) -> tuple[Axis, Axis]:
        """The windows down and along a map of this shape."""
        return axes(shape, self.kernel, self.strides, self.pads, self.dilations)

    def counts(self, shape: tuple[int, ...]) -> Ints:
        """The divisors, int64 (H', W')."""
        rows, columns = self.axes(shape)
        top, left, bottom, right = self.counted
        return np.outer(_counts(rows, top, bottom), _counts(columns, left, right))

    def run(self, *args: Values) -> Values:
        """float64; the sum first, so that sums of integers are exact."""
        (x,) = args
        total = x
        for number, axis in enumerate(self.axes(x.shape[1:]), start=1):
            total = _sums(total, number, axis)
        y: Values = total / self.counts(x.shape[1:])[:, :, None]
        return y


def _counts(axis: Axis, before: int, after: int) -> Ints:
    """How many taps of each window lie within ``before`` and ``after`` of the values."""
    starts = np.arange(axis.count) * axis.stride - axis.before
    taps = starts[:, None] + np.arange(axis.taps) * axis.dilation
    return np.asarray(((-before <= taps) & (taps < axis.size + after)).sum(axis=1), np.int64)


def _sums(x: Values, number: int, axis: Axis) -> Values:
    """Sum over the windows along axis ``number``."""
    moved = np.moveaxis(x, number, 0)
    padded = np.zeros((axis.padded, *moved.shape[1:]))
    padded[axis.before : axis.before + axis.size] = moved
    total = np.zeros((axis.count, *moved.shape[1:]))
    for k in range(axis.taps):
        total += padded[k * axis.dilation :][: axis.span : axis.stride]
    return np.moveaxis(total, 0, number)
