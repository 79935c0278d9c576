"""Streams and stages: what a design is made of before it is text.

A stream carries frame after frame without a gap in meaning: a frame is ``vectors`` channel vectors
(row-major, channels last), a vector is ``channels`` elements, a beat is ``lanes`` neighbouring
elements of one vector. Element i of a beat is on the wires ``[i*bits +: bits]`` of ``tdata``, as
the code of its type (gatesmith/ir/types.py). A beat is transferred at a rising clock edge at which
``tvalid`` and ``tready`` are high; once high, ``tvalid`` stays and ``tdata`` holds until then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from gatesmith.codegen.cost import Cost
from gatesmith.ir import Ints, IntType


@dataclass(frozen=True, slots=True)
class Stream:
    """Shape of a stream; ``lanes`` divides ``channels``."""

    elem: IntType
    channels: int
    vectors: int
    lanes: int

    def __post_init__(self) -> None:
        if self.channels % self.lanes:
            raise ValueError(f"{self.lanes} lanes do not divide {self.channels} channels")

    @property
    def beats(self) -> int:
        """Beats in one frame."""
        return self.vectors * self.groups

    @property
    def groups(self) -> int:
        """Beats in one vector."""
        return self.channels // self.lanes

    @property
    def width(self) -> int:
        """Bits of tdata."""
        return self.lanes * self.elem.bits


@dataclass(frozen=True, slots=True)
class Stage(ABC):
    """One block of the pipeline: one stream in, one stream out.

    Attributes:
        name: Instance name, unique in the design, a Verilog identifier.
        node: IR node whose value the output stream carries.
        origin: ONNX nodes it was made from.
    """

    name: str
    node: str
    origin: tuple[str, ...]

    @property
    @abstractmethod
    def source(self) -> Stream:
        """Input stream."""

    @property
    @abstractmethod
    def sink(self) -> Stream:
        """Output stream."""

    @property
    @abstractmethod
    def module(self) -> str:
        """Name of the Verilog module."""

    @property
    def parameters(self) -> Mapping[str, int]:
        """Verilog parameters of the instance; empty for a module generated for one stage."""
        return {}

    @property
    @abstractmethod
    def interval(self) -> int:
        """Cycles a frame in steady state when nothing stalls (initiation interval)."""

    @abstractmethod
    def schedule(self, arrivals: Ints) -> Ints:
        """Clock edge at which each output beat is transferred, given that of each input beat.

        For beats of a first frame entering an idle stage, with a sink that is always ready.
        """

    @abstractmethod
    def cost(self) -> Cost:
        """Resources, by the formula in the docstring of the subclass."""

    @abstractmethod
    def files(self) -> Mapping[str, str]:
        """Text of each file below rtl/ that the stage needs, by file name."""
