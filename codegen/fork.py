"""Fork: one stream, several readers; each takes every beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints


@dataclass(frozen=True, slots=True)
class ForkStage(Stage):
    """A register with a valid bit for each reader; templates/sv/fork.sv.j2 is given it as ``hw``.

    A reader that is ready takes its beat whether or not the others are; the next beat comes in when
    all have taken theirs. How far readers can drift apart is up to the FIFOs behind.

    Attributes:
        x: The stream that is read.
        count: Readers, 2 or more.
    """

    x: Stream
    count: int

    def __post_init__(self) -> None:
        if self.count < 2:
            raise ValueError(f"a fork for {self.count} reader(s)")

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """X."""
        return self.x

    @property
    def sinks(self) -> tuple[Stream, ...]:
        """X, for each reader."""
        return (self.x,) * self.count

    @property
    def module(self) -> str:
        """One for each number of readers."""
        return f"gs_fork_{self.count}"

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
        """A register."""
        return Timing.straight(self.x.beats, 1)

    def cost(self) -> Cost:
        """W FFs of data; a valid bit and some LUTs for each reader."""
        lut = luts({"fork.reader": self.count, "fork.one": 1})
        return Cost(lut=lut, ff=self.x.width + self.count)

    def files(self) -> Mapping[str, str]:
        """The module for this number of readers."""
        return {f"{self.module}.sv": render("sv/fork.sv.j2", hw=self)}
