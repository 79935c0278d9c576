"""Hardware of EarlyExit: answers in the order of the frames, from the head that gave each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints, IntType


@dataclass(frozen=True, slots=True)
class EarlyExitStage(Stage):
    """A beat (class, exit) a frame; templates/sv/early_exit.sv.j2 is given it as ``hw``.

    Decisions wait in the FIFO before it while the late head is at work (codegen/exit_depth.py).

    Attributes:
        module: Name of the Verilog module, unique in the design.
        decision: One beat (class, exit) of every frame.
        late: One beat, a class, of every frame that went on.
    """

    module: str = field()  # no default: the property of the base class would become one
    decision: Stream
    late: Stream

    def __post_init__(self) -> None:
        if (self.decision.beats, self.decision.lanes, self.late.beats) != (1, 2, 1):
            raise ValueError(f"a decision of {self.decision} and a class of {self.late}")

    @property
    def source(self) -> Stream:
        """The decision."""
        return self.decision

    @property
    def sources(self) -> tuple[Stream, ...]:
        """The decision and the late class."""
        return (self.decision, self.late)

    @property
    def sink(self) -> Stream:
        """Class and exit in one beat."""
        hi = max(self.decision.elem.hi, self.late.elem.hi)
        return Stream(IntType(0, hi), 2, 1, 2)

    @property
    def data_dependent(self) -> bool:
        """A frame that left early waits for no late class."""
        return True

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    @property
    def interval(self) -> int:
        """One frame a cycle."""
        return 1

    def schedule(self, *arrivals: Ints) -> Ints:
        """Of a frame that goes on: an edge behind the later of the two."""
        return np.maximum(*arrivals) + 1

    def timing(self) -> Timing:
        """Of a frame that goes on. One that left does not need the late class."""
        return Timing.straight(1, 1, inputs=2)

    def cost(self) -> Cost:
        """A choice and a register."""
        bits = self.sink.elem.bits
        return Cost(lut=bits + 4, ff=2 * bits + 1)

    def files(self) -> Mapping[str, str]:
        """The module."""
        return {f"{self.module}.sv": render("sv/early_exit.sv.j2", hw=self)}
