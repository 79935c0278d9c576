"""Sums over the streams between the stages, which the bench of a build compares frame by frame.

A polynomial over the 32-bit words of a frame, modulo 2**64: an odd factor lets no change of one
word cancel, and the words are half as wide as the sum, so that a bit that is wrong in every beat
does not vanish from its upper end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Graph, Ints
from gatesmith.ir.execute import execute
from gatesmith.rtl_tests.vectors import Port
from gatesmith.templates.tb.shards import compared

FACTOR = 6364136223846793005
"""Donald Knuth's multiplier of a linear congruential generator modulo 2**64 (MMIX)."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One that is compared.

    Attributes:
        wire: Name of its signals in the core, without _tdata.
        layer: Of the stage that gives it.
        node: IR node whose values it carries.
        port: Its shape.
    """

    wire: str
    layer: str
    node: str
    port: Port

    @property
    def beats(self) -> int:
        """Of a frame."""
        return self.port.beats

    @property
    def bits(self) -> int:
        """Of a beat."""
        return self.port.lanes * self.port.elem.bits

    @property
    def last_bits(self) -> int:
        """Of the last beat of a frame, which may not be full."""
        left = self.port.size - (self.port.beats - 1) * self.port.lanes
        return left * self.port.elem.bits

    @property
    def words(self) -> int:
        """Of 32 bits, in a beat."""
        return -(-self.bits // 32)


def streams_of(build: Mapping[str, Any]) -> list[Stream]:
    """Those that carry a value of the IR in its order, frame after frame."""
    return [
        Stream(sink["wire"], str(stage["name"]), str(stage["node"]), Port.of(sink))
        for stage, sink in compared(build)
    ]


def stream_sums(
    streams: Sequence[Stream], graph: Graph, given: Mapping[str, Ints]
) -> NDArray[np.uint64]:
    """(frames, streams) sums, for values of the graph's Input nodes."""
    names = {stream.node for stream in streams}
    nodes = {node.name: node for node in graph if node.name in names}
    values = execute(graph, given, keep=nodes.values())
    frames = len(next(iter(given.values())))
    sums = np.zeros((frames, len(streams)), np.uint64)
    for k, stream in enumerate(streams):
        beats = stream.port.encode(values[nodes[stream.node]].astype(np.int64))
        sums[:, k] = _sum(beats, stream.words)
    return sums


def _sum(beats: NDArray[np.uint8], words: int) -> NDArray[np.uint64]:
    """Of (frames, beats, bytes of a beat), most significant byte first."""
    frames, count, size = beats.shape
    little = np.zeros((frames, count, words * 4), np.uint8)
    used = min(size, words * 4)
    little[..., :used] = beats[..., ::-1][..., :used]
    each = little.view("<u4").reshape(frames, count * words).astype(np.uint64)
    powers = np.full(count * words, FACTOR, np.uint64)
    powers[0] = 1
    powers = np.multiply.accumulate(powers)[::-1]
    total: NDArray[np.uint64] = (each * powers).sum(axis=1, dtype=np.uint64)
    return total
