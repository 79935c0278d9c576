"""Hardware of TopK: a tournament over the lanes, a sorted list over the beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import comparison
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints, IntType
from gatesmith.ops.top_k import TopK


@dataclass(frozen=True, slots=True)
class TopKStage(Stage):
    """One beat of k indices a vector; templates/sv/top_k.sv.j2 is given it under the name ``hw``.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        x: Source stream; any lanes for k = 1, one lane for more.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: TopK
    x: Stream

    def __post_init__(self) -> None:
        if self.op.k > 1 and self.x.lanes > 1:
            raise ValueError(f"TopK of k = {self.op.k} takes one lane, not {self.x.lanes}")

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """K indices in one beat."""
        return Stream(IntType(0, self.x.channels - 1), self.op.k, self.x.vectors, self.op.k)

    @property
    def wins(self) -> str:
        """Whether a, of the higher index, goes before b (SystemVerilog)."""
        sign = "$signed" if self.x.elem.signed else ""
        relation = (">" if self.op.largest else "<") + ("=" if self.op.last else "")
        return f"{sign}(a) {relation} {sign}(b)"

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
        """Cycles from a vector's last beat to its indices."""
        return self.delay + 1

    @property
    def interval(self) -> int:
        """One beat a cycle."""
        return self.x.beats

    def schedule(self, *arrivals: Ints) -> Ints:
        """``latency`` edges after each vector's last beat."""
        (edges,) = arrivals
        return edges.reshape(self.x.vectors, -1)[:, -1] + self.latency

    def timing(self) -> Timing:
        """A slot a beat; the last of a vector gives. Held are the output and what is behind it.

        Exact for a reader that never stalls. The RTL moves as a whole: where the output is not
        taken, vectors do not close up to it, and the next may come up to ``delay`` edges later.
        """
        order = np.arange(self.x.beats)
        return replace(
            Timing.straight(self.x.beats, self.latency),
            gives=order % self.x.groups == self.x.groups - 1,
            room=1 + parts.ceil_div(self.delay, self.x.groups),
        )

    def cost(self) -> Cost:
        """A match: a comparison of b bits, a choice of b + i bits and as many FFs.

        lanes - 1 matches in the tournament, k in the list, which a vector of one beat does without;
        k * i FFs hold the result.
        """
        b, i = self.x.elem.bits, self.sink.elem.bits
        listed = self.op.k if self.x.groups > 1 else 0
        matches = self.x.lanes - 1 + listed
        counter = self.x.groups.bit_length()
        features = {
            "top.match": matches * b,
            "top.index": matches * i,
            "counter.wrap": 2 * counter,
            "pipeline.one": 1,
        }
        values = matches if listed else max(0, matches - 1)
        ff = values * b + matches * i + self.op.k * i + 2 * counter + 3 * self.delay + 1
        return comparison(b) * matches + Cost(lut=luts(features), ff=ff)

    def files(self) -> Mapping[str, str]:
        """The module."""
        return {f"{self.module}.sv": render("sv/top_k.sv.j2", hw=self)}
