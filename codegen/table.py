"""Hardware of Table: a ROM for each lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import carries
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints, TensorType
from gatesmith.ops.table import Table


@dataclass(frozen=True, slots=True)
class TableStage(Stage):
    """All lanes look up at once; templates/sv/table.sv.j2 is given it under the name ``hw``.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        x: Source stream.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Table
    x: Stream

    def __post_init__(self) -> None:
        self.op.infer(TensorType((self.x.vectors, self.x.channels), self.x.elem))

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """Same beats, the operator's type."""
        return Stream(self.op.out, self.x.channels, self.x.vectors, self.x.lanes)

    @property
    def per_channel(self) -> bool:
        """Whether channels have tables of their own."""
        return bool((self.op.values.data != self.op.values.data[:1]).any())

    @property
    def tables(self) -> int:
        """Tables in the ROM of one lane: one for each beat of a vector, or one for all."""
        return self.x.groups if self.per_channel else 1

    @property
    def depth(self) -> int:
        """Words in the ROM of one lane: a table for every pattern of bits of a code."""
        return self.tables << self.x.elem.bits

    @property
    def rom_style(self) -> str:
        """Where one lane's ROM goes."""
        return parts.memory_style(self.depth, self.op.out.bits)

    @property
    def images(self) -> tuple[str, ...]:
        """Memory image of each lane's ROM; one for all lanes where they are equal."""
        if not self.per_channel:
            return (f"{self.module}_values.mem",)
        return tuple(f"{self.module}_values{lane}.mem" for lane in range(self.x.lanes))

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    def contents(self) -> Ints:
        """Codes of the results: (lanes or 1, tables, patterns of bits).

        A pattern that is no code has the value of the nearest end: nobody reads it.
        """
        x, domain = self.x.elem, self.op.domain
        values = np.clip(x.decode(np.arange(1 << x.bits)), x.lo, x.hi)
        rows = self.op.values.data[:, (values - domain.lo) // domain.step]
        if not self.per_channel:
            return self.op.out.encode(rows[:1])[None]
        return self.op.out.encode(rows).reshape(self.tables, self.x.lanes, -1).swapaxes(0, 1)

    @property
    def interval(self) -> int:
        """One beat a cycle."""
        return self.x.beats

    def timing(self) -> Timing:
        """The ROM's register."""
        return Timing.straight(self.x.beats, 1)

    def schedule(self, *arrivals: Ints) -> Ints:
        """An edge later."""
        (edges,) = arrivals
        return edges + 1

    def cost(self) -> Cost:
        """A ROM for each lane, by content; a counter of tables."""
        counter = parts.counter_bits(self.tables) if self.tables > 1 else 0
        cost = Cost(
            lut=luts({"table.one": 1, "counter.wrap": counter}),
            ff=counter + 1,
            carry=carries(counter),
        )
        contents = self.contents().reshape(len(self.images), -1, 1)
        for lane in contents:
            words = partial(parts.bits_of, lane, self.op.out.bits)
            one = parts.rom(self.depth, self.op.out.bits, words, alone=True).registered
            cost += one * (self.x.lanes // len(contents))
        return cost

    def files(self) -> Mapping[str, str]:
        """The module and its ROMs."""
        lanes = self.contents().reshape(len(self.images), -1, 1)
        images = zip(self.images, lanes, strict=True)
        texts = {name: parts.mem_text(words, self.op.out.bits) for name, words in images}
        return {f"{self.module}.sv": render("sv/table.sv.j2", hw=self)} | texts
