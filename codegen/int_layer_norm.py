"""Hardware of IntLayerNorm: squares, a table and a Newton step for the root, products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.two_pass import TwoPassStage, multiplier
from gatesmith.ir import IntType, TensorType
from gatesmith.ops.int_layer_norm import IntLayerNorm


@dataclass(frozen=True, slots=True)
class IntLayerNormStage(TwoPassStage):
    """Sum, distances from the mean and their squares, reciprocal root, products.

    Attributes:
        op: The operator.
    """

    op: IntLayerNorm

    def __post_init__(self) -> None:
        self.op.infer(TensorType((self.x.vectors, self.x.channels), self.x.elem))

    @property
    def stem(self) -> str:
        """Stem of the template."""
        return "int_layer_norm"

    @property
    def out(self) -> IntType:
        """The operator's."""
        return self.op.infer(TensorType((self.x.channels,), self.x.elem)).int_elem

    @property
    def bound(self) -> float:
        """Error bound, for the header."""
        return float(self.op.bound(self.x.elem))

    @property
    def first_levels(self) -> int:
        """Registers of the adder tree over a beat."""
        x = self.x
        return parts.tree_levels(x.lanes, x.elem.bits, signed=x.elem.signed)

    @property
    def statistic_bits(self) -> int:
        """A sum of all channels, or what of it the distances depend on."""
        x, count = self.x.elem, self.x.channels
        total = IntType(min(count * x.lo, x.lo), max(count * x.hi, x.hi))
        return min(total.bits, self.payload_bits)

    @property
    def map_delay(self) -> int:
        """C * x, the distance, its square."""
        return 3

    @property
    def payload_bits(self) -> int:
        """A distance from the mean, signed, and no narrower than x."""
        reach = self.op.distance(self.x.elem)
        return max(IntType(-reach, reach).bits, self.x.elem.bits, 2)

    @property
    def term_bits(self) -> int:
        """A square."""
        return max(1, (self.op.distance(self.x.elem) ** 2).bit_length())

    @property
    def sum_bits(self) -> int:
        """The largest sum of squares, no narrower than one of them."""
        return max(self.term_bits, self.op.squares(self.x.elem).bit_length())

    @property
    def unit_cycles(self) -> int:
        """V; zeros, shift, tables, ratio, middle, product, shift."""
        return 7

    @property
    def factor_bits(self) -> int:
        """Bits of the largest R."""
        return max(1, self.op.most_factor.bit_length())

    @property
    def half(self) -> int:
        """Power of two that is half a result, before the last shift."""
        return self.op.scale_bits - self.op.bits - 1

    @property
    def epsilon(self) -> str:
        """E (SystemVerilog)."""
        return f"{self.op.width}'h{self.op.epsilon:x}"

    @property
    def slope_bits(self) -> int:
        """Bits of an entry of the slope table."""
        return int(self.op.slope.data.max()).bit_length()

    @property
    def root_bits(self) -> int:
        """Bits of an entry of the root table."""
        return int(self.op.root.data.max()).bit_length()

    @property
    def table_style(self) -> str:
        """Where each of the tables goes."""
        return parts.memory_style(1 << self.op.address, max(self.slope_bits, self.root_bits))

    def wide(self, name: str, signed: bool) -> str:
        """An operand with its sign (SystemVerilog)."""
        return f"$signed({name})" if signed else name

    @property
    def extra(self) -> Cost:
        """A lane: C * x and the distance as additions, a square, a product, its rounding.

        Unit: finding and shifting zeros at 1 LUT a bit and level, two tables, two products.
        """
        op, d, y = self.op, self.payload_bits, self.out.bits
        lane = Cost(lut=3 * d + y, ff=4 * d + self.term_bits + d + self.factor_bits)
        lane += multiplier(d, d) + multiplier(d, self.factor_bits)
        x, signed = self.x, self.x.elem.signed
        cost = parts.tree_cost(x.lanes, x.elem.bits, self.statistic_bits, signed=signed)
        cost += Cost(lut=self.statistic_bits, ff=self.statistic_bits)
        for _ in range(self.x.lanes):
            cost += lane
        levels = (op.width // 2).bit_length()
        product = self.root_bits + op.middle + 2
        cost += Cost(lut=op.width * (levels + 2), ff=2 * op.width + levels + self.slope_bits)
        cost += Cost(lut=self.factor_bits * levels + op.middle, ff=product + self.factor_bits)
        cost += Cost(ff=self.root_bits + op.mantissa + self.slope_bits + op.middle)
        for bits in (self.slope_bits, self.root_bits):
            cost += parts.memory_cost(1 << op.address, bits)
        cost += multiplier(op.mantissa, self.slope_bits)
        return cost + multiplier(self.root_bits, op.middle + 2)

    def images(self) -> Mapping[str, str]:
        """Both tables; no V addresses their first quarter."""
        found = {}
        for name, table, bits in (
            ("slope", self.op.slope, self.slope_bits),
            ("root", self.op.root, self.root_bits),
        ):
            words = np.zeros((1 << self.op.address, 1), np.int64)
            words[-table.shape[0] :, 0] = table.data
            found[f"{self.module}_{name}.mem"] = parts.mem_text(words, bits)
        return found
