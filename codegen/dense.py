"""Hardware of Dense: a folded matrix-vector unit.

PE (processing elements) outputs are computed at a time, from SIMD inputs a cycle. A vector of
``in`` inputs is SF = in / SIMD beats; it is passed over NF = out / PE times, once for each group
of PE outputs. FINN calls this the MVTU (Umuroglu et al., FPGA 2017, section 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.render import plain, render
from gatesmith.codegen.stream import Stage, Stream
from gatesmith.ir import BIPOLAR, TERNARY, Ints, IntType, TensorType
from gatesmith.ops.dense import Dense

Kind: TypeAlias = Literal["xnor", "sign_x", "sign_w", "ternary", "multiply"]

DSP_OPERAND_BITS = 5
"""Narrowest operand for which a multiplication is counted as a DSP block, not as LUTs."""


@dataclass(frozen=True, slots=True)
class DenseStage(Stage):
    """Matrix-vector unit; templates/sv/dense.sv.j2 is given it under the name ``hw``.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        x: Source stream; its lanes are SIMD.
        pe: Outputs computed at a time (PE); divides the number of outputs.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Dense
    x: Stream
    pe: int

    def __post_init__(self) -> None:
        outs, ins = self.op.weights.shape
        if ins != self.x.channels:
            raise ValueError(f"weights of {ins} inputs for a stream of {self.x.channels} channels")
        if outs % self.pe:
            raise ValueError(f"PE {self.pe} does not divide {outs} outputs")

    @property
    def source(self) -> Stream:
        """x, SIMD lanes."""
        return self.x

    @property
    def sink(self) -> Stream:
        """Accumulators, PE lanes."""
        outs, ins = self.op.weights.shape
        elem = self.op.infer(TensorType((ins,), self.x.elem)).int_elem
        return Stream(elem, outs, self.x.vectors, self.pe)

    # ---- fold -----------------------------------------------------------------------------------

    @property
    def simd(self) -> int:
        """Inputs taken a cycle (SIMD)."""
        return self.x.lanes

    @property
    def sf(self) -> int:
        """Beats in an input vector."""
        return self.x.groups

    @property
    def nf(self) -> int:
        """Beats in an output vector: passes over the input vector."""
        return self.sink.groups

    @property
    def interval(self) -> int:
        """Cycles a frame: one word of weights a cycle, no bubble anywhere."""
        return self.x.vectors * self.sf * self.nf

    @property
    def delay(self) -> int:
        """Registers from a read operand to the sum of its products."""
        return 1 + int(self.registers_products) + parts.tree_levels(self.simd)

    @property
    def latency(self) -> int:
        """Cycles from a vector's last input beat to its first output beat."""
        return int(self.nf > 1) + self.delay + 1

    # ---- arithmetic -----------------------------------------------------------------------------

    @property
    def kind(self) -> Kind:
        """How a product is made."""
        weight = self.op.weight_type
        if self.x.elem == BIPOLAR:
            return "xnor" if weight == BIPOLAR else "sign_w"
        if weight == BIPOLAR:
            return "sign_x"
        return "ternary" if TERNARY.lo <= weight.lo and weight.hi <= TERNARY.hi else "multiply"

    @property
    def rom_type(self) -> IntType:
        """Weight in the ROM: one bit when bipolar, else two's complement or unsigned."""
        weight = self.op.weight_type
        return weight if weight == BIPOLAR else IntType(weight.lo, weight.hi)

    @property
    def decodes_x(self) -> bool:
        """Whether x travels as a code that is neither its value nor a sign bit."""
        return self.x.elem.step != 1 and self.x.elem != BIPOLAR

    @property
    def x_value(self) -> IntType:
        """Type of x as a number."""
        return IntType(self.x.elem.lo, self.x.elem.hi)

    @property
    def term(self) -> IntType:
        """Range of one product, as the wires carry it."""
        if self.kind == "xnor":
            return IntType(0, 1)
        x, w = self.x.elem, self.op.weight_type
        ends = [a * b for a in (x.lo, x.hi) for b in (w.lo, w.hi)]
        return IntType(min(ends), max(ends))

    @property
    def term_bits(self) -> int:
        """Bits kept of a product: no more than of the sum, which is modulo 2**bits anyway."""
        return min(self.term.bits, self.sink.elem.bits)

    @property
    def registers_products(self) -> bool:
        """Whether products have registers of their own: those of real multipliers."""
        return self.kind == "multiply" and min(self.x_value.bits, self.rom_type.bits) > 1

    @property
    def x_term(self) -> str:
        """Input s as a product's operand (SystemVerilog)."""
        sign = "x_value[s*XV_W+XV_W-1], " if self.x_value.signed else "1'b0, "
        return f"TERM_W'($signed({{{sign}x_value[s*XV_W+:XV_W]}}))"

    @property
    def w_term(self) -> str:
        """Weight s as a product's operand (SystemVerilog)."""
        sign = "w[s*W_W+W_W-1], " if self.rom_type.signed else "1'b0, "
        return f"TERM_W'($signed({{{sign}w[s*W_W+:W_W]}}))"

    @property
    def product(self) -> str:
        """Product s, where it is no multiplier (SystemVerilog)."""
        line = "\n" + 24 * " "
        match self.kind:  # "-(N'(...))", because yosys reads "-N'(...)" as a cast to -N bits
            case "sign_x":
                return f"w[s] ? {self.x_term}{line}: -({self.x_term})"
            case "sign_w":
                return f"x_value[s] ? {self.w_term}{line}: -({self.w_term})"
            case "ternary" if self.rom_type.signed:
                negative = f"w[s*W_W+W_W-1] ? -({self.x_term})"
                return f"!w[s*W_W] ? '0{line}: {negative}{line}: {self.x_term}"
            case "ternary":
                return f"w[s*W_W] ? {self.x_term} : '0"
            case "multiply":
                return f"{self.x_term} * {self.w_term}"
            case _:
                raise AssertionError(f"{self.kind} has no product: see dense.sv.j2")

    # ---- memories -------------------------------------------------------------------------------

    @property
    def word_bits(self) -> int:
        """Bits of a word of weights."""
        return self.pe * self.simd * self.rom_type.bits

    @property
    def rom_style(self) -> str:
        """Where the weights go."""
        return parts.memory_style(self.sf * self.nf, self.word_bits)

    @property
    def buffer_style(self) -> str:
        """Where the input vectors go that are passed over again."""
        return parts.memory_style(2 * self.sf, self.x.width)

    @property
    def address(self) -> str:
        """Counter that addresses the weights (SystemVerilog)."""
        if self.sf > 1 and self.nf > 1:
            return "address_q"
        return "sf_q" if self.sf > 1 else "nf_q" if self.nf > 1 else "0"

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    def weights_mem(self) -> str:
        """The ROM's content: word nf * SF + sf, element p * SIMD + s."""
        fold = (self.nf, self.pe, self.sf, self.simd)
        folded = self.op.weights.data.reshape(fold).transpose(0, 2, 1, 3)
        words = folded.reshape(self.nf * self.sf, self.pe * self.simd)
        return parts.mem_text(self.rom_type.encode(words), self.rom_type.bits)

    # ---- stage ----------------------------------------------------------------------------------

    def schedule(self, arrivals: Ints) -> Ints:
        """Each word of weights is issued one edge after the one before, or later: see below.

        In a vector's first pass a beat is issued at its arrival (NF = 1) or an edge after it was
        written to the buffer. A buffer that is full holds a whole vector ahead, so it never
        delays an issue.
        """
        per_vector = self.nf * self.sf
        earliest = np.zeros((self.x.vectors, self.nf, self.sf), np.int64)
        earliest[:, 0, :] = arrivals.reshape(self.x.vectors, self.sf) + int(self.nf > 1)
        if self.nf > 1:
            earliest[:, 1:, :] = earliest[:, :1, :1]  # the beats are there: no bound of their own
        order = np.arange(self.x.vectors * per_vector)
        issues = order + np.maximum.accumulate(earliest.reshape(-1) - order)
        return issues.reshape(-1, self.sf)[:, -1] + self.delay + 1

    def cost(self) -> Cost:
        """Per PE: products, adder tree, accumulator; beside them memories and control.

        Product: xnor none (it shares the popcount's LUTs); add / subtract one LUT a bit;
        multiplier of b x c bits one DSP when both are at least 5 bits wide, per 18 x 25 bits,
        else b * c LUTs. Tree: parts.tree_cost. Accumulator: b LUTs, b FFs where SF > 1.
        Output: b FFs. Operands: SIMD * X_W + word bits FFs (none behind block RAM).
        Memories: parts.memory_cost. Control: 2 LUTs and 1 FF per counter bit, 3 FFs per delay.
        """
        x, w, out = self.x_value.bits, self.rom_type.bits, self.sink.elem.bits
        product = Cost(lut=self.term_bits)
        if self.kind == "xnor":
            product = Cost()
        elif self.registers_products:
            product = Cost(lut=x * w, ff=self.term_bits)
            if min(x, w) >= DSP_OPERAND_BITS:
                small, large = sorted((x, w))
                product = Cost(dsp=parts.ceil_div(small, 18) * parts.ceil_div(large, 25))
        tree = parts.tree_cost(self.simd, self.term_bits, out)
        acc = int(self.sf > 1) * out
        per_pe = tree + Cost(lut=acc, ff=acc + out)
        counters = (self.sf - 1).bit_length() + (self.nf - 1).bit_length()
        cost = Cost(lut=2 * counters + 4, ff=counters + 3 * self.delay + 1)
        for _ in range(self.pe):
            cost += per_pe + Cost(
                lut=self.simd * product.lut, ff=self.simd * product.ff, dsp=self.simd * product.dsp
            )
        if self.nf > 1:
            pointers = 4 * (2 * self.sf).bit_length()
            cost += parts.memory_cost(2 * self.sf, self.x.width)
            cost += Cost(lut=2 * pointers, ff=pointers)
        if self.nf == 1 or self.buffer_style == "distributed":
            cost += Cost(ff=self.x.width)
        if self.rom_style == "distributed":
            cost += Cost(ff=self.word_bits)
        return cost + parts.memory_cost(self.sf * self.nf, self.word_bits)

    def files(self) -> Mapping[str, str]:
        """The module, its weights, the adder tree."""
        return {
            f"{self.module}.sv": render("sv/dense.sv.j2", hw=self),
            f"{self.module}_weights.mem": self.weights_mem(),
            "gs_adder_tree.sv": plain("sv/gs_adder_tree.sv"),
        }
