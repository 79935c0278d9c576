"""What a register map is made of: registers of 32 bits, and fields in them.

One description from which everything else is written: the RTL, SystemRDL, the C header, the tables
and IP-XACT's memory map. What a field does is one of the kinds below; nothing else about it is said
anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

WORD = 4
"""Bytes of a register."""


class Kind(Enum):
    """What software and hardware do with a field.

    CONST   reads as a number known when the core was built
    STATUS  reads as what the hardware says
    CONTROL is written and read back by software, read by the hardware
    FLAG    is set by the hardware, cleared by writing a 1
    PULSE   does something where a 1 is written; reads as 0
    PUSH    takes a word with every write; reads as 0
    POP     gives another word with every read
    ACCESS  both: writes and reads are accesses of what is behind it
    """

    CONST = "constant"
    STATUS = "read only"
    CONTROL = "read, write"
    FLAG = "read, write 1 to clear"
    PULSE = "write 1 to do"
    PUSH = "write only"
    POP = "read only, every read takes a word"
    ACCESS = "read, write, every access counts"


@dataclass(frozen=True, slots=True)
class Field:
    """Some bits of a register.

    Attributes:
        name: Lower case, unique in its register.
        lsb: Lowest bit.
        bits: Width.
        kind: What it does.
        about: One sentence on it, no full stop.
        value: Of a CONST; of a CONTROL, after a reset.
    """

    name: str
    lsb: int
    bits: int
    kind: Kind
    about: str
    value: int = 0

    @property
    def msb(self) -> int:
        """Highest bit."""
        return self.lsb + self.bits - 1

    @property
    def mask(self) -> int:
        """Its bits in the register."""
        return ((1 << self.bits) - 1) << self.lsb

    @property
    def readable(self) -> bool:
        """Whether it reads as anything but 0."""
        return self.kind not in (Kind.PULSE, Kind.PUSH)

    @property
    def writable(self) -> bool:
        """Whether a write does anything."""
        return self.kind not in (Kind.CONST, Kind.STATUS, Kind.POP)


@dataclass(frozen=True, slots=True)
class Register:
    """A word of the map.

    Attributes:
        name: Lower case, unique in the map.
        offset: Byte address, a multiple of 4.
        about: One sentence on it, no full stop.
        fields: From the lowest bit up.
    """

    name: str
    offset: int
    about: str
    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        at = 0
        for field in self.fields:
            if field.lsb < at or field.msb > 31:
                raise ValueError(f"{self.name}.{field.name} overlaps, or leaves the register")
            at = field.msb + 1
        if self.offset % WORD:
            raise ValueError(f"{self.name} is at {self.offset:#x}, which is no word")

    @property
    def word(self) -> int:
        """Number of the word."""
        return self.offset // WORD

    @property
    def reset(self) -> int:
        """What it reads as after a reset, STATUS aside."""
        return sum(f.value << f.lsb for f in self.fields if f.readable)


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """All registers of a core.

    Attributes:
        name: Of the module that holds them.
        registers: By rising address.
    """

    name: str
    registers: tuple[Register, ...]

    def __post_init__(self) -> None:
        offsets = [register.offset for register in self.registers]
        names = {register.name for register in self.registers}
        if sorted(set(offsets)) != offsets or len(names) != len(offsets):
            raise ValueError("registers must rise and have names of their own")

    def __iter__(self) -> Iterator[Register]:
        """By rising address."""
        return iter(self.registers)

    def __getitem__(self, name: str) -> Register:
        """A register by its name."""
        return next(register for register in self.registers if register.name == name)

    @property
    def reloads(self) -> tuple[Register, ...]:
        """Registers of the memories that can be reloaded, if there are such."""
        return tuple(r for r in self.registers if r.name.startswith("reload_"))

    @property
    def address_bits(self) -> int:
        """Bits of a byte address: 4 kB at least, the page that systems map."""
        return max(12, self.registers[-1].offset.bit_length())

    @property
    def span(self) -> int:
        """Bytes that the map takes in an address space."""
        return 1 << self.address_bits
