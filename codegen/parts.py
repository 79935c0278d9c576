"""What several blocks are built of: adder trees, memories, memory files, header comments.

One place decides where a memory goes and what an adder tree costs, so that every block that has
one agrees with the RTL in templates/sv/.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatesmith.codegen.cost import Cost
from gatesmith.ir import Ints

TREE_FANIN = 8
"""Single bits that the first register level of gs_adder_tree counts."""

SIX = 6
"""Single bits that it counts BY_SIX."""

ADDER_FANIN = 4
"""Terms that any other level adds: two levels of two-input adders."""

LUT_DEPTH = 64
"""Words that one 6-input LUT holds of one bit column."""

BLOCK_SIZE, BLOCK_WIDTH = 18 * 1024, 36
"""Bits of one block RAM, and its width at its widest."""

BLOCK_WORTH = 64
"""LUTs that one block RAM is worth: roughly the ratio of the two on current devices."""


def ceil_div(a: int, b: int) -> int:
    """``a / b`` rounded up."""
    return -(-a // b)


def tree_levels(terms: int, term_bits: int, *, signed: bool = False, by_six: bool = False) -> int:
    """Register levels of a gs_adder_tree: 0 for one term.

    >>> [tree_levels(n, 1) for n in (1, 2, 8, 9, 32, 33, 784)]
    [0, 1, 1, 2, 2, 3, 5]
    >>> [tree_levels(n, 8) for n in (1, 2, 4, 5, 16, 17)]
    [0, 1, 1, 2, 2, 3]
    """
    levels, fanin = 0, ADDER_FANIN
    if term_bits == 1 and not signed:
        fanin = SIX if by_six else TREE_FANIN
    while terms > 1:
        terms, levels, fanin = ceil_div(terms, fanin), levels + 1, ADDER_FANIN
    return levels


def tree_cost(
    terms: int, term_bits: int, sum_bits: int, *, signed: bool = False, by_six: bool = False
) -> Cost:
    """Cost of a gs_adder_tree.

    An addition to b bits is b LUTs, a sum of n single bits is n LUTs, by six n / 2 (six bits to
    three in three LUTs); every level registers its sums.
    """
    if term_bits == 1 and not signed and terms > 1:
        sums = ceil_div(terms, SIX if by_six else TREE_FANIN)
        bits = min(sum_bits, 3 if by_six else 4)
        lut = sums * bits if by_six else terms
        return Cost(lut=lut, ff=sums * bits) + tree_cost(sums, bits, sum_bits)
    cost, bits = Cost(), term_bits
    while terms > 1:
        pairs, sums = ceil_div(terms, 2), ceil_div(terms, ADDER_FANIN)
        pair, out = min(sum_bits, bits + 1), min(sum_bits, bits + 2)
        cost += Cost(lut=(terms - pairs) * pair + (pairs - sums) * out, ff=sums * out)
        terms, bits = sums, out
    return cost


def memory_style(depth: int, bits: int) -> str:
    """Where a memory of ``depth`` words of ``bits`` bits goes: "block" or "distributed".

    Block RAM when the LUTs would be worth more than the blocks: a block is worth
    :data:`BLOCK_WORTH` LUTs; a LUT holds 64 x 1 bits, a block 18 kbit, 36 wide at most.
    The RTL asks for "block" by an attribute. ROMs ask for "logic" otherwise (romstyle, the word of
    Quartus and Yosys): from block RAM a tool chose by itself, weights would come late. The rest is
    left to the tool: devices without LUT-RAM (iCE40) and ROMs in yosys refuse "distributed".

    >>> memory_style(64, 4096), memory_style(128, 36), memory_style(128, 8), memory_style(2048, 8)
    ('distributed', 'block', 'distributed', 'block')
    """
    luts = lut_columns(depth) * bits
    blocks = max(ceil_div(bits, BLOCK_WIDTH), ceil_div(depth * bits, BLOCK_SIZE))
    return "block" if luts > BLOCK_WORTH * blocks else "distributed"


def memory_cost(depth: int, bits: int) -> Cost:
    """A LUT holds 64 x 1 bits; a block RAM is counted by the bits stored in it."""
    if memory_style(depth, bits) == "block":
        return Cost(ram_bits=depth * bits)
    return Cost(lut=lut_columns(depth) * bits)


def lut_columns(depth: int) -> int:
    """LUTs of a bit column of a memory: 64 words each, and what chooses between them.

    Two LUTs are joined by a multiplexer that is no LUT. Measured, Yosys on UltraScale+, ROM of
    random bits: 512 words 11.5 LUTs a column, 128 words 2.

    >>> lut_columns(64), lut_columns(128), lut_columns(512)
    (1, 2, 11)
    """
    leaves = ceil_div(depth, LUT_DEPTH)
    return leaves + (leaves - 1) // 2


def counter_bits(count: int) -> int:
    """Bits of a counter of 0..count - 1, at least one."""
    return max(1, (count - 1).bit_length())


def mem_text(words: Ints, bits: int) -> str:
    r"""File for $readmemh: one line a word; element i of a word stands at bit i * bits.

    Args:
        words: Codes, unsigned, (depth, elements).
        bits: Width of one element, at most 63.

    >>> mem_text(np.array([[1, 2, 3], [0, 0, 1]]), 4)
    '321\n100\n'
    """
    depth, elements = words.shape
    digits = ceil_div(elements * bits, 4)
    planes = (words[:, :, None] >> np.arange(bits)) & 1
    packed = np.packbits(planes.reshape(depth, -1).astype(np.uint8), axis=1, bitorder="little")
    return "".join(f"{row[::-1].tobytes().hex()[-digits:]}\n" for row in packed)


def remark(names: Sequence[str]) -> str:
    r"""ONNX names as the text of a one-line comment in ASCII, whatever is in them.

    >>> remark(["/conv1/Conv", "a\nb", "é"]), remark([])
    ('/conv1/Conv, a\\nb, \\xe9', 'none')
    """
    text = ", ".join(name.encode("unicode_escape").decode("ascii") for name in names) or "none"
    # A backslash at the end of a line comment would splice the next line on.
    return text.rstrip("\\")
