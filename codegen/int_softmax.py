"""Hardware of IntSoftmax: tables of exp, a restoring division, a multiplication a lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.two_pass import TwoPassStage, multiplier
from gatesmith.ir import IntType, TensorType
from gatesmith.ops.int_softmax import IntSoftmax


@dataclass(frozen=True, slots=True)
class IntSoftmaxStage(TwoPassStage):
    """Maximum, exponentials and their sum, reciprocal, products.

    Attributes:
        op: The operator.
    """

    op: IntSoftmax

    def __post_init__(self) -> None:
        self.op.infer(TensorType((self.x.vectors, self.x.channels), self.x.elem))

    @property
    def stem(self) -> str:
        """Stem of the template."""
        return "int_softmax"

    @property
    def out(self) -> IntType:
        """0 to 2**bits."""
        return IntType(0, 1 << self.op.bits)

    @property
    def bound(self) -> float:
        """Error bound, for the header."""
        return float(self.op.bound(self.x.channels))

    @property
    def first_levels(self) -> int:
        """Levels of the tournament."""
        return (self.x.lanes - 1).bit_length()

    @property
    def statistic_bits(self) -> int:
        """The maximum is an x."""
        return self.x.elem.bits

    @property
    def two_tables(self) -> bool:
        """Whether an exponential is a product."""
        return self.op.low_bits > 0

    @property
    def map_delay(self) -> int:
        """Difference, table; of two tables also product, rounded product."""
        return 4 if self.two_tables else 2

    @property
    def payload_bits(self) -> int:
        """An exponential is at most 2**fraction."""
        return self.op.fraction + 1

    @property
    def term_bits(self) -> int:
        """The exponentials themselves."""
        return self.payload_bits

    @property
    def sum_bits(self) -> int:
        """At most channels * 2**fraction."""
        return (self.x.channels << self.op.fraction).bit_length()

    @property
    def unit_cycles(self) -> int:
        """A digit a cycle."""
        return self.factor_bits

    @property
    def factor_bits(self) -> int:
        """At most 2**(K - fraction)."""
        return self.op.bits + self.op.guard + 1

    @property
    def half(self) -> int:
        """Power of two that is half a result, before the last shift."""
        return self.op.fraction + self.op.guard - 1

    @property
    def difference_bits(self) -> int:
        """Bits of the largest difference, and all that address a table."""
        addressed = self.op.low_bits + self.coarse_bits
        return max((self.x.elem.hi - self.x.elem.lo).bit_length(), addressed)

    @property
    def coarse_bits(self) -> int:
        """Bits that address the coarse table."""
        return parts.counter_bits(self.op.coarse.shape[0])

    @property
    def masks(self) -> bool:
        """Whether differences occur that no address of the coarse table stands for."""
        return self.difference_bits > self.op.low_bits + self.coarse_bits

    @property
    def coarse_style(self) -> str:
        """Where the coarse table of a lane goes."""
        return parts.memory_style(1 << self.coarse_bits, self.payload_bits)

    @property
    def fine_style(self) -> str:
        """Where the fine table of a lane goes."""
        return parts.memory_style(self.op.fine.shape[0], self.payload_bits)

    @property
    def relation(self) -> str:
        """Whether p is above q (SystemVerilog)."""
        sign = "$signed" if self.x.elem.signed else ""
        return f"{sign}(p) > {sign}(q)"

    def wide(self, name: str) -> str:
        """An x as wide as a difference (SystemVerilog)."""
        bits = max(self.difference_bits, self.x.elem.bits)
        return f"{bits}'($signed({name}))" if self.x.elem.signed else f"{bits}'({name})"

    @property
    def extra(self) -> Cost:
        """A match of the tournament: a comparison of b / 2 LUTs, a choice of b LUTs, b FFs.

        A lane: a subtraction, its tables (parts.memory_cost), with two of them a product and its
        rounding; a product with the reciprocal and its rounding. Division: a subtraction and a
        choice of the remainder's bits, FFs for remainder, divisor, quotient.
        """
        b, e, d = self.x.elem.bits, self.payload_bits, self.difference_bits
        matches = self.x.lanes
        cost = Cost(lut=matches * (parts.ceil_div(b, 2) + b), ff=matches * b)
        lane = Cost(lut=d + self.out.bits, ff=d + e + (e + self.factor_bits))
        lane += parts.memory_cost(1 << self.coarse_bits, e) + multiplier(e, self.factor_bits)
        if self.two_tables:
            lane += parts.memory_cost(self.op.fine.shape[0], e) + multiplier(e, e)
            lane += Cost(lut=e, ff=3 * e)
        for _ in range(self.x.lanes):
            cost += lane
        s = self.sum_bits
        return cost + Cost(lut=2 * s + 2, ff=2 * s + 1 + self.factor_bits)

    def images(self) -> Mapping[str, str]:
        """Tables of exp; zeros behind the end of the coarse one."""
        coarse = np.zeros(1 << self.coarse_bits, np.int64)
        coarse[: self.op.coarse.shape[0]] = self.op.coarse.data
        found = {"coarse": coarse}
        if self.two_tables:
            found["fine"] = self.op.fine.data
        bits = self.payload_bits
        return {
            f"{self.module}_{name}.mem": parts.mem_text(table.reshape(-1, 1), bits)
            for name, table in found.items()
        }
