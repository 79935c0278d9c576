"""Truncated SVD: a layer to r values, and a pointwise one from there.

    MatMul (in, out)       ->  (in, r), (r, out)
    Conv (kh, kw, C, O)    ->  (kh, kw, C, r), (1, 1, r, O)

over the matrix (kh * kw * C, O). Source: Denton et al., NeurIPS 2014; Zhang et al., TPAMI 2016. The
first convolution keeps strides, pads and dilations, so that the second runs on the small map.
"""

from __future__ import annotations

from math import prod
from typing import ClassVar

from gatesmith.ir import Reals
from gatesmith.ops.conv import Conv
from gatesmith.ops.mat_mul import MatMul
from gatesmith.prune.low_rank.method import POINTWISE, LayerOp, Method, Part, Ranks, Shape
from gatesmith.prune.low_rank.moments import halves, singular_values


class Svd(Method):
    """Any layer without groups; with a moment it is the best for the layer's results."""

    name: ClassVar[str] = "svd"

    def _refusal(self, shape: Shape) -> str | None:
        return None

    def limits(self, shape: Shape) -> Ranks:
        """min(inputs of one output, outputs)."""
        return (min(prod(shape[:-1]), shape[-1]),)

    def parts(self, op: LayerOp, shape: Shape, ranks: Ranks) -> tuple[Part, ...]:
        """Two."""
        (rank,), (*inputs, outputs) = ranks, shape
        last = POINTWISE if isinstance(op, Conv) else MatMul()
        ones = (1,) * (len(shape) - 2)
        return Part("in", op, (*inputs, rank)), Part("out", last, (*ones, rank, outputs))

    def factors(self, w: Reals, ranks: Ranks, moment: Reals | None) -> tuple[Reals, ...]:
        """Optimal."""
        *inputs, outputs = w.shape
        first, last = halves(w.reshape(-1, outputs), ranks[0], moment)
        ones = (1,) * (w.ndim - 2)
        return first.reshape(*inputs, ranks[0]), last.reshape(*ones, ranks[0], outputs)

    def product(self, factors: tuple[Reals, ...], shape: Shape) -> Reals:
        """A matrix product."""
        first, last = factors
        return first @ last.reshape(last.shape[-2:])

    def matrices(self, shape: Shape) -> tuple[tuple[int, int], ...]:
        """One."""
        return ((prod(shape[:-1]), shape[-1]),)

    def spectra(self, w: Reals, moment: Reals | None) -> tuple[Reals, ...]:
        """Of the one matrix."""
        return (singular_values(w.reshape(-1, w.shape[-1]), moment),)
