"""What blocks of two operands share: both streams are taken beat by beat, at the same edges."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.ir import Ints, IntType, Op, TensorType


@dataclass(frozen=True, slots=True)
class LockstepStage(Stage):
    """One pipeline from two streams to one; the frame of its template is sv/lockstep.sv.j2.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        a: First source stream.
        b: Second source stream; the same beats as a.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Op
    a: Stream
    b: Stream

    def __post_init__(self) -> None:
        shapes = [(x.channels, x.vectors, x.lanes) for x in self.sources]
        if shapes[0] != shapes[1]:
            raise ValueError(f"operands of different beats: {self.a} and {self.b}")
        self.infer()  # the operator checks its parameters

    def infer(self) -> TensorType:
        """Type of a vector of the result."""
        return self.op.infer(*(TensorType((x.channels,), x.elem) for x in self.sources))

    @property
    def out(self) -> IntType:
        """Type of the result."""
        return self.infer().int_elem

    @property
    def source(self) -> Stream:
        """A."""
        return self.a

    @property
    def sources(self) -> tuple[Stream, ...]:
        """A and b."""
        return (self.a, self.b)

    @property
    def sink(self) -> Stream:
        """Same beats, the operator's type."""
        return Stream(self.out, self.a.channels, self.a.vectors, self.a.lanes)

    @property
    @abstractmethod
    def stem(self) -> str:
        """Stem of the template."""

    @property
    @abstractmethod
    def latency(self) -> int:
        """Registers from the operands to the result, 1 or more."""

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    def signed(self, operand: str) -> str:
        """Code of ``operand`` ("a" or "b") in lane l with a sign bit (SystemVerilog)."""
        width = f"{operand.upper()}_W"
        elem = self.a.elem if operand == "a" else self.b.elem
        sign = f"{operand}[l*{width}+{width}-1]" if elem.signed else "1'b0"
        return f"$signed({{{sign}, {operand}[l*{width}+:{width}]}})"

    @property
    def interval(self) -> int:
        """One beat a cycle."""
        return self.a.beats

    def schedule(self, *arrivals: Ints) -> Ints:
        """``latency`` edges after the later operand; a beat goes in after the one before it."""
        order = np.arange(self.a.beats)
        both = np.maximum(*arrivals) - order
        return order + np.maximum.accumulate(both) + self.latency

    def timing(self) -> Timing:
        """A pipeline."""
        return Timing.straight(self.a.beats, self.latency, inputs=2)

    def files(self) -> Mapping[str, str]:
        """The module."""
        return {f"{self.module}.sv": render(f"sv/{self.stem}.sv.j2", hw=self)}
