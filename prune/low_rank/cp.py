"""CP: a sum of r products of four vectors, and so four thin layers.

    (kh, kw, C, O) -> (1, 1, C, r), (kh, 1, 1, r) and (1, kw, 1, r) in r groups, (1, 1, r, O)

Source: Lebedev et al., ICLR 2015. The factors come from alternating least squares by TensorLy,
started with the SVD of each unfolding. The best sum may not exist: terms then grow and cancel each
other (De Silva and Lim, 2008), which no quantizer survives; a little ridge keeps them small.
"""

from __future__ import annotations

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
from gatesmith.prune.low_rank.moments import of_channels, roots
from gatesmith.prune.low_rank.separable import along, down
from gatesmith.prune.low_rank.tensors import decompositions

ITERATIONS = 200
TOLERANCE = 1e-7
"""Change of the relative error after which iterating stops."""

RIDGE = 1e-7
"""Of the least squares, for weights of norm 1."""


class Cp(Method):
    """Convolutions with several rows and columns of taps."""

    name: ClassVar[str] = "cp"

    def _refusal(self, shape: Shape) -> str | None:
        return needs_kernel(shape, 2)

    def limits(self, shape: Shape) -> Ranks:
        """All weights over the longest axis: each fibre of it as one product."""
        kh, kw, inputs, outputs = shape
        return (kh * kw * inputs * outputs // max(shape),)

    def parts(self, op: LayerOp, shape: Shape, ranks: Ranks) -> tuple[Part, ...]:
        """Four."""
        assert isinstance(op, Conv)
        (rank,), (kh, kw, inputs, outputs) = ranks, shape
        return (
            Part("in", POINTWISE, (1, 1, inputs, rank)),
            Part("down", down(op, rank), (kh, 1, 1, rank)),
            Part("along", along(op, rank), (1, kw, 1, rank)),
            Part("out", POINTWISE, (1, 1, rank, outputs)),
        )

    def factors(self, w: Reals, ranks: Ranks, moment: Reals | None) -> tuple[Reals, ...]:
        """With a moment, as if positions of the map had nothing in common."""
        root, inverse = (None, None) if moment is None else roots(of_channels(moment, w.shape[2]))
        seen = w if root is None else root @ w
        size = float(np.sqrt((seen**2).sum()))
        with decompositions() as tensorly:
            _, found = tensorly.parafac(
                seen / size,
                ranks[0],
                init="svd",
                n_iter_max=ITERATIONS,
                tol=TOLERANCE,
                l2_reg=RIDGE,
                random_state=0,
            )
        rows, columns, first, last = _balanced([*found[:3], found[3] * size])
        first = first if inverse is None else inverse @ first
        return first[None, None], rows[:, None, None], columns[None, :, None], last.T[None, None]

    def product(self, factors: tuple[Reals, ...], shape: Shape) -> Reals:
        """The sum of the products."""
        first, rows, columns, last = factors
        taps = rows * columns * first[0, 0][None, None]
        return np.asarray(taps @ last[0, 0])

    def spectra(self, w: Reals, moment: Reals | None) -> None:
        """None: what a rank loses shows when it is tried."""


def _balanced(factors: list[Reals]) -> list[Reals]:
    """The same terms, the four vectors of each of one norm."""
    norms = np.array([np.sqrt((factor**2).sum(axis=0)) for factor in factors])
    mean = norms.prod(axis=0) ** (1 / len(factors))
    return [f * (mean / np.where(n > 0, n, 1.0)) for f, n in zip(factors, norms, strict=True)]
