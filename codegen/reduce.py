"""Hardware of Reduce: an accumulator for each channel, read and written once a vector.

The accumulators of a beat are a word of a memory of C / lanes words. The word of a beat is read
at one edge and written at the next; its next turn is C / lanes beats later, so that with two words
or more no beat ever reads what is not written yet. A single word is a register.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import carries, comparison
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints
from gatesmith.ops.reduce import Reduce


@dataclass(frozen=True, slots=True)
class ReduceStage(Stage):
    """Sum, maximum or minimum over time; templates/sv/reduce.sv.j2 is given it under ``hw``.

    The results leave with the beats of the last vector; the next frame follows at once.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator; a mean is no integer.
        x: Source stream; ``count`` vectors become one.
        count: Extent of the axis that goes.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Reduce
    x: Stream
    count: int

    def __post_init__(self) -> None:
        if self.op.kind == "mean":
            raise ValueError("the mean of integers is no integer")
        if self.count < 1 or self.x.vectors % self.count:
            raise ValueError(f"{self.x.vectors} vectors are not reduced {self.count} at a time")

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """One vector for each ``count``, same lanes."""
        elem = self.op.accumulator(self.x.elem, self.count)
        return Stream(elem, self.x.channels, self.x.vectors // self.count, self.x.lanes)

    @property
    def words(self) -> int:
        """Words of accumulators: 0 where nothing is accumulated, 1 for a register."""
        return self.x.groups if self.count > 1 else 0

    @property
    def memory_style(self) -> str:
        """Where the accumulators go."""
        return parts.memory_style(self.words, self.sink.width)

    @property
    def x_wide(self) -> str:
        """Code of x in lane l, extended to that of the result (SystemVerilog)."""
        sign = "x[l*X_W+X_W-1], " if self.x.elem.signed else "1'b0, "
        return f"Y_W'($signed({{{sign}x[l*X_W+:X_W]}}))"

    @property
    def join(self) -> str:
        """Accumulator a and value b as the next accumulator (SystemVerilog)."""
        if self.op.kind == "sum":
            return "a + b"
        sign = "$signed" if self.x.elem.signed else ""
        relation = "<" if self.op.kind == "min" else ">"
        return f"{sign}(b) {relation} {sign}(a) ? b : a"

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    @property
    def latency(self) -> int:
        """Cycles from a beat of the last vector to its result."""
        return 2 if self.words > 1 else 1

    @property
    def interval(self) -> int:
        """One beat a cycle."""
        return self.x.beats

    def schedule(self, *arrivals: Ints) -> Ints:
        """``latency`` edges after each beat of a last vector."""
        (edges,) = arrivals
        return edges.reshape(-1, self.count, self.x.groups)[:, -1].reshape(-1) + self.latency

    def timing(self) -> Timing:
        """A slot a beat, those of a last vector give one."""
        order = np.arange(self.x.beats, dtype=np.int64)
        gives = order // self.x.groups % self.count == self.count - 1
        beats = (order + 1,)
        return Timing(beats, (0,), beats, (0,), gives, self.latency, self.latency)

    def cost(self) -> Cost:
        """Per lane an addition, or a comparison and choice, of b bits; b FFs output.

        Accumulators: b FFs a lane, or parts.ram and FFs for the beat, the word read and its
        address. Counters of words and vectors.
        """
        b, lanes, groups = self.sink.elem.bits, self.x.lanes, self.x.groups
        counters = (groups - 1).bit_length() * int(self.words > 1) + (self.count - 1).bit_length()
        name = "reduce.sum" if self.op.kind == "sum" else "reduce.compare"
        features = {name: lanes * b * (self.words > 0), "counter.wrap": counters, "reduce.one": 1}
        one = Cost(carry=carries(b)) if self.op.kind == "sum" else comparison(b)
        cost = Cost(lut=luts(features), ff=counters + 1 + lanes * b) + one * lanes
        if self.words == 1:
            cost += Cost(ff=lanes * b)
        if self.words > 1:
            cost += parts.ram(self.words, self.sink.width).registered
            cost += Cost(ff=self.x.width + (groups - 1).bit_length() + 3)
        return cost

    def files(self) -> Mapping[str, str]:
        """The module."""
        return {f"{self.module}.sv": render("sv/reduce.sv.j2", hw=self)}
