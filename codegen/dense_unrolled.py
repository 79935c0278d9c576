"""Hardware of Dense with weights that are wires: one vector a cycle, a zero weight is nothing.

PE is all outputs and SIMD all inputs: no memory, no multiplier, no DSP block. Inputs of several
bits, or weights of several magnitudes, are a stage of their own (codegen/dense_numbers.py).

Single bits times weights of one magnitude (bipolar, ternary) share sums between outputs and are
added by compressor trees (codegen/unrolled_bits.py); a Threshold of one step behind such a layer is
part of its last addition, and the stage gives that Threshold's answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.dense_numbers import DenseNumbersStage
from gatesmith.codegen.matrix_unit import PLAIN, Fold, Layer, MatrixUnit, Naming
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing, Work
from gatesmith.codegen.unrolled_bits import DEPTH, folds_in, is_unit, unroll_bits
from gatesmith.codegen.unrolled_rows import Block, Unrolled, digit_total, unroll
from gatesmith.ir import Ints, IntType
from gatesmith.ops.dense import Dense
from gatesmith.ops.threshold import Threshold

UNROLLED = "unrolled"

MAX_DIGITS = 1 << 18
"""Signed digits of the weights of the largest layer that is unrolled; each is about an adder."""


@dataclass(frozen=True, slots=True)
class DenseUnrolledStage(Stage):
    """templates/sv/dense_unrolled.sv.j2 is given it under the name ``hw``.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        x: Source stream, a whole vector a beat.
        threshold: What is compared with the sums here; None gives the sums.
        depth: Carry chains between two registers, where compressor trees make the sums.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Dense
    x: Stream
    threshold: Threshold | None = None
    depth: int = DEPTH

    def __post_init__(self) -> None:
        if self.op.groups != 1:
            raise ValueError(f"expected one group, not {self.op.groups}")
        if not self.op.weights.shape[1] == self.x.channels == self.x.lanes:
            raise ValueError(
                f"weights of {self.op.weights.shape[1]} inputs for {self.x.lanes} of "
                f"{self.x.channels} channels a beat"
            )
        weights = self.op.weights.data
        if self.threshold is not None and not folds_in(self.threshold, weights, self.x.elem):
            raise ValueError("the threshold is no part of the last addition")

    @property
    def source(self) -> Stream:
        """x, a vector a beat."""
        return self.x

    @property
    def sink(self) -> Stream:
        """Sums, or answers of the threshold, all outputs a beat."""
        elem = self.sum_type if self.threshold is None else self.threshold.out
        return Stream(elem, self.pe, self.x.vectors, self.pe)

    @property
    def sum_type(self) -> IntType:
        """Of a sum."""
        return self.op.accumulator(self.x.elem)

    @property
    def pe(self) -> int:
        """Outputs."""
        return self.op.weights.shape[0]

    @property
    def simd(self) -> int:
        """Inputs."""
        return self.x.lanes

    @property
    def rows(self) -> Unrolled:
        """The sums."""
        weights, x, y = self.op.weights, self.x.elem, self.sum_type
        if is_unit(weights.data, x):
            return unroll_bits(weights, x, y, self.threshold, self.depth)
        return unroll(weights, x, y)

    @property
    def used(self) -> int:
        """Weights that are not zero."""
        return int((self.op.weights.data != 0).sum())

    @property
    def digits(self) -> int:
        """Signed digits of the distinct rows."""
        return digit_total(self.op.weights.data)

    @property
    def interval(self) -> int:
        """A vector a cycle."""
        return self.x.vectors

    @property
    def latency(self) -> int:
        """Registers from x to y."""
        return self.rows.levels

    def work(self) -> Work:
        """An addition for each signed digit; nothing is multiplied, no weight is read."""
        return Work(self.interval * self.digits, 0, self.sum_type.bits, 0)

    def schedule(self, *arrivals: Ints) -> Ints:
        """``latency`` edges later."""
        (edges,) = arrivals
        return edges + self.latency

    def timing(self) -> Timing:
        """A pipeline."""
        return Timing.straight(self.x.vectors, self.latency)

    def cost(self) -> Cost:
        """The lines of the sums, and a LUT and ``latency`` FFs for control.

        An adder: a LUT a bit of its result, but for the low bits that only one operand has and the
        carry of a sum that is not negative. A count of single bits: sums.count_luts. A chain of a
        compressor tree: codegen/chains.py.
        """
        return self.rows.cost() + Cost(lut=1, ff=self.latency)

    # ---- text -----------------------------------------------------------------------------------

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    def block_module(self, number: int) -> str:
        """Name of the module of a block."""
        return f"{self.module}_rows{number}"

    def outputs_of(self, number: int) -> list[tuple[int, int]]:
        """Outputs, and rows of the block that they are, of a block."""
        found = enumerate(self.rows.places)
        return [(output, row) for output, (block, row) in found if block == number]

    def files(self) -> Mapping[str, str]:
        """The module, and one for each block of rows."""
        rows = {
            f"{self.block_module(n)}.sv": self._block_text(n, block)
            for n, block in enumerate(self.rows.blocks)
        }
        return {f"{self.module}.sv": render("sv/dense_unrolled.sv.j2", hw=self), **rows}

    def with_threshold(self, threshold: Threshold) -> DenseUnrolledStage | None:
        """The stage that compares its sums itself, or None where it cannot."""
        if not folds_in(threshold, self.op.weights.data, self.x.elem):
            return None
        return replace(self, threshold=threshold)

    def _block_text(self, number: int, block: Block) -> str:
        name = "sv/dense_unrolled_rows.sv.j2"
        return render(name, hw=self, block=block, module=self.block_module(number), number=number)


class UnrolledUnit(MatrixUnit):
    """Weights are wires."""

    name = UNROLLED
    what = "every weight an adder of its own, a zero weight nothing; a vector a cycle"

    def refuses(self, layer: Layer, rom: str = PLAIN) -> str | None:
        """Groups, whose sums would stand idle all but one cycle in groups; too many digits."""
        if layer.op.groups > 1:
            return (
                f"its vectors belong to {layer.op.groups} groups in turn, so the adders of a group "
                f"would stand idle all but one cycle in {layer.op.groups}"
            )
        digits = digit_total(layer.op.weights.data)
        if digits > MAX_DIGITS:
            return (
                f"its weights have {digits:,} signed digits that are not zero, each about an "
                f"adder, and layers of more than {MAX_DIGITS:,} are not unrolled: prune it first"
            )
        return None

    def folds(self, layer: Layer, rom: str = PLAIN) -> Iterator[Fold]:
        """All at once."""
        yield Fold(layer.outputs, layer.inputs, self.name, rom)

    def cycles(self, layer: Layer, fold: Fold) -> int:
        """A vector a cycle."""
        return layer.vectors

    def lanes(self, layer: Layer, fold: Fold) -> int:
        """All inputs."""
        return layer.inputs

    def stage(
        self, naming: Naming, layer: Layer, x: Stream, fold: Fold, *, masked: bool = False
    ) -> DenseUnrolledStage | DenseNumbersStage:
        """The stage; a mask saves nothing here."""
        n = naming
        if not is_unit(layer.op.weights.data, layer.x):
            return DenseNumbersStage(n.name, n.node, n.origin, n.module, layer.op, x)
        return DenseUnrolledStage(n.name, n.node, n.origin, n.module, layer.op, x)
