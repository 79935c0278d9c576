"""Hardware of Product: a multiplication, a change of sign, or an xnor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatesmith.codegen.arithmetic import DSP_PART, multiplier_blocks
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.lockstep import LockstepStage
from gatesmith.codegen.render import sv_int
from gatesmith.ir import BIPOLAR, IntType
from gatesmith.ops.product import Product


@dataclass(frozen=True, slots=True)
class ProductStage(LockstepStage):
    """Element by element; templates/sv/product.sv.j2 is given it under the name ``hw``."""

    op: Product

    @property
    def stem(self) -> str:
        """Of templates/sv/."""
        return "product"

    @property
    def kind(self) -> Literal["xnor", "sign_a", "sign_b", "multiply"]:
        """How a product is made: a bipolar operand is a sign."""
        if self.a.elem == BIPOLAR:
            return "xnor" if self.b.elem == BIPOLAR else "sign_a"
        return "sign_b" if self.b.elem == BIPOLAR else "multiply"

    @property
    def latency(self) -> int:
        """Operands of a multiplication, result."""
        return 2 if self.kind == "multiply" else 1

    @property
    def numbers(self) -> IntType:
        """Signed range of both operands, as values and as codes, and of the result."""
        ends = [-1, 0, self.out.lo, self.out.hi]
        for x in (self.a.elem, self.b.elem):
            ends += [x.lo, x.hi, x.step, x.code.lo, x.code.hi, x.hi - x.lo if x.step != 1 else 0]
        return IntType(min(ends), max(ends))

    def operand(self, name: str) -> str:
        """Value of operand "a" or "b" of lane l (SystemVerilog)."""
        elem = self.a.elem if name == "a" else self.b.elem
        bits, text = self.numbers.bits, f"P_W'({self.signed(name)})"
        if elem.step == 1:
            return text
        return f"{sv_int(elem.lo, bits)} + {sv_int(elem.step, bits)} * {text}"

    def cost(self) -> Cost:
        """Per lane: xnor and sign so many LUTs a bit; a multiplication as in Terms.cost.

        Its operands and the result have registers, in a DSP block those of the block. An operand
        with a step: so many LUTs a bit.
        """
        y, lanes = self.out.bits, self.a.lanes
        features: dict[str, float] = {"pipeline.one": 1}
        cost = Cost(ff=self.latency + lanes * y)
        if self.kind == "multiply":
            a, b = (
                v.bits + int(not v.signed)
                for v in (IntType(x.elem.lo, x.elem.hi) for x in self.sources)
            )
            blocks = multiplier_blocks(a, b, y)
            if blocks:
                cost += Cost(dsp=lanes * blocks)
                features["multiply.part"] = lanes * max(0, y - DSP_PART) * (blocks - 1)
            else:
                features["multiply.bit"] = lanes * a * b
            cost += Cost(ff=lanes * (a + b))
        else:
            features["product.sign"] = lanes * y
        stepped = sum(x.elem.step != 1 and x.elem != BIPOLAR for x in self.sources)
        features["dense.decode"] = lanes * stepped * self.numbers.bits
        return cost + Cost(lut=luts(features))
