"""Hardware of Depthwise: PE channels side by side, one tap or all taps of their windows a cycle.

It reads the stream of a Window whose groups are of PE channels: a window of PE channels is
``taps`` beats of PE elements, or one beat of ``taps`` times PE, in the order (tap, channel).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gatesmith.codegen import parts
from gatesmith.codegen.arithmetic import carries
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.fitted import luts
from gatesmith.codegen.render import render
from gatesmith.codegen.stream import Stage, Stream, Timing, Work
from gatesmith.codegen.terms import Kind, Terms, kind_of
from gatesmith.ir import BIPOLAR, Ints, IntType
from gatesmith.ops.depthwise import Depthwise


@dataclass(frozen=True, slots=True)
class DepthwiseStage(Stage):
    """Vector-vector unit; templates/sv/depthwise.sv.j2 is given it under the name ``hw``.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator; the windows are made, and padded, before this stage.
        channels: Of the operator's result.
        x: Source stream: vectors of ``taps * pe`` elements, PE or all of them a beat.
        pe: Channels computed at a time; divides their number.
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Depthwise
    channels: int
    x: Stream
    pe: int

    def __post_init__(self) -> None:
        if self.op.weights.shape[1] != self.channels:
            raise ValueError(f"weights of {self.op.weights.shape[1]} channels, not {self.channels}")
        check_windows(self.op.kernel, self.channels, self.x, self.pe)

    @property
    def source(self) -> Stream:
        """Windows."""
        return self.x

    @property
    def sink(self) -> Stream:
        """Accumulators, PE lanes."""
        elem = self.op.accumulator(self.x.elem)
        return Stream(elem, self.channels, self.x.vectors // self.groups, self.pe)

    # ---- fold -----------------------------------------------------------------------------------

    @property
    def taps(self) -> int:
        """Taps of a window."""
        return self.op.weights.shape[0]

    @property
    def taps_in_beat(self) -> int:
        """Taps taken a cycle: one, or all."""
        return self.x.lanes // self.pe

    @property
    def beats(self) -> int:
        """Beats in a window of PE channels."""
        return self.x.groups

    @property
    def groups(self) -> int:
        """Groups of PE channels."""
        return self.channels // self.pe

    @property
    def interval(self) -> int:
        """One beat a cycle."""
        return self.x.beats

    @property
    def delay(self) -> int:
        """Registers from a beat to the sum of its products."""
        return 1 + self.terms.registers + self.terms.tree_levels(self.taps_in_beat)

    @property
    def latency(self) -> int:
        """Cycles from a window's last beat to its sum."""
        return self.delay + 1

    # ---- arithmetic -----------------------------------------------------------------------------

    @property
    def weight_type(self) -> IntType:
        """The narrowest that is cheap: 1 alone, or one bit, else that of the operator."""
        weights = self.op.weights.data
        if (weights == 1).all():
            return IntType(1, 1)
        return BIPOLAR if (np.abs(weights) == 1).all() else self.op.weight_type

    @property
    def terms(self) -> Terms:
        """How products are made. Bipolar windows of ones are counted: their codes are added."""
        x, weight = self.x.elem, self.weight_type
        kind: Kind = kind_of(x, weight)
        if weight == IntType(1, 1):
            return Terms(IntType(0, 1) if x == BIPOLAR else x, weight, self.sink.elem, "copy")
        return Terms(x, weight, self.sink.elem, "sign_x" if kind == "gated" else kind)

    # ---- weights --------------------------------------------------------------------------------

    @property
    def weight_bits(self) -> int:
        """Bits of all weights."""
        return self.op.weights.data.size * self.terms.rom_type.bits

    def work(self) -> Work:
        """A product for each tap and channel of a window, and a word of weights a beat."""
        bits = self.x.elem.bits * self.weight_type.bits
        read = self.interval * self.word_bits if self.depth else 0
        return Work(self.interval * self.x.lanes, bits, self.sink.elem.bits, read)

    @property
    def depth(self) -> int:
        """Words of weights; none where all are 1."""
        return 0 if self.terms.kind == "copy" else self.groups * self.beats

    @property
    def word_bits(self) -> int:
        """Bits of a word of weights."""
        return self.x.lanes * self.terms.rom_type.bits

    @property
    def rom_style(self) -> str:
        """Where the weights go."""
        return parts.memory_style(self.depth, self.word_bits)

    @property
    def address(self) -> str:
        """Counter that addresses the weights (SystemVerilog)."""
        return "address_q" if self.groups > 1 else "beat_q" if self.beats > 1 else "0"

    @property
    def remark(self) -> str:
        """ONNX origin for the header."""
        return parts.remark(self.origin)

    def weights_mem(self) -> str:
        """The ROM's content."""
        return parts.mem_text(self._words(), 1)

    def _words(self) -> NDArray[np.uint8]:
        """Bits of the ROM: word group * BEATS + beat, element tap * PE + p."""
        fold = (self.taps, self.groups, self.pe)
        words = self.op.weights.data.reshape(fold).transpose(1, 0, 2).reshape(self.depth, -1)
        rom = self.terms.rom_type
        return parts.bits_of(rom.encode(words), rom.bits)

    # ---- stage ----------------------------------------------------------------------------------

    def schedule(self, *arrivals: Ints) -> Ints:
        """``latency`` edges after each window's last beat."""
        (edges,) = arrivals
        return edges.reshape(self.x.vectors, self.beats)[:, -1] + self.latency

    def timing(self) -> Timing:
        """A slot a beat; the pipeline stops as a whole when a sum has no place."""
        return window_timing(self.x, self.delay)

    def cost(self) -> Cost:
        """As DenseStage.cost: products, adder trees, accumulators; ROM by content."""
        terms, out, taps, pe = self.terms, self.sink.elem.bits, self.taps_in_beat, self.pe
        folded = self.beats > 1
        counters = (self.beats - 1).bit_length()
        if self.depth and self.groups > 1:
            counters += (self.depth - 1).bit_length()
        shifted = 2 * folded * (self.delay > 2)
        features = {
            "dense.accumulate": pe * out * folded,
            "dense.decode": self.x.lanes * terms.x_value.bits * terms.decodes_x,
            "dense.counter": counters,
            "dense.one": 1,
        }
        flags = self.delay * (1 if shifted else 1 + 2 * folded)
        cost = terms.cost(pe * taps) + terms.tree_cost(taps, pe)
        cost += Cost(
            lut=luts(features) + shifted,
            ff=pe * out * (1 + folded) + counters + flags + 1 + self.x.width,
            carry=pe * carries(out) * folded,
        )
        if not self.depth:
            return cost
        return cost + parts.rom(self.depth, self.word_bits, self._words).registered

    def files(self) -> Mapping[str, str]:
        """The module, its weights if they differ from 1, the adder tree."""
        files = {
            f"{self.module}.sv": render("sv/depthwise.sv.j2", hw=self),
            **self.terms.files(),
        }
        if self.depth:
            files[f"{self.module}_weights.mem"] = self.weights_mem()
        return files


def check_windows(kernel: tuple[int, int], channels: int, x: Stream, pe: int) -> None:
    """Refuse a stream that is not one of windows of PE channels, ``channels`` in all."""
    taps = kernel[0] * kernel[1]
    if channels % pe:
        raise ValueError(f"PE {pe} does not divide {channels} channels")
    if x.channels != taps * pe or x.vectors % (channels // pe):
        raise ValueError(f"{x.vectors} x {x.channels} elements are no {taps} taps of {pe} channels")
    if x.lanes not in (pe, taps * pe):
        raise ValueError(f"{x.lanes} lanes are neither one nor all of {taps} taps of {pe} channels")


def window_timing(x: Stream, delay: int) -> Timing:
    """Timing of a unit that takes a beat a cycle and gives one behind each vector's last.

    Args:
        x: Its source.
        delay: Registers before that of the output; they stop when a result has no place.
    """
    order = np.arange(1, x.beats + 1, dtype=np.int64)
    gives = order % x.groups == 0
    room = 1 + parts.ceil_div(delay, x.groups)
    return Timing((order,), (0,), (order,), (0,), gives, delay + 1, room)
