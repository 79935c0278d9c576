"""The weights of one layer as a table of outputs and inputs, as the Dense has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Ints, Reals
from gatesmith.quant.calibrate.layers import Layer


@dataclass(frozen=True, slots=True, eq=False)
class LayerTable:
    """One layer's scores, laid out as the hardware reads the weights.

    Attributes:
        layer: It, or the first that reads the constant.
        names: By which it may be called: of the constant, and of every layer that reads it.
        scores: In the shape of the weights.
        order: Rows of the matrix (inputs, outputs) in the order of the Dense.
    """

    layer: Layer
    names: frozenset[str]
    scores: Reals
    order: Ints

    @property
    def name(self) -> str:
        """Of the constant."""
        return self.layer.weight.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weights."""
        return self.layer.weight.type.shape

    @property
    def table(self) -> Reals:
        """Scores as (outputs, inputs of the Dense)."""
        return self.scores.reshape(-1, self.shape[-1])[self.order].T

    def to_mask(self, table: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask like :attr:`table`, in the shape of the weights."""
        matrix = np.empty((len(self.order), self.shape[-1]), np.bool_)
        matrix[self.order] = table.T
        return matrix.reshape(self.shape)

    def blocks(self, pe: int, simd: int) -> Ints:
        """Number of the block of each weight, in the shape of the weights.

        A block is PE outputs of one group and SIMD inputs; at the ends there are fewer.
        """
        outs, ins = self.shape[-1], len(self.order)
        group = outs // self.layer.group
        column = np.arange(ins) // simd
        within = np.arange(outs) % group // pe
        row = np.arange(outs) // group * (within.max() + 1) + within
        table = row[:, None] * (column.max() + 1) + column
        matrix = np.empty((ins, outs), np.int64)
        matrix[self.order] = table.T
        return matrix.reshape(self.shape)
