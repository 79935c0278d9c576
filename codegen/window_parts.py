"""What both implementations of Window have: padding, element types, the ring's bookkeeping."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.render import plain
from gatesmith.codegen.stream import Stream, Timing
from gatesmith.codegen.window_ring import least_keep
from gatesmith.codegen.window_walk import Walk
from gatesmith.ir import Ints
from gatesmith.ops.window import Window


@dataclass(frozen=True, slots=True)
class Implementation(ABC):
    """A template is given it under the name ``hw``.

    Attributes:
        module: Name of the Verilog module.
        remark: ONNX origin for the header.
        op: The operator.
        shape: (H, W, C).
        x: Source stream.
        y: Sink stream.
        groups: Parts of the channels whose taps stand together.
    """

    module: str
    remark: str
    op: Window
    shape: tuple[int, int, int]
    x: Stream
    y: Stream
    groups: int

    @property
    def walk(self) -> Walk:
        """The order of reading."""
        op, size = self.op, self.shape[:2]
        return Walk(
            op.kernel,
            op.strides,
            op.pads,
            op.dilations,
            size,
            op.positions(*size),
            self.x.groups,
            self.groups,
        )

    # ---- the ring -------------------------------------------------------------------------------

    @property
    @abstractmethod
    def slots(self) -> int:
        """Steps of the reader in a frame."""

    @property
    @abstractmethod
    def keep(self) -> int:
        """Beats that the ring holds."""

    @abstractmethod
    def timing(self) -> Timing:
        """The stage as a row of slots; exact."""

    @property
    def step_bits(self) -> int:
        """Bits of a number of beats up to a frame's."""
        return self.x.beats.bit_length()

    @property
    def ring_bits(self) -> int:
        """Bits of the ring's count of places: down to a step and a ring below zero."""
        return ((1 << self.step_bits) - 1 + self.keep).bit_length() + 1

    @property
    def ring_ff(self) -> int:
        """Bits of both counts of the ring; that of beats reaches a step below zero."""
        return self.ring_bits + max(self.step_bits, self.keep.bit_length()) + 1

    # ---- padding --------------------------------------------------------------------------------

    @property
    def padded(self) -> bool:
        """Whether some taps lie outside the map."""
        return any(self.op.pads)

    @property
    def fill_words(self) -> Ints:
        """Codes of the beats of a padded pixel: (beats of a pixel, lanes)."""
        fill = np.broadcast_to(self.op.fill.data, (self.shape[2],))
        return self.y.elem.encode(fill).reshape(self.x.groups, self.x.lanes)

    @property
    def fill_rom(self) -> bool:
        """Whether the fill differs between beats, so that it comes from a ROM."""
        return self.padded and bool((self.fill_words != self.fill_words[:1]).any())

    @property
    def fill_style(self) -> str:
        """Where that ROM goes."""
        return parts.memory_style(self.x.groups, self.beat_bits)

    @property
    def beat_bits(self) -> int:
        """Bits of a beat of x in the elements of y."""
        return self.x.lanes * self.y.elem.bits

    @property
    def fill_literal(self) -> str:
        """The fill of a beat, where it is always the same (SystemVerilog)."""
        word = parts.mem_text(self.fill_words[:1], self.y.elem.bits).strip()
        return f"{self.beat_bits}'h{word}"

    @property
    def widens(self) -> bool:
        """Whether elements change their code on the way."""
        return self.x.elem != self.y.elem

    def widened(self, code: str) -> str:
        """Code of y for a code of x (SystemVerilog)."""
        if self.x.elem.step != 1:
            return f"Y_W'(X_LO + X_STEP * $signed((Y_W + 1)'({code})))"
        return f"Y_W'($signed({code}))" if self.x.elem.signed else f"Y_W'({code})"

    def common_files(self) -> Mapping[str, str]:
        """The ring's bookkeeping; the fill, where it is a ROM."""
        files = {"gs_ring.sv": plain("sv/gs_ring.sv")}
        if self.fill_rom:
            text = parts.mem_text(self.fill_words, self.y.elem.bits)
            files[f"{self.module}_fill.mem"] = text
        return files


@lru_cache(maxsize=1024)
def addressed_keep(walk: Walk) -> int:
    """Beats in the ring of an addressed window."""
    return least_keep(*walk.arrays(), walk.total)
