"""Cells of a netlist as resources of its device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from gatesmith.synthesis.devices import Device


@dataclass(frozen=True, slots=True)
class Counts:
    """What a netlist takes.

    Attributes:
        lut_by_size: LUTs by number of inputs.
        lut_memory: LUTs used as memory or shift register.
        carry: Carry cells.
        lut_sites: LUTs that are taken in all: logic, memory, and carry cells that lie in LUTs.
        ff: Flip-flops.
        dsp: Multiplier blocks.
        bram: Blocks of RAM, large and small.
        bram_kbits: What they hold.
        other: Cell types that are nothing of this.
    """

    lut_by_size: dict[str, int] = field(default_factory=dict)
    lut_memory: int = 0
    carry: int = 0
    lut_sites: int = 0
    ff: int = 0
    dsp: int = 0
    bram: int = 0
    bram_kbits: int = 0
    other: dict[str, int] = field(default_factory=dict)

    @property
    def lut(self) -> int:
        """LUTs of logic."""
        return sum(self.lut_by_size.values())

    def figures(self) -> dict[str, int]:
        """The numbers, without the cell types."""
        numbers = ("lut_memory", "lut_sites", "carry", "ff", "dsp", "bram", "bram_kbits")
        return {"lut": self.lut, **{key: getattr(self, key) for key in numbers}}


def count(cells: Mapping[str, int], device: Device) -> Counts:
    """Resources of these cells, given as the count of each type."""
    sizes: dict[str, int] = {}
    totals = dict.fromkeys(("lut_memory", "carry", "in_carry", "ff", "dsp", "bram", "kbits"), 0)
    other: dict[str, int] = {}
    for cell, number in sorted(cells.items()):
        if cell.startswith("$scopeinfo"):  # where a flattened module was
            continue
        match _kind(cell, device):
            case ("lut", inputs):
                sizes[str(inputs)] = sizes.get(str(inputs), 0) + number
            case ("carry", luts):
                totals["carry"] += number
                totals["in_carry"] += luts * number
            case ("bram", kbits):
                totals["bram"] += number
                totals["kbits"] += kbits * number
            case ("free", _):
                pass
            case (kind, each):
                totals[kind] += each * number
            case None:
                other[cell] = number
    logic = sum(sizes.values())
    return Counts(
        lut_by_size=dict(sorted(sizes.items())),
        lut_memory=totals["lut_memory"],
        carry=totals["carry"],
        lut_sites=logic + totals["lut_memory"] + totals["in_carry"],
        ff=totals["ff"],
        dsp=totals["dsp"],
        bram=totals["bram"],
        bram_kbits=totals["kbits"],
        other=other,
    )


def _kind(cell: str, device: Device) -> tuple[str, int] | None:
    for kind, patterns in device.cells.items():
        for pattern, each in patterns.items():
            if fnmatchcase(cell, pattern):
                return kind, each
    return None
