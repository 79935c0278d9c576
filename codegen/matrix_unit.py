"""Ways to build a matrix-vector product (Dense): what a way must tell the folding and the plan.

Each way is one MatrixUnit beside its stage (codegen/dense*.py), listed in codegen/matrix_units.py.
All of them give the same integers; they differ in cycles and in what they cost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from typing import ClassVar

from gatesmith.codegen.stream import Stage, Stream
from gatesmith.ir import IntType
from gatesmith.ops.dense import Dense

FOLDED, PLAIN = "folded", "plain"


def divisors(n: int) -> list[int]:
    """All divisors, ascending.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    low = [d for d in range(1, isqrt(n) + 1) if n % d == 0]
    return low + [n // d for d in reversed(low) if d * d != n]


@dataclass(frozen=True, slots=True)
class Fold:
    """How one matrix-vector product is built.

    Attributes:
        pe: Outputs computed at a time.
        simd: Multiplications for each of them at a time.
        unit: Name of the MatrixUnit.
        rom: How its weights are stored, one of the unit's ``roms``.
    """

    pe: int
    simd: int
    unit: str = FOLDED
    rom: str = PLAIN

    def __str__(self) -> str:
        words = [word for word in (self.unit, self.rom) if word not in (FOLDED, PLAIN)]
        return " ".join([f"pe={self.pe}", f"simd={self.simd}", *words])


@dataclass(frozen=True, slots=True)
class Layer:
    """What a unit may know of the layer it is for.

    Attributes:
        op: The operator; a row of its weights is in the order of the stream.
        x: Type of an input.
        vectors: Input vectors in a frame (a vector holds the inputs of one group).
    """

    op: Dense
    x: IntType
    vectors: int

    @property
    def inputs(self) -> int:
        """Inputs of a group."""
        return self.op.weights.shape[1]

    @property
    def outputs(self) -> int:
        """Outputs of a group."""
        return self.op.weights.shape[0] // self.op.groups


@dataclass(frozen=True, slots=True)
class Naming:
    """Names of a stage: its instance, the IR node it carries, where that came from, its module."""

    name: str
    node: str
    origin: tuple[str, ...]
    module: str


class MatrixUnit(ABC):
    """One way.

    Attributes:
        name: As in ``--fold LAYER=...,NAME``.
        what: In a few words, for messages and the docs.
        automatic: Whether the search for the cheapest fold tries it unasked.
        roms: Ways it can store weights.
    """

    name: ClassVar[str]
    what: ClassVar[str]
    automatic: ClassVar[bool] = False
    roms: ClassVar[tuple[str, ...]] = (PLAIN,)

    @abstractmethod
    def refuses(self, layer: Layer, rom: str = PLAIN) -> str | None:
        """Why the layer cannot be built this way, as the end of a sentence; None when it can."""

    def folds(self, layer: Layer, rom: str = PLAIN) -> Iterator[Fold]:
        """Every fold that fits; by default all divisors of outputs and inputs."""
        for pe in divisors(layer.outputs):
            for simd in divisors(layer.inputs):
                yield Fold(pe, simd, self.name, rom)

    @abstractmethod
    def cycles(self, layer: Layer, fold: Fold) -> int:
        """Cycles a frame when nothing stalls; of a unit whose time hangs on data, at most."""

    @abstractmethod
    def lanes(self, layer: Layer, fold: Fold) -> int:
        """Inputs in a beat of the source stream; divides the inputs of a group."""

    @abstractmethod
    def stage(
        self, naming: Naming, layer: Layer, x: Stream, fold: Fold, *, masked: bool = False
    ) -> Stage:
        """The stage.

        Args:
            naming: Its names.
            layer: The layer.
            x: Source stream, of :meth:`lanes` lanes; vectors of the inputs of a group.
            fold: One of :meth:`folds`.
            masked: See DenseStage; a unit may ignore it.
        """
