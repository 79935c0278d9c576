"""The rows of an unrolled layer as modules of lines: which rows there are, and which goes where.

Equal rows are made once. A module holds rows of at most BLOCK_DIGITS signed digits together (or one
row that has more), so that no tool meets a huge module; sums are shared inside a module only.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.lines import Line
from gatesmith.codegen.signed_digits import count_digits
from gatesmith.ir import Ints

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
