"""Pad: a constant around the elements and between them, on reals. Source: ONNX Pad-2, -11.

``interior`` (XLA's padding_config) spreads the elements of an axis: a transposed convolution is a
convolution over a frame that is spread by its stride.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Op, TensorType, Values
from gatesmith.ops.elementwise import broadcast


@dataclass(frozen=True, slots=True)
class Pad(Op):
    """An axis of n elements gets ``before + n + (n - 1) * interior + after`` of them.

    Attributes:
        before: For each axis of the frame, values put in front; 0 or more.
        after: The same, behind.
        interior: The same, between each two neighbours.
        value: What is put there.

    >>> Pad((1,), (0,), (1,), 0.5).run(np.array([[3.0, 4.0]]))
    array([[0.5, 3. , 0.5, 4. ]])
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    interior: tuple[int, ...]
    value: float

    def __post_init__(self) -> None:
        if min((0, *self.before, *self.after, *self.interior)) < 0:
            raise ValueError(f"{self} takes away; Take does that")

    def infer(self, *args: TensorType) -> TensorType:
        """The larger shape, real."""
        (x,) = args
        if not len(self.before) == len(self.after) == len(self.interior) == len(x.shape):
            raise ValueError(f"{self} has not one entry for each axis of {x}")
        sides = zip(x.shape, self.before, self.after, self.interior, strict=True)
        shape = tuple(a + n + (n - 1) * between + b for n, a, b, between in sides)
        return TensorType(shape, broadcast(x).elem)

    def run(self, *args: Values) -> Values:
        """float64."""
        (x,) = args
        sides = zip(x.shape[1:], self.before, self.after, self.interior, strict=True)
        shape = [a + n + (n - 1) * between + b for n, a, b, between in sides]
        y: Values = np.full((x.shape[0], *shape), self.value)
        places = zip(x.shape[1:], self.before, self.interior, strict=True)
        at = (slice(a, a + n + (n - 1) * between, 1 + between) for n, a, between in places)
        y[slice(None), *at] = x
        return y
