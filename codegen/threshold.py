"""Hardware of Threshold: compare each element with its channel's constants and count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import carries, comparison
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import plain, render
from gatesmith.codegen.stream import Reloadable, Stage, Stream, Timing
from gatesmith.ir import Ints, IntType
from gatesmith.ops.threshold import Threshold

CONSTANT_BITS = 6
"""Bits of a comparison with a constant that is one LUT."""


@dataclass(frozen=True, slots=True)
class ThresholdStage(Stage):
    """All comparisons in parallel; templates/sv/threshold.sv.j2 is given it under the name ``hw``.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        x: Source stream.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Threshold
    x: Stream

    def __post_init__(self) -> None:
        for array in (self.op.thresholds, self.op.falling):
            if array.shape[0] not in (1, self.x.channels):
                raise ValueError(f"{array.shape[0]} rows for {self.x.channels} channels")

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """Same beats, the operator's type."""
        return Stream(self.op.out, self.x.channels, self.x.vectors, self.x.lanes)

    @property
    def steps(self) -> int:
        """Thresholds of a channel."""
        return self.op.thresholds.shape[1]

    @property
    def per_channel(self) -> bool:
        """Whether channels have thresholds, or a direction, of their own."""
        return self.op.reloadable or bool(
            (self.op.thresholds.data != self.op.thresholds.data[:1]).any()
            or (self.op.falling.data != self.op.falling.data[0]).any()
        )

    @property
    def falls_by_channel(self) -> bool:
        """Whether some channels rise and others fall."""
        return self.op.reloadable or bool((self.op.falling.data != self.op.falling.data[0]).any())

    @property
    def depth(self) -> int:
        """Words of the ROM: beats of a vector, or one for all of them."""
        return self.x.groups if self.per_channel else 1

    @property
    def entries(self) -> int:
        """Elements in a word of the ROM."""
        return self.x.lanes if self.per_channel else 1

    @property
    def codes(self) -> Ints:
        """Thresholds as codes of x: (channels or 1, steps), from code.lo to code.hi + 1."""
        elem, code = self.x.elem, self.x.elem.code
        values = self.op.thresholds.data
        if elem.step != 1:
            values = -((elem.lo - values) // elem.step)  # rounded up
        clipped: Ints = np.clip(values, code.lo, code.hi + 1)
        return clipped

    @property
    def compare(self) -> IntType:
        """Type of both sides of a comparison."""
        code = self.x.elem.code
        most = code.hi + 1 if self.op.reloadable else int(self.codes.max(initial=code.lo))
        return IntType(code.lo, max(code.hi, most))

    @property
    def x_code(self) -> str:
        """Code of x in lane l, extended by its sign where it has one (SystemVerilog)."""
        if self.x.elem.signed:
            return "$signed(x[l*X_W+:X_W])"
        return "x[l*X_W+:X_W]"

    @property
    def hit(self) -> str:
        """Whether lane l counts threshold k (SystemVerilog)."""
        sign = "$signed" if self.compare.signed else ""
        reached = f"{sign}(x_wide) >= {sign}(word[ENTRY*R_W+k*T_W+:T_W])"
        if self.falls_by_channel:
            return f"({reached}) ^ word[ENTRY*R_W+STEPS*T_W]"
        return f"!({reached})" if self.op.falling.data[0] else reached

    @property
    def y_lo_code(self) -> int:
        """Bits of the code of the lowest result."""
        return int(self.op.out.encode(np.array([self.op.out.lo]))[0])

    @property
    def element_bits(self) -> int:
        """Bits of the constants of one element."""
        return self.steps * self.compare.bits + int(self.falls_by_channel)

    @property
    def word_bits(self) -> int:
        """Bits of a word of the ROM."""
        return self.entries * self.element_bits

    @property
    def rom_style(self) -> str:
        """Where the thresholds go."""
        return parts.memory_style(self.depth, self.word_bits)

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    @property
    def reloadable(self) -> Reloadable | None:
        """The thresholds and directions."""
        if not self.op.reloadable or not self.steps:
            return None
        return Reloadable("thresholds", self._words())

    def thresholds_mem(self) -> str:
        """The ROM's content: word = beat of the vector; per lane thresholds, direction."""
        return parts.mem_text(self._words(), 1)

    def _words(self) -> NDArray[np.uint8]:
        """Bits of the ROM: (depth, word_bits)."""
        rows = self.depth * self.entries
        codes = np.broadcast_to(self.codes, (max(rows, self.codes.shape[0]), self.steps))[:rows]
        bits = [parts.bits_of(self.compare.encode(codes), self.compare.bits)]
        if self.falls_by_channel:
            falling = np.broadcast_to(self.op.falling.data, (rows,))
            bits.append(falling[:, None].astype(np.uint8))
        return np.concatenate(bits, axis=1).reshape(self.depth, -1)

    @property
    def fetches(self) -> bool:
        """Whether a second register stands behind that of a block RAM, see parts.fetches."""
        return parts.fetches(self.depth, self.word_bits)

    @property
    def latency(self) -> int:
        """Registers: thresholds where they differ between beats, comparisons, counts."""
        if self.steps == 0:
            return 1
        return int(self.depth > 1) + self.fetches + 1 + parts.tree_levels(self.steps, 1)

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
        """Per lane: steps comparators, a count (parts.tree_cost), the sum with LO.

        A comparator with a word of the ROM takes so many LUTs a bit, one with a constant fewer. The
        ROM, and the register behind it, by content: columns that are equal or constant are none.
        Thresholds that can be reloaded: parts.writable.
        """
        if self.steps == 0:
            return Cost(lut=1, ff=1)
        y, b, lanes = self.op.out.bits, self.compare.bits, self.x.lanes
        wide = self.depth > 1 or self.op.reloadable
        constant, hits = (0, lanes * self.steps) if wide else self._constants()
        features = {
            "threshold.compare": lanes * self.steps * b if wide else 0,
            "threshold.constant": constant,
            "threshold.low": lanes * y if self.y_lo_code else 0,
            "pipeline.one": 1,
        }
        cost = parts.tree_cost(self.steps, 1, y, lanes) + Cost(ff=hits + self.latency)
        if wide or b > CONSTANT_BITS:
            cost += comparison(b) * hits
        if self.depth > 1:
            counter = parts.counter_bits(self.depth)
            features["counter.wrap"] = counter
            cost += Cost(ff=counter + self.x.width, carry=carries(counter))
            cost += Cost(ff=(self.x.width + self.word_bits) * self.fetches)
            if not self.op.reloadable:
                cost += parts.rom(self.depth, self.word_bits, self._words).registered
        if self.op.reloadable:
            cost += parts.writable(self.depth, self.word_bits)
        return cost + Cost(lut=luts(features))

    def _constants(self) -> tuple[int, int]:
        """(LUTs at most, comparisons) where thresholds are constants.

        Up to six bits a comparison is one LUT; of more bits each three are compared for equal and
        for more, once for all thresholds of a lane that have the same three bits.
        """
        elem, lanes = self.compare, self.x.lanes
        rows = np.broadcast_to(self.codes, (max(lanes, len(self.codes)), self.steps))[:lanes]
        luts_, hits = 0, 0
        for row in elem.encode(rows):
            different = np.unique(row)
            hits += different.size
            if elem.bits <= CONSTANT_BITS:
                luts_ += different.size
                continue
            for low in range(0, elem.bits, 3):
                luts_ += 2 * np.unique(different >> low & 7).size
        return luts_, hits

    def files(self) -> Mapping[str, str]:
        """The module, its thresholds, the adder tree that counts."""
        module = {f"{self.module}.sv": render("sv/threshold.sv.j2", hw=self)}
        if self.steps == 0:
            return module
        if self.op.reloadable:
            module["gs_reload.sv"] = plain("sv/gs_reload.sv")
        return module | {
            f"{self.module}_thresholds.mem": self.thresholds_mem(),
            "gs_adder_tree.sv": plain("sv/gs_adder_tree.sv"),
        }
