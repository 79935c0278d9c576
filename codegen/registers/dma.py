"""AXI4 buses towards memory: one for every input, which reads, one for every output, which writes.

32 bits wide, bursts of at most 16 words (AXI3, as on Zynq-7000, takes no longer ones), no IDs:
answers come in order. A frame in memory is what the data windows take: each beat in words of 32
bits from its low bits up, filled up with zeros; frames lie one behind the other.
"""

from __future__ import annotations

from dataclasses import dataclass

BURST = 16
"""Words of a burst, at most."""

ADDRESS_BITS = 64


@dataclass(frozen=True, slots=True)
class Pin:
    """A port of a bus.

    Attributes:
        name: Behind the prefix of the bus.
        out: Whether the core drives it.
        bits: Its width; 0 is a scalar.
        fixed: What it always is (SystemVerilog); nothing where the reader or writer drives it.
    """

    name: str
    out: bool
    bits: int = 0
    fixed: str = ""


_SAME = (("size", 3, "3'd2"), ("burst", 2, "2'd1"), ("cache", 4, "4'd3"), ("prot", 3, "3'd0"))
"""Whole words, rising addresses, modifiable and bufferable, data of an unprivileged master."""


def _address(letters: str) -> tuple[Pin, ...]:
    return (
        Pin(f"{letters}addr", True, ADDRESS_BITS),
        Pin(f"{letters}len", True, 8),
        *(Pin(f"{letters}{name}", True, bits, fixed) for name, bits, fixed in _SAME),
        Pin(f"{letters}valid", True),
        Pin(f"{letters}ready", False),
    )


READS = (
    *_address("ar"),
    Pin("rdata", False, 32),
    Pin("rresp", False, 2),
    Pin("rlast", False),
    Pin("rvalid", False),
    Pin("rready", True),
)
WRITES = (
    *_address("aw"),
    Pin("wdata", True, 32),
    Pin("wstrb", True, 4),
    Pin("wlast", True),
    Pin("wvalid", True),
    Pin("wready", False),
    Pin("bresp", False, 2),
    Pin("bvalid", False),
    Pin("bready", True),
)


@dataclass(frozen=True, slots=True)
class MemoryBus:
    """A bus towards memory.

    Attributes:
        port: Input or output of the core: ``in0``, ``out1``.
        reads: Whether it reads; else it writes.
    """

    port: str
    reads: bool

    @property
    def prefix(self) -> str:
        """What its ports begin with."""
        return f"m_axi_{self.port}"

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Its ports."""
        return READS if self.reads else WRITES

    @property
    def driven(self) -> tuple[Pin, ...]:
        """Those between it and gs_reader or gs_writer."""
        return tuple(pin for pin in self.pins if not pin.fixed and pin.name != "rlast")
