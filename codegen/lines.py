"""What an unrolled layer is made of: lines of SystemVerilog, each a wire or a register."""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.ir import IntType


@dataclass(frozen=True, slots=True)
class Wire:
    """A number on wires.

    Attributes:
        name: In SystemVerilog.
        type: Its range; in two's complement when that reaches below zero.
        number: Order in which wires were made; of an input, its number.
        held: Whether it is an input or a register.
    """

    name: str
    type: IntType
    number: int
    held: bool


@dataclass(frozen=True, slots=True)
class Line:
    """How a wire is made.

    Attributes:
        wire: The wire.
        text: Its value (SystemVerilog).
        registered: Whether it is a register.
        lut: LUTs that it takes.
    """

    wire: Wire
    text: str
    registered: bool
    lut: int


def is_bit(value: IntType) -> bool:
    """Whether a value is 0 or 1."""
    return value.bits == 1 and not value.signed
