"""What every way to split a layer answers.

A layer is a MatMul with weights (in, out) or a Conv with weights (kh, kw, C, O). Its parts stand in
a row; each has weights of its own and the parts' product is the layer's weights, or near to them.
Nothing but sums of products stands between them, so zeros around a map stay zeros.

Distances are sums of squares of ``w - product``. With the second moment of what the layer reads
(moments.py) they are those of the layer's results instead, as far as the method says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from gatesmith.ir import Reals
from gatesmith.ops.conv import Conv
from gatesmith.ops.mat_mul import MatMul

Ranks: TypeAlias = tuple[int, ...]
LayerOp: TypeAlias = Conv | MatMul
Shape: TypeAlias = tuple[int, ...]

NO_PADS = (0, 0, 0, 0)
POINTWISE = Conv((1, 1), NO_PADS, (1, 1), 1)


@dataclass(frozen=True, slots=True)
class Part:
    """One of the layers that a layer becomes.

    Attributes:
        suffix: Of its name: ``in``, ``mid``, ``out``, ...
        op: Operator.
        shape: Of its weights.
    """

    suffix: str
    op: LayerOp
    shape: Shape


class Method(ABC):
    """One way to split a layer; it has no state."""

    name: ClassVar[str]
    bonds: ClassVar[int] = 1
    """Ranks that have to be chosen."""

    def refusal(self, op: LayerOp, shape: Shape) -> str | None:
        """Why a layer with such weights cannot be split; None when it can be."""
        if isinstance(op, Conv) and op.group != 1:
            return f"a convolution in {op.group} groups: each output reads a part of the inputs"
        return self._refusal(shape)

    @abstractmethod
    def _refusal(self, shape: Shape) -> str | None:
        """The same for a layer without groups."""

    @abstractmethod
    def limits(self, shape: Shape) -> Ranks:
        """The largest rank of each bond; with it the split is exact."""

    @abstractmethod
    def parts(self, op: LayerOp, shape: Shape, ranks: Ranks) -> tuple[Part, ...]:
        """The layers in a row, first to last."""

    @abstractmethod
    def factors(self, w: Reals, ranks: Ranks, moment: Reals | None) -> tuple[Reals, ...]:
        """Weights of each part, float64.

        Args:
            w: Weights of the layer, float64, not all zero.
            ranks: From 1 to :meth:`limits`.
            moment: None, or of what the layer reads, (n, n) with n the inputs of one output.
        """

    @abstractmethod
    def product(self, factors: tuple[Reals, ...], shape: Shape) -> Reals:
        """Weights of the one layer that does what the parts do."""

    def matrices(self, shape: Shape) -> tuple[tuple[int, int], ...] | None:
        """For each bond, the shape of the one matrix with its singular values; None: there is none.

        Args:
            shape: Of the weights.
        """
        return None

    @abstractmethod
    def spectra(self, w: Reals, moment: Reals | None) -> tuple[Reals, ...] | None:
        """For each bond, singular values from the largest on; None where there are none.

        Their squares beyond a rank, over the sum of all, are what the split of that rank loses
        (for several bonds: at most, added up).
        """


def needs_kernel(shape: Shape, least: int) -> str | None:
    """Why weights of this shape have no kernel of ``least`` taps in both directions."""
    if len(shape) == 2:
        return "a matrix product has no kernel"
    if min(shape[:2]) < least or max(shape[:2]) == 1:
        return f"its kernel of {shape[0]} x {shape[1]} has nothing to separate"
    return None
