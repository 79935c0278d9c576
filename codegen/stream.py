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

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """One frame of a stage as a row of slots, issued in order, at most one a clock edge.

    Slot s is issued at the first edge t[s] behind t[s - 1] at which, of every input k, the beats
    below ``needs[k][s]`` have been transferred ``wait[k]`` edges ago or earlier, and at most
    ``room - 1`` output beats that were issued have not left. A slot with ``gives`` puts out one
    beat (on every output), transferred at t[s] + delay at the earliest.
    Input beat i has a place once a slot is issued with ``frees[k] > i - keep[k]`` (an edge later);
    with ``keep`` 0 it is transferred at the very edge of the first slot that needs it.

    Attributes:
        needs: For each input, beats of the frame that must have come, by slot; ascending.
        wait: For each input, edges from a beat's transfer to the first slot that can use it.
        frees: For each input, beats of the frame that no later slot needs, by slot; ascending.
        keep: For each input, beats that the stage can hold.
        gives: Whether a slot puts out a beat; bool, by slot.
        delay: Edges from a slot to the transfer of its output beat, when nothing stalls.
        room: Output beats that can be under way.
    """

    needs: tuple[Ints, ...]
    wait: tuple[int, ...]
    frees: tuple[Ints, ...]
    keep: tuple[int, ...]
    gives: NDArray[np.bool_]
    delay: int
    room: int

    @staticmethod
    def straight(beats: int, delay: int, inputs: int = 1) -> Timing:
        """A pipeline without memory: a beat of every input makes a beat, ``delay`` edges later."""
        order = np.arange(1, beats + 1, dtype=np.int64)
        return Timing(
            (order,) * inputs,
            (0,) * inputs,
            (order,) * inputs,
            (0,) * inputs,
            np.ones(beats, np.bool_),
            delay,
            delay,
        )


@dataclass(frozen=True, slots=True)
class Work:
    """What a stage computes in a frame.

    Attributes:
        products: Products of an input and a weight.
        product_bits: Product of the widths of their operands.
        sum_bits: Width of the sums they go into.
        weight_bits_read: Bits that come out of memories of weights.
    """

    products: int = 0
    product_bits: int = 0
    sum_bits: int = 0
    weight_bits_read: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Reloadable:
    """A memory of constants that is written while the core is in use.

    Its stage has ports for that, see docs/registers.md: ``reload_*``.

    Attributes:
        what: What it holds: weights, thresholds.
        words: Bits of its words, uint8 (depth, bits).
    """

    what: str
    words: NDArray[np.uint8]

    @property
    def depth(self) -> int:
        """Words."""
        return int(self.words.shape[0])

    @property
    def bits(self) -> int:
        """Bits of a word."""
        return int(self.words.shape[1])

    @property
    def chunks(self) -> int:
        """Parts of 32 bits that a word is written and read in."""
        return -(-self.bits // 32)

    @property
    def word_bits(self) -> int:
        """Bits of the address of a word."""
        return max(1, (self.depth - 1).bit_length())

    @property
    def chunk_bits(self) -> int:
        """Bits of the number of such a part."""
        return max(1, (self.chunks - 1).bit_length())

    def parts(self) -> NDArray[np.uint32]:
        """The words in such parts, the lowest bits first: (depth, chunks)."""
        wide = np.zeros((self.depth, 32 * self.chunks), np.uint8)
        wide[:, : self.bits] = self.words
        packed = np.packbits(wide, axis=1, bitorder="little")
        return np.ascontiguousarray(packed).view("<u4").astype(np.uint32)


@dataclass(frozen=True, slots=True)
class Stage(ABC):
    """One block of the pipeline: streams in, streams out; most have one of each.

    Ports in the RTL: ``clk``, ``rst``, and ``s_axis_*`` and ``m_axis_*`` (tdata, tvalid, tready);
    with several inputs ``s0_axis_*``, ``s1_axis_*``, ..., with several outputs ``m0_axis_*``, ...

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
        """Input stream; the first of several."""

    @property
    @abstractmethod
    def sink(self) -> Stream:
        """Output stream; the first of several."""

    @property
    def sources(self) -> tuple[Stream, ...]:
        """All input streams."""
        return (self.source,)

    @property
    def sinks(self) -> tuple[Stream, ...]:
        """All output streams."""
        return (self.sink,)

    def inward(self) -> tuple[str, ...]:
        """Prefix of the ports of each input."""
        count = len(self.sources)
        return ("s_axis",) if count == 1 else tuple(f"s{k}_axis" for k in range(count))

    def outward(self) -> tuple[str, ...]:
        """Prefix of the ports of each output."""
        count = len(self.sinks)
        return ("m_axis",) if count == 1 else tuple(f"m{k}_axis" for k in range(count))

    @property
    def weight_bits(self) -> int:
        """Bits of the weights it stores; 0 of a stage that has none."""
        return 0

    @property
    def reloadable(self) -> Reloadable | None:
        """The memory of constants that can be written at run time, where it has one."""
        return None

    def work(self) -> Work:
        """Products of a frame; none of a stage that only moves or compares."""
        return Work()

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
        """Cycles a frame in steady state when nothing stalls (initiation interval).

        Of a stage that is ``data_dependent``, at most.
        """

    @property
    def data_dependent(self) -> bool:
        """Whether some frames take fewer cycles than ``interval``, by their values.

        ``schedule`` and ``timing`` are then those of a frame that takes longest; any other has
        fewer slots, and no condition but theirs (docs/decisions/0010-data-dependent-cycles.md).
        """
        return False

    @abstractmethod
    def schedule(self, *arrivals: Ints) -> Ints:
        """Clock edge at which each output beat is transferred, given that of each input beat.

        For beats of a first frame entering an idle stage, with sinks that are always ready. An
        array for each input: the edges at which its beats are offered; the same result holds for
        every output.
        """

    @abstractmethod
    def timing(self) -> Timing:
        """The stage as a row of slots, for the depths of FIFOs (codegen/fifo_depth.py)."""

    @abstractmethod
    def cost(self) -> Cost:
        """Resources, by the formula in the docstring of the subclass."""

    @abstractmethod
    def files(self) -> Mapping[str, str]:
        """Text of each file below rtl/ that the stage needs, by file name."""
