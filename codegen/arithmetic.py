"""What Yosys makes of adders, comparisons and multipliers on UltraScale+, beside their LUTs."""

from __future__ import annotations

import numpy as np

from gatesmith.codegen.cost import Cost
from gatesmith.ir import Ints

DSP_A, DSP_B, DSP_PART = 27, 18, 17
"""Operands of a DSP block, and the bits of a part of a wider operand; the numbers of
``synth_xilinx -family xcup`` (share/mul2dsp.v)."""

DSP_RESULT = 9
"""Narrowest product that goes to a DSP block; narrower ones are LUTs."""


def carries(bits: int) -> int:
    """Carry cells of an addition of so many bits; up to two bits need none.

    >>> [carries(n) for n in (2, 3, 4, 5, 16)]
    [0, 1, 1, 2, 4]
    """
    return -(-bits // 4) if bits > 2 else 0


def comparison(bits: int) -> Cost:
    """Carry cells of a comparison of two numbers: three bits of both a place in a carry cell."""
    return Cost(carry=carries(-(-bits // 3)))


def multiplier_blocks(a: int, b: int, result: int) -> int:
    """DSP blocks of a product; 0 where it is made of LUTs.

    Args:
        a: Bits of an operand as a signed number.
        b: Of the other.
        result: Bits kept of the product.

    >>> multiplier_blocks(8, 8, 16), multiplier_blocks(4, 4, 8), multiplier_blocks(32, 20, 52)
    (1, 0, 4)
    """
    wide, narrow = max(a, b), min(a, b)
    if narrow < 2 or min(result, a + b) < DSP_RESULT:
        return 0
    return _parts(wide, DSP_A) * _parts(narrow, DSP_B)


def common_zeros(values: Ints) -> int:
    """Low bits that are zero in all of these constants: they are not multiplied by.

    >>> common_zeros(np.array([24, -40])), common_zeros(np.array([0, 1]))
    (3, 0)
    """
    together = int(np.bitwise_or.reduce(values.reshape(-1)))
    return (together & -together).bit_length() - 1 if together else 0


def _parts(bits: int, whole: int) -> int:
    """Pieces of an operand: parts of 17 bits until what is left fits."""
    return 1 + max(0, -(-(bits - whole) // DSP_PART))
