"""EarlyExit: the class of the head that answered, and which one it was.

    y = (early class, 1)  where the early head decided so (Decide)
        (late class, 0)   else

With Decide(margin) on the early head's scores and an arg-max of the late head's this is

    y = argmax(early)  if  best(early) - second(early) > margin  else  argmax(late)

(BranchyNet, Teerapittayanon, McDanel, Kung, ICPR 2016.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatesmith.ir import IntType, Op, TensorType, Values
from gatesmith.ops.gate import check_decision


@dataclass(frozen=True, slots=True)
class EarlyExit(Op):
    """(decision of Decide, class of the late head) to (class, exit), in this order.

    >>> EarlyExit().run(np.array([[4, 1], [4, 0]]), np.array([[7], [7]]))
    array([[4, 1],
           [7, 0]])
    """

    def infer(self, *args: TensorType) -> TensorType:
        """Two elements of the wider type."""
        decision, late = args
        check_decision(decision)
        if late.size != 1 or late.int_elem.lo != 0 or late.int_elem.step != 1:
            raise ValueError(f"expected one class, not {late}")
        return TensorType((2,), IntType(0, max(decision.int_elem.hi, late.int_elem.hi)))

    def run(self, *args: Values) -> Values:
        """int64."""
        decision, late = args
        left = decision[:, 1] == 1
        y: Values = np.stack(
            [np.where(left, decision[:, 0], late.reshape(len(late))), decision[:, 1]], axis=1
        )
        return y
