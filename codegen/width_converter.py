"""Width converter: the same elements in the same order, another number of lanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

import numpy as np

from gatesmith.codegen.arithmetic import carries
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import plain
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints


@dataclass(frozen=True, slots=True)
class WidthConverterStage(Stage):
    """Any ratio of lanes; templates/sv/gs_width_converter.sv.

    The boundaries of vectors may move too (a Reshape keeps the order of elements): only the
    number of elements in a frame must agree.

    Attributes:
        x: Source stream.
        channels: Channels of the sink.
        lanes: Lanes of the sink.
    """

    x: Stream
    channels: int
    lanes: int

    def __post_init__(self) -> None:
        if self.x.channels * self.x.vectors % self.channels:
            size = self.x.channels * self.x.vectors
            raise ValueError(f"{size} elements are no whole vectors of {self.channels}")

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """The elements of x in beats of ``lanes``."""
        vectors = self.x.channels * self.x.vectors // self.channels
        return Stream(self.x.elem, self.channels, vectors, self.lanes)

    @property
    def module(self) -> str:
        """The library module."""
        return "gs_width_converter"

    @property
    def unit(self) -> int:
        """Elements that always travel together."""
        return gcd(self.x.lanes, self.lanes)

    @property
    def parameters(self) -> Mapping[str, int]:
        """W, IN, OUT."""
        unit = self.unit
        bits = unit * self.x.elem.bits
        return {"W": bits, "IN": self.x.lanes // unit, "OUT": self.lanes // unit}

    @property
    def collects(self) -> bool:
        """Whether beats are whole parts of the beats that go out: a shift register then."""
        return self.parameters["IN"] == 1 < self.parameters["OUT"]

    @property
    def interval(self) -> int:
        """The narrower side passes one beat a cycle."""
        return max(self.source.beats, self.sink.beats)

    def schedule(self, *arrivals: Ints) -> Ints:
        """A beat leaves an edge after its last element came, and after the beat before it."""
        (edges,) = arrivals
        order = np.arange(self.sink.beats)
        needs = -(-(order + 1) * self.lanes // self.x.lanes) - 1
        return order + np.maximum.accumulate(edges[needs] + 1 - order)

    def timing(self) -> Timing:
        """A slot is a beat's way into the register, on the narrower side; see ROOM in the RTL.

        To fewer lanes a slot is an output beat: it needs the input beats with its elements, and
        makes a place when fewer than two output beats are left. To more lanes a slot is an input
        beat and gives when it completes an output beat; one more can wait.
        """
        ins, outs = self.x.lanes, self.lanes
        order = np.arange(max(self.source.beats, self.sink.beats))
        if ins >= outs:
            needs = -(-(order + 1) * outs // ins)
            frees = ((order + 2) * outs - self.unit) // ins
            gives = np.ones(order.size, np.bool_)
        else:
            needs = frees = order + 1
            gives = (order + 1) * ins // outs > order * ins // outs
        return Timing((needs,), (0,), (frees,), (1,), gives, delay=1, room=1)

    def cost(self) -> Cost:
        """Of one unit into several: a shift register, a unit that waits, a counter.

        Else a register of IN + OUT + min(IN, OUT) - 1 units, a counter, multiplexers. A bit of an
        input beat is a choice for each place that it can go to; where both beats have several
        units, a bit moves by an output beat. Control: the places, a counter.
        """
        parameters = self.parameters
        bits, ins, outs = parameters["W"], parameters["IN"], parameters["OUT"]
        if self.collects:
            place = (outs - 1).bit_length()
            wraps = (
                place - 1 if outs.bit_count() > 1 else 0
            )  # a counter that does not do so by itself
            ff = (outs + 1) * bits + place + 2
            return Cost(lut=bits + 4 + wraps, ff=ff, carry=carries(place))
        room = ins + outs + min(ins, outs) - 1
        places = room - ins + 1
        counter = room.bit_length()
        features = {
            "converter.choice": places * ins * bits,
            "converter.shift": (room - outs) * bits if min(ins, outs) > 1 else 0,
            "converter.place": places,
            "converter.counter": counter,
        }
        return Cost(lut=luts(features), ff=room * bits + counter, carry=carries(counter))

    def files(self) -> Mapping[str, str]:
        """The library module."""
        return {"gs_width_converter.sv": plain("sv/gs_width_converter.sv")}
