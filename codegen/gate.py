"""Hardware of Gate: a frame waits for its decision, then goes on or is dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints


@dataclass(frozen=True, slots=True)
class GateStage(Stage):
    """A beat a cycle, kept or dropped; templates/sv/gate.sv.j2 is given it under the name ``hw``.

    It holds no frame: beats wait in the FIFO before it until the decision is there, and in the one
    behind it while what reads them is busy (codegen/exit_depth.py).

    Attributes:
        module: Name of the Verilog module, unique in the design.
        x: What goes on or does not.
        decision: One beat (class, exit) a frame.
    """

    module: str = field()  # no default: the property of the base class would become one
    x: Stream
    decision: Stream

    def __post_init__(self) -> None:
        if (self.decision.beats, self.decision.lanes) != (1, 2):
            raise ValueError(f"a decision of {self.decision}")

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sources(self) -> tuple[Stream, ...]:
        """X and the decision."""
        return (self.x, self.decision)

    @property
    def sink(self) -> Stream:
        """X, of the frames that go on."""
        return self.x

    @property
    def data_dependent(self) -> bool:
        """What is behind it works only for frames that go on."""
        return True

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    @property
    def interval(self) -> int:
        """One beat a cycle, kept or dropped."""
        return self.x.beats

    def schedule(self, *arrivals: Ints) -> Ints:
        """Of a frame that goes on: an edge behind each beat, once the decision is there."""
        edges, decision = arrivals
        order = np.arange(self.x.beats)
        return order + np.maximum.accumulate(np.maximum(edges, decision[0]) - order) + 1

    def timing(self) -> Timing:
        """Of a frame that goes on. One that is dropped has the same slots, but gives nothing.

        The decision is taken with the first beat.
        """
        order = np.arange(1, self.x.beats + 1, dtype=np.int64)
        once = np.ones(self.x.beats, np.int64)
        gives = np.ones(self.x.beats, np.bool_)
        return Timing((order, once), (0, 0), (order, once), (0, 0), gives, delay=1, room=1)

    def cost(self) -> Cost:
        """A register of the stream's width; a counter of 2 LUTs and 1 FF a bit."""
        counter = (self.x.beats - 1).bit_length()
        return Cost(lut=4 + 2 * counter, ff=self.x.width + 2 + counter)

    def files(self) -> Mapping[str, str]:
        """The module."""
        return {f"{self.module}.sv": render("sv/gate.sv.j2", hw=self)}
