"""Tucker-2: fewer channels into the kernel and out of it.

    (kh, kw, C, O) -> (1, 1, C, r1), (kh, kw, r1, r2), (1, 1, r2, O)

Source: Kim et al., ICLR 2016. The factors come from higher-order orthogonal iteration (De Lathauwer
et al., 2000) by TensorLy, started with the SVD of each unfolding. The middle takes strides, pads
and dilations.
"""

from __future__ import annotations

from math import prod
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
from gatesmith.prune.low_rank.moments import of_channels, roots, singular_values
from gatesmith.prune.low_rank.tensors import decompositions

ITERATIONS = 100
TOLERANCE = 1e-10
"""Change of the relative error after which iterating stops."""


class Tucker(Method):
    """Convolutions with more than one tap; ranks are (channels in, channels out) of the middle."""

    name: ClassVar[str] = "tucker"
    bonds: ClassVar[int] = 2

    def _refusal(self, shape: Shape) -> str | None:
        return needs_kernel(shape, 1)

    def limits(self, shape: Shape) -> Ranks:
        """(min(C, kh * kw * O), min(O, kh * kw * C))."""
        kh, kw, inputs, outputs = shape
        return min(inputs, kh * kw * outputs), min(outputs, kh * kw * inputs)

    def parts(self, op: LayerOp, shape: Shape, ranks: Ranks) -> tuple[Part, ...]:
        """Three."""
        assert isinstance(op, Conv)
        (first, last), (kh, kw, inputs, outputs) = ranks, shape
        return (
            Part("in", POINTWISE, (1, 1, inputs, first)),
            Part("mid", op, (kh, kw, first, last)),
            Part("out", POINTWISE, (1, 1, last, outputs)),
        )

    def factors(self, w: Reals, ranks: Ranks, moment: Reals | None) -> tuple[Reals, ...]:
        """With a moment, as if positions of the map had nothing in common."""
        root, inverse = (None, None) if moment is None else roots(of_channels(moment, w.shape[2]))
        with decompositions() as tensorly:
            (core, (first, last)), _ = tensorly.partial_tucker(
                w if root is None else root @ w,
                rank=ranks,
                modes=[2, 3],
                init="svd",
                n_iter_max=ITERATIONS,
                tol=TOLERANCE,
                random_state=0,
            )
        before = _share(core, (0, 1, 3))
        after = _share(core, (0, 1, 2))
        core = core / before[:, None] / after
        first = first * before if inverse is None else inverse @ first * before
        return first[None, None], core, (last * after).T[None, None]

    def product(self, factors: tuple[Reals, ...], shape: Shape) -> Reals:
        """Matrix products on both sides."""
        first, core, last = factors
        return np.asarray(first[0, 0] @ core @ last[0, 0])

    def matrices(self, shape: Shape) -> tuple[tuple[int, int], ...]:
        """By input channel and by output channel."""
        return tuple((shape[axis], prod(shape) // shape[axis]) for axis in (2, 3))

    def spectra(self, w: Reals, moment: Reals | None) -> tuple[Reals, ...]:
        """Of the unfoldings by input and by output channel."""
        if moment is not None:
            w = roots(of_channels(moment, w.shape[2]))[0] @ w
        unfolded = (np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1) for axis in (2, 3))
        return tuple(singular_values(matrix, None) for matrix in unfolded)


def _share(core: Reals, axes: tuple[int, ...]) -> Reals:
    """What a channel of the core gives to its column: the part of its norm that evens them out."""
    norms = np.cbrt(np.sqrt((core**2).sum(axis=axes)))
    return np.where(norms > 0, norms, 1.0)
