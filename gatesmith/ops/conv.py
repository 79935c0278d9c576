"""Conv: sums of products over a sliding window, on reals. Source: ONNX Conv-11, without its bias.

    y[p, q, o] = sum over i, j, k of w[i, j, k, o] * x[r, s, k']
    r = p * sh + i * dh - top,  s = q * sw + j * dw - left

where k' is channel k of the group of o, and x is zero outside the map. A transposed convolution is
one too, over a map that is spread (pad.py) and with the taps in the other order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Op, Reals, TensorType, Values
from gatesmith.ops.elementwise import broadcast
from gatesmith.ops.max_pool import Axis, axes


@dataclass(frozen=True, slots=True)
class Conv(Op):
    """Channels last, two-dimensional: x is (H, W, C), w is constant (kh, kw, C / group, O).

    Attributes:
        strides: (h, w).
        pads: (top, left, bottom, right), zeros.
        dilations: Distance of neighbouring taps, (h, w).
        group: Divides C and O; output channel o reads the group ``o // (O / group)`` of inputs.

    >>> w = np.array([1.0, 10.0]).reshape(1, 2, 1, 1)
    >>> Conv((1, 1), (0, 1, 0, 0), (1, 1), 1).run(np.array([[[[3.0], [5.0], [7.0]]]]), w).ravel()
    array([30., 53., 75.])
    """

    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    group: int

    def infer(self, *args: TensorType) -> TensorType:
        """(H', W', O), real."""
        x, w = args
        broadcast(x), broadcast(w)  # both real
        if len(x.shape) != 3 or len(w.shape) != 4:
            raise ValueError(f"a convolution of (H, W, C) does not fit {x} and weights {w}")
        _, _, inputs, outputs = w.shape
        if self.group < 1 or inputs * self.group != x.channels or outputs % self.group:
            raise ValueError(f"{self.group} groups do not divide {x} and weights {w}")
        rows, columns = self.axes(x.shape, w.shape)
        return TensorType((rows.count, columns.count, outputs), x.elem)

    def axes(self, x: tuple[int, ...], w: tuple[int, ...]) -> tuple[Axis, Axis]:
        """The windows down and along a map of this shape; ValueError when there is none."""
        return axes(x, (w[0], w[1]), self.strides, self.pads, self.dilations)

    def run(self, *args: Values) -> Values:
        """float64; a loop over the taps."""
        x, w = args
        frames, height, width, channels = x.shape
        rows, columns = self.axes(x.shape[1:], w.shape)
        padded = np.zeros((frames, rows.padded, columns.padded, channels))
        padded[:, rows.before :, columns.before :][:, :height, :width] = x

        total = np.zeros((frames, rows.count, columns.count, w.shape[3]))
        for i, j in np.ndindex(*w.shape[:2]):
            part = padded[:, i * rows.dilation :, j * columns.dilation :]
            part = part[:, : rows.span : rows.stride, : columns.span : columns.stride]
            total += _products(part, np.asarray(w[i, j], np.float64), self.group)
        return total


def _products(x: Reals, w: Reals, group: int) -> Reals:
    """Product of x (..., C) and w (C / group, O), group by group."""
    inputs, outputs = len(w), w.shape[1] // group
    y: Reals
    if group == 1:
        y = x @ w
        return y
    if inputs == 1:  # depthwise: one product an output
        y = np.repeat(x, outputs, axis=-1) * w[0]
        return y
    parts = [
        x[..., g * inputs :][..., :inputs] @ w[:, g * outputs :][:, :outputs] for g in range(group)
    ]
    return np.concatenate(parts, axis=-1)
