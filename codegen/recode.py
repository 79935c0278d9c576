"""The same integers as codes of a wider type: SystemVerilog."""

from __future__ import annotations

from gatesmith.ir import IntType


def recode(wires: str, x: IntType, y: IntType) -> str:
    """Code in y of the element whose code in x is on ``wires`` (SystemVerilog).

    Args:
        wires: An expression of x.bits bits.
        x: Type of the element.
        y: Type that holds all of x; of step 1, or equal to x.

    >>> recode("a", IntType(0, 3), IntType(-8, 7)), recode("a", IntType(-2, 1), IntType(-8, 7))
    ("4'(a)", "4'($signed(a))")
    >>> recode("a", IntType(-1, 1, 2), IntType(-1, 1))
    "2'd3 + 2'd2 * 2'(a)"
    """
    if x == y or (x.step == y.step == 1 and x.bits == y.bits):
        return wires
    if y.step != 1 or not (y.lo <= x.lo and x.hi <= y.hi):
        raise ValueError(f"codes of {x} cannot become codes of {y}")
    if x.step == 1:
        return f"{y.bits}'($signed({wires}))" if x.signed else f"{y.bits}'({wires})"
    mask = (1 << y.bits) - 1  # x.lo + x.step * code, modulo 2**bits
    low, step = (f"{y.bits}'d{value & mask}" for value in (x.lo, x.step))
    return f"{low} + {step} * {y.bits}'({wires})"
