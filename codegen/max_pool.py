"""Hardware of MaxPool: PE channels side by side, one tap or all taps of their windows a cycle.

Codes are compared, which are in the order of their values. The windows, padded with the least
value, come from a Window as for codegen/depthwise.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import comparison
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.depthwise import check_windows, window_timing
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints
from gatesmith.ops.max_pool import MaxPool

FANIN = 4
"""Taps of which one register level keeps the largest."""


@dataclass(frozen=True, slots=True)
class MaxPoolStage(Stage):
    """A running maximum, or a tree; templates/sv/max_pool.sv.j2 is given it under ``hw``.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator; the windows are made, and padded, before this stage.
        channels: Of the operator's result.
        x: Source stream: vectors of ``taps * pe`` elements, PE or all of them a beat.
        pe: Channels computed at a time; divides their number.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: MaxPool
    channels: int
    x: Stream
    pe: int

    def __post_init__(self) -> None:
        check_windows(self.op.kernel, self.channels, self.x, self.pe)

    @property
    def source(self) -> Stream:
        """Windows."""
        return self.x

    @property
    def sink(self) -> Stream:
        """Maxima, PE lanes."""
        vectors = self.x.vectors // (self.channels // self.pe)
        return Stream(self.x.elem, self.channels, vectors, self.pe)

    @property
    def taps(self) -> int:
        """Taps of a window."""
        return self.op.kernel[0] * self.op.kernel[1]

    @property
    def beats(self) -> int:
        """Beats in a window of PE channels."""
        return self.x.groups

    @property
    def levels(self) -> int:
        """Registers of the tree over all taps, at least one."""
        taps, levels = self.taps, 0
        while taps > 1 or levels == 0:
            taps, levels = parts.ceil_div(taps, FANIN), levels + 1
        return levels

    @property
    def wins(self) -> str:
        """Whether code a is larger than code b (SystemVerilog)."""
        sign = "$signed" if self.x.elem.signed else ""
        return f"{sign}(a) > {sign}(b)"

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    @property
    def latency(self) -> int:
        """Cycles from a window's last beat to its maximum."""
        return 1 if self.beats > 1 else self.levels

    @property
    def interval(self) -> int:
        """One beat a cycle."""
        return self.x.beats

    def schedule(self, *arrivals: Ints) -> Ints:
        """``latency`` edges after each window's last beat."""
        (edges,) = arrivals
        return edges.reshape(self.x.vectors, self.beats)[:, -1] + self.latency

    def timing(self) -> Timing:
        """A slot a beat."""
        if self.beats > 1:
            return window_timing(self.x, 0)
        return Timing.straight(self.x.beats, self.levels)

    def cost(self) -> Cost:
        """A comparison and a choice of b bits; a register: b FFs.

        Per channel one and two registers (a tap a beat), or taps - 1 and a register for each four,
        sixteen, ... taps.
        """
        b = self.x.elem.bits
        if self.beats > 1:
            counter = (self.beats - 1).bit_length()
            lut = luts({"pool.bit": self.pe * b, "counter.wrap": counter, "pipeline.one": 1})
            return comparison(b) * self.pe + Cost(lut=lut, ff=self.pe * 2 * b + counter + 1)
        registers = sum(parts.ceil_div(self.taps, FANIN**k) for k in range(1, self.levels + 1))
        matches = self.pe * (self.taps - 1)
        lut = luts({"pool.tree": matches * b, "pipeline.one": 1})
        return comparison(b) * matches + Cost(lut=lut, ff=self.pe * registers * b + self.levels)

    def files(self) -> Mapping[str, str]:
        """The module."""
        return {f"{self.module}.sv": render("sv/max_pool.sv.j2", hw=self)}
