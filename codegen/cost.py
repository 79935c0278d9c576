"""Cost of a hardware block, by formulas calibrated against Yosys (docs/costs.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Resources of UltraScale+, as ``gatesmith synth --device xcup`` counts them.

    Attributes:
        lut: 6-input look-up tables, those used as memory or shift register included.
        ff: Flip-flops.
        dsp: Multiplier blocks.
        ram_bits: Bits stored in block RAM.
        carry: Carry cells of four bits.
        ramb18: Half block RAMs of 18 kbit.
        ramb36: Whole block RAMs of 36 kbit.

    >>> Cost(lut=3, ramb18=1) + Cost(lut=1) * 4
    Cost(lut=7, ff=0, dsp=0, ram_bits=0, carry=0, ramb18=1, ramb36=0)
    """

    lut: int = 0
    ff: int = 0
    dsp: int = 0
    ram_bits: int = 0
    carry: int = 0
    ramb18: int = 0
    ramb36: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(**{key: getattr(self, key) + getattr(other, key) for key in RESOURCES})

    def __mul__(self, times: int) -> Cost:
        return Cost(**{key: getattr(self, key) * times for key in RESOURCES})

    def as_json(self) -> dict[str, int]:
        """Resources by name."""
        return {key: getattr(self, key) for key in RESOURCES}


RESOURCES = tuple(field.name for field in fields(Cost))
