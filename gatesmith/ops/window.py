"""Window: the elements under a sliding kernel, laid out as one channel vector a position.

    y[oh, ow, g, i, j, c] = x[oh*sh - top + i*dh, ow*sw - left + j*dw, g, c]     inside the map
                          = fill[g, c]                                            outside it

with x seen as (H, W, groups, C / groups) and the last four axes of y as one. It computes nothing:
what it feeds (Dense, a reduction) makes it a convolution ("im2col": Chellapilla, Puri and Simard,
IWFHR 2006). Sizes follow ONNX Conv: an extent n becomes
``(n + before + after - ((k - 1) * d + 1)) // s + 1``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Array, Ints, IntType, Op, TensorType, Values


def reach(kernel: tuple[int, int], dilations: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns from the first tap to the last, both counted.

    >>> reach((3, 2), (2, 1))
    (5, 2)
    """
    return (kernel[0] - 1) * dilations[0] + 1, (kernel[1] - 1) * dilations[1] + 1


@dataclass(frozen=True, slots=True)
class Window(Op):
    """Sliding window over integers (H, W, C) -> (H', W', kh * kw * C).

    Attributes:
        kernel: Taps (rows, columns).
        strides: Rows and columns from one position to the next.
        pads: Positions outside the map: (top, left, bottom, right).
        dilations: Rows and columns from one tap to the next.
        fill: int64 (1 or C,), the value outside the map.
        groups: Parts of the channels whose taps stand together; divides C.

    >>> x = np.arange(1, 5).reshape(1, 1, 4, 1)
    >>> op = Window((1, 2), (1, 1), (0, 1, 0, 0), (1, 2), Array([-7]), 1)
    >>> op.run(x).tolist()
    [[[[-7, 2], [1, 3], [2, 4]]]]
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    fill: Array
    groups: int = 1

    def __post_init__(self) -> None:
        if min(*self.kernel, *self.strides, *self.dilations, self.groups) < 1:
            raise ValueError(f"{self}: a size below 1")
        if min(self.pads) < 0:
            raise ValueError(f"{self}: pads {self.pads} below 0")

    @property
    def taps(self) -> int:
        """Positions under the kernel."""
        return self.kernel[0] * self.kernel[1]

    def positions(self, height: int, width: int) -> tuple[int, int]:
        """(H', W') of a map of this size; ValueError where the kernel does not fit."""
        top, left, bottom, right = self.pads
        rows, cols = reach(self.kernel, self.dilations)
        spare = (height + top + bottom - rows, width + left + right - cols)
        if min(spare) < 0:
            raise ValueError(
                f"a kernel that reaches over {rows} x {cols} does not fit into {height} x {width} "
                f"with the pads {self.pads}"
            )
        return spare[0] // self.strides[0] + 1, spare[1] // self.strides[1] + 1

    def elem(self, x: IntType) -> IntType:
        """Type of the result's elements: x's, extended to hold ``fill`` where there are pads."""
        if not any(self.pads) or x.contains(self.fill.data):
            return x
        lo, hi = int(self.fill.data.min()), int(self.fill.data.max())
        return IntType(min(lo, x.lo), max(hi, x.hi))

    def infer(self, *args: TensorType) -> TensorType:
        """(H', W', kh * kw * C); the type of x, step 1 where ``fill`` is not in it."""
        (x,) = args
        if len(x.shape) != 3:
            raise ValueError(f"expected (height, width, channels), not {x}")
        if x.channels % self.groups:
            raise ValueError(f"{self.groups} groups do not divide {x.channels} channels")
        if self.fill.shape not in ((1,), (x.channels,)):
            raise ValueError(f"fill of shape {self.fill.shape} for {x.channels} channels")
        shape = self.positions(*x.shape[:2])
        return TensorType((*shape, self.taps * x.channels), self.elem(x.int_elem))

    def run(self, *args: Values) -> Values:
        """One copy of a strided view for each tap."""
        (x,) = args
        frames, height, width, channels = x.shape
        top, left, bottom, right = self.pads
        rows, cols = self.positions(height, width)
        if any(self.pads):
            padded = np.empty(
                (frames, height + top + bottom, width + left + right, channels), np.int64
            )
            padded[...] = self.fill.data
            padded[:, top : top + height, left : left + width] = x
            x = padded
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.strides, self.dilations
        each = channels // self.groups
        y: Ints = np.empty((frames, rows, cols, self.groups, kh, kw, each), np.int64)
        for i in range(kh):
            for j in range(kw):
                down = slice(i * dh, i * dh + (rows - 1) * sh + 1, sh)
                along = slice(j * dw, j * dw + (cols - 1) * sw + 1, sw)
                y[:, :, :, :, i, j] = x[:, down, along].reshape(*y.shape[:4], each)
        return y.reshape(frames, rows, cols, -1)
