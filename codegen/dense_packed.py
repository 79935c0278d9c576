"""Matrix-vector unit with several products in each DSP block.

One multiplication of packed weights with an input is a product for each of F outputs:

    (w[0] + w[1] * 2**K + w[2] * 2**2K + ...) * x

Field f, K bits of the result, is w[f] * x, less 1 where the fields below it are negative together:
a borrow, which the adder trees take back as carries. K is the least with which a field tells its
product. Known from FINN's packed operators and from vendors' notes on two 8-bit products in a
27 x 18 block (Fu et al., Deep Learning with INT8 Optimization on Xilinx Devices, 2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.dense import DenseStage, FoldedUnit
from gatesmith.codegen.matrix_unit import PLAIN, Fold, Layer, MatrixUnit, Naming
from gatesmith.codegen.render import plain
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.terms import Terms, kind_of
from gatesmith.ir import Ints, IntType

PACKED = "packed"

BLOCK_A, BLOCK_B = 27, 18
"""Signed operands of a DSP block: UltraScale+; those before it have 25 x 18, ECP5 18 x 18."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How products of an input and a weight lie in one result.

    Attributes:
        product: Their range.
        digit: Range of a digit of packed weights, all but the lowest: w - 1 to w.
        most: Products in a block of BLOCK_A bits.
    """

    product: IntType
    digit: IntType

    @staticmethod
    def of(x: IntType, weights: Ints) -> Packing:
        """For inputs of a type and these weights."""
        low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
        ends = [a * b for a in (x.lo, x.hi) for b in (low, high)]
        return Packing(IntType(min(0, *ends), max(0, *ends)), IntType(low - 1, high))

    @property
    def field_bits(self) -> int:
        """K: tells apart all values of a product less a borrow.

        One more, so that the highest bit is the sign, where as many products fit with it.

        >>> import numpy as np
        >>> Packing.of(IntType(-8, 7), np.array([-8, 7])).field_bits
        7
        >>> Packing.of(IntType(-128, 127), np.array([-128, 127])).field_bits
        16
        """
        least = self.least_bits
        more = IntType(self.product.lo - 1, self.product.hi).bits
        return more if self._most(more) == self._most(least) else least

    @property
    def least_bits(self) -> int:
        """Bits that tell apart all values of a product less a borrow."""
        return (self.product.hi - self.product.lo + 1).bit_length()

    @property
    def negative_from(self) -> int:
        """Fields from here on are negative: of all such limits the one with most zeros below."""
        least, most = self.product.hi + 1, (1 << self.field_bits) + self.product.lo - 1
        for zeros in reversed(range(self.field_bits)):
            limit = -(-least >> zeros) << zeros
            if limit <= most:
                return limit
        raise AssertionError(f"no limit between {least} and {most}")

    @property
    def most(self) -> int:
        """Products that fit in a block."""
        return self._most(self.least_bits)

    def _most(self, bits: int) -> int:
        """Fields of so many bits in a block."""
        return max(1, 1 + (BLOCK_A - self.digit.bits) // bits)


@dataclass(frozen=True, slots=True)
class DensePackedStage(DenseStage):
    """Matrix-vector unit; templates/sv/dense.sv.j2 is given it under the name ``hw``."""

    def __post_init__(self) -> None:
        DenseStage.__post_init__(self)  # no super(): slots make another class
        if self.fields < 2 or self.terms.kind != "multiply" or self.rom != PLAIN or self.masked:
            raise ValueError(f"products of {self.x.elem} and {self.op.weight_type} are not packed")

    @property
    def packing(self) -> Packing:
        """How products lie in a result."""
        return Packing.of(self.x.elem, self.op.weights.data)

    @property
    def fields(self) -> int:
        """Products that share a multiplication: evenly spread over the blocks that it takes."""
        columns = parts.ceil_div(self.pe, self.packing.most)
        return parts.ceil_div(self.pe, columns)

    @property
    def field_bits(self) -> int:
        """Bits between them."""
        return self.packing.field_bits

    @property
    def negative_from(self) -> int:
        """Fields from here on are negative."""
        return self.packing.negative_from

    @property
    def terms(self) -> Terms:
        """Products; the ROM holds digits of packed weights."""
        digit, total = self.packing.digit, self.sink.elem
        return Terms(self.x.elem, digit, total, kind_of(self.x.elem, self.op.weight_type))

    @property
    def term_bits(self) -> int:
        """A field, and above it its sign where that is not its highest bit."""
        sign = self.negative_from != 1 << (self.field_bits - 1)
        return min(self.field_bits + int(sign), self.sink.elem.bits)

    def weights_mem(self) -> str:
        """As of DenseStage, with digits: a weight, less 1 where the digit below it is negative."""
        fold = (self.op.groups * self.nf, self.pe, self.sf, self.simd)
        digits = self.op.weights.data.reshape(fold).transpose(0, 2, 1, 3).copy()
        for p in range(self.pe):
            if p % self.fields:
                digits[:, :, p] -= digits[:, :, p - 1] < 0
        rom = self.terms.rom_type
        return parts.mem_text(rom.encode(digits.reshape(self.depth, -1)), rom.bits)

    def cost(self) -> Cost:
        """DenseStage.cost with a block for each column of outputs and input.

        A product's K bits are registered; its sign is a LUT for every five bits that are looked at,
        none where it is the highest one. A borrow takes one more bit of an adder.
        """
        terms, count = self.terms, self.pe * self.simd
        products, columns = terms.cost(count), parts.ceil_div(self.pe, self.fields)
        zeros = (self.negative_from & -self.negative_from).bit_length() - 1
        sign = parts.ceil_div(self.field_bits - zeros - 1, 5)
        borrows = (self.pe - columns) * self.simd
        sums = (self.simd, self.term_bits, self.sink.elem.bits, self.pe)
        tree, usual = parts.tree_cost(*sums, signed=True), terms.tree_cost(self.simd, self.pe)
        cost = DenseStage.cost(self)
        more = count * sign + borrows
        return replace(
            cost,
            lut=cost.lut + tree.lut - usual.lut - products.lut + more,
            ff=cost.ff + tree.ff - usual.ff - products.ff + count * self.field_bits + borrows // 4,
            carry=cost.carry + tree.carry - usual.carry,
            dsp=columns * self.simd,
        )

    def files(self) -> Mapping[str, str]:
        """The module, its weights, the adder trees."""
        names = ("gs_adder_tree.sv", "gs_carry_tree.sv")
        files = {k: v for k, v in DenseStage.files(self).items() if not k.startswith("gs_")}
        return files | {name: plain(f"sv/{name}") for name in names}


class PackedUnit(FoldedUnit):
    """As folded, with several products in each DSP block."""

    name = PACKED
    what = "as folded, with several products in each DSP block"
    automatic = False  # what a block takes hangs on the device
    roms = (PLAIN,)

    def refuses(self, layer: Layer, rom: str = PLAIN) -> str | None:
        """Operands of one bit, of three values, or so wide that a block takes one product only."""
        if kind_of(layer.x, layer.op.weight_type) != "multiply":
            return "its products are no multiplications"
        packing = Packing.of(layer.x, layer.op.weights.data)
        if layer.x.count == 2:
            return "its inputs have one bit"
        if packing.most < 2 or layer.x.bits >= BLOCK_B:
            return f"two products of its operands do not fit in {BLOCK_A} x {BLOCK_B} bits"
        return "it has one output" if layer.outputs < 2 else None

    def folds(self, layer: Layer, rom: str = PLAIN) -> Iterator[Fold]:
        """Two outputs at a time, or more."""
        yield from (fold for fold in MatrixUnit.folds(self, layer, rom) if fold.pe > 1)

    def stage(
        self, naming: Naming, layer: Layer, x: Stream, fold: Fold, *, masked: bool = False
    ) -> DensePackedStage:
        """The unit; products that are packed are never masked."""
        n = naming
        return DensePackedStage(n.name, n.node, n.origin, n.module, layer.op, x, fold.pe)


class LutUnit(FoldedUnit):
    """As folded, without DSP blocks."""

    name = "luts"
    what = "as folded, without DSP blocks"
    automatic = False
    roms = (PLAIN,)

    def refuses(self, layer: Layer, rom: str = PLAIN) -> str | None:
        """It takes every layer."""
        return None

    def stage(
        self, naming: Naming, layer: Layer, x: Stream, fold: Fold, *, masked: bool = False
    ) -> DenseStage:
        """The unit, with every product in LUTs."""
        n = naming
        return DenseStage(
            n.name, n.node, n.origin, n.module, layer.op, x, fold.pe, masked=masked, dsp=False
        )
