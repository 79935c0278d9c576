"""Energy of a frame, estimated from what a design does.

Counted are products, additions, weights read and values moved; not clocks, wires and leakage, which
only place-and-route and a board can tell. Figures: Horowitz, "Computing's energy problem", ISSCC
2014, figure 1.1.9 (45 nm, 0.9 V): an 8-bit addition 0.03 pJ, an 8-bit multiplication 0.2 pJ, 64
bits from an 8 kB memory 10 pJ. A multiplication grows with the product of its widths, an addition
and a memory access with their width. Good for comparing designs, not for a data sheet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gatesmith.codegen.stream import Stage

MULTIPLY = 0.2 / 64
"""pJ for each pair of bits."""

ADD = 0.03 / 8
"""pJ for each bit."""

READ = 10 / 64
"""pJ for each bit read from a memory or written to one."""


@dataclass(frozen=True, slots=True)
class Energy:
    """Of one frame, in pJ.

    Attributes:
        arithmetic: Products and their sums.
        memory: Weights that are read, and values that streams carry from stage to stage.
    """

    arithmetic: float
    memory: float

    @property
    def total(self) -> float:
        """Both."""
        return self.arithmetic + self.memory


def energy(stages: Iterable[Stage]) -> Energy:
    """Estimate of a design; the formulas are in the text above."""
    arithmetic = memory = 0.0
    for stage in stages:
        work = stage.work()
        arithmetic += work.products * MULTIPLY * work.product_bits
        arithmetic += work.products * ADD * work.sum_bits
        moved = sum(stream.beats * stream.width for stream in stage.sinks)
        memory += READ * (work.weight_bits_read + moved)
    return Energy(arithmetic, memory)
