"""FIFO: a stream that can wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gatesmith.codegen.arithmetic import carries
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.parts import memory_style, ram
from gatesmith.codegen.render import plain
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints


@dataclass(frozen=True, slots=True)
class FifoStage(Stage):
    """``depth`` beats in LUT-RAM or block RAM; templates/sv/gs_fifo.sv.

    Attributes:
        x: The stream that passes.
        depth: Beats that can wait, 1 or more.
    """

    x: Stream
    depth: int

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ValueError(f"a FIFO of depth {self.depth}")

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
        return "gs_fifo"

    @property
    def block_ram(self) -> bool:
        """Whether the beats wait in block RAM."""
        return memory_style(self.depth, self.x.width) == "block"

    @property
    def parameters(self) -> Mapping[str, int]:
        """W, DEPTH, BLOCK_RAM."""
        return {"W": self.x.width, "DEPTH": self.depth, "BLOCK_RAM": int(self.block_ram)}

    @property
    def latency(self) -> int:
        """Cycles from a beat in to the same beat out of an empty FIFO."""
        return 2 if self.block_ram else 1

    @property
    def interval(self) -> int:
        """One beat a cycle; a single place is filled and emptied in turn."""
        return self.x.beats * (2 if self.depth == 1 else 1)

    def schedule(self, *arrivals: Ints) -> Ints:
        """``latency`` edges later; with one place a beat waits until the one before has left."""
        (edges,) = arrivals
        if self.depth > 1:
            return edges + self.latency
        order = 2 * np.arange(self.x.beats)
        return order + np.maximum.accumulate(edges - order) + self.latency

    def timing(self) -> Timing:
        """A slot is a beat's way to the output, where it waits as one of ``depth`` beats.

        With one place a second slot empties it, so that the next beat comes an edge later.
        """
        order = np.arange(self.x.beats)
        if self.depth > 1:
            read = self.latency - 1
            return replace(Timing.straight(self.x.beats, 1), wait=(read,), keep=(self.depth - 1,))
        gives = np.tile([True, False], self.x.beats)
        needs, frees = np.repeat(order + 1, 2), np.repeat(order + 1, 2) - gives
        return Timing((needs,), (0,), (frees,), (1,), gives, delay=1, room=1)

    def cost(self) -> Cost:
        """Memory (parts.ram), two pointers and a count, which wrap unless DEPTH is a power of two.

        The memory's address is registered: a FF a bit more, unless it is a block RAM.
        """
        if self.depth == 1:
            return Cost(lut=luts({"fifo.single": 1}), ff=self.x.width + 2)
        memory = ram(self.depth, self.x.width, through=not self.block_ram)
        address, count = (self.depth - 1).bit_length(), self.depth.bit_length()
        where = "block" if self.block_ram else "distributed"
        control = luts(
            {
                f"fifo.{where}": address,
                f"fifo.{where}_wrap": address * (self.depth & (self.depth - 1) != 0),
                "fifo.one": 1,
            }
        )
        ff = 2 * address + count + 1 + (1 if self.block_ram else address)
        adders = 4 if self.block_ram else 3
        return memory.cost + Cost(lut=control, ff=ff, carry=adders * carries(address))

    def files(self) -> Mapping[str, str]:
        """The library module."""
        return {"gs_fifo.sv": plain("sv/gs_fifo.sv")}
