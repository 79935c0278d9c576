"""What the ways to build a Dense have in common that take a whole vector a beat.

PE is all outputs and SIMD all inputs: no memory of weights, one vector a cycle, a pipeline of
``latency`` registers. They differ in what stands between x and y: compressor trees of bits
(codegen/dense_unrolled.py), adders of numbers (codegen/dense_numbers.py), truth tables
(codegen/truth_rows.py).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field

from gatesmith.codegen import parts
from gatesmith.codegen.matrix_unit import PLAIN, Fold, Layer, MatrixUnit
from gatesmith.codegen.stream import Stage, Stream, Timing, Work
from gatesmith.codegen.unrolled_rows import digit_total
from gatesmith.ir import Ints, IntType
from gatesmith.ops.dense import Dense


@dataclass(frozen=True, slots=True)
class VectorStage(Stage):
    """A Dense with weights that are wires.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        x: Source stream, a whole vector a beat.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Dense
    x: Stream

    def __post_init__(self) -> None:
        if self.op.groups != 1:
            raise ValueError(f"expected one group, not {self.op.groups}")
        if not self.op.weights.shape[1] == self.x.channels == self.x.lanes:
            raise ValueError(
                f"weights of {self.op.weights.shape[1]} inputs for {self.x.lanes} of "
                f"{self.x.channels} channels a beat"
            )

    @property
    def source(self) -> Stream:
        """x, a vector a beat."""
        return self.x

    def whole(self, elem: IntType) -> Stream:
        """All outputs a beat, of such elements."""
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
    @abstractmethod
    def latency(self) -> int:
        """Registers from x to y."""

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

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)


class VectorUnit(MatrixUnit):
    """A way with one fold: everything at once."""

    def folds(self, layer: Layer, rom: str = PLAIN) -> Iterator[Fold]:
        """All at once."""
        yield Fold(layer.outputs, layer.inputs, self.name, rom)

    def cycles(self, layer: Layer, fold: Fold) -> int:
        """A vector a cycle."""
        return layer.vectors

    def lanes(self, layer: Layer, fold: Fold) -> int:
        """All inputs."""
        return layer.inputs
