"""Gather: any fixed data movement: y[i] = x[index[i]] over the elements of a frame, or a constant.

Transpose, slice, split, nearest resize, depth-to-space, channel shuffle, tile, and pads of every
mode are index maps, and a row of them is one index map. Elements are counted row-major.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from gatesmith.ir import Array, Ints, IntType, Op, TensorType, Values
from gatesmith.ops.concat import union


@dataclass(frozen=True, slots=True)
class Gather(Op):
    """Move elements of a frame.

    Attributes:
        shape: Of the result.
        index: int64 (elements of the result,): element of x by its row-major place, -1 for
            ``fill``.
        fill: Value of the places that no element goes to.

    >>> Gather((2, 2), Array([3, -1, 0, 0]), 7).run(np.array([[10, 11, 12, 13]]))
    array([[[13,  7],
            [10, 10]]])
    """

    shape: tuple[int, ...]
    index: Array
    fill: int = 0

    def __post_init__(self) -> None:
        if self.index.shape != (prod(self.shape),):
            raise ValueError(f"an index of shape {self.index.shape} for a result {self.shape}")
        if self.index.data.size and int(self.index.data.min()) < -1:
            raise ValueError(f"index {int(self.index.data.min())} is below -1")

    @property
    def fills(self) -> bool:
        """Whether ``fill`` occurs in the result."""
        return bool((self.index.data < 0).any())

    def infer(self, *args: TensorType) -> TensorType:
        """The stated shape; x's type, extended to hold ``fill`` where that occurs."""
        (x,) = args
        if int(self.index.data.max(initial=-1)) >= x.size:
            raise ValueError(f"index {int(self.index.data.max())} is beyond {x}")
        elem = x.int_elem
        if self.fills and not elem.contains(np.array([self.fill])):
            elem = union([elem, IntType(self.fill, self.fill)])
        return TensorType(self.shape, elem)

    def run(self, *args: Values) -> Values:
        """A copy."""
        (x,) = args
        flat: Ints = x.reshape(len(x), -1).astype(np.int64, copy=False)
        y = flat.take(self.index.data, axis=1, mode="wrap")  # -1 takes the last, replaced below
        if self.fills:
            y[:, self.index.data < 0] = self.fill
        return y.reshape(len(x), *self.shape)
