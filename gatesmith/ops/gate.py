"""Gate: what travels on only in frames that did not leave at an early exit.

Its value is that of its operand. In hardware it waits for the frame's decision and lets the frame
go on or drops it; what stands behind a gate computes only for frames that went on, and of the
others nobody reads a value (EarlyExit). The reference computes all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.ir import Op, TensorType, Values


@dataclass(frozen=True, slots=True)
class Gate(Op):
    """(x, decision of Decide) to x.

    >>> import numpy as np
    >>> Gate().run(np.array([[5, -3]]), np.array([[2, 1]]))
    array([[ 5, -3]])
    """

    def infer(self, *args: TensorType) -> TensorType:
        """That of x."""
        x, decision = args
        check_decision(decision)
        return x

    def run(self, *args: Values) -> Values:
        """X."""
        return args[0]


def check_decision(decision: TensorType) -> None:
    """Raise ValueError unless a type is that of a Decide."""
    elem = decision.int_elem
    if decision.shape != (2,) or elem.lo != 0 or elem.step != 1 or elem.hi < 1:
        raise ValueError(f"expected a decision (class, exit), not {decision}")
