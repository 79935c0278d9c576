"""Depthwise: a sliding weighted sum of each channel on its own, on integers.

    y[p, q, c] = sum over i, j of weights[i * kw + j, c] * x[r, s, c]
    r = p * sh + i * dh - top,  s = q * sw + j * dw - left

where x is ``fill[c]`` outside the map: the code of the real zero. A depthwise convolution
(ONNX Conv-11 with group = channels), and, with weights of one, the sum of an average pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gatesmith.ir import BIPOLAR, Array, IntType, Op, TensorType, Values
from gatesmith.ir.sum_range import sum_range
from gatesmith.ops.max_pool import axes

INT32_EXACT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Depthwise(Op):
    """Channels last, two-dimensional: x is (H, W, C).

    Attributes:
        kernel: Taps, (h, w).
        strides: (h, w).
        pads: (top, left, bottom, right).
        dilations: Distance of neighbouring taps, (h, w).
        fill: int64 (1,) or (C,): x outside the map.
        weights: int64 (kh * kw, C), taps row by row.
        weight_type: Type of a weight in the ROM: BIPOLAR (one bit), TERNARY, or a range.

    >>> ones = Array(np.ones((2, 1), np.int64))
    >>> op = Depthwise((1, 2), (1, 2), (0, 0, 0, 0), (1, 1), Array([0]), ones, IntType(1, 1))
    >>> op.run(np.array([[[[3], [-5], [-7], [-6]]]])).ravel()
    array([ -2, -13])
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    fill: Array
    weights: Array
    weight_type: IntType

    def __post_init__(self) -> None:
        taps, channels = self.weights.shape
        if taps != self.kernel[0] * self.kernel[1]:
            raise ValueError(f"{taps} weights of a channel for a kernel of {self.kernel}")
        if self.fill.shape not in ((1,), (channels,)):
            raise ValueError(f"fill of shape {self.fill.shape} for {channels} channels")
        if not self.weight_type.contains(self.weights.data):
            raise ValueError(f"weights lie outside {self.weight_type}")

    def infer(self, *args: TensorType) -> TensorType:
        """(H', W', C), exact range of a window of any values of x and padding."""
        (x,) = args
        if len(x.shape) != 3 or x.channels != self.weights.shape[1]:
            raise ValueError(f"depthwise weights of {self.weights.shape[1]} channels for {x}")
        rows, columns = axes(x.shape, self.kernel, self.strides, self.pads, self.dilations)
        elem = self.accumulator(self.window(x.int_elem))
        return TensorType((rows.count, columns.count, x.channels), elem)

    def window(self, x: IntType) -> IntType:
        """Type of a tap: that of x, extended to hold ``fill`` where there is padding."""
        if not any(self.pads) or x.contains(self.fill.data):
            return x
        fill = self.fill.data
        return IntType(min(x.lo, int(fill.min())), max(x.hi, int(fill.max())))

    def accumulator(self, tap: IntType) -> IntType:
        """Type of the sum of taps of this type; counted in steps of two when all terms are ±1."""
        taps = self.weights.shape[0]
        if tap == BIPOLAR and (np.abs(self.weights.data) == 1).all():
            return IntType(-taps, taps, 2)
        return _range(self.weights, tap)

    def run(self, *args: Values) -> Values:
        """A loop over the taps; int32 where it holds every partial sum."""
        (x,) = args
        frames, height, width, channels = x.shape
        rows, columns = axes(x.shape[1:], self.kernel, self.strides, self.pads, self.dilations)
        kind = self._exact_kind(x)
        padded = np.empty((frames, rows.padded, columns.padded, channels), kind)
        padded[...] = self.fill.data
        padded[:, rows.before :, columns.before :][:, :height, :width] = x

        total = np.zeros((frames, rows.count, columns.count, channels), kind)
        for tap, weights in enumerate(self.weights.data.astype(kind)):
            i, j = divmod(tap, self.kernel[1])
            part = padded[:, i * rows.dilation :, j * columns.dilation :]
            part = part[:, : rows.span : rows.stride, : columns.span : columns.stride]
            total += part if (weights == 1).all() else part * weights
        return total.astype(np.int64)

    def _exact_kind(self, x: Values) -> type[np.int32] | type[np.int64]:
        """The faster type that holds every term and every partial sum."""
        ends = [x.min(initial=0), x.max(initial=0), *self.fill.data]
        largest = max(abs(int(end)) for end in ends)
        bound = largest * int(np.abs(self.weights.data).sum(axis=0).max())
        return np.int32 if max(bound, largest) <= INT32_EXACT else np.int64


@lru_cache(maxsize=1024)  # the search for a fold asks again and again
def _range(weights: Array, x: IntType) -> IntType:
    """Least and largest sum over all channels."""
    return sum_range(weights.data, 0, x)
