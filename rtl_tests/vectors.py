"""Values of a stream as the bytes that the bench reads, and back.

A beat is ``lanes`` elements, element i on bits [i*bits +: bits], then zeros up to ``tdata_bits``;
its bytes come most significant first, which is how $fread fills a register. A frame is row-major;
a last beat that it does not fill is padded with zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatesmith.ir import Graph, Ints, IntType, Node
from gatesmith.ir.execute import execute
from gatesmith.ops.input import Input

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Port:
    """Shape of a stream as bits.

    >>> port = Port(IntType(0, 15), lanes=2, beats=2, tdata_bits=8, size=4)
    >>> port.encode(np.array([[1, 2, 3, 4]]))
    array([[[33],
            [67]]], dtype=uint8)
    >>> port.decode(port.encode(np.array([[1, 2, 3, 4]])))
    array([[1, 2, 3, 4]])
    """

    elem: IntType
    lanes: int
    beats: int
    tdata_bits: int
    size: int

    @staticmethod
    def of(entry: Mapping[str, Any]) -> Port:
        """The ``input`` or ``output`` of build.json, or a stage's ``source`` or ``sink``."""
        elem = IntType(**entry["elem"])
        lanes, beats = int(entry["lanes"]), int(entry["beats"])
        if "shape" in entry:
            size = int(np.prod(entry["shape"], dtype=np.int64))
        else:
            size = int(entry["channels"]) * int(entry["vectors"])
        bits = -(-lanes * elem.bits // 8) * 8
        return Port(elem, lanes, beats, int(entry.get("tdata_bits", bits)), size)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.beats * self.tdata_bits // 8

    def encode(self, values: Ints) -> Bytes:
        """(frames, ...) values to (frames, beats, bytes of a beat)."""
        frames, bits = len(values), self.elem.bits
        words = np.zeros((frames, self.beats * self.lanes), np.int64)
        words[:, : self.size] = self.elem.encode(values.reshape(frames, self.size))
        if bits == 8 and self.lanes * 8 == self.tdata_bits:
            lanes = words.astype(np.uint8).reshape(frames, self.beats, self.lanes)
            return np.ascontiguousarray(lanes[..., ::-1])
        wires = np.zeros((frames, self.beats, self.tdata_bits), np.uint8)
        lane_wires = np.empty((frames, self.beats * self.lanes, bits), np.uint8)
        for bit in range(bits):
            lane_wires[..., bit] = (words >> bit) & 1
        used = self.lanes * bits
        wires[..., :used] = lane_wires.reshape(frames, self.beats, used)
        little: Bytes = np.packbits(wires, axis=-1, bitorder="little")
        return np.ascontiguousarray(little[..., ::-1])

    def decode(self, beats: Bytes) -> Ints:
        """Inverse of :meth:`encode`: (frames, beats, bytes) to (frames, size) values."""
        frames, bits = len(beats), self.elem.bits
        wires = np.unpackbits(beats[..., ::-1], axis=-1, bitorder="little")
        used = wires[..., : self.lanes * bits].reshape(frames, self.beats * self.lanes, bits)
        words = np.zeros(used.shape[:2], np.int64)
        for bit in range(bits):
            words |= used[..., bit].astype(np.int64) << bit
        return self.elem.decode(words[:, : self.size])

    def lane_of(self, expected: int, found: int) -> int | None:
        """First lane in which two beats, as integers, differ; None where only padding does."""
        differing = expected ^ found
        for lane in range(self.lanes):
            if (differing >> (lane * self.elem.bits)) & ((1 << self.elem.bits) - 1):
                return lane
        return None

    def element(self, beat: int, lane: int) -> int:
        """Value on one lane of a beat given as an integer."""
        word = (beat >> (lane * self.elem.bits)) & ((1 << self.elem.bits) - 1)
        return int(self.elem.decode(np.array([word]))[0])


def input_node(graph: Graph) -> Node:
    """The one Input node."""
    (node,) = (node for node in graph if isinstance(node.op, Input))
    return node


def write_sample(
    directory: Path, graph: Graph, build: Mapping[str, Any], frames: int = 64, seed: int = 0
) -> None:
    """vectors/ of a build: frames that tb/run.py streams without gatesmith.

    The first two frames are all lowest and all highest values, the others are uniform. Writes
    input.bin and expected.bin (beats), and sample.npz (x, for ``gatesmith verify``, and expected).
    """
    source, sink = Port.of(build["input"]), Port.of(build["output"])
    shape = (frames, *input_node(graph).type.shape)
    low, high, step = source.elem.lo, source.elem.hi, source.elem.step
    rng = np.random.default_rng(seed)
    x = low + step * rng.integers(0, source.elem.count, shape, dtype=np.int64)
    x[0] = low
    x[1:2] = high
    y = execute(graph, {input_node(graph).name: x})[graph.outputs[0]].astype(np.int64)
    folder = directory / "vectors"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "input.bin").write_bytes(source.encode(x).tobytes())
    (folder / "expected.bin").write_bytes(sink.encode(y).tobytes())
    np.savez_compressed(folder / "sample.npz", x=x, expected=y)
