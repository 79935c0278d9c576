"""Hardware of Concat: so many beats of one input, then so many of the next, and round again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.recode import recode
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints
from gatesmith.ops.concat import Concat, union


@dataclass(frozen=True, slots=True)
class ConcatStage(Stage):
    """Two or more inputs in turn; templates/sv/concat.sv.j2 is given it under the name ``hw``.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        streams: Sources; as many lanes each, any types.
        counts: Beats of each source in a round; rounds in a frame are the same for all.
        out: Sink stream: as many lanes, the union of the types.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Concat
    streams: tuple[Stream, ...]
    counts: tuple[int, ...]
    out: Stream

    def __post_init__(self) -> None:
        if len(self.streams) < 2 or len(self.streams) != len(self.counts):
            raise ValueError(f"{len(self.streams)} sources, {len(self.counts)} counts")
        if any(stream.lanes != self.out.lanes for stream in self.streams):
            raise ValueError(f"lanes {[s.lanes for s in self.streams]} in, {self.out.lanes} out")
        if any(self.rounds * n != s.beats for n, s in zip(self.counts, self.streams, strict=True)):
            beats = [stream.beats for stream in self.streams]
            raise ValueError(f"rounds of {list(self.counts)} beats from frames of {beats}")
        if self.out.beats != sum(stream.beats for stream in self.streams):
            raise ValueError(f"frames of {self.out.beats} beats are not all the inputs' beats")
        elem = union([stream.elem for stream in self.streams])
        if elem != self.out.elem:
            raise ValueError(f"a result of {elem} for {self.out}")

    @property
    def source(self) -> Stream:
        """The first input."""
        return self.streams[0]

    @property
    def sources(self) -> tuple[Stream, ...]:
        """All inputs."""
        return self.streams

    @property
    def sink(self) -> Stream:
        """Out."""
        return self.out

    @property
    def rounds(self) -> int:
        """Rounds in a frame."""
        return self.streams[0].beats // self.counts[0]

    @property
    def longest(self) -> int:
        """Most beats of one input in a round."""
        return max(self.counts)

    def recoded(self, k: int) -> str:
        """Element l of input k as the sink's code (SystemVerilog)."""
        wires = f"s{k}_axis_tdata[l*X{k}_W+:X{k}_W]"
        return recode(wires, self.streams[k].elem, self.out.elem)

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    @property
    def order(self) -> Ints:
        """Input of each output beat."""
        return np.tile(np.repeat(np.arange(len(self.counts)), self.counts), self.rounds)

    @property
    def interval(self) -> int:
        """One beat a cycle."""
        return self.out.beats

    def timing(self) -> Timing:
        """Exact: a slot needs one more beat of one input."""
        order = self.order
        taken = tuple(np.cumsum(order == k) for k in range(len(self.counts)))
        nothing = (0,) * len(self.counts)
        gives = np.ones(self.out.beats, np.bool_)
        return Timing(taken, nothing, taken, nothing, gives, 1, 1)

    def schedule(self, *arrivals: Ints) -> Ints:
        """An edge later; a beat that is not there holds up all inputs."""
        order = self.order
        offered = np.empty(self.out.beats, np.int64)
        for k, edges in enumerate(arrivals):
            offered[order == k] = edges
        place = np.arange(self.out.beats)
        return place + np.maximum.accumulate(offered - place) + 1

    def cost(self) -> Cost:
        """Choice among n inputs a bit, and a register; counters."""
        inputs = len(self.counts)
        counters = parts.counter_bits(inputs)
        if self.longest > 1:
            counters += parts.counter_bits(self.longest)
        width = self.out.width
        features = {
            "concat.choice": parts.ceil_div(inputs, 4) * width,
            "counter.wrap": counters,
            "concat.input": inputs,
        }
        return Cost(lut=luts(features), ff=width + counters + 1)

    def files(self) -> Mapping[str, str]:
        """The module."""
        return {f"{self.module}.sv": render("sv/concat.sv.j2", hw=self)}
