"""What several blocks are built of: adder trees, memories, memory files, header comments.

One place decides where a memory goes and what an adder tree costs, so that every block that has
one agrees with the RTL in templates/sv/.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import memories
from gatesmith.codegen.arithmetic import carries
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.memories import Memory, Style
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
    terms: int,
    term_bits: int,
    sum_bits: int,
    copies: int = 1,
    *,
    signed: bool = False,
    by_six: bool = False,
) -> Cost:
    """Cost of so many gs_adder_tree.

    Single bits are counted in eights, which is so many LUTs a bit, or BY_SIX, which is three LUTs
    for six; of wider terms an adder is so many a bit. Every level registers its sums, of no more
    bits than they can have.
    """
    counted = sixes = added = ff = carry = 0
    bits, most = term_bits, (1 << term_bits) - 1
    counts = term_bits == 1 and not signed
    while terms > 1:
        fanin = (SIX if by_six else TREE_FANIN) if counts else ADDER_FANIN
        sums = ceil_div(terms, fanin)
        grown = {SIX: 3, TREE_FANIN: 4}[fanin] if counts else bits + 2
        out = min(sum_bits, grown)
        most *= ceil_div(terms, sums)
        used = min(out, most.bit_length() + int(bits > 1))
        if counts and by_six:
            sixes += sums * used
        elif counts:
            counted += terms
        else:
            pairs = ceil_div(terms, 2)
            added += (terms - pairs) * bits + (pairs - sums) * (bits + 1)
            carry += (terms - pairs) * carries(bits + 1) + (pairs - sums) * carries(used)
        ff += sums * used
        terms, bits, counts = sums, out, False
    lut = luts({"tree.count": copies * counted, "tree.add": copies * added})
    return Cost(lut=lut + copies * sixes, ff=copies * ff, carry=copies * carry)


def memory_style(depth: int, bits: int) -> Style:
    """Where a memory of ``depth`` words of ``bits`` bits goes: "block" or "distributed".

    Block RAM when the LUTs would be worth more than the blocks: a block is worth
    :data:`BLOCK_WORTH` LUTs; a LUT holds 64 x 1 bits, a block 18 kbit, 36 wide at most.
    The RTL asks for "block" by an attribute. Weights ask for "logic" otherwise (romstyle, the word
    of Quartus and Yosys): from block RAM a tool chose by itself they would come late. The rest is
    left to the tool: devices without LUT-RAM (iCE40) and ROMs in yosys refuse "distributed".

    >>> memory_style(64, 4096), memory_style(128, 36), memory_style(128, 8), memory_style(2048, 8)
    ('distributed', 'block', 'distributed', 'block')
    """
    luts = lut_columns(depth) * bits
    blocks = max(ceil_div(bits, BLOCK_WIDTH), ceil_div(depth * bits, BLOCK_SIZE))
    return "block" if luts > BLOCK_WORTH * blocks else "distributed"


def rom(
    depth: int,
    bits: int,
    words: Callable[[], NDArray[np.uint8]] | None = None,
    *,
    alone: bool = False,
    logic: bool = False,
) -> Memory:
    """A ROM with a clocked read, in the style of :func:`memory_style`.

    Args:
        depth: Words.
        bits: Bits of a word.
        words: Its content, bits of (depth, bits); by default such that no two columns are equal.
        alone: Whether it is the longest path of its block.
        logic: Whether the RTL asks for LUTs where the style is not "block".
    """
    return memories.rom(depth, bits, memory_style(depth, bits), words, alone=alone, logic=logic)


def fetches(depth: int, bits: int) -> bool:
    """Whether a word of a ROM passes a second register before anything is computed of it.

    That of a block RAM is in the memory, and its output is late: 5.8 ns after the edge on ECP5, of
    10 ns at 100 MHz.
    """
    return memory_style(depth, bits) == "block"


def ram(depth: int, bits: int, *, through: bool = False) -> Memory:
    """A memory that is written and read, in the style of :func:`memory_style`; memories.ram."""
    return memories.ram(depth, bits, memory_style(depth, bits), through=through)


def writable(depth: int, bits: int) -> Cost:
    """A memory of constants that can be reloaded, with gs_reload; an estimate, never fitted.

    The memory and its register; a register for all but the last 32 bits of a word, one for what is
    read; a multiplexer of 32 bits over the parts of a word, and one of the address.
    """
    chunks = ceil_div(bits, 32)
    address = (depth - 1).bit_length()
    lut = 32 * memories.selectors(chunks) + address + chunks
    return ram(depth, bits).registered + Cost(lut=lut, ff=32 * chunks)


def memory_cost(depth: int, bits: int) -> Cost:
    """Of a ROM of any content, without the register behind it."""
    return rom(depth, bits).cost


def lut_columns(depth: int) -> int:
    """LUTs of a bit column of a memory: 64 words each, and what chooses between them.

    Two LUTs are joined by a multiplexer that is no LUT. Measured, Yosys on UltraScale+, ROM of
    random bits: 512 words 11.5 LUTs a column, 128 words 2.

    >>> lut_columns(64), lut_columns(128), lut_columns(512)
    (1, 2, 11)
    """
    leaves = ceil_div(depth, LUT_DEPTH)
    return leaves + (leaves - 1) // 2


def bits_of(codes: Ints, bits: int) -> NDArray[np.uint8]:
    """Codes of (depth, elements) as the bits of words, (depth, elements * bits)."""
    planes = (codes[:, :, None] >> np.arange(bits)) & 1
    return planes.reshape(len(codes), -1).astype(np.uint8)


def counter_bits(count: int) -> int:
    """Bits of a counter of 0..count - 1, at least one."""
    return max(1, (count - 1).bit_length())


def mem_text(words: Ints | NDArray[np.uint8], bits: int) -> str:
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
