"""Hardware of Product: a multiplication, a change of sign, or an xnor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.lockstep import LockstepStage
from gatesmith.codegen.render import sv_int
from gatesmith.codegen.terms import DSP_OPERAND_BITS
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
        """Per lane: xnor y LUTs; sign y LUTs; multiplier of b x c bits.

        A multiplier is a DSP block per 18 x 25 bits when both operands are at least 5 bits wide,
        else b * c LUTs, with its operands' registers. Result: y FFs. An operand with a step: p
        LUTs.
        """
        y = self.out.bits
        lane = Cost(ff=y)
        if self.kind == "multiply":
            small, large = sorted(IntType(x.elem.lo, x.elem.hi).bits for x in self.sources)
            if small >= DSP_OPERAND_BITS:
                lane += Cost(dsp=parts.ceil_div(small, 18) * parts.ceil_div(large, 25))
            else:
                lane += Cost(lut=small * large)
            lane += Cost(ff=small + large)
        else:
            lane += Cost(lut=y)
        stepped = sum(x.elem.step != 1 and x.elem != BIPOLAR for x in self.sources)
        lane += Cost(lut=stepped * self.numbers.bits)
        lanes = self.a.lanes
        return Cost(
            lut=3 + lanes * lane.lut, ff=self.latency + lanes * lane.ff, dsp=lanes * lane.dsp
        )
