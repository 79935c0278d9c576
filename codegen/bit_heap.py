"""Bit heap: a sum as single bits of powers of two and one gathered constant.

    value = constant + sum over weights w of 2**w * (bits of column w)

Whatever is summed (single bits, numbers with or without sign, partial products, other heaps, and
each of them negated) becomes bits that count upwards: a bit that counts downwards enters inverted,
``-b = ~b - 1``, and its -1 goes into the constant. codegen/compression.py makes a number of it.
Source: Brunie, de Dinechin et al., "Arithmetic core generation using bit heaps", FPL 2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Bit:
    """A wire of one bit.

    Attributes:
        name: Of the wire (SystemVerilog).
        time: Chains from an input of the module to it, those of the registers' levels included:
            a chain of stage t reads bits of time t or less.
        level: Registers from an input of the module to the wire.
        inverted: Whether the bit is the wire's complement.
    """

    name: str
    time: int = 0
    level: int = 0
    inverted: bool = False

    @property
    def text(self) -> str:
        """Its value (SystemVerilog)."""
        return f"~{self.name}" if self.inverted else self.name

    @property
    def complement(self) -> Bit:
        """The other value, on the same wire."""
        return replace(self, inverted=not self.inverted)


ONE = Bit("1'b1", -1, -1)
"""A bit that is always 1."""


@dataclass(slots=True)
class BitHeap:
    """A sum that is not done yet.

    Attributes:
        columns: Bits by weight.
        constant: What is added to them.

    >>> heap = BitHeap()
    >>> heap.add(Bit("a"), 2)
    >>> heap.add(Bit("b"), 1, negative=True)
    >>> heap.constant, [[bit.text for bit in column] for column in heap.columns]
    (-2, [[], ['~b'], ['a']])
    """

    columns: list[list[Bit]] = field(default_factory=list)
    constant: int = 0

    @property
    def size(self) -> int:
        """Bits."""
        return sum(map(len, self.columns))

    def add(self, bit: Bit, weight: int = 0, *, negative: bool = False) -> None:
        """Add ``2**weight * bit``, or subtract it."""
        if negative:
            bit = bit.complement
            self.constant -= 1 << weight
        while len(self.columns) <= weight:
            self.columns.append([])
        self.columns[weight].append(bit)

    def add_number(
        self, bits: Sequence[Bit], shift: int = 0, *, signed: bool = False, negative: bool = False
    ) -> None:
        """Add ``2**shift`` times a number, or subtract it.

        Args:
            bits: Lowest first.
            shift: Power of two.
            signed: Whether the highest bit counts downwards (two's complement).
            negative: Whether to subtract.
        """
        for weight, bit in enumerate(bits):
            top = signed and weight == len(bits) - 1
            self.add(bit, weight + shift, negative=negative != top)

    def add_heap(self, other: BitHeap, shift: int = 0, *, negative: bool = False) -> None:
        """Add ``2**shift`` times what another heap stands for, or subtract it."""
        for weight, column in enumerate(other.columns):
            for bit in column:
                self.add(bit, weight + shift, negative=negative)
        self.constant += (-other.constant if negative else other.constant) << shift
