"""What Yosys makes of a memory on UltraScale+: block RAM, LUT-RAM, plain LUTs.

Yosys weighs the ways against each other (pass ``memory_libmap``; its weights for this family stand
in ``share/xilinx/brams_xc4v.txt``, ``lutrams_xcu.txt`` and the options of ``synth_xilinx``): a bit
of a ROM is worth 1/64, a bit of flip-flops 1, a half block RAM 129, a whole one 257, a LUT-RAM of
14 x 32 or 7 x 64 bits 16, a bit of a multiplexer 1/2. An attribute "block" leaves it only the
first. The rules here are those of that pass for one reading port and at most one writing port whose
words are written whole, so that block RAMs are counted exactly.

What remains in LUTs is counted from the content where that is known: the parts of 64 words of a
column whose bits differ from those of all others. Each could be one LUT, and is where the ROM is
the longest path of its block, as in a table. Where it is not, abc9 saves area by its own weights (a
LUT of two inputs 2, of three 3, of four to six 5): it shares LUTs of three inputs between columns
and puts multiplexers behind them, which makes several LUTs of each part where there are many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts

ROM_BIT, RAM_BIT = 1 / 64, 1.0
"""Worth of a bit of logic, of a ROM and of flip-flops."""

HALF, WHOLE = 129, 257
"""Worth of half a block RAM (18 kbit), and of a whole one."""

MUX_BIT = 0.5
"""Worth of a bit of a multiplexer behind memories, or of a write enable before them."""

PORT = 2.0
"""Worth of a second port; every memory that is written has one."""

LUTRAM = 16
"""Worth of a LUT-RAM; it is 8 LUTs."""

TRANSPARENT = 6.0
"""Worth of what makes a block RAM give at once what is being written."""

LUTRAM_LUTS = 8

WIDTHS = (1, 2, 4, 9, 18, 36, 72)
"""Of a block RAM, each of half the depth of the one before."""

BYTE = 9
"""Bits with a write enable of their own."""

LUT_WORDS, SHALLOW_WORDS, FREE_WORDS = 64, 32, 256
"""Words of a column in one LUT; words up to which a column takes one in any case; words up to which
multiplexers behind LUTs are free (MUXF7, MUXF8)."""

CONTENT = 1 << 17
"""Bits up to which the content of a ROM is looked at; in a larger one all columns that can differ
are taken to. A search over folds asks for hundreds of ROMs."""

FACTORS = np.random.default_rng(0).integers(0, 2**63, CONTENT // 64, dtype=np.uint64) * 2 + 1
"""Odd numbers, always the same: they tell longer columns apart."""

FEW = 16
"""Parts of columns among which there is little to share."""

Style = Literal["block", "distributed"]


@dataclass(frozen=True, slots=True)
class Memory:
    """How a memory is built.

    Attributes:
        kind: "block", "lutram", "logic" (a ROM), "ff", or "none" where nothing is stored.
        cost: Its cells, without the register of a clocked read.
        columns: Bits of that register, where it is of flip-flops.
    """

    kind: Literal["block", "lutram", "logic", "ff", "none"]
    cost: Cost
    columns: int

    @property
    def registered(self) -> Cost:
        """With the register of a clocked read, which block RAM has inside."""
        return self.cost if self.kind == "block" else self.cost + Cost(ff=self.columns)


@lru_cache(maxsize=4096)
def best_blocks(depth: int, bits: int, *, written: bool) -> Blocks:
    """The layout in block RAMs that Yosys takes: of equals the first."""
    return min(_layouts(depth, bits, written=written), key=lambda way: way.worth)


@dataclass(frozen=True, slots=True)
class Blocks:
    """One way to lay a memory out in block RAMs."""

    worth: float
    whole: bool
    count: int
    parts: int


def rom(
    depth: int,
    bits: int,
    style: Style,
    words: Callable[[], NDArray[np.uint8]] | None = None,
    *,
    alone: bool = False,
    logic: bool = False,
) -> Memory:
    """A ROM with a clocked read.

    Args:
        depth: Words.
        bits: Bits of a word.
        style: What the RTL asks for; nothing unless "block".
        words: The content, bits of (depth, bits), asked for only where it matters; by default
            all columns are different and random.
        alone: Whether nothing else in the block takes as long, see below.
        logic: Whether the RTL asks for LUTs where the style is not "block".
    """
    if not depth or not bits:
        return Memory("none", Cost(), 0)
    if words is None or depth * bits > CONTENT:
        best = best_blocks(depth, bits, written=False)
        if style == "block" or (not logic and best.worth < int(depth * bits * ROM_BIT)):
            return _in_blocks(best, depth, bits)
        columns = min(bits, (1 << min(depth, 32)) - 2) if depth > 1 else 0
        blocks = columns * -(-depth // LUT_WORDS)
        return Memory("logic", Cost(lut=_lut_rom(blocks, depth, alone=alone)), columns)
    content = words()
    content = content[:, (content != content[:1]).any(axis=0)]  # constants are no memory
    live = content.shape[1]
    if not live:
        return Memory("none", Cost(), 0)
    best = best_blocks(depth, live, written=False)
    if style == "block" or (not logic and best.worth < int(depth * live * ROM_BIT)):
        return _in_blocks(best, depth, live)
    return _in_luts(content, alone=alone)


def ram(depth: int, bits: int, style: Style, *, through: bool = False) -> Memory:
    """A memory with a writing port and a reading port.

    Args:
        depth: Words.
        bits: Bits of a word.
        style: What the RTL asks for; nothing unless "block".
        through: Whether a word is read at the edge behind the one that writes it, because the
            address is registered and not what is read.
    """
    if not depth or not bits:
        return Memory("none", Cost(), 0)
    best = best_blocks(depth, bits, written=True)
    ways = [(best.worth + (TRANSPARENT if through else 0), _in_blocks(best, depth, bits))]
    if style != "block":
        logic = float(depth * bits * RAM_BIT)
        ways = [(logic, _in_flip_flops(depth, bits)), _in_lutram(depth, bits), *ways]
    return min(ways, key=lambda way: way[0])[1]


def _layouts(depth: int, bits: int, *, written: bool) -> Iterator[Blocks]:
    """All of them, in the order in which Yosys tries them: the first of equals is taken."""
    for simple, whole in ((False, False), (False, True), (True, False), (True, True)):
        widths = WIDTHS[: 5 + simple + whole]
        for log2, width in enumerate(widths):
            words = 1 << (14 + whole - log2)
            parts = -(-depth // words)
            byte = min(BYTE, width) if written else 1
            stored = -(-bits // byte) * byte
            count = -(-parts * stored // width)
            worth = float((WHOLE if whole else HALF) * count) + PORT
            worth += (parts - 1) * bits * MUX_BIT
            if written and parts > 1:
                worth += parts * MUX_BIT
            yield Blocks(worth, whole, count, parts)


def _in_blocks(way: Blocks, depth: int, bits: int) -> Memory:
    lut = selectors(way.parts) * bits + (way.parts if way.parts > 1 else 0)
    key = "ramb36" if way.whole else "ramb18"
    return Memory("block", Cost(lut=lut, ram_bits=depth * bits, **{key: way.count}), 0)


def _in_lutram(depth: int, bits: int) -> tuple[float, Memory]:
    """The cheaper of 32 and 64 words deep."""
    found = []
    for words, width in ((32, 14), (64, 7)):
        parts = -(-depth // words)
        cells = -(-parts * bits // width)
        worth = LUTRAM * cells + PORT + (parts - 1) * bits * MUX_BIT
        worth += parts * MUX_BIT if parts > 1 else 0
        lut = LUTRAM_LUTS * cells + selectors(parts) * bits + (parts if parts > 1 else 0)
        found.append((worth, Memory("lutram", Cost(lut=lut), bits)))
    return min(found, key=lambda way: way[0])


def _in_flip_flops(depth: int, bits: int) -> Memory:
    """A flip-flop a bit, write enables, a multiplexer a column."""
    lut = selectors(depth) * bits + (depth if depth > 1 else 0)
    return Memory("ff", Cost(lut=lut, ff=depth * bits), bits)


def _in_luts(words: NDArray[np.uint8], *, alone: bool) -> Memory:
    """LUTs of a ROM by its content, of which no column is constant, and its different columns."""
    depth = len(words)
    packed = np.packbits(words, axis=0).T
    padded = np.pad(packed, ((0, 0), (0, -packed.shape[1] % (LUT_WORDS // 8))))
    columns = np.ascontiguousarray(padded).view(np.uint64)  # 64 words of a column are a number
    # A search asks this of every fold: longer columns are told apart by a sum with odd factors.
    columns = columns[np.unique(columns @ FACTORS[: columns.shape[1]], return_index=True)[1]]
    blocks = len(columns)
    if depth > LUT_WORDS:
        found = np.unique(columns)
        blocks = int(((found != 0) & (found != np.uint64(2**64 - 1))).sum())
    return Memory("logic", Cost(lut=_lut_rom(blocks, depth, alone=alone)), len(columns))


def _lut_rom(blocks: int, depth: int, *, alone: bool) -> int:
    """LUTs of so many different parts of columns."""
    if depth <= SHALLOW_WORDS:
        return luts({"rom.shallow": blocks})
    if alone:
        return luts({"rom.alone" if depth <= FREE_WORDS else "rom.alone_deep": blocks})
    return luts({"rom.block": blocks, "rom.many": max(0, blocks - FEW)})


def selectors(ways: int) -> int:
    """LUTs of a multiplexer of one bit; two of four ways and a MUXF7 make one of eight.

    >>> [selectors(n) for n in (1, 2, 3, 4, 8, 16)]
    [0, 1, 1, 1, 2, 4]
    """
    return 0 if ways < 2 else -(-ways // 4)
