"""MaxPool: largest value of each channel in a sliding window. Source: ONNX MaxPool-12.

    y[p, q, c] = max over i, j of x[p * sh + i * dh - top, q * sw + j * dw - left, c]

over the taps (i, j) that lie inside the map: padding never wins. On integers and reals alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from gatesmith.ir import Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class MaxPool(Op):
    """Channels last, two-dimensional: x is (H, W, C).

    Attributes:
        kernel: Taps, (h, w).
        strides: (h, w).
        pads: (top, left, bottom, right).
        dilations: Distance of neighbouring taps, (h, w).

    >>> MaxPool((1, 2), (1, 2)).run(np.array([[[[3], [-5], [-7], [-6]]]])).ravel()
    array([ 3, -6])
    """

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)

    def infer(self, *args: TensorType) -> TensorType:
        """(H', W', C), the element type of x; every window must touch the map."""
        (x,) = args
        if len(x.shape) != 3:
            raise ValueError(f"a pool over the rows and columns of (H, W, C) does not fit {x}")
        axes = self.axes(x.shape)
        if not all(axis.touches(n) for axis in axes for n in range(axis.count)):
            raise ValueError(f"a window of {self} lies wholly in the padding of {x}")
        return TensorType((*(axis.count for axis in axes), x.channels), x.elem)

    def run(self, *args: Values) -> Values:
        """Same dtype; down the rows, then along the columns, which is the same maximum."""
        (x,) = args
        y: Values = x
        for number, axis in enumerate(self.axes(x.shape[1:]), start=1):
            y = _largest(y, number, axis)
        return y

    def axes(self, shape: tuple[int, ...]) -> tuple[Axis, Axis]:
        """The windows down and along a map of this shape."""
        return axes(shape, self.kernel, self.strides, self.pads, self.dilations)


@dataclass(frozen=True, slots=True)
class Axis:
    """Windows along one axis.

    >>> axis = Axis(size=5, taps=3, stride=2, before=1, after=0, dilation=1)
    >>> axis.count, axis.touches(1)
    (2, True)

    Attributes:
        size: Values.
        taps: Of a window.
        stride: From one window to the next.
        before: Padding before the first value.
        after: And behind the last.
        dilation: From one tap to the next.
    """

    size: int
    taps: int
    stride: int
    before: int
    after: int
    dilation: int

    def __post_init__(self) -> None:
        least = min(self.size, self.taps, self.stride, self.dilation)
        if least < 1 or min(self.before, self.after) < 0 or self._room < 0:
            raise ValueError(f"no window fits: {self}")

    @property
    def _room(self) -> int:
        return self.padded - (self.taps - 1) * self.dilation - 1

    @property
    def padded(self) -> int:
        """Values and padding."""
        return self.before + self.size + self.after

    @property
    def count(self) -> int:
        """Windows."""
        return self._room // self.stride + 1

    @property
    def span(self) -> int:
        """Places from the first to the last at which a window starts."""
        return (self.count - 1) * self.stride + 1

    def touches(self, window: int) -> bool:
        """Whether a tap of that window is a value, not padding."""
        start = window * self.stride - self.before
        return any(0 <= start + tap * self.dilation < self.size for tap in range(self.taps))


def axes(
    shape: tuple[int, ...],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
) -> tuple[Axis, Axis]:
    """Windows down and along a map (H, W, C); ValueError when there is none."""
    (height, width, _), (top, left, bottom, right) = shape, pads
    return (
        Axis(height, kernel[0], strides[0], top, bottom, dilations[0]),
        Axis(width, kernel[1], strides[1], left, right, dilations[1]),
    )


def _largest(x: Values, number: int, axis: Axis) -> Values:
    """Maximum over the windows along axis ``number``, on integers and reals."""
    moved = np.moveaxis(x, number, 0)
    if axis.before or axis.after:
        least = np.iinfo(np.int64).min if x.dtype.kind == "i" else -np.inf
        padded = np.full((axis.padded, *moved.shape[1:]), least, x.dtype)
        padded[axis.before : axis.before + axis.size] = moved
        moved = padded
    shifted = (moved[k * axis.dilation :][: axis.span : axis.stride] for k in range(axis.taps))
    y: Values = np.moveaxis(reduce(np.maximum, shifted), 0, number)
    return y
