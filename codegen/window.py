"""Hardware of Window: a row buffer and what reads it.

Two ways, by the lanes of the sink: a beat of one tap a cycle out of one memory
(codegen/window_addressed.py), or all taps of a group of channels at once
(codegen/window_parallel.py). Neither holds a frame; both make padding on the fly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gatesmith.codegen import parts
from gatesmith.codegen.cost import Cost
from gatesmith.codegen.stream import Stage, Stream, Timing
from gatesmith.codegen.window_addressed import Addressed
from gatesmith.codegen.window_parallel import Parallel
from gatesmith.ir import Ints
from gatesmith.ops.window import Window


@dataclass(frozen=True, slots=True)
class WindowStage(Stage):
    """Sliding window; the module's text is that of :attr:`made`.

    Attributes:
        module: Name of the Verilog module, unique in the design.
        op: The operator.
        shape: (H, W, C) of the map.
        x: Source stream: C channels, H * W vectors; its lanes divide C / groups.
        groups: Parts of the channels whose taps stand together in the stream. The stream has
            op.groups of them, or C / x.lanes where all taps come at once: then each group is
            as many channels as x has lanes.
        lanes_out: Lanes of the sink: x.lanes (a tap a cycle), or taps * x.lanes (all taps).
    """

    module: str = field()  # no default: the property of the base class would become one
    op: Window
    shape: tuple[int, int, int]
    x: Stream
    groups: int
    lanes_out: int

    def __post_init__(self) -> None:
        height, width, channels = self.shape
        if (self.x.channels, self.x.vectors) != (channels, height * width):
            raise ValueError(f"{self.x} does not carry a map of {self.shape}")
        if channels % (self.groups * self.x.lanes):
            raise ValueError(f"{self.x.lanes} lanes do not divide a group of {self.groups}")
        if self.parallel and self.lanes_out != self.op.taps * self.x.lanes:
            raise ValueError(f"{self.lanes_out} lanes are neither one tap nor {self.op.taps}")
        if self.parallel and channels != self.groups * self.x.lanes:
            raise ValueError(f"all taps at once need groups of {self.x.lanes} channels")

    @property
    def parallel(self) -> bool:
        """Whether all taps come at once."""
        return self.lanes_out != self.x.lanes

    @property
    def positions(self) -> tuple[int, int]:
        """(H', W')."""
        return self.op.positions(*self.shape[:2])

    @property
    def source(self) -> Stream:
        """X."""
        return self.x

    @property
    def sink(self) -> Stream:
        """A vector of taps for each group of each position: tap, then channel in the group."""
        rows, cols = self.positions
        channels = self.op.taps * self.shape[2] // self.groups
        return Stream(
            self.op.elem(self.x.elem), channels, rows * cols * self.groups, self.lanes_out
        )

    @property
    def made(self) -> Addressed | Parallel:
        """The implementation."""
        kind = Parallel if self.parallel else Addressed
        remark = parts.remark(self.origin)
        return kind(self.module, remark, self.op, self.shape, self.x, self.sink, self.groups)

    @property
    def interval(self) -> int:
        """The slower of the two ends: a beat in a cycle, a slot of the reader a cycle."""
        return max(self.x.beats, self.made.slots)

    def timing(self) -> Timing:
        """Exact."""
        return self.made.timing()

    def schedule(self, *arrivals: Ints) -> Ints:
        """A slot is issued an edge after its beats were written, its output leaves 2 edges later.

        The ring never delays an issue: its size lets the reader go at full speed, or the writer
        where that is the slower end, and the first frame finds it empty.
        """
        (edges,) = arrivals
        timing = self.made.timing()
        needs = timing.needs[0]
        order = np.arange(needs.size)
        issue = order + np.maximum.accumulate(edges[needs - 1] + 1 - order)
        return issue[timing.gives] + timing.delay

    def cost(self) -> Cost:
        """That of the implementation."""
        return self.made.cost()

    def files(self) -> Mapping[str, str]:
        """Those of the implementation."""
        return self.made.files()
