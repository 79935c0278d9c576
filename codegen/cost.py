"""Cost of a hardware block, by formula. Calibration against synthesis is a later step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Resources, in the units of a 6-input-LUT FPGA.

    Attributes:
        lut: 6-input look-up tables, LUT-RAM and LUT-ROM included.
        ff: Flip-flops.
        dsp: Multiplier blocks.
        ram_bits: Bits of block RAM or ROM.
    """

    lut: int = 0
    ff: int = 0
    dsp: int = 0
    ram_bits: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            lut=self.lut + other.lut,
            ff=self.ff + other.ff,
            dsp=self.dsp + other.dsp,
            ram_bits=self.ram_bits + other.ram_bits,
        )
