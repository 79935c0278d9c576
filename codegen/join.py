"""Hardware of Join: two products, their sum, shift, clamp; what a constant makes void is not built.

An operand of step s and lowest value lo travels as a code, x = lo + s * code, so that its factor
becomes s * mul and the summand takes lo * mul; everything below is in terms of codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import DSP_PART, carries, common_zeros, multiplier_blocks
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.lockstep import LockstepStage
from gatesmith.codegen.render import sv_int
from gatesmith.ir import Ints, IntType
from gatesmith.ops.join import Join


@dataclass(frozen=True, slots=True)
class Constant:
    """One parameter: its values by channel, and where it stands in a word of the ROM.

    Attributes:
        name: "mul_a", "mul_b" or "add".
        values: int64 (channels,).
        at: First bit in an element of the word.
    """

    name: str
    values: Ints
    at: int

    @property
    def varies(self) -> bool:
        """Whether it differs between channels, so that it is kept in the ROM."""
        return bool((self.values != self.values[0]).any())

    @property
    def kind(self) -> IntType:
        """Signed range."""
        return IntType(min(-1, int(self.values.min())), max(0, int(self.values.max())))

    @property
    def rom_bits(self) -> int:
        """Bits of an element of the ROM."""
        return self.kind.bits if self.varies else 0

    def text(self, bits: int) -> str:
        """The value for lane l in ``bits`` bits, P_W of them (SystemVerilog)."""
        if not self.varies:
            return sv_int(int(self.values[0]), bits)
        return f"P_W'($signed(word[l*R_W+{self.at}+:{self.kind.bits}]))"


@dataclass(frozen=True, slots=True)
class JoinStage(LockstepStage):
    """Weighted sum of two streams; templates/sv/join.sv.j2 is given it under the name ``hw``."""

    op: Join

    @property
    def stem(self) -> str:
        """Of templates/sv/."""
        return "join"

    # ---- constants ------------------------------------------------------------------------------

    @property
    def constants(self) -> tuple[Constant, Constant, Constant]:
        """Factor of each code and the summand, the rounding half included."""
        shape = (self.a.channels,)
        add = self.op.add.data + self.op.half
        for mul, x in ((self.op.mul_a, self.a.elem), (self.op.mul_b, self.b.elem)):
            add = add + mul.data * (0 if x.step == 1 else x.lo)
        every, at = [], 0
        for name, values in (
            ("mul_a", self.op.mul_a.data * self.a.elem.step),
            ("mul_b", self.op.mul_b.data * self.b.elem.step),
            ("add", add),
        ):
            every.append(Constant(name, np.broadcast_to(values, shape), at))
            at += every[-1].rom_bits
        return every[0], every[1], every[2]

    def constant(self, name: str) -> Constant:
        """By name."""
        return next(c for c in self.constants if c.name == name)

    @property
    def multiplies(self) -> bool:
        """Whether there is a factor other than 1."""
        return any(bool((c.values != 1).any()) for c in self.constants[:2])

    @property
    def adds(self) -> bool:
        """Whether there is a summand other than 0."""
        return bool(self.constants[2].values.any())

    # ---- types ----------------------------------------------------------------------------------

    @property
    def product(self) -> IntType:
        """Signed range of codes, factors, summands, products and their sum."""
        total = self.op.total(self.a.elem, self.b.elem)
        ends = [-1, 0, total.lo, total.hi]
        for constant in self.constants:
            ends += [constant.kind.lo, constant.kind.hi]
        for x in self.sources:
            ends += [x.elem.code.lo, x.elem.code.hi]
        return IntType(min(ends), max(ends))

    @property
    def sums(self) -> IntType:
        """Exact range of the shifted sum, before the clamp."""
        low: Ints = self.op.add.data + self.op.half
        high: Ints = low
        for mul, x in ((self.op.mul_a, self.a.elem), (self.op.mul_b, self.b.elem)):
            ends = (mul.data * x.lo, mul.data * x.hi)
            low, high = low + np.minimum(*ends), high + np.maximum(*ends)
        return IntType(self._shift(int(low.min())), self._shift(int(high.max())))

    def _shift(self, total: int) -> int:
        """One sum shifted, with a tie to even where the operator says so."""
        y = total >> self.op.shift
        return y & ~1 if self.op.even and not total & ((1 << self.op.shift) - 1) else y

    @property
    def quotient(self) -> str:
        """The shifted sum of one lane (SystemVerilog); half was added, so a tie ends in zeros."""
        if not self.op.even:
            return "total >>> SHIFT"
        return "(total >>> SHIFT) & ~$signed(P_W'(total[SHIFT-1:0] == '0))"

    @property
    def shifted(self) -> IntType:
        """Signed range of the shifted sum and of the limits."""
        sums, out = self.sums, self.op.out
        return IntType(min(-1, sums.lo, out.lo), max(0, sums.hi, out.hi))

    @property
    def clamps_low(self) -> bool:
        """Whether the lower limit can be passed."""
        return self.sums.lo < self.op.out.lo

    @property
    def clamps_high(self) -> bool:
        """Whether the upper limit can be passed."""
        return self.sums.hi > self.op.out.hi

    @property
    def clamps(self) -> bool:
        """Whether either can; then the sum has a register before the clamp."""
        return self.clamps_low or self.clamps_high

    # ---- memory ---------------------------------------------------------------------------------

    @property
    def word_bits(self) -> int:
        """Bits of the constants of one element that differ between channels."""
        return sum(constant.rom_bits for constant in self.constants)

    @property
    def depth(self) -> int:
        """Words of the ROM: beats of a vector, or one."""
        return self.a.groups if self.word_bits else 1

    @property
    def rom_style(self) -> str:
        """Where the constants go."""
        return parts.memory_style(self.depth, self.a.lanes * self.word_bits)

    @property
    def rom_order(self) -> str:
        """What an element of the ROM holds, from bit 0 up."""
        return ", above it ".join(c.name for c in self.constants if c.varies)

    def params_mem(self) -> str:
        """The ROM's content: word = beat of the vector, lane l at bit l * word_bits."""
        return parts.mem_text(self._words(), 1)

    def _words(self) -> NDArray[np.uint8]:
        """Bits of the ROM: (depth, lanes * word_bits)."""
        varying = [c for c in self.constants if c.varies]
        bits = [parts.bits_of(c.kind.encode(c.values)[:, None], c.kind.bits) for c in varying]
        return np.concatenate(bits, axis=1).reshape(self.depth, -1)

    # ---- stage ----------------------------------------------------------------------------------

    @property
    def latency(self) -> int:
        """Registers: constants that differ between beats, products, sum, result."""
        return int(self.depth > 1) + int(self.multiplies) + int(self.clamps) + 1

    def cost(self) -> Cost:
        """Per lane: two multipliers, adders, clamp, and their registers; ROM by content.

        Multipliers as in RequantizeStage.cost; factor 1: p FFs where the other has a product. A sum
        of p bits, with a summand another.
        """
        p, s, y, lanes = self.product.bits, self.shifted.bits, self.op.out.bits, self.a.lanes
        features: dict[str, float] = {"join.one": 1, "join.add": lanes * p * (1 + self.adds)}
        cost = Cost(ff=self.latency + lanes * y, carry=lanes * carries(p) * (1 + self.adds))
        if self.multiplies:
            for x, mul in zip(self.sources, self.constants, strict=False):
                signed = x.elem.code.bits + int(not x.elem.code.signed)
                if not mul.varies and int(mul.values[0]).bit_count() == 1:
                    cost += Cost(ff=lanes * p)
                    continue
                constant = mul.kind.bits - common_zeros(mul.values)
                blocks = multiplier_blocks(signed, constant, p)
                cost += Cost(dsp=lanes * blocks, ff=lanes * p)
                pairs = 0 if blocks else lanes * signed * constant
                features["multiply.bit"] = features.get("multiply.bit", 0) + pairs
                rest = lanes * max(0, p - DSP_PART) * max(0, blocks - 1)
                features["multiply.part"] = features.get("multiply.part", 0) + rest
        ends = self.clamps_low + self.clamps_high
        if self.clamps:
            cost += Cost(ff=lanes * s)
            features["requantize.clamp"] = lanes * ends * y
            features["requantize.range"] = lanes * s
        if self.depth > 1:
            counter = parts.counter_bits(self.depth)
            features["counter.wrap"] = counter
            cost += Cost(ff=counter + self.a.width + self.b.width, carry=carries(counter))
            cost += parts.rom(self.depth, lanes * self.word_bits, self._words).registered
        return cost + Cost(lut=luts(features))

    def files(self) -> Mapping[str, str]:
        """The module, and its constants where they differ between channels."""
        module = LockstepStage.files(self)  # no super(): slots make another class
        if not self.word_bits:
            return module
        return {**module, f"{self.module}_params.mem": self.params_mem()}
