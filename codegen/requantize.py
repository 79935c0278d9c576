"""Hardware of Requantize: multiply, add, shift, clamp; what a constant makes void is not built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import DSP_PART, carries, common_zeros, multiplier_blocks
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import render, sv_int
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints, IntType
from gatesmith.ops.requantize import Requantize


@dataclass(frozen=True, slots=True)
class RequantizeStage(Stage):
    """Multiply-shift; templates/sv/requantize.sv.j2 is given it under the name ``hw``.

    A source of step s and lowest value lo travels as a code, x = lo + s * code, so that mul and
    add become s * mul and lo * mul + add; everything below is in terms of codes.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator; its result has step 1.
        x: Source stream.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Requantize
    x: Stream

    def __post_init__(self) -> None:
        if self.op.out.step != 1:
            raise ValueError(f"Requantize to {self.op.out}, which has a step: use Threshold")
        for array in (self.op.mul, self.op.add):
            if array.shape not in ((1,), (self.x.channels,)):
                raise ValueError(
                    f"parameters of shape {array.shape} for {self.x.channels} channels"
                )

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """Same beats, the operator's type."""
        return Stream(self.op.out, self.x.channels, self.x.vectors, self.x.lanes)

    # ---- constants ------------------------------------------------------------------------------

    @property
    def mul(self) -> Ints:
        """Factor of the code on each channel."""
        return np.broadcast_to(self.op.mul.data * self.x.elem.step, (self.x.channels,))

    @property
    def add(self) -> Ints:
        """Summand beside the code's product on each channel, the rounding half included."""
        offset = 0 if self.x.elem.step == 1 else self.x.elem.lo
        add = self.op.mul.data * offset + self.op.add.data + self.op.half
        return np.broadcast_to(add, (self.x.channels,))

    @property
    def mul_varies(self) -> bool:
        """Whether mul differs between channels."""
        return bool((self.mul != self.mul[0]).any())

    @property
    def add_varies(self) -> bool:
        """Whether add differs between channels."""
        return bool((self.add != self.add[0]).any())

    @property
    def multiplies(self) -> bool:
        """Whether there is a factor other than 1."""
        return bool((self.mul != 1).any())

    @property
    def adds(self) -> bool:
        """Whether there is a summand other than 0."""
        return bool(self.add.any())

    # ---- types ----------------------------------------------------------------------------------

    @property
    def product(self) -> IntType:
        """Signed range of x, mul, add, x * mul and x * mul + add."""
        code = self.x.elem.code
        ends = np.concatenate([self.mul * code.lo, self.mul * code.hi])
        sums = ends + np.concatenate([self.add, self.add])
        every = np.concatenate([ends, sums, self.mul, self.add, [code.lo, code.hi]])
        return IntType(min(-1, int(every.min())), max(0, int(every.max())))

    @property
    def sums(self) -> IntType:
        """Exact range of the shifted sum, before the clamp."""
        code = self.x.elem.code
        ends = np.stack([self.mul * code.lo + self.add, self.mul * code.hi + self.add])
        return IntType(self._shift(int(ends.min())), self._shift(int(ends.max())))

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
    def mul_type(self) -> IntType:
        """Factor in the ROM."""
        return IntType(min(-1, int(self.mul.min())), max(0, int(self.mul.max())))

    @property
    def add_type(self) -> IntType:
        """Summand in the ROM."""
        return IntType(min(-1, int(self.add.min())), max(0, int(self.add.max())))

    # ---- SystemVerilog --------------------------------------------------------------------------

    @property
    def x_signed(self) -> str:
        """Code of x in lane l with a sign bit."""
        sign = "x[l*X_W+X_W-1]" if self.x.elem.signed else "1'b0"
        return f"{{{sign}, x[l*X_W+:X_W]}}"

    @property
    def mul_operand(self) -> str:
        """Factor of lane l."""
        if not self.mul_varies:
            return sv_int(int(self.mul[0]), self.product.bits)
        return f"P_W'($signed(word[l*R_W+:{self.mul_type.bits}]))"

    @property
    def add_operand(self) -> str:
        """Summand of lane l."""
        if not self.add_varies:
            return sv_int(int(self.add[0]), self.product.bits)
        above = self.mul_type.bits if self.mul_varies else 0
        return f"P_W'($signed(word[l*R_W+{above}+:{self.add_type.bits}]))"

    # ---- memory ---------------------------------------------------------------------------------

    @property
    def word_bits(self) -> int:
        """Bits of the constants of one element that differ between channels."""
        mul = self.mul_type.bits if self.mul_varies else 0
        return mul + (self.add_type.bits if self.add_varies else 0)

    @property
    def depth(self) -> int:
        """Words of the ROM: beats of a vector, or one."""
        return self.x.groups if self.word_bits else 1

    @property
    def rom_style(self) -> str:
        """Where the constants go."""
        return parts.memory_style(self.depth, self.x.lanes * self.word_bits)

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    def params_mem(self) -> str:
        """The ROM's content: word = beat of the vector, lane l at bit l * word_bits."""
        return parts.mem_text(self._words(), 1)

    def _words(self) -> NDArray[np.uint8]:
        """Bits of the ROM: (depth, lanes * word_bits)."""
        bits = []
        for varies, values, kind in (
            (self.mul_varies, self.mul, self.mul_type),
            (self.add_varies, self.add, self.add_type),
        ):
            if varies:
                bits.append(parts.bits_of(kind.encode(values)[:, None], kind.bits))
        return np.concatenate(bits, axis=1).reshape(self.depth, -1)

    # ---- stage ----------------------------------------------------------------------------------

    @property
    def registers_shifted(self) -> bool:
        """Whether the sum has a register before the clamp: when there are both."""
        return self.adds and (self.clamps_low or self.clamps_high)

    @property
    def fetches(self) -> bool:
        """Whether a second register stands behind that of a block RAM, see parts.fetches."""
        return parts.fetches(self.depth, self.x.lanes * self.word_bits)

    @property
    def latency(self) -> int:
        """Registers: constants that differ between beats, product, sum, result."""
        constants = int(self.depth > 1) + self.fetches
        return constants + int(self.multiplies) + int(self.registers_shifted) + 1

    @property
    def interval(self) -> int:
        """One beat a cycle."""
        return self.x.beats

    def schedule(self, *arrivals: Ints) -> Ints:
        """``latency`` edges later."""
        (edges,) = arrivals
        return edges + self.latency

    def timing(self) -> Timing:
        """A pipeline."""
        return Timing.straight(self.x.beats, self.latency)

    def cost(self) -> Cost:
        """Per lane: multiplier, adder, clamp, and their registers; ROM by content.

        A multiplier is DSP blocks where its result is wide enough (codegen/arithmetic.py), also
        that of a constant that is no power of two; else so many LUTs a bit of one operand and the
        other. Bits that the shift throws away are added only as far as they carry.
        """
        lanes, p, s, y = self.x.lanes, self.product.bits, self.shifted.bits, self.op.out.bits
        features: dict[str, float] = {"pipeline.one": 1}
        cost = Cost(ff=lanes * y + self.latency)
        if self.multiplies:
            product, more = self._multiplier()
            features |= more
            cost += product * lanes
        if self.adds:
            name = (
                "requantize.add"
                if self.add_varies and self.depth > 1
                else "requantize.add_constant"
            )
            features[name] = lanes * p
            cost += Cost(carry=lanes * carries(p))
        if self.registers_shifted:
            cost += Cost(ff=lanes * s)
        ends = self.clamps_low + self.clamps_high
        features["requantize.clamp"] = lanes * ends * y
        features["requantize.range"] = lanes * (s if ends else 0)
        if self.depth > 1:
            counter = parts.counter_bits(self.depth)
            features["counter.wrap"] = counter
            cost += Cost(ff=counter + self.x.width, carry=carries(counter))
            bits = lanes * self.word_bits
            cost += parts.rom(self.depth, bits, self._words).registered
            cost += Cost(ff=(self.x.width + bits) * self.fetches)
        return cost + Cost(lut=luts(features))

    def _multiplier(self) -> tuple[Cost, dict[str, float]]:
        """That of one lane without its LUTs, and features of all lanes'."""
        x, p = self.x.elem, self.product.bits
        constant = self.mul_type.bits - common_zeros(self.mul)
        signed = x.code.bits + int(not x.code.signed)
        if not self.mul_varies and int(self.mul[0]).bit_count() == 1:
            return Cost(ff=p), {}
        blocks = multiplier_blocks(signed, constant, p)
        if blocks:
            rest = self.x.lanes * max(0, p - DSP_PART) * (blocks - 1)
            return Cost(dsp=blocks, ff=p), {"multiply.part": rest}
        return Cost(ff=p), {
            "multiply.bit": self.x.lanes * min(signed, constant) * max(signed, constant)
        }

    def files(self) -> Mapping[str, str]:
        """The module, and its constants where they differ between channels."""
        module = {f"{self.module}.sv": render("sv/requantize.sv.j2", hw=self)}
        if not self.word_bits:
            return module
        return module | {f"{self.module}_params.mem": self.params_mem()}
