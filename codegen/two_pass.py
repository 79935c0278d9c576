"""Frame of the operators that look at a vector twice before they can give it: softmax, layer norm.

    first pass    beats go into a ring; a statistic of the vector forms (maximum, sum)
    second pass   each beat meets the statistic and becomes terms, which are summed, and a payload,
                  which goes into a second ring
    unit          one factor for the vector from the sum (division, reciprocal root)
    output        each payload times the factor, shifted, rounded

All four work at the same time, on four vectors; rings and queues hold what is between. Only the
output can be stalled from outside, and then the rings fill up.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import multiplier_blocks
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.render import plain, render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints, IntType

OUTPUT_DELAY = 3
"""Registers of the output pass: payload, product, result."""


@dataclass(frozen=True, slots=True)
class TwoPassStage(Stage):
    """A block's template extends templates/sv/two_pass.sv.j2 and is given this as ``hw``.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        x: Source stream.
    """

    module: str = field()  # no default: the property of the base class would become one
    x: Stream

    # ---- what a block says -----------------------------------------------------------------------

    @property
    @abstractmethod
    def stem(self) -> str:
        """Stem of the template."""

    @property
    @abstractmethod
    def out(self) -> IntType:
        """Type of the result."""

    @property
    @abstractmethod
    def first_levels(self) -> int:
        """Registers from a beat to its part in the statistic."""

    @property
    @abstractmethod
    def statistic_bits(self) -> int:
        """Bits of the statistic."""

    @property
    @abstractmethod
    def map_delay(self) -> int:
        """Registers from a beat read in the second pass to its payload and terms."""

    @property
    @abstractmethod
    def payload_bits(self) -> int:
        """Bits of one element's payload."""

    @property
    @abstractmethod
    def term_bits(self) -> int:
        """Bits of one element's term."""

    @property
    @abstractmethod
    def sum_bits(self) -> int:
        """Bits of a vector's sum."""

    @property
    @abstractmethod
    def unit_cycles(self) -> int:
        """Edges from one that starts the unit to that at which its factor is ready, at least 1."""

    @property
    @abstractmethod
    def factor_bits(self) -> int:
        """Bits of the factor."""

    @property
    @abstractmethod
    def extra(self) -> Cost:
        """Cost of statistic, terms, unit and multiplication."""

    # ---- what follows ----------------------------------------------------------------------------

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """Same beats, the operator's type."""
        return Stream(self.out, self.x.channels, self.x.vectors, self.x.lanes)

    @property
    def levels(self) -> int:
        """Registers of the adder tree over the lanes."""
        return parts.tree_levels(self.x.lanes, self.term_bits)

    @property
    def pace(self) -> int:
        """Cycles a vector: its beats, or the unit's division where that is longer."""
        return max(self.x.groups, self.unit_cycles + 1)

    @property
    def wait(self) -> int:
        """Edges from a vector's last beat to the first payload that is read for the output.

        Statistic, queue; all beats of the second pass; terms, their sum, queue; unit; factor.
        """
        second = self.x.groups + self.map_delay + self.levels
        return self.first_levels + second + self.unit_cycles + 4

    @property
    def latency(self) -> int:
        """Cycles from a vector's last beat to its first result."""
        return self.wait + OUTPUT_DELAY

    @property
    def x_depth(self) -> int:
        """Beats in the first ring: a vector, and what comes while the statistic is on its way."""
        return power_of_two(self.x.groups + 2 + self.first_levels)

    @property
    def payload_depth(self) -> int:
        """Beats in the second ring, enough to keep the pace.

        A payload has its place from the reading of its beat, ``stay`` edges; either for so many
        beats, or for so many whole vectors as go by in that time.
        """
        stay = self.wait - self.first_levels + 1
        vectors = parts.ceil_div(stay, self.pace)
        return power_of_two(min(stay, self.x.groups * vectors))

    @property
    def x_queue(self) -> int:
        """Statistics that can be there: one for each vector of which a beat is in the ring."""
        return power_of_two(1 + (self.x_depth - 1) // self.x.groups)

    @property
    def sum_queue(self) -> int:
        """Sums that can be there."""
        return power_of_two(1 + (self.payload_depth - 1) // self.x.groups)

    @property
    def x_style(self) -> str:
        """Where the first ring goes."""
        return parts.memory_style(self.x_depth, self.x.width)

    @property
    def payload_style(self) -> str:
        """Where the second ring goes."""
        return parts.memory_style(self.payload_depth, self.x.lanes * self.payload_bits)

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    @property
    def interval(self) -> int:
        """``pace`` cycles for each vector."""
        return self.x.vectors * self.pace

    def schedule(self, *arrivals: Ints) -> Ints:
        """A vector begins ``wait`` edges behind its last beat, ``pace`` behind the one before."""
        (edges,) = arrivals
        order = np.arange(self.x.vectors, dtype=np.int64) * self.pace
        ready = edges.reshape(self.x.vectors, -1)[:, -1] + self.wait
        begins = np.maximum.accumulate(ready - order) + order
        beats = begins[:, None] + np.arange(self.x.groups)
        return np.asarray(beats.reshape(-1) + OUTPUT_DELAY, np.int64)

    def timing(self) -> Timing:
        """``pace`` slots a vector, the first of them give.

        Exact while the sink takes what comes. A stall that the unit's waiting would absorb is
        counted, and the rings are counted a beat smaller, because a place that becomes free in the
        second is known at the first an edge later.
        """
        groups = self.x.groups
        vector, place = np.divmod(np.arange(self.interval, dtype=np.int64), self.pace)
        read = vector * groups + np.minimum(place + 1, groups)
        return Timing(
            ((vector + 1) * groups,),
            (self.wait,),
            (read,),
            (self.x_depth + self.payload_depth - 1,),
            place < groups,
            OUTPUT_DELAY,
            OUTPUT_DELAY,
        )

    def cost(self) -> Cost:
        """Rings and queues by parts.ram, adder tree by parts.tree_cost, and ``extra``.

        Registers: x as read, payload as read, result; two pointers of a ring or queue take 2 LUTs
        and 1 FF a bit each, counters of beats in three passes as much; the accumulator its bits.
        """
        lanes, y = self.x.lanes, self.out.bits
        depths = (self.x_depth, self.payload_depth, self.x_queue, self.sum_queue)
        pointers = sum(2 * depth.bit_length() for depth in depths) + self.payload_depth.bit_length()
        pointers += 3 * (self.x.groups - 1).bit_length()
        cost = Cost(lut=2 * pointers + 20, ff=pointers + 20)
        cost += parts.ram(self.x_depth, self.x.width).cost
        cost += parts.ram(self.payload_depth, lanes * self.payload_bits).cost
        cost += Cost(lut=self.statistic_bits + self.sum_bits)  # queues, of less than 64 words
        cost += parts.tree_cost(lanes, self.term_bits, self.sum_bits)
        cost += Cost(lut=self.sum_bits, ff=self.sum_bits + 2 * self.factor_bits)
        cost += Cost(ff=self.x.width + self.statistic_bits + lanes * (self.payload_bits + y))
        return cost + self.extra

    def images(self) -> Mapping[str, str]:
        """Text of each memory image."""
        return {}

    def files(self) -> Mapping[str, str]:
        """The module, its memory images, the adder tree."""
        module = {f"{self.module}.sv": render(f"sv/{self.stem}.sv.j2", hw=self)}
        return {**module, **self.images(), "gs_adder_tree.sv": plain("sv/gs_adder_tree.sv")}


def multiplier(a: int, b: int) -> Cost:
    """A product of two unsigned operands of these bits (codegen/arithmetic.py).

    >>> multiplier(17, 24).dsp, multiplier(20, 18).dsp
    (1, 2)
    """
    return Cost(dsp=multiplier_blocks(a + 1, b + 1, a + b))


def power_of_two(count: int) -> int:
    """The least power of two that is at least ``count``, and 2 or more.

    >>> [power_of_two(n) for n in (1, 2, 3, 8, 9)]
    [2, 2, 4, 8, 16]
    """
    return max(2, 1 << (count - 1).bit_length())
