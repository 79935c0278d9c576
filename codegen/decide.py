"""Hardware of Decide: the two best scores, by a tournament over the lanes and on over the beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints
from gatesmith.ops.decide import Decide, decision


@dataclass(frozen=True, slots=True)
class DecideStage(Stage):
    """One beat (class, exit) a frame; templates/sv/decide.sv.j2 is given it under the name ``hw``.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        x: Source stream: one vector of scores.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Decide
    x: Stream

    def __post_init__(self) -> None:
        if self.x.vectors != 1 or self.x.channels < 2:
            raise ValueError(f"a decision from {self.x.vectors} x {self.x.channels} scores")

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """Class and exit in one beat."""
        return Stream(decision(self.x.channels), 2, 1, 2)

    @property
    def margin(self) -> int:
        """Margin between codes; no difference is above the last one."""
        return min(self.op.margin // self.x.elem.step, self.x.elem.count - 1)

    @property
    def lowest(self) -> int:
        """Code that no score is below, on the wires."""
        return int(self.x.elem.encode(np.array([self.x.elem.lo]))[0])

    @property
    def above(self) -> str:
        """Whether a is above b (SystemVerilog)."""
        sign = "$signed" if self.x.elem.signed else ""
        return f"{sign}(a) > {sign}(b)"

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    @property
    def delay(self) -> int:
        """Levels of the tournament, a register each."""
        return (self.x.lanes - 1).bit_length()

    @property
    def latency(self) -> int:
        """Cycles from a frame's last beat to its decision: tournament, best so far, comparison."""
        return self.delay + 2

    @property
    def interval(self) -> int:
        """One beat a cycle."""
        return self.x.beats

    def schedule(self, *arrivals: Ints) -> Ints:
        """``latency`` edges after the last beat."""
        (edges,) = arrivals
        return edges[-1:] + self.latency

    def timing(self) -> Timing:
        """A slot a beat; the last one gives. Exact for a reader that never stalls (see TopK)."""
        order = np.arange(self.x.beats)
        return replace(
            Timing.straight(self.x.beats, self.latency),
            gives=order == self.x.beats - 1,
            room=1 + parts.ceil_div(self.delay + 1, self.x.beats),
        )

    def cost(self) -> Cost:
        """A match of two pairs of b bits: two comparisons of b / 2 LUTs, choices of 2 b + i LUTs.

        lanes - 1 matches and one over the beats, 2 b + i FFs each; a difference of b LUTs and
        its comparison of b / 2; 2 i FFs hold the result.
        """
        b, i = self.x.elem.bits, self.sink.elem.bits
        counter = 2 * self.x.groups.bit_length()
        lut = self.x.lanes * (2 * parts.ceil_div(b, 2) + 3 * b + i) + b + parts.ceil_div(b, 2)
        ff = self.x.lanes * (2 * b + i) + 2 * i + 3 * self.delay + 2
        return Cost(lut=lut + 2 * counter, ff=ff + counter)

    def files(self) -> Mapping[str, str]:
        """The module."""
        return {f"{self.module}.sv": render("sv/decide.sv.j2", hw=self)}
