"""The rows of an unrolled layer as modules of lines: which rows there are, and which goes where.

Equal rows are made once. A module holds rows of at most BLOCK_DIGITS signed digits together (or one
row that has more), so that no tool meets a huge module; sums are shared inside a module only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from gatesmith.codegen.constant_rows import Row, row_of
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.signed_digits import count_digits
from gatesmith.codegen.sums import Line, Sums, Term, is_bit, levels
from gatesmith.ir import Array, Ints, IntType

BLOCK_DIGITS = 2048
"""Signed digits, each of them about one adder, of the rows of a module."""


def distinct(weights: Ints) -> tuple[Ints, list[int]]:
    """Rows that differ, in their order, and the number of each row among them.

    >>> import numpy as np
    >>> distinct(np.array([[1, 2], [0, 0], [1, 2]]))[1]
    [0, 1, 0]
    """
    numbers: dict[bytes, int] = {}
    row_of_output = [numbers.setdefault(row.tobytes(), len(numbers)) for row in weights]
    first = dict(zip(reversed(row_of_output), reversed(range(len(weights))), strict=True))
    return weights[[first[number] for number in range(len(numbers))]], row_of_output


def digit_total(weights: Ints) -> int:
    """Signed digits of all distinct rows."""
    return int(count_digits(distinct(weights)[0]).sum())


@dataclass(frozen=True, slots=True)
class Block:
    """A module of rows.

    Attributes:
        lines: Of the sums.
        outputs: Codes of y by row (SystemVerilog).
        inverted: Whether inputs are used inverted.
        cut: Wires of which some bits nobody reads.
        functions: Text of functions that the lines call (SystemVerilog).
    """

    lines: tuple[Line, ...]
    outputs: tuple[str, ...]
    inverted: bool
    cut: tuple[str, ...]
    functions: tuple[str, ...] = ()

    @property
    def unused(self) -> str:
        """What is not read, or not all of it (SystemVerilog)."""
        clock = () if self.lines else ("clk", "step")
        return ", ".join([*clock, *(["x_n"] if self.inverted else []), "x", *self.cut])


@dataclass(frozen=True, slots=True)
class Unrolled:
    """All rows.

    Attributes:
        blocks: Modules.
        places: Block, and row of the block, of each output.
        levels: Registers from x to y.
    """

    blocks: tuple[Block, ...]
    places: tuple[tuple[int, int], ...]
    levels: int

    def cost(self) -> Cost:
        """LUTs of every line; a FF for each bit of a register."""
        lines = [line for block in self.blocks for line in block.lines]
        return Cost(
            lut=sum(line.lut for line in lines),
            ff=sum(line.wire.type.bits for line in lines if line.registered),
        )


@lru_cache(maxsize=64)  # asked by the search for a fold, the plan and the files
def unroll(weights: Array, x: IntType, y: IntType) -> Unrolled:
    """The modules of a layer with these weights."""
    rows, row_of_output = distinct(weights.data)
    counts = count_digits(rows).sum(axis=1)
    depth = levels(int(counts.max()), bits=is_bit(x.code))
    cuts = _cuts(counts)
    blocks, place_of_row = [], []
    for number, (start, stop) in enumerate(pairwise(cuts)):
        found = [row_of(row, x, y) for row in rows[start:stop]]
        blocks.append(_block(found, x.code, y.bits, depth))
        place_of_row += [(number, place) for place in range(stop - start)]
    return Unrolled(tuple(blocks), tuple(place_of_row[n] for n in row_of_output), depth)


def _cuts(counts: Ints) -> list[int]:
    """First row of each block, and the number of rows."""
    cuts, digits = [0], 0
    for row, count in enumerate(counts):
        if digits and digits + count > BLOCK_DIGITS:
            cuts.append(row)
            digits = 0
        digits += count
    return [*cuts, len(counts)]


def _block(rows: list[Row], code: IntType, bits: int, depth: int) -> Block:
    sums = Sums(code)
    outputs = tuple(_output(row, sums, bits, depth) for row in rows)
    cut = tuple(line.wire.name for line in sums.lines if line.wire in sums.cut)
    return Block(tuple(sums.lines), outputs, sums.inverted, cut)


def _output(row: Row, sums: Sums, bits: int, depth: int) -> str:
    """Code of y (SystemVerilog), after ``depth`` registers."""
    if not row.factors:
        return f"{bits}'d{row.constant % (1 << bits)}"
    terms = row.terms(sums)
    for _ in range(depth - 1):
        terms = sums.level(terms)
    wire = sums.register(sums.offset(sums.tree(terms), row.offset))
    value = sums.extended(Term(wire), bits - row.shift)
    return f"{{{value}, {row.shift}'d{row.fill}}}" if row.shift else value
