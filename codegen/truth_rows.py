"""Hardware of Dense whose outputs read few bits: each is a function of wires, written as such.

A row with all its inputs, and the Threshold behind it, is a table (LogicNets, Umuroglu et al., FPL
2020): whatever the weights are, six bits are one 6-input LUT. The table is made from the operators
themselves, with don't-cares where an input has codes that stand for no value, and becomes few
decisions by codegen/truth_table.py. Equal functions are made once. One register, no adder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.matrix_unit import PLAIN, Fold, Layer, Naming
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stream, Work
from gatesmith.codegen.truth_table import Decision, Text, decide, text_of
from gatesmith.codegen.vector_stage import VectorStage, VectorUnit
from gatesmith.ir import Array, Ints, IntType
from gatesmith.ops.threshold import Threshold

TRUTH = "truth"

MAX_BITS = 10
"""Input bits of the largest row: a table of 1,024 entries, 16 LUTs at most for each bit of y."""

MAX_ROWS = 1 << 16
"""Outputs of the largest layer."""


@dataclass(frozen=True, slots=True)
class Function:
    """One bit of an output.

    Attributes:
        wires: Bits of x that it may read.
        decision: The function of them.
    """

    wires: tuple[int, ...]
    decision: Decision


@dataclass(frozen=True, slots=True)
class Functions:
    """All of a layer.

    Attributes:
        distinct: Those that differ.
        places: Number among them, of each bit of each output.
    """

    distinct: tuple[Function, ...]
    places: tuple[int, ...]


def row_bits(weights: Ints, x: IntType) -> Ints:
    """Bits of x that each row reads."""
    found: Ints = (weights != 0).sum(axis=1) * x.bits
    return found


@lru_cache(maxsize=16)  # asked by the search for a fold, the plan and the files
def functions(
    weights: Array, x: IntType, y: IntType, thresholds: Array | None, falling: Array | None
) -> Functions:
    """Functions of the bits of x, of every bit of y.

    Args:
        weights: (outputs, inputs).
        x: Type of an input.
        y: Type of an output.
        thresholds: Of a Threshold behind the sums; None: y are the sums.
        falling: Its directions.
    """
    numbers: dict[tuple[tuple[int, ...], bytes], int] = {}
    distinct: list[Function] = []
    places = []
    for output, row in enumerate(weights.data):
        # What decides most comes first, see truth_table.py; a code's top bits before the others.
        order = sorted(np.flatnonzero(row).tolist(), key=lambda i: (-abs(int(row[i])), i))
        wires = tuple(i * x.bits + bit for i in order for bit in reversed(range(x.bits)))
        codes, care = _words(len(order), x)
        sums = codes @ row[order]
        if thresholds is not None and falling is not None:
            sums = _threshold(thresholds, falling, y, output).run(sums[:, None])[:, 0]
        words = y.encode(np.where(care, sums, y.lo))
        shape = (2,) * len(wires)
        for bit in range(y.bits):
            table = ((words >> bit) & 1).astype(np.bool_)
            key = (wires, np.packbits(table & care).tobytes())
            if key not in numbers:
                numbers[key] = len(distinct)
                decision = decide(table.reshape(shape), care.reshape(shape))
                distinct.append(Function(wires, decision))
            places.append(numbers[key])
    return Functions(tuple(distinct), tuple(places))


def _words(inputs: int, x: IntType) -> tuple[Ints, NDArray[np.bool_]]:
    """Values of the inputs for every word of their bits, and whether it can come."""
    bits = inputs * x.bits
    words = np.arange(1 << bits)
    shifts = (inputs - 1 - np.arange(inputs)) * x.bits
    each = (words[:, None] >> shifts) & ((1 << x.bits) - 1)
    values = x.decode(each)
    valid = (values >= x.lo) & (values <= x.hi) & ((values - x.lo) % x.step == 0)
    return np.where(valid, values, x.lo), valid.all(axis=1)


def _threshold(thresholds: Array, falling: Array, out: IntType, output: int) -> Threshold:
    """Of one output."""
    own = min(output, thresholds.shape[0] - 1), min(output, falling.shape[0] - 1)
    return Threshold(
        Array(thresholds.data[own[0]][None]), out, Array(falling.data[own[1] : own[1] + 1])
    )


@dataclass(frozen=True, slots=True)
class TruthRowsStage(VectorStage):
    """templates/sv/truth_rows.sv.j2 is given it under the name ``hw``.

    Attributes:
        threshold: What is done to the sums in the same functions, or None.
    """

    threshold: Threshold | None = None

    def __post_init__(self) -> None:
        VectorStage.__post_init__(self)  # super() does not know a class remade for its slots
        if (most := int(row_bits(self.op.weights.data, self.x.elem).max())) > MAX_BITS:
            raise ValueError(f"a row reads {most} bits, more than {MAX_BITS}")

    @property
    def sink(self) -> Stream:
        """All outputs a beat."""
        op = self.threshold
        return self.whole(self.sum_type if op is None else op.out)

    def with_threshold(self, threshold: Threshold) -> TruthRowsStage:
        """The same with a Threshold of the sums in its functions."""
        return replace(self, threshold=threshold)

    @property
    def functions(self) -> Functions:
        """What is computed."""
        op = self.threshold
        steps = (None, None) if op is None else (op.thresholds, op.falling)
        return functions(self.op.weights, self.x.elem, self.sink.elem, *steps)

    @property
    def latency(self) -> int:
        """The register of y."""
        return 1

    def work(self) -> Work:
        """About an addition for each weight; nothing is multiplied, no weight is read."""
        return Work(self.interval * self.used, 0, self.sink.elem.bits, 0)

    def cost(self) -> Cost:
        """LUTs of each distinct function, a FF each, one of both for control."""
        found = self.functions.distinct
        lut = sum(f.decision.luts for f in found)
        return Cost(lut=lut + 1, ff=sum(f.decision.root > 1 for f in found) + 1)

    # ---- text -----------------------------------------------------------------------------------

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Wires that functions share among their own decisions, name and value (SystemVerilog)."""
        return [line for text in self._texts() for line in text.lines]

    @property
    def values(self) -> list[str]:
        """Distinct functions (SystemVerilog)."""
        return [text.value for text in self._texts()]

    @property
    def reads_all(self) -> bool:
        """Whether no bit of x is left unread."""
        found = self.functions.distinct
        return len({f.wires[k] for f in found for k in f.decision.support}) == self.x.width

    def _texts(self) -> Iterator[Text]:
        for number, function in enumerate(self.functions.distinct):
            wires = [f"x[{wire}]" for wire in function.wires]
            yield text_of(function.decision, wires, f"f{number}")

    def files(self) -> Mapping[str, str]:
        """The module."""
        return {f"{self.module}.sv": render("sv/truth_rows.sv.j2", hw=self)}


class TruthUnit(VectorUnit):
    """Rows, with the thresholds behind them, are tables."""

    name = TRUTH
    what = f"outputs that read at most {MAX_BITS} bits, each a function with its thresholds"

    def refuses(self, layer: Layer, rom: str = PLAIN) -> str | None:
        """Groups; rows that read too much."""
        if layer.op.groups > 1:
            return f"its vectors belong to {layer.op.groups} groups in turn"
        most = int(row_bits(layer.op.weights.data, layer.x).max())
        if most > MAX_BITS:
            return (
                f"one of its outputs reads {most} bits, and a function of more than {MAX_BITS} is "
                "no small table: prune it first"
            )
        if layer.outputs > MAX_ROWS:
            return f"it has {layer.outputs:,} outputs, more than {MAX_ROWS:,}"
        return None

    def stage(
        self, naming: Naming, layer: Layer, x: Stream, fold: Fold, *, masked: bool = False
    ) -> TruthRowsStage:
        """The sums; a mask saves nothing here."""
        n = naming
        return TruthRowsStage(n.name, n.node, n.origin, n.module, layer.op, x)
