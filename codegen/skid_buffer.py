"""Skid buffer: a stream register that also cuts the combinational path of tready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import plain
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints


@dataclass(frozen=True, slots=True)
class SkidBufferStage(Stage):
    """Two beats; templates/sv/gs_skid_buffer.sv.

    Attributes:
        x: The stream that passes.
    """

    x: Stream

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """X."""
        return self.x

    @property
    def module(self) -> str:
        """The library module."""
        return "gs_skid_buffer"

    @property
    def parameters(self) -> Mapping[str, int]:
        """W."""
        return {"W": self.x.width}

    @property
    def interval(self) -> int:
        """One beat a cycle."""
        return self.x.beats

    def schedule(self, *arrivals: Ints) -> Ints:
        """One edge later."""
        (edges,) = arrivals
        return edges + 1

    def timing(self) -> Timing:
        """A slot is a beat's way into the output register; before it waits at most one more."""
        return replace(Timing.straight(self.x.beats, 1), keep=(1,))

    def cost(self) -> Cost:
        """Two registers of W bits and two valid bits; a multiplexer of W bits, control."""
        width = self.x.width
        return Cost(lut=luts({"skid.bit": width, "skid.one": 1}), ff=2 * width + 2)

    def files(self) -> Mapping[str, str]:
        """The library module."""
        return {"gs_skid_buffer.sv": plain("sv/gs_skid_buffer.sv")}
