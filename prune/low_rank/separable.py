"""Fewer taps at once: k x 1 then 1 x k, or each channel for itself and then pointwise.

Separable:  (kh, kw, C, O) -> (kh, 1, C, r), (1, kw, r, O)
over the matrix (kh * C, kw * O). Source: Jaderberg, Vedaldi and Zisserman, BMVC 2014, scheme 2. The
first part takes stride, pads and dilation of the rows, the second those of the columns.

Depthwise:  (kh, kw, C, O) -> (kh, kw, 1, C * r) in C groups, (1, 1, C * r, O)
over one matrix (kh * kw, O) for each input channel: the nearest there is. Source: Guo et al.,
"Network decoupling", BMVC 2018. Rank 1 is the block of MobileNet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from gatesmith.ir import Reals
from gatesmith.ops.conv import Conv
from gatesmith.prune.low_rank.method import (
    POINTWISE,
    LayerOp,
    Method,
    Part,
    Ranks,
    Shape,
    needs_kernel,
)
from gatesmith.prune.low_rank.moments import halves, singular_values


def down(op: Conv, group: int = 1) -> Conv:
    """The part of a convolution that goes down the rows."""
    top, _, bottom, _ = op.pads
    return Conv((op.strides[0], 1), (top, 0, bottom, 0), (op.dilations[0], 1), group)


def along(op: Conv, group: int = 1) -> Conv:
    """The part that goes along the columns."""
    _, left, _, right = op.pads
    return Conv((1, op.strides[1]), (0, left, 0, right), (1, op.dilations[1]), group)


class Separable(Method):
    """Convolutions with several rows and columns of taps."""

    name: ClassVar[str] = "separable"

    def _refusal(self, shape: Shape) -> str | None:
        return needs_kernel(shape, 2)

    def limits(self, shape: Shape) -> Ranks:
        """min(kh * C, kw * O)."""
        kh, kw, inputs, outputs = shape
        return (min(kh * inputs, kw * outputs),)

    def parts(self, op: LayerOp, shape: Shape, ranks: Ranks) -> tuple[Part, ...]:
        """Two."""
        assert isinstance(op, Conv)
        (rank,), (kh, kw, inputs, outputs) = ranks, shape
        return (
            Part("down", down(op), (kh, 1, inputs, rank)),
            Part("along", along(op), (1, kw, rank, outputs)),
        )

    def factors(self, w: Reals, ranks: Ranks, moment: Reals | None) -> tuple[Reals, ...]:
        """Optimal for the weights; with a moment, as if columns had nothing in common."""
        kh, kw, inputs, outputs = w.shape
        first, last = halves(_tall(w), ranks[0], _of_rows(moment, w.shape))
        split = last.reshape(ranks[0], kw, outputs)
        return first.reshape(kh, 1, inputs, ranks[0]), split.transpose(1, 0, 2)[None]

    def product(self, factors: tuple[Reals, ...], shape: Shape) -> Reals:
        """Taps multiply."""
        first, last = factors
        return np.asarray(np.einsum("icr,jro->ijco", first[:, 0], last[0], optimize=True))

    def matrices(self, shape: Shape) -> tuple[tuple[int, int], ...]:
        """One."""
        return ((shape[0] * shape[2], shape[1] * shape[3]),)

    def spectra(self, w: Reals, moment: Reals | None) -> tuple[Reals, ...]:
        """Of the one matrix."""
        return (singular_values(_tall(w), _of_rows(moment, w.shape)),)


class Depthwise(Method):
    """Convolutions with more than one tap; the rank is the outputs of each input channel."""

    name: ClassVar[str] = "depthwise"

    def _refusal(self, shape: Shape) -> str | None:
        return needs_kernel(shape, 1)

    def limits(self, shape: Shape) -> Ranks:
        """min(kh * kw, O)."""
        return (min(shape[0] * shape[1], shape[3]),)

    def parts(self, op: LayerOp, shape: Shape, ranks: Ranks) -> tuple[Part, ...]:
        """Two."""
        assert isinstance(op, Conv)
        (rank,), (kh, kw, inputs, outputs) = ranks, shape
        return (
            Part("depth", replace(op, group=inputs), (kh, kw, 1, inputs * rank)),
            Part("point", POINTWISE, (1, 1, inputs * rank, outputs)),
        )

    def factors(self, w: Reals, ranks: Ranks, moment: Reals | None) -> tuple[Reals, ...]:
        """Optimal for the weights; with a moment, as if channels had nothing in common."""
        (kh, kw, inputs, outputs), (rank,) = w.shape, ranks
        first, last = halves(_by_channel(w), rank, _of_taps(moment, inputs))
        return (
            first.transpose(1, 0, 2).reshape(kh, kw, 1, inputs * rank),
            last.reshape(1, 1, inputs * rank, outputs),
        )

    def product(self, factors: tuple[Reals, ...], shape: Shape) -> Reals:
        """One matrix product for each input channel."""
        (kh, kw, inputs, outputs), (first, last) = shape, factors
        each = first.reshape(kh * kw, inputs, -1).transpose(1, 0, 2)
        product = each @ last.reshape(inputs, -1, outputs)
        return product.transpose(1, 0, 2).reshape(shape)

    def spectra(self, w: Reals, moment: Reals | None) -> tuple[Reals, ...]:
        """Of all channels together: one rank holds for all."""
        each = singular_values(_by_channel(w), _of_taps(moment, w.shape[2]))
        return (np.sqrt((each**2).sum(axis=0)),)


def _tall(w: Reals) -> Reals:
    """(kh * C, kw * O)."""
    kh, kw, inputs, outputs = w.shape
    return w.transpose(0, 2, 1, 3).reshape(kh * inputs, kw * outputs)


def _by_channel(w: Reals) -> Reals:
    """(C, kh * kw, O)."""
    kh, kw, inputs, outputs = w.shape
    return w.reshape(kh * kw, inputs, outputs).transpose(1, 0, 2)


def _of_rows(moment: Reals | None, shape: Shape) -> Reals | None:
    """Moment of the taps of one column, (kh * C, kh * C): the mean over the columns."""
    if moment is None:
        return None
    kh, kw, inputs, _ = shape
    split = moment.reshape(kh, kw, inputs, kh, kw, inputs)
    rows = np.einsum("ajcbjd->acbd", split) / kw
    return np.asarray(rows.reshape(kh * inputs, kh * inputs))


def _of_taps(moment: Reals | None, channels: int) -> Reals | None:
    """Moment of the taps of each channel, (C, taps, taps)."""
    if moment is None:
        return None
    taps = len(moment) // channels
    split = moment.reshape(taps, channels, taps, channels)
    return np.asarray(np.einsum("acbc->cab", split))
