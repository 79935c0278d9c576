"""Decide: the best class of scores, and whether it is far enough ahead of the second best.

    y = (class, 1)  where best - second > margin       the class may be given at once: an early exit
        (class, 0)  else: too close, ask someone else

Of equal scores the lower index is the class; a tie is never ahead of itself, so it goes on. Source:
BranchyNet (Teerapittayanon, McDanel, Kung, ICPR 2016) leaves where the entropy is low; the
difference of the two best scores is the same idea in integers (Park et al., Big/Little, 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import Ints, IntType, Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Decide(Op):
    """One vector of scores to (class, exit), in this order.

    Attributes:
        margin: What the difference has to exceed, in units of the scores; 0 or more.

    >>> Decide(2).run(np.array([[1, 7, 4], [1, 7, 5], [7, 1, 7]]))
    array([[1, 1],
           [1, 0],
           [0, 0]])
    """

    margin: int

    def __post_init__(self) -> None:
        if self.margin < 0:
            raise ValueError(f"a margin of {self.margin}: it must be 0 or more")

    def infer(self, *args: TensorType) -> TensorType:
        """Two elements: a class, and 0 or 1."""
        (x,) = args
        if x.vectors != 1 or x.channels < 2:
            raise ValueError(f"expected one vector of two scores or more, not {x}")
        return TensorType((2,), decision(x.channels))

    def run(self, *args: Values) -> Values:
        """int64."""
        (x,) = args
        scores = x.reshape(len(x), -1)
        two = np.sort(scores, axis=1)[:, -2:]
        leaves = two[:, 1] - two[:, 0] > self.margin
        y: Ints = np.stack([np.argmax(scores, axis=1), leaves], axis=1).astype(np.int64)
        return y


def decision(classes: int) -> IntType:
    """Type of both elements of a decision among so many classes."""
    return IntType(0, classes - 1)
