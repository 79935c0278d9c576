"""Hardware of Dense with weights that are wires: one vector a cycle, a zero weight is nothing.

Inputs of several bits, or weights of several magnitudes, are a stage of their own
(codegen/dense_numbers.py).

Single bits times weights of one magnitude (bipolar, ternary) share sums between outputs and are
added by compressor trees (codegen/unrolled_bits.py); a Threshold of one step behind such a layer is
part of its last addition, and the stage gives that Threshold's answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gatesmith.codegen.cost import Cost
from gatesmith.codegen.dense_numbers import DenseNumbersStage
from gatesmith.codegen.matrix_unit import PLAIN, Fold, Layer, Naming
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stream
from gatesmith.codegen.unrolled_bits import DEPTH, folds_in, is_unit, unroll_bits
from gatesmith.codegen.unrolled_rows import Block, Unrolled, digit_total
from gatesmith.codegen.vector_stage import VectorStage, VectorUnit
from gatesmith.ops.dense import Dense
from gatesmith.ops.threshold import Threshold

UNROLLED = "unrolled"

MAX_DIGITS = 1 << 18
"""Signed digits of the weights of the largest layer that is unrolled; each is about an adder."""


@dataclass(frozen=True, slots=True)
class DenseUnrolledStage(VectorStage):
    """templates/sv/dense_unrolled.sv.j2 is given it under the name ``hw``.

    Attributes:
        threshold: What is compared with the sums here; None gives the sums.
        depth: Carry chains between two registers.
    """

    threshold: Threshold | None = None
    depth: int = DEPTH

    def __post_init__(self) -> None:
        VectorStage.__post_init__(self)  # super() does not know a class remade for its slots
        weights = self.op.weights.data
        if not is_unit(weights, self.x.elem):
            raise ValueError("expected single bits and weights of one magnitude")
        if self.threshold is not None and not folds_in(self.threshold, weights, self.x.elem):
            raise ValueError("the threshold is no part of the last addition")

    @property
    def sink(self) -> Stream:
        """Sums, or answers of the threshold, all outputs a beat."""
        return self.whole(self.sum_type if self.threshold is None else self.threshold.out)

    @property
    def rows(self) -> Unrolled:
        """The sums."""
        x, y = self.x.elem, self.sum_type
        return unroll_bits(self.op.weights, x, y, self.threshold, self.depth)

    @property
    def latency(self) -> int:
        """Registers from x to y."""
        return self.rows.levels

    def cost(self) -> Cost:
        """The lines of the sums (codegen/chains.py), and a LUT and ``latency`` FFs for control."""
        return self.rows.cost() + Cost(lut=1, ff=self.latency)

    # ---- text -----------------------------------------------------------------------------------

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


def unrolled_stage(naming: Naming, op: Dense, x: Stream) -> DenseUnrolledStage | DenseNumbersStage:
    """The stage for these weights and inputs, a whole vector a beat."""
    made = DenseUnrolledStage if is_unit(op.weights.data, x.elem) else DenseNumbersStage
    return made(naming.name, naming.node, naming.origin, naming.module, op, x)


class UnrolledUnit(VectorUnit):
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

    def stage(
        self, naming: Naming, layer: Layer, x: Stream, fold: Fold, *, masked: bool = False
    ) -> DenseUnrolledStage | DenseNumbersStage:
        """The stage; a mask saves nothing here."""
        return unrolled_stage(naming, layer.op, x)
