"""Hardware of Select on integers: a comparison and a choice."""

from __future__ import annotations

from dataclasses import dataclass

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.lockstep import LockstepStage
from gatesmith.codegen.render import sv_int
from gatesmith.ir import IntType
from gatesmith.ops.select import Select


@dataclass(frozen=True, slots=True)
class SelectStage(LockstepStage):
    """Max or min; templates/sv/select.sv.j2 is given it under the name ``hw``.

    Both operands are brought to the scale of the result's code, offset + factor * code each, so
    that what is compared is also what leaves.
    """

    op: Select

    @property
    def stem(self) -> str:
        """Of templates/sv/."""
        return "select"

    @property
    def latency(self) -> int:
        """The result's register."""
        return 1

    def _scale(self, x: IntType) -> tuple[int, int]:
        """Offset and factor of an operand: the result's code is offset + factor * code."""
        lo, step = (0, 1) if x.step == 1 else (x.lo, x.step)
        if self.out.step == 1:
            return lo, step
        return (lo - self.out.lo) // self.out.step, step // self.out.step

    @property
    def scaled(self) -> IntType:
        """Signed range of both operands and of what scales them."""
        ends = [-1, 0]
        for x in (self.a.elem, self.b.elem):
            offset, factor = self._scale(x)
            code = (x.code.lo, x.code.hi)
            ends += [offset, factor, *code, *(factor * c for c in code)]
            ends += [offset + factor * c for c in code]
        return IntType(min(ends), max(ends))

    def operand(self, name: str) -> str:
        """Operand "a" or "b" of lane l on the scale of the result's code (SystemVerilog)."""
        offset, factor = self._scale(self.a.elem if name == "a" else self.b.elem)
        bits, text = self.scaled.bits, f"S_W'({self.signed(name)})"
        if factor != 1:
            text = f"{sv_int(factor, bits)} * {text}"
        return f"{sv_int(offset, bits)} + {text}" if offset else text

    def cost(self) -> Cost:
        """Per lane: a comparison of s / 2 LUTs, a choice of y LUTs and FFs, s LUTs an offset."""
        s, y = self.scaled.bits, self.out.bits
        offsets = sum(self._scale(x.elem) != (0, 1) for x in self.sources)
        lut = parts.ceil_div(s, 2) + y + offsets * s
        return Cost(lut=3 + self.a.lanes * lut, ff=1 + self.a.lanes * y)
