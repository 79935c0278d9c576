"""Products of an input and a constant weight: how they are made, their widths, text and cost.

Shared by the matrix-vector unit (codegen/dense.py) and the depthwise unit (codegen/depthwise.py).
The text speaks of one processing element: ``x_value`` are its inputs, ``w`` its weights, ``s`` the
number of the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import DSP_PART, multiplier_blocks
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import plain
from gatesmith.ir import BIPOLAR, TERNARY, IntType

Kind: TypeAlias = Literal[
    "xnor", "masked", "gated", "copy", "sign_x", "sign_w", "ternary", "multiply"
]

DSP_OPERAND_BITS = 5
"""Narrowest operand for which a multiplication is counted as a DSP block, not as LUTs."""

DIGIT_BITS = 4
"""Bits of the narrower operand that gs_multiply takes in one cycle."""

FORMULAS: dict[Kind, str] = {
    "copy": "x",
    "sign_x": "x or -x",
    "sign_w": "w or -w",
    "ternary": "x, 0 or -x",
    "multiply": "a multiplication",
}
"""How a product is made, for the header of a module."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Products x * w, whose sum is of type ``total``.

    Attributes:
        x: Type of an input.
        weight: Type of a weight.
        total: Type of the sum of products; they are kept modulo 2**total.bits.
        kind: How they are made. ``xnor``: both operands are one bit, so is the product; the sum's
            code is the popcount. ``gated`` and ``masked``: x is -1, 0 or 1 and w one bit; of n
            products that are not 0, the p that are 1 are counted, for 2 * p - n. ``copy``: the
            weights are 1.
        dsp: Whether products of operands that are both wide may go to DSP blocks.
    """

    x: IntType
    weight: IntType
    total: IntType
    kind: Kind
    dsp: bool = True

    @property
    def rom_type(self) -> IntType:
        """Weight in the ROM: one bit when bipolar, else two's complement or unsigned."""
        weight = self.weight
        return weight if weight == BIPOLAR else IntType(weight.lo, weight.hi)

    @property
    def counted(self) -> bool:
        """Whether products of ±1 are counted beside those that are 0."""
        return self.kind in ("masked", "gated")

    @property
    def decodes_x(self) -> bool:
        """Whether x travels as a code that is neither its value nor a sign bit."""
        return self.x.step != 1 and self.x != BIPOLAR

    @property
    def x_value(self) -> IntType:
        """Type of x as a number."""
        return IntType(self.x.lo, self.x.hi)

    @property
    def value_bits(self) -> int:
        """Bits of an element of ``x_value``: a bipolar x stays one bit."""
        return 1 if self.x == BIPOLAR else self.x_value.bits

    @property
    def term(self) -> IntType:
        """Range of one product, as the wires carry it."""
        if self.kind == "xnor" or self.counted:
            return IntType(0, 1)
        x, w = self.x, self.weight
        ends = [a * b for a in (x.lo, x.hi) for b in (w.lo, w.hi)]
        return IntType(min(ends), max(ends))

    @property
    def term_bits(self) -> int:
        """Bits kept of a product: no more than of the sum, which is modulo 2**bits anyway."""
        return min(self.term.bits, self.total.bits)

    @property
    def registered(self) -> bool:
        """Whether products have registers of their own: those of real multipliers."""
        return self.kind == "multiply" and min(self.x_value.bits, self.rom_type.bits) > 1

    @property
    def in_luts(self) -> bool:
        """Whether products are made by templates/sv/gs_multiply.sv, which no tool puts in a DSP."""
        return self.registered and not (self.dsp and self.narrower >= DSP_OPERAND_BITS)

    @property
    def narrower(self) -> int:
        """Bits of the narrower operand."""
        return min(self.x_value.bits, self.rom_type.bits)

    @property
    def x_wider(self) -> bool:
        """Whether x has as many bits as the weight, or more."""
        return self.x_value.bits >= self.rom_type.bits

    @property
    def registers(self) -> int:
        """Registers from operands to products."""
        return 2 if self.in_luts and self.narrower > DIGIT_BITS else int(self.registered)

    @property
    def multiplier(self) -> str:
        """Parameters of gs_multiply (SystemVerilog)."""
        x, w = (self.x_value, self.rom_type)
        a, b = (x, w) if self.x_wider else (w, x)
        return (
            f".A_W({a.bits}), .B_W({b.bits}), .Y_W({self.term_bits}), "
            f".A_SIGNED(1'b{int(a.signed)}), .B_SIGNED(1'b{int(b.signed)})"
        )

    def files(self) -> dict[str, str]:
        """Library modules that products and their sums need."""
        names = ["gs_adder_tree.sv", *(["gs_multiply.sv"] if self.in_luts else [])]
        return {name: plain(f"sv/{name}") for name in names}

    def tree_levels(self, terms: int, *, by_six: bool = False) -> int:
        """Register levels of the gs_adder_tree of so many products."""
        return parts.tree_levels(terms, self.term_bits, signed=self.term.signed, by_six=by_six)

    def tree_cost(self, terms: int, copies: int = 1, *, by_six: bool = False) -> Cost:
        """Cost of so many gs_adder_tree of so many products."""
        bits, signed = self.term_bits, self.term.signed
        return parts.tree_cost(terms, bits, self.total.bits, copies, signed=signed, by_six=by_six)

    @property
    def formula(self) -> str:
        """How a product is made, for the header."""
        return FORMULAS[self.kind]

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
        """Product s, where it is not counted (SystemVerilog)."""
        line = "\n" + 24 * " "
        match self.kind:  # "-(N'(...))", because yosys reads "-N'(...)" as a cast to -N bits
            case "copy":
                return self.x_term
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

    def cost(self, count: int = 1) -> Cost:
        """So many products.

        xnor, gated, masked and copy share the LUTs of the sum; ternary and sign change are so many
        LUTs a bit. A multiplication of two operands of DSP_OPERAND_BITS or more is of DSP blocks
        (codegen/arithmetic.py), of several added up in LUTs; its register stays outside. In LUTs,
        b bits by c, b <= c: b rows of c + 1 LUTs; for each digit of 4 bits of b but the first
        another c + 4; registers behind digits and sum.
        """
        if not self.registered:
            names = {"ternary": "product.ternary", "gated": "product.gated"}
            names |= {"xnor": "product.xnor", "masked": "product.xnor"}
            bits = self.term_bits if self.kind != "copy" else 0
            return Cost(lut=luts({names.get(self.kind, "product.sign"): count * bits}))
        if not self.in_luts:
            x, weight = (v.bits + int(not v.signed) for v in (self.x_value, self.rom_type))
            blocks = multiplier_blocks(x, weight, self.term_bits)
            rest = max(0, self.term_bits - DSP_PART) * (blocks - 1)
            lut = luts({"multiply.part": count * rest})
            return Cost(lut=lut, ff=count * self.term_bits, dsp=count * blocks)
        small, large = sorted((self.x_value.bits, self.rom_type.bits))
        digits = parts.ceil_div(small, DIGIT_BITS)
        rows = small * (large + 1) + (digits - 1) * (large + DIGIT_BITS)
        ff = self.term_bits + (digits * large + small if digits > 1 else 0)
        return Cost(lut=luts({"multiply.row": count * rows}), ff=count * ff)


def kind_of(x: IntType, weight: IntType, *, masked: bool = False) -> Kind:
    """How products of these types are made.

    Args:
        x: Type of an input.
        weight: Type of a weight.
        masked: Products that are counted are all 0 or none is.
    """
    if x == BIPOLAR:
        return "xnor" if weight == BIPOLAR else "sign_w"
    if x == TERNARY and weight == BIPOLAR:
        return "masked" if masked else "gated"
    if weight == BIPOLAR:
        return "sign_x"
    return "ternary" if TERNARY.lo <= weight.lo and weight.hi <= TERNARY.hi else "multiply"
